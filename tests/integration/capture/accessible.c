/* Focus and clicked objects of real toolkits by AT-SPI. */

#include "tests/harness/labs/accessible.h"

#include "capture/source.h"
#include "protocol/base/clock.h"
#include "replay/session/session.h"
#include "tests/harness/helpers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_TAB 23 /* a keycode of a PC keyboard */
#define ROUNDS  5

/* callbacks of a failed test still write to it */
static struct accessible_lab lab;

/* @return ms from the key to the callback; 0 if it never came */
static double tab_to(bool back, enum accessible_focus wanted)
{
	int64_t pressed_ns = clock_now_ns(), told_ns;

	accessible_lab_key(&lab, KEY_TAB, back);
	told_ns = accessible_lab_waits(&lab, wanted, pressed_ns);
	return told_ns ? (double)(told_ns - pressed_ns) / 1e6 : 0;
}

static void follow_focus_in(const char *name)
{
	struct application application;
	double ms[4 * ROUNDS];
	size_t count = 0;

	if (!accessible_lab_start(&lab))
		return;
	if (!application_has(name)) {
		skip_test("the toolkit is not installed");
		accessible_lab_end(&lab);
		return;
	}
	if (strcmp(name, "Chromium") == 0) {
		/* it sends events only if accessibility is enabled at its start */
		accessible_lab_listen(&lab, NAMES_NONE);
		check(toolkits_become(true));
		application_start(&lab, &application, name);
		check(accessible_lab_focus_row(&lab, &application, ROW_PASSWORD, FOCUS_PASSWORD));
		check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	} else {
		/* it has the focus already: no event is to come */
		application_start(&lab, &application, name);
		accessible_lab_listen(&lab, NAMES_NONE);
	}
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	for (; count < ARRAY_SIZE(ms); count++) {
		/* two steps forwards, two back */
		ms[count] = tab_to(count % 4 >= 2, count % 2 == 0 ? FOCUS_PASSWORD : FOCUS_OTHER);
		check(ms[count] > 0);
	}
	print_times("a key that moves the focus is told", name, ms, count);
	expect(ms[count / 2] < 1000);
	/* a click has the same effect */
	for (int i = 0; i < 2; i++) {
		int x, y;

		application_point(&application, i == 0 ? ROW_PASSWORD : ROW_ENTRY, &x, &y);
		accessible_lab_click(&lab, x, y);
		expect(accessible_lab_waits(&lab, i == 0 ? FOCUS_PASSWORD : FOCUS_OTHER, 0) > 0);
	}
	/* without a click or a key no further report */
	sleep_ms(1500);
	expect(accessible_lab_has_focus(&lab, FOCUS_OTHER));
	application_end(&application);
	expect(accessible_lab_waits(&lab, FOCUS_UNSEEN, 0) > 0);
	expect(lab.clicked_count == 0);
	accessible_lab_end(&lab);
}

static void focus_is_followed_in_gtk_3(void)
{
	follow_focus_in("GTK 3");
}

static void focus_is_followed_in_gtk_4(void)
{
	follow_focus_in("GTK 4");
}

static void focus_is_followed_in_chromium(void)
{
	follow_focus_in("Chromium");
}

/* ---- clicks ---- */

static bool row_height_is_right(
	const struct application *application, const Uxrec__ClickedObject *object)
{
	return (int)object->height_px <= application->height / ROW_COUNT + 2;
}

/* A page appears before its accessible objects. */
static bool warm_up(const struct application *application)
{
	int x, y;

	application_point(application, ROW_BUTTON, &x, &y);
	for (int i = 0; i < 30; i++) {
		size_t number = lab.clicked_count;
		const struct clicked *clicked;

		accessible_lab_click(&lab, x, y);
		clicked = accessible_lab_clicked(&lab, number, 2);
		if (clicked && strcmp(clicked->object->role, "push button") == 0)
			return true;
		sleep_ms(500);
	}
	return false;
}

static void describe_clicks_in(const char *name)
{
	struct application application;
	const Uxrec__ClickedObject *object;
	double ms[ROUNDS];

	if (!accessible_lab_start(&lab))
		return;
	if (!application_has(name)) {
		skip_test("the toolkit is not installed");
		accessible_lab_end(&lab);
		return;
	}
	/* accessibility enabled by the environment instead */
	setenv("GNOME_ACCESSIBILITY", "1", 1);
	application_start(&lab, &application, name);
	accessible_lab_listen(&lab, NAMES_FULL);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	check(warm_up(&application));
	lab.gap_clicks = 0;
	for (int i = 0; i < ROUNDS; i++) {
		object = accessible_lab_click_row(&lab, &application, ROW_BUTTON, &ms[i]);
		clicked_print(name, object);
		expect(strcmp(object->role, "push button") == 0);
		expect(strcmp(object->name, "Save") == 0);
		expect(clicked_contains(object) && row_height_is_right(&application, object));
	}
	print_times("a click is described", name, ms, ROUNDS);
	object = accessible_lab_click_row(&lab, &application, ROW_ENTRY, NULL);
	clicked_print(name, object);
	expect(strcmp(object->role, "text") == 0 || strcmp(object->role, "entry") == 0);
	expect(strcmp(object->name, "Your name") == 0);
	expect(clicked_contains(object));
	object = accessible_lab_click_row(&lab, &application, ROW_PASSWORD, NULL);
	clicked_print(name, object);
	expect(strcmp(object->role, "password text") == 0);
	expect(clicked_contains(object));
	clicked_print(name, accessible_lab_click_row(&lab, &application, ROW_TEXT, NULL));
	/* typed text is in no object */
	for (size_t i = 0; i < lab.clicked_count; i++) {
		expect(strstr(lab.clicked[i].object->name, "secret") == NULL);
		expect(strstr(lab.clicked[i].object->application, "secret") == NULL);
	}
	expect(lab.gap_clicks == lab.undescribed);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void clicks_are_described_in_gtk_3(void)
{
	describe_clicks_in("GTK 3");
}

static void clicks_are_described_in_gtk_4(void)
{
	describe_clicks_in("GTK 4");
}

static void clicks_are_described_in_chromium(void)
{
	describe_clicks_in("Chromium");
}

static void names_stay_out_where_only_roles_are_kept(void)
{
	struct application application;
	const Uxrec__ClickedObject *object;

	if (!accessible_lab_start(&lab))
		return;
	application_start(&lab, &application, "GTK 3");
	accessible_lab_listen(&lab, NAMES_ROLES);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	object = accessible_lab_click_row(&lab, &application, ROW_BUTTON, NULL);
	expect(strcmp(object->role, "push button") == 0);
	expect(!*object->name && !*object->application);
	expect(clicked_contains(object));
	application_end(&application);
	accessible_lab_end(&lab);
}

/* ---- hanging and exiting applications ---- */

/* Not right after a click: GTK 3 grabs the X server then for a moment, and stopped with the grab it would block all
 * clients. */
static void stop(const struct application *application)
{
	sleep_ms(1000);
	kill(application->child.pid, SIGSTOP);
}

static void hung_application_is_unknown_until_it_goes_on(void)
{
	struct application hung, other;
	int64_t stopped_ns, told_ns;
	size_t before;
	int x, y;

	if (!accessible_lab_start(&lab))
		return;
	application_start(&lab, &hung, "GTK 3");
	accessible_lab_listen(&lab, NAMES_FULL);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	stop(&hung);
	stopped_ns = clock_now_ns();
	told_ns = accessible_lab_waits(&lab, FOCUS_UNKNOWN, stopped_ns);
	expect(told_ns > 0);
	printf("# an application that hangs is noticed in %.0f ms\n",
		(double)(told_ns - stopped_ns) / 1e6);
	/* its clicks are in a gap, one for all of them */
	before = lab.clicked_count;
	application_point(&hung, ROW_BUTTON, &x, &y);
	for (int i = 0; i < 3; i++)
		accessible_lab_click(&lab, x, y);
	sleep_ms(1500);
	expect(lab.clicked_count == before && lab.gaps == 0);
	kill(hung.child.pid, SIGCONT);
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	accessible_lab_click_row(&lab, &hung, ROW_ENTRY, NULL);
	expect(lab.gaps >= 1 && lab.gaps <= 1 + lab.undescribed);
	expect(lab.gap_clicks == 3 + lab.undescribed);
	/* another application does not wait for it */
	stop(&hung);
	expect(accessible_lab_waits(&lab, FOCUS_UNKNOWN, 0) > 0);
	application_start(&lab, &other, "GTK 3");
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	expect(strcmp(accessible_lab_click_row(&lab, &other, ROW_BUTTON, NULL)->name, "Save") == 0);
	expect(tab_to(true, FOCUS_PASSWORD) > 0);
	/* nor does the end of the source */
	stopped_ns = clock_now_ns();
	accessible_lab_stop_listening(&lab);
	expect(clock_now_ns() - stopped_ns < 5 * NS_PER_S);
	application_end(&hung);
	application_end(&other);
	accessible_lab_end(&lab);
}

static void bus_may_go_and_come_back(void)
{
	struct application application;
	int x, y;

	if (!accessible_lab_start(&lab))
		return;
	application_start(&lab, &application, "GTK 3");
	accessible_lab_listen(&lab, NAMES_FULL);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	accessible_lab_kill_bus(&lab);
	expect(accessible_lab_waits(&lab, FOCUS_UNKNOWN, 0) > 0);
	application_point(&application, ROW_BUTTON, &x, &y);
	accessible_lab_click(&lab, x, y);
	application_end(&application);
	accessible_lab_run_bus(&lab);
	free(accessible_lab_address());
	application_start(&lab, &application, "GTK 3");
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	expect(strcmp(accessible_lab_click_row(&lab, &application, ROW_BUTTON, NULL)->name,
		       "Save") == 0);
	expect(lab.gaps >= 1 && lab.gaps <= 1 + lab.undescribed);
	expect(lab.gap_clicks == 1 + lab.undescribed);
	/* the session bus takes the launcher with it: everything ends */
	end_child(&lab.bus, SIGKILL);
	expect(accessible_lab_waits(&lab, FOCUS_UNKNOWN, 0) > 0);
	sleep_ms(1500);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void bus_that_stalls_keeps_nobody_waiting(void)
{
	struct application application;
	int64_t begun_ns;

	if (!accessible_lab_start(&lab))
		return;
	application_start(&lab, &application, "GTK 3");
	accessible_lab_listen(&lab, NAMES_FULL);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	kill(lab.bus.pid, SIGSTOP);
	begun_ns = clock_now_ns();
	accessible_lab_stop_listening(&lab);
	expect(clock_now_ns() - begun_ns < 5 * NS_PER_S);
	/* a later launcher may come, but until then the focus is unknown */
	accessible_lab_listen(&lab, NAMES_FULL);
	expect(accessible_lab_waits(&lab, FOCUS_UNKNOWN, begun_ns) > 0);
	kill(lab.bus.pid, SIGCONT);
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, begun_ns) > 0);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void toolkits_are_told_that_somebody_listens(void)
{
	if (!accessible_lab_start(&lab))
		return;
	expect(!toolkits_are_told());
	accessible_lab_listen(&lab, NAMES_NONE);
	expect(toolkits_become(true));
	accessible_lab_stop_listening(&lab);
	expect(toolkits_become(false));
	accessible_lab_end(&lab);
}

static void no_bus_is_told_with_its_reason(void)
{
	const struct accessible_options options = {.names = NAMES_NONE};
	struct source_context context = {0};
	struct source *source = NULL;
	struct error error = {""};

	unsetenv("AT_SPI_BUS_ADDRESS");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("DBUS_SESSION_BUS_ADDRESS");
	expect(accessible_source_create(&source, &context, &options, &error) == -ENOENT);
	expect(strstr(error.text, "no accessibility bus") != NULL);
	setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
	expect(accessible_source_create(&source, &context, &options, &error) == -ENOENT);
}

static const struct test tests[] = {
	{"the focus is followed in GTK 3", focus_is_followed_in_gtk_3},
	{"the focus is followed in GTK 4", focus_is_followed_in_gtk_4},
	{"the focus is followed in Chromium", focus_is_followed_in_chromium},
	{"clicks are described in GTK 3", clicks_are_described_in_gtk_3},
	{"clicks are described in GTK 4", clicks_are_described_in_gtk_4},
	{"clicks are described in Chromium", clicks_are_described_in_chromium},
	{"names stay out where only roles are kept", names_stay_out_where_only_roles_are_kept},
	{"an application that hangs is unknown until it goes on",
		hung_application_is_unknown_until_it_goes_on},
	{"the bus may go and come back", bus_may_go_and_come_back},
	{"a stalled bus blocks nobody", bus_that_stalls_keeps_nobody_waiting},
	{"toolkits are notified of a listener", toolkits_are_told_that_somebody_listens},
	{"a missing bus is reported with its reason", no_bus_is_told_with_its_reason},
};

int main(void)
{
	return RUN_TESTS("accessible", tests);
}

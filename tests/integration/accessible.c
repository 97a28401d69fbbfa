/* What real toolkits say by AT-SPI: which field has the focus, and what was clicked. */

#include "tests/harness/lab_accessible.h"

#include "capture/source.h"
#include "protocol/base/clock.h"
#include "replay/session.h"
#include "tests/harness/helpers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_TAB 23 /* keycodes of a PC keyboard */
#define KEY_A   38
#define ROUNDS  5

/* what a test that failed left behind still writes to it */
static struct accessible_lab lab;

static bool toolkits_are_told(void)
{
	_autofree_ char *output = NULL;

	run_child(&output, "busctl", "--user", "get-property", "org.a11y.Bus", "/org/a11y/bus",
		"org.a11y.Status", "IsEnabled", NULL);
	return strstr(output, "true") != NULL;
}

static bool becomes(bool told)
{
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (toolkits_are_told() != told) {
		if (clock_now_ns() > until_ns)
			return false;
		sleep_ms(20);
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_times(const char *what, const char *name, double *ms, size_t count)
{
	qsort(ms, count, sizeof(*ms), compare);
	printf("# %s: %s in %.1f ms (median of %zu), at most %.1f ms\n", name, what, ms[count / 2],
		count, ms[count - 1]);
}

/* @return ms from the key to the callback; 0 when it never came */
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
		/* it speaks when somebody listens as it starts */
		accessible_lab_listen(&lab, NAMES_NONE);
		check(becomes(true));
		application_start(&lab, &application, name);
		check(accessible_lab_focus_row(&lab, &application, ROW_PASSWORD, FOCUS_PASSWORD));
		check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	} else {
		/* it has the focus already: nothing says so any more */
		application_start(&lab, &application, name);
		accessible_lab_listen(&lab, NAMES_NONE);
	}
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	for (; count < ARRAY_SIZE(ms); count++) {
		/* there and on, back there and back */
		ms[count] = tab_to(count % 4 >= 2, count % 2 == 0 ? FOCUS_PASSWORD : FOCUS_OTHER);
		check(ms[count] > 0);
	}
	print_times("a key that moves the focus is told", name, ms, count);
	expect(ms[count / 2] < 1000);
	/* a click does the same */
	for (int i = 0; i < 2; i++) {
		int x, y;

		application_point(&application, i == 0 ? ROW_PASSWORD : ROW_ENTRY, &x, &y);
		accessible_lab_click(&lab, x, y);
		expect(accessible_lab_waits(&lab, i == 0 ? FOCUS_PASSWORD : FOCUS_OTHER, 0) > 0);
	}
	/* without a click and a key nothing is said again */
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

static bool contains(const Uxrec__ClickedObject *object)
{
	return object->x_px >= object->left_px && object->y_px >= object->top_px &&
		object->x_px < object->left_px + (int)object->width_px &&
		object->y_px < object->top_px + (int)object->height_px;
}

static const Uxrec__ClickedObject *click_row(
	const struct application *application, enum row row, double *ret_ms)
{
	size_t number = lab.clicked_count;
	const struct clicked *clicked;
	int64_t at_ns;
	int x, y;

	application_point(application, row, &x, &y);
	at_ns = accessible_lab_click(&lab, x, y);
	clicked = accessible_lab_clicked(&lab, number, 20);
	check(clicked && clicked->object);
	expect(clicked->at_ns <= clicked->told_ns && clicked->told_ns - clicked->at_ns < NS_PER_S);
	expect(clicked->object->x_px == x && clicked->object->y_px == y);
	if (ret_ms)
		*ret_ms = (double)(clicked->told_ns - at_ns) / 1e6;
	return clicked->object;
}

static void print_object(const char *name, const Uxrec__ClickedObject *object)
{
	printf("# %s: %s '%s' of '%s' at %d,%d %ux%u, clicked at %d,%d\n", name, object->role,
		object->name, object->application, object->left_px, object->top_px,
		object->width_px, object->height_px, object->x_px, object->y_px);
}

static bool row_height_is_right(
	const struct application *application, const Uxrec__ClickedObject *object)
{
	return (int)object->height_px <= application->height / ROW_COUNT + 2;
}

/* A page is there before what it says of itself. */
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
	/* or when it is told to */
	setenv("GNOME_ACCESSIBILITY", "1", 1);
	application_start(&lab, &application, name);
	accessible_lab_listen(&lab, NAMES_FULL);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	check(warm_up(&application));
	lab.gaps = 0;
	for (int i = 0; i < ROUNDS; i++) {
		object = click_row(&application, ROW_BUTTON, &ms[i]);
		print_object(name, object);
		expect(strcmp(object->role, "push button") == 0);
		expect(strcmp(object->name, "Save") == 0);
		expect(contains(object) && row_height_is_right(&application, object));
	}
	print_times("a click is described", name, ms, ROUNDS);
	object = click_row(&application, ROW_ENTRY, NULL);
	print_object(name, object);
	expect(strcmp(object->role, "text") == 0 || strcmp(object->role, "entry") == 0);
	expect(strcmp(object->name, "Your name") == 0);
	expect(contains(object));
	object = click_row(&application, ROW_PASSWORD, NULL);
	print_object(name, object);
	expect(strcmp(object->role, "password text") == 0);
	expect(contains(object));
	print_object(name, click_row(&application, ROW_TEXT, NULL));
	/* what was typed is in none of it */
	for (size_t i = 0; i < lab.clicked_count; i++) {
		expect(strstr(lab.clicked[i].object->name, "secret") == NULL);
		expect(strstr(lab.clicked[i].object->application, "secret") == NULL);
	}
	expect(lab.gaps == 0);
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

/* ---- menus ---- */

struct menu_click {
	enum row row;
	uint8_t button;
	int item,
		items; /* which, counted from 0, of how many; of none: it is above the row, in its window */
	const char *role, *name;
};

/* The middle of an item of what the row has opened. */
static void item_point(const struct application *application, const struct menu_click *menu,
	int *ret_x, int *ret_y)
{
	int left, top, width, height;

	if (menu->items == 0) {
		application_point(application, menu->row, ret_x, ret_y);
		*ret_y -= application->height / (2 * ROW_COUNT) + 35;
		return;
	}
	check(application_menu(&lab, application, &left, &top, &width, &height));
	/* Chromium says of an item where its words are */
	*ret_x = strncmp(application->name, "Chromium", 8) == 0 ? left + 20 : left + width / 2;
	*ret_y = top + (2 * menu->item + 1) * height / (2 * menu->items);
}

static void open_menu(const struct application *application, const struct menu_click *menu)
{
	int x, y;

	application_point(application, menu->row, &x, &y);
	if (menu->row == ROW_MENU_BAR)
		x = application->left + 20;
	accessible_lab_press(&lab, menu->button, x, y);
	/* a toolkit takes a click right after that for a part of it, and what was clicked is to be known */
	sleep_ms(1000);
}

/* On a machine that has other things to do a menu may have closed before it is asked about: then once more. */
static const Uxrec__ClickedObject *click_item(
	const struct application *application, const struct menu_click *menu, double *ret_ms)
{
	for (int i = 0; i < 3; i++) {
		const struct clicked *clicked;
		size_t number;
		int64_t at_ns;
		int x, y;

		open_menu(application, menu);
		number = lab.clicked_count;
		item_point(application, menu, &x, &y);
		at_ns = accessible_lab_press(&lab, 1, x, y);
		clicked = accessible_lab_clicked(&lab, number, 2);
		sleep_ms(500);
		if (!clicked) {
			printf("# %s: '%s' was not described\n", application->name, menu->name);
			continue;
		}
		expect(clicked->object->x_px == x && clicked->object->y_px == y);
		*ret_ms = (double)(clicked->told_ns - at_ns) / 1e6;
		return clicked->object;
	}
	check(false);
	return NULL;
}

/* A menu is there before what it says of itself. */
static bool warm_up_menu(const struct application *application, const struct menu_click *menu)
{
	for (int i = 0; i < 10; i++) {
		double ms;

		if (strcmp(click_item(application, menu, &ms)->role, menu->role) == 0)
			return true;
	}
	return false;
}

static void describe_menus_in(const char *name, const struct menu_click *menus, size_t count)
{
	struct application application;
	double ms[8];

	if (!accessible_lab_start(&lab))
		return;
	if (!application_has(name)) {
		skip_test("the toolkit is not installed");
		accessible_lab_end(&lab);
		return;
	}
	setenv("GNOME_ACCESSIBILITY", "1", 1);
	accessible_lab_listen(&lab, NAMES_FULL);
	check(becomes(true));
	application_start(&lab, &application, name);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	if (strncmp(name, "Chromium", 8) == 0)
		check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	check(warm_up_menu(&application, &menus[0]));
	for (size_t i = 0; i < count; i++) {
		const Uxrec__ClickedObject *object = click_item(&application, &menus[i], &ms[i]);

		print_object(name, object);
		expect(strcmp(object->role, menus[i].role) == 0);
		expect(strcmp(object->name, menus[i].name) == 0);
		expect(contains(object));
	}
	print_times("an item of a menu is described", name, ms, count);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void items_of_menus_are_described_in_gtk_3(void)
{
	static const struct menu_click menus[] = {
		{ROW_MENU_BAR, 1, 1, 3, "menu item", "Open"},
		{ROW_MENU_BAR, 1, 0, 3, "menu item", "New"},
		{ROW_LIST, 1, 1, 3, "menu item", "Green"},
		{ROW_AREA, 3, 1, 2, "menu item", "Reload"},
		{ROW_POPOVER, 1, 0, 0, "push button", "Pear"},
	};

	describe_menus_in("GTK 3 menus", menus, ARRAY_SIZE(menus));
}

static void items_of_menus_are_described_in_gtk_4(void)
{
	static const struct menu_click menus[] = {
		{ROW_MENU_BAR, 1, 1, 3, "menu item", "Open"},
		{ROW_MENU_BAR, 1, 0, 3, "menu item", "New"},
		{ROW_POPOVER, 1, 1, 2, "menu item", "Pear"},
		{ROW_AREA, 3, 1, 2, "menu item", "Reload"},
		{ROW_LIST, 1, 1, 3, "list item", ""},
	};

	describe_menus_in("GTK 4 menus", menus, ARRAY_SIZE(menus));
}

static void items_of_lists_are_described_in_chromium(void)
{
	static const struct menu_click menus[] = {
		{ROW_LIST, 1, 1, 3, "menu item", "Another one, longer"},
		{ROW_LIST, 1, 2, 3, "menu item", "The third of them"},
	};

	describe_menus_in("Chromium menus", menus, ARRAY_SIZE(menus));
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
	object = click_row(&application, ROW_BUTTON, NULL);
	expect(strcmp(object->role, "push button") == 0);
	expect(!*object->name && !*object->application);
	expect(contains(object));
	application_end(&application);
	accessible_lab_end(&lab);
}

/* ---- what is never asked ---- */

static void text_is_never_asked_for(void)
{
	static const char *const never[] = {"Interface=org.a11y.atspi.Text",
		"Interface=org.a11y.atspi.EditableText", "Interface=org.a11y.atspi.Value",
		"Interface=org.a11y.atspi.Table", "Interface=org.a11y.atspi.Hypertext"};
	static const char *const names[] = {"GTK 3", "GTK 4", "GTK 3 menus", "GTK 4 menus"};
	const struct menu_click menu = {ROW_MENU_BAR, 1, 1, 3, "menu item", "Open"};
	_autofree_ char *address = NULL, *option = NULL, *output = NULL;
	struct child monitor;

	if (!accessible_lab_start(&lab))
		return;
	address = accessible_lab_address();
	check(asprintf(&option, "--address=%s", address) > 0);
	monitor = start_child("busctl", (const char *const[]){option, "monitor", NULL});
	check(child_says(&monitor, "Monitoring bus message stream", 30));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct application application;
		double ms;

		if (!application_has(names[i]))
			continue;
		application_start(&lab, &application, names[i]);
		accessible_lab_listen(&lab, NAMES_FULL);
		check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
		if (strstr(names[i], "menus"))
			click_item(&application, &menu, &ms);
		for (int row = 0; row < ROW_COUNT && !strstr(names[i], "menus"); row++)
			click_row(&application, (enum row)row, NULL);
		accessible_lab_stop_listening(&lab);
		application_end(&application);
	}
	end_child(&monitor, SIGTERM);
	output = child_output(&monitor);
	/* it did see what was asked; what GTK 4 tells everybody by itself (TextChanged) nobody of us takes */
	expect(strstr(output, "GetAccessibleAtPoint") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		if (strstr(output, never[i]))
			printf("# on the bus: %s\n", never[i]);
		expect(strstr(output, never[i]) == NULL);
	}
	accessible_lab_end(&lab);
}

/* ---- what hangs and what goes ---- */

/* Not right after a click: GTK 3 grabs the X server then for a moment, and all would stand still with it. */
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
	/* its clicks are a gap, one for all of them */
	before = lab.clicked_count;
	application_point(&hung, ROW_BUTTON, &x, &y);
	for (int i = 0; i < 3; i++)
		accessible_lab_click(&lab, x, y);
	sleep_ms(1500);
	expect(lab.clicked_count == before && lab.gaps == 0);
	kill(hung.child.pid, SIGCONT);
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	click_row(&hung, ROW_ENTRY, NULL);
	expect(lab.gaps == 1 && lab.gap_clicks == 3);
	/* and another one is not kept waiting by it */
	stop(&hung);
	expect(accessible_lab_waits(&lab, FOCUS_UNKNOWN, 0) > 0);
	application_start(&lab, &other, "GTK 3");
	expect(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	expect(strcmp(click_row(&other, ROW_BUTTON, NULL)->name, "Save") == 0);
	expect(tab_to(true, FOCUS_PASSWORD) > 0);
	/* nor is who ends it all */
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
	expect(strcmp(click_row(&application, ROW_BUTTON, NULL)->name, "Save") == 0);
	expect(lab.gaps == 1 && lab.gap_clicks == 1);
	/* the session's bus takes the launcher with it, and all is over */
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
	/* one that comes later may, but nothing is known until then */
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
	expect(becomes(true));
	accessible_lab_stop_listening(&lab);
	expect(becomes(false));
	accessible_lab_end(&lab);
}

/* ---- all of it ---- */

struct recorded {
	unsigned letters, password, unwatched, watched, objects;
	bool save, secret;
};

static int take_recorded(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct recorded *recorded = user;

	if (message->channel->known == CHANNEL_KEY_CLASSES) {
		const Uxrec__KeyClassBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_action; i++)
			recorded->letters +=
				batch->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS &&
				batch->key_class[i] == UXREC__KEY_CLASS__KEY_CLASS_LETTER;
	} else if (message->channel->known == CHANNEL_KEY_POLICY) {
		const Uxrec__KeyPolicy *policy = (const void *)unpacked;

		expect(policy->passwords_watched);
		recorded->password += policy->reason == UXREC__KEY_POLICY__REASON__REASON_PASSWORD;
		recorded->unwatched +=
			policy->reason == UXREC__KEY_POLICY__REASON__REASON_UNWATCHED;
		recorded->watched += policy->level == UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES;
	} else {
		const Uxrec__ClickedObject *object = (const void *)unpacked;

		recorded->objects++;
		recorded->save |= strcmp(object->role, "push button") == 0 &&
			strcmp(object->name, "Save") == 0;
		recorded->secret |= strstr(object->name, "secret") != NULL;
	}
	return 0;
}

static void type(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		accessible_lab_key(&lab, KEY_A, false);
		sleep_ms(20);
	}
}

static void password_is_not_recorded(void)
{
	static const char *const options[] = {"--screen", "x11", "--input", "x11", NULL};
	_destroy_(session) struct session *session = NULL;
	struct recorded recorded = {0};
	struct daemon_child daemon = {0};
	_autofree_ char *library = temporary_path("library");
	struct application application;
	char id[21];
	int x, y;

	if (!accessible_lab_start(&lab))
		return;
	check(mkdir(library, 0700) == 0);
	application_start(&lab, &application, "GTK 3");
	daemon_start(&daemon, library, options);
	daemon_record(&daemon, "classes", id);
	sleep_ms(2000);
	type(5);
	sleep_ms(500);
	/* at once: what the application says of the focus comes after the first of these */
	accessible_lab_key(&lab, KEY_TAB, false);
	type(20);
	sleep_ms(1000);
	accessible_lab_key(&lab, KEY_TAB, false);
	sleep_ms(500);
	application_point(&application, ROW_BUTTON, &x, &y);
	accessible_lab_click(&lab, x, y);
	sleep_ms(1500);
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(session_each(session, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_KEY_CLASSES | UINT64_C(1) << CHANNEL_KEY_POLICY |
			      UINT64_C(1) << CHANNEL_CLICKED,
		      take_recorded, &recorded) == 0);
	printf("# %u letters, %u policies for a password, %u unwatched, %u objects\n",
		recorded.letters, recorded.password, recorded.unwatched, recorded.objects);
	expect(recorded.letters == 5);
	/* one that is late to answer is not watched at first, which forbids as much; then it is told why */
	expect(recorded.watched >= 1 && recorded.password >= 1);
	expect(recorded.objects == 1 && recorded.save && !recorded.secret);
	end_child(&daemon.child, SIGTERM);
	application_end(&application);
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
	{"items of menus are described in GTK 3", items_of_menus_are_described_in_gtk_3},
	{"items of menus are described in GTK 4", items_of_menus_are_described_in_gtk_4},
	{"items of lists that pop up are described in Chromium",
		items_of_lists_are_described_in_chromium},
	{"names stay out where only roles are kept", names_stay_out_where_only_roles_are_kept},
	{"text is never asked for", text_is_never_asked_for},
	{"an application that hangs is unknown until it goes on",
		hung_application_is_unknown_until_it_goes_on},
	{"the bus may go and come back", bus_may_go_and_come_back},
	{"a bus that stalls keeps nobody waiting", bus_that_stalls_keeps_nobody_waiting},
	{"toolkits are told that somebody listens", toolkits_are_told_that_somebody_listens},
	{"a password is not recorded, and what is clicked is", password_is_not_recorded},
	{"no bus is told with its reason", no_bus_is_told_with_its_reason},
};

int main(void)
{
	return RUN_TESTS("accessible", tests);
}

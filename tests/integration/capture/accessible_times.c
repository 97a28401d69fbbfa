/* Real toolkits' latency by AT-SPI, where it is limited: menus close as soon as an item is clicked, and a password is
 * typed as soon as its field has the focus. */

#include "tests/harness/labs/accessible.h"

#include "protocol/base/clock.h"
#include "replay/session/session.h"
#include "tests/harness/helpers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_TAB 23 /* keycodes of a PC keyboard */
#define KEY_A   38

/* callbacks of a failed test still write to it */
static struct accessible_lab lab;

/* ---- menus ---- */

struct menu_click {
	enum row row;
	uint8_t button;
	int item,
		items; /* index from 0, and count; count 0: a point above the row, in its window */
	const char *role, *name;
};

/* Centre of an item of the row's open menu. */
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
	/* Chromium reports the extents of an item's text */
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
	/* a toolkit merges a click right after that with it, but each is to be identified */
	sleep_ms(1000);
}

#define TRIES 5

/*
 * On a busy machine a menu may not be there yet when it is queried, or have closed before, and the object below it
 * answers: then repeat. The last answer counts.
 */
static const Uxrec__ClickedObject *click_item(
	const struct application *application, const struct menu_click *menu, double *ret_ms)
{
	for (int i = 0; i < TRIES; i++) {
		const struct clicked *clicked;
		size_t number;
		int64_t at_ns;
		int x, y;

		open_menu(application, menu);
		number = lab.clicked_count;
		item_point(application, menu, &x, &y);
		at_ns = accessible_lab_press(&lab, 1, x, y);
		clicked = accessible_lab_clicked(&lab, number, 2 + 2 * i);
		sleep_ms(500);
		if (!clicked) {
			printf("# %s: '%s' was not described\n", application->name, menu->name);
			continue;
		}
		expect(clicked->object->x_px == x && clicked->object->y_px == y);
		if (i < TRIES - 1 && strcmp(clicked->object->role, menu->role) != 0) {
			clicked_print("instead of an item", clicked->object);
			continue;
		}
		*ret_ms = (double)(clicked->told_ns - at_ns) / 1e6;
		return clicked->object;
	}
	check(false);
	return NULL;
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
	check(toolkits_become(true));
	application_start(&lab, &application, name);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, 0) > 0);
	if (strncmp(name, "Chromium", 8) == 0)
		check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	for (size_t i = 0; i < count; i++) {
		const Uxrec__ClickedObject *object = click_item(&application, &menus[i], &ms[i]);

		clicked_print(name, object);
		expect(strcmp(object->role, menus[i].role) == 0);
		expect(strcmp(object->name, menus[i].name) == 0);
		expect(clicked_contains(object));
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

/* ---- forbidden queries ---- */

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
			accessible_lab_click_row(&lab, &application, (enum row)row, NULL);
		accessible_lab_stop_listening(&lab);
		application_end(&application);
	}
	end_child(&monitor, SIGTERM);
	output = child_output(&monitor);
	/* the monitor did see the queries; TextChanged, which GTK 4 broadcasts unasked, is not consumed by us */
	expect(strstr(output, "GetAccessibleAtPoint") != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		if (strstr(output, never[i]))
			printf("# on the bus: %s\n", never[i]);
		expect(strstr(output, never[i]) == NULL);
	}
	accessible_lab_end(&lab);
}

/* ---- the whole recorder ---- */

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
	/* at once, with the application busy for the first keys */
	kill(application.child.pid, SIGSTOP);
	accessible_lab_key(&lab, KEY_TAB, false);
	type(15);
	kill(application.child.pid, SIGCONT);
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
	/* a field that answers late counts as unwatched at first, which forbids as much; then its policy gets the
	 * reason */
	expect(recorded.watched >= 1 && recorded.password >= 1);
	expect(recorded.objects == 1 && recorded.save && !recorded.secret);
	end_child(&daemon.child, SIGTERM);
	application_end(&application);
	accessible_lab_end(&lab);
}

static const struct test tests[] = {
	{"items of menus are described in GTK 3", items_of_menus_are_described_in_gtk_3},
	{"items of menus are described in GTK 4", items_of_menus_are_described_in_gtk_4},
	{"items of lists that pop up are described in Chromium",
		items_of_lists_are_described_in_chromium},
	{"text is never requested", text_is_never_asked_for},
	{"a password is not recorded, and clicked objects are", password_is_not_recorded},
};

int main(void)
{
	return RUN_TESTS("accessible_times", tests);
}

/* Choices of a study and a moderator about input, from a key to the file, and their reports. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/file/writer.h"
#include "protocol/input.pb-c.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "protocol/study.pb-c.h"
#include "replay/session/timeline.h"

#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xcb/xkb.h>
#include <xcb/xtest.h>

/* XTest's keycodes begin at 8 */
#define KEYCODE_OFFSET 8

#define SHIFT UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_SHIFT
#define CTRL  UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_CTRL
#define ALT   UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_ALT

static char *program(const char *name)
{
	char *path;

	check(asprintf(&path, "%s/%s", build_folder(), name) > 0);
	return path;
}

#define uxrec(ret_output, ...)                                                                     \
	({                                                                                         \
		_autofree_ char *program_ = program("uxrec");                                      \
		run_child(ret_output, program_, __VA_ARGS__, NULL);                                \
	})

static void key(struct desktop *desktop, int code, bool press)
{
	desktop_fake(desktop, press ? XCB_KEY_PRESS : XCB_KEY_RELEASE,
		(uint8_t)(code + KEYCODE_OFFSET), 0, 0);
}

static void tap(struct desktop *desktop, int code)
{
	key(desktop, code, true);
	key(desktop, code, false);
}

static void click(struct desktop *desktop)
{
	desktop_fake(desktop, XCB_BUTTON_PRESS, 1, 0, 0);
	desktop_fake(desktop, XCB_BUTTON_RELEASE, 1, 0, 0);
}

/* ---- content of a session ---- */

struct told {
	size_t presses;           /* of classes */
	size_t letters, signs;    /* of these */
	size_t buttons, movement; /* of controls */
	size_t steps, places;     /* of XTEST, on the x axis */
	int32_t last_place, last_step;
	struct {
		int32_t found, control, value;
	} found[16]; /* found button states */
	size_t found_count;
	size_t shortcuts, labels;
	struct {
		uint32_t code, modifiers;
	} shortcut[16];
	char label_of_s[32];
	struct {
		uint32_t group;
		char label_of_s[32];
	} layout[64];
	size_t layout_count;
	int32_t pointer_x, pointer_y; /* its last place on the screen */
	char devices[160][64];
	size_t device_count;
};

static void tell_shortcuts(struct told *told, const Uxrec__ShortcutBatch *batch)
{
	check(batch->n_code == batch->n_modifiers);
	for (size_t i = 0; i < batch->n_code; i++) {
		check(told->shortcuts < ARRAY_SIZE(told->shortcut));
		told->shortcut[told->shortcuts].code = batch->code[i];
		told->shortcut[told->shortcuts++].modifiers = batch->modifiers[i];
	}
}

static void tell_layout(struct told *told, const Uxrec__KeyboardLayout *layout)
{
	told->labels += layout->n_labels;
	check(told->layout_count < ARRAY_SIZE(told->layout));
	told->layout[told->layout_count].group = layout->group;
	for (size_t i = 0; i < layout->n_labels; i++)
		if (layout->labels[i]->code == KEY_S)
			snprintf(told->layout[told->layout_count].label_of_s,
				sizeof(told->label_of_s), "%s", layout->labels[i]->text);
	told->layout_count++;
	for (size_t i = 0; i < layout->n_labels; i++)
		if (layout->labels[i]->code == KEY_S)
			snprintf(told->label_of_s, sizeof(told->label_of_s), "%s",
				layout->labels[i]->text);
}

static void tell_controls(struct told *told, const Uxrec__ControlBatch *batch)
{
	int32_t found = 0;

	for (size_t i = 0; i < batch->n_control; i++) {
		int control = batch->control[i], value = batch->value[i];

		if (control == UXREC__CONTROL__CONTROL_FOUND)
			found = value;
		else if (control == UXREC__CONTROL__CONTROL_FRAME)
			found = 0;
		told->buttons += !found && control == UXREC__CONTROL__CONTROL_BUTTON_LEFT;
		told->movement += control == UXREC__CONTROL__CONTROL_REL_X;
		if (control == UXREC__CONTROL__CONTROL_REL_X) {
			told->steps++;
			told->last_step = value;
		} else if (control == UXREC__CONTROL__CONTROL_ABS_X) {
			told->places++;
			told->last_place = value;
		} else if (found && control != UXREC__CONTROL__CONTROL_FOUND) {
			check(told->found_count < ARRAY_SIZE(told->found));
			told->found[told->found_count].found = found;
			told->found[told->found_count].control = control;
			told->found[told->found_count++].value = value;
		}
	}
}

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__KeyClassBatch *classes = (const void *)unpacked;
	const Uxrec__InputDevice *device = (const void *)unpacked;
	const Uxrec__PointerBatch *pointer = (const void *)unpacked;
	struct told *told = user;

	switch (message->channel->known) {
	case CHANNEL_KEY_CLASSES:
		for (size_t i = 0; i < classes->n_action; i++) {
			if (classes->action[i] != UXREC__KEY_ACTION__KEY_ACTION_PRESS)
				continue;
			told->letters +=
				classes->key_class[i] == UXREC__KEY_CLASS__KEY_CLASS_LETTER;
			told->signs +=
				classes->key_class[i] == UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION;
		}
		for (size_t i = 0; i < classes->n_action; i++)
			told->presses += classes->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS;
		break;
	case CHANNEL_CONTROLS: tell_controls(told, (const void *)unpacked); break;
	case CHANNEL_POINTER:
		check(pointer->n_x_px > 0 && pointer->n_x_px == pointer->n_y_px);
		told->pointer_x = pointer->x_px[pointer->n_x_px - 1];
		told->pointer_y = pointer->y_px[pointer->n_y_px - 1];
		break;
	case CHANNEL_SHORTCUTS: tell_shortcuts(told, (const void *)unpacked); break;
	case CHANNEL_KEYBOARD_LAYOUT: tell_layout(told, (const void *)unpacked); break;
	case CHANNEL_INPUT_DEVICES:
		check(told->device_count < ARRAY_SIZE(told->devices));
		snprintf(told->devices[told->device_count++], sizeof(told->devices[0]), "%s",
			device->name);
		break;
	default: break;
	}
	return 0;
}

static struct told read_session(const struct daemon_child *daemon, const char *id)
{
	_destroy_(session) struct session *session = daemon_session(daemon, id);
	struct told told = {0};

	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_MAX & ~UINT64_C(1), take, &told) ==
		0);
	return told;
}

static bool is_redacted(const struct daemon_child *daemon, const char *id)
{
	_autofree_ char *path = NULL, *output = NULL;
	int r;

	check(asprintf(&path, "%s/%s", daemon->library, id) > 0);
	r = uxrec(&output, "verify", "--redaction", path);
	if (r != 0)
		printf("# %s\n", output);
	return r == 0;
}

/* ---- shortcuts ---- */

static void record_study(const struct daemon_child *daemon, const char *study, char ret_id[21])
{
	_autofree_ char *path = temporary_path("input.yaml"), *output = NULL;
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(io_write_all(fd, study, strlen(study)) == 0);
	check(daemon_command(daemon, &output, "start", "--study", path, "--participant", "P01",
		      "--consent", "paper", "--keys", "classes", NULL) == 0);
	check(strlen(output) == 21);
	snprintf(ret_id, 21, "%s", output);
}

/* twelve keys with the modifiers, three of them commands */
static void work_with_commands(struct desktop *desktop)
{
	tap(desktop, KEY_P);
	key(desktop, KEY_LEFTSHIFT, true);
	tap(desktop, KEY_Q); /* a capital letter */
	key(desktop, KEY_LEFTSHIFT, false);
	key(desktop, KEY_LEFTCTRL, true);
	tap(desktop, KEY_S);
	key(desktop, KEY_LEFTSHIFT, true);
	tap(desktop, KEY_T);
	key(desktop, KEY_LEFTSHIFT, false);
	key(desktop, KEY_LEFTCTRL, false);
	key(desktop, KEY_LEFTALT, true);
	tap(desktop, KEY_LEFT);
	key(desktop, KEY_LEFTALT, false);
	key(desktop, KEY_RIGHTALT, true);
	tap(desktop, KEY_E); /* a letter on many layouts */
	key(desktop, KEY_RIGHTALT, false);
	tap(desktop, KEY_W);
}

static void expect_commands(const struct told *told)
{
	static const struct {
		uint32_t code, modifiers;
	} wanted[] = {{KEY_S, CTRL}, {KEY_T, CTRL | SHIFT}, {KEY_LEFT, ALT}};

	check(told->shortcuts == ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		expect(told->shortcut[i].code == wanted[i].code &&
			told->shortcut[i].modifiers == wanted[i].modifiers);
	expect(told->labels > 40 && strcmp(told->label_of_s, "s") == 0);
}

/* shortcuts as shown to a reviewer, with their counts */
static void expect_names(const struct daemon_child *daemon, const char *id,
	const char *const *names, const size_t *counts)
{
	_destroy_(session) struct session *session = daemon_session(daemon, id);
	_destroy_(timeline) struct timeline *timeline = NULL;
	Uxrec__Timeline *message;

	check(timeline_create(&timeline, session) == 0);
	message = timeline_to_message(timeline);
	check(message != NULL);
	for (size_t n = 0; names[n]; n++) {
		size_t found = 0;

		for (size_t i = 0; i < message->n_events; i++)
			found += strcmp(message->events[i]->text, names[n]) == 0;
		expect(found == counts[n]);
	}
	uxrec__timeline__free_unpacked(message, NULL);
}

static void shortcuts_are_kept_where_the_study_says_so(void)
{
	static const char tasks[] = "tasks: [{id: one, title: Do it}]\n";
	struct desktop desktop = {0};
	struct daemon_child daemon;

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	for (int kept = 0; kept < 2; kept++) {
		char study[128], id[21];
		struct told told;

		snprintf(study, sizeof(study), "study: Keys\n%s%s", kept ? "shortcuts: true\n" : "",
			tasks);
		record_study(&daemon, study, id);
		work_with_commands(&desktop);
		sleep_ms(300);
		expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
		told = read_session(&daemon, id);
		expect(told.presses == 12);
		if (kept) {
			expect_commands(&told);
			expect_names(&daemon, id,
				(const char *[]){"Ctrl+s", "Ctrl+Shift+t", "Alt+Left", NULL},
				(const size_t[]){1, 1, 1});
		} else {
			expect(told.shortcuts == 0 && told.labels == 0);
		}
		expect(is_redacted(&daemon, id));
	}
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/*
 * Press and release Ctrl while another client grabs the server in short slices, at the start of reading: the press
 * comes before or after the reader's query of the pressed keys.
 */
struct flapping {
	const char *display;
	_Atomic bool stop;
};

static void *flap(void *user)
{
	struct flapping *flapping = user;
	xcb_connection_t *connection = xcb_connect(flapping->display, NULL);
	bool down = false;

	for (int i = 0; !flapping->stop || down; i++) {
		xcb_grab_server(connection);
		if (i % 3 == 0) {
			down = !down;
			xcb_test_fake_input(connection, down ? XCB_KEY_PRESS : XCB_KEY_RELEASE,
				KEY_LEFTCTRL + KEYCODE_OFFSET, XCB_CURRENT_TIME, XCB_NONE, 0, 0, 0);
		}
		free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
		sleep_ms(8);
		xcb_ungrab_server(connection);
		free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 200000}, NULL);
	}
	xcb_disconnect(connection);
	return NULL;
}

static void type_secret(struct desktop *desktop)
{
	static const int codes[] = {KEY_S, KEY_E, KEY_C, KEY_R, KEY_E, KEY_T};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		tap(desktop, codes[i]);
	sleep_ms(150);
}

#define SHORTCUT_STUDY "study: Keys\nshortcuts: true\ntasks: [{id: one, title: Do it}]\n"

static void text_is_no_shortcut_however_ctrl_was_when_reading_began(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	record_study(&daemon, SHORTCUT_STUDY, id);
	for (int i = 0; i < 16; i++) {
		struct flapping flapping = {.display = desktop.display};
		pthread_t thread;

		check(daemon_command(&daemon, NULL, "pause", NULL) == 0);
		check(pthread_create(&thread, NULL, flap, &flapping) == 0);
		check(daemon_command(&daemon, NULL, "resume", NULL) == 0);
		flapping.stop = true;
		pthread_join(thread, NULL);
		type_secret(&desktop);
	}
	/* a shortcut with a modifier really held is still recorded */
	key(&desktop, KEY_LEFTCTRL, true);
	tap(&desktop, KEY_S);
	key(&desktop, KEY_LEFTCTRL, false);
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	expect(told.shortcuts == 1 && told.shortcut[0].code == KEY_S &&
		told.shortcut[0].modifiers == CTRL);
	expect(is_redacted(&daemon, id));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* Map a key to another modifier of the server: effects of keymaps, locks and latches. */
static void map_key(struct desktop *desktop, int code, xcb_keysym_t keysym)
{
	xcb_keysym_t keysyms[] = {keysym, keysym};

	xcb_change_keyboard_mapping(
		desktop->connection, 1, (uint8_t)(code + KEYCODE_OFFSET), 2, keysyms);
	free(xcb_get_input_focus_reply(
		desktop->connection, xcb_get_input_focus(desktop->connection), NULL));
	sleep_ms(100);
}

static void text_is_no_shortcut_whatever_the_keymap_makes_of_ctrl(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	key(&desktop, KEY_LEFTCTRL, true);
	record_study(&daemon, SHORTCUT_STUDY, id);
	key(&desktop, KEY_LEFTCTRL, false);
	type_secret(&desktop);
	/* AltGr beside Ctrl, as virtual machines send it */
	key(&desktop, KEY_LEFTCTRL, true);
	key(&desktop, KEY_RIGHTALT, true);
	map_key(&desktop, KEY_RIGHTALT, 0xfe03); /* ISO_Level3_Shift */
	type_secret(&desktop);
	key(&desktop, KEY_RIGHTALT, false);
	key(&desktop, KEY_LEFTCTRL, false);
	/* a right Ctrl that is a level 5 shift; a key that ceases to be Ctrl while held */
	map_key(&desktop, KEY_RIGHTCTRL, 0xfe11);
	key(&desktop, KEY_RIGHTCTRL, true);
	type_secret(&desktop);
	key(&desktop, KEY_RIGHTCTRL, false);
	key(&desktop, KEY_LEFTCTRL, true);
	map_key(&desktop, KEY_LEFTCTRL, 0xffe5); /* Caps_Lock */
	type_secret(&desktop);
	key(&desktop, KEY_LEFTCTRL, false);
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	expect(told.presses >= 24 && told.shortcuts == 0);
	expect(is_redacted(&daemon, id));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- layouts ---- */

/* Lock a group, like a desktop's layout switch. */
static void set_group(struct desktop *desktop, unsigned group)
{
	const xcb_query_extension_reply_t *xkb =
		xcb_get_extension_data(desktop->connection, &xcb_xkb_id);

	check(xkb && xkb->present);
	free(xcb_xkb_use_extension_reply(
		desktop->connection, xcb_xkb_use_extension(desktop->connection, 1, 0), NULL));
	xcb_xkb_latch_lock_state(
		desktop->connection, XCB_XKB_ID_USE_CORE_KBD, 0, 0, 1, (uint8_t)group, 0, 0, 0);
	free(xcb_get_input_focus_reply(
		desktop->connection, xcb_get_input_focus(desktop->connection), NULL));
	sleep_ms(400);
}

/* In the second group the key of the letter s is a sign. */
static void add_group(struct desktop *desktop)
{
	/* groups have two columns each: s, S, then colon, semicolon */
	xcb_keysym_t keysyms[] = {'s', 'S', ':', ';'};

	xcb_change_keyboard_mapping(desktop->connection, 1, KEY_S + KEYCODE_OFFSET, 4, keysyms);
	free(xcb_get_input_focus_reply(
		desktop->connection, xcb_get_input_focus(desktop->connection), NULL));
	sleep_ms(400);
}

static void ctrl_s(struct desktop *desktop)
{
	key(desktop, KEY_LEFTCTRL, true);
	tap(desktop, KEY_S);
	key(desktop, KEY_LEFTCTRL, false);
	sleep_ms(300);
}

static void layouts_are_recorded_as_they_change(void)
{
	static const struct {
		uint32_t group;
		const char *label;
	} wanted[] = {{1, "s"}, {2, ":"}, {1, "s"}};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	tap(&desktop, KEY_A); /* once used, XTest's keyboard is the core keyboard */
	add_group(&desktop);
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	record_study(&daemon, SHORTCUT_STUDY, id);
	ctrl_s(&desktop);
	set_group(&desktop, 1);
	tap(&desktop, KEY_S);
	ctrl_s(&desktop);
	set_group(&desktop, 0);
	ctrl_s(&desktop);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	check(told.layout_count == ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		expect(told.layout[i].group == wanted[i].group &&
			strcmp(told.layout[i].label_of_s, wanted[i].label) == 0);
	/* three shortcuts and a plain key, each by the group at its time */
	expect(told.shortcuts == 3 && told.letters == 2 && told.signs == 2);
	expect_names(
		&daemon, id, (const char *[]){"Ctrl+s", "Ctrl+:", NULL}, (const size_t[]){2, 1});
	expect(is_redacted(&daemon, id));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- the pointer ---- */

static void motion_of_xtest_is_places_or_steps_as_it_was(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	daemon_record(&daemon, "classes", id);
	/* a busy machine reads the pointer late: rest between the kinds of motion */
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 1, 5, 7);
	sleep_ms(500);
	for (int i = 0; i < 10; i++)
		desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 100 + 30 * i, 50);
	sleep_ms(500);
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 1, -3, -2);
	sleep_ms(500);
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 2000, 50); /* beyond the edge */
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	expect(told.steps == 2 && told.last_step == -3);
	expect(told.places == 11 && told.last_place >= 639);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* XWarpPointer: sends no event */
static void a_pointer_that_a_program_moves_is_recorded(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), (const char *[]){"--input", "none", NULL});
	daemon_record(&daemon, "classes", id);
	sleep_ms(1500); /* at rest */
	xcb_warp_pointer(desktop.connection, XCB_NONE, desktop.screen->root, 0, 0, 0, 0, 600, 400);
	free(xcb_get_input_focus_reply(
		desktop.connection, xcb_get_input_focus(desktop.connection), NULL));
	sleep_ms(1500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	expect(told.pointer_x == 600 && told.pointer_y == 400);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* pressed before, and released after: recorded as found, not as a click */
static void buttons_down_at_the_begin_and_the_end_are_found(void)
{
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct told told;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(),
		(const char *[]){"--input", "x11", "--screen", "none", NULL});
	desktop_fake(&desktop, XCB_BUTTON_PRESS, 3, 0, 0);
	daemon_record(&daemon, "classes", id);
	desktop_fake(&desktop, XCB_BUTTON_RELEASE, 3, 0, 0);
	click(&desktop);
	desktop_fake(&desktop, XCB_BUTTON_PRESS, 1, 0, 0);
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	told = read_session(&daemon, id);
	check(told.found_count == 2);
	expect(told.found[0].found == UXREC__FOUND__FOUND_AT_START && told.found[0].value == 1 &&
		told.found[0].control == UXREC__CONTROL__CONTROL_BUTTON_RIGHT);
	expect(told.found[1].found == UXREC__FOUND__FOUND_AT_STOP && told.found[1].value == 1 &&
		told.found[1].control == UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	expect(told.buttons == 3);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- choice of devices ---- */

static void only_devices_that_are_asked_for_are_read(void)
{
	/* only XTest's own devices send events here */
	static const struct {
		const char *list;
		size_t presses, buttons;
		bool keyboards, mice;
	} table[] = {
		{"keyboard", 2, 0, true, false},
		{"-keyboard", 0, 2, false, true},
		{"name:XTEST,-mouse", 2, 0, true, false},
		{"-name:XTEST", 0, 0, true, true},
		{"touchpad", 0, 0, false, false},
	};
	struct desktop desktop = {0};

	if (!desktop_start(&desktop, 640, 480))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		bool keyboards = false, mice = false;
		struct daemon_child daemon;
		struct told told;
		char id[21];

		daemon_start(&daemon, temporary_folder(),
			(const char *[]){"--input", "x11", "--screen", "none", "--devices",
				table[i].list, NULL});
		daemon_record(&daemon, "classes", id);
		tap(&desktop, KEY_A);
		tap(&desktop, KEY_B);
		click(&desktop);
		desktop_fake(&desktop, XCB_MOTION_NOTIFY, 1, 5, 5);
		sleep_ms(300);
		expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
		told = read_session(&daemon, id);
		expect(told.presses == table[i].presses && told.buttons == table[i].buttons);
		expect((told.movement > 0) == (table[i].buttons > 0));
		for (size_t d = 0; d < told.device_count; d++) {
			keyboards |= strstr(told.devices[d], "keyboard") != NULL;
			mice |= strstr(told.devices[d], "pointer") != NULL ||
				strstr(told.devices[d], "mouse") != NULL;
		}
		expect(keyboards == table[i].keyboards && mice == table[i].mice);
		expect(end_child(&daemon.child, SIGTERM) == 0);
	}
	desktop_end(&desktop);
}

static void lists_of_devices_that_make_no_sense_are_refused(void)
{
	_autofree_ char *uxrecd = program("uxrecd"), *output = NULL, *doctor = NULL;

	expect(run_child(&output, uxrecd, "--input", "none", "--screen", "none", "--library",
		       temporary_folder(), "--devices", "keyboards", NULL) == 2);
	expect(strstr(output, "keyboards") != NULL);
	expect(uxrec(&doctor, "doctor", "--devices", "keyboards") == 2);
	expect(strstr(doctor, "keyboards") != NULL);
}

/* ---- uxrec doctor --show ---- */

/* Its output while two letters and a digit are typed, and a click; @return its exit status. */
static int show(struct desktop *desktop, const char *keys, char **ret_output)
{
	_autofree_ char *path = program("uxrec");
	struct child child = start_child(path,
		(const char *[]){"doctor", "--show=2", "--input", "x11", "--keys", keys, NULL});
	int r;

	if (child_says(&child, "Type, click and move", 20)) {
		tap(desktop, KEY_Q);
		tap(desktop, KEY_W);
		tap(desktop, KEY_7);
		click(desktop);
		desktop_fake(desktop, XCB_MOTION_NOTIFY, 1, 5, 7);
	}
	r = wait_child(&child, 30);
	*ret_output = child_output(&child);
	end_child(&child, SIGTERM);
	return r;
}

static void what_would_be_recorded_is_shown(void)
{
	_autofree_ char *classes = NULL, *counts = NULL, *full = NULL;
	struct desktop desktop = {0};
	unsigned count = 0, part;

	if (!desktop_start(&desktop, 640, 480))
		return;
	expect(show(&desktop, "classes", &classes) == 0);
	expect(strstr(classes, "keyboard added: Virtual core XTEST keyboard") != NULL);
	expect(strstr(classes, "key policy 'classes'") != NULL);
	expect(strstr(classes, " letter") && strstr(classes, " digit"));
	expect(strstr(classes, "button left 1\n") && strstr(classes, "button left 0\n"));
	expect(strstr(classes, "motion by 5, 7\n") != NULL);
	expect(show(&desktop, "counts", &counts) == 0);
	expect(strstr(counts, "key policy 'counts'") && !strstr(counts, "letter"));
	for (const char *at = counts; (at = strstr(at, "keys: ")); at++)
		if (sscanf(at, "keys: %u in 250 ms", &part) == 1)
			count += part;
	expect(count == 3);
	/* codes would stay on the terminal */
	expect(uxrec(&full, "doctor", "--show=2", "--input", "x11", "--keys", "full") == 2);
	expect(!strstr(full, "Type, click"));
	desktop_end(&desktop);
}

/* ---- uxrec info ---- */

#define BEGIN_NS (1000 * NS_PER_S)

static void write_device(struct session_writer *writer, struct session_clock *clock, int second,
	uint32_t number, const char *name, bool removed)
{
	Uxrec__InputDevice device = UXREC__INPUT_DEVICE__INIT;

	device.device = number;
	device.name = (char *)name;
	device.virtual_ = number == 2;
	device.removed = removed;
	write_message(
		writer, clock, CHANNEL_INPUT_DEVICES, BEGIN_NS + second * NS_PER_S, &device.base);
}

static void write_policy(struct session_writer *writer, struct session_clock *clock, int second,
	Uxrec__KeyPolicy__Reason reason)
{
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;

	policy.level = reason == UXREC__KEY_POLICY__REASON__REASON_PASSWORD
		? UXREC__KEY_POLICY__LEVEL__LEVEL_NONE
		: UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES;
	policy.reason = reason;
	policy.passwords_watched = true;
	write_message(
		writer, clock, CHANNEL_KEY_POLICY, BEGIN_NS + second * NS_PER_S, &policy.base);
}

/* a keyboard, a mouse plugged late and removed, and a password field twice, for three and two seconds */
static void write_input(struct session_writer *writer)
{
	struct session_clock clock = {0};
	Uxrec__SessionEvent started = UXREC__SESSION_EVENT__INIT;
	Uxrec__Study study = UXREC__STUDY__INIT;

	write_message(writer, &clock, CHANNEL_STUDY, BEGIN_NS, &study.base);
	started.kind = UXREC__SESSION_EVENT__KIND__KIND_STARTED;
	started.keys = (char *)"classes";
	write_message(writer, &clock, CHANNEL_EVENTS, BEGIN_NS, &started.base);
	write_device(writer, &clock, 0, 1, "Some Keyboard", false);
	write_policy(writer, &clock, 0, UXREC__KEY_POLICY__REASON__REASON_START);
	write_policy(writer, &clock, 2, UXREC__KEY_POLICY__REASON__REASON_PASSWORD);
	write_device(writer, &clock, 3, 2, "Late Mouse", false);
	write_policy(writer, &clock, 5, UXREC__KEY_POLICY__REASON__REASON_NO_PASSWORD);
	write_policy(writer, &clock, 7, UXREC__KEY_POLICY__REASON__REASON_PASSWORD);
	write_device(writer, &clock, 8, 2, "Late Mouse", true);
	write_policy(writer, &clock, 9, UXREC__KEY_POLICY__REASON__REASON_NO_PASSWORD);
}

static void info_tells_devices_and_password_fields(void)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	_autofree_ char *folder = temporary_path("told"), *path = NULL, *text = NULL, *json = NULL;

	check(mkdir(folder, 0700) == 0);
	check(asprintf(&path, "%s/recording-0001.mcap", folder) > 0);
	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	write_input(writer);
	check(session_writer_finish(writer) == 0);
	check(uxrec(&text, "info", folder) == 0);
	expect(strstr(text, "keys         classes, to 100 ms\n") != NULL);
	expect(strstr(text, "passwords    a password field had the focus 2 times, for 5.0 s") !=
		NULL);
	expect(strstr(text, "device       1: Some Keyboard\n") != NULL);
	expect(strstr(text,
		       "device       2: Late Mouse, made by a program, from 3.000 s, "
		       "until 8.000 s\n") != NULL);
	check(uxrec(&json, "info", folder, "--json") == 0);
	expect(strstr(json, "\"keys\": \"classes\"") != NULL);
	expect(strstr(json, "\"password_fields\": 2,") && strstr(json, "\"password_s\": 5.0"));
	expect(strstr(json, "\"name\": \"Some Keyboard\"") &&
		strstr(json, "\"name\": \"Late Mouse\""));
	expect(strstr(json, "\"from_ns\": 1003000000000") &&
		strstr(json, "\"to_ns\": 1008000000000"));
}

static const struct test tests[] = {
	{"shortcuts are kept, with names, only where the study enables them",
		shortcuts_are_kept_where_the_study_says_so},
	{"text is no shortcut, however Ctrl was when reading began",
		text_is_no_shortcut_however_ctrl_was_when_reading_began},
	{"text is no shortcut, whatever the keymap makes of Ctrl",
		text_is_no_shortcut_whatever_the_keymap_makes_of_ctrl},
	{"layouts are recorded as they change, and keys use that of their time",
		layouts_are_recorded_as_they_change},
	{"motion of XTEST stays absolute or relative",
		motion_of_xtest_is_places_or_steps_as_it_was},
	{"a pointer that a program moves is recorded where it is",
		a_pointer_that_a_program_moves_is_recorded},
	{"buttons down at the begin and the end are found, and are no clicks",
		buttons_down_at_the_begin_and_the_end_are_found},
	{"only requested devices are read", only_devices_that_are_asked_for_are_read},
	{"invalid lists of devices are refused", lists_of_devices_that_make_no_sense_are_refused},
	{"uxrec doctor --show prints events as recorded, and no codes",
		what_would_be_recorded_is_shown},
	{"uxrec info lists devices and counts password fields with the focus",
		info_tells_devices_and_password_fields},
};

int main(void)
{
	return RUN_TESTS("input choices", tests);
}

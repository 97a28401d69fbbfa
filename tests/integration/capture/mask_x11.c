/* Hidden windows of a real X server. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "capture/x11/mask.h"
#include "protocol/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 480 };

static const struct rect screen = {0, 0, WIDTH, HEIGHT};
static const struct rect place = {100, 80, 200, 150};

/* ---- a mask and windows ---- */

struct lab {
	struct desktop desktop;
	xcb_connection_t *connection; /* owned by the mask */
	struct hide_rules rules;
	_Atomic bool focused;
	struct mask_x11 *mask;
	unsigned why; /* enum hidden, from the last look() */
};

static bool lab_start(struct lab *lab, const struct hide_rules *rules)
{
	*lab = (struct lab){.rules = *rules};
	if (!desktop_start(&lab->desktop, WIDTH, HEIGHT)) {
		skip_test("no Xvfb");
		return false;
	}
	lab->connection = xcb_connect(lab->desktop.display, NULL);
	check(mask_x11_create(&lab->mask, lab->connection, lab->desktop.screen->root, &lab->rules,
		      &lab->focused) == 0);
	return true;
}

/* places stay hidden for a while: a new mask starts without */
static void begin_anew(struct lab *lab)
{
	mask_x11_destroy(steal_ptr(lab->mask));
	check(mask_x11_create(&lab->mask, lab->connection, lab->desktop.screen->root, &lab->rules,
		      &lab->focused) == 0);
}

static void lab_end(struct lab *lab)
{
	mask_x11_destroy(lab->mask);
	xcb_disconnect(lab->connection);
	desktop_end(&lab->desktop);
}

static void sync_with(xcb_connection_t *connection)
{
	free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
}

static void take_events(struct lab *lab)
{
	xcb_generic_event_t *event;

	while ((event = xcb_poll_for_event(lab->connection))) {
		mask_x11_event(lab->mask, event);
		free(event);
	}
}

/* like the grabber, after the test's own requests are processed */
static struct areas look(struct lab *lab)
{
	struct areas hidden;
	int settled = 0;

	sync_with(lab->desktop.connection);
	sync_with(lab->connection);
	take_events(lab);
	for (int i = 0; i < 10 && settled == 0; i++) {
		check(mask_x11_update(lab->mask, &screen) == 0);
		sync_with(lab->connection); /* the copy */
		take_events(lab);
		settled = mask_x11_settle(lab->mask);
	}
	check(settled == 1);
	mask_x11_get_areas(lab->mask, &hidden, &lab->why);
	return hidden;
}

static xcb_window_t make_window(struct lab *lab, const struct rect *at, uint16_t class)
{
	xcb_window_t window = xcb_generate_id(lab->desktop.connection);

	xcb_create_window(lab->desktop.connection, XCB_COPY_FROM_PARENT, window,
		lab->desktop.screen->root, (int16_t)at->x, (int16_t)at->y, (uint16_t)at->width,
		(uint16_t)at->height, 0, class, XCB_COPY_FROM_PARENT, 0, NULL);
	return window;
}

static xcb_atom_t atom(struct lab *lab, const char *name)
{
	xcb_connection_t *c = lab->desktop.connection;
	_autofree_ xcb_intern_atom_reply_t *reply =
		xcb_intern_atom_reply(c, xcb_intern_atom(c, 0, (uint16_t)strlen(name), name), NULL);

	check(reply != NULL);
	return reply->atom;
}

static void set(struct lab *lab, xcb_window_t window, const char *property, const char *type,
	const char *value, size_t size)
{
	xcb_change_property(lab->desktop.connection, XCB_PROP_MODE_REPLACE, window,
		atom(lab, property), atom(lab, type), 8, (uint32_t)size, value);
}

/* ---- text matching ---- */

struct said {
	const char *class, *title; /* of the rule */
	const char *property, *type, *value;
	bool hidden;
};

#define UTF8  "UTF8_STRING"
#define NAME  "WM_NAME"
#define TITLE "_NET_WM_NAME"

static const struct said cases[] = {
	{"", "*überweisung*", TITLE, UTF8, "Meine ÜBERWEISUNG", true},
	{"", "*ÜBERWEISUNG*", TITLE, UTF8, "meine überweisung", true},
	{"", "*überweisung*", NAME, UTF8, "Meine ÜBERWEISUNG", true},
	{"", "*überweisung*", TITLE, UTF8, "Notizen", false},
	{"", "M?ller", TITLE, UTF8, "Müller", true},
	{"", "M?ller", TITLE, UTF8, "Mueller", false},
	{"", "*[äöü]*", TITLE, UTF8, "GRÖSSE", true},
	{"", "*[äöü]*", TITLE, UTF8, "Größe", true},
	{"", "*пароль*", TITLE, UTF8, "Новый ПАРОЛЬ", true},
	{"", "*πασ*", TITLE, UTF8, "ΚΩΔΙΚΟΠΑΣ", true},
	{"", "*κωδικός", TITLE, UTF8, "ΚΩΔΙΚΌΣ", true}, /* a final Σ is ς in lower case */
	{"", "[[:upper:]]*", TITLE, UTF8, "Überweisung", true},
	{"", "*\\**", TITLE, UTF8, "5 * 3", true},
	{"", "*\\**", TITLE, UTF8, "5 + 3", false},
	/* Latin-1, or declared as such */
	{"", "*überweisung*", NAME, "STRING",
		"Meine \xdc"
		"BERWEISUNG",
		true},
	{"", "M?ller", NAME, "STRING", "M\xfcller", true},
	{"", "M?ller", NAME, "STRING", "Müller", true},
	{"", "M?ller", NAME, "STRING", "Miller & Co", false},
	{"", "*überweisung*", NAME, "STRING", "Notizen \xfc", false},
	/* Compound Text, which starts in Latin-1 */
	{"", "*überweisung*", NAME, "COMPOUND_TEXT",
		"Meine \xdc"
		"BERWEISUNG",
		true},
	{"", "*überweisung*", NAME, "COMPOUND_TEXT", "Notizen", false},
	{"", "*überweisung*", NAME, "COMPOUND_TEXT", "\x1b-L\xbf\xd0\xe0\xde\xdb\xec", true},
	{"", "*überweisung*", NAME, "COMPOUND_TEXT",
		"\x9b"
		"2]Notizen",
		true},
	/* undecodable text */
	{"", "*überweisung*", TITLE, UTF8, "Notizen \xfc", true},
	{"", "*überweisung*", TITLE, UTF8, "\xc0\xafNotizen", true},
	{"", "*überweisung*", NAME, "CARDINAL", "Notizen \xfc", true},
	{"", "*überweisung*", NAME, "CARDINAL", "Notizen", false},
	/* classes */
	{"schlüssel*", "", "WM_CLASS", "STRING", "SCHL\xdcSSELBUND", true},
	{"schlüssel*", "", "WM_CLASS", "STRING", "SCHLÜSSELBUND", true},
	{"schlüssel*", "", "WM_CLASS", UTF8, "SCHLÜSSELBUND", true},
	{"schlüssel*", "", "WM_CLASS", UTF8, "\xdcNotizen", true},
	{"schlüssel*", "", "WM_CLASS", "STRING", "\xdcNotizen", false},
};

static bool is_hidden(const struct areas *areas)
{
	return areas_contain(areas, place.x, place.y) &&
		areas_contain(areas, place.x + place.width - 1, place.y + place.height - 1);
}

static void letters_have_cases(void)
{
	struct lab lab;

	if (!lab_start(&lab, &(struct hide_rules){.window_count = 1}))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct said *said = &cases[i];
		xcb_window_t window = make_window(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
		struct areas hidden;

		lab.rules.windows[0] = (struct hide_window){said->class, said->title};
		set(&lab, window, said->property, said->type, said->value, strlen(said->value));
		xcb_map_window(lab.desktop.connection, window);
		hidden = look(&lab);
		if (is_hidden(&hidden) != said->hidden)
			printf("# case %zu: %s%s\n", i, said->class, said->title);
		expect(is_hidden(&hidden) == said->hidden);
		expect(said->hidden || hidden.count == 0);
		xcb_destroy_window(lab.desktop.connection, window);
		begin_anew(&lab);
	}
	lab_end(&lab);
}

/* the second string of a class, both titles */
static void each_text_counts(void)
{
	static const char class[] = "notes\0SCHL\xdcSSEL";
	struct lab lab;
	struct areas hidden;
	xcb_window_t first, second, third;

	if (!lab_start(&lab,
		    &(struct hide_rules){
			    .windows = {{"schlüssel", ""}, {"", "*geheim*"}}, .window_count = 2}))
		return;
	first = make_window(&lab, &(struct rect){0, 0, 50, 50}, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	second = make_window(&lab, &(struct rect){100, 0, 50, 50}, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	third = make_window(&lab, &(struct rect){200, 0, 50, 50}, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	set(&lab, first, "WM_CLASS", "STRING", class, sizeof(class));
	set(&lab, second, TITLE, UTF8, "Notizen", 7);
	set(&lab, second, NAME, "STRING", "Ganz GEHEIM", 11);
	/* the shown title is decodable, the other has the same text */
	set(&lab, third, TITLE, UTF8, "пароль", strlen("пароль"));
	set(&lab, third, NAME, "COMPOUND_TEXT", "\x1b-L\xdf\xd0\xe0\xde\xdb\xec", 9);
	xcb_map_window(lab.desktop.connection, first);
	xcb_map_window(lab.desktop.connection, second);
	xcb_map_window(lab.desktop.connection, third);
	hidden = look(&lab);
	expect(areas_contain(&hidden, 10, 10) && areas_contain(&hidden, 110, 10));
	expect(!areas_contain(&hidden, 210, 10) && lab.why == HIDDEN_WINDOW);
	set(&lab, third, TITLE, UTF8, "Ganz geheim: пароль", strlen("Ganz geheim: пароль"));
	hidden = look(&lab);
	expect(areas_contain(&hidden, 210, 10));
	lab_end(&lab);
}

/* ---- frames ---- */

/* True once the window manager has put a window into its frame, before it maps the frame. */
static bool is_framed(const struct lab *lab, xcb_window_t window)
{
	xcb_connection_t *c = lab->desktop.connection;
	_autofree_ xcb_query_tree_reply_t *tree =
		xcb_query_tree_reply(c, xcb_query_tree(c, window), NULL);
	_autofree_ xcb_get_window_attributes_reply_t *attributes =
		xcb_get_window_attributes_reply(c, xcb_get_window_attributes(c, window), NULL);

	return tree && tree->parent != tree->root && attributes &&
		attributes->map_state == XCB_MAP_STATE_VIEWABLE;
}

/* The window manager handles it later; the mask has not seen the window. */
static void frames_of_windows_that_are_gone_are_hidden(void)
{
	struct lab lab;
	struct child manager;
	struct areas hidden;
	xcb_window_t window;

	if (!has_program("openbox")) {
		skip_test("no openbox");
		return;
	}
	if (!lab_start(
		    &lab, &(struct hide_rules){.windows = {{"", "*secret*"}}, .window_count = 1}))
		return;
	manager = start_child("openbox", NULL);
	window = make_window(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	set(&lab, window, NAME, "STRING", "secret", 6);
	xcb_map_window(lab.desktop.connection, window);
	sync_with(lab.desktop.connection);
	/* it frames windows that were mapped before it too */
	for (int i = 0; i < 1000 && !is_framed(&lab, window); i++)
		sleep_ms(20);
	check(is_framed(&lab, window) && look(&lab).count > 0);
	sleep_ms(300);
	kill(manager.pid, SIGSTOP);
	xcb_destroy_window(lab.desktop.connection, window);
	sync_with(lab.desktop.connection);
	begin_anew(&lab);
	hidden = look(&lab);
	expect(hidden.count > 0);
	kill(manager.pid, SIGCONT);
	end_child(&manager, SIGTERM);
	lab_end(&lab);
}

/* ---- passwords ---- */

static xcb_window_t show(struct lab *lab, const struct rect *at, uint16_t class)
{
	xcb_window_t window = make_window(lab, at, class);

	xcb_map_window(lab->desktop.connection, window);
	return window;
}

static void focus(struct lab *lab, xcb_window_t window)
{
	xcb_set_input_focus(
		lab->desktop.connection, XCB_INPUT_FOCUS_NONE, window, XCB_CURRENT_TIME);
}

/* @return true if exactly this area is hidden */
static bool hides_just(const struct areas *hidden, const struct rect *wanted)
{
	for (int y = 0; y < HEIGHT; y += 3)
		for (int x = 0; x < WIDTH; x += 3) {
			bool inside = x >= wanted->x && x < wanted->x + wanted->width &&
				y >= wanted->y && y < wanted->y + wanted->height;

			if (areas_contain(hidden, x, y) != inside)
				return false;
		}
	return true;
}

static bool focus_hides(struct lab *lab, xcb_window_t window, const struct rect *wanted)
{
	struct areas hidden;

	begin_anew(lab);
	focus(lab, window);
	hidden = look(lab);
	return hides_just(&hidden, wanted);
}

static void unknown_focus_hides_all(void)
{
	static const struct rect nothing = {0, 0, 0, 0}, away = {-300, 0, 200, 100},
				 edge = {-100, 300, 200, 100}, speck = {WIDTH - 5, 0, 90, 90};
	struct lab lab;
	xcb_window_t window, input, outside, half, corner;

	if (!lab_start(&lab, &(struct hide_rules){.passwords = true}))
		return;
	window = show(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	input = show(&lab, &(struct rect){20, 20, 30, 30}, XCB_WINDOW_CLASS_INPUT_ONLY);
	outside = show(&lab, &away, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	half = show(&lab, &edge, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	corner = show(&lab, &speck, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	desktop_fake(&lab.desktop, XCB_MOTION_NOTIFY, 0, WIDTH / 2, HEIGHT - 20);
	expect(focus_hides(&lab, window, &nothing) && lab.why == 0);
	lab.focused = true;
	expect(focus_hides(&lab, window, &place) && lab.why == HIDDEN_PASSWORD);
	expect(focus_hides(&lab, half, &edge));
	expect(focus_hides(&lab, XCB_NONE, &screen) && lab.why == HIDDEN_PASSWORD);
	expect(focus_hides(&lab, XCB_INPUT_FOCUS_POINTER_ROOT, &screen));
	expect(focus_hides(&lab, lab.desktop.screen->root, &screen));
	expect(focus_hides(&lab, input, &screen));
	expect(focus_hides(&lab, outside, &screen));
	expect(focus_hides(&lab, corner, &screen));
	desktop_fake(&lab.desktop, XCB_MOTION_NOTIFY, 0, place.x + 9, place.y + 9);
	expect(focus_hides(&lab, XCB_INPUT_FOCUS_POINTER_ROOT, &place));
	desktop_fake(&lab.desktop, XCB_MOTION_NOTIFY, 0, 25, 25);
	expect(focus_hides(&lab, XCB_INPUT_FOCUS_POINTER_ROOT, &screen));
	lab.focused = false;
	expect(focus_hides(&lab, XCB_NONE, &nothing));
	lab_end(&lab);
}

/* The focus is queried again without an event, and a compositor may still show its previous window. */
static void focus_that_comes_back_is_found(void)
{
	struct lab lab;
	struct areas hidden;
	xcb_window_t window;
	int64_t due_ns;

	if (!lab_start(&lab, &(struct hide_rules){.passwords = true}))
		return;
	lab.focused = true;
	window = show(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	focus(&lab, XCB_NONE);
	hidden = look(&lab);
	expect(hides_just(&hidden, &screen));
	due_ns = mask_x11_due_ns(lab.mask) - clock_now_ns();
	expect(due_ns < 100 * NS_PER_MS);
	focus(&lab, window);
	hidden = look(&lab);
	expect(hides_just(&hidden, &screen));
	due_ns = mask_x11_due_ns(lab.mask) - clock_now_ns();
	expect(due_ns < NS_PER_S);
	sleep_ms(600);
	hidden = look(&lab);
	expect(hides_just(&hidden, &place));
	expect(mask_x11_due_ns(lab.mask) == INT64_MAX);
	lab_end(&lab);
}

/* ---- the recorder's own pages ---- */

#define MARKED "uxrec \xc2\xb7 Moderate \xc2\xb7 uxrec-0a1b2c3d - Chromium"

static _Atomic int own;

static bool lab_start_own(struct lab *lab)
{
	own = HIDE_OWN_UNKNOWN;
	return lab_start(lab, &(struct hide_rules){.own_title = "*uxrec-0a1b2c3d*", .own = &own});
}

static struct areas look_later(struct lab *lab)
{
	look(lab);
	sleep_ms(600); /* areas stay hidden for a while */
	return look(lab);
}

static void own_windows_are_hidden_where_they_are_seen(void)
{
	static const struct rect right = {200, 80, 400, 300}, left = {100, 80, 100, 150};
	struct areas hidden;
	struct lab lab;
	xcb_window_t page, over, hint;
	const uint32_t below = XCB_STACK_MODE_BELOW, above = XCB_STACK_MODE_ABOVE, yes = 1;

	if (!lab_start_own(&lab))
		return;
	expect(own == HIDE_OWN_NONE);
	page = show(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	hidden = look(&lab);
	expect(hidden.count == 0 && own == HIDE_OWN_NONE);
	set(&lab, page, TITLE, UTF8, MARKED, strlen(MARKED));
	hidden = look(&lab);
	expect(hides_just(&hidden, &place) && own == HIDE_OWN_VISIBLE);
	expect(lab.why == HIDDEN_OWN_PAGE);
	/* another window covers its right half */
	over = show(&lab, &right, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	hidden = look(&lab);
	expect(hides_just(&hidden, &place)); /* for as long as it may be in a picture */
	hidden = look_later(&lab);
	expect(hides_just(&hidden, &left) && own == HIDE_OWN_VISIBLE);
	xcb_configure_window(lab.desktop.connection, over, XCB_CONFIG_WINDOW_STACK_MODE, &below);
	hidden = look(&lab);
	expect(hides_just(&hidden, &place));
	/* covers all of it */
	xcb_configure_window(lab.desktop.connection, over, XCB_CONFIG_WINDOW_STACK_MODE, &above);
	xcb_configure_window(lab.desktop.connection, over,
		XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, (const uint32_t[]){50, 50});
	hidden = look_later(&lab);
	expect(hidden.count == 0 && own == HIDE_OWN_NONE && lab.why == 0);
	/* an override-redirect hint covers nothing: it may be transparent */
	xcb_unmap_window(lab.desktop.connection, over);
	hint = make_window(&lab, &right, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	xcb_change_window_attributes(lab.desktop.connection, hint, XCB_CW_OVERRIDE_REDIRECT, &yes);
	xcb_map_window(lab.desktop.connection, hint);
	hidden = look(&lab);
	expect(hides_just(&hidden, &place) && own == HIDE_OWN_VISIBLE);
	/* another page of the browser is in front */
	set(&lab, page, TITLE, UTF8, "Shop - Chromium", 15);
	hidden = look(&lab);
	expect(hides_just(&hidden, &place));
	hidden = look_later(&lab);
	expect(hidden.count == 0 && own == HIDE_OWN_NONE);
	lab_end(&lab);
}

/* Windows that a study's rules hide when in doubt stay visible without such rules. */
static void for_own_windows_nothing_else_is_hidden(void)
{
	static char wide[3000];
	struct areas hidden;
	struct lab lab;
	xcb_window_t page, window;

	if (!lab_start_own(&lab))
		return;
	memset(wide, 'x', sizeof(wide));
	window = show(&lab, &place, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	set(&lab, window, TITLE, UTF8, wide, sizeof(wide));
	hidden = look(&lab);
	expect(hidden.count == 0);
	set(&lab, window, TITLE, UTF8, "uxrec-0a1b2c3d \xfc", 16);
	hidden = look(&lab);
	expect(hidden.count == 0);
	set(&lab, window, TITLE, UTF8, "", 0);
	set(&lab, window, NAME, "COMPOUND_TEXT", "\x1b-L\xbf\xd0\xe0\xde\xdb\xec", 9);
	for (int i = 0; i < 200; i++) {
		xcb_window_t inside = xcb_generate_id(lab.desktop.connection);

		xcb_create_window(lab.desktop.connection, XCB_COPY_FROM_PARENT, inside, window, 0,
			0, 5, 5, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT, 0, NULL);
	}
	hidden = look(&lab);
	expect(hidden.count == 0 && own == HIDE_OWN_NONE);
	/* a dialog of the page is hidden with it, other windows of its program are not */
	page = show(&lab, &(struct rect){0, 0, 50, 50}, XCB_WINDOW_CLASS_INPUT_OUTPUT);
	set(&lab, page, TITLE, UTF8, MARKED, strlen(MARKED));
	hidden = look(&lab);
	expect(hides_just(&hidden, &(struct rect){0, 0, 50, 50}));
	xcb_change_property(lab.desktop.connection, XCB_PROP_MODE_REPLACE, window,
		XCB_ATOM_WM_TRANSIENT_FOR, XCB_ATOM_WINDOW, 32, 1, &page);
	hidden = look(&lab);
	expect(areas_contain(&hidden, place.x + 1, place.y + 1));
	lab_end(&lab);
}

static const struct test tests[] = {
	{"own windows are hidden where visible, and only there",
		own_windows_are_hidden_where_they_are_seen},
	{"for own windows nothing else is hidden", for_own_windows_nothing_else_is_hidden},
	{"titles and classes are compared without case, in all scripts and encodings",
		letters_have_cases},
	{"each text of a class counts, and each title that can be read", each_text_counts},
	{"leftovers in the frame of a closed window are hidden",
		frames_of_windows_that_are_gone_are_hidden},
	{"all is hidden while the place of the focused field is unknown", unknown_focus_hides_all},
	{"a focus that comes back is found", focus_that_comes_back_is_found},
};

int main(void)
{
	return RUN_TESTS("mask_x11", tests);
}

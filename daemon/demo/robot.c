/*
 * uxrec-robot: a scripted participant, for the demo and the tests. It reads commands from standard
 * input, one a line, and executes them by XTest, so that everything behind it is real:
 *
 *   move X Y [MS]     move the pointer there, smoothly, in MS milliseconds (default 300)
 *   click [BUTTON]    1 left (default), 2 middle, 3 right
 *   scroll STEPS      turn the wheel, down when positive
 *   type TEXT         with eight keys a second
 *   key NAME          Return, Tab, BackSpace, Escape, …, with ctrl+, shift+, alt+ before it
 *   wait MS
 *   background RRGGBB the colour of the empty desktop
 *   cursor RRGGBB     a square of this colour as the pointer
 */

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xcb/xcb.h>
#include <xcb/xtest.h>

#define KEY_NS       (NS_PER_S / 8)
#define MOVE_STEP_NS (8 * NS_PER_MS)

struct robot {
	xcb_connection_t *connection;
	xcb_window_t root;
	uint8_t first_keycode, keysyms_per_code;
	size_t keysym_count;
	xcb_get_keyboard_mapping_reply_t *mapping;
	uint32_t *keysyms; /* of the mapping */
	int line;
};

static const struct {
	const char *name;
	uint32_t keysym;
} named_keys[] = {
	{"Return", 0xff0d},
	{"Tab", 0xff09},
	{"BackSpace", 0xff08},
	{"Escape", 0xff1b},
	{"Home", 0xff50},
	{"Left", 0xff51},
	{"Up", 0xff52},
	{"Right", 0xff53},
	{"Down", 0xff54},
	{"Prior", 0xff55},
	{"Next", 0xff56},
	{"End", 0xff57},
	{"Delete", 0xffff},
	{"F1", 0xffbe},
	{"F5", 0xffc2},
	{"space", 0x20},
	{"ctrl", 0xffe3},
	{"shift", 0xffe1},
	{"alt", 0xffe9},
};

static void sleep_ns(int64_t ns)
{
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ns / NS_PER_S, ns % NS_PER_S}, NULL);
}

static void fake(struct robot *robot, uint8_t type, uint8_t detail, int x, int y)
{
	xcb_test_fake_input(robot->connection, type, detail, XCB_CURRENT_TIME, robot->root,
		(int16_t)x, (int16_t)y, 0);
	xcb_flush(robot->connection);
}

/* @return the keycode of a keysym, 0 when there is none; @p ret_shift is true when it needs Shift */
static uint8_t find_keycode(const struct robot *robot, uint32_t keysym, bool *ret_shift)
{
	for (unsigned level = 0; level < 2 && level < robot->keysyms_per_code; level++)
		for (size_t i = level; i < robot->keysym_count; i += robot->keysyms_per_code)
			if (robot->keysyms[i] == keysym) {
				*ret_shift = level == 1;
				return (uint8_t)(robot->first_keycode +
					i / robot->keysyms_per_code);
			}
	return 0;
}

static int press_keysym(struct robot *robot, uint32_t keysym)
{
	bool shift = false, ignored;
	uint8_t shift_code = find_keycode(robot, 0xffe1, &ignored);
	uint8_t code = find_keycode(robot, keysym, &shift);

	if (!code)
		return -1;
	if (shift)
		fake(robot, XCB_KEY_PRESS, shift_code, 0, 0);
	fake(robot, XCB_KEY_PRESS, code, 0, 0);
	sleep_ns(30 * NS_PER_MS);
	fake(robot, XCB_KEY_RELEASE, code, 0, 0);
	if (shift)
		fake(robot, XCB_KEY_RELEASE, shift_code, 0, 0);
	return 0;
}

static uint32_t keysym_by_name(const char *name)
{
	if (strlen(name) == 1)
		return (unsigned char)*name;
	for (size_t i = 0; i < ARRAY_SIZE(named_keys); i++)
		if (strcmp(named_keys[i].name, name) == 0)
			return named_keys[i].keysym;
	return 0;
}

/* "ctrl+shift+s": hold the modifiers before the last plus */
static int do_key(struct robot *robot, char *name)
{
	char *plus = strchr(name + 1, '+');
	uint32_t keysym;
	bool ignored;
	uint8_t code;
	int r;

	if (!plus) {
		keysym = keysym_by_name(name);
		return keysym ? press_keysym(robot, keysym) : -1;
	}
	*plus = '\0';
	code = find_keycode(robot, keysym_by_name(name), &ignored);
	if (!code)
		return -1;
	fake(robot, XCB_KEY_PRESS, code, 0, 0);
	r = do_key(robot, plus + 1);
	fake(robot, XCB_KEY_RELEASE, code, 0, 0);
	return r;
}

static int do_type(struct robot *robot, const char *text)
{
	for (; *text; text++) {
		if (press_keysym(robot, (unsigned char)*text) < 0)
			return -1;
		sleep_ns(KEY_NS - 30 * NS_PER_MS);
	}
	return 0;
}

static int do_move(struct robot *robot, const char *arguments)
{
	_autofree_ xcb_query_pointer_reply_t *from = xcb_query_pointer_reply(
		robot->connection, xcb_query_pointer(robot->connection, robot->root), NULL);
	int x, y, ms = 300, steps;

	if (!from || sscanf(arguments, "%d %d %d", &x, &y, &ms) < 2)
		return -1;
	steps = (int)(ms * NS_PER_MS / MOVE_STEP_NS);
	for (int i = 1; i <= steps; i++) {
		/* ease in and out, like a hand */
		double t = (double)i / steps, eased = t * t * (3 - 2 * t);

		fake(robot, XCB_MOTION_NOTIFY, 0, from->root_x + (int)((x - from->root_x) * eased),
			from->root_y + (int)((y - from->root_y) * eased));
		sleep_ns(MOVE_STEP_NS);
	}
	fake(robot, XCB_MOTION_NOTIFY, 0, x, y);
	return 0;
}

static int do_click(struct robot *robot, const char *arguments)
{
	int button = 1;

	sscanf(arguments, "%d", &button);
	if (button < 1 || button > 9)
		return -1;
	fake(robot, XCB_BUTTON_PRESS, (uint8_t)button, 0, 0);
	sleep_ns(60 * NS_PER_MS);
	fake(robot, XCB_BUTTON_RELEASE, (uint8_t)button, 0, 0);
	return 0;
}

static int do_scroll(struct robot *robot, const char *arguments)
{
	int steps = 0;

	if (sscanf(arguments, "%d", &steps) != 1)
		return -1;
	for (uint8_t button = steps < 0 ? 4 : 5; steps; steps += steps < 0 ? 1 : -1) {
		fake(robot, XCB_BUTTON_PRESS, button, 0, 0);
		fake(robot, XCB_BUTTON_RELEASE, button, 0, 0);
		sleep_ns(80 * NS_PER_MS);
	}
	return 0;
}

static int do_wait(struct robot *robot, const char *arguments)
{
	int ms = 0;

	(void)robot;
	if (sscanf(arguments, "%d", &ms) != 1)
		return -1;
	sleep_ns(ms * NS_PER_MS);
	return 0;
}

static int do_background(struct robot *robot, const char *arguments)
{
	uint32_t pixel;

	if (sscanf(arguments, "%6x", &pixel) != 1)
		return -1;
	xcb_change_window_attributes(robot->connection, robot->root, XCB_CW_BACK_PIXEL, &pixel);
	xcb_clear_area(robot->connection, 0, robot->root, 0, 0, 0, 0);
	xcb_flush(robot->connection);
	return 0;
}

static int do_cursor(struct robot *robot, const char *arguments)
{
	xcb_connection_t *c = robot->connection;
	xcb_pixmap_t square = xcb_generate_id(c);
	xcb_gcontext_t gc = xcb_generate_id(c);
	xcb_cursor_t cursor = xcb_generate_id(c);
	const xcb_rectangle_t all = {0, 0, 16, 16};
	uint32_t one = 1;
	uint16_t red, green, blue;
	unsigned color;

	if (sscanf(arguments, "%6x", &color) != 1)
		return -1;
	red = (uint16_t)((color >> 16 & 255) * 257);
	green = (uint16_t)((color >> 8 & 255) * 257);
	blue = (uint16_t)((color & 255) * 257);
	xcb_create_pixmap(c, 1, square, robot->root, 16, 16);
	xcb_create_gc(c, gc, square, XCB_GC_FOREGROUND, &one);
	xcb_poly_fill_rectangle(c, square, gc, 1, &all);
	xcb_create_cursor(c, cursor, square, square, red, green, blue, red, green, blue, 0, 0);
	xcb_change_window_attributes(c, robot->root, XCB_CW_CURSOR, &cursor);
	xcb_free_cursor(c, cursor);
	xcb_free_gc(c, gc);
	xcb_free_pixmap(c, square);
	xcb_flush(c);
	return 0;
}

static int do_line(struct robot *robot, char *line)
{
	char *arguments = line + strcspn(line, " ");

	if (*line == '\0' || *line == '#')
		return 0;
	if (*arguments)
		*arguments++ = '\0';
	if (strcmp(line, "move") == 0)
		return do_move(robot, arguments);
	if (strcmp(line, "click") == 0)
		return do_click(robot, arguments);
	if (strcmp(line, "scroll") == 0)
		return do_scroll(robot, arguments);
	if (strcmp(line, "type") == 0)
		return do_type(robot, arguments);
	if (strcmp(line, "key") == 0)
		return *arguments ? do_key(robot, arguments) : -1;
	if (strcmp(line, "wait") == 0)
		return do_wait(robot, arguments);
	if (strcmp(line, "background") == 0)
		return do_background(robot, arguments);
	if (strcmp(line, "cursor") == 0)
		return do_cursor(robot, arguments);
	return -1;
}

static int connect_robot(struct robot *robot)
{
	const xcb_setup_t *setup;
	xcb_get_keyboard_mapping_reply_t *mapping;
	xcb_connection_t *c = robot->connection = xcb_connect(NULL, NULL);

	if (xcb_connection_has_error(c))
		return -1;
	setup = xcb_get_setup(c);
	robot->root = xcb_setup_roots_iterator(setup).data->root;
	robot->first_keycode = setup->min_keycode;
	mapping = robot->mapping = xcb_get_keyboard_mapping_reply(c,
		xcb_get_keyboard_mapping(c, setup->min_keycode,
			(uint8_t)(setup->max_keycode - setup->min_keycode + 1)),
		NULL);
	if (!mapping)
		return -1;
	robot->keysyms_per_code = mapping->keysyms_per_keycode;
	robot->keysym_count = (size_t)xcb_get_keyboard_mapping_keysyms_length(mapping);
	robot->keysyms = xcb_get_keyboard_mapping_keysyms(mapping);
	return 0;
}

int main(void)
{
	struct robot robot = {0};
	char line[1024];

	if (connect_robot(&robot) < 0) {
		log_error("robot: no X display");
		return 3;
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		robot.line++;
		if (do_line(&robot, line) < 0) {
			log_error("robot: line %d failed", robot.line);
			return 2;
		}
		if (xcb_connection_has_error(robot.connection))
			return 3;
	}
	/* round trip: requests in flight are lost when the connection closes */
	free(xcb_get_input_focus_reply(
		robot.connection, xcb_get_input_focus(robot.connection), NULL));
	xcb_disconnect(robot.connection);
	free(robot.mapping);
	return 0;
}

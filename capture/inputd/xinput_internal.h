#pragma once

#include "capture/input/keymap.h"
#include "capture/inputd/recorder_link.h"
#include "protocol/base/error.h"

#include <xcb/xinput.h>

/*
 * What the files of the X11 reader share:
 *
 *   xinput.c          events, the seat, the whole
 *   xinput_devices.c  devices come and go; what they have down when nobody has seen that happen
 *   xinput_keys.c     keys: their classes and modifiers, compared with the server's state
 *   xinput_pointer.c  buttons, motion, contacts
 */

#define XINPUT_DEVICES_LIMIT 64

/* contacts that the largest touchscreens distinguish */
#define XINPUT_TOUCHES_LIMIT 16

struct x_device {
	uint16_t id;      /* the server's */
	bool absolute[2]; /* x and y are positions and not steps */
	bool found;       /* in the latest list of the server's */
	bool unwanted;
	bool is_keyboard, is_virtual;
	bool is_xtest; /* the XTEST device: its motion is absolute or relative, without a mark of which */
	char name[128];
	uint8_t keys_down[32]; /* by keycode */
	uint32_t buttons_down; /* by X button */
	/* the server's number plus 1 of the contact in each slot; 0: none */
	uint32_t touches[XINPUT_TOUCHES_LIMIT];
	unsigned touch_count;
	struct input_batch batch;
	size_t unsettled_from; /* index in the batch of the first motion of an unknown kind; SIZE_MAX: none */
};

/** The server's state at one place in its stream of events. */
struct x_state {
	uint8_t keys[32]; /* down, by keycode */
	uint16_t mask;    /* modifiers in effect: xcb_mod_mask_t */
	int x, y;         /* of the pointer */
};

struct xinput_reader {
	struct conversation *conversation;
	struct input_out *out;
	struct redactor *redactor;
	xcb_connection_t *connection;
	xcb_window_t root;
	int width_px, height_px; /* of the screen, when reading began */
	uint8_t opcode;
	struct x_device *devices[XINPUT_DEVICES_LIMIT];
	size_t count;
	uint32_t last_number;
	int watch_fd; /* readable when the recorder asks, or the seat changes */

	/* xinput.c */
	xcb_generic_event_t
		*next_event; /* after those that came before the latest state; NULL: none */

	/* xinput_keys.c */
	struct keymap *keymap; /* NULL: the server has no XKB, keysyms are of the first group */
	uint8_t first_keycode, keysyms_per_code;
	size_t keysym_count;
	uint32_t *keysyms;
	uint8_t modifier_bits[256]; /* xcb_mod_mask_t that a keycode sets */
	uint8_t level_bits;         /* those that choose other letters */
	int64_t last_key_ns;

	/* xinput_pointer.c */
	bool has_position;
	int last_x, last_y; /* at the latest state */
};

/* ---- xinput_devices.c ---- */

/** @return NULL: the server has it since the latest list */
struct x_device *xinput_find_device(struct xinput_reader *reader, uint16_t id);

/** Bring the list up to date. @param begins  report what is down of all devices, and not of new ones alone */
int xinput_query_devices(struct xinput_reader *reader, bool begins);

/** Reading ends: report what is down. */
void xinput_report_at_stop(struct xinput_reader *reader, int64_t now_ns);

/** Nothing is read any more: report as released what is down. */
void xinput_report_released(struct xinput_reader *reader, int64_t now_ns);

void xinput_devices_destroy(struct xinput_reader *reader);

/* ---- xinput_keys.c ---- */

/** Read what keys mean. Waits for the server. @return 0 or a negative errno */
int xinput_query_keys(struct xinput_reader *reader);
void xinput_keys_destroy(struct xinput_reader *reader);

/** Take an event if it is of the keymap. @return 1 when it was, 0, or a negative errno */
int xinput_take_keymap(struct xinput_reader *reader, const xcb_generic_event_t *event);

/** @return 0, or a negative errno or 1 of conversation_take(), which comes first */
int xinput_take_key(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_key_press_event_t *event);

/** Report as found the keys that are down. */
int xinput_find_keys(struct xinput_reader *reader, int64_t time_ns);

/** Report as released the keys that a device has down. */
void xinput_release_keys(struct xinput_reader *reader, struct x_device *device, int64_t time_ns);

/** Compare the modifiers that are held with a state, after the events before it. */
void xinput_settle_keys(struct xinput_reader *reader, const struct x_state *state);

/* ---- xinput_pointer.c ---- */

void xinput_take_button(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_button_press_event_t *event);
void xinput_take_motion(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_motion_event_t *event);
void xinput_take_touch(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_touch_begin_event_t *event);

/** Report buttons and contacts of a device as found. @param value  1: they are down, 0: they are up now */
void xinput_report_found(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	Uxrec__Found found, int32_t value);

/** Whether XTEST has moved the pointer since the latest state. */
bool xinput_motion_is_unsettled(const struct xinput_reader *reader);

/** Decide of XTEST's motions before a state whether they were positions or steps. */
void xinput_settle_motion(struct xinput_reader *reader, const struct x_state *state);

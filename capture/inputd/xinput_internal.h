#pragma once

#include "capture/input/keymap.h"
#include "capture/inputd/recorder_link.h"
#include "protocol/base/error.h"

#include <xcb/xinput.h>

/*
 * Shared by the files of the X11 reader:
 *
 *   xinput.c          events, the seat, entry point
 *   xinput_devices.c  devices, hotplug, state found by a query
 *   xinput_keys.c     keys: classes and modifiers, compared with the server's state
 *   xinput_pointer.c  buttons, motion, contacts
 */

#define XINPUT_DEVICES_LIMIT 64

/* contacts tracked by the largest touchscreens */
#define XINPUT_TOUCHES_LIMIT 16

struct x_device {
	uint16_t id;      /* the server's device id */
	bool absolute[2]; /* x and y are positions, not steps */
	bool found;       /* in the latest device list of the server */
	bool excluded;
	bool is_keyboard, is_virtual;
	bool is_xtest; /* the XTEST device: no flag for absolute or relative motion */
	char name[128];
	uint8_t keys_down[32]; /* bits by keycode */
	uint32_t buttons_down; /* bits by X button */
	/* touch id of the server plus 1, by slot; 0: free */
	uint32_t touches[XINPUT_TOUCHES_LIMIT];
	unsigned touch_count;
	struct input_batch batch;
	size_t unsettled_from; /* batch index of the first motion of unknown kind; SIZE_MAX: none */
};

/** State of the server at one position in its event stream. */
struct x_state {
	uint8_t keys[32]; /* keys down, bits by keycode */
	uint16_t mask;    /* effective modifiers: xcb_mod_mask_t */
	int x, y;         /* pointer position */
};

struct xinput_reader {
	struct recorder_link *link;
	struct input_out *out;
	struct redactor *redactor;
	xcb_connection_t *connection;
	xcb_window_t root;
	int width_px, height_px; /* size of the screen at the start of reading */
	uint8_t opcode;
	struct x_device *devices[XINPUT_DEVICES_LIMIT];
	size_t count;
	uint32_t last_number;
	int watch_fd; /* readable on a request of the recorder or a change of the seat */

	/* xinput.c */
	xcb_generic_event_t *next_event; /* first event after the latest state; NULL: none */

	/* xinput_keys.c */
	struct keymap *keymap; /* NULL: no XKB on the server, keysyms of the first group */
	uint8_t first_keycode, keysyms_per_code;
	size_t keysym_count;
	uint32_t *keysyms;
	uint8_t modifier_bits[256]; /* xcb_mod_mask_t set by a keycode */
	uint8_t level_bits;         /* modifier bits of level shifts */
	int64_t last_key_ns;

	/* xinput_pointer.c */
	bool has_position;
	int last_x, last_y; /* position at the latest state */
};

/* ---- xinput_devices.c ---- */

/** @return NULL when the device is not in the latest list */
struct x_device *xinput_find_device(struct xinput_reader *reader, uint16_t id);

/** Update the device list. @param begins  report pressed buttons and contacts of all devices, not only of new ones */
int xinput_query_devices(struct xinput_reader *reader, bool begins);

/** At the end of reading: report pressed buttons and contacts. */
void xinput_report_at_stop(struct xinput_reader *reader, int64_t now_ns);

/** Reading is suspended: report everything that is down as released. */
void xinput_report_released(struct xinput_reader *reader, int64_t now_ns);

void xinput_devices_destroy(struct xinput_reader *reader);

/* ---- xinput_keys.c ---- */

/** Read the keymap. Blocks on the server. @return 0 or a negative errno */
int xinput_query_keys(struct xinput_reader *reader);
void xinput_keys_destroy(struct xinput_reader *reader);

/** Process an event if it belongs to the keymap. @return 1 if it did, 0, or a negative errno */
int xinput_handle_keymap(struct xinput_reader *reader, const xcb_generic_event_t *event);

/** @return 0, or a negative errno or 1 of recorder_link_dispatch(), which is called first */
int xinput_handle_key(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_key_press_event_t *event);

/** Report the keys that are down as found. */
int xinput_report_keys(struct xinput_reader *reader, int64_t time_ns);

/** Report the pressed keys of a device as released. */
void xinput_release_keys(struct xinput_reader *reader, struct x_device *device, int64_t time_ns);

/** Compare held modifiers with a state, after the events before it. */
void xinput_settle_keys(struct xinput_reader *reader, const struct x_state *state);

/* ---- xinput_pointer.c ---- */

void xinput_handle_button(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_button_press_event_t *event);
void xinput_handle_motion(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_motion_event_t *event);
void xinput_handle_touch(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	const xcb_input_raw_touch_begin_event_t *event);

/** Report pressed buttons and contacts of a device as found. @param value  1: they are down, 0: they are up now */
void xinput_report_found(struct xinput_reader *reader, struct x_device *device, int64_t time_ns,
	Uxrec__Found found, int32_t value);

/** @return true when XTEST has moved the pointer since the latest state */
bool xinput_motion_is_unsettled(const struct xinput_reader *reader);

/** Decide for the XTEST motions before a state whether they were positions or steps. */
void xinput_settle_motion(struct xinput_reader *reader, const struct x_state *state);

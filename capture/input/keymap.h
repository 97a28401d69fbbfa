#pragma once

#include "protocol/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xcb/xcb.h>

/*
 * A keymap (XKB): an X server's, with the group that is in effect there, or one compiled from names. One thread
 * at a time.
 */

/* an XKB keycode is the kernel's code plus this (xkeyboard-config, keycodes/evdev) */
#define KEYMAP_CODE_OFFSET 8

struct keymap;

/**
 * Read the keymap of a server's core keyboard, and have its changes sent: see keymap_take().
 *
 * @param connection  outlives it
 * @return 0, -EOPNOTSUPP when the server has no XKB or its keymap cannot be read, or another negative errno
 */
int keymap_create_server(struct keymap **ret, xcb_connection_t *connection);

/** Names of xkeyboard-config; "" for the default of each. */
struct keymap_names {
	const char *rules, *model, *layout, *variant, *options;
};

/** @return 0, or -ENOENT when there is no such layout */
int keymap_create_names(struct keymap **ret, const struct keymap_names *names);

void keymap_destroy(struct keymap *keymap);
DEFINE_DESTROY(keymap);

enum keymap_change {
	KEYMAP_SAME,  /* the event is none of the keymap's, or changes nothing */
	KEYMAP_GROUP, /* another group is in effect */
	KEYMAP_KEYS,  /* keys have other meanings; the group may be another as well */
};

/** Take an event of the connection. Waits for the server where keys have changed. */
enum keymap_change keymap_take(struct keymap *keymap, const xcb_generic_event_t *event);

/** @return the group in effect, from 0; of a keymap from names always 0 */
unsigned keymap_group(const struct keymap *keymap);
unsigned keymap_group_count(const struct keymap *keymap);

/** @return the keysym of a keycode without modifiers in a group; 0: none */
uint32_t keymap_keysym(const struct keymap *keymap, uint32_t keycode, unsigned group);

/**
 * The text on a key in the group in effect: the character that it makes without modifiers, or its keysym's name.
 *
 * @param code  Linux input event code
 * @return false when the key makes nothing
 */
bool keymap_label(const struct keymap *keymap, uint32_t code, char text[static 32]);

#pragma once

#include "capture/screen/hide.h"

#include <xcb/xcb.h>

/**
 * Positions of the windows to hide. Must be passed every event of its connection. Events arrive in the server's
 * order: those that preceded the reply to a copy are all changes up to the copy. One thread.
 *
 * A place stays hidden for a while after the window has left it: a compositor displays changes later than the
 * server makes them, and the contents beneath have to be redrawn.
 */
struct mask_x11;

/**
 * @param ret      set on success; freed by mask_x11_destroy()
 * @param focused  true to hide the focused window too; may change at any time
 * @return 0, -ENOMEM, -ENOENT when there is no locale C.UTF-8 to compare titles in, or -EPIPE
 */
int mask_x11_create(struct mask_x11 **ret, xcb_connection_t *connection, xcb_window_t root,
	const struct hide_rules *rules, const _Atomic bool *focused);
void mask_x11_destroy(struct mask_x11 *mask);
DEFINE_DESTROY(mask_x11);

void mask_x11_event(struct mask_x11 *mask, const xcb_generic_event_t *event);

/**
 * Query unknown state: new windows, changed titles, the focus. Call before a copy.
 *
 * @param screen  the whole screen, hidden when nothing else is certain
 * @return 0 or -EPIPE
 */
int mask_x11_update(struct mask_x11 *mask, const struct rect *screen);

/**
 * Check a copy; call after passing all events that preceded its reply.
 *
 * @return 1 all its windows are known; 0 a window has appeared or changed: look and copy again, else it is
 *         hidden; -EPIPE
 */
int mask_x11_settle(struct mask_x11 *mask);

/**
 * Get the areas of the copy to hide, after mask_x11_update().
 *
 * @param ret_reasons  set to enum hidden: the reasons; 0 for areas hidden on doubt or lingering
 */
void mask_x11_get_areas(struct mask_x11 *mask, struct areas *ret, unsigned *ret_reasons);

/** Time when mask_x11_get_areas() has new areas; INT64_MAX: not before an event. 0: now. */
int64_t mask_x11_due_ns(const struct mask_x11 *mask);

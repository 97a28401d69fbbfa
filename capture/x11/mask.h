#pragma once

#include "capture/screen/hide.h"

#include <xcb/xcb.h>

/**
 * Where the windows are that nobody is to see. It is told of every event of its connection, which come in the order
 * in which the server did things: what has been told when the reply to a copy is there is all that was so
 * until then. One thread.
 *
 * A place stays hidden for a while after the window has left it: a compositor shows things later than the
 * server does them, and what lay beneath has to be drawn again.
 */
struct mask_x11;

/**
 * @param ret      set on success; freed by mask_x11_destroy()
 * @param focused  whether the window that has the focus is hidden too; may change at any time
 * @return 0, -ENOMEM, -ENOENT when there is no locale C.UTF-8 to compare titles in, or -EPIPE
 */
int mask_x11_create(struct mask_x11 **ret, xcb_connection_t *connection, xcb_window_t root,
	const struct hide_rules *rules, const _Atomic bool *focused);
void mask_x11_destroy(struct mask_x11 *mask);
DEFINE_DESTROY(mask_x11);

void mask_x11_event(struct mask_x11 *mask, const xcb_generic_event_t *event);

/**
 * Ask for what is not known: which windows have come, what they are called now, what has the focus. To be called
 * before a copy.
 *
 * @param screen  all of the screen: what is hidden when nothing else is sure
 * @return 0 or -EPIPE
 */
int mask_x11_look(struct mask_x11 *mask, const struct rect *screen);

/**
 * A copy has been made, and every event is told that came with it.
 *
 * @return 1 it is known what is in it; 0 a window has come or changed: look, and copy again; otherwise it is
 *         hidden; -EPIPE
 */
int mask_x11_settle(struct mask_x11 *mask);

/**
 * What has to be hidden of the copy, after mask_x11_look().
 *
 * @param ret_why  set to enum hidden: why; nothing for places that are hidden on doubt, or a while longer
 */
void mask_x11_take(struct mask_x11 *mask, struct areas *ret, unsigned *ret_why);

/** When mask_x11_take() has something else; INT64_MAX: not before an event. 0: now. */
int64_t mask_x11_due_ns(const struct mask_x11 *mask);

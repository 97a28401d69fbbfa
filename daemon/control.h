#pragma once

#include "daemon/station.h"

#include <systemd/sd-event.h>

/**
 * The control socket: the uxrec command speaks to the recorder here, with the messages of wire.proto
 * and no token, because only the same user can connect. Of the main thread.
 */
struct control;

/**
 * @param path     of the socket; its folder is made when missing
 * @param changed  called after a message has changed the station's state; may be NULL
 * @return 0 (freed by control_destroy()), -EADDRINUSE when another recorder listens there, or what
 *         bind(2) gave, with the reason
 */
int control_create(struct control **ret, sd_event *event, const char *path, struct station *station,
	void (*changed)(void *user), void *user, struct error *reterr);
void control_destroy(struct control *control);
DEFINE_DESTROY(control);

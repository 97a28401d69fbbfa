#pragma once

#include "daemon/access/keyring.h"
#include "daemon/station/station.h"

#include <systemd/sd-event.h>

/**
 * The control socket: the uxrec command speaks to the recorder here, with the messages of wire.proto
 * and no token, because only the same user can connect. Of the main thread.
 */
struct control;

#define CONTROL_LINK_BYTES 200

struct control_options {
	const char *
		path; /* of the socket; its folder is made when missing, and checked: see local.h */
	struct station *station;
	const char *principal;   /* of this user's commands */
	struct keyring *keyring; /* whose links are listed and revoked */
	/** A message has changed the station's state. */
	void (*changed)(void *user, const Uxrec__ClientMessage *message);
	/** Make a link to a page, with a ticket. @return 0, or a negative errno with the reason */
	int (*make_link)(
		void *user, const char *page, char ret[CONTROL_LINK_BYTES], struct error *reterr);
	void *user;
};

/**
 * @return 0 (freed by control_destroy()), -EADDRINUSE when another recorder listens there, or what
 *         bind(2) gave, with the reason
 */
int control_create(struct control **ret, sd_event *event, const struct control_options *options,
	struct error *reterr);
void control_destroy(struct control *control);
DEFINE_DESTROY(control);

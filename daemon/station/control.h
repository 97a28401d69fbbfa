#pragma once

#include "daemon/access/keyring.h"
#include "daemon/station/station.h"

#include <systemd/sd-event.h>

/**
 * Control socket of the uxrec command: the messages of wire.proto without a token, because only the same user
 * can connect. Requests of a connection are answered in their order. Main thread.
 */
struct control;

#define CONTROL_LINK_BYTES 200

struct control_options {
	const char *
		path; /* of the socket; its folder is made when missing, and checked: see local.h */
	struct station *station;
	const struct principal
		*principal;      /* of this user, whose process alone can connect: see local.h */
	struct keyring *keyring; /* for listing and revoking links */
	/** Called when a message has changed the station's state. */
	void (*changed)(void *user, const Uxrec__ClientMessage *message);
	/** Make a link to a page, with a ticket. @return 0, or a negative errno with the reason */
	int (*make_link)(
		void *user, const char *page, char ret[CONTROL_LINK_BYTES], struct error *reterr);
	void *user;
};

/**
 * @return 0 (free with control_destroy()), -EADDRINUSE when another recorder listens there, or the negative
 *         errno of bind(2), with the reason
 */
int control_create(struct control **ret, sd_event *event, const struct control_options *options,
	struct error *reterr);
/** Call after station_stop_now(), which answers the pending requests. */
void control_destroy(struct control *control);
DEFINE_DESTROY(control);

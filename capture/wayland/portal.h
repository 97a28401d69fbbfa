#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * The desktop's permission to see a screen: one session of the ScreenCast interface, version 1 or
 * later, of org.freedesktop.portal.Desktop. The desktop asks the person at the screen by a dialog of
 * its own, unless they have let it remember their answer: then the token that stands for it is kept in
 * the state folder, where only the same user may read it. A token is good for one session, and a new
 * one comes with it.
 *
 * Used by one thread at a time.
 */
struct portal;

enum portal_cursor {
	PORTAL_CURSOR_HIDDEN = 1,
	PORTAL_CURSOR_EMBEDDED = 2, /* it is in the pictures */
	PORTAL_CURSOR_METADATA = 4, /* position and shape come beside the pictures */
};

/** What was allowed. */
struct portal_stream {
	int fd;        /* a connection to PipeWire that sees nothing but this stream */
	uint32_t node; /* of the stream */
	enum portal_cursor cursor;
	bool remembered; /* the desktop will not ask the next time */
};

/**
 * Ask. Waits for the answer of the person, up to half a minute.
 *
 * @param ret         set on success; freed by portal_destroy(), which ends the stream
 * @param ret_stream  its fd is the caller's
 * @param reterr      why not
 * @return 0, or a negative errno:
 *   -ECONNREFUSED  there is no session bus
 *   -EOPNOTSUPP    there is no portal on it, or none that shows screens
 *   -EACCES        the person said no
 *   -ETIMEDOUT     they said nothing, or the portal did
 *   -ECANCELED     the portal ended it
 *   -EPROTO        the portal said what it should not
 */
int portal_open(struct portal **ret, struct portal_stream *ret_stream, struct error *reterr);
void portal_destroy(struct portal *portal);

/** Readable when portal_check() has something to look at. */
int portal_fd(const struct portal *portal);

/** @return NULL while the permission holds, or what has become of it, for a person */
const char *portal_check(struct portal *portal);

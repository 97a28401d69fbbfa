#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * The desktop's permission to capture a screen: one session of the ScreenCast interface, version 1
 * or later, of org.freedesktop.portal.Desktop. The desktop asks the user by its own dialog, unless
 * they have let it remember their choice: then its restore token is kept in the state folder,
 * readable only by the same user. A token is good for one session, which returns a new one.
 *
 * Used by one thread at a time.
 */
struct portal;

enum portal_cursor {
	PORTAL_CURSOR_HIDDEN = 1,
	PORTAL_CURSOR_EMBEDDED = 2, /* the cursor is in the pictures */
	PORTAL_CURSOR_METADATA = 4, /* position and shape come beside the pictures */
};

/** The granted stream. */
struct portal_stream {
	int fd;        /* a PipeWire connection restricted to this stream */
	uint32_t node; /* of the stream */
	enum portal_cursor cursor;
	bool remembered; /* the desktop will not ask the next time */
};

/**
 * Request permission. Waits for the user's choice, up to half a minute.
 *
 * @param cancelled   true: close the dialog and return -ECANCELED within a tenth of a second; NULL: never
 * @param ret         set on success; freed by portal_destroy(), which ends the stream
 * @param ret_stream  its fd is the caller's
 * @param reterr      the reason of a failure
 * @return 0, or a negative errno:
 *   -ECONNREFUSED  there is no session bus
 *   -EOPNOTSUPP    there is no portal on it, or none with screen capture
 *   -EACCES        the user refused
 *   -ETIMEDOUT     the user or the portal did not answer
 *   -ECANCELED     the portal ended the request, or it was cancelled
 *   -EPROTO        invalid reply of the portal
 */
int portal_open(struct portal **ret, struct portal_stream *ret_stream,
	const _Atomic bool *cancelled, struct error *reterr);
void portal_destroy(struct portal *portal);

/** Readable when portal_check() has messages to process. */
int portal_fd(const struct portal *portal);

/** @return NULL while the permission holds, or a readable reason that it has ended */
const char *portal_check(struct portal *portal);

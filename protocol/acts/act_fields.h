#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/* Checks of single fields for act_check.c, by type and name, independent of the body. */

struct act_checking {
	bool reading;           /* stored act: unknown parts are noted, not refused */
	bool later;             /* has unknown parts */
	bool opaque;            /* and cannot be understood without them */
	const Uxrec__Act *only; /* a patch: only the fields it names; NULL: all */
};

/**
 * Check the fields of a message and of all nested messages: enum members, numbers, times ("..._ns":
 * 0, or up to READER_TIME_LIMIT_NS), texts by the kind of their field, lengths of lists.
 *
 * @param message  when reading, unknown enum members become 0 and all but one unknown field are
 *                 dropped
 * @param body     its name in Act, for the reason
 * @return 0, or -EINVAL with the reason
 */
int act_check_fields(struct act_checking *checking, ProtobufCMessage *message, const char *body,
	struct error *reterr);

/** Check a layer's name. When reading, an unknown kind of layer makes the act opaque. */
int act_check_layer(struct act_checking *checking, const char *layer, struct error *reterr);

/**
 * Of a message's own unknown fields, not those of nested messages, keep the first: readers see that
 * there are more, and a hostile act cannot claim memory for thousands.
 */
void act_trim_unknown(ProtobufCMessage *message);

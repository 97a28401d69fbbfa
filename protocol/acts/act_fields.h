#pragma once

#include "protocol/acts.pb-c.h"
#include "protocol/base/error.h"

#include <stdbool.h>

/* Checks of single fields for act_check.c, by type and name and whatever the body. */

struct act_checking {
	bool reading; /* of an act that is stored: parts not known are noted, not refused */
	bool later;   /* something was not known */
	bool opaque;  /* and the act cannot be understood without it */
	const Uxrec__Act *only; /* a patch: of its body only the fields that it names; NULL: all */
};

/**
 * Check the fields of a message and of all messages in it: enum members, numbers, times ("..._ns": 0, or up to
 * READER_TIME_LIMIT_NS), texts by the kind of their field, lengths of lists.
 *
 * @param message   when reading, members of enums that are not known become 0 and all but one unknown field are dropped
 * @param body      its name in Act, for the reason
 * @return 0, or -EINVAL with the reason
 */
int act_check_fields(struct act_checking *checking, ProtobufCMessage *message, const char *body,
	struct error *reterr);

/** Check a layer's name. When reading, a kind of layer that is not known makes the act opaque. */
int act_check_layer(struct act_checking *checking, const char *layer, struct error *reterr);

/**
 * Of the fields of a message, not of those in it, that this version does not know, keep the first: a reader sees that
 * there is more, and a hostile act costs no memory for thousands of them.
 */
void act_trim_unknown(ProtobufCMessage *message);

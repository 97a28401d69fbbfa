#pragma once

#include "protocol/acts.pb-c.h"

#include <stdbool.h>

/* Parts of an act common to all bodies. */

/** @return the act's body, or NULL; @p ret_field is its field in Act, and may be NULL */
ProtobufCMessage *act_body(const Uxrec__Act *act, const ProtobufCFieldDescriptor **ret_field);

/**
 * @return true when the act sets a field of its body: a whole body sets all, a patch those it names
 */
bool act_sets(const Uxrec__Act *act, const char *field);

/** @return true for a consent and a withdrawal */
bool act_is_about_consent(const Uxrec__Act *act);

/** Write a fresh random id (32 hex digits and the 0 byte). @return 0 or a negative errno */
int act_new_id(char id[33]);

/** @return true for 32 lower-case hex digits */
bool act_id_is_valid(const char *id);

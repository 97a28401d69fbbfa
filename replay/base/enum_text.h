#pragma once

#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>

/* Values of enums as people type and read them: OUTCOME_COMPLETED_WITH_ASSIST of enum Outcome is
 * "completed_with_assist". */

struct enum_text {
	char text[64];
};

/** @return the name of a value; its number when the enum has no such value */
struct enum_text enum_text(const ProtobufCEnumDescriptor *descriptor, int number);

/**
 * Find a value by its name; "-" counts as "_".
 *
 * @param what    names the option or field in the error
 * @param lowest  the smallest number that is allowed: 1 leaves out "unspecified"
 * @return 0, or -EINVAL with the names that are allowed
 */
int enum_parse(const ProtobufCEnumDescriptor *descriptor, int lowest, const char *what,
	const char *text, int *ret, struct error *reterr);

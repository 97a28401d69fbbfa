#pragma once

#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>

/* Enum values as typed and displayed: OUTCOME_COMPLETED_WITH_ASSIST of enum Outcome is "completed_with_assist". */

struct enum_text {
	char text[64];
};

/** @return the name of a value, or its number when the enum has no such value */
struct enum_text enum_text(const ProtobufCEnumDescriptor *descriptor, int number);

/**
 * Find a value by its name; "-" counts as "_".
 *
 * @param what    name of the option or field, for the error
 * @param lowest  smallest allowed number: 1 excludes "unspecified"
 * @return 0, or -EINVAL with the allowed names
 */
int enum_parse(const ProtobufCEnumDescriptor *descriptor, int lowest, const char *what,
	const char *text, int *ret, struct error *reterr);

#pragma once

#include "capture/screen/grabber.h"
#include "capture/screen/pointer_shapes.h"
#include "capture/source.h"

/** State for pushing a grabber's pointer reports. */
struct pointer_reporter {
	const struct source_context *context;
	bool known;
	int last_x, last_y;
	struct pointer_shapes shapes;
};

/** Push the pointer's position and shape where new; for grabber_ops.follow. @param user  a struct pointer_reporter */
void pointer_report(void *user, const struct grabber_pointer *pointer);

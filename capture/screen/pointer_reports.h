#pragma once

#include "capture/screen/grabber.h"
#include "capture/screen/pointer_shapes.h"
#include "capture/source.h"

/** What a grabber tells of the pointer, on its way to the recorder. */
struct pointer_told {
	const struct source_context *context;
	bool known;
	int last_x, last_y;
	struct pointer_shapes shapes;
};

/** Push its position and shape where they are new; for grabber_ops.follow. @param user  a struct pointer_told */
void pointer_told(void *user, const struct grabber_pointer *pointer);

#include "capture/screen/pointer_shapes.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/pointer_shape.h"

#include <stdlib.h>

/* Redefine a shape a little before readers stop searching for it. */
#define DEFINED_FOR_NS (SESSION_SHAPE_SPAN_NS - NS_PER_S)

static void push(const struct source_context *context, int64_t time_ns, uint16_t flags,
	const Uxrec__PointerShape *shape)
{
	struct packet *packet;

	if (packet_create(&packet, context->clock,
		    &(struct packet_info){CHANNEL_POINTER_SHAPE, flags, time_ns, 0},
		    &shape->base) == 0)
		context->sink->push(context->sink, packet);
}

bool pointer_shapes_refer(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, uint64_t identity)
{
	Uxrec__PointerShape reference = UXREC__POINTER_SHAPE__INIT;

	if (shapes->has_current && shapes->current == identity)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(shapes->known); i++) {
		if (shapes->known[i].identity != identity)
			continue;
		if (time_ns < shapes->known[i].defined_ns ||
			time_ns - shapes->known[i].defined_ns > DEFINED_FOR_NS)
			return false;
		reference.shape = identity;
		push(context, time_ns, 0, &reference);
		shapes->current = identity;
		return true;
	}
	return false;
}

static void note_defined(struct pointer_shapes *shapes, uint64_t identity, int64_t time_ns)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(shapes->known) && shapes->known[i].identity != identity)
		i++;
	if (i == ARRAY_SIZE(shapes->known))
		i = shapes->next++ % ARRAY_SIZE(shapes->known);
	shapes->known[i].identity = identity;
	shapes->known[i].defined_ns = time_ns;
}

uint64_t pointer_shapes_push(struct pointer_shapes *shapes, const struct source_context *context,
	int64_t time_ns, Uxrec__PointerShape *shape)
{
	uint64_t identity = shape->rgba.len > 0 ? pointer_shape_identify(shape) : 0;

	if (shapes->has_current && shapes->current == identity) {
		free(shape->rgba.data);
		return identity;
	}
	if (identity == 0 || !pointer_shapes_refer(shapes, context, time_ns, identity)) {
		shape->shape = identity;
		if (identity && pointer_shape_deflate(shape) == 0)
			note_defined(shapes, identity, time_ns);
		push(context, time_ns, PACKET_KEYFRAME, shape);
	}
	shapes->current = identity;
	shapes->has_current = true;
	free(shape->rgba.data);
	free(shape->deflated.data);
	return identity;
}

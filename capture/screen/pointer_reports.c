#include "capture/screen/pointer_reports.h"

#include "protocol/screen.pb-c.h"

#include <stdlib.h>
#include <string.h>

static void push(const struct pointer_reporter *reporter, uint16_t channel, int64_t time_ns,
	const ProtobufCMessage *message)
{
	const struct source_context *context = reporter->context;
	struct packet *packet;

	if (packet_create(&packet, context->clock, &(struct packet_info){channel, 0, time_ns, 0},
		    message) == 0)
		context->sink->push(context->sink, packet);
}

static void push_shape(struct pointer_reporter *reporter, const struct grabber_pointer *pointer)
{
	Uxrec__PointerShape shape = UXREC__POINTER_SHAPE__INIT;
	size_t size_bytes = (size_t)pointer->width * (size_t)pointer->height * 4;

	shape.width_px = (uint32_t)pointer->width;
	shape.height_px = (uint32_t)pointer->height;
	shape.hot_x_px = pointer->hot_x > 0 ? (uint32_t)pointer->hot_x : 0;
	shape.hot_y_px = pointer->hot_y > 0 ? (uint32_t)pointer->hot_y : 0;
	shape.rgba.data = malloc(size_bytes + 1);
	if (!shape.rgba.data)
		return;
	memcpy(shape.rgba.data, pointer->rgba, size_bytes);
	shape.rgba.len = size_bytes;
	pointer_shapes_push(&reporter->shapes, reporter->context, pointer->time_ns, &shape);
}

void pointer_report(void *user, const struct grabber_pointer *pointer)
{
	struct pointer_reporter *reporter = user;
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	uint32_t dt_us = 0;
	int32_t x = pointer->x, y = pointer->y;

	if (pointer->rgba)
		push_shape(reporter, pointer);
	if (reporter->known && x == reporter->last_x && y == reporter->last_y)
		return;
	reporter->known = true;
	reporter->last_x = x;
	reporter->last_y = y;
	batch.n_dt_us = batch.n_x_px = batch.n_y_px = 1;
	batch.dt_us = &dt_us;
	batch.x_px = &x;
	batch.y_px = &y;
	push(reporter, CHANNEL_POINTER, pointer->time_ns, &batch.base);
}

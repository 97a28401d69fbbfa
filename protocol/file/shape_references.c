#include "protocol/file/shape_references.h"

#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/pointer_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* Find the newest definition at or before a reference. */
static int find_definition(Uxrec__PointerShape **ret, struct session_reader *reader,
	const struct reader_message *reference, uint64_t identity)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(&cursor, reader, reference->time_ns - SESSION_SHAPE_SPAN_NS,
		reference->time_ns + 1, UINT64_C(1) << CHANNEL_POINTER_SHAPE);

	*ret = NULL;
	while (r == 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		Uxrec__PointerShape *shape = uxrec__pointer_shape__unpack(
			NULL, message.data.size_bytes, message.data.data);

		r = 0;
		if (!shape || shape->shape != identity || pointer_shape_is_reference(shape)) {
			uxrec__pointer_shape__free_unpacked(shape, NULL);
			continue;
		}
		uxrec__pointer_shape__free_unpacked(*ret, NULL);
		*ret = shape;
	}
	return r;
}

int pointer_shape_read(Uxrec__PointerShape **ret, struct session_reader *reader,
	const struct reader_message *message)
{
	Uxrec__PointerShape *shape = uxrec__pointer_shape__unpack(
				    NULL, message->data.size_bytes, message->data.data),
			    *definition = NULL;
	int r = shape ? 0 : -EBADMSG;

	if (r == 0 && pointer_shape_is_reference(shape))
		r = find_definition(&definition, reader, message, shape->shape);
	if (r == 0 && definition) {
		uxrec__pointer_shape__free_unpacked(shape, NULL);
		shape = steal_ptr(definition);
	}
	if (r == 0)
		r = pointer_shape_inflate(shape);
	uxrec__pointer_shape__free_unpacked(definition, NULL);
	if (r < 0)
		uxrec__pointer_shape__free_unpacked(shape, NULL);
	else
		*ret = shape;
	return r;
}

/* ---- copying ---- */

void pointer_shape_copy_finish(struct pointer_shape_copy *copy)
{
	for (size_t i = 0; i < ARRAY_SIZE(copy->known); i++)
		buf_finish(&copy->known[i].data);
}

static struct pointer_shape_known *find_known(struct pointer_shape_copy *copy, uint64_t identity)
{
	for (size_t i = 0; i < ARRAY_SIZE(copy->known); i++)
		if (copy->known[i].identity == identity)
			return &copy->known[i];
	return NULL;
}

int pointer_shape_copy_register(
	struct pointer_shape_copy *copy, const struct reader_message *message)
{
	Uxrec__PointerShape *shape =
		uxrec__pointer_shape__unpack(NULL, message->data.size_bytes, message->data.data);
	struct pointer_shape_known *known;
	int r = 0;

	if (shape && shape->shape && !pointer_shape_is_reference(shape)) {
		known = find_known(copy, shape->shape);
		if (!known) {
			known = &copy->known[copy->next++ % ARRAY_SIZE(copy->known)];
			known->written_ns = INT64_MIN;
		}
		known->identity = shape->shape;
		buf_clear(&known->data);
		buf_put(&known->data, message->data.data, message->data.size_bytes);
		r = buf_error(&known->data);
	}
	uxrec__pointer_shape__free_unpacked(shape, NULL);
	return r;
}

int pointer_shape_copy_register_before(
	struct pointer_shape_copy *copy, struct session_reader *reader, int64_t at_ns)
{
	const struct reader_channel *channel = session_reader_find(reader, CHANNEL_POINTER_SHAPE);
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = channel ? session_reader_latest(reader, channel, at_ns - 1, &message) : 0;

	if (r > 0)
		r = session_cursor_create(&cursor, reader, message.time_ns - SESSION_SHAPE_SPAN_NS,
			at_ns, UINT64_C(1) << CHANNEL_POINTER_SHAPE);
	while (cursor && r >= 0 && (r = session_cursor_next(cursor, &message)) > 0)
		r = pointer_shape_copy_register(copy, &message);
	return r;
}

/* a reference's header with a definition's data */
static int make_definition(
	const struct reader_message *message, const struct buf *data, struct buf *ret)
{
	size_t header_bytes = MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES;

	buf_put(ret, message->record.data, header_bytes);
	buf_put(ret, data->data, data->size_bytes);
	if (buf_error(ret) < 0)
		return -ENOMEM;
	mcap_store_record_header(ret->data, MCAP_MESSAGE, ret->size_bytes);
	return 1;
}

/* @return the known definition of the message's shape, or NULL: it has no identity, or its
 *         pixels are unknown */
static struct pointer_shape_known *known_of(
	struct pointer_shape_copy *copy, const struct reader_message *message, bool *ret_reference)
{
	Uxrec__PointerShape *shape =
		uxrec__pointer_shape__unpack(NULL, message->data.size_bytes, message->data.data);
	struct pointer_shape_known *known =
		shape && shape->shape ? find_known(copy, shape->shape) : NULL;

	*ret_reference = shape && pointer_shape_is_reference(shape);
	uxrec__pointer_shape__free_unpacked(shape, NULL);
	return known;
}

int pointer_shape_copy_define(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret)
{
	bool is_reference;
	struct pointer_shape_known *known = known_of(copy, message, &is_reference);

	return known && is_reference ? make_definition(message, &known->data, ret) : 0;
}

int pointer_shape_copy_resolve(
	struct pointer_shape_copy *copy, const struct reader_message *message, struct buf *ret)
{
	bool is_reference;
	struct pointer_shape_known *known = known_of(copy, message, &is_reference);

	if (!known)
		return 0;
	if (is_reference && known->written_ns != INT64_MIN &&
		message->time_ns - known->written_ns <= SESSION_SHAPE_SPAN_NS)
		return 0;
	known->written_ns = message->time_ns;
	return is_reference ? make_definition(message, &known->data, ret) : 0;
}

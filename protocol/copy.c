#include "protocol/copy.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_MESSAGES 4096

static int declare(struct session_writer *writer, const struct reader_channel *channel)
{
	const struct mcap_schema schema = {channel->schema_id, mcap_text(channel->schema),
		mcap_text(channel->schema_encoding), channel->schema_data};
	const struct mcap_channel copy = {channel->id, channel->schema_id,
		mcap_text(channel->topic), mcap_text(channel->message_encoding), channel->metadata};

	return session_writer_declare(writer, channel->schema_id ? &schema : NULL, &copy);
}

/* Channels that are declared inside of chunks are known when the chunk has been read. */
static int declare_all(struct session_writer *writer, struct session_reader *reader)
{
	const struct reader_channel *channel;
	int r = 0;

	for (size_t i = 0; (channel = session_reader_channel(reader, i)) && r >= 0; i++) {
		r = declare(writer, channel);
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

/* Metadata and attachments go along; what segments say of each other ends with them. */
static int copy_extras(struct session_writer *writer, struct session_reader *reader)
{
	for (size_t i = 0;; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		struct mcap_attachment attachment;
		struct mcap_metadata metadata;
		struct view view;
		uint8_t opcode;
		int r = session_reader_extra(reader, i, &opcode, &content);

		if (r == 0)
			return 0;
		if (r == -EBADMSG)
			continue;
		if (r < 0)
			return r;
		view = (struct view){content.data, content.size_bytes, 0};
		if (opcode == MCAP_ATTACHMENT && mcap_parse_attachment(view, &attachment) == 0)
			r = session_writer_put_attachment(writer, &attachment);
		else if (opcode == MCAP_METADATA && mcap_parse_metadata(view, &metadata) == 0 &&
			!mcap_string_is(metadata.name, SESSION_SEGMENT_METADATA))
			r = session_writer_put_metadata(writer, &metadata);
		if (r < 0)
			return r;
	}
}

/* what a part needs of the time before it */
static int copy_state(
	struct session_writer *writer, struct session_reader *reader, int64_t *from_ns)
{
	const struct reader_channel *channel =
		session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	struct reader_message message;
	int r = channel ? session_reader_latest(reader, channel, *from_ns, &message) : 0;

	if (r < 0)
		return r;
	if (r > 0)
		*from_ns = message.time_ns;
	for (size_t i = 0; (channel = session_reader_channel(reader, i)); i++) {
		const struct channel_kind *kind = channel_kind_get(channel->known);

		if (!kind || !kind->latched)
			continue;
		/* the same moment is part of what comes */
		r = session_reader_latest(reader, channel, *from_ns - 1, &message);
		if (r > 0)
			r = session_writer_append_record(writer, message.record);
		if (r < 0)
			return r;
	}
	return 0;
}

static int copy_messages(struct session_writer *writer, struct session_reader *reader,
	const struct session_copy_options *options, int64_t from_ns)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	uint64_t count = 0;
	int r = session_cursor_create(&cursor, reader, from_ns, options->to_ns, 0);

	while (r == 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		r = session_writer_append_record(writer, message.record);
		if (r == -EINVAL) {
			r = declare(writer, message.channel);
			if (r == 0)
				r = session_writer_append_record(writer, message.record);
		}
		if (++count % PROGRESS_MESSAGES == 0 && options->progress)
			options->progress(options->user, message.time_ns);
	}
	return r;
}

int session_copy(struct session_reader *reader, const char *path,
	const struct session_copy_options *options, struct session_copy_result *ret,
	struct error *reterr)
{
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_writer_totals totals;
	int64_t from_ns = options->from_ns;
	int r = session_writer_create(&writer, path, SESSION_WRITER_COPY);

	if (r < 0)
		return error_set(reterr, r, "%s: %s", path,
			r == -EEXIST ? "it is there already; name another file" : strerror(-r));
	r = declare_all(writer, reader);
	if (r == 0)
		r = copy_extras(writer, reader);
	if (r == 0 && from_ns != INT64_MIN)
		r = copy_state(writer, reader, &from_ns);
	if (r == 0)
		r = copy_messages(writer, reader, options, from_ns);
	if (r == 0)
		r = session_writer_finish(writer);
	if (r < 0) {
		unlink(path);
		return error_set(reterr, r, "%s: %s", path,
			r == -ENOSPC ? "the disk is full" : strerror(-r));
	}
	totals = session_writer_get_totals(writer);
	*ret = (struct session_copy_result){totals.messages, totals.bytes};
	return 0;
}

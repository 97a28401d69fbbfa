#include "protocol/file/copy.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/file/shape_references.h"
#include "protocol/file/writer.h"
#include "protocol/limits.h"
#include "protocol/schema.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_MESSAGES 4096

/* the file without the span, while incomplete */
#define ERASING_NAME ".erasing.mcap"

static int declare(struct session_writer *writer, const struct reader_channel *channel)
{
	const struct mcap_schema schema = {channel->schema_id, mcap_text(channel->schema),
		mcap_text(channel->schema_encoding), channel->schema_data};
	const struct mcap_channel copy = {channel->id, channel->schema_id,
		mcap_text(channel->topic), mcap_text(channel->message_encoding), channel->metadata};

	return session_writer_declare(writer, channel->schema_id ? &schema : NULL, &copy);
}

/* Channels declared inside of chunks are known once the chunk has been read. */
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

/* Segment metadata describes the segments, and each segment has the ids: a copy has them once. */
static bool is_copied(const struct mcap_metadata *metadata, bool *ids_copied)
{
	if (mcap_string_is(metadata->name, SESSION_SEGMENT_METADATA))
		return false;
	if (!mcap_string_is(metadata->name, SESSION_IDENTITY_METADATA))
		return true;
	if (*ids_copied)
		return false;
	*ids_copied = true;
	return true;
}

/* Copy metadata and attachments. */
static int copy_aux_records(struct session_writer *writer, struct session_reader *reader)
{
	bool ids_copied = false;

	for (size_t i = 0;; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		struct mcap_attachment attachment;
		struct mcap_metadata metadata;
		struct view view;
		uint8_t opcode;
		int r = session_reader_aux_record(reader, i, &opcode, &content);

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
			is_copied(&metadata, &ids_copied))
			r = session_writer_put_metadata(writer, &metadata);
		if (r < 0)
			return r;
	}
}

static int append(struct session_writer *writer, const struct reader_message *message)
{
	int r = session_writer_append_record(writer, message->record);

	if (r != -EINVAL)
		return r;
	r = declare(writer, message->channel);
	return r < 0 ? r : session_writer_append_record(writer, message->record);
}

/* A shape whose definition is not in the copy gets its own pixels. */
static int append_shape(struct session_writer *writer, struct pointer_shape_copy *shapes,
	struct copy_identity *made, const struct reader_message *message)
{
	_cleanup_(buf_finish) struct buf record = {0};
	struct reader_message whole = *message;
	int r = pointer_shape_copy_resolve(shapes, message, &record);

	if (r > 0) {
		copy_identity_stamp(made, record.data);
		whole.record = (struct view){record.data, record.size_bytes, 0};
	}
	return r < 0 ? r : append(writer, &whole);
}

/* latched state that a part needs from the time before it */
static int copy_state(struct session_writer *writer, struct session_reader *reader,
	struct pointer_shape_copy *shapes, struct copy_identity *made, int64_t *from_ns)
{
	const struct reader_channel *channel =
		session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	struct reader_message message;
	int r = channel ? session_reader_latest(reader, channel, *from_ns, &message) : 0;

	if (r < 0)
		return r;
	if (r > 0)
		*from_ns = message.time_ns;
	r = pointer_shape_copy_register_before(shapes, reader, *from_ns);
	if (r < 0)
		return r;
	for (size_t i = 0; (channel = session_reader_channel(reader, i)); i++) {
		const struct channel_kind *kind = channel_kind_get(channel->known);

		if (!kind || !kind->latched)
			continue;
		/* messages at the same moment follow anyway */
		r = session_reader_latest(reader, channel, *from_ns - 1, &message);
		if (r > 0)
			r = channel->known == CHANNEL_POINTER_SHAPE
				? append_shape(writer, shapes, made, &message)
				: session_writer_append_record(writer, message.record);
		if (r < 0)
			return r;
	}
	return 0;
}

/* @return 1, 0, or a negative errno */
static int is_left_out(struct session_reader *reader, const struct session_copy_options *options,
	const struct reader_message *message)
{
	int64_t shown_ns = INT64_MIN;
	int r = 0;

	if (options->to_ns != INT64_MAX)
		r = session_reader_shown_until(reader, message, &shown_ns);
	if (r == 0 && shown_ns >= options->to_ns)
		return 1;
	return r == 0 && options->leave_out ? options->leave_out(options->user, message) : r;
}

static bool reaches_over(const struct reader_message *message, int64_t to_ns)
{
	return to_ns != INT64_MAX && channel_kind_get(message->channel->known) &&
		channel_span_ns(message->channel->known) == SESSION_BATCH_SPAN_NS &&
		message->time_ns > to_ns - SESSION_BATCH_SPAN_NS;
}

/* The arrays of a batch have equal lengths: truncate all of them to @p kept. */
static void cut_arrays(ProtobufCMessage *batch, size_t length, size_t kept)
{
	for (unsigned i = 0; i < batch->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &batch->descriptor->fields[i];
		size_t *count = (size_t *)(void *)((char *)batch + field->quantifier_offset);

		if (field->label == PROTOBUF_C_LABEL_REPEATED && *count == length)
			*count = kept;
	}
}

/* @return the number of events of a batch before a time */
static size_t count_before(const uint32_t *dt_us, size_t count, int64_t begin_ns, int64_t to_ns)
{
	size_t before = 0;

	while (before < count && (begin_ns += dt_us[before] * NS_PER_US) < to_ns)
		before++;
	return before;
}

/* Append the same record with other data. */
static void put_message(
	struct buf *buf, const struct reader_message *message, const ProtobufCMessage *data)
{
	size_t header_bytes = MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES;
	size_t size_bytes = header_bytes + protobuf_c_message_get_packed_size(data);
	unsigned char *to = buf_reserve(buf, size_bytes);

	if (!to)
		return;
	memcpy(to, message->record.data, header_bytes);
	mcap_store_record_header(to, MCAP_MESSAGE, size_bytes);
	protobuf_c_message_pack(data, to + header_bytes);
	buf->size_bytes += size_bytes;
}

/* Truncate a batch that reaches over the end. An unreadable one may hold later events, and is
 * dropped. */
static int append_cut(struct session_writer *writer, struct copy_identity *made,
	const struct reader_message *message, int64_t to_ns)
{
	const ProtobufCMessageDescriptor *descriptor =
		schema_message(channel_kind_get(message->channel->known)->schema);
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(descriptor, "dt_us");
	_cleanup_(buf_finish) struct buf record = {0};
	struct reader_message cut = *message;
	ProtobufCMessage *batch;
	size_t count, kept;

	if (!field)
		return append(writer, message); /* a count, for an interval from its time on */
	batch = protobuf_c_message_unpack(
		descriptor, NULL, message->data.size_bytes, message->data.data);
	if (!batch)
		return 0;
	count = *(size_t *)(void *)((char *)batch + field->quantifier_offset);
	kept = count_before(*(uint32_t **)(void *)((char *)batch + field->offset), count,
		message->time_ns, to_ns);
	cut_arrays(batch, count, kept);
	put_message(&record, message, batch);
	protobuf_c_message_free_unpacked(batch, NULL);
	if (kept < count && buf_error(&record) == 0)
		copy_identity_stamp(made, record.data);
	cut.record = (struct view){record.data, record.size_bytes, 0};
	if (kept == count)
		return append(writer, message);
	return kept == 0 || buf_error(&record) < 0 ? buf_error(&record) : append(writer, &cut);
}

static int copy_message(struct session_writer *writer, const struct session_copy_options *options,
	struct pointer_shape_copy *shapes, struct copy_identity *made,
	const struct reader_message *message)
{
	if (message->channel->known == CHANNEL_POINTER_SHAPE)
		return append_shape(writer, shapes, made, message);
	if (reaches_over(message, options->to_ns))
		return append_cut(writer, made, message, options->to_ns);
	return append(writer, message);
}

static int copy_messages(struct session_writer *writer, struct session_reader *reader,
	const struct session_copy_options *options, struct pointer_shape_copy *shapes,
	struct copy_identity *made, int64_t from_ns)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	uint64_t count = 0;
	int r = session_cursor_create(&cursor, reader, from_ns, options->to_ns, 0);

	while (r == 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		r = message.channel->known == CHANNEL_POINTER_SHAPE
			? pointer_shape_copy_register(shapes, &message)
			: 0;
		if (r == 0)
			r = is_left_out(reader, options, &message);
		if (r > 0) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = copy_message(writer, options, shapes, made, &message);
		if (++count % PROGRESS_MESSAGES == 0 && options->progress)
			options->progress(options->user, message.time_ns);
	}
	return r;
}

static int copy_to(struct session_reader *reader, struct folder *folder, const char *name,
	const struct session_copy_options *options, struct session_copy_result *ret,
	struct error *reterr)
{
	_cleanup_(pointer_shape_copy_finish) struct pointer_shape_copy shapes = {0};
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_writer_totals totals;
	struct copy_identity made;
	int64_t from_ns = options->from_ns;
	int r = session_writer_create_below(&writer, folder, name, SESSION_WRITER_COPY);

	if (r < 0)
		return error_set(reterr, r, "%s/%s: %s", folder_path(folder), name,
			r == -EEXIST ? "the file already exists; choose another name"
				     : strerror(-r));
	if (options->compression)
		session_writer_set_compression(writer, *options->compression);
	r = copy_identity_init(&made, reader);
	if (r == 0)
		r = declare_all(writer, reader);
	if (r == 0)
		r = copy_aux_records(writer, reader);
	if (r == 0 && from_ns != INT64_MIN)
		r = copy_state(writer, reader, &shapes, &made, &from_ns);
	if (r == 0)
		r = copy_messages(writer, reader, options, &shapes, &made, from_ns);
	if (r == 0 && options->add)
		r = options->add(options->user, writer, &made);
	if (r == 0)
		r = copy_identity_write(&made, writer);
	if (r == 0)
		r = session_writer_finish(writer);
	if (r < 0) {
		folder_remove(folder, name);
		return error_set(reterr, r, "%s/%s: %s", folder_path(folder), name,
			r == -ENOSPC ? "the disk is full" : strerror(-r));
	}
	totals = session_writer_get_totals(writer);
	*ret = (struct session_copy_result){totals.messages, totals.bytes};
	return 0;
}

int session_copy(struct session_reader *reader, const char *path,
	const struct session_copy_options *options, struct session_copy_result *ret,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, reterr);

	return r < 0 ? r : copy_to(reader, folder, name, options, ret, reterr);
}

/* ---- erasing ---- */

struct erase {
	const struct session_erase_options *options;
	struct session_reader *reader;
	int64_t gap_from_ns, gap_to_ns; /* erased span */
	bool waits_for_keyframe;
	bool continues_after; /* data follows the span */
	uint64_t count;
	struct pointer_shape_copy shapes;
	struct buf state[CHANNEL_END]; /* last record of latched state in the span, by channel */
};

static void erase_finish(struct erase *erase)
{
	for (size_t i = 0; i < CHANNEL_END; i++)
		buf_finish(&erase->state[i]);
	pointer_shape_copy_finish(&erase->shapes);
}

/* @return 1, 0, or a negative errno */
static int is_inside(struct erase *erase, const struct reader_message *message)
{
	const struct session_erase_options *options = erase->options;
	int64_t last_ns = message->time_ns + channel_span_ns(message->channel->known) - 1;
	int r = 0;

	if (message->time_ns >= options->to_ns)
		return 0;
	if (last_ns < options->from_ns)
		r = session_reader_shown_until(erase->reader, message, &last_ns);
	return r < 0 ? r : last_ns >= options->from_ns;
}

/* pictures depend on earlier ones: after a removal skip to the next keyframe */
static int is_gone(struct erase *erase, const struct reader_message *message)
{
	uint16_t known = message->channel->known;
	int inside = is_inside(erase, message);

	if (inside < 0)
		return inside;
	if (known == CHANNEL_SCREEN_KEYFRAMES && !inside) {
		erase->waits_for_keyframe = false;
	} else if (channel_is_picture(known)) {
		erase->waits_for_keyframe |= inside > 0;
		return erase->waits_for_keyframe;
	}
	return inside;
}

/* Latched state that holds after the span is repeated at its end. The pointer's position is a
 * batch, and is dropped. */
static int keep_state(struct erase *erase, const struct reader_message *message)
{
	uint16_t known = message->channel->known;
	struct buf *state = &erase->state[known];
	const struct mcap_message header = {message->channel->id, message->sequence,
		(uint64_t)erase->options->to_ns, (uint64_t)erase->options->to_ns, {0}};

	if (!channel_kind_get(known)->latched || channel_span_ns(known) != 1)
		return 0;
	buf_clear(state);
	/* the pixels may be erased with the span, or too far back */
	if (known == CHANNEL_POINTER_SHAPE &&
		pointer_shape_copy_define(&erase->shapes, message, state) < 0)
		return -ENOMEM;
	if (state->size_bytes == 0)
		buf_put(state, message->record.data, message->record.size_bytes);
	if (buf_error(state) == 0)
		mcap_store_message_header(state->data + MCAP_RECORD_HEADER_BYTES, &header);
	return buf_error(state);
}

static int leave_out(void *user, const struct reader_message *message)
{
	struct erase *erase = user;
	const struct channel_kind *kind = channel_kind_get(message->channel->known);
	int r;

	erase->continues_after |= message->time_ns >= erase->options->to_ns;
	if (kind && message->time_ns == erase->options->to_ns)
		buf_clear(&erase->state[message->channel->known]); /* superseded */
	if (message->channel->known == CHANNEL_POINTER_SHAPE &&
		pointer_shape_copy_register(&erase->shapes, message) < 0)
		return -ENOMEM;
	if (!kind || !(erase->options->modalities >> kind->modality & 1))
		return 0;
	r = is_gone(erase, message);
	if (r <= 0)
		return r;
	erase->count++;
	if (message->time_ns < erase->gap_from_ns)
		erase->gap_from_ns = message->time_ns;
	if (message->time_ns >= erase->gap_to_ns)
		erase->gap_to_ns = message->time_ns + 1;
	r = keep_state(erase, message);
	return r < 0 ? r : 1;
}

static int add_state(struct erase *erase, struct session_writer *writer, struct copy_identity *made)
{
	int r = 0;

	for (size_t i = 0; i < CHANNEL_END && erase->continues_after && r == 0; i++) {
		const struct buf *state = &erase->state[i];

		if (state->size_bytes == 0)
			continue;
		copy_identity_stamp(made, state->data);
		r = session_writer_append_record(
			writer, (struct view){state->data, state->size_bytes, 0});
	}
	return r;
}

static int add_gap(struct erase *erase, struct session_writer *writer, struct copy_identity *made)
{
	const struct session_erase_options *options = erase->options;
	struct session_clock clock = {0};
	_packet_unref_ struct packet *packet = NULL;
	_autofree_ char *detail = NULL;
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[CHANNEL_END];
	int r;

	if (asprintf(&detail, "erased by %s: %s", options->who, options->why) < 0) {
		detail = NULL;
		return -ENOMEM;
	}
	gap.reason = UXREC__GAP__REASON__REASON_ERASED;
	gap.from_ns = erase->gap_from_ns;
	gap.to_ns = erase->gap_to_ns;
	gap.count = erase->count;
	gap.detail = detail;
	gap.topics = topics;
	for (uint16_t id = 1; id < CHANNEL_END; id++)
		if (options->modalities >> channel_kind_get(id)->modality & 1)
			topics[gap.n_topics++] = (char *)channel_kind_get(id)->topic;
	clock.sequence[CHANNEL_GAPS] = copy_identity_next(made);
	r = packet_create(&packet, &clock,
		&(struct packet_info){CHANNEL_GAPS, 0, erase->gap_from_ns, 0}, &gap.base);
	return r < 0 ? r
		     : session_writer_append_record(
			       writer, (struct view){packet->record, packet->size_bytes, 0});
}

static int add_gap_and_state(void *user, struct session_writer *writer, struct copy_identity *made)
{
	int r = add_state(user, writer, made);

	return r < 0 ? r : add_gap(user, writer, made);
}

static int remove_segment(const struct folder *folder, unsigned number)
{
	static const char *const suffixes[] = {".wal-a", ".wal-b", ""};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char name[50];
		int r;

		snprintf(name, sizeof(name), SESSION_SEGMENT_NAME "%s", number, suffixes[i]);
		r = folder_remove(folder, name);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int segment_exists(const struct folder *folder, unsigned number)
{
	char name[40];

	snprintf(name, sizeof(name), SESSION_SEGMENT_NAME, number);
	return folder_has(folder, name);
}

/*
 * Once the new file's name is on the disk it replaces all segments. These are removed then, the
 * last first, and it takes the place of the first. Resumable at any point.
 */
static int replace_segments(const struct folder *folder)
{
	char name[40];
	unsigned count = 0;
	int r;

	while ((r = segment_exists(folder, count + 1)) > 0)
		count++;
	for (; count > 0 && r == 0; count--)
		r = remove_segment(folder, count);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), SESSION_SEGMENT_NAME, 1);
	r = folder_rename(folder, SESSION_ERASED_NAME, name);
	return r < 0 ? r : folder_sync(folder);
}

static int put_in_place(const struct folder *folder, struct error *reterr)
{
	int r = replace_segments(folder);

	return r < 0 ? error_set(reterr, r,
			       "%s: %s; the erased data is no longer read, but files with it still "
			       "exist: run the command again",
			       folder_path(folder), strerror(-r))
		     : 0;
}

/* Give the new file its name, once all of it is on the disk. */
static int name_erased(struct session_reader *reader, const struct folder *folder)
{
	int r;

	/* data lost to a disk error may be readable later and must not be discarded */
	if (session_reader_disk_failed(reader))
		return -EIO;
	r = folder_rename(folder, ERASING_NAME, SESSION_ERASED_NAME);
	if (r < 0)
		return r;
	r = folder_sync(folder);
	if (r < 0)
		folder_remove(folder, SESSION_ERASED_NAME);
	return r;
}

static int make_erased(struct session_reader *reader, struct folder *folder, struct erase *erase,
	struct error *reterr)
{
	const struct session_copy_options copy = {
		INT64_MIN, INT64_MAX, leave_out, add_gap_and_state, NULL, erase, NULL};
	struct session_copy_result result;
	int r = folder_remove(folder, ERASING_NAME); /* left by a killed process */

	if (r < 0 && r != -ENOENT)
		return error_set(
			reterr, r, "%s/" ERASING_NAME ": %s", folder_path(folder), strerror(-r));
	r = copy_to(reader, folder, ERASING_NAME, &copy, &result, reterr);
	if (r < 0)
		return r;
	r = name_erased(reader, folder);
	if (r == 0)
		return 0;
	folder_remove(folder, ERASING_NAME);
	return error_set(reterr, r, "%s: %s", folder_path(folder),
		r == -EIO ? "the disk cannot read all of it" : strerror(-r));
}

/* A gap outside of the session would extend it. @return 0 or -ERANGE */
static int clamp_span(struct session_erase_options *options, const struct session_reader *reader,
	struct error *reterr)
{
	int64_t begin_ns = 0, end_ns = 0;

	if (!session_reader_span(reader, &begin_ns, &end_ns))
		return error_set(reterr, -ERANGE, "the session is empty");
	if (options->from_ns >= options->to_ns || options->from_ns > end_ns ||
		options->to_ns <= begin_ns)
		return error_set(reterr, -ERANGE,
			"the span is outside of the session, which is %.3f s long",
			(double)(end_ns - begin_ns) / NS_PER_S);
	if (options->from_ns < begin_ns)
		options->from_ns = begin_ns;
	if (options->to_ns > end_ns)
		options->to_ns = end_ns + 1;
	return 0;
}

int session_erase_finish(const struct folder *folder, struct error *reterr)
{
	int has = folder_has(folder, SESSION_ERASED_NAME), fd;

	if (has <= 0)
		return has < 0 ? error_set(reterr, has, "%s/" SESSION_ERASED_NAME ": %s",
					 folder_path(folder), strerror(-has))
			       : 0;
	/* segments are replaced by a regular file only, never by a foreign link */
	fd = folder_read(folder, SESSION_ERASED_NAME, reterr);
	if (fd < 0)
		return fd;
	close(fd);
	return put_in_place(folder, reterr);
}

int session_erase(struct folder *folder, const struct session_erase_options *options,
	int64_t ret_gap[2], struct error *reterr)
{
	struct session_erase_options clamped = *options;
	_cleanup_(erase_finish) struct erase erase = {.options = &clamped};
	_destroy_(session_reader) struct session_reader *reader = NULL;
	int r = session_erase_finish(folder, reterr);

	if (r == 0)
		r = session_reader_open_session(&reader, folder, reterr);
	if (r < 0)
		return r;
	if (session_reader_is_recorded(reader))
		return error_set(reterr, -EBUSY, "%s: it is being recorded: end the session first",
			folder_path(folder));
	r = clamp_span(&clamped, reader, reterr);
	if (r < 0)
		return r;
	erase.reader = reader;
	erase.gap_from_ns = clamped.from_ns;
	erase.gap_to_ns = clamped.to_ns;
	r = make_erased(reader, folder, &erase, reterr);
	if (r == 0)
		r = put_in_place(folder, reterr);
	if (r < 0)
		return r;
	ret_gap[0] = erase.gap_from_ns;
	ret_gap[1] = erase.gap_to_ns;
	return 0;
}

#include "protocol/schema.h"

#include "protocol/acts.pb-c.h"
#include "protocol/base/cleanup.h"
#include "protocol/mcap.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "protocol/study.pb-c.h"

#include <errno.h>

#define DECLARE(name)                                                                              \
	extern const unsigned char schema_##name[];                                                \
	extern const unsigned char schema_##name##_end[]

DECLARE(screen);
DECLARE(input);
DECLARE(session);
DECLARE(study);
DECLARE(acts);
DECLARE(sound);
DECLARE(audio);
DECLARE(video);

struct schema_entry {
	const ProtobufCMessageDescriptor *message;
	const unsigned char *begin, *end;
};

#define ENTRY(message, name)                                                                       \
	{                                                                                          \
		&message##__descriptor, schema_##name, schema_##name##_end                         \
	}

static const struct schema_entry schema_entries[] = {
	ENTRY(foxglove__compressed_video, video),
	ENTRY(foxglove__compressed_audio, audio),
	ENTRY(uxrec__sound, sound),
	ENTRY(uxrec__sound_levels, sound),
	ENTRY(uxrec__screen, screen),
	ENTRY(uxrec__keyframe, screen),
	ENTRY(uxrec__pointer_batch, screen),
	ENTRY(uxrec__pointer_shape, screen),
	ENTRY(uxrec__screen_patches, screen),
	ENTRY(uxrec__input_device, input),
	ENTRY(uxrec__control_batch, input),
	ENTRY(uxrec__key_class_batch, input),
	ENTRY(uxrec__key_batch, input),
	ENTRY(uxrec__key_policy, input),
	ENTRY(uxrec__key_count, input),
	ENTRY(uxrec__shortcut_batch, input),
	ENTRY(uxrec__keyboard_layout, input),
	ENTRY(uxrec__clicked_object, input),
	ENTRY(uxrec__session_event, session),
	ENTRY(uxrec__clock_sample, session),
	ENTRY(uxrec__gap, session),
	ENTRY(uxrec__study, study),
	ENTRY(uxrec__act, acts),
};

static const struct schema_entry *find(const char *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(schema_entries); i++)
		if (strcmp(schema_entries[i].message->name, message) == 0)
			return &schema_entries[i];
	return NULL;
}

struct view schema_descriptors(const char *message)
{
	const struct schema_entry *entry = find(message);

	if (!entry)
		return (struct view){0};
	return (struct view){
		.data = entry->begin,
		.size_bytes = (size_t)(entry->end - entry->begin),
	};
}

const ProtobufCMessageDescriptor *schema_message(const char *message)
{
	const struct schema_entry *entry = find(message);

	return entry ? entry->message : NULL;
}

void schema_put_channel(struct buf *buf, uint16_t id, const struct channel_kind *kind)
{
	_cleanup_(buf_finish) struct buf pairs = {0};

	mcap_put_schema(buf,
		&(struct mcap_schema){id, mcap_text(kind->schema), mcap_text("protobuf"),
			schema_descriptors(kind->schema)});
	buf_put_string(&pairs, "modality");
	buf_put_string(&pairs, modality_name(kind->modality));
	buf->failed |= pairs.failed;
	mcap_put_channel(buf,
		&(struct mcap_channel){id, id, mcap_text(kind->topic), mcap_text("protobuf"),
			{pairs.data, pairs.size_bytes, 0}});
}

/* ---- schemas in a file ---- */

/* protobuf wire format (protobuf.dev, "Encoding"), and field numbers of descriptor.proto */
enum {
	WIRE_VARINT = 0,
	WIRE_I64 = 1,
	WIRE_LEN = 2,
	WIRE_I32 = 5,
	SET_FILE = 1,
	FILE_PACKAGE = 2,
	FILE_MESSAGE = 4,
	MESSAGE_NAME = 1,
	MESSAGE_FIELD = 2,
	MESSAGE_NESTED = 3,
	FIELD_NAME = 1,
	FIELD_NUMBER = 3,
	FIELD_TYPE = 5,
	FIELD_TYPE_NAME = 6,
};

#define NESTING_LIMIT 32

static uint64_t read_varint(struct view *view)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = view_get(view, 1);

		value |= (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	view->failed = 1;
	return 0;
}

/* @return the next field's number, with its bytes or its value; 0 at the end or on failure */
static uint64_t next_field(struct view *view, struct view *ret, uint64_t *ret_value)
{
	uint64_t tag, value = 0;

	*ret = (struct view){0};
	if (view->size_bytes == 0 || view->failed)
		return 0;
	tag = read_varint(view);
	switch (tag & 7) {
	case WIRE_VARINT: value = read_varint(view); break;
	case WIRE_I64: view_get(view, 8); break;
	case WIRE_I32: view_get(view, 4); break;
	case WIRE_LEN: *ret = view_read_bytes(view, read_varint(view)); break;
	default: view->failed = 1;
	}
	if (tag >> 3 == 0)
		view->failed = 1;
	if (ret_value)
		*ret_value = value;
	return view->failed ? 0 : tag >> 3;
}

/* @return the part of @p name after "PREFIX.", or an empty view for @p prefix itself; failed: no
 *         match */
static struct view name_behind(struct view name, struct view prefix)
{
	struct view begin = view_read_bytes(&name, prefix.size_bytes);

	if (begin.failed ||
		(prefix.size_bytes && memcmp(begin.data, prefix.data, prefix.size_bytes) != 0))
		return (struct view){.failed = 1};
	if (prefix.size_bytes && name.size_bytes && view_get(&name, 1) != '.')
		return (struct view){.failed = 1};
	return name;
}

/* @return 1 when the message is @p name or nests it, 0, or -EBADMSG */
static int message_declares(struct view message, struct view name, int depth)
{
	struct view rest = message, field, own = {0};
	uint64_t number;
	int r = 0;

	if (depth > NESTING_LIMIT)
		return -EBADMSG;
	while ((number = next_field(&rest, &field, NULL)))
		if (number == MESSAGE_NAME)
			own = field;
	if (rest.failed)
		return -EBADMSG;
	name = own.size_bytes ? name_behind(name, own) : (struct view){.failed = 1};
	if (!name.failed && name.size_bytes == 0)
		r = 1;
	while (r >= 0 && (number = next_field(&message, &field, NULL)))
		if (number == MESSAGE_NESTED) {
			int inside = message_declares(field, name, depth + 1);

			r = inside < 0 || inside > r ? inside : r;
		}
	return r;
}

static int file_declares(struct view file, struct view name)
{
	struct view rest = file, field, package = {0};
	uint64_t number;
	int r = 0;

	while ((number = next_field(&rest, &field, NULL)))
		if (number == FILE_PACKAGE)
			package = field;
	if (rest.failed)
		return -EBADMSG;
	name = name_behind(name, package);
	while (r >= 0 && (number = next_field(&file, &field, NULL)))
		if (number == FILE_MESSAGE) {
			int inside = message_declares(field, name, 0);

			r = inside < 0 || inside > r ? inside : r;
		}
	return r;
}

int schema_check(struct view descriptors, struct view message)
{
	struct view field;
	uint64_t number;
	int r = 0;

	while (r >= 0 && (number = next_field(&descriptors, &field, NULL)))
		if (number == SET_FILE) {
			int inside = file_declares(field, message);

			r = inside < 0 || inside > r ? inside : r;
		}
	if (descriptors.failed || r < 0)
		return -EBADMSG;
	return r > 0 ? 0 : -ENOENT;
}

static struct schema_field parse_field(struct view bytes)
{
	struct schema_field field = {0};
	struct view part;
	uint64_t number, value;

	while ((number = next_field(&bytes, &part, &value)))
		switch (number) {
		case FIELD_NAME: field.name = part; break;
		case FIELD_NUMBER: field.number = value; break;
		case FIELD_TYPE: field.type = value; break;
		case FIELD_TYPE_NAME: field.type_name = part; break;
		default: break;
		}
	return field;
}

/* fields of all messages in a file with that name relative to the package */
static void walk_message(struct view message, struct view name, int depth,
	void (*callback)(void *user, const struct schema_field *field), void *user)
{
	struct view rest = message, field, own = {0};
	uint64_t number;

	while ((number = next_field(&rest, &field, NULL)))
		if (number == MESSAGE_NAME)
			own = field;
	name = own.size_bytes ? name_behind(name, own) : (struct view){.failed = 1};
	if (name.failed || depth > NESTING_LIMIT)
		return;
	while ((number = next_field(&message, &field, NULL)))
		if (number == MESSAGE_NESTED) {
			walk_message(field, name, depth + 1, callback, user);
		} else if (number == MESSAGE_FIELD && name.size_bytes == 0) {
			struct schema_field parsed = parse_field(field);

			callback(user, &parsed);
		}
}

int schema_walk(struct view descriptors, struct view message,
	void (*callback)(void *user, const struct schema_field *field), void *user)
{
	int r = schema_check(descriptors, message);
	struct view file, part;
	uint64_t number;

	if (r < 0)
		return r;
	while ((number = next_field(&descriptors, &file, NULL))) {
		struct view rest = file, package = {0}, name;

		while ((number = next_field(&rest, &part, NULL)))
			if (number == FILE_PACKAGE)
				package = part;
		name = name_behind(message, package);
		while ((number = next_field(&file, &part, NULL)))
			if (number == FILE_MESSAGE && !name.failed)
				walk_message(part, name, 0, callback, user);
	}
	return 0;
}

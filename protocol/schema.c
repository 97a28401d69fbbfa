#include "protocol/schema.h"

#include "protocol/acts.pb-c.h"
#include "protocol/base/cleanup.h"
#include "protocol/mcap.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/study.pb-c.h"

#define DECLARE(name)                                                                              \
	extern const unsigned char schema_##name[];                                                \
	extern const unsigned char schema_##name##_end[]

DECLARE(screen);
DECLARE(input);
DECLARE(session);
DECLARE(study);
DECLARE(acts);
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
	ENTRY(uxrec__screen, screen),
	ENTRY(uxrec__keyframe, screen),
	ENTRY(uxrec__pointer_batch, screen),
	ENTRY(uxrec__pointer_shape, screen),
	ENTRY(uxrec__input_device, input),
	ENTRY(uxrec__control_batch, input),
	ENTRY(uxrec__key_class_batch, input),
	ENTRY(uxrec__key_batch, input),
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

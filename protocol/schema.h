#pragma once

#include "protocol/base/buf.h"
#include "protocol/channel.h"

#include <protobuf-c/protobuf-c.h>

/**
 * The serialised google.protobuf.FileDescriptorSet that declares a message and all it imports.
 *
 * @param message  full name: "uxrec.Screen"
 * @return a view of constant data, empty when the message is none of ours
 */
struct view schema_descriptors(const char *message);

/**
 * Does a serialised google.protobuf.FileDescriptorSet parse, and declare a message type? It is walked
 * here and not unpacked: types may lie in types as deep as a hostile file likes.
 *
 * @param message  full name
 * @return 0, -EBADMSG when it does not parse, -ENOENT when it does not declare the message
 */
int schema_check(struct view descriptors, struct view message);

/** A field as a google.protobuf.FieldDescriptorProto declares it. */
struct schema_field {
	struct view name;
	uint64_t number, type; /* google.protobuf.FieldDescriptorProto.Type */
	struct view type_name; /* ".package.Name" of a message or an enum */
};

/**
 * Hand over every field that a FileDescriptorSet declares for a message type.
 *
 * @return as schema_check()
 */
int schema_walk(struct view descriptors, struct view message,
	void (*take)(void *user, const struct schema_field *field), void *user);

/** How to unpack a message, or NULL when it is none of ours. */
const ProtobufCMessageDescriptor *schema_message(const char *message);

/**
 * Declare a message type of ours and a channel of it: a Schema and a Channel record, both with
 * @p id.
 */
void schema_put_channel(struct buf *buf, uint16_t id, const struct channel_kind *kind);

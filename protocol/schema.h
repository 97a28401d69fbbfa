#pragma once

#include "protocol/base/buf.h"
#include "protocol/channel.h"

#include <protobuf-c/protobuf-c.h>

/**
 * The serialised google.protobuf.FileDescriptorSet that declares a message and all its imports.
 *
 * @param message  full name: "uxrec.Screen"
 * @return a view of constant data, empty for unknown messages
 */
struct view schema_descriptors(const char *message);

/**
 * Check that a serialised google.protobuf.FileDescriptorSet parses and declares a message type. It
 * is walked and not unpacked: a hostile file may nest types to any depth.
 *
 * @param message  full name
 * @return 0, -EBADMSG when it does not parse, -ENOENT when it does not declare the message
 */
int schema_check(struct view descriptors, struct view message);

/** A field as declared by a google.protobuf.FieldDescriptorProto. */
struct schema_field {
	struct view name;
	uint64_t number, type; /* google.protobuf.FieldDescriptorProto.Type */
	struct view type_name; /* ".package.Name" of a message or an enum */
};

/**
 * Call @p callback for every field that a FileDescriptorSet declares for a message type.
 *
 * @return as schema_check()
 */
int schema_walk(struct view descriptors, struct view message,
	void (*callback)(void *user, const struct schema_field *field), void *user);

/** @return the descriptor for unpacking a message, or NULL for unknown messages */
const ProtobufCMessageDescriptor *schema_message(const char *message);

/**
 * Declare one of our message types and a channel of it: a Schema and a Channel record, both with
 * @p id.
 */
void schema_put_channel(struct buf *buf, uint16_t id, const struct channel_kind *kind);

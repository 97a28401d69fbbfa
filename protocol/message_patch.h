#pragma once

#include <protobuf-c/protobuf-c.h>

/* Access to single fields of messages through their descriptors. */

/**
 * Size in bytes of one value of a field in protobuf-c's struct; for a repeated field, of one
 * element.
 */
size_t message_value_bytes(const ProtobufCFieldDescriptor *field);

/** Deep copy, including unknown fields. @return NULL when out of memory */
ProtobufCMessage *message_copy(const ProtobufCMessage *message);

/**
 * Set a field of a message to its value in another: a nested message or a repeated field as a
 * whole, a member of a oneof in place of the current member, or unset where the other message does
 * not set it.
 *
 * @param to    unpacked; its former value of the field is freed
 * @param from  of the same type, unpacked; holds another value of the field afterwards
 * @param name  as in the .proto file
 * @return 0, -ENOENT when the type has no such field, or -ENOMEM
 */
int message_set_field(ProtobufCMessage *to, ProtobufCMessage *from, const char *name);

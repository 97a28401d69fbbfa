#pragma once

#include <protobuf-c/protobuf-c.h>

/* Reading and changing single fields of messages through their descriptors. */

/** Bytes of one value of a field in protobuf-c's struct: of a repeated field, of one element. */
size_t message_value_bytes(const ProtobufCFieldDescriptor *field);

/** An independent copy, fields that are not known included. @return NULL without memory */
ProtobufCMessage *message_copy(const ProtobufCMessage *message);

/**
 * Set a field of a message to its value in another: a nested message whole, a repeated field whole, a member of a
 * oneof in place of the member that is set, or to nothing where the other message does not set it.
 *
 * @param to    unpacked; its former value of the field is freed
 * @param from  of the same type, unpacked; has another value of the field afterwards
 * @param name  as in the .proto file
 * @return 0, -ENOENT when the type has no such field, or -ENOMEM
 */
int message_set_field(ProtobufCMessage *to, ProtobufCMessage *from, const char *name);

#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * The strings of messages. protobuf wants UTF-8 (RFC 3629); protobuf-c does not look, and other readers, browsers among them,
 * refuse the whole message.
 */

/** @return the field of the first string in a message that is not UTF-8, at any depth; NULL when all of them are */
const ProtobufCFieldDescriptor *message_find_bad_text(const ProtobufCMessage *message);

/** @return true when all strings in a message are UTF-8 */
bool message_is_utf8(const ProtobufCMessage *message);

/**
 * Copy a message with its strings cleaned (utf8_clean()).
 *
 * @param names  its strings are names from outside: control characters are cleaned too
 * @return freed by protobuf_c_message_free_unpacked(); NULL when there is nothing to clean, or no memory
 */
ProtobufCMessage *message_clean_copy(const ProtobufCMessage *message, bool names);

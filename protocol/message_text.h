#pragma once

#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * The strings of messages. protobuf wants UTF-8 (RFC 3629); protobuf-c does not look, and other readers, browsers among them,
 * refuse the whole message.
 */

/** @return the field of the first string in a message that is not UTF-8, at any depth; NULL when all of them are */
const ProtobufCFieldDescriptor *message_find_bad_text(const ProtobufCMessage *message);

/**
 * Check one text.
 *
 * @param name    for the sentence: a field's name, "--note"
 * @param text    @p size_bytes bytes; a 0 byte is none of a text
 * @param reterr  the name, and the position of the first byte that is wrong
 * @return 0 or -EILSEQ
 */
int text_check(const char *name, const void *text, size_t size_bytes, struct error *reterr);

/**
 * The same for what a person types and others will read in terminals and exports: also without control characters
 * but tabs and ends of lines.
 *
 * @return 0, -EILSEQ, or -EINVAL for a control character
 */
int text_check_typed(const char *name, const char *text, struct error *reterr);

/** text_check() and text_check_typed() for all strings of a message. */
int message_check_texts(const ProtobufCMessage *message, struct error *reterr);
int message_check_typed(const ProtobufCMessage *message, struct error *reterr);

/** @return true when all strings in a message are UTF-8 */
bool message_is_utf8(const ProtobufCMessage *message);

/**
 * Copy a message with its strings cleaned (utf8_clean()).
 *
 * @param names  its strings are names from outside: control characters are cleaned too
 * @return freed by protobuf_c_message_free_unpacked(); NULL when there is nothing to clean, or no memory
 */
ProtobufCMessage *message_clean_copy(const ProtobufCMessage *message, bool names);

#pragma once

#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * Strings in messages. protobuf requires UTF-8 (RFC 3629); protobuf-c does not check it, and other
 * readers, browsers among them, refuse the whole message.
 */

/**
 * @return the field of the first string in a message that is not UTF-8, at any depth; NULL when all
 *         are
 */
const ProtobufCFieldDescriptor *message_find_bad_text(const ProtobufCMessage *message);

/**
 * Check one text.
 *
 * @param name    for the error: a field's name, "--note"
 * @param text    @p size_bytes bytes; a 0 byte is invalid
 * @param reterr  the name, and the position of the first invalid byte
 * @return 0 or -EILSEQ
 */
int text_check(const char *name, const void *text, size_t size_bytes, struct error *reterr);

/**
 * Same for typed text that is displayed in terminals and exports: also no control characters except
 * tabs and line ends.
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
 * @param names  the strings are names from outside: control characters are cleaned too
 * @return freed by protobuf_c_message_free_unpacked(); NULL when nothing needs cleaning, or when
 *         out of memory
 */
ProtobufCMessage *message_clean_copy(const ProtobufCMessage *message, bool names);

#pragma once

#include "protocol/base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Names that people give: participants, studies, layers, observers. They are shown, compared and
 * filed under, never used as a path, but they end up in exports, spreadsheets and shell commands.
 */

/**
 * Check a name: 1 to NAME_LIMIT_BYTES bytes of UTF-8, beginning with a letter or a digit, without
 * control characters and without any of  / \ < > " ` $ | ; * ?
 *
 * @param what  for the sentence: "participant"
 * @return 0, or -EINVAL with the reason
 */
int name_check(const char *what, const char *name, struct error *reterr);

/** Check an identifier: 1 to 64 of A-Z a-z 0-9 - _ . @return 0, or -EINVAL with the reason */
int identifier_check(const char *what, const char *identifier, struct error *reterr);

/** @return the length of the well-formed UTF-8 sequence (RFC 3629) that a text with a 0 byte behind it
 *  begins with, 0 when there is none; and its code point */
size_t utf8_take(const char *text, uint32_t *ret_point);

/** What does not belong into a line of text: control characters, and those that turn text around. */
bool utf8_is_control(uint32_t point);

/**
 * Whether all texts in a message are UTF-8 (RFC 3629), as protobuf wants it. protobuf-c does not look;
 * other readers, browsers among them, refuse the whole message.
 */
bool message_is_utf8(const ProtobufCMessage *message);

#pragma once

/*
 * Foreign text: names of devices, monitors, windows, applications and clients. Whatever their bytes, a string
 * in a file, in JSON or on a page is UTF-8 (RFC 3629) and ends with a complete character.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Decode the first character of a 0-terminated text.
 *
 * @param ret_point  the code point
 * @return the length of the sequence, 0 when it is malformed
 */
size_t utf8_decode(const char *text, uint32_t *ret_point);

/** True for control characters and those that change the text direction: not allowed in a name. */
bool utf8_is_control(uint32_t point);

/**
 * True for a character that is visible in its place on a terminal: no control character, no direction mark or
 * override, no line or paragraph separator, nothing invisible except joiners.
 */
bool utf8_is_shown(uint32_t point);

/**
 * @return the length in bytes of the longest prefix that is UTF-8 without a 0 byte; @p text need not be
 *         0-terminated
 */
size_t utf8_valid_bytes(const char *text, size_t size_bytes);

/** @return true when the whole text is UTF-8 */
bool utf8_is_valid(const char *text);

/**
 * Replace each byte that is not part of a character by "?". The text never gets longer.
 *
 * @param names  replace control characters too
 */
void utf8_clean(char *text, bool names);

/** Cut off an incomplete character at the end of a truncated text. */
void utf8_trim(char *text);

/**
 * Copy a name, cleaned and truncated to the room.
 *
 * @param room  size of @p ret in bytes, with the 0 byte; at least 1
 * @param text  NULL: an empty text
 */
void utf8_copy(char *ret, size_t room, const char *text);

/** As utf8_copy(), from a printf(3) format. */
void utf8_format(char *ret, size_t room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

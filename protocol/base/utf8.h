#pragma once

/*
 * Text from outside: names of devices, monitors, windows and applications, and of whoever connects. Whatever its bytes are, a
 * string of a file, of JSON or of a page is UTF-8 (RFC 3629) and ends with a whole character.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** @return the length of the well-formed sequence that a text with a 0 byte behind it begins with, 0 when there is none; and
 *  its code point */
size_t utf8_take(const char *text, uint32_t *ret_point);

/** Control characters, and those that turn the direction of text: they do not belong into a name. */
bool utf8_is_control(uint32_t point);

/**
 * True for a character that a terminal shows in its place: no control character, no mark or override of the
 * text's direction, no end of a line or paragraph, nothing invisible but joiners.
 */
bool utf8_is_shown(uint32_t point);

/** @return how many bytes from the begin on are UTF-8 without a 0 byte; @p text needs none behind it */
size_t utf8_valid_bytes(const char *text, size_t size_bytes);

/** @return true when all of a text is UTF-8 */
bool utf8_is_valid(const char *text);

/**
 * Put "?" in the place of each byte that is no part of a character. The text never gets longer.
 *
 * @param names  of control characters too
 */
void utf8_clean(char *text, bool names);

/** Cut off the begin of a character at the end of a text whose rest had no room. */
void utf8_trim(char *text);

/**
 * Copy a name, cleaned, as much of it as there is room for.
 *
 * @param room  of @p ret, in bytes, with the 0 byte; at least 1
 * @param text  NULL: an empty text
 */
void utf8_copy(char *ret, size_t room, const char *text);

/** The same of what printf(3) would print. */
void utf8_format(char *ret, size_t room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#pragma once

/*
 * Foreign text on a terminal: in a UTF-8 locale printable characters are shown unchanged, in other locales
 * those beyond ASCII become "?". Control characters, characters that change the text direction, and invalid
 * UTF-8 become "?" in every locale.
 */

#include <stdbool.h>
#include <stddef.h>

/**
 * Apply the locale's character set to text_quote() and terminal_cell(), which return UTF-8 without this call:
 * for programs that write to a terminal and not over the network. Call before other threads start.
 */
void terminal_init(void);

/** @return true when the environment's locale (LC_ALL, LC_CTYPE, LANG) uses UTF-8 */
bool terminal_is_utf8(void);

/**
 * Copy a text in the terminal's character set, truncated to the room.
 *
 * @param room   size of @p ret in bytes, with the 0 byte; at least 1
 * @param ascii  the terminal has no UTF-8
 * @return the number of bytes of @p text consumed
 */
size_t terminal_copy(char *ret, size_t room, const char *text, bool ascii);

/** A quoted piece of foreign text in a message, with room for more than a name of NAME_LIMIT_BYTES. */
struct text_quoted {
	char text[160];
};

/**
 * Make foreign text safe for a log line or a terminal: non-printable characters become `?`, and so do all
 * beyond ASCII after terminal_init() in a locale without UTF-8; a text longer than the room ends in "...".
 * Use as `text_quote(name).text`.
 *
 * @param text  NULL: an empty text
 */
struct text_quoted text_quote(const char *text);

/** @return the number of terminal columns of a text from text_quote() */
unsigned terminal_columns(const char *text);

/** Write a text of any length to standard output, with newlines replaced by spaces. */
void terminal_write(const char *text);

/** A table cell. */
struct terminal_cell {
	char text[512];
};

/** Quote a text as text_quote(), padded with spaces to @p columns. Use as `terminal_cell(name, 12).text`. */
struct terminal_cell terminal_cell(const char *text, unsigned columns);

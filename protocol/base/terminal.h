#pragma once

/*
 * Texts of others on a terminal: in a UTF-8 locale printable characters are shown as they are, in other
 * locales those beyond ASCII are "?". Control characters, characters that turn the direction of text, and
 * bytes that are no UTF-8 are "?" in every locale.
 */

#include <stdbool.h>
#include <stddef.h>

/**
 * Take the locale's characters for text_quote() and terminal_cell(), which give UTF-8 without this call: for
 * programs whose texts go to a terminal and not over the network. Before other threads start.
 */
void terminal_init(void);

/** @return true when the environment's locale (LC_ALL, LC_CTYPE, LANG) has UTF-8 */
bool terminal_is_utf8(void);

/**
 * Copy a text in the characters of a terminal, as much of it as there is room for.
 *
 * @param room   of @p ret, in bytes, with the 0 byte; at least 1
 * @param ascii  the terminal has no UTF-8
 * @return how many bytes of @p text were taken
 */
size_t terminal_copy(char *ret, size_t room, const char *text, bool ascii);

/** Room for one quoted piece of foreign text in a message: a name of NAME_LIMIT_BYTES, and more. */
struct text_quoted {
	char text[160];
};

/**
 * Make foreign text fit for a log line or a terminal: whatever is no printable character becomes `?`, and so
 * does all beyond ASCII after terminal_init() in a locale without UTF-8; a text that is longer than the room
 * ends in "...". Use as `text_quote(name).text`.
 *
 * @param text  NULL is shown as an empty text
 */
struct text_quoted text_quote(const char *text);

/** @return how many columns a terminal needs for a text of text_quote() */
unsigned terminal_columns(const char *text);

/** Write a text of any length to standard output: a line end in it becomes a space. */
void terminal_write(const char *text);

/** One cell of a table. */
struct terminal_cell {
	char text[512];
};

/** A text as text_quote() gives it, with spaces up to @p columns. Use as `terminal_cell(name, 12).text`. */
struct terminal_cell terminal_cell(const char *text, unsigned columns);

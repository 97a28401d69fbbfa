#pragma once

/*
 * Log to standard error, one line per message, with the level as a syslog prefix when it is systemd's
 * journal. Only daemon/ and replay/ log; the layers below return errors. Key codes, window titles and pixels
 * are never logged; foreign text goes through `text_quote()`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3, /* values of syslog(3) */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/** Drop messages less important than @p level. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * Log an error with its subject: "open session 'x': No such file or directory".
 *
 * @param r  a negative errno
 * @return r, for use in a return statement
 */
int log_errno(int r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

/** Rate limit for a class of messages that an outsider can cause. Zero-initialised: unused. One thread. */
struct log_limit {
	int64_t next_ns; /* nothing is logged before this time */
	unsigned suppressed;
};

/** As log_message(), at most once in ten seconds; the messages in between are counted. */
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Log the number of suppressed messages, "CLASS: N more", once the ten seconds are over. */
void log_limited_flush(struct log_limit *limit, enum log_level level, const char *class);

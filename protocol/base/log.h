#pragma once

/*
 * One line a message on standard error, with the level as a syslog prefix when systemd's journal
 * listens. Only daemon/ and replay/ log; the layers below return errors. Key codes, window titles
 * and pixels are never logged; foreign text goes through `text_quote()`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3, /* the numbers of syslog(3) */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/** Messages less important than @p level are dropped. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_message(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/**
 * Log an error with what it was about: "open session 'x': No such file or directory".
 *
 * @param r  a negative errno
 * @return r, so that it can be returned at once
 */
int log_errno(int r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

/** Counts the messages of a class that an outsider can cause. Zero-initialised is new. One thread. */
struct log_limit {
	int64_t next_ns; /* before it nothing is logged */
	unsigned left_out;
};

/** As log_message(), once in ten seconds: what comes before then is counted. */
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Log how many messages were left out, "CLASS: N more", when the ten seconds are over. */
void log_limited_rest(struct log_limit *limit, enum log_level level, const char *class);

#include "protocol/base/log.h"

#include "protocol/base/clock.h"
#include "protocol/base/terminal.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum log_level log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

/* True when standard error is the journal's own: a terminal inherits the variable from a service that has
 * started it. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
		fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
		status.st_ino == inode;
}

static void log_line(enum log_level level, const char *whole)
{
	bool journal = is_journal();
	char text[1024];

	terminal_copy(text, sizeof(text), whole, !journal && !terminal_is_utf8());
	/* one write per line, so that lines of two threads do not mix */
	if (journal)
		fprintf(stderr, "<%d>%s\n", (int)level, text);
	else
		fprintf(stderr, "%s%s\n",
			level == LOG_LEVEL_ERROR             ? "error: "
				: level == LOG_LEVEL_WARNING ? "warning: "
							     : "",
			text);
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (level > log_level)
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text))
		utf8_trim(text);
	va_end(args);
	log_line(level, text);
}

#define LIMITED_NS (10 * NS_PER_S)

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	int64_t now_ns = clock_now_ns();
	char text[1024];
	va_list args;

	if (level > log_level)
		return;
	if (now_ns < limit->next_ns) {
		limit->suppressed++;
		return;
	}
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) >= (int)sizeof(text))
		utf8_trim(text);
	va_end(args);
	limit->next_ns = now_ns + LIMITED_NS;
	log_line(level, text);
}

void log_limited_flush(struct log_limit *limit, enum log_level level, const char *class)
{
	unsigned suppressed = limit->suppressed;

	if (suppressed == 0 || clock_now_ns() < limit->next_ns)
		return;
	limit->suppressed = 0;
	log_limited(limit, level, "%s: %u more", class, suppressed);
}

int log_errno(int r, const char *format, ...)
{
	char text[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof(text))
		snprintf(text + length, sizeof(text) - (size_t)length, ": %s", strerror(-r));
	if (log_level >= LOG_LEVEL_ERROR)
		log_line(LOG_LEVEL_ERROR, text);
	return r;
}

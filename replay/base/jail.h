#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A sandboxed process for untrusted data. It is forked, drops all rights before the first request, and answers
 * requests one by one: it opens no file and no socket, starts no program and no thread, writes only its answers, and
 * has limits of memory and time. Its answers are as untrusted as its input. Sanitizer builds need the dropped rights:
 * there only the time limits hold.
 */
struct jail;

/** Maximum size of a request or an answer; larger data goes through shared memory. */
#define JAIL_MESSAGE_BYTES 256

struct jail_options {
	const char *name; /* for errors: "the video's decoder"; constant text */
	/* Answers a request in the sandbox: fills in @p answer. Never called in the calling process. */
	void (*serve)(void *user, const void *request, void *answer);
	void *user; /* as of jail_create() */
	size_t request_bytes, answer_bytes;
	uint64_t memory_bytes; /* in addition to the caller's */
	unsigned cpu_s;        /* CPU time limit per request */
	unsigned wall_s;       /* time limit per answer */
};

/**
 * Start the process. The caller must be single-threaded.
 *
 * @return 0 (ended by jail_destroy()) or a negative errno with the reason
 */
int jail_create(struct jail **ret, const struct jail_options *options, struct error *reterr);

/**
 * Send a request and wait for the answer. After a failure the jail is dead, and every call fails.
 *
 * @return 0; -EBADMSG when the process crashed, was killed for a forbidden call, or sent an invalid answer; -ETIMEDOUT
 *         after a time limit; with the reason
 */
int jail_call(struct jail *jail, const void *request, void *answer, struct error *reterr);

void jail_destroy(struct jail *jail);
DEFINE_DESTROY(jail);

/** Rights of a process that reads files and nothing else. */
struct jail_reader {
	const char *
		folder; /* files below it can be opened for reading, no other, and none for writing */
	uint64_t memory_bytes; /* limit of its data */
	unsigned cpu_s;        /* SIGXCPU ends it beyond */
	int answer_fd;         /* the only descriptor to write to, beside stderr */
};

/**
 * Drop all other rights of the calling process, for good: before it reads anything that others wrote. It must be
 * single-threaded.
 *
 * @return 0, or a negative errno with the reason: then it must read nothing
 */
int jail_enter_reader(const struct jail_reader *reader, struct error *reterr);

/** Zeroed memory shared by a jail and its caller. @return NULL without memory */
void *jail_map(size_t size_bytes);
void jail_unmap(void *memory, size_t size_bytes);

/** True when jails drop rights in this build. */
bool jail_is_built(void);

#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A process that works on data of strangers. It is forked, gives up all rights before it sees the first request, and
 * answers requests one by one: it opens no file and no socket, starts no program and no thread, writes nothing but its
 * answers, and has limits of memory and time. What it answers is as hostile as what it was given. Under the
 * sanitizers, which need what is given up, only the limits of time hold.
 */
struct jail;

/** Requests and answers have at most so many bytes; more goes through the shared memory. */
#define JAIL_MESSAGE_BYTES 256

struct jail_options {
	const char *name; /* of the work, for errors: "the video's decoder"; constant text */
	/* Answer a request in the jail: fill in @p answer. Never called in the calling process. */
	void (*serve)(void *user, const void *request, void *answer);
	void *user; /* as it was when the jail was made */
	size_t request_bytes, answer_bytes;
	uint64_t memory_bytes; /* beside what the caller has */
	unsigned cpu_s;        /* of computing for one request */
	unsigned wall_s;       /* of waiting for one answer */
};

/**
 * Begin. The calling process has one thread.
 *
 * @return 0 (ended by jail_destroy()) or a negative errno with the reason
 */
int jail_create(struct jail **ret, const struct jail_options *options, struct error *reterr);

/**
 * Ask, and wait for the answer. After a failure the jail is over, and every call fails.
 *
 * @return 0, -EBADMSG when it crashed, was killed for what it tried, or answers nonsense; -ETIMEDOUT when it took
 *         too long; with the reason
 */
int jail_ask(struct jail *jail, const void *request, void *answer, struct error *reterr);

void jail_destroy(struct jail *jail);
DEFINE_DESTROY(jail);

/** Memory that a jail and its caller both see, zeroed. @return NULL without memory */
void *jail_map(size_t size_bytes);
void jail_unmap(void *memory, size_t size_bytes);

/** Whether jails give up rights in this build. */
bool jail_is_built(void);

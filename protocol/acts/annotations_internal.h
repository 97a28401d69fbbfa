#pragma once

#include "protocol/acts/act_fold.h"
#include "protocol/acts/act_reader.h"
#include "protocol/acts/annotations.h"
#include "protocol/limits.h"

struct annotations {
	struct folder *folder;
	char *name;
	int fd;          /* -1: no file yet */
	bool can_write;  /* writable descriptor, from the first act on */
	bool writable;   /* acts may be appended */
	uint64_t offset; /* end of the last whole record read in the data section */
	struct act_reader reader;
	struct act_fold fold;
	Uxrec__Act *appended; /* the last act of annotations_append() */
	char session[33];     /* uuid, "": unknown */
	struct annotations_counts counts;
	struct annotations_problem problems[READER_DAMAGES_LIMIT];
	size_t problem_count;
};

/** Set the error text for a negative errno of a log. @return @p r */
int annotations_fail(const struct annotations *log, int r, struct error *reterr);

/**
 * Lock a writable log, and open or create its file.
 *
 * @return 0, or a negative errno with the reason
 */
int annotations_lock(struct annotations *log, struct error *reterr);
void annotations_unlock(struct annotations *log);

/** With the lock: read acts appended by others, and prepare the end for the next act. */
int annotations_prepare_end(struct annotations *log);

/** Append one act as a chunk of one message; its channel is that of the log. */
void annotations_put(struct buf *out, const struct annotations *log, struct mcap_message message);

/**
 * With the lock, after annotations_prepare_end(): write chunks at the end and read them back, or
 * leave the file as it was.
 */
int annotations_write(struct annotations *log, const struct buf *chunks);

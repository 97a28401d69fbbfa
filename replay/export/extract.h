#pragma once

#include "protocol/base/buf.h"
#include "replay/export/way_out.h"

/* Parts of a session as files for other programs: the same bytes by command and by page. */

/**
 * Tables are CSV (RFC 4180), UTF-8, with a line of names; times are seconds from the session's begin. A text that
 * begins with = + - @ has an apostrophe before it, so that no spreadsheet runs it as a formula.
 */
enum extract {
	EXTRACT_TAGS,
	EXTRACT_NOTES,
	EXTRACT_EVENTS,
	EXTRACT_ATTEMPTS,
	EXTRACT_TRANSCRIPT_VTT,
	EXTRACT_TRANSCRIPT_JSON,
	EXTRACT_COUNT,
};

#define EXTRACT_NOTES_LIMIT 8

/** Things that are left out of a file, in sentences for people. */
struct extract_notes {
	char text[EXTRACT_NOTES_LIMIT][512];
	size_t count;
};

/** @return the table of that name ("tags", "notes", "events", "attempts"), or -1 */
int extract_find_table(const char *name);

/** The consent that a part needs. */
enum way_out extract_way(enum extract part);

/** @return the name of its file behind the session's id, as "-tags.csv"; its media type in *ret_type */
const char *extract_suffix(enum extract part, const char **ret_type);

/**
 * Append a part of a session that way_out_open() has let out by extract_way().
 *
 * @param limit_bytes  of the file: it is given up where it becomes longer; SIZE_MAX: none
 * @param ret_notes    on success: a line for each thing that is left out
 * @return 0, -ENOENT when the session has no such part, -EFBIG above the limit, or another negative errno; with the
 *         reason
 */
int extract_write(struct buf *out, size_t limit_bytes, const struct session *session,
	enum extract part, struct extract_notes *ret_notes, struct error *reterr);

#pragma once

#include "protocol/base/buf.h"
#include "replay/export/way_out.h"

/* Parts of a session as files for other programs; command and page produce the same bytes. */

/**
 * Tables are CSV (RFC 4180), UTF-8, with a header line; times are seconds from the session's start. An apostrophe is
 * put before text that begins with = + - @, so that no spreadsheet evaluates it as a formula.
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

/** Notes about omitted content, in sentences for display. */
struct extract_notes {
	char text[EXTRACT_NOTES_LIMIT][512];
	size_t count;
};

/** @return the table with this name ("tags", "notes", "events", "attempts"), or -1 */
int extract_find_table(const char *name);

/** The consent that a part needs. */
enum way_out extract_way(enum extract part);

/** @return the suffix of its file name after the session's id, as "-tags.csv"; its media type in *ret_type */
const char *extract_suffix(enum extract part, const char **ret_type);

/**
 * Append a part of a session opened with way_out_open() for extract_way().
 *
 * @param limit_bytes  limit of the file's size; SIZE_MAX: none
 * @param ret_notes    on success: a line for each kind of omitted content
 * @return 0, -ENOENT when the session has no such part, -EFBIG above the limit, or another negative errno; with the
 *         reason
 */
int extract_write(struct buf *out, size_t limit_bytes, const struct session *session,
	enum extract part, struct extract_notes *ret_notes, struct error *reterr);

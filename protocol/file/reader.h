#pragma once

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"
#include "protocol/os/folder.h"
#include "protocol/session.pb-c.h"

#include <stdbool.h>

/**
 * Reads a recording, possibly of several segments, or any MCAP file: by its index when it is ours
 * and has one, otherwise by its records and its write-ahead log (a recorder was killed, or is still
 * running). Damage in one chunk costs that chunk; it is listed with its offset and reading
 * continues. Not thread-safe. Allocations on behalf of a file are bounded by protocol/limits.h.
 */
struct session_reader;

/** One channel as declared in the file; texts are owned by the reader. */
struct reader_channel {
	uint16_t id;    /* in the file */
	uint16_t known; /* enum channel_id when topic and schema are ours, otherwise 0 */
	const char *topic;
	const char *schema; /* name; "" for none */
	const char *message_encoding;
	const char *schema_encoding;
	struct view schema_data;
	uint16_t schema_id;
	struct view metadata; /* pairs of MCAP strings */
};

/** An unreadable part. */
struct reader_damage {
	unsigned segment; /* 0 is the first file */
	uint64_t offset;  /* in the file */
	char text[120];
};

/** One message. The views are valid until the next call on their source. */
struct reader_message {
	const struct reader_channel *channel;
	uint32_t sequence;
	int64_t time_ns, publish_ns; /* as in the file: session time */
	struct view data;            /* the packed protobuf message */
	struct view record;          /* the whole MCAP record */
};

/**
 * Open a session file, including its write-ahead log if there is one. Nothing is written.
 *
 * @param ret     set on success; freed by session_reader_destroy()
 * @param reterr  set on failure if not NULL: path, position and reason
 * @return 0, or a negative errno:
 *   -EBADMSG  not an MCAP file, damaged before the first record, or not a regular file
 *   -ELOOP    a symbolic link
 *   -EPROTO   an MCAP file of another major version
 *   -ENOMEM, or an error of open(2) or read(2)
 */
int session_reader_open(struct session_reader **ret, const char *path, struct error *reterr);

/** Same for a file in an opened folder; keeps a reference to @p folder. */
int session_reader_open_below(
	struct session_reader **ret, struct folder *folder, const char *name, struct error *reterr);

/**
 * Open all segments of a session's folder, "recording-0001.mcap" and on; or "erased.mcap" alone,
 * while that exists. Messages that a segment declares as rewritten are skipped in earlier segments.
 * A segment that is not a regular file is a damage, unless it is the first.
 *
 * @return as session_reader_open()
 */
int session_reader_open_session(
	struct session_reader **ret, struct folder *folder, struct error *reterr);

/** Same by the folder's path, which must not be a symbolic link. */
int session_reader_open_folder(struct session_reader **ret, const char *path, struct error *reterr);

/**
 * @return true while a recorder holds the recording: it keeps a lock (flock(2)) on the last
 *         segment, which the kernel releases when the recorder is killed
 */
bool session_reader_is_recorded(const struct session_reader *reader);

/**
 * Read data written to the last segment since. Existing cursors become invalid.
 *
 * @return 0 or a negative errno
 */
int session_reader_refresh(struct session_reader *reader);

void session_reader_destroy(struct session_reader *reader);
DEFINE_DESTROY(session_reader);

/** @return true when the last segment has its end: the recording was ended cleanly */
bool session_reader_is_complete(const struct session_reader *reader);

/** Times of the first and the last message; false when there is none. */
bool session_reader_span(
	const struct session_reader *reader, int64_t *ret_first_ns, int64_t *ret_last_ns);

/** @return the session's uuid from its files: 32 hex digits, or "" when none has one (format 1) */
const char *session_reader_uuid(const struct session_reader *reader);

/** @return the number of files */
unsigned session_reader_segments(const struct session_reader *reader);

/** Total size of all segments in bytes when opened. */
uint64_t session_reader_size(const struct session_reader *reader);

/** Bytes in whole records: less than the size when an end is torn. */
uint64_t session_reader_whole_bytes(const struct session_reader *reader);

/** Number of messages of the newest chunks found in write-ahead logs and not in the files. */
uint64_t session_reader_logged(const struct session_reader *reader);

/**
 * Read a Metadata or Attachment record of any segment.
 *
 * @param i            from 0
 * @param ret_opcode   either of the two
 * @param ret_content  new buffer, freed by the caller with buf_finish(); its content is not checked
 * @return 1, 0 past the last, or a negative errno
 */
int session_reader_aux_record(
	struct session_reader *reader, size_t i, uint8_t *ret_opcode, struct buf *ret_content);

/** Filter for the messages handed out by session_reader_latest() and cursors. */
struct reader_gate {
	/* Decides for a message; its views are valid during the call. */
	bool (*passes)(void *user, const struct reader_message *message);
	/* The latest time at or before a given time at which a message of a channel may pass;
	 * INT64_MIN: none. Ideally the time of the nearest passing message. */
	int64_t (*before)(void *user, const struct reader_channel *channel, int64_t at_ns);
	/* Calls callback() for the withheld spans of [from, to), as gaps. Returns 0, or the value of
	 * callback() that stopped it. */
	int (*each_gap)(void *user, int64_t from_ns, int64_t to_ns,
		int (*callback)(void *callback_data, const Uxrec__Gap *gap), void *callback_data);
	void *user;
};

/** Set the gate, which is copied; NULL: everything passes. Also applies to existing cursors. */
void session_reader_set_gate(struct session_reader *reader, const struct reader_gate *gate);

/**
 * Go through the recorded spans withheld by the gate, as gaps with their topics. They are not
 * reported by messages of the channel /gaps.
 *
 * @param callback  the gap is valid during the call; a value other than 0 stops and is returned
 */
int session_reader_each_withheld(struct session_reader *reader,
	int (*callback)(void *callback_data, const Uxrec__Gap *gap), void *callback_data);

/** @return channel number @p i, or NULL past the last */
const struct reader_channel *session_reader_channel(const struct session_reader *reader, size_t i);

/** @return the channel of a known id (enum channel_id), or NULL */
const struct reader_channel *session_reader_find(
	const struct session_reader *reader, uint16_t known);

/** Damages found so far, at opening and while reading. */
size_t session_reader_damages(
	const struct session_reader *reader, const struct reader_damage **ret);

/** @return true when some of these are disk errors, which may be transient */
bool session_reader_disk_failed(const struct session_reader *reader);

/**
 * Find the newest message of a channel at or before a time.
 *
 * @param ret  valid until the next call on the reader (not on a cursor)
 * @return 1, 0 when there is none, or a negative errno
 */
int session_reader_latest(struct session_reader *reader, const struct reader_channel *channel,
	int64_t at_ns, struct reader_message *ret);

/**
 * Find the end of the screen time shown by a message: drawing between the first change and the copy
 * is in the picture. A keyframe mark stands for its picture.
 *
 * @param message  of any channel; others yield their own time
 * @return 0, or a negative errno
 */
int session_reader_shown_until(
	struct session_reader *reader, const struct reader_message *message, int64_t *ret_ns);

/** Messages of a span in time order, merged over overlapping chunks. */
struct session_cursor;

/**
 * @param ret      set on success; freed by session_cursor_destroy() before its reader
 * @param from_ns  first time; batches may begin up to SESSION_BATCH_SPAN_NS before it
 * @param to_ns    end of the span, exclusive
 * @param known    enum channel_id of the wanted channels as bits (1 << id); 0: every channel
 */
int session_cursor_create(struct session_cursor **ret, struct session_reader *reader,
	int64_t from_ns, int64_t to_ns, uint64_t known);

/** @return 1, 0 at the end, or a negative errno; equal times keep the order of the file */
int session_cursor_next(struct session_cursor *cursor, struct reader_message *ret);

void session_cursor_destroy(struct session_cursor *cursor);
DEFINE_DESTROY(session_cursor);

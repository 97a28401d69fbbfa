#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/file/consent.h"
#include "protocol/file/reader.h"
#include "protocol/study.pb-c.h"
#include "protocol/wire.pb-c.h"

/** A session's folder, opened: the recording, what was said about it, and its study. */
struct session {
	char *id;                      /* name of the folder */
	char uuid[33];                 /* "": of format 1, or not readable */
	struct folder *folder;         /* everything of the session is opened below it */
	char *path;                    /* of the folder; for messages, and never to open anything */
	char *recording_name;          /* of the one file that was asked for; NULL: all segments */
	struct session_reader *reader; /* NULL when it cannot be opened: then `trouble` says why */
	struct annotations *annotations; /* NULL when there is none, or none that can be read */
	Uxrec__Study *study;             /* never NULL; without one an empty study */
	struct error trouble;
	struct error unsaid; /* what is wrong with the annotations, "" when nothing is */
	struct consent
		*consent;     /* never NULL: as it was when the session was opened or refreshed */
	enum consent_use use; /* analysis until session_set_use() */
	struct consent_gate gate; /* of the reader, for the use */
};

/** @return true for an id that this program makes: YYYYMMDD-HHMMSS-xxxx, fit for a path */
bool session_id_is_valid(const char *id);

/** Make a fresh id for now, local time. */
int session_id_create(char id[21]);

/**
 * Open a session of a library. Its folder may have been made by somebody else: links in it are not followed,
 * and nothing of it is changed before the first act.
 *
 * @param ret       set on success; freed by session_destroy()
 * @param library   folder of the sessions
 * @param id        session_id_is_valid() or -EINVAL
 * @param writable  acts can be appended
 * @return 0, -ENOENT when there is no such folder, -ELOOP when it is a symbolic link, or a negative errno
 *         with the reason. A recording that cannot be read is no failure: see `trouble`
 */
int session_open(struct session **ret, const char *library, const char *id, bool writable,
	struct error *reterr);

/** The same in a library that is open. */
int session_open_below(struct session **ret, const struct folder *library, const char *id,
	bool writable, struct error *reterr);

/**
 * Open what somebody typed, for reading: a session's folder, or the recording in it. A recording that lies
 * alone has no annotations.
 *
 * @return as session_open(), and what session_reader_open() gives when there is no recording
 */
int session_open_path(struct session **ret, const char *path, struct error *reterr);

void session_destroy(struct session *session);
DEFINE_DESTROY(session);

/** The session's times: first and last message. @return false without any */
bool session_span(const struct session *session, int64_t *ret_begin_ns, int64_t *ret_end_ns);

/** The newest SessionInfo, or NULL. Valid until the annotations change. */
const Uxrec__SessionInfo *session_info(const struct session *session);

/** @return the id of its study, or "" (format 1). Valid until the annotations change */
const char *session_study_id(const struct session *session);

/**
 * Take in the acts that others have appended since, and the consent as it is then: readings that go on are
 * gated by it from now on.
 *
 * @return 0 or a negative errno; then nothing passes
 */
int session_refresh(struct session *session);

/** Gate the session's reader for another use. @return as session_refresh() */
int session_set_use(struct session *session, enum consent_use use);

/** Let everything pass: for operations that keep the session in its place (verifying, recording on). */
void session_ungate(struct session *session);

/** Keep these spans of sound back, also where consent covers them; their memory is the caller's. */
void session_set_muted(struct session *session, struct consent_muted muted);

/** Whether consent covers some of a modality (MODALITY_SESSION: of any) for the use of the gate. */
bool session_allows(const struct session *session, unsigned modality);

/** Whether consent covers all of an attempt for the use of the gate: its time and its tags. */
bool session_allows_attempt(const struct session *session, const Uxrec__Attempt *attempt);

/** The reason why session_allows() is false. */
struct consent_text session_why_not(const struct session *session, unsigned modality);

/**
 * @param ret_open  set to true when one of them is open to the end of the session: the disk had no room for what is missing
 * @return how many gaps there are
 */
uint32_t session_count_gaps(const struct session *session, bool *ret_open);

/** @return true when the recording was ended in order, and no gap is open to its end */
bool session_is_complete(const struct session *session);

/* ---- summary.c ---- */

/** A summary of a session that cannot be opened, and why. @return as session_summarise() */
Uxrec__SessionSummary *session_summarise_unreadable(const char *id, const char *trouble);

/** Fill in a summary. @return it, freed with uxrec__session_summary__free_unpacked(), or NULL */
Uxrec__SessionSummary *session_summarise(const struct session *session);

/** Which session folders a library has. */
struct session_ids {
	char (*ids)[21];
	size_t count;
};

/** @return 0 or a negative errno; the greatest first, by begin: session_order.h; freed with session_ids_finish() */
int session_ids_list(struct session_ids *ret, const char *library);
void session_ids_finish(struct session_ids *ids);

/**
 * Go through messages of a session and hand each over, unpacked.
 *
 * @param known  channels as bits (1 << enum channel_id)
 * @param take   returns 0 to go on; anything else ends and is returned
 * @return 0, what take() returned, or a negative errno
 */
int session_each(const struct session *session, int64_t from_ns, int64_t to_ns, uint64_t known,
	int (*take)(
		void *user, const struct reader_message *message, const ProtobufCMessage *unpacked),
	void *user);

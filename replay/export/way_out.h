#pragma once

#include "replay/session/session.h"

/** The ways by which something of a session leaves the recorder: commands, and requests of pages. */
enum way_out {
	WAY_OUT_LIVE_OBSERVER,  /* the running session, to observers */
	WAY_OUT_LIVE_MODERATOR, /* the running session, to the moderator */
	WAY_OUT_REPLAY, /* a reviewer's page, also that of uxrec play: messages, pictures, sound */
	WAY_OUT_TIMELINE,   /* activity, levels, gaps */
	WAY_OUT_TRANSCRIPT, /* on the page, printed, exported, searched; also attaching one */
	WAY_OUT_TRANSCRIBE,
	WAY_OUT_METRICS,
	WAY_OUT_DUMP,
	WAY_OUT_COPY, /* cut, recover */
	WAY_OUT_FILM, /* export to mkv, mp4, webm, h264 */
	WAY_OUT_PICTURE,
	WAY_OUT_SOUND,    /* export to opus, wav */
	WAY_OUT_CAPTIONS, /* tasks and tags of a film */
	WAY_OUT_TABLE,    /* tags, notes, attempts as CSV */
	WAY_OUT_EVENTS,   /* clicks, scrolling, keys as CSV */
	WAY_OUT_LABELS,   /* list, info, a row of the library: names, times, health */
	WAY_OUT_KEEPING,  /* verify, erase, bleep, merge, withdraw: nothing leaves */
	WAY_OUT_COUNT,
};

/** The consent of the participants that a way out needs. */
struct way_out_needs {
	const char *name;     /* for people: "a film" */
	bool nothing;         /* it needs none */
	bool for_any;         /* any use suffices: it may be recorded at all */
	enum consent_use use; /* unless the caller names another */
	bool other_use;       /* whether it may: files for other people have a purpose */
	uint32_t modalities;  /* all of these must be covered, some of the time; 0: any one */
};

/** @return a row of the table; each message that leaves needs its own modality besides */
const struct way_out_needs *way_out_needs(enum way_out way);

/** Whether consent covers the needs of a way, for the use of the session's gate. */
bool session_allows_way(const struct session *session, enum way_out way);

/** The reason why session_allows_way() is false. */
struct consent_text way_out_why_not(const struct session *session, enum way_out way);

/**
 * Check that a session may leave by a way, and gate its reader for that use.
 *
 * @param use  of a way with `other_use`: its purpose; otherwise the table's
 * @return 0, -EACCES with the reason, or a negative errno
 */
int way_out_open(
	struct session *session, enum way_out way, enum consent_use use, struct error *reterr);

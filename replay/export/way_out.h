#pragma once

#include "replay/session/session.h"

/** Ways for content of a session to leave the recorder: commands, and requests of pages. */
enum way_out {
	WAY_OUT_LIVE_OBSERVER,  /* the running session, to observers */
	WAY_OUT_LIVE_MODERATOR, /* the running session, to the moderator */
	WAY_OUT_REPLAY,     /* a reviewer's page, also in uxrec play: messages, pictures, sound */
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

/** The consent required for a way out. */
struct way_out_needs {
	const char *name;     /* for display: "a film" */
	bool nothing;         /* none required */
	bool for_any;         /* any use suffices: recording is allowed at all */
	enum consent_use use; /* default use */
	bool other_use;       /* caller may override `use` with the purpose of a shared file */
	uint32_t modalities;  /* all required, at least for some of the time; 0: any one */
};

/** @return a row of the table; each message that leaves also requires its own modality */
const struct way_out_needs *way_out_needs(enum way_out way);

/** True when consent covers the requirements of a way, for the use of the session's gate. */
bool session_allows_way(const struct session *session, enum way_out way);

/** The reason for a false session_allows_way(). */
struct consent_text way_out_refusal_reason(const struct session *session, enum way_out way);

/**
 * Check that a session may leave by a way, and gate its reader for the use.
 *
 * @param use  for a way with `other_use`: its purpose; otherwise unused, the table's applies
 * @return 0, -EACCES with the reason, or a negative errno
 */
int way_out_open(
	struct session *session, enum way_out way, enum consent_use use, struct error *reterr);

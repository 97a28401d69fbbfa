#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/channel.h"
#include "protocol/file/reader.h"

/**
 * The participants' consent to a session, folded from its acts: for each modality and use the
 * covered spans of session time. The single authority on consent: every path by which a session
 * leaves the recorder checks here, mostly through a gate of its reader.
 *
 * - A Consent covers its modalities and uses from its from_ns on. Without any use (format 1) it
 *   covers analysis, observers and clips: publication must be named. `withdrawn` takes back
 *   everything.
 * - A Withdrawal takes back its modalities and uses (none named: all) from its from_ns on, until a
 *   Consent with a greater counter grants them again.
 * - With several participants all must agree. A statement without a name is of every participant,
 *   and so is a Withdrawal whose participant is not in the session.
 * - A Withdrawal with fields or names of a later version takes back everything; a Consent with such
 *   fields grants nothing, and names of a later version in it are not covered here.
 * - The session's own messages (clock, gaps, events, study, acts) are covered where some modality
 *   is.
 * - A recording without any known statement about consent, neither in its log nor on its channel
 *   /acts, has no participant (a test picture, another program's file) and is open.
 * - A log that is unreadable, or has lost acts to damage: nothing is covered.
 */
struct consent;

enum consent_use {
	CONSENT_ANALYSIS,
	CONSENT_OBSERVERS,
	CONSENT_CLIPS,
	CONSENT_PUBLICATION,
	CONSENT_USE_COUNT,
};

/** Modalities of a consent act: those of protocol/channel.h, then those without a channel yet. */
enum {
	CONSENT_CAMERA = MODALITY_COUNT,
	CONSENT_OTHER, /* of a channel whose modality has another name: never covered */
	CONSENT_MODALITY_COUNT,
};

/** @return "analysis", "observers", "clips", "publication" */
const char *consent_use_name(enum consent_use use);

/** @return the use of that name, or -1 */
int consent_use_find(const char *name);

/** @return "screen", "input", "sound", "camera", or "session" */
const char *consent_modality_name(unsigned modality);

/** @return MODALITY_SCREEN, MODALITY_INPUT, MODALITY_SOUND or CONSENT_CAMERA, or -1 */
int consent_modality_find(const char *name);

/** @return the modality required by a channel's messages */
unsigned consent_modality(const struct reader_channel *channel);

/** [from, to) in session time; INT64_MIN and INT64_MAX are the session's start and end. */
struct consent_span {
	int64_t from_ns, to_ns;
};

/** In time order, disjoint and not adjacent. */
struct consent_spans {
	const struct consent_span *list;
	size_t count;
};

/**
 * Fold a session's current consent.
 *
 * @param ret      set on success; freed by consent_destroy()
 * @param log      NULL: none, or unreadable
 * @param reader   its channel /acts is read when the log has no statement; NULL: none
 * @param error    the defect of the log, as text for display; "": none
 * @return 0, -ENOMEM, or a negative errno of the reader
 */
int consent_create(struct consent **ret, const struct annotations *log,
	struct session_reader *reader, const char *error);
void consent_destroy(struct consent *consent);
DEFINE_DESTROY(consent);

/** @return the covered spans, valid as long as @p consent */
struct consent_spans consent_spans(
	const struct consent *consent, unsigned modality, enum consent_use use);

/** @return true when all of [from, to) is covered */
bool consent_allows(const struct consent *consent, unsigned modality, enum consent_use use,
	int64_t from_ns, int64_t to_ns);

/** @return true when any moment is covered */
bool consent_allows_some(const struct consent *consent, unsigned modality, enum consent_use use);

/** @return true when a moment is covered for at least one use: then it may be recorded */
bool consent_allows_recording(const struct consent *consent, unsigned modality, int64_t at_ns);

/**
 * @return false while nothing is covered because the log is unreliable, or because not every
 *         participant has consented
 */
bool consent_is_known(const struct consent *consent);

/** @return true when nothing at all is covered, because of a withdrawal */
bool consent_is_withdrawn(const struct consent *consent);

/** @return true when some statement takes back a part of the consent given */
bool consent_is_narrowed(const struct consent *consent);

/**
 * Reason for missing coverage, for display: "the participant has withdrawn their consent", "the
 * consent does not cover sound for clips", or the defect of the log.
 */
struct consent_text {
	char text[400];
};
struct consent_text consent_denial_reason(
	const struct consent *consent, unsigned modality, enum consent_use use);

/** @return the number of acts in the consent; act @p i with consent_act() */
size_t consent_act_count(const struct consent *consent);
const Uxrec__Act *consent_act(const struct consent *consent, size_t i);

/** Sound withheld from everyone except moderators; in time order. */
struct consent_muted {
	const struct consent_span *spans;
	size_t count;
};

/**
 * Filter for the messages that a session's reader hands out for one use. Messages pass whole or not
 * at all: a batch across the end of a covered span is withheld, and so is video that depends on a
 * withheld picture. Descriptions (screen size, sound source, key policy) pass as long as covered
 * data of their modality follows.
 */
struct consent_gate {
	const struct consent *consent; /* NULL: everything passes */
	enum consent_use use;
	struct session_reader *reader;
	int64_t *pictures_from_ns; /* per span of the screen: its first keyframe */
	struct consent_muted muted;
};

/**
 * Install a gate for a use in a reader; it stays until consent_gate_finish(), which must precede
 * the end of consent and reader.
 *
 * @return 0, -ENOMEM, or a negative errno of the reader; nothing passes then
 */
int consent_gate_init(struct consent_gate *gate, const struct consent *consent,
	enum consent_use use, struct session_reader *reader);

/** Pass only the session's own messages, while its consent is unknown. */
void consent_gate_close(struct consent_gate *gate, struct session_reader *reader);
void consent_gate_finish(struct consent_gate *gate);

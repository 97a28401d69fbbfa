#pragma once

#include "protocol/acts/annotations.h"
#include "protocol/channel.h"
#include "protocol/file/reader.h"

/**
 * The participants' consent to a session, folded from its acts: for each modality and use the spans of
 * session time that it covers. The one place where that is decided; every way by which a session leaves the
 * recorder asks here, most of them through a gate of their reader.
 *
 * - A Consent covers its modalities and uses from its from_ns on. Without any use (format 1) it covers
 *   analysis, observers and clips: a publication is asked for by name. `withdrawn` takes back everything.
 * - A Withdrawal takes back its modalities and uses (none named: all of them) from its from_ns on, until a
 *   Consent with a greater counter gives them again.
 * - Of several participants all must agree. A statement without a name is of every participant, and so is a
 *   Withdrawal whose participant is none of the session's.
 * - A Withdrawal with fields or names of a later version takes back everything; a Consent with such fields
 *   gives nothing, and names of a later version in it are not covered here.
 * - The session's own messages (clock, gaps, events, study, acts) are covered where some modality is.
 * - A recording of which no statement about consent is known, neither in its log nor on its channel /acts, is
 *   none of a participant's (a test picture, another program's file) and open.
 * - A log that cannot be read, or has lost acts to damage: nothing is covered.
 */
struct consent;

enum consent_use {
	CONSENT_ANALYSIS,
	CONSENT_OBSERVERS,
	CONSENT_CLIPS,
	CONSENT_PUBLICATION,
	CONSENT_USE_COUNT,
};

/** Modalities of a consent act: those of protocol/channel.h, then those that no channel has yet. */
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

/** The modality that a channel's messages need. */
unsigned consent_modality(const struct reader_channel *channel);

/** [from, to) in session times; INT64_MIN and INT64_MAX are the session's begin and end. */
struct consent_span {
	int64_t from_ns, to_ns;
};

/** In the order of time; none touches another. */
struct consent_spans {
	const struct consent_span *list;
	size_t count;
};

/**
 * Fold a session's consent as it is now.
 *
 * @param ret      set on success; freed by consent_destroy()
 * @param log      NULL: there is none, or it cannot be read
 * @param reader   whose channel /acts is read when the log has no statement; NULL: none
 * @param trouble  the defect of the log, as a text for people; "": it has none
 * @return 0, -ENOMEM, or a negative errno of the reader
 */
int consent_create(struct consent **ret, const struct annotations *log,
	struct session_reader *reader, const char *trouble);
void consent_destroy(struct consent *consent);
DEFINE_DESTROY(consent);

/** @return the covered spans, which live as long as @p consent */
struct consent_spans consent_spans(
	const struct consent *consent, unsigned modality, enum consent_use use);

/** Whether all of [from, to) is covered. */
bool consent_allows(const struct consent *consent, unsigned modality, enum consent_use use,
	int64_t from_ns, int64_t to_ns);

/** Whether any moment is covered. */
bool consent_allows_some(const struct consent *consent, unsigned modality, enum consent_use use);

/** Whether a moment is covered for at least one use: then it may be recorded. */
bool consent_allows_recording(const struct consent *consent, unsigned modality, int64_t at_ns);

/** False while nothing is covered because the log cannot be relied on, or not every participant has consented. */
bool consent_is_known(const struct consent *consent);

/** Whether nothing at all is covered, because of a withdrawal. */
bool consent_is_withdrawn(const struct consent *consent);

/** Whether some statement takes back a part of the consent given. */
bool consent_is_narrowed(const struct consent *consent);

/**
 * Why something is not covered, for people: "the participant has withdrawn their consent", "the consent does
 * not cover sound for clips", or the trouble of the log.
 */
struct consent_text {
	char text[400];
};
struct consent_text consent_why(
	const struct consent *consent, unsigned modality, enum consent_use use);

/** @return how many acts make up the consent; act @p i with consent_act() */
size_t consent_act_count(const struct consent *consent);
const Uxrec__Act *consent_act(const struct consent *consent, size_t i);

/** Sound that is kept from whoever is no moderator; in the order of time. */
struct consent_muted {
	const struct consent_span *spans;
	size_t count;
};

/**
 * Filter of the messages that a session's reader hands out for one use. They leave whole or not at all: a batch
 * that reaches over the end of a covered span stays, and so does video that depends on a picture that stays.
 * Descriptions (the size of the screen, where sound comes from, the policy of the keys) pass as long as something of
 * their modality that is covered comes after them.
 */
struct consent_gate {
	const struct consent *consent; /* NULL: everything passes */
	enum consent_use use;
	struct session_reader *reader;
	int64_t *pictures_from_ns; /* of each span of the screen: its first keyframe */
	struct consent_muted muted;
};

/**
 * Close a reader's gate for a use; it stays until consent_gate_finish(), before consent and reader go.
 *
 * @return 0, -ENOMEM, or a negative errno of the reader; then nothing passes
 */
int consent_gate_init(struct consent_gate *gate, const struct consent *consent,
	enum consent_use use, struct session_reader *reader);

/** Let only the session's own messages pass, while its consent is not known. */
void consent_gate_close(struct consent_gate *gate, struct session_reader *reader);
void consent_gate_finish(struct consent_gate *gate);

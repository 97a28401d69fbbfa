#pragma once

#include "protocol/acts/annotations.h"

/**
 * The log of a study, apart from its sessions: its names, its participants, and the layer that its numbers are
 * computed from. It is LIBRARY/study-logs/STUDY_ID.mcap, an annotation log (protocol/acts/annotations.h) whose acts
 * are about no session. One thread.
 */
struct study_log;

/** The folder of the logs in a library: no session id, and no folder of study files. */
#define STUDY_LOGS_FOLDER "study-logs"

/** Whose acts they are. */
struct study_actor {
	const char *author;    /* for display */
	const char *principal; /* 32 hex digits */
};

/**
 * Find the log of a study by its id, or by one of its names when the id is empty.
 *
 * @param ret       set on success; freed by study_log_destroy()
 * @param library   folder of the sessions
 * @param study_id  32 hex digits, or ""
 * @param name      the study's
 * @param maker     who makes the log when there is none, under a random id if none was given, and adds the
 *                  name when the log does not have it; NULL: -ENOENT then
 * @return 0, -EINVAL for an id that is none, -ENOTUNIQ when two studies have that name, or a negative errno,
 *         with the reason
 */
int study_log_open(struct study_log **ret, const char *library, const char *study_id,
	const char *name, const struct study_actor *maker, struct error *reterr);

void study_log_destroy(struct study_log *log);
DEFINE_DESTROY(study_log);

/** @return the study's id; as long as the log */
const char *study_log_id(const struct study_log *log);

/** @return the newest name of the study, or ""; until the log changes, as all that follows */
const char *study_log_name(const struct study_log *log);

/** The acts, for reading: participants are Uxrec__Participant bodies, in fold order. */
const struct annotations *study_log_acts(const struct study_log *log);

/** @return the act with the layer that was chosen for the study (LayerChoice), or NULL */
const Uxrec__Act *study_log_layer(const struct study_log *log);

/** Choose the layer. @param principal  of a coder's layer, or "". @return 0 or a negative errno with the reason */
int study_log_choose_layer(struct study_log *log, const struct study_actor *actor,
	const char *layer, const char *principal, struct error *reterr);

/**
 * Find a participant by their label, as name_normalise() gives it, or add them.
 *
 * @param ret  set to the participant's id
 * @return 0 or a negative errno with the reason
 */
int study_log_participant(struct study_log *log, const struct study_actor *actor, const char *label,
	char ret[33], struct error *reterr);

/** Give a participant another label: the id stays. @return 0, -ENOENT, -EEXIST or as above */
int study_log_relabel(struct study_log *log, const struct study_actor *actor, const char *label,
	const char *new_label, struct error *reterr);

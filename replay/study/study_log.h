#pragma once

#include "protocol/acts/annotations.h"

/**
 * The log of a study, separate from its sessions: its names, its participants, and the layer used for its metrics.
 * Stored as LIBRARY/study-logs/STUDY_ID.mcap, an annotation log (protocol/acts/annotations.h) whose acts refer to no
 * session. One thread.
 */
struct study_log;

/** Folder of the logs in a library; neither a session id nor a folder of study files. */
#define STUDY_LOGS_FOLDER "study-logs"

/** Author of an act. */
struct study_actor {
	const char *author;    /* for display */
	const char *principal; /* 32 hex digits */
};

/**
 * Open the log of a study by id, or by any of its names when the id is empty.
 *
 * @param ret       set on success; freed by study_log_destroy()
 * @param library   folder of the sessions
 * @param study_id  32 hex digits, or ""
 * @param name      name of the study
 * @param maker     creates a missing log, under a random id if none was given, and adds the name when the log lacks
 *                  it; NULL: -ENOENT for a missing log
 * @return 0, -EINVAL for an invalid id, -ENOTUNIQ when two studies have that name, or a negative errno, with the
 *         reason
 */
int study_log_open(struct study_log **ret, const char *library, const char *study_id,
	const char *name, const struct study_actor *maker, struct error *reterr);

void study_log_destroy(struct study_log *log);
DEFINE_DESTROY(study_log);

/** @return the study's id; valid as long as the log */
const char *study_log_id(const struct study_log *log);

/** @return the newest name of the study, or ""; valid until the log changes, as for all functions below */
const char *study_log_name(const struct study_log *log);

/** The acts, read-only: participants are Uxrec__Participant bodies, in fold order. */
const struct annotations *study_log_acts(const struct study_log *log);

/** @return the act with the layer chosen for the study (LayerChoice), or NULL */
const Uxrec__Act *study_log_layer(const struct study_log *log);

/**
 * Choose the layer. @param principal  owner of a coder's layer, or "". @return 0 or a negative errno with the reason
 */
int study_log_choose_layer(struct study_log *log, const struct study_actor *actor,
	const char *layer, const char *principal, struct error *reterr);

/**
 * Find a participant by label, normalised by name_normalise(), or add one.
 *
 * @param ret  set to the participant's id
 * @return 0 or a negative errno with the reason
 */
int study_log_participant(struct study_log *log, const struct study_actor *actor, const char *label,
	char ret[33], struct error *reterr);

/** Change a participant's label; the id stays. @return 0, -ENOENT, -EEXIST or as above */
int study_log_relabel(struct study_log *log, const struct study_actor *actor, const char *label,
	const char *new_label, struct error *reterr);

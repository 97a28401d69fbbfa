#include "replay/study/study_log.h"

#include "protocol/acts/act.h"
#include "protocol/base/buf.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/name.h"
#include "protocol/os/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_SUFFIX    ".mcap"
#define STUDIES_LIMIT 10000

struct study_log {
	struct folder *folder; /* folder of all logs */
	struct annotations *acts;
	char id[33];
};

/* ---- acts ---- */

static const Uxrec__Act *newest(const struct annotations *acts, Uxrec__Act__BodyCase body)
{
	const Uxrec__Act *found = NULL;

	for (size_t i = 0; i < annotations_count(acts); i++)
		if (annotations_get(acts, i)->body_case == body)
			found = annotations_get(acts, i);
	return found;
}

static bool has_name(const struct annotations *acts, const char *name)
{
	for (size_t i = 0; i < annotations_count(acts); i++) {
		const Uxrec__Act *act = annotations_get(acts, i);

		if (act->body_case == UXREC__ACT__BODY_STUDY_NAME &&
			strcmp(act->study_name->name, name) == 0)
			return true;
	}
	return false;
}

/* The act of a participant. Labels of earlier versions may not be normalised. */
static const Uxrec__Act *find_participant(const struct annotations *acts, const char *label)
{
	for (size_t i = 0; i < annotations_count(acts); i++) {
		const Uxrec__Act *act = annotations_get(acts, i);
		_autofree_ char *theirs = NULL;

		if (act->body_case != UXREC__ACT__BODY_PARTICIPANT ||
			!identity_id_is_valid(act->participant->participant_id))
			continue;
		if (name_normalise(&theirs, "participant", act->participant->label, NULL) == 0 &&
			strcmp(theirs, label) == 0)
			return act;
	}
	return NULL;
}

/* Append an act whose body is set. @param before  the previous act on the same object; NULL: add one */
static int append(struct study_log *log, const struct study_actor *actor, Uxrec__Act *act,
	const Uxrec__Act *before, struct error *reterr)
{
	char id[33];

	if (before)
		memcpy(id, before->id, sizeof(id));
	else if (act_new_id(id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	act->id = id;
	act->kind = act->n_fields ? UXREC__ACT__KIND__KIND_PATCH
		: before          ? UXREC__ACT__KIND__KIND_CHANGE
				  : UXREC__ACT__KIND__KIND_ADD;
	act->author = (char *)actor->author;
	act->principal = (char *)actor->principal;
	act->layer = (char *)"consensus";
	return annotations_append(log->acts, act, NULL, reterr);
}

static int add_name(struct study_log *log, const struct study_actor *actor, const char *name,
	struct error *reterr)
{
	Uxrec__StudyName study = UXREC__STUDY_NAME__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;

	study.study_id = log->id;
	study.name = (char *)name;
	act.body_case = UXREC__ACT__BODY_STUDY_NAME;
	act.study_name = &study;
	return append(log, actor, &act, NULL, reterr);
}

/* ---- lookup ---- */

static int open_acts(struct study_log *log, const char *id, bool writable, struct error *reterr)
{
	char name[33 + sizeof(LOG_SUFFIX)];

	snprintf(name, sizeof(name), "%s" LOG_SUFFIX, id);
	memcpy(log->id, id, sizeof(log->id));
	return annotations_open_named(&log->acts, log->folder, name, writable, reterr);
}

struct search {
	const struct folder *folder;
	const char *name;
	char found[33];
	unsigned count; /* studies with this name */
};

/* An unreadable log is skipped: it has no name. */
static int look_at(void *user, const char *file)
{
	struct search *search = user;
	_destroy_(annotations) struct annotations *acts = NULL;
	char id[33];

	if (strlen(file) != 32 + strlen(LOG_SUFFIX) || strcmp(file + 32, LOG_SUFFIX) != 0)
		return 0;
	snprintf(id, sizeof(id), "%.32s", file);
	if (!identity_id_is_valid(id) ||
		annotations_open_named(&acts, (struct folder *)search->folder, file, false, NULL) <
			0 ||
		!has_name(acts, search->name))
		return 0;
	memcpy(search->found, id, sizeof(id));
	search->count++;
	return 0;
}

/* @return 1 when found, 0 when not, or a negative errno with the reason */
static int find_by_name(
	const struct folder *folder, const char *name, char ret[33], struct error *reterr)
{
	struct search search = {folder, name, "", 0};
	int r = folder_each(folder, STUDIES_LIMIT, look_at, &search);

	if (r < 0)
		return error_set(reterr, r, "%s: %s", folder_path(folder), strerror(-r));
	if (search.count > 1)
		return error_set(reterr, -ENOTUNIQ,
			"%u studies have had the name '%s': state the study_id in the study's file",
			search.count, text_quote(name).text);
	if (search.count > 0)
		memcpy(ret, search.found, 33);
	return (int)search.count;
}

static int open_folder(struct folder **ret, const char *library, bool make, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	int r = folder_open_linked(&folder, library, reterr);

	if (r < 0)
		return r;
	return make ? folder_make_below(ret, folder, STUDY_LOGS_FOLDER, reterr)
		    : folder_open_below(ret, folder, STUDY_LOGS_FOLDER, reterr);
}

/* With a maker, the caller holds the folder's lock. */
static int find(struct study_log *log, const char *study_id, const char *name,
	const struct study_actor *maker, struct error *reterr)
{
	char id[33] = "";
	int r;

	snprintf(id, sizeof(id), "%s", study_id);
	r = *id ? 1 : find_by_name(log->folder, name, id, reterr);
	if (r == 0)
		r = !maker ? error_set(reterr, -ENOENT, "no study '%s' has a log in this library",
				     text_quote(name).text)
			: act_new_id(id) < 0 ? error_set(reterr, -EIO, "cannot get random numbers")
					     : 0;
	if (r >= 0)
		r = open_acts(log, id, maker != NULL, reterr);
	if (r == 0 && maker && !has_name(log->acts, name))
		r = add_name(log, maker, name, reterr);
	return r;
}

int study_log_open(struct study_log **ret, const char *library, const char *study_id,
	const char *name, const struct study_actor *maker, struct error *reterr)
{
	_destroy_(study_log) struct study_log *log = calloc(1, sizeof(*log));
	_autofree_ char *normal = NULL;
	_autoclose_ int lock = -1;
	int r;

	if (!log)
		return error_set(reterr, -ENOMEM, "out of memory");
	if (*study_id && !identity_id_is_valid(study_id))
		return error_set(reterr, -EINVAL,
			"study_id '%s': must be 32 hex digits: 0-9 and a-f",
			text_quote(study_id).text);
	r = name_normalise(&normal, "study", name, reterr);
	if (r == 0)
		r = open_folder(&log->folder, library, maker != NULL, reterr);
	if (r < 0)
		return r;
	lock = maker ? folder_lock(log->folder) : -1;
	if (maker && lock < 0)
		return error_set(reterr, lock, "%s: %s", folder_path(log->folder),
			lock == -EBUSY ? "another program holds its lock" : strerror(-lock));
	r = find(log, study_id, normal, maker, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(log);
	return 0;
}

void study_log_destroy(struct study_log *log)
{
	if (!log)
		return;
	annotations_destroy(log->acts);
	folder_unref(log->folder);
	free(log);
}

/* ---- the state ---- */

const char *study_log_id(const struct study_log *log)
{
	return log->id;
}

const char *study_log_name(const struct study_log *log)
{
	const Uxrec__Act *act = newest(log->acts, UXREC__ACT__BODY_STUDY_NAME);

	return act ? act->study_name->name : "";
}

const struct annotations *study_log_acts(const struct study_log *log)
{
	return log->acts;
}

const Uxrec__Act *study_log_layer(const struct study_log *log)
{
	return newest(log->acts, UXREC__ACT__BODY_LAYER_CHOICE);
}

int study_log_choose_layer(struct study_log *log, const struct study_actor *actor,
	const char *layer, const char *principal, struct error *reterr)
{
	Uxrec__LayerChoice choice = UXREC__LAYER_CHOICE__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;

	choice.layer = (char *)layer;
	choice.layer_principal = (char *)principal;
	act.body_case = UXREC__ACT__BODY_LAYER_CHOICE;
	act.layer_choice = &choice;
	return append(log, actor, &act, study_log_layer(log), reterr);
}

static int put_label(struct study_log *log, const struct study_actor *actor, char *label,
	const Uxrec__Act *before, struct error *reterr)
{
	Uxrec__Participant participant = UXREC__PARTICIPANT__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;
	char *fields[] = {(char *)"label"};

	participant.label = label;
	act.body_case = UXREC__ACT__BODY_PARTICIPANT;
	act.participant = &participant;
	act.fields = fields;
	act.n_fields = ARRAY_SIZE(fields);
	return append(log, actor, &act, before, reterr);
}

/* Normalise the label and lock the folder against concurrent additions. */
static int begin_change(
	struct study_log *log, const char *label, char **ret, int *ret_lock, struct error *reterr)
{
	int r = name_normalise(ret, "participant", label, reterr);

	if (r < 0)
		return r;
	*ret_lock = folder_lock(log->folder);
	r = *ret_lock < 0 ? *ret_lock : annotations_refresh(log->acts);
	return r < 0 ? error_set(reterr, r, "%s: %s", folder_path(log->folder), strerror(-r)) : 0;
}

int study_log_participant(struct study_log *log, const struct study_actor *actor, const char *label,
	char ret[33], struct error *reterr)
{
	Uxrec__Participant participant = UXREC__PARTICIPANT__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;
	_autofree_ char *normal = NULL;
	_autoclose_ int lock = -1;
	const Uxrec__Act *known;
	int r = begin_change(log, label, &normal, &lock, reterr);

	if (r < 0)
		return r;
	known = find_participant(log->acts, normal);
	if (known) {
		memcpy(ret, known->participant->participant_id, 33);
		return 0;
	}
	r = name_check("participant", normal, reterr);
	if (r < 0)
		return r;
	if (act_new_id(ret) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	participant.participant_id = ret;
	participant.label = normal;
	act.body_case = UXREC__ACT__BODY_PARTICIPANT;
	act.participant = &participant;
	return append(log, actor, &act, NULL, reterr);
}

int study_log_relabel(struct study_log *log, const struct study_actor *actor, const char *label,
	const char *new_label, struct error *reterr)
{
	_autofree_ char *normal = NULL, *fresh = NULL;
	_autoclose_ int lock = -1;
	const Uxrec__Act *known;
	int r = begin_change(log, label, &normal, &lock, reterr);

	if (r == 0)
		r = name_normalise(&fresh, "participant", new_label, reterr);
	if (r == 0)
		r = name_check("participant", fresh, reterr);
	if (r < 0)
		return r;
	known = find_participant(log->acts, normal);
	if (!known)
		return error_set(reterr, -ENOENT, "the study has no participant '%s'",
			text_quote(normal).text);
	if (find_participant(log->acts, fresh))
		return error_set(reterr, -EEXIST, "the study has a participant '%s' already",
			text_quote(fresh).text);
	return put_label(log, actor, fresh, known, reterr);
}

#include "daemon/station/internal.h"
#include "protocol/acts/act.h"
#include "protocol/base/terminal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/file/consent.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/os/folder.h"
#include "protocol/os/io.h"
#include "replay/session/session.h"
#include "replay/study/study.h"
#include "replay/study/study_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- callbacks on the recorder's threads ---- */

static int64_t watermark(void *user, int64_t now_ns)
{
	struct station *station = user;
	int64_t until_ns = now_ns;

	pthread_mutex_lock(&station->sources_lock);
	if (station->recording.screen)
		until_ns = source_watermark(station->recording.screen, now_ns);
	pthread_mutex_unlock(&station->sources_lock);
	return until_ns;
}

static void on_disk_error(void *user, const char *text)
{
	struct station *station = user;

	pthread_mutex_lock(&station->sources_lock);
	utf8_copy(station->recording.disk_error, sizeof(station->recording.disk_error), text);
	if (text)
		utf8_copy(station->recording.new_disk_error,
			sizeof(station->recording.new_disk_error), text);
	pthread_mutex_unlock(&station->sources_lock);
}

/* The main thread completes the end, unless it is already waiting for it. */
static void files_ended(void *user)
{
	struct station *station = user;

	station->options.must_stop(station->options.user, station->number, "");
}

/* ---- start ---- */

static int check_consent(struct station *station, const Uxrec__Start *start, struct error *reterr)
{
	const Uxrec__Consent *consent = start->consent;

	if (!consent || consent->method == UXREC__CONSENT__METHOD__METHOD_UNSPECIFIED ||
		!protobuf_c_enum_descriptor_get_value(
			&uxrec__consent__method__descriptor, (int)consent->method))
		return error_set(reterr, -EACCES,
			"nothing is recorded without consent: name its method with --consent "
			"(page, paper, …)");
	station->recording.agreed = 0;
	for (size_t i = 0; i < consent->n_modalities; i++) {
		int modality = modality_find(consent->modalities[i]);

		if (modality < 0 || modality == MODALITY_SESSION)
			return error_set(reterr, -EINVAL,
				"consent for '%s': this recorder records only screen, input and "
				"sound",
				text_quote(consent->modalities[i]).text);
		station->recording.agreed |= 1u << modality;
	}
	for (size_t i = 0; i < consent->n_uses; i++)
		if (consent_use_find(consent->uses[i]) < 0)
			return error_set(reterr, -EINVAL,
				"consent for '%s': must be one of analysis, observers, clips, "
				"publication",
				text_quote(consent->uses[i]).text);
	if (!station->recording.agreed)
		return error_set(reterr, -EACCES,
			"the participant's consent covers no screen, input or sound: there is "
			"nothing to record");
	return 0;
}

static int choose_keys(struct station *station, const Uxrec__Start *start, struct error *reterr)
{
	const char *wanted = *start->keys         ? start->keys
		: *station->recording.study->keys ? station->recording.study->keys
						  : "classes";

	if (key_policy_parse(wanted, &station->recording.keys) < 0)
		return error_set(reterr, -EINVAL, "keys '%s': must be one of " KEY_POLICY_NAMES,
			text_quote(wanted).text);
	if (station->recording.keys == KEY_POLICY_FULL &&
		(!station_may_record(station, MODALITY_INPUT) || !start->consent->full_keys))
		return error_set(reterr, -EACCES,
			"recording key codes requires the participant's consent to input with "
			"full keys");
	return 0;
}

static int find_study(struct station *station, const Uxrec__Start *start, struct error *reterr)
{
	if (*start->study_yaml)
		return study_parse(&station->recording.study, start->study_yaml,
			strlen(start->study_yaml),
			*start->study_file ? text_quote(start->study_file).text : "study", reterr);
	if (!*start->study)
		return error_set(reterr, -EINVAL, "no study is named: give its name or its file");
	return studies_find(
		&station->options.studies, start->study, &station->recording.study, reterr);
}

static int make_folder(struct station *station, struct error *reterr)
{
	_autofree_ char *folder = NULL;
	int r;

	/* an existing folder belongs to another session: retry */
	do {
		free(steal_ptr(folder));
		r = session_id_create(station->recording.session);
		if (r == 0 &&
			asprintf(&folder, "%s/%s", station->options.library,
				station->recording.session) < 0) {
			folder = NULL;
			r = -ENOMEM;
		}
		if (r == 0 && mkdir(folder, 0700) < 0)
			r = -errno;
	} while (r == -EEXIST);
	if (r == 0)
		station->recording.folder = steal_ptr(folder);
	if (r < 0)
		return error_set(reterr, r, "cannot create a folder in %s: %s",
			station->options.library, r == -ENOSPC ? "the disk is full" : strerror(-r));
	return 0;
}

int station_open_log(struct station *station, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	Uxrec__Study *study = study_copy(station->recording.study);
	struct annotations *log;
	int r = study ? folder_open(&folder, station->recording.folder, reterr)
		      : error_set(reterr, -ENOMEM, "out of memory");

	if (r == 0)
		r = annotations_open_below(&log, folder, true, reterr);
	if (r < 0) {
		uxrec__study__free_unpacked(study, NULL);
		return r;
	}
	annotations_set_session(log, station->recording.uuid);
	r = session_log_create(&station->recording.log, log, study);
	return r < 0 ? error_set(reterr, r, "out of memory") : 0;
}

/*
 * Get the ids of study and participant from the study's log. An unwritable log does not prevent a session:
 * without ids both are identified by their labels.
 */
static void find_ids(struct station *station, const struct station_request *request)
{
	const struct study_actor actor = {request->principal->name, request->principal->id};
	_destroy_(study_log) struct study_log *log = NULL;
	struct error error = {"no reason given"};
	char *id;
	int r = study_log_open(&log, station->options.library, station->recording.study->study_id,
		station->recording.study->name, &actor, &error);

	if (r == 0)
		r = study_log_participant(log, &actor, station->recording.participant,
			station->recording.participant_id, &error);
	if (r < 0) {
		station->recording.participant_id[0] = '\0';
		log_warning(
			"the study's log: %s; the ids of the study and the participant are not "
			"recorded",
			error.text);
	}
	id = log ? strdup(study_log_id(log)) : NULL;
	if (!id)
		return;
	if (*station->recording.study->study_id)
		free(station->recording.study->study_id);
	station->recording.study->study_id = id;
}

static int add_session_info(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;
	Uxrec__Consent consent = *request->message->start->consent;
	char *tasks[200], id[33], *participant_id = station->recording.participant_id;
	Uxrec__Act act;
	int r;

	info.participants = &station->recording.participant;
	info.n_participants = 1;
	info.study = station->recording.study->name;
	info.study_id = station->recording.study->study_id;
	info.study_version = station->recording.study->version;
	info.station_id = (char *)station->options.identity->station;
	info.participant_ids = &participant_id;
	info.n_participant_ids = *participant_id ? 1 : 0;
	info.moderator = (char *)request->principal->name;
	info.pilot = request->message->start->pilot;
	info.scope = consent.modalities;
	info.n_scope = consent.n_modalities;
	info.planned_tasks = tasks;
	for (size_t i = 0; i < station->recording.study->n_tasks && i < ARRAY_SIZE(tasks); i++)
		tasks[info.n_planned_tasks++] = station->recording.study->tasks[i]->id;
	if (act_new_id(id) < 0 || act_new_id(station->recording.consent_id) < 0)
		return error_set(reterr, -EIO, "cannot get random numbers");
	station_act_init(&act, id);
	act.body_case = UXREC__ACT__BODY_SESSION_INFO;
	act.session_info = &info;
	r = station_add_act(station, request->principal, &act, reterr);
	if (r < 0)
		return r;
	consent.participant = station->recording.participant;
	consent.participant_id = station->recording.participant_id;
	if (!*consent.text)
		consent.text = station->recording.study->consent_text;
	station_act_init(&act, station->recording.consent_id);
	act.body_case = UXREC__ACT__BODY_CONSENT;
	act.consent = &consent;
	return station_add_act(station, request->principal, &act, reterr);
}

/*
 * Opens the session to acts of others: only after the recording has its study, and its initial acts, which come
 * first.
 */
static void record_beginning(struct station *station)
{
	struct annotations *log = session_log_lock(station->recording.log);

	live_open(station->options.live, station->recording.session, &station->recording.clock,
		session_clock_at(&station->recording.clock, station->recording.started_ns),
		station->recording.recorder, station->recording.log, station_request_keyframe,
		station);
	recorder_push(station->recording.recorder, CHANNEL_STUDY, clock_now_ns(),
		&station->recording.study->base);
	station_push_event(station, UXREC__SESSION_EVENT__KIND__KIND_STARTED, "");
	for (size_t i = 0; i < annotations_count(log); i++)
		recorder_push(station->recording.recorder, CHANNEL_ACTS, clock_now_ns(),
			&annotations_get(log, i)->base);
	live_apply_consent(station->options.live, station->recording.session, log);
	session_log_unlock(station->recording.log);
}

int station_open_recorder(struct station *station, unsigned before, struct segments_marker marker,
	struct error *reterr)
{
	const struct recorder_context context = {
		.clock = &station->recording.clock,
		.feed = &station->options.live->feed,
		.watermark = watermark,
		.request_keyframe = station_request_keyframe,
		.disk_error = on_disk_error,
		.ended = files_ended,
		.session_uuid = station->recording.uuid,
		.station_id = station->options.identity->station,
		.marker = marker,
		.sync_every_ns = station->options.sync_every_ns,
		.user = station,
	};

	live_reset(station->options.live);
	return recorder_create(
		&station->recording.recorder, station->recording.folder, before, &context, reterr);
}

/* Remove the files of a failed or cancelled start: nothing of it is kept. */
static void undo_start(struct station *station)
{
	_folder_unref_ struct folder *library = NULL;
	struct folder_removed removed;
	struct error error;

	live_close(station->options.live);
	if (station->recording.recorder)
		recorder_destroy(steal_ptr(station->recording.recorder));
	live_reset(station->options.live);
	if (station->recording.folder &&
		(folder_open_linked(&library, station->options.library, &error) < 0 ||
			folder_remove_whole(library, station->recording.session, &removed, &error) <
				0))
		log_warning("session %s did not start, and its folder is still there: %s",
			station->recording.session, error.text);
}

static int check_start(struct station *station, const Uxrec__Start *start, struct error *reterr)
{
	int r = name_check("participant", start->participant, reterr);

	if (r == 0)
		r = check_consent(station, start, reterr);
	if (r == 0)
		r = find_study(station, start, reterr);
	if (r == 0)
		r = choose_keys(station, start, reterr);
	if (r < 0)
		return r;
	station->recording.participant = strdup(start->participant);
	return station->recording.participant ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}

static int start_files(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	int r = make_folder(station, reterr);

	if (r == 0 && io_random_hex(station->recording.uuid, 16) < 0)
		r = error_set(reterr, -EIO, "cannot get random numbers");
	if (r == 0)
		find_ids(station, request);
	if (r == 0)
		r = station_open_log(station, reterr);
	if (r == 0)
		r = add_session_info(station, request, reterr);
	session_clock_init(&station->recording.clock);
	if (r == 0)
		r = station_open_recorder(station, 0, (struct segments_marker){0}, reterr);
	if (r < 0)
		return r;
	station->recording.started_ns = clock_now_ns();
	record_beginning(station);
	return 0;
}

static int run_start(struct station *station, struct error *reterr)
{
	int r = start_files(station, station->background.request, reterr);

	if (r == 0)
		r = station_start_sources(station, reterr);
	if (r < 0)
		undo_start(station);
	return r;
}

static int finish_start(struct station *station, int r, struct error *error)
{
	(void)error;
	if (r < 0) {
		station_forget_session(station);
		return r;
	}
	station->state = STATE_RECORDING;
	log_info("session %s: recording%s%s%s, keys: %s", station->recording.session,
		station_may_record(station, MODALITY_SCREEN) ? " screen" : "",
		station_may_record(station, MODALITY_INPUT) ? " input" : "",
		station_may_record(station, MODALITY_SOUND) ? " sound" : "",
		key_policy_name(station->recording.keys));
	return 0;
}

int station_start(
	struct station *station, const struct station_request *request, struct error *reterr)
{
	int r;

	if (station->state != STATE_IDLE)
		return error_set(reterr, -EBUSY,
			station->state == STATE_WAITING
				? "session %s waits for disk space to end: free disk space, or "
				  "discard the rest with 'uxrec stop --discard'"
				: "session %s is being recorded: stop it first",
			station->recording.session);
	r = check_start(station, request->message->start, reterr);
	if (r == 0) {
		station->number++;
		station->state = STATE_STARTING;
		r = station_run(station, run_start, finish_start, reterr);
	}
	if (r < 0)
		station_forget_session(station);
	return r;
}

/* uxrec study layer: choice of the layer for a study's metrics. */

#include "protocol/acts/layer.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/identity.h"
#include "protocol/os/paths.h"
#include "replay/command/command.h"
#include "replay/metrics/metrics.h"
#include "replay/session/session.h"
#include "replay/study/study_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A study in a library, found by the typed text. */
struct found_study {
	const char *typed;
	char id[IDENTITY_ID_BYTES]; /* "": format 1 */
	char *name;                 /* NULL: no session found */
	struct layers layers;       /* layers in which its sessions are coded */
};

static void found_study_finish(struct found_study *study)
{
	free(study->name);
	layers_finish(&study->layers);
}

/* The first matching session determines the study's id; the name is only a label. */
static bool is_of_it(struct found_study *study, const struct session *session)
{
	const char *id = session_study_id(session), *name = session->study->name;

	if (study->name && *id && *study->id)
		return strcmp(id, study->id) == 0;
	if (study->name)
		return strcmp(name, study->name) == 0;
	if (strcmp(name, study->typed) != 0 && (!*id || strcmp(id, study->typed) != 0))
		return false;
	study->name = strdup(name);
	snprintf(study->id, sizeof(study->id), "%s", id);
	return study->name != NULL;
}

static int find_study(struct found_study *study, const char *library, struct error *reterr)
{
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	int r = session_ids_list(&ids, library);

	if (r < 0)
		return error_set(reterr, r, "%s: %s", library, strerror(-r));
	for (size_t i = 0; i < ids.count; i++) {
		_destroy_(session) struct session *session = NULL;

		if (session_open(&session, library, ids.ids[i], false, NULL) < 0 ||
			!is_of_it(study, session))
			continue;
		r = metrics_collect_session_layers(&study->layers, session);
		if (r < 0)
			return error_set(reterr, r, "%s", strerror(-r));
	}
	if (!study->name)
		return error_set(reterr, -ENOENT, "%s: no session is of a study '%s'", library,
			text_quote(study->typed).text);
	return 0;
}

static int show(const struct found_study *study, const char *library)
{
	_destroy_(study_log) struct study_log *log = NULL;
	const Uxrec__Act *act = NULL;
	struct error error = {"no reason given"};
	int r = study_log_open(&log, library, study->id, study->name, NULL, &error), index;
	char at[64] = "";
	time_t seconds;
	struct tm local;

	if (r < 0 && r != -ENOENT) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	act = log ? study_log_layer(log) : NULL;
	if (!act) {
		printf("%s: no layer is chosen\n", text_quote(study->name).text);
		return EXIT_NO;
	}
	seconds = (time_t)(act->wall_ns / NS_PER_S);
	if (localtime_r(&seconds, &local))
		strftime(at, sizeof(at), "%Y-%m-%d %H:%M %z", &local);
	index = metrics_find_chosen(&study->layers, act->layer_choice);
	printf("%s: %s, chosen by %s, %s\n", text_quote(study->name).text,
		text_quote(
			index >= 0 ? study->layers.entries[index].label : act->layer_choice->layer)
			.text,
		text_quote(act->author).text, at);
	return EXIT_OK;
}

static int choose(
	const struct found_study *study, const char *library, const char *layer, const char *author)
{
	_destroy_(study_log) struct study_log *log = NULL;
	struct error error = {"no reason given"};
	struct identity identity;
	struct study_actor actor = {.author = author};
	const char *principal = "";
	int r;

	if (layer_kind(layer) != LAYER_LIVE && layer_kind(layer) != LAYER_CONSENSUS) {
		int index = layers_find(&study->layers, layer, &error);

		if (index < 0) {
			log_error("%s", error.text);
			return EXIT_NO;
		}
		layer = study->layers.entries[index].text;
		principal = study->layers.entries[index].principal;
	}
	if (identity_load(&identity, &error) < 0)
		log_warning("%s", error.text);
	actor.principal = identity.user;
	r = study_log_open(&log, library, study->id, study->name, &actor, &error);
	if (r == 0)
		r = study_log_choose_layer(log, &actor, layer, principal, &error);
	if (r < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	return show(study, library);
}

int command_study_layer(int argc, char **argv)
{
	const char *asked = command_pop_value(&argc, argv, "--library");
	const char *who = command_pop_value(&argc, argv, "--who");
	_cleanup_(found_study_finish) struct found_study study = {0};
	_autofree_ char *usual = paths_library(), *author = NULL;
	const char *library = asked ? asked : usual;
	struct error error = {"no reason given"};
	int r;

	if (command_has_leftovers(argc, argv, 3))
		return EXIT_USAGE;
	if (argc < 3)
		return command_usage("study layer STUDY [LAYER] [--who NAME] [--library FOLDER]");
	if (command_normalise_name(&author, "--who", who ? who : "moderator") != EXIT_OK)
		return EXIT_USAGE;
	if (!library) {
		log_error(
			"no library folder: neither HOME nor XDG_DATA_HOME is set; choose a "
			"folder with --library");
		return EXIT_FAILED;
	}
	study.typed = argv[2];
	r = find_study(&study, library, &error);
	if (r < 0) {
		log_error("%s", error.text);
		return r == -ENOENT ? EXIT_NO : EXIT_FAILED;
	}
	return argc == 3 ? show(&study, library) : choose(&study, library, argv[3], author);
}

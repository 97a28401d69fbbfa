/* The log of a study: ids of studies and participants, and the chosen layer. */

#include "tests/harness/helpers.h"

#include "protocol/os/identity.h"
#include "replay/session/session.h"
#include "replay/study/study_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANN "00000000000000000000000000000001"
#define ID  "0123456789abcdef0123456789abcdef"

static const struct study_actor ann = {"Ann", ANN};

static char *make_library(const char *name)
{
	char *library = temporary_path(name);

	check(mkdir(library, 0700) == 0);
	return library;
}

static struct study_log *open_log(const char *library, const char *id, const char *name)
{
	struct study_log *log = NULL;

	check(study_log_open(&log, library, id, name, &ann, NULL) == 0);
	return log;
}

static unsigned count_entries(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	check(entries != NULL);
	while ((entry = readdir(entries)))
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

static void a_study_gets_its_id_at_its_first_start(void)
{
	_autofree_ char *library = make_library("first");
	_destroy_(study_log) struct study_log *log = NULL, *again = NULL, *other = NULL;
	_cleanup_(session_ids_finish) struct session_ids ids = {0};

	expect(study_log_open(&log, library, "", "Checkout", NULL, NULL) == -ENOENT);
	expect(count_entries(library) == 0); /* a look-up creates no file */
	log = open_log(library, "", "Checkout");
	expect(identity_id_is_valid(study_log_id(log)));
	again = open_log(library, "", " Checkout ");
	expect(strcmp(study_log_id(log), study_log_id(again)) == 0);
	other = open_log(library, "", "Checkout 2");
	expect(strcmp(study_log_id(log), study_log_id(other)) != 0);
	expect(strcmp(study_log_name(other), "Checkout 2") == 0);
	/* the folder of logs has no sessions */
	check(session_ids_list(&ids, library) == 0);
	expect(ids.count == 0);
}

static void a_stated_id_stays_whatever_the_name_is(void)
{
	_autofree_ char *library = make_library("stated");
	_destroy_(study_log) struct study_log *log = open_log(library, ID, "Old name");
	_destroy_(study_log) struct study_log *renamed = open_log(library, ID, "New name");
	_destroy_(study_log) struct study_log *by_name = NULL, *twice = NULL;
	struct error error = {""};

	expect(strcmp(study_log_id(renamed), ID) == 0);
	expect(strcmp(study_log_name(renamed), "New name") == 0);
	/* any of its names finds it */
	check(study_log_open(&by_name, library, "", "Old name", NULL, NULL) == 0);
	expect(strcmp(study_log_id(by_name), ID) == 0);
	expect(study_log_open(&twice, library, "no id", "x", &ann, &error) == -EINVAL);
	expect(strstr(error.text, "32 hex digits") != NULL);
	/* a name of two studies finds none */
	twice = open_log(library, ANN, "New name");
	study_log_destroy(steal_ptr(twice));
	expect(study_log_open(&twice, library, "", "New name", &ann, &error) == -ENOTUNIQ);
	expect(strstr(error.text, "2 studies") != NULL);
}

static void participants_keep_their_ids(void)
{
	_autofree_ char *library = make_library("people");
	_destroy_(study_log) struct study_log *log = open_log(library, "", "Checkout");
	_destroy_(study_log) struct study_log *again = NULL;
	char one[33], same[33], two[33];
	struct error error = {""};

	check(study_log_participant(log, &ann, "P01", one, NULL) == 0);
	check(study_log_participant(log, &ann, "P02", two, NULL) == 0);
	expect(identity_id_is_valid(one) && strcmp(one, two) != 0);
	again = open_log(library, "", "Checkout");
	check(study_log_participant(again, &ann, "P01 ", same, NULL) == 0);
	expect(strcmp(one, same) == 0);
	/* a name in two normal forms is one */
	check(study_log_participant(again, &ann, "Zo\xc3\xab", one, NULL) == 0);
	check(study_log_participant(again, &ann, "Zoe\xcc\x88", same, NULL) == 0);
	expect(strcmp(one, same) == 0);
	/* another label, the same participant; by the other log, not yet refreshed */
	check(study_log_relabel(log, &ann, "P02", "Ben", NULL) == 0);
	check(study_log_participant(again, &ann, "Ben", same, NULL) == 0);
	expect(strcmp(two, same) == 0);
	expect(study_log_relabel(log, &ann, "P02", "Cat", &error) == -ENOENT);
	expect(study_log_relabel(log, &ann, "Ben", "P01", &error) == -EEXIST);
	expect(study_log_participant(log, &ann, "a/b", same, &error) == -EINVAL);
}

static void the_layer_is_chosen_by_somebody(void)
{
	_autofree_ char *library = make_library("layer");
	_destroy_(study_log) struct study_log *log = open_log(library, "", "Checkout");
	_destroy_(study_log) struct study_log *reader = NULL;
	const Uxrec__Act *act;
	struct error error = {""};

	expect(study_log_layer(log) == NULL);
	check(study_log_choose_layer(log, &ann, "live", "", NULL) == 0);
	check(study_log_choose_layer(log, &ann, "coder:Ben", ID, NULL) == 0);
	check(study_log_open(&reader, library, "", "Checkout", NULL, NULL) == 0);
	act = study_log_layer(reader);
	check(act != NULL);
	expect(strcmp(act->layer_choice->layer, "coder:Ben") == 0);
	expect(strcmp(act->layer_choice->layer_principal, ID) == 0);
	expect(strcmp(act->author, "Ann") == 0 && strcmp(act->principal, ANN) == 0);
	expect(act->wall_ns > 0 && *act->session_uuid == '\0');
	/* one choice, changed */
	expect(annotations_count(study_log_acts(reader)) == 2);
	expect(study_log_choose_layer(reader, &ann, "live", "", &error) == -EROFS);
}

static void add_and_exit(const char *library)
{
	struct study_log *log = NULL;
	char id[33];

	if (study_log_open(&log, library, "", "Checkout", &ann, NULL) < 0)
		_exit(1);
	for (unsigned i = 0; i < 5; i++) {
		char label[8];

		snprintf(label, sizeof(label), "P%u", i);
		if (study_log_participant(log, &ann, label, id, NULL) < 0)
			_exit(1);
	}
	_exit(0);
}

static void several_stations_add_each_participant_once(void)
{
	_autofree_ char *library = make_library("several"), *logs = NULL;
	_destroy_(study_log) struct study_log *log = NULL;
	pid_t children[4];

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			add_and_exit(library);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		check(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	check(asprintf(&logs, "%s/" STUDY_LOGS_FOLDER, library) > 0);
	expect(count_entries(logs) == 1);
	log = open_log(library, "", "Checkout");
	expect(annotations_count(study_log_acts(log)) == 1 + 5);
}

static void hostile_entries_are_passed_over_or_refused(void)
{
	_autofree_ char *library = make_library("hostile"), *logs = NULL, *entry = NULL;
	_autofree_ char *elsewhere = make_library("elsewhere");
	_destroy_(study_log) struct study_log *log = NULL;
	struct error error = {""};

	check(asprintf(&logs, "%s/" STUDY_LOGS_FOLDER, library) > 0);
	/* a link in place of the folder is not followed */
	check(symlink(elsewhere, logs) == 0);
	expect(study_log_open(&log, library, "", "Checkout", &ann, &error) == -ELOOP);
	expect(count_entries(elsewhere) == 0);
	check(unlink(logs) == 0 && mkdir(logs, 0700) == 0);
	/* a FIFO, a link and a file that is no log hide no other study */
	check(asprintf(&entry, "%s/" ANN ".mcap", logs) > 0 && mkfifo(entry, 0600) == 0);
	free(steal_ptr(entry));
	check(asprintf(&entry, "%s/" ID ".mcap", logs) > 0 && symlink("/etc/passwd", entry) == 0);
	log = open_log(library, "", "Checkout");
	study_log_destroy(steal_ptr(log));
	expect(study_log_open(&log, library, ANN, "Checkout", &ann, &error) == -EBADMSG);
	expect(study_log_open(&log, library, ID, "Checkout", &ann, &error) == -ELOOP);
}

static const struct test tests[] = {
	{"a study gets its id at its first start", a_study_gets_its_id_at_its_first_start},
	{"an id that is stated stays, whatever the name is",
		a_stated_id_stays_whatever_the_name_is},
	{"participants keep their ids, whatever their labels are", participants_keep_their_ids},
	{"the layer of a study is chosen by somebody, and read by all",
		the_layer_is_chosen_by_somebody},
	{"several stations add each participant once", several_stations_add_each_participant_once},
	{"hostile entries among the logs are passed over or refused",
		hostile_entries_are_passed_over_or_refused},
};

int main(void)
{
	return RUN_TESTS("study_log", tests);
}

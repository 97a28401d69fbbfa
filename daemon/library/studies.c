/* The folders of studies. */

#include "daemon/library/internal.h"
#include "protocol/base/terminal.h"

#include "protocol/base/log.h"
#include "replay/study/study.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct studies {
	Uxrec__StudyEntry *entries[200];
	size_t count;
};

static void add_study(struct studies *studies, const char *folder, const char *file, bool example)
{
	_autofree_ char *path = NULL;
	Uxrec__StudyEntry *entry;
	struct yaml_problems problems;
	struct error error = {0};

	if (studies->count == ARRAY_SIZE(studies->entries) ||
		asprintf(&path, "%s/%s", folder, file) < 0)
		return;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return;
	uxrec__study_entry__init(entry);
	entry->example = example;
	if (study_read_file(&entry->study, path, &problems, &error) == 0) {
		entry->name = strdup(entry->study->name);
	} else {
		entry->name = strndup(file, strlen(file) - 5);
		entry->trouble = problems.errors > 0 ? yaml_problems_text(&problems, file)
						     : strdup(error.text);
	}
	if (!entry->name || (!entry->study && !entry->trouble)) {
		uxrec__study_entry__free_unpacked(entry, NULL);
		return;
	}
	for (size_t i = 0; i < studies->count; i++)
		if (strcmp(studies->entries[i]->name, entry->name) == 0) {
			uxrec__study_entry__free_unpacked(entry, NULL);
			return; /* the library's own study shadows the example */
		}
	studies->entries[studies->count++] = entry;
}

static void collect_studies(struct studies *studies, const char *folder, bool example)
{
	DIR *opened = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	while (opened && (entry = readdir(opened))) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && length > 5 &&
			strcmp(entry->d_name + length - 5, ".yaml") == 0)
			add_study(studies, folder, entry->d_name, example);
	}
	if (opened)
		closedir(opened);
}

static void studies_finish(struct studies *studies)
{
	for (size_t i = 0; i < studies->count; i++)
		uxrec__study_entry__free_unpacked(studies->entries[i], NULL);
}

static void collect_all(struct library *library, struct studies *studies)
{
	collect_studies(studies, library->studies, false);
	collect_studies(studies, library->examples, true);
}

/* Refuse a study, with the first line of its problems as the reason. */
static int refuse_study(const char *trouble, struct error *reterr)
{
	size_t line = strcspn(trouble, "\n");

	return error_set(reterr, -EINVAL, "%.*s%s", line < 250 ? (int)line : 250, trouble,
		trouble[line] ? "; and more, which 'uxrec study check' lists" : "");
}

int library_find_study(
	struct library *library, const char *name, Uxrec__Study **ret, struct error *reterr)
{
	_cleanup_(studies_finish) struct studies studies = {0};

	collect_all(library, &studies);
	for (size_t i = 0; i < studies.count; i++) {
		if (strcmp(studies.entries[i]->name, name) != 0)
			continue;
		if (!studies.entries[i]->study)
			return refuse_study(studies.entries[i]->trouble, reterr);
		*ret = steal_ptr(studies.entries[i]->study);
		return 0;
	}
	return error_set(reterr, -ENOENT,
		"no study '%s': put its file into %s, or give the file's path",
		text_quote(name).text,
		library->studies ? library->studies : "the folder of studies");
}

bool library_studies_hide(struct library *library)
{
	_cleanup_(studies_finish) struct studies studies = {0};
	bool hides = false;

	collect_all(library, &studies);
	for (size_t i = 0; i < studies.count; i++)
		hides |= studies.entries[i]->study && studies.entries[i]->study->n_hide > 0;
	return hides;
}

int library_list_studies(struct library *library, const struct job *job, struct error *reterr)
{
	_cleanup_(studies_finish) struct studies studies = {0};
	Uxrec__StudyList list = UXREC__STUDY_LIST__INIT;

	(void)reterr;
	collect_all(library, &studies);
	list.studies = studies.entries;
	list.n_studies = studies.count;
	list.folder = library->studies ? (char *)library->studies : list.folder;
	library_send_answer(library, job, &list.base);
	return 0;
}

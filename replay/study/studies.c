#include "replay/study/studies.h"

#include "protocol/base/terminal.h"
#include "protocol/reply.h"
#include "replay/study/study.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct found {
	Uxrec__StudyEntry *entries[200];
	size_t count;
};

static void add_study(struct found *found, const char *folder, const char *file, bool example)
{
	_autofree_ char *path = NULL;
	Uxrec__StudyEntry *entry;
	struct yaml_problems problems;
	struct error error = {0};

	if (found->count == ARRAY_SIZE(found->entries) ||
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
	for (size_t i = 0; i < found->count; i++)
		if (strcmp(found->entries[i]->name, entry->name) == 0) {
			uxrec__study_entry__free_unpacked(entry, NULL);
			return; /* the library's own study shadows the example */
		}
	found->entries[found->count++] = entry;
}

static void collect_studies(struct found *found, const char *folder, bool example)
{
	DIR *opened = folder ? opendir(folder) : NULL;
	struct dirent *entry;

	while (opened && (entry = readdir(opened))) {
		size_t length = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && length > 5 &&
			strcmp(entry->d_name + length - 5, ".yaml") == 0)
			add_study(found, folder, entry->d_name, example);
	}
	if (opened)
		closedir(opened);
}

static void found_finish(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		uxrec__study_entry__free_unpacked(found->entries[i], NULL);
}

static void collect_all(const struct studies *studies, struct found *found)
{
	collect_studies(found, studies->folder, false);
	collect_studies(found, studies->examples, true);
}

/* Refuse a study, with the first line of its problems as the reason. */
static int refuse_study(const char *trouble, struct error *reterr)
{
	size_t line = strcspn(trouble, "\n");

	return error_set(reterr, -EINVAL, "%.*s%s", line < 250 ? (int)line : 250, trouble,
		trouble[line] ? "; and more, which 'uxrec study check' lists" : "");
}

int studies_find(
	const struct studies *studies, const char *name, Uxrec__Study **ret, struct error *reterr)
{
	_cleanup_(found_finish) struct found found = {0};

	collect_all(studies, &found);
	for (size_t i = 0; i < found.count; i++) {
		if (strcmp(found.entries[i]->name, name) != 0)
			continue;
		if (!found.entries[i]->study)
			return refuse_study(found.entries[i]->trouble, reterr);
		*ret = steal_ptr(found.entries[i]->study);
		return 0;
	}
	return error_set(reterr, -ENOENT,
		"no study '%s': put its file into %s, or give the file's path",
		text_quote(name).text, studies->folder ? studies->folder : "the folder of studies");
}

bool studies_hide(const struct studies *studies)
{
	_cleanup_(found_finish) struct found found = {0};
	bool hides = false;

	collect_all(studies, &found);
	for (size_t i = 0; i < found.count; i++)
		hides |= found.entries[i]->study && found.entries[i]->study->n_hide > 0;
	return hides;
}

struct packet *studies_reply(const struct studies *studies, uint64_t request)
{
	_cleanup_(found_finish) struct found found = {0};
	Uxrec__StudyList list = UXREC__STUDY_LIST__INIT;

	collect_all(studies, &found);
	list.studies = found.entries;
	list.n_studies = found.count;
	list.folder = studies->folder ? (char *)studies->folder : list.folder;
	return reply_packet(request, &list.base);
}

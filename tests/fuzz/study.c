#include "tests/fuzz/target.h"

#include "protocol/base/utf8.h"
#include "protocol/name.h"
#include "replay/study/study.h"

#include <stdlib.h>
#include <string.h>

/* A study's file: used as a whole, or refused with errors at valid places. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_problems problems;
	Uxrec__Study *study, *copy;
	char *lines;
	int r = study_read(&study, (const char *)data, size, &problems);

	lines = yaml_problems_text(&problems, "fuzz");
	if (!lines || !utf8_is_valid(lines) || (r < 0) != (problems.errors > 0))
		abort();
	free(lines);
	for (size_t i = 0; i < problems.count; i++)
		if (!*problems.listed[i].text || problems.listed[i].line > size + 2 ||
			problems.listed[i].column > size + 2)
			abort();
	if (r < 0)
		return 0;
	/* a study that was read can be packed, and its code book has the flag, and each key once */
	copy = study_copy(study);
	if (!copy || !study_code(copy, "flag") || name_check("study", copy->name, NULL) < 0)
		abort();
	for (size_t i = 0; i < copy->n_codes; i++)
		if (study_code_typed(copy, copy->codes[i]->id) != copy->codes[i] ||
			strlen(copy->codes[i]->key) != 1)
			abort();
	uxrec__study__free_unpacked(copy, NULL);
	uxrec__study__free_unpacked(study, NULL);
	return 0;
}

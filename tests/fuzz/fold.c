#include "tests/fuzz/target.h"

#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"

#include <unistd.h>

/* An annotation log: read, appended to, merged with itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_destroy_(annotations) struct annotations *log = NULL;
	const char *path = fuzz_file(".acts", data, size);
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;
	struct annotations_merged merged;
	char id[33];

	if (annotations_open(&log, path, true, NULL) < 0 || act_new_id(id) < 0)
		return 0;
	for (size_t i = 0; i < annotations_count(log); i++)
		annotations_find(log, annotations_get(log, i)->id);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	note.media_ns = 1;
	note.text = (char *)"x";
	if (annotations_append(log, &act, NULL, NULL) == 0 && !annotations_find(log, id))
		__builtin_trap(); /* an appended act is there */
	if (annotations_merge(log, path, &merged, NULL) == 0 && merged.fresh != 0)
		__builtin_trap(); /* a log merged with itself gains nothing */
	return 0;
}

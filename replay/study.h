#pragma once

#include "protocol/base/error.h"
#include "protocol/study.pb-c.h"

#include <stddef.h>

/**
 * Read a study from the text of its file (study.yaml; see uxrec-study(5)) and check it.
 *
 * @param ret        set on success; freed with uxrec__study__free_unpacked(…, NULL)
 * @param text       size_bytes bytes of YAML
 * @param file_name  for the sentence about what is wrong
 * @param reterr     "FILE:LINE:COLUMN: what is wrong" where a place is known
 * @return 0, -EINVAL, or -ENOMEM
 */
int study_parse(Uxrec__Study **ret, const char *text, size_t size_bytes, const char *file_name,
	struct error *reterr);

/** The same from a file. @return also what open(2) and read(2) gave */
int study_load(Uxrec__Study **ret, const char *path, struct error *reterr);

/** Look something up by its id. @return NULL when there is none */
const Uxrec__Study__Task *study_task(const Uxrec__Study *study, const char *id);
const Uxrec__Study__Code *study_code(const Uxrec__Study *study, const char *id);
const Uxrec__Study__Opportunity *study_opportunity(const Uxrec__Study__Task *task, const char *id);

/** Look up what a person typed: a code's id, or else its key. @return NULL when there is none */
const Uxrec__Study__Code *study_code_typed(const Uxrec__Study *study, const char *id_or_key);

/** An independent copy. @return NULL without memory */
Uxrec__Study *study_copy(const Uxrec__Study *study);

#pragma once

#include "protocol/base/error.h"
#include "protocol/study.pb-c.h"
#include "replay/base/yaml_message.h"

#include <stddef.h>

/**
 * Parse and check the text of a study file (study.yaml; see uxrec-study(5)).
 *
 * @param ret           set on success; freed with uxrec__study__free_unpacked(…, NULL)
 * @param text          size_bytes bytes of YAML
 * @param ret_problems  all problems; on success possibly warnings
 * @return 0, -EINVAL with errors in @p ret_problems, or -ENOMEM
 */
int study_read(Uxrec__Study **ret, const char *text, size_t size_bytes,
	struct yaml_problems *ret_problems);

/** The same from a file. @return also errors of open(2) and read(2), and -EFBIG; with the reason */
int study_read_file(Uxrec__Study **ret, const char *path, struct yaml_problems *ret_problems,
	struct error *reterr);

/**
 * The same with a single error message.
 *
 * @param file_name  for the error message
 * @param reterr     the first error, "FILE:LINE:COLUMN: …", and the number of others
 */
int study_parse(Uxrec__Study **ret, const char *text, size_t size_bytes, const char *file_name,
	struct error *reterr);

/** Exceptions of the file's keys from the fields of study.proto: other names, limits, words. */
const struct yaml_schema *study_schema(void);

/** Look up by id. @return NULL when there is none */
const Uxrec__Study__Task *study_task(const Uxrec__Study *study, const char *id);
const Uxrec__Study__Code *study_code(const Uxrec__Study *study, const char *id);
const Uxrec__Study__Opportunity *study_opportunity(const Uxrec__Study__Task *task, const char *id);

/** Look up a typed code: by id, then by key. @return NULL when there is none */
const Uxrec__Study__Code *study_code_typed(const Uxrec__Study *study, const char *id_or_key);

/** Deep copy. @return NULL without memory */
Uxrec__Study *study_copy(const Uxrec__Study *study);

#pragma once

#include "protocol/study.pb-c.h"
#include "replay/base/yaml.h"

/* Errors of meaning in a study, which its form alone does not show. */

#define HIDE_RULES_LIMIT 50
#define HIDE_AREAS_LIMIT 24 /* they are masked exactly up to here: CANVAS_AREAS */

/**
 * Check a study and bring its names and keys into their one spelling.
 *
 * @param root      the file, of which yaml_to_message() has made the study
 * @param problems  get the errors and warnings, each at its value's place
 * @return 0 or -ENOMEM
 */
int study_check(Uxrec__Study *study, struct yaml_node *root, struct yaml_problems *problems);

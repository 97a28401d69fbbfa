#pragma once

#include "protocol/study.pb-c.h"
#include "replay/base/yaml.h"

/* Semantic checks of a study, beyond its schema. */

#define HIDE_RULES_LIMIT 50
#define HIDE_AREAS_LIMIT 24 /* limit of exact masking: CANVAS_AREAS */

/**
 * Check a study and normalise its names and keys.
 *
 * @param root      the file that yaml_to_message() converted to the study
 * @param problems  receives errors and warnings, with the position of each value
 * @return 0 or -ENOMEM
 */
int study_check(Uxrec__Study *study, struct yaml_node *root, struct yaml_problems *problems);

#pragma once

#include "protocol/base/error.h"
#include "protocol/study.pb-c.h"

/* What a study hides of the screen: between its file, which study.c reads, and its message. */

#define HIDE_RULES_LIMIT 50
#define HIDE_AREAS_LIMIT 24 /* they are masked exactly up to here: CANVAS_AREAS */

/** An entry of the list "hide"; numbers that are not there are NULL. */
struct yaml_hide {
	uint32_t *x, *y, *width, *height;
	char *window_class, *window_title;
	uint32_t password_fields;
};

/** @return 0, or -EINVAL with the reason */
int study_hide_check(const struct yaml_hide *hide, unsigned count, struct error *reterr);

/** Of checked entries; texts are pointed to. */
void study_hide_fill(Uxrec__Study__Hide *ret, const struct yaml_hide *from);

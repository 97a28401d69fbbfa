#pragma once

#include "protocol/base/error.h"
#include "protocol/packet.h"
#include "protocol/study.pb-c.h"
#include "protocol/wire.pb-c.h"

#include <stdbool.h>

/** The folders of study files. A study of the first hides one of the second that has its name. */
struct studies {
	const char *folder;   /* NULL: none */
	const char *examples; /* NULL: none */
};

/**
 * Find a study by name.
 *
 * @return 0 (free with uxrec__study__free_unpacked()), -ENOENT, or an error of study_load()
 */
int studies_find(
	const struct studies *studies, const char *name, Uxrec__Study **ret, struct error *reterr);

/** @return true when any study in these folders hides parts of the screen */
bool studies_hide(const struct studies *studies);

/** The answer to a ListStudies. @return NULL without memory */
struct packet *studies_reply(const struct studies *studies, uint64_t request);

#pragma once

#include "protocol/base/cleanup.h"

/**
 * A file or folder that gets its name when it is whole. Until then it is beside it, as "film.mkv.part-1f0c9a3e":
 * whatever ends the program, nothing looks finished that is not.
 */
struct unfinished {
	const char *path; /* the caller's */
	char *made;       /* what to write to */
};

/**
 * Find a name to write to. Nothing is made.
 *
 * @param ret   unfinished_free() takes it in any case; it removes nothing
 * @param path  lives as long
 * @return 0, -EEXIST when something has that name already, or another negative errno
 */
int unfinished_begin(struct unfinished *ret, const char *path);

/**
 * Give what was made its name. A file is brought to the disk first.
 *
 * @return 0, -EEXIST when something has got that name meanwhile, or another negative errno: it is as before then
 */
int unfinished_keep(const struct unfinished *unfinished);

void unfinished_free(struct unfinished *unfinished);

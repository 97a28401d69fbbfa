#pragma once

#include "protocol/base/cleanup.h"

/**
 * An output file or folder, renamed when complete. Until then it has a temporary name, as "film.mkv.part-1f0c9a3e":
 * incomplete output never looks complete, however the program ends.
 */
struct unfinished {
	const char *path; /* the caller's */
	char *made;       /* temporary path to write to */
};

/**
 * Choose a temporary name. Creates nothing.
 *
 * @param ret   to be freed by unfinished_free() in any case, which removes nothing
 * @param path  must stay valid as long
 * @return 0, -EEXIST when the path exists, or another negative errno
 */
int unfinished_begin(struct unfinished *ret, const char *path);

/**
 * Rename the output to its final name. A file is synced first.
 *
 * @return 0, -EEXIST when the path exists by now, or another negative errno: then nothing has changed
 */
int unfinished_keep(const struct unfinished *unfinished);

void unfinished_free(struct unfinished *unfinished);

#pragma once

/** Location and reason of a failure, one sentence for display. Owned by the caller. */
struct error {
	char text[320];
};

/**
 * Set the text.
 *
 * @param reterr  may be NULL: then nothing is written
 * @param r       a negative errno
 * @return r, for use in a return statement
 */
int error_set(struct error *reterr, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

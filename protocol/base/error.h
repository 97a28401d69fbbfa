#pragma once

/** Where and why something failed, in one sentence for a person. Owned by the caller. */
struct error {
	char text[320];
};

/**
 * Say where and why.
 *
 * @param reterr  may be NULL: then nothing is written
 * @param r       a negative errno
 * @return r, so that it can be returned at once
 */
int error_set(struct error *reterr, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#pragma once

/*
 * What the desktop portal gave to be shown the next time, so that it need not ask again: one line in
 * the user's state folder, which nobody else may read.
 */

/** @return the token, which the caller frees, or NULL: there is none */
char *portal_token_read(void);

/** Keep another one; NULL: keep none. @return 0 or a negative errno: then there is none */
int portal_token_keep(const char *token);

#pragma once

/*
 * The desktop portal's restore token, presented the next time so that it need not ask again: one
 * line in the user's state folder, readable by nobody else.
 */

/** @return the token, which the caller frees, or NULL: there is none */
char *portal_token_read(void);

/** Replace the token; NULL: remove it. @return 0 or a negative errno: then there is none */
int portal_token_store(const char *token);

#pragma once

/*
 * Where the parts of the program are: in the build folder, or under a prefix. All strings are
 * allocated, the caller frees them.
 */

/** A helper program ("uxrec-inputd"), or NULL when it is nowhere. */
char *paths_helper(const char *name);

/** The folder of the pages, or of the example studies; NULL when it is nowhere. */
char *paths_web(void);
char *paths_examples(void);

/** Default library, and default control socket, from the XDG variables. */
char *paths_library(void);
char *paths_control(void);

/** What is kept from one run to the next and is no data: $XDG_STATE_HOME/uxrec. */
char *paths_state(void);

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

/** Default library, from $XDG_DATA_HOME or $HOME; NULL when neither is set, or without memory. */
char *paths_library(void);

/**
 * Default control socket: in $XDG_RUNTIME_DIR/uxrec, or in /tmp/uxrec-UID where there is none. What is
 * there may be somebody else's: see local_check_folder(). NULL without memory.
 */
char *paths_control(void);

/**
 * State kept from one run to the next that is no data: $XDG_STATE_HOME/uxrec. NULL when neither that nor
 * $HOME is set, or without memory.
 */
char *paths_state(void);

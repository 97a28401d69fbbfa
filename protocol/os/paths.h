#pragma once

/*
 * Locations of the program's parts: in the build folder, or under a prefix. All strings are allocated, freed
 * by the caller.
 */

/** Path of a helper program ("uxrec-inputd"), or NULL if not found. */
char *paths_helper(const char *name);

/** Folder of the pages, or of the example studies; NULL if not found. */
char *paths_web(void);
char *paths_examples(void);

/** Default library, from $XDG_DATA_HOME or $HOME; NULL when neither is set, or without memory. */
char *paths_library(void);

/**
 * Default control socket: in $XDG_RUNTIME_DIR/uxrec, or in /tmp/uxrec-UID if that is unset. The folder may
 * belong to somebody else: see local_check_folder(). NULL without memory.
 */
char *paths_control(void);

/**
 * Folder for persistent state other than data: $XDG_STATE_HOME/uxrec. NULL when neither that nor $HOME is
 * set, or without memory.
 */
char *paths_state(void);

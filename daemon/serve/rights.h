#pragma once

#include "protocol/base/error.h"

/**
 * Rights of uxrec-server: it reads the library, the studies and the pages, runs its worker, accepts connections of the
 * socket that it was given, and no more. It opens no file for writing and no socket, sends no signals, and sees neither
 * display, sound, input devices nor the bus. Its data have 1 GB, and so have those of each worker. Sanitizer builds need other files and calls: there nothing is denied.
 */
struct rights {
	const char *library, *studies, *examples, *web; /* NULL: none */
	const char *worker;                             /* program; NULL: none */
};

/**
 * Deny everything else to this process and its children, for good. It must be single-threaded.
 *
 * @return 0, or a negative errno with the reason: then it must not serve
 */
int rights_drop(const struct rights *rights, struct error *reterr);

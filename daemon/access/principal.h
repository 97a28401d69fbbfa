#pragma once

#include "daemon/access/links_file.h"
#include "protocol/limits.h"

/**
 * Who asks: made once, of the hello of a connection, of the user of the control socket, or for the recorder's own acts.
 * Constant from then on. Its role alone decides its rights: see requests.h and act_policy.h.
 */
struct principal {
	Uxrec__Role role;
	char name[NAME_LIMIT_BYTES + 1]; /* for display; the author of its acts */
	char id[33];                     /* 32 hex digits: the principal of its acts */
	bool identified;                 /* its hello had an identity: it has its own layer */
	char link[LINK_ID_BYTES];        /* of its key; "": it came by no link */
};

#pragma once

#include "daemon/access/keyring.h"
#include "protocol/base/error.h"

/**
 * Write the links of the pages, one a line: "moderate", "live", "library".
 *
 * @param path  file to replace, with mode 0600; NULL: standard output
 * @return 0, or a negative errno with the reason
 */
int links_write(const char *path, const char *address, int port, const struct keyring *keyring,
	struct error *reterr);

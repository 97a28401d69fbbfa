#pragma once

#include "daemon/access/keyring.h"

/**
 * Access control: one key for each role. The web site under test runs in a browser on the same machine and must
 * be able neither to watch nor to stop the recorder, so every request's Host and Origin are checked as well.
 */
struct access {
	struct keyring *keyring;
	char allowed_hosts[8][128]; /* allowed host names besides loopback, without port */
	unsigned allowed_host_count;
};

/** Arguments and result as for keyring_create(). */
int access_init(
	struct access *access, const char *library, const char *secret, struct error *reterr);

void access_finish(struct access *access);

/** Allow another host name (a tunnel, a proxy). @return 0, or -ENOSPC */
int access_allow_host(struct access *access, const char *host);

/**
 * True when a request's Host is a loopback address, "localhost", or an allowed name, with any port. Any other
 * name was pointed here by its owner: DNS rebinding.
 *
 * @param host  NULL when the request has none
 */
bool access_host_is_ours(const struct access *access, const char *host);

/**
 * True when the requesting page was loaded from this recorder: its Origin is "http://" and the request's Host,
 * or "https://" and that Host when it is an allowed name, served with TLS by a proxy. The scheme's default port
 * equals no port. A request without Origin comes from no page.
 *
 * @param origin, host  NULL when the request has none
 */
bool access_origin_is_ours(const struct access *access, const char *origin, const char *host);

#pragma once

#include "daemon/access/keyring.h"

/**
 * Who may do what: a key for each role. The web site under test runs in a browser on the same machine; it must be
 * able neither to watch nor to stop the recorder, so every request's Host and Origin are checked as well.
 */
struct access {
	struct keyring *keyring;
	char allowed_hosts[8][128]; /* host names beside those of loopback, without port */
	unsigned allowed_host_count;
};

/** As keyring_create(). */
int access_init(
	struct access *access, const char *library, const char *secret, struct error *reterr);

void access_finish(struct access *access);

/** Also answer to this host name (a tunnel, a proxy). @return 0, or -ENOSPC */
int access_allow_host(struct access *access, const char *host);

/**
 * A request is for us only when its Host is a loopback address, "localhost", or an allowed name
 * (otherwise a foreign name was made to point here: DNS rebinding), any port.
 *
 * @param host  NULL when the request has none
 */
bool access_host_is_ours(const struct access *access, const char *host);

/**
 * True when the page that sends a request was loaded from this recorder: its Origin is "http://" and
 * the request's Host, or "https://" and that Host when it is an allowed name, which a proxy serves by
 * TLS. The scheme's default port counts as no port. A request without Origin comes from no page.
 *
 * @param origin, host  NULL when the request has none
 */
bool access_origin_is_ours(const struct access *access, const char *origin, const char *host);

/** May a role send this message? */
bool access_allows(Uxrec__Role role, const Uxrec__ClientMessage *message);

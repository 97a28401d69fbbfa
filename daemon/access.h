#pragma once

#include "protocol/wire.pb-c.h"

#include <stdbool.h>

/**
 * Who may do what: one token of 128 random bits for each role, made at start. The web site under
 * test runs in a browser on the same machine; it must be able neither to watch nor to stop the
 * recorder, so every request's Host and Origin are checked as well.
 */
struct access {
	char moderator[33], observer[33], reviewer[33]; /* hex and a 0 byte */
	char allowed_hosts[8][128]; /* host names beside those of loopback, without port */
	unsigned allowed_host_count;
};

/** Make fresh tokens. @return 0 or a negative errno */
int access_init(struct access *access);

/** Also answer to this host name (a tunnel, a proxy). @return 0, or -ENOSPC */
int access_allow_host(struct access *access, const char *host);

/** @return the role of a token, ROLE_UNSPECIFIED when it is none of ours; takes constant time */
Uxrec__Role access_role(const struct access *access, const char *token);

/** @return the key of a role; lives as long as @p access. "" for ROLE_UNSPECIFIED */
const char *access_key(const struct access *access, Uxrec__Role role);

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

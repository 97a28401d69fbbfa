#pragma once

#include <stdbool.h>

#define HOSTS_LIMIT 8
#define HOST_BYTES  128

/**
 * Names under which the pages are served, besides loopback. The web site under test runs in a browser on the same
 * machine and must be able neither to watch nor to stop the recorder, so every request's Host and Origin are checked.
 */
struct hosts {
	char names[HOSTS_LIMIT][HOST_BYTES]; /* without port */
	unsigned count;
};

/** Allow another host name (a tunnel, a proxy). @return 0, or -ENOSPC */
int hosts_allow(struct hosts *hosts, const char *host);

/**
 * True when a request's Host is a loopback address, "localhost", or an allowed name, with any port. Any other
 * name was pointed here by its owner: DNS rebinding.
 *
 * @param host  NULL when the request has none
 */
bool hosts_include(const struct hosts *hosts, const char *host);

/**
 * True when the requesting page was loaded from this recorder: its Origin is "http://" and the request's Host,
 * or "https://" and that Host when it is an allowed name, served with TLS by a proxy. The scheme's default port
 * equals no port. A request without Origin comes from no page.
 *
 * @param origin, host  NULL when the request has none
 */
bool hosts_are_origin(const struct hosts *hosts, const char *origin, const char *host);

#include "daemon/access/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int hosts_allow(struct hosts *hosts, const char *host)
{
	if (hosts->count == HOSTS_LIMIT || !*host || strlen(host) >= HOST_BYTES)
		return -ENOSPC;
	snprintf(hosts->names[hosts->count++], HOST_BYTES, "%s", host);
	return 0;
}

/* length of the name in "name:port" or "[v6]:port"; 0 when malformed */
static size_t name_length(const char *host)
{
	const char *end = *host == '[' ? strchr(host, ']') : NULL;
	size_t length = end ? (size_t)(end - host) + 1 : strcspn(host, ":");
	const char *port = host + length;

	if (*host == '[' && !end)
		return 0;
	if (*port == ':' && port[1 + strspn(port + 1, "0123456789")] == '\0')
		return length;
	return *port == '\0' ? length : 0;
}

static bool is_name(const char *name, const char *host, size_t length)
{
	return strlen(name) == length && strncasecmp(name, host, length) == 0;
}

static bool is_loopback(const char *host, size_t length)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_name(names[i], host, length))
			return true;
	return false;
}

static bool is_allowed(const struct hosts *hosts, const char *host, size_t length)
{
	for (unsigned i = 0; i < hosts->count; i++)
		if (is_name(hosts->names[i], host, length))
			return true;
	return false;
}

bool hosts_include(const struct hosts *hosts, const char *host)
{
	size_t length = host ? name_length(host) : 0;

	return length > 0 && (is_loopback(host, length) || is_allowed(hosts, host, length));
}

/* length of a host without the default port of its scheme */
static size_t length_without(const char *host, const char *default_port)
{
	size_t length = strlen(host), extra = strlen(default_port);

	if (length > extra && strcmp(host + length - extra, default_port) == 0)
		length -= extra;
	return length;
}

static bool same_host(const char *a, const char *b, const char *default_port)
{
	size_t length = length_without(a, default_port);

	return length == length_without(b, default_port) && strncasecmp(a, b, length) == 0;
}

bool hosts_are_origin(const struct hosts *hosts, const char *origin, const char *host)
{
	if (!origin)
		return true;
	if (!host)
		return false;
	if (strncasecmp(origin, "http://", 7) == 0)
		return same_host(origin + 7, host, ":80");
	return strncasecmp(origin, "https://", 8) == 0 && same_host(origin + 8, host, ":443") &&
		is_allowed(hosts, host, name_length(host));
}

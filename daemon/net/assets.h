#pragma once

#include "protocol/base/cleanup.h"
#include "protocol/base/error.h"

#include <stddef.h>

/** The web page files, read once at start. Requests can reach no other file. */
struct assets;

struct asset {
	const char *type; /* Content-Type */
	const char *data;
	size_t size_bytes;
};

/** @param folder  containing index.html, app.js, app.css, icon.svg @return 0 or a negative errno */
int assets_create(struct assets **ret, const char *folder, struct error *reterr);
void assets_destroy(struct assets *assets);
DEFINE_DESTROY(assets);

/** @param path  of the request, beginning with "/" @return NULL when not found */
const struct asset *assets_find(const struct assets *assets, const char *path);

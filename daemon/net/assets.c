#include "daemon/net/assets.h"

#include "protocol/constants.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASSET_LIMIT_BYTES (8 * 1024 * 1024)

static const struct {
	const char *file, *type;
} files[] = {
	{"index.html", "text/html; charset=utf-8"},
	{"app.js", "text/javascript; charset=utf-8"},
	{"enter.js", "text/javascript; charset=utf-8"},
	{"app.css", "text/css; charset=utf-8"},
	{"icon.svg", "image/svg+xml"},
};

/* every page is the same document; its script dispatches on the path */
static const char *const pages[] = {"", PAGE_LIBRARY, PAGE_LIVE, PAGE_MODERATE, PAGE_REPLAY};

struct assets {
	struct asset files[ARRAY_SIZE(files)];
};

int assets_create(struct assets **ret, const char *folder, struct error *reterr)
{
	_destroy_(assets) struct assets *assets = calloc(1, sizeof(*assets));

	if (!assets)
		return error_set(reterr, -ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_autofree_ char *path = NULL;
		char *data;
		ssize_t size;

		if (asprintf(&path, "%s/%s", folder, files[i].file) < 0)
			return error_set(reterr, -ENOMEM, "out of memory");
		size = io_read_file(path, ASSET_LIMIT_BYTES, &data);
		if (size < 0)
			return error_set(reterr, (int)size,
				"the pages are missing: %s: %s; `make` builds them", path,
				strerror((int)-size));
		assets->files[i] = (struct asset){files[i].type, data, (size_t)size};
	}
	*ret = steal_ptr(assets);
	return 0;
}

void assets_destroy(struct assets *assets)
{
	if (!assets)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		free((char *)assets->files[i].data);
	free(assets);
}

const struct asset *assets_find(const struct assets *assets, const char *path)
{
	if (*path++ != '/')
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (strcmp(pages[i], path) == 0)
			return &assets->files[0];
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(files[i].file, path) == 0)
			return &assets->files[i];
	return NULL;
}

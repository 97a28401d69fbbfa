#include "protocol/os/identity.h"

#include "protocol/base/cleanup.h"
#include "protocol/os/folder.h"
#include "protocol/os/io.h"
#include "protocol/os/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDENTITY_NAME       "identity"
#define FRESH_NAME          ".identity.new"
#define IDENTITY_FILE_BYTES 4096

bool identity_id_is_valid(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

/* An id by its name in the file. */
struct entry {
	const char *name;
	char *id;
};

#define ENTRIES 4

static void list_entries(struct identity *identity, struct entry entries[ENTRIES])
{
	entries[0] = (struct entry){"station", identity->station};
	entries[1] = (struct entry){"user", identity->user};
	entries[2] = (struct entry){"recorder", identity->recorder};
	entries[3] = (struct entry){"secret", identity->secret};
}

static int make(struct identity *identity)
{
	struct entry entries[ENTRIES];
	int r = 0;

	list_entries(identity, entries);
	for (size_t i = 0; i < ENTRIES && r == 0; i++)
		r = io_random_hex(entries[i].id, 16);
	return r;
}

/* Lines "name id"; unknown names, of a later version, are skipped. */
static void parse(struct identity *identity, char *text)
{
	struct entry entries[ENTRIES];
	char *line, *rest = NULL;

	list_entries(identity, entries);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *space = strchr(line, ' ');

		if (!space || !identity_id_is_valid(space + 1))
			continue;
		*space = '\0';
		for (size_t i = 0; i < ENTRIES; i++)
			if (strcmp(entries[i].name, line) == 0)
				memcpy(entries[i].id, space + 1, IDENTITY_ID_BYTES);
	}
}

static bool is_whole(const struct identity *identity)
{
	return *identity->station && *identity->user && *identity->recorder && *identity->secret;
}

static int read_ids(const struct folder *folder, struct identity *identity, struct error *reterr)
{
	_autofree_ char *text = NULL;
	ssize_t size = folder_read_whole(folder, IDENTITY_NAME, IDENTITY_FILE_BYTES, &text, reterr);

	if (size < 0)
		return (int)size;
	parse(identity, text);
	if (is_whole(identity))
		return 0;
	return error_set(reterr, -EBADMSG,
		"%s/" IDENTITY_NAME
		" does not contain the ids of this station: restore a copy of it, "
		"or remove it to get new ids",
		folder_path(folder));
}

static int write_ids(const struct folder *folder, struct identity *identity)
{
	_autoclose_ int fd = -1;
	struct entry entries[ENTRIES];
	char text[ENTRIES * 64];
	size_t length = 0;
	int r = folder_remove(folder, FRESH_NAME); /* left by a process that was killed */

	if (r < 0 && r != -ENOENT)
		return r;
	list_entries(identity, entries);
	for (size_t i = 0; i < ENTRIES; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %s\n",
			entries[i].name, entries[i].id);
	fd = folder_create(folder, FRESH_NAME, NULL);
	if (fd < 0)
		return steal_fd(&fd);
	r = io_write_all(fd, text, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = folder_rename(folder, FRESH_NAME, IDENTITY_NAME);
	return r == 0 ? folder_sync(folder) : r;
}

static int make_ids(const struct folder *folder, struct identity *identity, struct error *reterr)
{
	_autoclose_ int lock = folder_lock(folder);
	struct error reason = {""};
	int r = lock < 0 ? lock : read_ids(folder, identity, &reason);

	if (r == 0)
		return 0; /* another process has just created them */
	if (r != -ENOENT)
		return error_set(reterr, r, "%s", *reason.text ? reason.text : strerror(-r));
	r = make(identity);
	if (r == 0)
		r = write_ids(folder, identity);
	return r < 0 ? error_set(reterr, r, "%s/" IDENTITY_NAME ": %s", folder_path(folder),
			       strerror(-r))
		     : 0;
}

static int load(struct identity *identity, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	_autofree_ char *path = paths_state();
	int r;

	if (!path)
		return error_set(
			reterr, -ENOENT, "there is no state folder: set HOME or XDG_STATE_HOME");
	r = io_make_directories(path, 0700);
	if (r < 0)
		return error_set(reterr, r, "%s: %s", path, strerror(-r));
	r = folder_open_linked(&folder, path, reterr);
	if (r == 0)
		r = read_ids(folder, identity, reterr);
	return r == -ENOENT && folder ? make_ids(folder, identity, reterr) : r;
}

int identity_load(struct identity *ret, struct error *reterr)
{
	struct identity identity = {.station = ""};
	int r = load(&identity, reterr);

	if (r < 0 && make(&identity) < 0)
		memset(&identity, 0, sizeof(identity));
	*ret = identity;
	return r;
}

#include "daemon/access/links_file.h"

#include "protocol/base/buf.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME        "links"
#define FRESH_NAME       ".links.new"
#define FILE_LIMIT_BYTES (64 * 1024)
#define FIRST_LINE       "uxrec links 1"
#define LINE_BYTES       256

static const char *const role_names[] = {
	[UXREC__ROLE__ROLE_OBSERVER] = "observer",
	[UXREC__ROLE__ROLE_REVIEWER] = "reviewer",
	[UXREC__ROLE__ROLE_MODERATOR] = "moderator",
};

const char *links_role_name(Uxrec__Role role)
{
	return (size_t)role < ARRAY_SIZE(role_names) ? role_names[role] : NULL;
}

struct page_link *links_find(const struct links *links, const char *id)
{
	for (size_t i = 0; i < links->count; i++)
		if (strcmp(links->link[i].id, id) == 0)
			return (struct page_link *)&links->link[i];
	return NULL;
}

/* Eviction order: revoked links before valid ones, then old ones before new ones. */
static bool goes_before(const struct page_link *a, const struct page_link *b)
{
	int64_t a_ns = a->used_ns > a->made_ns ? a->used_ns : a->made_ns;
	int64_t b_ns = b->used_ns > b->made_ns ? b->used_ns : b->made_ns;

	if ((a->revoked_ns != 0) != (b->revoked_ns != 0))
		return a->revoked_ns != 0;
	return a->revoked_ns ? a->revoked_ns < b->revoked_ns : a_ns < b_ns;
}

struct page_link *links_add(struct links *links, const char *id, Uxrec__Role role)
{
	struct page_link *link = &links->link[0];

	if (links->count < LINKS_LIMIT) {
		link = &links->link[links->count++];
	} else {
		for (size_t i = 1; i < links->count; i++)
			if (goes_before(&links->link[i], link))
				link = &links->link[i];
	}
	*link = (struct page_link){.role = role};
	snprintf(link->id, sizeof(link->id), "%s", id);
	return link;
}

unsigned links_merge(struct links *links, const struct links *other)
{
	unsigned revoked = 0;

	for (size_t i = 0; i < other->count; i++) {
		const struct page_link *from = &other->link[i];
		struct page_link *link = links_find(links, from->id);

		if (!link) {
			/* a full list takes no revoked links: they would evict valid ones */
			if (links->count < LINKS_LIMIT || !from->revoked_ns)
				*links_add(links, from->id, from->role) = *from;
			continue;
		}
		if (from->used_ns > link->used_ns)
			link->used_ns = from->used_ns;
		if (from->revoked_ns && !link->revoked_ns) {
			link->revoked_ns = from->revoked_ns;
			revoked++;
		}
	}
	return revoked;
}

/* ---- parsing and formatting ---- */

static int parse_digest(unsigned char digest[LINK_DIGEST_BYTES], const char *text)
{
	if (strlen(text) != 2 * LINK_DIGEST_BYTES ||
		strspn(text, "0123456789abcdef") != 2 * LINK_DIGEST_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < LINK_DIGEST_BYTES; i++) {
		unsigned value;

		sscanf(text + 2 * i, "%2x", &value);
		digest[i] = (unsigned char)value;
	}
	return 0;
}

static Uxrec__Role parse_role(const char *text)
{
	for (size_t i = 1; i < ARRAY_SIZE(role_names); i++)
		if (strcmp(role_names[i], text) == 0)
			return (Uxrec__Role)i;
	return UXREC__ROLE__ROLE_UNSPECIFIED;
}

/* "ID ROLE DIGEST MADE USED REVOKED" */
static int parse_line(struct links *links, const char *line)
{
	char id[LINK_ID_BYTES], role[16], digest[2 * LINK_DIGEST_BYTES + 1];
	int64_t made_ns, used_ns, revoked_ns;
	struct page_link *link;
	int end = -1;

	if (strlen(line) >= LINE_BYTES || links->count == LINKS_LIMIT ||
		sscanf(line, "%32s %15s %64s %19" SCNd64 " %19" SCNd64 " %19" SCNd64 "%n", id, role,
			digest, &made_ns, &used_ns, &revoked_ns, &end) != 6 ||
		end < 0 || line[end] != '\0' || !identity_id_is_valid(id) ||
		parse_role(role) == UXREC__ROLE__ROLE_UNSPECIFIED || made_ns < 0 || used_ns < 0 ||
		revoked_ns < 0 || links_find(links, id))
		return -EBADMSG;
	link = links_add(links, id, parse_role(role));
	link->made_ns = made_ns;
	link->used_ns = used_ns;
	link->revoked_ns = revoked_ns;
	return parse_digest(link->digest, digest);
}

static int parse(
	struct links *links, char *text, size_t size, const char *path, struct error *reterr)
{
	unsigned number = 0;
	bool good = true;

	links->count = 0;
	for (char *line = text, *end; line < text + size && good; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + size - line));
		number++;
		if (!end)
			end = text + size;
		*end = '\0';
		/* an embedded 0 byte would end the line early */
		good = line + strlen(line) == end &&
			(number == 1 ? strcmp(line, FIRST_LINE) == 0
				     : parse_line(links, line) == 0);
	}
	if (!good)
		return error_set(reterr, -EBADMSG,
			"%s/" FILE_NAME ": line %u is not a line of a list of links", path, number);
	return size > 0 ? 0 : error_set(reterr, -EBADMSG, "%s/" FILE_NAME ": it is empty", path);
}

static void put_text(struct buf *text, const struct links *links)
{
	char line[LINE_BYTES], digest[2 * LINK_DIGEST_BYTES + 1];

	buf_put(text, FIRST_LINE "\n", strlen(FIRST_LINE "\n"));
	for (size_t i = 0; i < links->count; i++) {
		const struct page_link *link = &links->link[i];

		if (link->of_this_run)
			continue;
		for (size_t byte = 0; byte < LINK_DIGEST_BYTES; byte++)
			snprintf(digest + 2 * byte, 3, "%02x", link->digest[byte]);
		snprintf(line, sizeof(line), "%s %s %s %" PRId64 " %" PRId64 " %" PRId64 "\n",
			link->id, links_role_name(link->role), digest, link->made_ns, link->used_ns,
			link->revoked_ns);
		buf_put(text, line, strlen(line));
	}
}

/* ---- the file ---- */

/* Write access to the file is access to the recorder. */
static int check_owner(int fd, const char *path, uint64_t *ret_stamp, struct error *reterr)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(reterr, -errno, "%s/" FILE_NAME ": %s", path, strerror(errno));
	if (status.st_uid != geteuid())
		return error_set(reterr, -EPERM, "%s/" FILE_NAME ": it belongs to user %u", path,
			status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(reterr, -EPERM,
			"%s/" FILE_NAME ": other users can write it (mode %03o)", path,
			status.st_mode & 0777);
	*ret_stamp = (uint64_t)status.st_ino * 31 + (uint64_t)status.st_mtim.tv_sec * 7 +
		(uint64_t)status.st_mtim.tv_nsec + (uint64_t)status.st_size;
	return 0;
}

/* @return a file descriptor, or a negative errno with the reason */
static int open_list(const struct folder *library, uint64_t *ret_stamp, struct error *reterr)
{
	_autoclose_ int fd = folder_read(library, FILE_NAME, reterr);
	int r = fd < 0 ? fd : check_owner(fd, folder_path(library), ret_stamp, reterr);

	return r < 0 ? r : steal_fd(&fd);
}

int links_stamp(const struct folder *library, uint64_t *ret)
{
	_autoclose_ int fd = open_list(library, ret, NULL);

	return fd < 0 ? fd : 0;
}

int links_read(
	const struct folder *library, struct links *ret, uint64_t *ret_stamp, struct error *reterr)
{
	_autofree_ char *text = NULL;
	_autoclose_ int fd = open_list(library, ret_stamp, reterr);
	ssize_t size;

	if (fd < 0)
		return fd;
	size = io_read_whole(fd, FILE_LIMIT_BYTES, &text);
	if (size < 0)
		return error_set(reterr, (int)size, "%s/" FILE_NAME ": %s", folder_path(library),
			strerror((int)-size));
	return parse(ret, text, (size_t)size, folder_path(library), reterr);
}

static int write_text(const struct folder *library, const struct buf *text, uint64_t *ret_stamp,
	struct error *reterr)
{
	_autoclose_ int fd = -1;
	int r = folder_remove(library, FRESH_NAME); /* left by a killed process */

	if (r < 0 && r != -ENOENT)
		return r;
	fd = folder_create(library, FRESH_NAME, NULL);
	if (fd < 0)
		return fd;
	r = io_write_all(fd, text->data, text->size_bytes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = folder_rename(library, FRESH_NAME, FILE_NAME);
	if (r == 0)
		r = folder_sync(library);
	return r < 0 ? r : check_owner(fd, folder_path(library), ret_stamp, reterr);
}

int links_update(const struct folder *library, struct links *links, uint64_t *ret_stamp,
	struct error *reterr)
{
	_autofree_ struct links *file = calloc(1, sizeof(*file));
	_cleanup_(buf_finish) struct buf before = {0}, after = {0};
	_autoclose_ int lock = file ? folder_lock(library) : -ENOMEM;
	int r = lock;

	if (lock >= 0)
		r = links_read(library, file, ret_stamp, reterr);
	if (r < 0 && r != -ENOENT)
		return lock < 0 ? error_set(reterr, r, "%s: %s", folder_path(library), strerror(-r))
				: r;
	if (r == 0)
		put_text(&before, file);
	links_merge(file, links);
	put_text(&after, file);
	*links = *file;
	r = buf_error(&before) < 0 || buf_error(&after) < 0 ? -ENOMEM : 0;
	/* leave an unchanged file alone: two recorders would otherwise rewrite it for each other endlessly */
	if (r == 0 &&
		(before.size_bytes != after.size_bytes ||
			memcmp(before.data, after.data, after.size_bytes) != 0))
		r = write_text(library, &after, ret_stamp, reterr);
	return r == 0 ? 0
		      : error_set(reterr, r, "%s/" FILE_NAME " cannot be written: %s",
				folder_path(library), strerror(-r));
}

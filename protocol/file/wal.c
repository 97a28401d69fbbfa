#include "protocol/file/wal.h"

#include "protocol/base/array.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"
#include "protocol/os/paths.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAL_MAGIC        "uxrecwal"
#define WAL_VERSION      1
#define WAL_HEAD_BYTES   24 /* magic, uint32 version, uint64 generation, uint32 crc of these */
#define FRAME_HEAD_BYTES 16 /* uint32 size, uint32 crc, uint64 group offset */

/* A file that grew beyond this on a slow disk is truncated at its next turn. */
#define WAL_KEEP_BYTES (8 * 1024 * 1024)

static const char *const wal_suffixes[2] = {".wal-a", ".wal-b"};

struct wal_file {
	char *name;
	int fd;
	uint64_t generation;
	uint64_t end;          /* offset of the next frame */
	uint64_t recorded_end; /* its frames are in the recording below this offset */
	_Atomic bool dirty;
};

struct wal {
	struct folder *folder;
	struct wal_file files[2];
	unsigned active;
};

/* The generation is part of every frame's CRC: stale frames of an earlier turn never match. */
static uint32_t frame_crc(
	uint64_t generation, uint64_t group_offset, const unsigned char *record, size_t size_bytes)
{
	unsigned char seed[20];

	le_store(seed, generation, 8);
	le_store(seed + 8, group_offset, 8);
	le_store(seed + 16, size_bytes, 4);
	return mcap_crc(mcap_crc(0, seed, sizeof(seed)), record, size_bytes);
}

/* ---- writing ---- */

static int begin_generation(struct wal_file *file, uint64_t generation)
{
	unsigned char head[WAL_HEAD_BYTES];
	int r;

	memcpy(head, WAL_MAGIC, 8);
	le_store(head + 8, WAL_VERSION, 4);
	le_store(head + 12, generation, 8);
	le_store(head + 20, mcap_crc(0, head, 20), 4);
	if (file->end > WAL_KEEP_BYTES && ftruncate(file->fd, WAL_HEAD_BYTES) < 0)
		return -errno;
	r = io_pwrite_all(file->fd, head, sizeof(head), 0);
	if (r < 0)
		return r;
	file->generation = generation;
	file->end = WAL_HEAD_BYTES;
	file->recorded_end = 0;
	file->dirty = true;
	return 0;
}

static int create_file(
	struct wal_file *file, const struct folder *folder, const char *name, const char *suffix)
{
	int r;

	if (asprintf(&file->name, "%s%s", name, suffix) < 0) {
		file->name = NULL;
		return -ENOMEM;
	}
	/* a leftover belongs to a recording that no longer exists */
	r = folder_remove(folder, file->name);
	if (r < 0 && r != -ENOENT)
		return r;
	r = folder_create(folder, file->name, NULL);
	file->fd = r < 0 ? -1 : r;
	return r < 0 ? r : 0;
}

int wal_create(struct wal **ret, struct folder *folder, const char *name)
{
	_destroy_(wal) struct wal *wal = calloc(1, sizeof(*wal));
	int r = 0;

	if (!wal)
		return -ENOMEM;
	wal->folder = folder_ref(folder);
	wal->files[0].fd = wal->files[1].fd = -1;
	for (unsigned i = 0; i < 2 && r == 0; i++) {
		r = create_file(&wal->files[i], folder, name, wal_suffixes[i]);
		if (r == 0)
			r = begin_generation(&wal->files[i], i + 1);
	}
	if (r < 0) {
		wal_remove(wal);
		return r;
	}
	*ret = steal_ptr(wal);
	return 0;
}

int wal_append(
	struct wal *wal, uint64_t group_offset, const unsigned char *record, size_t size_bytes)
{
	struct wal_file *file = &wal->files[wal->active];
	unsigned char head[FRAME_HEAD_BYTES];
	struct iovec parts[] = {{head, sizeof(head)}, {(void *)record, size_bytes}};
	int r;

	if (size_bytes > READER_CHUNK_LIMIT_BYTES)
		return -EMSGSIZE;
	le_store(head, size_bytes, 4);
	le_store(head + 4, frame_crc(file->generation, group_offset, record, size_bytes), 4);
	le_store(head + 8, group_offset, 8);
	r = io_pwritev_all(file->fd, parts, 2, (off_t)file->end);
	if (r < 0)
		return r;
	file->end += sizeof(head) + size_bytes;
	file->dirty = true;
	return 0;
}

void wal_rotate(struct wal *wal, uint64_t end, uint64_t synced)
{
	struct wal_file *other = &wal->files[!wal->active];

	wal->files[wal->active].recorded_end = end;
	/* the other may be overwritten once its data is on the disk in the recording */
	if (other->recorded_end > synced)
		return;
	if (begin_generation(other, wal->files[wal->active].generation + 1) == 0)
		wal->active = !wal->active;
}

int wal_sync(struct wal *wal)
{
	for (unsigned i = 0; i < 2; i++)
		if (atomic_exchange(&wal->files[i].dirty, false) && fdatasync(wal->files[i].fd) < 0)
			return -errno;
	return 0;
}

void wal_remove(struct wal *wal)
{
	for (unsigned i = 0; i < 2; i++)
		if (wal->files[i].name && wal->files[i].fd >= 0)
			folder_remove(wal->folder, wal->files[i].name);
}

void wal_remove_of(const struct folder *folder, const char *name)
{
	for (unsigned i = 0; i < 2; i++) {
		_autofree_ char *log = NULL;

		if (asprintf(&log, "%s%s", name, wal_suffixes[i]) < 0)
			log = NULL;
		else
			folder_remove(folder, log);
	}
}

void wal_destroy(struct wal *wal)
{
	if (!wal)
		return;
	for (unsigned i = 0; i < 2; i++) {
		if (wal->files[i].fd >= 0)
			close(wal->files[i].fd);
		free(wal->files[i].name);
	}
	folder_unref(wal->folder);
	free(wal);
}

/* ---- reading ---- */

struct scan {
	struct wal_group *groups;
	size_t count;
};

/* @param ret  0 when the file has no valid header */
static int read_generation(int fd, uint64_t *ret)
{
	unsigned char head[WAL_HEAD_BYTES];
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);

	*ret = 0;
	if (n < 0)
		return (int)n;
	if (n == sizeof(head) && memcmp(head, WAL_MAGIC, 8) == 0 &&
		le_load(head + 8, 4) == WAL_VERSION &&
		le_load(head + 20, 4) == mcap_crc(0, head, 20))
		*ret = le_load(head + 12, 8);
	return 0;
}

/*
 * Read the frame at @p offset.
 *
 * @return the record's size, 0 when there is none of this generation, or a negative errno
 */
static ssize_t read_frame(int fd, uint64_t generation, uint64_t offset, struct buf *record,
	uint64_t *ret_group_offset)
{
	unsigned char head[FRAME_HEAD_BYTES];
	struct stat status;
	size_t size;
	ssize_t n = io_pread_full(fd, head, sizeof(head), (off_t)offset);

	if (n != sizeof(head))
		return n < 0 ? n : 0;
	size = (size_t)le_load(head, 4);
	buf_clear(record);
	if (size == 0 || size > READER_CHUNK_LIMIT_BYTES)
		return 0;
	/* a length is limited by the size of the file */
	if (fstat(fd, &status) < 0)
		return -errno;
	if (offset + sizeof(head) + size > (uint64_t)status.st_size)
		return 0;
	if (!buf_reserve(record, size))
		return -ENOMEM;
	n = io_pread_full(fd, record->data, size, (off_t)(offset + sizeof(head)));
	if (n != (ssize_t)size)
		return n < 0 ? n : 0;
	*ret_group_offset = le_load(head + 8, 8);
	if (frame_crc(generation, *ret_group_offset, record->data, size) != le_load(head + 4, 4))
		return 0;
	record->size_bytes = size;
	return (ssize_t)size;
}

static struct wal_group *group_for(struct scan *scan, uint64_t group_offset, unsigned file,
	uint64_t generation, uint64_t offset)
{
	struct wal_group *last = scan->count ? &scan->groups[scan->count - 1] : NULL;

	if (last && last->group_offset == group_offset && last->file == file)
		return last;
	if (scan->count >= READER_CHUNKS_LIMIT || !array_grow(scan->groups, scan->count))
		return NULL;
	scan->groups[scan->count] = (struct wal_group){
		.group_offset = group_offset,
		.file = file,
		.generation = generation,
		.begin = offset,
	};
	return &scan->groups[scan->count++];
}

static int scan_file(struct scan *scan, int fd, unsigned file)
{
	_cleanup_(buf_finish) struct buf record = {0};
	uint64_t generation, present, offset = WAL_HEAD_BYTES, group_offset;
	size_t before = scan->count;
	int r = read_generation(fd, &generation);
	ssize_t size;

	if (r < 0 || generation == 0)
		return r;
	while ((size = read_frame(fd, generation, offset, &record, &group_offset)) > 0) {
		struct wal_group *group = group_for(scan, group_offset, file, generation, offset);

		if (!group)
			return -ENOMEM;
		offset += FRAME_HEAD_BYTES + (uint64_t)size;
		group->end = offset;
	}
	r = size < 0 ? (int)size : read_generation(fd, &present);
	/* recycled by its writer meanwhile: its old content is in the recording */
	if (r == 0 && present != generation)
		scan->count = before;
	return r;
}

static int group_compare(const void *a, const void *b)
{
	const struct wal_group *x = a, *y = b;

	if (x->group_offset != y->group_offset)
		return x->group_offset < y->group_offset ? -1 : 1;
	return x->generation < y->generation ? -1 : x->generation > y->generation;
}

ssize_t wal_scan(const struct folder *folder, const char *name, int fds[2],
	struct wal_group **ret_groups, int *ret_damage, struct error *ret_error)
{
	struct scan scan = {0};
	int r = 0;

	*ret_damage = 0;
	fds[0] = fds[1] = -1;
	for (unsigned i = 0; i < 2 && r == 0; i++) {
		_autofree_ char *log = NULL;

		if (asprintf(&log, "%s%s", name, wal_suffixes[i]) < 0) {
			log = NULL;
			r = -ENOMEM;
			break;
		}
		r = folder_read(folder, log, ret_error);
		fds[i] = r < 0 ? -1 : r;
		if (r >= 0)
			r = scan_file(&scan, fds[i], i);
		else if (r == -ENOENT)
			r = 0;
		/* data found before a bad sector is valid, and so is the recording beside a link */
		if (r == -EIO || r == -ELOOP || r == -EBADMSG) {
			*ret_damage = r == -EIO ? -EIO : -EBADMSG;
			r = 0;
		}
	}
	if (r < 0) {
		free(scan.groups);
		for (unsigned i = 0; i < 2; i++)
			if (fds[i] >= 0)
				close(steal_fd(&fds[i]));
		return r;
	}
	if (scan.count > 1)
		qsort(scan.groups, scan.count, sizeof(*scan.groups), group_compare);
	*ret_groups = scan.groups;
	return (ssize_t)scan.count;
}

int wal_read(const struct wal_group *group, int fd, struct buf *ret)
{
	_cleanup_(buf_finish) struct buf record = {0};
	uint64_t offset = group->begin, group_offset;
	ssize_t size;

	/* a group is about the size of a chunk; its frames add a little */
	if (group->end - group->begin > 2 * READER_CHUNK_LIMIT_BYTES)
		return -EBADMSG;
	if (!buf_reserve(ret, (size_t)(group->end - group->begin)))
		return -ENOMEM;
	while (offset < group->end) {
		size = read_frame(fd, group->generation, offset, &record, &group_offset);
		if (size <= 0)
			return size < 0 ? (int)size : -EBADMSG;
		if (group_offset == group->group_offset)
			buf_put(ret, record.data, (size_t)size);
		offset += FRAME_HEAD_BYTES + (uint64_t)size;
	}
	return buf_error(ret);
}

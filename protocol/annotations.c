#include "protocol/annotations.h"

#include "protocol/base/clock.h"
#include "protocol/base/identity.h"
#include "protocol/base/io.h"
#include "protocol/base/log.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define ACTS_CHANNEL 1

/* Every set-aside of the same torn end that was interrupted leaves one. */
#define TORN_NAMES_LIMIT 100

struct annotations {
	struct folder *folder;
	char *name;
	int fd;          /* -1: there is no file yet */
	bool can_write;  /* the descriptor can, from the first act on */
	bool writable;   /* acts may be appended */
	uint64_t offset; /* what has been read: the end of the last whole record */
	uint64_t counter;
	Uxrec__Act **newest; /* of each thing, sorted by id; removed things stay as tombstones */
	size_t newest_count;
	const Uxrec__Act **state; /* the fold: not removed, by counter, author, id */
	size_t state_count;
	unsigned damaged;
	char session[33]; /* uuid, "": not known */
};

/* ---- the fold ---- */

static int act_order(const Uxrec__Act *a, const Uxrec__Act *b)
{
	int order;

	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	order = strcmp(a->author, b->author);
	return order ? order : strcmp(a->id, b->id);
}

static int state_compare(const void *a, const void *b)
{
	return act_order(*(const Uxrec__Act *const *)a, *(const Uxrec__Act *const *)b);
}

static size_t newest_position(const struct annotations *log, const char *id)
{
	size_t low = 0, high = log->newest_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(log->newest[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* room for one more in both lists: then neither the fold nor the state can fail */
static int reserve_act(struct annotations *log)
{
	Uxrec__Act **newest = realloc(log->newest, (log->newest_count + 1) * sizeof(*log->newest));
	const Uxrec__Act **state;

	if (!newest)
		return -ENOMEM;
	log->newest = newest;
	state = realloc(log->state, (log->newest_count + 1) * sizeof(*log->state));
	if (!state)
		return -ENOMEM;
	log->state = state;
	return 0;
}

/* take over an act */
static int fold_act(struct annotations *log, Uxrec__Act *act)
{
	size_t at = newest_position(log, act->id);

	if (!*log->session && identity_id_is_valid(act->session_uuid))
		strcpy(log->session, act->session_uuid);
	if (act->counter > log->counter)
		log->counter = act->counter;
	if (at < log->newest_count && strcmp(log->newest[at]->id, act->id) == 0) {
		bool newer = act_order(log->newest[at], act) <= 0;

		uxrec__act__free_unpacked(newer ? log->newest[at] : act, NULL);
		if (newer)
			log->newest[at] = act;
		return 0;
	}
	if (reserve_act(log) < 0) {
		uxrec__act__free_unpacked(act, NULL);
		return -ENOMEM;
	}
	memmove(log->newest + at + 1, log->newest + at,
		(log->newest_count - at) * sizeof(*log->newest));
	log->newest[at] = act;
	log->newest_count++;
	return 0;
}

static void rebuild_state(struct annotations *log)
{
	log->state_count = 0;
	for (size_t i = 0; i < log->newest_count; i++)
		if (log->newest[i]->kind != UXREC__ACT__KIND__KIND_REMOVE)
			log->state[log->state_count++] = log->newest[i];
	if (log->state_count > 1)
		qsort(log->state, log->state_count, sizeof(*log->state), state_compare);
}

/* ---- reading ---- */

static int take_act_chunk(struct annotations *log, struct view content)
{
	struct mcap_chunk chunk;
	struct mcap_record record;
	struct mcap_message message;
	Uxrec__Act *act;

	if (mcap_parse_chunk(content, &chunk) < 0 || chunk.compression.size_bytes > 0 ||
		(chunk.uncompressed_crc &&
			chunk.uncompressed_crc !=
				mcap_crc(0, chunk.records.data, chunk.records.size_bytes)) ||
		mcap_next_record(&chunk.records, &record) <= 0 || record.opcode != MCAP_MESSAGE ||
		mcap_parse_message(record.content, &message) < 0) {
		log->damaged++;
		return 0;
	}
	act = uxrec__act__unpack(NULL, message.data.size_bytes, message.data.data);
	if (act && act_check(act, NULL) < 0) {
		uxrec__act__free_unpacked(act, NULL);
		act = NULL;
	}
	if (!act) {
		log->damaged++;
		return 0;
	}
	return fold_act(log, act);
}

/* Parse the records of a piece of the file. @param ret_left  set to the bytes of a record that is not whole */
static int take_records(struct annotations *log, struct view rest, size_t *ret_left)
{
	struct mcap_record record;
	int r = 0;

	while (r == 0) {
		*ret_left = rest.size_bytes;
		/* zeros are what a power cut may leave of a record */
		if (mcap_next_record(&rest, &record) <= 0 || record.opcode == 0)
			break;
		if (record.opcode == MCAP_CHUNK)
			r = take_act_chunk(log, record.content);
	}
	return r;
}

/* Set log->offset behind the magic; a file that is shorter, or zeros, is one whose maker was interrupted. */
static int check_magic(struct annotations *log)
{
	static const unsigned char zeros[MCAP_MAGIC_BYTES];
	unsigned char magic[MCAP_MAGIC_BYTES];
	ssize_t n = io_pread_full(log->fd, magic, sizeof(magic), 0);

	if (n < 0)
		return (int)n;
	if (n == MCAP_MAGIC_BYTES && memcmp(magic, MCAP_MAGIC, sizeof(magic)) == 0)
		log->offset = MCAP_MAGIC_BYTES;
	else if (memcmp(magic, zeros, (size_t)n) != 0 &&
		(n == MCAP_MAGIC_BYTES || memcmp(magic, MCAP_MAGIC, (size_t)n) != 0))
		return -EBADMSG;
	return 0;
}

/* Read what lies behind log->offset. @param ret_end  set to the file's size */
static int read_new(struct annotations *log, uint64_t *ret_end)
{
	_autofree_ unsigned char *data = NULL;
	struct stat status;
	size_t left = 0;
	ssize_t n;
	int r = log->fd >= 0 && log->offset == 0 ? check_magic(log) : 0;

	*ret_end = 0;
	if (r < 0 || log->fd < 0)
		return r;
	if (fstat(log->fd, &status) < 0)
		return -errno;
	*ret_end = (uint64_t)status.st_size;
	if (*ret_end <= log->offset || log->offset == 0)
		return 0;
	if (*ret_end - log->offset > ANNOTATIONS_LIMIT_BYTES)
		return -EFBIG;
	data = malloc(*ret_end - log->offset);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(log->fd, data, *ret_end - log->offset, (off_t)log->offset);
	if (n < 0)
		return (int)n;
	r = take_records(log, (struct view){data, (size_t)n, 0}, &left);
	log->offset += (uint64_t)n - left;
	rebuild_state(log);
	return r;
}

/* ---- opening ---- */

static int write_head(struct annotations *log)
{
	_cleanup_(buf_finish) struct buf head = {0};
	int r;

	buf_put(&head, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&head, "uxrec.annotations.v1", "uxrec " UXREC_VERSION);
	schema_put_channel(&head, ACTS_CHANNEL, channel_kind_get(CHANNEL_ACTS));
	r = buf_error(&head);
	if (r == 0)
		r = io_pwrite_all(log->fd, head.data, head.size_bytes, 0);
	if (r == 0 && fsync(log->fd) < 0)
		r = -errno;
	if (r < 0 && ftruncate(log->fd, 0) < 0)
		return r; /* the next who opens it sees that it is torn */
	return r;
}

/* "annotations.mcap.torn-N"; what has that name already was made by another set-aside, or by somebody */
static int create_torn(const struct annotations *log, char **ret_name)
{
	for (unsigned i = 1; i <= TORN_NAMES_LIMIT; i++) {
		_autofree_ char *name = NULL;
		char again[16] = "";
		int fd;

		if (i > 1)
			snprintf(again, sizeof(again), ".%u", i);
		if (asprintf(&name, "%s.torn-%llu%s", log->name, (unsigned long long)log->offset,
			    again) < 0) {
			name = NULL;
			return -ENOMEM;
		}
		fd = folder_create(log->folder, name, NULL);
		if (fd == -EEXIST)
			continue;
		if (fd >= 0)
			*ret_name = steal_ptr(name);
		return fd;
	}
	return -EEXIST;
}

/* What a killed writer left half-written goes beside the file, so that nothing is thrown away. */
static int set_torn_end_aside(struct annotations *log, uint64_t end)
{
	_autofree_ unsigned char *torn = NULL;
	_autofree_ char *name = NULL;
	_autoclose_ int fd = -1;
	size_t size = (size_t)(end - log->offset);
	ssize_t n;
	int r;

	torn = malloc(size);
	if (!torn)
		return -ENOMEM;
	n = io_pread_full(log->fd, torn, size, (off_t)log->offset);
	if (n < 0)
		return (int)n;
	fd = create_torn(log, &name);
	if (fd < 0)
		return steal_fd(&fd);
	r = io_write_all(fd, torn, (size_t)n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = folder_sync(log->folder);
	if (r < 0) {
		folder_remove(log->folder, name);
		return r;
	}
	return ftruncate(log->fd, (off_t)log->offset) < 0 ? -errno : 0;
}

/* @return a file that is there, or 0 when there is none and that is no failure */
static int open_for_reading(struct annotations *log, struct error *reterr)
{
	struct error error = {""};
	int fd = folder_read(log->folder, log->name, &error);

	if (fd == -ENOENT && log->writable)
		return 0;
	if (fd < 0)
		return error_set(reterr, fd, "%s", error.text);
	log->fd = fd;
	return 0;
}

static int fail(const struct annotations *log, int r, struct error *reterr)
{
	return error_set(reterr, r, "%s/%s: %s", folder_path(log->folder), log->name,
		r == -EBADMSG          ? "not an annotation log"
			: r == -EBUSY  ? "another program holds its lock"
			: r == -ENOSPC ? "the disk is full"
			: r == -EFBIG  ? "it would be larger than 256 MiB, or the act than 64 KiB"
				       : strerror(-r));
}

int annotations_refresh(struct annotations *log)
{
	uint64_t end;
	int r = log->fd < 0 ? open_for_reading(log, NULL) : 0;

	return r < 0 ? r : read_new(log, &end);
}

int annotations_open_named(struct annotations **ret, struct folder *folder, const char *name,
	bool writable, struct error *reterr)
{
	_destroy_(annotations) struct annotations *log = calloc(1, sizeof(*log));
	uint64_t end;
	int r;

	if (!log)
		return error_set(reterr, -ENOMEM, "no memory");
	log->fd = -1;
	log->writable = writable;
	log->folder = folder_ref(folder);
	log->name = strdup(name);
	if (!log->name)
		return error_set(reterr, -ENOMEM, "no memory");
	r = open_for_reading(log, reterr);
	if (r < 0)
		return r;
	r = read_new(log, &end);
	if (r < 0)
		return fail(log, r, reterr);
	*ret = steal_ptr(log);
	return 0;
}

int annotations_open_below(
	struct annotations **ret, struct folder *folder, bool writable, struct error *reterr)
{
	return annotations_open_named(ret, folder, SESSION_ANNOTATIONS_NAME, writable, reterr);
}

int annotations_open(
	struct annotations **ret, const char *path, bool writable, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, reterr);

	return r < 0 ? r : annotations_open_named(ret, folder, name, writable, reterr);
}

void annotations_destroy(struct annotations *log)
{
	if (!log)
		return;
	for (size_t i = 0; i < log->newest_count; i++)
		uxrec__act__free_unpacked(log->newest[i], NULL);
	free(log->newest);
	free(log->state);
	free(log->name);
	folder_unref(log->folder);
	if (log->fd >= 0)
		close(log->fd);
	free(log);
}

/* ---- appending ---- */

static void put_act_chunk(struct buf *out, const struct buf *message, uint64_t time)
{
	size_t begin = mcap_begin(out, MCAP_CHUNK);

	buf_put_u64(out, time);
	buf_put_u64(out, time);
	buf_put_u64(out, message->size_bytes);
	buf_put_u32(out, mcap_crc(0, message->data, message->size_bytes));
	buf_put_string(out, "");
	buf_put_u64(out, message->size_bytes);
	buf_put(out, message->data, message->size_bytes);
	mcap_end(out, begin);
}

static int put_act(struct buf *out, const Uxrec__Act *act)
{
	_cleanup_(buf_finish) struct buf message = {0};
	size_t size = uxrec__act__get_packed_size(act), begin;
	unsigned char *at;

	if (size > ACT_LIMIT_BYTES)
		return -EFBIG;
	begin = mcap_begin(&message, MCAP_MESSAGE);
	at = buf_reserve(&message, MCAP_MESSAGE_HEADER_BYTES + size);
	if (!at)
		return -ENOMEM;
	mcap_store_message_header(at,
		&(struct mcap_message){
			.channel_id = ACTS_CHANNEL,
			.sequence = (uint32_t)act->counter,
			.log_time = (uint64_t)act->wall_ns,
			.publish_time = (uint64_t)act->wall_ns,
		});
	uxrec__act__pack(act, at + MCAP_MESSAGE_HEADER_BYTES);
	message.size_bytes += MCAP_MESSAGE_HEADER_BYTES + size;
	mcap_end(&message, begin);
	put_act_chunk(out, &message, (uint64_t)act->wall_ns);
	return buf_error(out);
}

/* Write at the end and take it in, or leave the file as it was: what failed must not come back. */
static int write_acts(struct annotations *log, const struct buf *acts)
{
	uint64_t before = log->offset, end;
	int r = buf_error(acts);

	/* a larger log would not be read again */
	if (r == 0 && before + acts->size_bytes > ANNOTATIONS_LIMIT_BYTES)
		return -EFBIG;
	if (r == 0)
		r = io_pwrite_all(log->fd, acts->data, acts->size_bytes, (off_t)before);
	if (r == 0 && fsync(log->fd) < 0)
		r = -errno;
	if (r == 0)
		r = read_new(log, &end);
	if (r == 0 && log->offset != before + acts->size_bytes)
		r = -EIO;
	if (r < 0 && ftruncate(log->fd, (off_t)before) == 0)
		log->offset = before;
	return r;
}

/* The file for writing: the one that was read, or a new one where there is none. */
static int open_for_writing(struct annotations *log, struct error *reterr)
{
	_autoclose_ int fd = folder_write(log->folder, log->name, reterr);
	struct stat before, now;

	if (fd == -ENOENT) {
		fd = folder_create(log->folder, log->name, reterr);
		if (fd == -EEXIST) /* another has just made it */
			fd = folder_write(log->folder, log->name, reterr);
	}
	if (fd < 0)
		return steal_fd(&fd);
	if (log->fd >= 0 &&
		(fstat(log->fd, &before) < 0 || fstat(fd, &now) < 0 ||
			before.st_ino != now.st_ino || before.st_dev != now.st_dev))
		return error_set(reterr, -ESTALE,
			"%s/%s: another file has taken its place: open the session again",
			folder_path(log->folder), log->name);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = steal_fd(&fd);
	log->can_write = true;
	return 0;
}

/* A log that somebody removed is made again of what is still open. */
static int put_back(struct annotations *log)
{
	int fd = folder_put_back(log->folder, log->name, log->fd);

	if (fd < 0)
		return fd;
	close(log->fd);
	log->fd = fd;
	log->can_write = true;
	return 0;
}

static int lock_log(struct annotations *log, struct error *reterr)
{
	int r = log->fd >= 0 && io_is_removed(log->fd) ? put_back(log) : 0;

	if (r == 0 && !log->can_write) {
		r = open_for_writing(log, reterr);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = io_lock(log->fd, LOCK_EX);
	return r < 0 ? fail(log, r, reterr) : 0;
}

/* With the lock: read what others have appended, and make the end ready for the next act. */
static int prepare_end(struct annotations *log)
{
	uint64_t end;
	int r = read_new(log, &end);

	if (r == 0 && end > log->offset)
		r = set_torn_end_aside(log, end);
	if (r < 0 || log->offset > MCAP_MAGIC_BYTES)
		return r;
	r = write_head(log);
	if (r == 0)
		r = folder_sync(log->folder); /* the file's name, if it is new */
	if (r < 0)
		return r;
	log->offset = MCAP_MAGIC_BYTES;
	return read_new(log, &end);
}

static int append_locked(struct annotations *log, Uxrec__Act *act)
{
	_cleanup_(buf_finish) struct buf out = {0};
	int r = prepare_end(log);

	if (r < 0)
		return r;
	act->counter = log->counter + 1;
	if (*log->session)
		act->session_uuid = log->session;
	act->wall_ns = clock_read_ns(CLOCK_REALTIME);
	r = put_act(&out, act);
	return r < 0 ? r : write_acts(log, &out);
}

int annotations_append(struct annotations *log, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct error *reterr)
{
	Uxrec__Act copy = *act; /* shares all but counter and time */
	size_t at;
	int r = act_check(act, reterr);

	if (r < 0)
		return r;
	if (!log->writable)
		return error_set(reterr, -EROFS, "%s/%s: opened for reading",
			folder_path(log->folder), log->name);
	r = lock_log(log, reterr);
	if (r < 0)
		return r;
	r = append_locked(log, &copy);
	flock(log->fd, LOCK_UN);
	if (r < 0)
		return fail(log, r, reterr);
	at = newest_position(log, act->id);
	if (at >= log->newest_count || strcmp(log->newest[at]->id, act->id) != 0)
		return error_set(reterr, -EIO, "%s/%s: the act is not there after writing",
			folder_path(log->folder), log->name);
	if (ret)
		*ret = log->newest[at];
	return 0;
}

/* ---- merging ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits: tells acts apart, which are random ids and texts */
static uint64_t hash_of(struct view view)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < view.size_bytes; i++)
		hash = (hash ^ view.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int hash_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* the message of an act's chunk when the chunk is whole and the act is valid; else empty */
static struct view act_of_chunk(struct view content)
{
	struct mcap_chunk chunk;
	struct mcap_record record;
	struct mcap_message message;
	Uxrec__Act *act;
	bool valid;

	if (mcap_parse_chunk(content, &chunk) < 0 || chunk.compression.size_bytes > 0 ||
		chunk.uncompressed_crc !=
			mcap_crc(0, chunk.records.data, chunk.records.size_bytes) ||
		mcap_next_record(&chunk.records, &record) <= 0 || record.opcode != MCAP_MESSAGE ||
		mcap_parse_message(record.content, &message) < 0)
		return (struct view){0};
	act = uxrec__act__unpack(NULL, message.data.size_bytes, message.data.data);
	valid = act && act_check(act, NULL) == 0;
	if (act)
		uxrec__act__free_unpacked(act, NULL);
	return valid ? message.data : (struct view){0};
}

static int hash_all(struct view acts, struct buf *hashes)
{
	struct mcap_record record;

	view_take(&acts, MCAP_MAGIC_BYTES);
	while (mcap_next_record(&acts, &record) > 0) {
		struct view act = record.opcode == MCAP_CHUNK ? act_of_chunk(record.content)
							      : (struct view){0};
		uint64_t hash = hash_of(act);

		if (act.size_bytes)
			buf_put(hashes, &hash, sizeof(hash));
	}
	if (hashes->size_bytes)
		qsort(hashes->data, hashes->size_bytes / sizeof(uint64_t), sizeof(uint64_t),
			hash_compare);
	return buf_error(hashes);
}

/* the chunks of @p theirs whose acts are not in @p hashes */
static size_t put_others(struct view theirs, const struct buf *hashes, struct buf *out)
{
	struct mcap_record record;
	size_t count = 0;

	view_take(&theirs, MCAP_MAGIC_BYTES);
	while (mcap_next_record(&theirs, &record) > 0) {
		struct view act = record.opcode == MCAP_CHUNK ? act_of_chunk(record.content)
							      : (struct view){0};
		uint64_t hash = hash_of(act);

		if (act.size_bytes == 0 ||
			(hashes->size_bytes &&
				bsearch(&hash, hashes->data, hashes->size_bytes / sizeof(hash),
					sizeof(hash), hash_compare)))
			continue;
		buf_put(out, record.content.data - MCAP_RECORD_HEADER_BYTES,
			record.content.size_bytes + MCAP_RECORD_HEADER_BYTES);
		count++;
	}
	return count;
}

static int refuse_others(const struct annotations *log, struct view acts, struct error *reterr)
{
	struct mcap_record record;

	view_take(&acts, MCAP_MAGIC_BYTES);
	while (*log->session && mcap_next_record(&acts, &record) > 0) {
		struct view message = record.opcode == MCAP_CHUNK ? act_of_chunk(record.content)
								  : (struct view){0};
		Uxrec__Act *act = message.size_bytes
			? uxrec__act__unpack(NULL, message.size_bytes, message.data)
			: NULL;
		bool other =
			act && *act->session_uuid && strcmp(act->session_uuid, log->session) != 0;

		if (other)
			error_set(reterr, -EXDEV,
				"these acts are about another session: %s, and not %s",
				text_quote(act->session_uuid).text, log->session);
		if (act)
			uxrec__act__free_unpacked(act, NULL);
		if (other)
			return -EXDEV;
	}
	return 0;
}

static int merge_locked(struct annotations *log, struct view theirs, size_t *ret_count)
{
	_cleanup_(buf_finish) struct buf hashes = {0}, out = {0};
	_autofree_ char *ours = NULL;
	ssize_t size;
	int r = prepare_end(log);

	if (r < 0)
		return r;
	size = io_read_whole(log->fd, ANNOTATIONS_LIMIT_BYTES, &ours);
	r = size < 0 ? (int)size
		     : hash_all((struct view){(unsigned char *)ours, log->offset, 0}, &hashes);
	if (r < 0)
		return r;
	*ret_count = put_others(theirs, &hashes, &out);
	return out.size_bytes || out.failed ? write_acts(log, &out) : 0;
}

static int merge_named(struct annotations *log, const struct folder *folder, const char *name,
	size_t *ret_count, struct error *reterr)
{
	_autofree_ char *theirs = NULL;
	ssize_t size = folder_read_whole(folder, name, ANNOTATIONS_LIMIT_BYTES, &theirs, reterr);
	int r;

	if (size < 0)
		return (int)size;
	if (size < MCAP_MAGIC_BYTES || memcmp(theirs, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
		return error_set(reterr, -EBADMSG, "%s/%s: not an annotation log",
			folder_path(folder), name);
	if (!log->writable)
		return error_set(reterr, -EROFS, "%s/%s: opened for reading",
			folder_path(log->folder), log->name);
	r = refuse_others(log, (struct view){(unsigned char *)theirs, (size_t)size, 0}, reterr);
	if (r == 0)
		r = lock_log(log, reterr);
	if (r < 0)
		return r;
	r = merge_locked(log, (struct view){(unsigned char *)theirs, (size_t)size, 0}, ret_count);
	flock(log->fd, LOCK_UN);
	return r < 0 ? fail(log, r, reterr) : 0;
}

int annotations_merge_below(struct annotations *log, const struct folder *folder, size_t *ret_count,
	struct error *reterr)
{
	return merge_named(log, folder, SESSION_ANNOTATIONS_NAME, ret_count, reterr);
}

int annotations_merge(
	struct annotations *log, const char *path, size_t *ret_count, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, reterr);

	return r < 0 ? r : merge_named(log, folder, name, ret_count, reterr);
}

void annotations_set_session(struct annotations *log, const char *uuid)
{
	snprintf(log->session, sizeof(log->session), "%s", uuid);
}

const char *annotations_session(const struct annotations *log)
{
	return log->session;
}

uint64_t annotations_size_bytes(const struct annotations *log)
{
	return log->offset;
}

size_t annotations_count(const struct annotations *log)
{
	return log->state_count;
}

const Uxrec__Act *annotations_get(const struct annotations *log, size_t i)
{
	return i < log->state_count ? log->state[i] : NULL;
}

const Uxrec__Act *annotations_find(const struct annotations *log, const char *id)
{
	size_t at = newest_position(log, id);

	if (at >= log->newest_count || strcmp(log->newest[at]->id, id) != 0 ||
		log->newest[at]->kind == UXREC__ACT__KIND__KIND_REMOVE)
		return NULL;
	return log->newest[at];
}

bool annotations_knows(const struct annotations *log, const char *id)
{
	size_t at = newest_position(log, id);

	return at < log->newest_count && strcmp(log->newest[at]->id, id) == 0;
}

unsigned annotations_damaged(const struct annotations *log)
{
	return log->damaged;
}

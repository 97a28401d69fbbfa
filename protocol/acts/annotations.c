#include "protocol/acts/act.h"
#include "protocol/acts/act_check.h"
#include "protocol/acts/annotations_internal.h"
#include "protocol/base/terminal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/log.h"
#include "protocol/channel.h"
#include "protocol/message_patch.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"
#include "protocol/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PROFILE      "uxrec.annotations.v2"
#define ACTS_CHANNEL 1

/* Every interrupted set-aside of the same torn end leaves one. */
#define TORN_NAMES_LIMIT 100

/* ---- reading ---- */

static void __attribute__((format(printf, 3, 4)))
add_problem(struct annotations *log, uint64_t offset, const char *format, ...)
{
	struct annotations_problem *problem;
	va_list args;

	if (log->problem_count == ARRAY_SIZE(log->problems))
		return;
	problem = &log->problems[log->problem_count++];
	problem->offset = offset;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
}

static void note_damage(void *user, uint64_t offset, const char *text)
{
	struct annotations *log = user;

	log->counts.damaged++;
	add_problem(log, offset, "%s", text);
}

static int handle_act(void *user, uint64_t offset, const struct mcap_message *message)
{
	struct annotations *log = user;
	Uxrec__Act *act = uxrec__act__unpack(NULL, message->data.size_bytes, message->data.data);
	struct act_standing standing;

	if (!act) {
		note_damage(log, offset, "a message that is not an act");
		return 0;
	}
	log->counts.acts++;
	standing = act_judge(act);
	log->counts.later += standing.later;
	log->counts.invalid += standing.invalid;
	if (standing.invalid)
		add_problem(log, offset, "act %s is not valid: %s", text_quote(act->id).text,
			standing.reason.text);
	if (!*log->session && !standing.invalid && identity_id_is_valid(act->session_uuid))
		strcpy(log->session, act->session_uuid);
	/* acts that do not fold also use up their counter */
	if (act->counter > log->fold.counter && act->counter <= ACT_COUNTER_LIMIT)
		log->fold.counter = act->counter;
	if (standing.folds)
		return act_fold_add(&log->fold, act);
	/* the session must not appear to be without consent */
	if (standing.invalid && act_is_about_consent(act))
		log->counts.damaged++;
	uxrec__act__free_unpacked(act, NULL);
	return 0;
}

/* Set log->offset after the magic. A shorter file, or one of zeros, comes from an interrupted
 * creation. */
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

/* Read the part after log->offset. @param ret_end  set to the file's size */
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
	r = act_reader_read(&log->reader, (struct view){data, (size_t)n, 0}, log->offset, &left);
	if (r >= 0)
		log->offset += (uint64_t)n - left;
	/* when out of memory, a patch takes effect at the next reading */
	act_fold_settle(&log->fold);
	return r < 0 ? r : 0;
}

/* ---- opening ---- */

static int write_head(struct annotations *log)
{
	_cleanup_(buf_finish) struct buf head = {0};
	int r;

	buf_put(&head, MCAP_MAGIC, MCAP_MAGIC_BYTES);
	mcap_put_header(&head, PROFILE, "uxrec " UXREC_VERSION);
	schema_put_channel(&head, ACTS_CHANNEL, channel_kind_get(CHANNEL_ACTS));
	r = buf_error(&head);
	if (r == 0)
		r = io_pwrite_all(log->fd, head.data, head.size_bytes, 0);
	if (r == 0 && fsync(log->fd) < 0)
		r = -errno;
	if (r < 0 && ftruncate(log->fd, 0) < 0)
		return r; /* the next open detects the torn end */
	return r;
}

/* "annotations.mcap.torn-N"; an existing file of that name is from another set-aside, or foreign */
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

/* Move the torn end left by a killed writer to a file beside the log, so that no data is lost. */
static int save_torn_end(struct annotations *log, uint64_t end)
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

/* @return 0 when open or allowed to be missing, or a negative errno */
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

int annotations_fail(const struct annotations *log, int r, struct error *reterr)
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
		return error_set(reterr, -ENOMEM, "out of memory");
	log->fd = -1;
	log->reader =
		(struct act_reader){.on_act = handle_act, .on_damage = note_damage, .user = log};
	log->writable = writable;
	log->folder = folder_ref(folder);
	log->name = strdup(name);
	if (!log->name)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = open_for_reading(log, reterr);
	if (r < 0)
		return r;
	r = read_new(log, &end);
	if (r < 0)
		return annotations_fail(log, r, reterr);
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
	act_fold_finish(&log->fold);
	if (log->appended)
		uxrec__act__free_unpacked(log->appended, NULL);
	free(log->name);
	folder_unref(log->folder);
	if (log->fd >= 0)
		close(log->fd);
	free(log);
}

/* ---- appending ---- */

void annotations_put(struct buf *out, const struct annotations *log, struct mcap_message message)
{
	size_t size_bytes =
		MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES + message.data.size_bytes;
	size_t begin = mcap_begin(out, MCAP_CHUNK);
	unsigned char head[MCAP_RECORD_HEADER_BYTES + MCAP_MESSAGE_HEADER_BYTES];

	message.channel_id = log->reader.channel;
	mcap_store_record_header(head, MCAP_MESSAGE, size_bytes);
	mcap_store_message_header(head + MCAP_RECORD_HEADER_BYTES, &message);
	buf_put_u64(out, message.log_time);
	buf_put_u64(out, message.log_time);
	buf_put_u64(out, size_bytes);
	buf_put_u32(out,
		mcap_crc(mcap_crc(0, head, sizeof(head)), message.data.data,
			message.data.size_bytes));
	buf_put_string(out, "");
	buf_put_u64(out, size_bytes);
	buf_put(out, head, sizeof(head));
	buf_put(out, message.data.data, message.data.size_bytes);
	mcap_end(out, begin);
}

static int put_act(struct buf *out, const struct annotations *log, const Uxrec__Act *act)
{
	size_t size_bytes = uxrec__act__get_packed_size(act);
	_autofree_ unsigned char *packed = NULL;

	if (size_bytes > ACT_LIMIT_BYTES)
		return -EFBIG;
	packed = malloc(size_bytes + 1);
	if (!packed)
		return -ENOMEM;
	uxrec__act__pack(act, packed);
	annotations_put(out, log,
		(struct mcap_message){
			.sequence = (uint32_t)act->counter,
			.log_time = (uint64_t)act->wall_ns,
			.publish_time = (uint64_t)act->wall_ns,
			.data = {packed, size_bytes, 0},
		});
	return buf_error(out);
}

/* Truncate after a failed write, so that its acts do not come back. */
int annotations_write(struct annotations *log, const struct buf *acts)
{
	uint64_t before = log->offset, end;
	int r = buf_error(acts);

	/* a larger log could not be read again */
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

/* Open the file for writing: the one that was read, or a new one where there is none. */
static int open_for_writing(struct annotations *log, struct error *reterr)
{
	_autoclose_ int fd = folder_write(log->folder, log->name, reterr);
	struct stat before, now;

	if (fd == -ENOENT) {
		fd = folder_create(log->folder, log->name, reterr);
		if (fd == -EEXIST) /* just created by another process */
			fd = folder_write(log->folder, log->name, reterr);
	}
	if (fd < 0)
		return steal_fd(&fd);
	if (log->fd >= 0 &&
		(fstat(log->fd, &before) < 0 || fstat(fd, &now) < 0 ||
			before.st_ino != now.st_ino || before.st_dev != now.st_dev))
		return error_set(reterr, -ESTALE,
			"%s/%s: the file was replaced by another one: open the session again",
			folder_path(log->folder), log->name);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = steal_fd(&fd);
	log->can_write = true;
	return 0;
}

/* Recreate a removed log from the open descriptor. */
static int put_back(struct annotations *log)
{
	int fd = folder_restore(log->folder, log->name, log->fd);

	if (fd < 0)
		return fd;
	close(log->fd);
	log->fd = fd;
	log->can_write = true;
	return 0;
}

int annotations_lock(struct annotations *log, struct error *reterr)
{
	int r;

	if (!log->writable)
		return error_set(reterr, -EROFS, "%s/%s: opened for reading",
			folder_path(log->folder), log->name);
	r = log->fd >= 0 && io_is_removed(log->fd) ? put_back(log) : 0;

	if (r == 0 && !log->can_write) {
		r = open_for_writing(log, reterr);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = io_lock(log->fd, LOCK_EX);
	return r < 0 ? annotations_fail(log, r, reterr) : 0;
}

void annotations_unlock(struct annotations *log)
{
	flock(log->fd, LOCK_UN);
}

/* Acts need a declared channel: the head of a foreign file may have none. */
static int declare_channel(struct annotations *log)
{
	_cleanup_(buf_finish) struct buf out = {0};
	uint16_t id = act_reader_free_id(&log->reader);

	if (id == 0)
		return -EBADMSG;
	schema_put_channel(&out, id, channel_kind_get(CHANNEL_ACTS));
	return annotations_write(log, &out);
}

int annotations_prepare_end(struct annotations *log)
{
	uint64_t end;
	int r = read_new(log, &end);

	if (r == 0 && end > log->offset)
		r = save_torn_end(log, end);
	if (r == 0 && log->offset <= MCAP_MAGIC_BYTES) {
		r = write_head(log);
		if (r == 0)
			r = folder_sync(log->folder); /* the file's name, if it is new */
		if (r < 0)
			return r;
		log->offset = MCAP_MAGIC_BYTES;
		r = read_new(log, &end);
	}
	return r == 0 && !log->reader.has_channel ? declare_channel(log) : r;
}

/* Allocate everything before the write: an act on the disk counts as stored. */
static int append_locked(struct annotations *log, Uxrec__Act *act, struct error *reterr)
{
	_cleanup_(buf_finish) struct buf out = {0};
	Uxrec__Act *copy;
	int r = annotations_prepare_end(log);

	if (r < 0)
		return annotations_fail(log, r, reterr);
	act->counter = log->fold.counter + 1;
	if (*log->session)
		act->session_uuid = log->session;
	act->wall_ns = clock_read_ns(CLOCK_REALTIME);
	if (act->kind == UXREC__ACT__KIND__KIND_PATCH)
		r = act_fold_try(&log->fold, act, reterr);
	if (r < 0)
		return r;
	r = put_act(&out, log, act);
	copy = r == 0 ? (Uxrec__Act *)message_copy(&act->base) : NULL;
	if (r == 0)
		r = copy ? annotations_write(log, &out) : -ENOMEM;
	if (r == 0) {
		Uxrec__Act *before = log->appended;

		log->appended = copy;
		copy = before;
	}
	if (copy)
		uxrec__act__free_unpacked(copy, NULL);
	return r < 0 ? annotations_fail(log, r, reterr) : 0;
}

int annotations_append(struct annotations *log, const Uxrec__Act *act, const Uxrec__Act **ret,
	struct error *reterr)
{
	Uxrec__Act copy = *act; /* shares all but id, counter and time */
	const Uxrec__Act *standing;
	char act_id[33];
	int r = act_check(act, reterr);

	if (r < 0)
		return r;
	if (!*act->act_id) {
		if (act_new_id(act_id) < 0)
			return error_set(reterr, -EIO, "cannot get random numbers");
		copy.act_id = act_id;
	}
	r = annotations_lock(log, reterr);
	if (r < 0)
		return r;
	r = append_locked(log, &copy, reterr);
	annotations_unlock(log);
	if (r < 0)
		return r;
	standing = act_fold_find(&log->fold, act->id);
	if (!standing && act->kind != UXREC__ACT__KIND__KIND_REMOVE)
		return error_set(reterr, -EIO, "%s/%s: the act is missing after writing",
			folder_path(log->folder), log->name);
	if (ret)
		*ret = standing ? standing : log->appended;
	return 0;
}

const Uxrec__Act *annotations_appended(const struct annotations *log)
{
	return log->appended;
}

/* ---- contents ---- */

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
	return log->fold.state_count;
}

const Uxrec__Act *annotations_get(const struct annotations *log, size_t i)
{
	return i < log->fold.state_count ? log->fold.state[i] : NULL;
}

const Uxrec__Act *annotations_find(const struct annotations *log, const char *id)
{
	return act_fold_find(&log->fold, id);
}

bool annotations_knows(const struct annotations *log, const char *id)
{
	return act_fold_knows(&log->fold, id);
}

unsigned annotations_damaged(const struct annotations *log)
{
	return log->counts.damaged;
}

const struct annotations_counts *annotations_counts(const struct annotations *log)
{
	return &log->counts;
}

size_t annotations_problems(const struct annotations *log, const struct annotations_problem **ret)
{
	*ret = log->problems;
	return log->problem_count;
}

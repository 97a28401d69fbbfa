/* Merging copies of a log. */

#include "protocol/acts/act.h"
#include "protocol/acts/act_check.h"
#include "protocol/acts/annotations_internal.h"

#include "protocol/os/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a (Fowler, Noll, Vo), 64 bits: sufficient to distinguish acts, which are random ids and
 * texts */
static uint64_t hash_of(struct view view)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < view.size_bytes; i++)
		hash = (hash ^ view.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* ---- acts of a file ---- */

/* An act is identified by its act_id, or by its bytes when that is empty. */
struct entry {
	char act_id[33];
	uint64_t hash;         /* of the bytes */
	size_t at, size_bytes; /* in file_acts.bytes */
	uint32_t sequence;
	uint64_t log_time, publish_time;
	bool later, invalid, known;
};

struct file_acts {
	struct buf entries; /* of struct entry, in file order */
	struct buf bytes;   /* of the messages */
	bool keep_bytes;
	char session[33]; /* of the acts; "": any */
	char other[33];   /* another session of an act */
	unsigned damaged;
	struct annotations_problem first; /* of damage */
};

static void file_acts_finish(struct file_acts *acts)
{
	buf_finish(&acts->entries);
	buf_finish(&acts->bytes);
}

static void note_damage(void *user, uint64_t offset, const char *text)
{
	struct file_acts *acts = user;

	if (acts->damaged++ > 0)
		return;
	acts->first.offset = offset;
	snprintf(acts->first.text, sizeof(acts->first.text), "%s", text);
}

static int handle_act(void *user, uint64_t offset, const struct mcap_message *message)
{
	struct file_acts *acts = user;
	Uxrec__Act *act = uxrec__act__unpack(NULL, message->data.size_bytes, message->data.data);
	struct entry entry = {.hash = hash_of(message->data),
		.at = acts->bytes.size_bytes,
		.size_bytes = message->data.size_bytes,
		.sequence = message->sequence,
		.log_time = message->log_time,
		.publish_time = message->publish_time};
	struct act_standing standing;

	if (!act) {
		note_damage(acts, offset, "a message that is not an act");
		return 0;
	}
	if (act_id_is_valid(act->act_id))
		memcpy(entry.act_id, act->act_id, sizeof(entry.act_id));
	if (*acts->session && !*acts->other && act_id_is_valid(act->session_uuid) &&
		strcmp(act->session_uuid, acts->session) != 0)
		memcpy(acts->other, act->session_uuid, sizeof(acts->other));
	standing = act_judge(act);
	entry.later = standing.later;
	entry.invalid = standing.invalid;
	uxrec__act__free_unpacked(act, NULL);
	buf_put(&acts->entries, &entry, sizeof(entry));
	if (acts->keep_bytes)
		buf_put(&acts->bytes, message->data.data, message->data.size_bytes);
	return buf_error(&acts->entries) < 0 ? -ENOMEM : buf_error(&acts->bytes);
}

/*
 * Collect the acts of a file.
 *
 * @param ret_torn_bytes  set to the number of bytes at the end that are not a whole record, up to
 *                        the end of the data section
 * @return 1 when there is a channel of acts, or an act; 0, or -ENOMEM
 */
static int file_acts_read(
	struct file_acts *acts, const char *file, size_t size_bytes, uint64_t *ret_torn_bytes)
{
	_autofree_ struct act_reader *reader = calloc(1, sizeof(*reader));
	struct view rest = {(const unsigned char *)file, size_bytes, 0};
	size_t left = 0;
	int r;

	if (!reader)
		return -ENOMEM;
	reader->on_act = handle_act;
	reader->on_damage = note_damage;
	reader->user = acts;
	view_read_bytes(&rest, MCAP_MAGIC_BYTES);
	r = act_reader_read(reader, rest, MCAP_MAGIC_BYTES, &left);
	*ret_torn_bytes = r == 0 ? left : 0;
	return r < 0 ? r : reader->has_channel || acts->entries.size_bytes > 0;
}

/* ---- selection of new acts ---- */

static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;
	int order = strcmp(x->act_id, y->act_id);

	if (order || *x->act_id)
		return order;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* as entry_compare(), with file order for equal entries */
static int entry_compare_stable(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;
	int order = entry_compare(a, b);

	return order ? order : x < y ? -1 : x > y;
}

/* @return the sorted entries; NULL when out of memory */
static struct entry **sort(const struct file_acts *acts, size_t *ret_count)
{
	struct entry *entries = (void *)acts->entries.data;
	size_t count = acts->entries.size_bytes / sizeof(*entries);
	struct entry **sorted = malloc((count + 1) * sizeof(struct entry *));

	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = &entries[i];
	if (sorted && count > 1)
		qsort(sorted, count, sizeof(*sorted), entry_compare_stable);
	*ret_count = count;
	return sorted;
}

/* Mark entries of theirs that are in ours, or repeated in theirs. */
static int mark_known(const struct file_acts *ours, const struct file_acts *theirs,
	struct annotations_merged *result)
{
	size_t our_count, their_count;
	_autofree_ struct entry **our = sort(ours, &our_count);
	_autofree_ struct entry **their = sort(theirs, &their_count);
	const struct entry *same = NULL;

	if (!our || !their)
		return -ENOMEM;
	for (size_t i = 0; i < their_count; i++) {
		struct entry *const *found =
			bsearch(&their[i], our, our_count, sizeof(*our), entry_compare);

		if (found)
			same = *found;
		else if (i == 0 || entry_compare(&their[i - 1], &their[i]) != 0)
			same = NULL;
		else if (!same)
			same = their[i - 1];
		their[i]->known = same != NULL;
		result->differing += same && same->hash != their[i]->hash;
	}
	return 0;
}

static int put_fresh(struct annotations *log, const struct file_acts *theirs, struct buf *out,
	struct annotations_merged *result)
{
	const struct entry *entries = (const void *)theirs->entries.data;
	size_t count = theirs->entries.size_bytes / sizeof(*entries);

	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];

		if (entry->known)
			continue;
		result->fresh++;
		result->later += entry->later;
		result->invalid += entry->invalid;
		annotations_put(out, log,
			(struct mcap_message){
				.sequence = entry->sequence,
				.log_time = entry->log_time,
				.publish_time = entry->publish_time,
				.data = {theirs->bytes.data + entry->at, entry->size_bytes, 0},
			});
	}
	return buf_error(out);
}

static int merge_locked(
	struct annotations *log, const struct file_acts *theirs, struct annotations_merged *result)
{
	_cleanup_(file_acts_finish) struct file_acts ours = {0};
	_cleanup_(buf_finish) struct buf out = {0};
	_autofree_ char *file = NULL;
	uint64_t torn_bytes;
	ssize_t size;
	int r = annotations_prepare_end(log);

	if (r < 0)
		return r;
	size = io_read_whole(log->fd, ANNOTATIONS_LIMIT_BYTES, &file);
	r = size < 0 ? (int)size : file_acts_read(&ours, file, (size_t)size, &torn_bytes);
	if (r >= 0)
		r = mark_known(&ours, theirs, result);
	if (r == 0)
		r = put_fresh(log, theirs, &out, result);
	return r == 0 && out.size_bytes > 0 ? annotations_write(log, &out) : r;
}

static int merge_named(struct annotations *log, const struct folder *folder, const char *name,
	struct annotations_merged *ret, struct error *reterr)
{
	_cleanup_(file_acts_finish) struct file_acts theirs = {.keep_bytes = true};
	_autofree_ char *file = NULL;
	ssize_t size = folder_read_whole(folder, name, ANNOTATIONS_LIMIT_BYTES, &file, reterr);
	struct annotations_merged result = {0};
	int r;

	if (size < 0)
		return (int)size;
	if (size < MCAP_MAGIC_BYTES || memcmp(file, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
		return error_set(reterr, -EBADMSG, "%s/%s: not an annotation log",
			folder_path(folder), name);
	memcpy(theirs.session, log->session, sizeof(theirs.session));
	r = file_acts_read(&theirs, file, (size_t)size, &result.torn_bytes);
	if (r > 0 && *theirs.other)
		return error_set(reterr, -EXDEV, "these acts belong to another session: %s, not %s",
			theirs.other, log->session);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	if (r == 0)
		return error_set(reterr, -EBADMSG,
			"%s/%s: not an annotation log: it has no channel /acts of uxrec.Act%s%s",
			folder_path(folder), name, theirs.damaged ? ", and it has " : "",
			theirs.first.text);
	result.damaged = theirs.damaged;
	result.first = theirs.first;
	r = annotations_lock(log, reterr);
	if (r < 0)
		return r;
	r = merge_locked(log, &theirs, &result);
	annotations_unlock(log);
	if (r < 0)
		return annotations_fail(log, r, reterr);
	*ret = result;
	return 0;
}

int annotations_merge_below(struct annotations *log, const struct folder *folder,
	struct annotations_merged *ret, struct error *reterr)
{
	return merge_named(log, folder, SESSION_ANNOTATIONS_NAME, ret, reterr);
}

int annotations_merge(struct annotations *log, const char *path, struct annotations_merged *ret,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, reterr);

	return r < 0 ? r : merge_named(log, folder, name, ret, reterr);
}

#include "replay/transcript.h"

#include "protocol/base/clock.h"
#include "protocol/base/io.h"
#include "protocol/letters.h"
#include "protocol/limits.h"
#include "protocol/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <wchar.h>

#define BLEEPED "[bleeped]"

/* ---- the file ---- */

/* A lock on the folder: of two who change the transcript the second sees what the first has done. */
static int lock_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static char *path_in(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static int fail(struct error *reterr, int r, const char *folder)
{
	return error_set(reterr, r, "%s/" SESSION_TRANSCRIPT_NAME ": %s", folder,
		r == -ENOSPC           ? "the disk is full"
			: r == -ERANGE ? "it has a time beyond every session"
				       : strerror(-r));
}

/* @return 0, -ENOENT, or another negative errno: then nobody knows */
static int find_file(const char *folder)
{
	_autofree_ char *path = path_in(folder, SESSION_TRANSCRIPT_NAME);

	if (!path)
		return -ENOMEM;
	return access(path, F_OK) < 0 ? -errno : 0;
}

bool transcript_exists(const char *folder)
{
	return find_file(folder) == 0;
}

int transcript_load(struct vtt **ret, const char *folder, struct error *reterr)
{
	_autofree_ char *path = path_in(folder, SESSION_TRANSCRIPT_NAME), *text = NULL;
	ssize_t size = path ? io_read_file(path, TRANSCRIPT_LIMIT_BYTES, &text) : -ENOMEM;

	if (size < 0)
		return fail(reterr, (int)size, folder);
	return vtt_parse(ret, text, (size_t)size, path, reterr);
}

static int write_new(const char *path, const struct buf *text)
{
	_autoclose_ int fd = -1;
	int r;

	unlink(path); /* of one that was killed */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write_all(fd, text->data, text->size_bytes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* with the folder locked */
static int put_in_place(const char *folder, const struct vtt *vtt)
{
	_autofree_ char *path = path_in(folder, SESSION_TRANSCRIPT_NAME);
	_autofree_ char *made = path_in(folder, SESSION_TRANSCRIPT_NEW_NAME);
	_cleanup_(buf_finish) struct buf text = {0};
	int r;

	for (size_t i = 0; i < vtt->count; i++)
		if (vtt->cues[i].to_ns >= TRANSCRIPT_HOURS_LIMIT * 3600 * NS_PER_S)
			return -ERANGE;
	vtt_write(&text, vtt);
	r = path && made ? buf_error(&text) : -ENOMEM;
	if (r == 0 && text.size_bytes > TRANSCRIPT_LIMIT_BYTES)
		r = -EFBIG; /* it could not be read again */
	if (r < 0)
		return r;
	r = write_new(made, &text);
	if (r == 0 && rename(made, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(made);
		return r;
	}
	return io_sync_directory_of(path);
}

int transcript_store(const char *folder, const struct vtt *vtt, bool replace, struct error *reterr)
{
	_autoclose_ int lock = lock_folder(folder);
	int r = lock < 0 ? lock : replace ? -ENOENT : find_file(folder);

	if (r == 0)
		return error_set(reterr, -EEXIST, "%s: it has a transcript already", folder);
	if (r == -ENOENT)
		r = put_in_place(folder, vtt);
	return r < 0 ? fail(reterr, r, folder) : 0;
}

static int remove_file(const char *folder, const char *name)
{
	_autofree_ char *path = path_in(folder, name);

	if (!path)
		return -ENOMEM;
	if (unlink(path) == 0)
		return io_sync_directory_of(path);
	return errno == ENOENT ? 0 : -errno;
}

int transcript_remove(const char *folder, struct error *reterr)
{
	_autoclose_ int lock = lock_folder(folder);
	int r = lock < 0 ? lock : remove_file(folder, SESSION_TRANSCRIPT_NEW_NAME);

	if (r == 0)
		r = remove_file(folder, SESSION_TRANSCRIPT_NAME);
	return r < 0 ? fail(reterr, r, folder) : 0;
}

/* ---- cues ---- */

/* keep the cues that a function wants. @return how many went */
static size_t keep(struct vtt *vtt, bool (*wants)(void *user, struct vtt_cue *cue), void *user)
{
	size_t kept = 0, before = vtt->count;

	for (size_t i = 0; i < before; i++) {
		if (wants(user, &vtt->cues[i])) {
			vtt->cues[kept++] = vtt->cues[i];
			continue;
		}
		free(vtt->cues[i].speaker);
		free(vtt->cues[i].text);
	}
	vtt->count = kept;
	return before - kept;
}

struct span {
	int64_t from_ns, to_ns;
};

static bool is_outside(void *user, struct vtt_cue *cue)
{
	const struct span *span = user;

	/* a cue without length is a moment */
	return cue->from_ns >= span->to_ns ||
		(cue->to_ns > cue->from_ns ? cue->to_ns : cue->from_ns + 1) <= span->from_ns;
}

int transcript_erase(
	const char *folder, int64_t from_ns, int64_t to_ns, size_t *ret_count, struct error *reterr)
{
	_autoclose_ int lock = lock_folder(folder);
	_destroy_(vtt) struct vtt *vtt = NULL;
	int r = lock < 0 ? lock : remove_file(folder, SESSION_TRANSCRIPT_NEW_NAME);

	*ret_count = 0;
	if (r < 0)
		return fail(reterr, r, folder);
	r = find_file(folder);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return fail(reterr, r, folder);
	r = transcript_load(&vtt, folder, reterr);
	if (r < 0)
		return r;
	*ret_count = keep(vtt, is_outside, &(struct span){from_ns, to_ns});
	if (*ret_count > 0)
		r = vtt->count ? put_in_place(folder, vtt)
			       : remove_file(folder, SESSION_TRANSCRIPT_NAME);
	return r < 0 ? fail(reterr, r, folder) : 0;
}

static bool move(void *user, struct vtt_cue *cue)
{
	const int64_t *by_ns = user;

	cue->from_ns += *by_ns;
	cue->to_ns += *by_ns;
	if (cue->to_ns < 0)
		return false;
	if (cue->from_ns < 0)
		cue->from_ns = 0;
	return true;
}

void transcript_shift(struct vtt *vtt, int64_t by_ns)
{
	keep(vtt, move, &by_ns);
	vtt_sort(vtt);
}

int transcript_bleep(struct vtt *vtt, const struct bleeps *bleeps, int64_t begin_ns)
{
	for (size_t i = 0; i < vtt->count; i++) {
		struct vtt_cue *cue = &vtt->cues[i];
		char *text;

		if (!bleeps_touch(bleeps, begin_ns + cue->from_ns, begin_ns + cue->to_ns))
			continue;
		text = strdup(BLEEPED);
		if (!text)
			return -ENOMEM;
		free(cue->text);
		cue->text = text;
	}
	return 0;
}

int transcript_show(struct vtt **ret, const struct session *session, struct error *reterr)
{
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	_destroy_(vtt) struct vtt *vtt = NULL;
	int64_t begin_ns = 0, end_ns;
	int r = transcript_load(&vtt, session->path, reterr);

	if (r < 0)
		return r;
	session_span(session, &begin_ns, &end_ns);
	r = bleeps_collect(&bleeps, session);
	if (r == 0)
		r = transcript_bleep(vtt, &bleeps, begin_ns);
	if (r < 0)
		return error_set(reterr, r, "no memory");
	*ret = steal_ptr(vtt);
	return 0;
}

Uxrec__Transcript *transcript_to_message(const struct vtt *vtt, int64_t begin_ns)
{
	Uxrec__Transcript *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	uxrec__transcript__init(message);
	message->cues = calloc(vtt->count + 1, sizeof(*message->cues));
	for (size_t i = 0; message->cues && i < vtt->count; i++) {
		Uxrec__Transcript__Cue *cue = malloc(sizeof(*cue));

		if (!cue)
			break;
		uxrec__transcript__cue__init(cue);
		cue->from_ns = begin_ns + vtt->cues[i].from_ns;
		cue->to_ns = begin_ns + vtt->cues[i].to_ns;
		cue->speaker = strdup(vtt->cues[i].speaker);
		cue->text = strdup(vtt->cues[i].text);
		message->cues[message->n_cues++] = cue;
		if (!cue->speaker || !cue->text)
			break;
	}
	if (message->cues && message->n_cues == vtt->count &&
		(vtt->count == 0 ||
			(message->cues[vtt->count - 1]->speaker &&
				message->cues[vtt->count - 1]->text)))
		return message;
	uxrec__transcript__free_unpacked(message, NULL);
	return NULL;
}

/* ---- searching ---- */

struct search {
	locale_t locale; /* 0: only ASCII has cases */
	wchar_t *wanted;
};

/* ends of lines, and spaces that do not break, are spaces */
static wchar_t fold(locale_t locale, uint32_t point)
{
	return point == '\n' || point == 0xa0 ? L' ' : letters_fold(locale, point);
}

/* @return 0, -EINVAL when it is not UTF-8, or -ENOMEM */
static int fold_text(wchar_t **ret, locale_t locale, const char *text)
{
	wchar_t *folded = malloc((strlen(text) + 1) * sizeof(*folded));
	size_t count = 0;

	if (!folded)
		return -ENOMEM;
	while (*text) {
		uint32_t point;
		size_t taken = utf8_take(text, &point);

		if (taken == 0) {
			free(folded);
			return -EINVAL;
		}
		folded[count++] = fold(locale, point);
		text += taken;
	}
	folded[count] = 0;
	*ret = folded;
	return 0;
}

int search_create(struct search **ret, const char *text)
{
	_destroy_(search) struct search *search = calloc(1, sizeof(*search));
	int r;

	if (!search)
		return -ENOMEM;
	search->locale = letters_locale();
	r = fold_text(&search->wanted, search->locale, text);
	if (r < 0)
		return r;
	if (!*search->wanted)
		return -EINVAL;
	*ret = steal_ptr(search);
	return 0;
}

void search_destroy(struct search *search)
{
	if (!search)
		return;
	if (search->locale)
		freelocale(search->locale);
	free(search->wanted);
	free(search);
}

int search_finds(const struct search *search, const char *text)
{
	_autofree_ wchar_t *folded = NULL;
	int r = fold_text(&folded, search->locale, text);

	return r < 0 ? r : wcsstr(folded, search->wanted) != NULL;
}

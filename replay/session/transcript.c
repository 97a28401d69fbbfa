#include "replay/session/transcript.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/os/io.h"
#include "protocol/unicode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define BLEEPED "[bleeped]"

/* ---- the file ---- */

static int fail(struct error *reterr, int r, const struct folder *folder)
{
	return error_set(reterr, r, "%s/" SESSION_TRANSCRIPT_NAME ": %s", folder_path(folder),
		r == -ENOSPC           ? "the disk is full"
			: r == -ERANGE ? "it has a time beyond every session"
			: r == -EBUSY  ? "another program holds the lock of its folder"
				       : strerror(-r));
}

bool transcript_exists(const struct folder *folder)
{
	return folder_has(folder, SESSION_TRANSCRIPT_NAME) > 0;
}

static int load(struct vtt **ret, const struct folder *folder, struct vtt_faults *ret_faults,
	struct error *reterr)
{
	_autofree_ char *path = NULL, *text = NULL;
	ssize_t size = folder_read_whole(
		folder, SESSION_TRANSCRIPT_NAME, TRANSCRIPT_LIMIT_BYTES, &text, reterr);

	if (size < 0)
		return (int)size;
	if (asprintf(&path, "%s/" SESSION_TRANSCRIPT_NAME, folder_path(folder)) < 0) {
		path = NULL;
		return fail(reterr, -ENOMEM, folder);
	}
	return vtt_parse(ret, text, (size_t)size, path, ret_faults, reterr);
}

int transcript_load(struct vtt **ret, const struct folder *folder, struct error *reterr)
{
	return load(ret, folder, NULL, reterr);
}

static int write_new(const struct folder *folder, const struct buf *text)
{
	_autoclose_ int fd = -1;
	int r = folder_remove(folder, SESSION_TRANSCRIPT_NEW_NAME); /* left by a killed process */

	if (r < 0 && r != -ENOENT)
		return r;
	fd = folder_create(folder, SESSION_TRANSCRIPT_NEW_NAME, NULL);
	if (fd < 0)
		return steal_fd(&fd);
	r = io_write_all(fd, text->data, text->size_bytes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* Called with the folder locked. */
static int put_in_place(const struct folder *folder, const struct vtt *vtt)
{
	_cleanup_(buf_finish) struct buf text = {0};
	int r;

	for (size_t i = 0; i < vtt->count; i++)
		if (vtt->cues[i].to_ns >= TRANSCRIPT_HOURS_LIMIT * 3600 * NS_PER_S)
			return -ERANGE;
	vtt_write(&text, vtt);
	r = buf_error(&text);
	if (r == 0 && text.size_bytes > TRANSCRIPT_LIMIT_BYTES)
		r = -EFBIG; /* too large to be read again */
	if (r < 0)
		return r;
	r = write_new(folder, &text);
	if (r == 0)
		r = folder_rename(folder, SESSION_TRANSCRIPT_NEW_NAME, SESSION_TRANSCRIPT_NAME);
	if (r < 0) {
		folder_remove(folder, SESSION_TRANSCRIPT_NEW_NAME);
		return r;
	}
	return folder_sync(folder);
}

int transcript_store(
	const struct folder *folder, const struct vtt *vtt, bool replace, struct error *reterr)
{
	_autoclose_ int lock = folder_lock(folder);
	int r = lock < 0 ? lock : replace ? 0 : folder_has(folder, SESSION_TRANSCRIPT_NAME);

	if (r > 0)
		return error_set(
			reterr, -EEXIST, "%s: it has a transcript already", folder_path(folder));
	if (r == 0)
		r = put_in_place(folder, vtt);
	return r < 0 ? fail(reterr, r, folder) : 0;
}

static int remove_file(const struct folder *folder, const char *name)
{
	int r = folder_remove(folder, name);

	return r == 0 ? folder_sync(folder) : r == -ENOENT ? 0 : r;
}

int transcript_remove(const struct folder *folder, struct error *reterr)
{
	_autoclose_ int lock = folder_lock(folder);
	int r = lock < 0 ? lock : remove_file(folder, SESSION_TRANSCRIPT_NEW_NAME);

	if (r == 0)
		r = remove_file(folder, SESSION_TRANSCRIPT_NAME);
	return r < 0 ? fail(reterr, r, folder) : 0;
}

/* ---- cues ---- */

/* Keep the cues for which wants() is true. @return the number removed */
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

	/* a cue without duration is a moment */
	return cue->from_ns >= span->to_ns ||
		(cue->to_ns > cue->from_ns ? cue->to_ns : cue->from_ns + 1) <= span->from_ns;
}

int transcript_erase(const struct folder *folder, int64_t from_ns, int64_t to_ns, size_t *ret_count,
	struct error *reterr)
{
	_autoclose_ int lock = folder_lock(folder);
	_destroy_(vtt) struct vtt *vtt = NULL;
	int r = lock < 0 ? lock : remove_file(folder, SESSION_TRANSCRIPT_NEW_NAME);

	*ret_count = 0;
	if (r == 0)
		r = folder_has(folder, SESSION_TRANSCRIPT_NAME);
	if (r <= 0)
		return r < 0 ? fail(reterr, r, folder) : 0;
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

struct covered {
	const struct session *session;
	int64_t begin_ns;
};

/* Cues need consent for the modality sound. */
static bool is_covered(void *user, struct vtt_cue *cue)
{
	const struct covered *covered = user;
	const struct session *session = covered->session;
	const struct consent_muted *muted = &session->gate.muted;
	int64_t from_ns = covered->begin_ns + cue->from_ns,
		to_ns = covered->begin_ns +
		(cue->to_ns > cue->from_ns ? cue->to_ns : cue->from_ns + 1);

	for (size_t i = 0; i < muted->count; i++)
		if (muted->spans[i].from_ns < to_ns && from_ns < muted->spans[i].to_ns)
			return false;
	return consent_allows(session->consent, MODALITY_SOUND, session->use, from_ns, to_ns);
}

int transcript_show(struct vtt **ret, const struct session *session, struct vtt_faults *ret_faults,
	struct error *reterr)
{
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	_destroy_(vtt) struct vtt *vtt = NULL;
	int64_t begin_ns = 0, end_ns;
	int r = session_allows(session, MODALITY_SOUND)
		? load(&vtt, session->folder, ret_faults, reterr)
		: error_set(reterr, -EACCES, "%s: %s", session->path,
			  session_refusal_reason(session, MODALITY_SOUND).text);

	if (r < 0)
		return r;
	session_span(session, &begin_ns, &end_ns);
	keep(vtt, is_covered, &(struct covered){session, begin_ns});
	r = bleeps_collect(&bleeps, session);
	if (r == 0)
		r = transcript_bleep(vtt, &bleeps, begin_ns);
	if (r < 0)
		return error_set(reterr, r, "out of memory");
	*ret = steal_ptr(vtt);
	return 0;
}

static int put_faults(Uxrec__Transcript *message, const struct vtt_faults *faults)
{
	size_t named = faults->count < VTT_FAULTS_NAMED ? faults->count : VTT_FAULTS_NAMED;

	message->fault_count = (uint32_t)faults->count;
	message->faults = calloc(named + 1, sizeof(*message->faults));
	if (!message->faults)
		return -ENOMEM;
	for (size_t i = 0; i < named; i++) {
		Uxrec__Transcript__Fault *put = malloc(sizeof(*put));

		if (!put)
			return -ENOMEM;
		uxrec__transcript__fault__init(put);
		message->faults[message->n_faults++] = put;
		put->line = faults->named[i].line;
		put->text = strdup(faults->named[i].why);
		if (!put->text)
			return -ENOMEM;
	}
	return 0;
}

Uxrec__Transcript *transcript_to_message(
	const struct vtt *vtt, const struct vtt_faults *faults, int64_t begin_ns)
{
	Uxrec__Transcript *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	uxrec__transcript__init(message);
	if (put_faults(message, faults) < 0) {
		uxrec__transcript__free_unpacked(message, NULL);
		return NULL;
	}
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

int transcript_describe(Uxrec__Transcript **ret, const struct session *session,
	const struct vtt_faults *stored, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	int64_t begin_ns = 0, end_ns;
	int r = session->reader ? transcript_show(&vtt, session, &faults, reterr)
				: error_set(reterr, -EBADMSG, "%s", session->error.text);

	if (r < 0 && r != -ENOENT)
		return r;
	session_span(session, &begin_ns, &end_ns);
	*ret = transcript_to_message(
		vtt ? vtt : &(struct vtt){0}, stored ? stored : &faults, begin_ns);
	return *ret ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}

/* ---- search ---- */

struct search {
	locale_t locale; /* 0: case folding of ASCII only */
	wchar_t *wanted;
};

/* Line ends and no-break spaces fold to spaces. */
static wchar_t fold(locale_t locale, uint32_t point)
{
	return point == '\n' || point == 0xa0 ? L' ' : unicode_fold(locale, point);
}

/* @return 0, -EINVAL for invalid UTF-8, or -ENOMEM */
static int fold_text(wchar_t **ret, locale_t locale, const char *text)
{
	wchar_t *folded = malloc((strlen(text) + 1) * sizeof(*folded));
	size_t count = 0;

	if (!folded)
		return -ENOMEM;
	while (*text) {
		uint32_t point;
		size_t taken = utf8_decode(text, &point);

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
	search->locale = unicode_locale();
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

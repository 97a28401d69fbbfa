#pragma once

#include "protocol/wire.pb-c.h"
#include "replay/session/bleeps.h"
#include "replay/session/vtt.h"

/*
 * What was said in a session: "transcript.vtt" in its folder, written whole or not at all. Times count
 * from the session's begin. What changes it holds the folder's lock (folder_lock()) while it does.
 */

/** @return whether the folder has one, whatever is in it */
bool transcript_exists(const struct folder *folder);

/** Read it, all of it. @return 0 (freed by vtt_destroy()), -ENOENT when there is none, as folder_read_whole(), or as
 * vtt_parse() without faults */
int transcript_load(struct vtt **ret, const struct folder *folder, struct error *reterr);

/**
 * Store a transcript. On return it is on the disk.
 *
 * @param replace  in the place of one that is there; otherwise that is -EEXIST
 * @return 0, or a negative errno with the reason: then nothing has changed
 */
int transcript_store(
	const struct folder *folder, const struct vtt *vtt, bool replace, struct error *reterr);

/** Take it away. @return 0, also when there was none, or a negative errno with the reason */
int transcript_remove(const struct folder *folder, struct error *reterr);

/**
 * Take all cues out, for good, that reach into a span; also what an interrupted write left of any.
 *
 * @param from_ns, to_ns  from the session's begin
 * @param ret_count       how many went
 * @return 0, or a negative errno with the reason: then nothing has changed
 */
int transcript_erase(const struct folder *folder, int64_t from_ns, int64_t to_ns, size_t *ret_count,
	struct error *reterr);

/** Move all cues by a time; what would be before the begin is cut off, cues with nothing left go. */
void transcript_shift(struct vtt *vtt, int64_t by_ns);

/**
 * Write "[bleeped]" over the text of all cues that reach into a bleep.
 *
 * @param begin_ns  the session's begin
 * @return 0 or -ENOMEM
 */
int transcript_bleep(struct vtt *vtt, const struct bleeps *bleeps, int64_t begin_ns);

/**
 * Read a session's transcript as it may be shown: with its bleeps, and without what cannot be read.
 *
 * @param ret_faults  as of vtt_parse()
 * @return as transcript_load()
 */
int transcript_show(struct vtt **ret, const struct session *session, struct vtt_faults *ret_faults,
	struct error *reterr);

/** As a page wants it. @return freed with …free_unpacked(), or NULL */
Uxrec__Transcript *transcript_to_message(
	const struct vtt *vtt, const struct vtt_faults *faults, int64_t begin_ns);

/** Words to look for, whatever their case, in any script that has cases. */
struct search;

/** @return 0 (freed by search_destroy()), -EINVAL when the text is empty or not UTF-8, or -ENOMEM */
int search_create(struct search **ret, const char *text);
void search_destroy(struct search *search);
DEFINE_DESTROY(search);

/** @return 1 when the text has it in it, also across the end of a line; 0, or -ENOMEM */
int search_finds(const struct search *search, const char *text);

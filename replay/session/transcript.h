#pragma once

#include "protocol/wire.pb-c.h"
#include "replay/session/bleeps.h"
#include "replay/session/vtt.h"

/*
 * The transcript of a session: "transcript.vtt" in its folder, written atomically. Times are relative to the session's
 * start. Modifying functions hold the folder's lock (folder_lock()).
 */

/** @return true when the folder has one, valid or not */
bool transcript_exists(const struct folder *folder);

/**
 * Load the whole transcript. @return 0 (freed by vtt_destroy()), -ENOENT when there is none, as folder_read_whole(),
 * or as vtt_parse() without faults
 */
int transcript_load(struct vtt **ret, const struct folder *folder, struct error *reterr);

/**
 * Store a transcript. On return it is on the disk.
 *
 * @param replace  replace an existing one; otherwise -EEXIST
 * @return 0, or a negative errno with the reason: then nothing has changed
 */
int transcript_store(
	const struct folder *folder, const struct vtt *vtt, bool replace, struct error *reterr);

/** Remove the transcript. @return 0, also when there was none, or a negative errno with the reason */
int transcript_remove(const struct folder *folder, struct error *reterr);

/**
 * Erase all cues that overlap a span, permanently, including leftovers of an interrupted write.
 *
 * @param from_ns, to_ns  from the session's start
 * @param ret_count       number of erased cues
 * @return 0, or a negative errno with the reason: then nothing has changed
 */
int transcript_erase(const struct folder *folder, int64_t from_ns, int64_t to_ns, size_t *ret_count,
	struct error *reterr);

/** Shift all cues by a time; parts before the start are cut off, empty cues are removed. */
void transcript_shift(struct vtt *vtt, int64_t by_ns);

/**
 * Replace the text of all cues that overlap a bleep with "[bleeped]".
 *
 * @param begin_ns  the session's start
 * @return 0 or -ENOMEM
 */
int transcript_bleep(struct vtt *vtt, const struct bleeps *bleeps, int64_t begin_ns);

/**
 * Load a session's transcript for display: with bleeps applied, and without unreadable lines.
 *
 * @param ret_faults  as of vtt_parse()
 * @return as transcript_load()
 */
int transcript_show(struct vtt **ret, const struct session *session, struct vtt_faults *ret_faults,
	struct error *reterr);

/** Convert for a page. @return freed with …free_unpacked(), or NULL */
Uxrec__Transcript *transcript_to_message(
	const struct vtt *vtt, const struct vtt_faults *faults, int64_t begin_ns);

/**
 * Describe a session's transcript for a page, as with transcript_show(); an empty one when it has none.
 *
 * @param ret     set on success; freed with …free_unpacked()
 * @param stored  faults of a transcript just stored; NULL: those of this one
 * @return 0, or a negative errno with the reason
 */
int transcript_describe(Uxrec__Transcript **ret, const struct session *session,
	const struct vtt_faults *stored, struct error *reterr);

/** A search text, case-insensitive in any script that has cases. */
struct search;

/** @return 0 (freed by search_destroy()), -EINVAL when the text is empty or not UTF-8, or -ENOMEM */
int search_create(struct search **ret, const char *text);
void search_destroy(struct search *search);
DEFINE_DESTROY(search);

/** @return 1 when the text contains it, also across a line end; 0, or -ENOMEM */
int search_finds(const struct search *search, const char *text);

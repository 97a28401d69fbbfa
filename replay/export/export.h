#pragma once

#include "protocol/base/error.h"
#include "replay/export/drawing.h"
#include "replay/session/bleeps.h"
#include "replay/session/chapters.h"

#include <signal.h>

/* Sound and picture of a session as files that any player shows. */

enum export_format {
	EXPORT_MKV,  /* picture and sound as they were coded, at their times to the millisecond */
	EXPORT_MP4,  /* the same, silence where there is no sound */
	EXPORT_WEBM, /* pictures coded anew (VP9) unless they are AV1, sound as it was coded */
	EXPORT_H264, /* the video as it was coded, without times, unless it is AV1 */
	EXPORT_PNG,  /* single pictures, see session_export_pictures() */
	EXPORT_OPUS, /* sound as it was coded, silence where there is none */
	EXPORT_WAV,  /* sound, 16 bits, every sample within a millisecond of its time */
	EXPORT_COUNT,
};

/** @return the format of that name ("mkv", "mp4" …), or -1 */
int export_find(const char *name);

/** Whether a format has something that can be drawn on. */
bool export_draws(enum export_format format);

/** Whether a format is that of films: it can have chapters. */
bool export_is_film(enum export_format format);

struct export_options {
	enum export_format format;
	/* session times; INT64_MIN and INT64_MAX: all. The export's time 0 is `from`, or the session's
	 * begin; where pictures are as they were coded, the keyframe before `from`. */
	int64_t from_ns, to_ns;
	/* Spans that have a tone instead of the sound; never NULL. */
	const struct bleeps *bleeps;
	/* Of the two sounds the one that the machine played; films have both. */
	bool monitor;
	/* What is drawn into the pictures, which are then coded anew: enum drawing_part; 0: nothing. */
	unsigned draw;
	/* The file has another name until it is whole; see replay/export/unfinished.h. */
	bool beside;
	/* A signal's handler writes other than 0 there: nothing more is made, and what was made is
	 * removed. May be NULL. */
	const volatile sig_atomic_t *cut;
	/* Tasks to jump to, of films; NULL: none. */
	const struct chapters *chapters;
	/* Called now and then with the time that was reached; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
};

/** What an export has become. */
struct exported {
	int64_t begin_ns, end_ns;    /* session times of its time 0 and of its end */
	struct frames_faults faults; /* of pictures that were coded anew */
};

/**
 * Write a part of a session. Gaps stay as long as they were.
 *
 * @param path  of the file to make; -EEXIST when it is there; removed on failure
 * @param ret   set on success, if not NULL
 * @return 0, -ENODATA when the session has nothing of the kind, -EINTR when it was cut, or a negative errno, with
 *         the reason
 */
int session_export(const struct session *session, const char *path,
	const struct export_options *options, struct exported *ret, struct error *reterr);

/** What became of single pictures. */
struct exported_pictures {
	size_t count;   /* of files */
	size_t in_gaps; /* moments for which no picture was recorded */
	struct screen_gap_text first_gap;
	struct frames_faults faults;
};

/** Single pictures, with all that lies over the video. */
struct export_pictures {
	const int64_t *at_ns; /* session times; each is one picture */
	size_t count;
	unsigned draw; /* enum drawing_part */
	bool folder; /* one file a picture in a folder that is made, named by its time: "00-01-30.500.png" */
	const volatile sig_atomic_t *cut; /* as of struct export_options */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
};

/**
 * Write pictures of moments as PNG files. Moments at which nothing is shown have none.
 *
 * @param path       of the file or folder to make, which has another name until it is whole; -EEXIST when it
 *                   is there; what was made of it is removed on failure
 * @return 0, -ENODATA when at no moment anything was shown, with the gap if they lie in one, -EINTR when it was cut, or a negative errno, with the
 *         reason
 */
int session_export_pictures(const struct session *session, const char *path,
	const struct export_pictures *options, struct exported_pictures *ret, struct error *reterr);

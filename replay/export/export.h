#pragma once

#include "protocol/base/error.h"
#include "replay/export/drawing.h"
#include "replay/session/bleeps.h"
#include "replay/session/chapters.h"

#include <signal.h>

/* Export of the sound and picture of a session to common media files. */

enum export_format {
	EXPORT_MKV,  /* copied video and sound, with times to the millisecond */
	EXPORT_MP4,  /* the same, with gaps in the sound filled with silence */
	EXPORT_WEBM, /* video re-encoded (VP9) unless it is AV1, copied sound */
	EXPORT_H264, /* copied H.264 video, without times; not for AV1 */
	EXPORT_PNG,  /* single pictures, see session_export_pictures() */
	EXPORT_OPUS, /* copied sound, gaps filled with silence */
	EXPORT_WAV,  /* decoded sound, 16 bits, each sample within a millisecond of its time */
	EXPORT_COUNT,
};

/** @return the format with this name ("mkv", "mp4" …), or -1 */
int export_find(const char *name);

/** True for formats with pictures that can be drawn on. */
bool export_draws(enum export_format format);

/** True for film formats, which can have chapters. */
bool export_is_film(enum export_format format);

struct export_options {
	enum export_format format;
	/*
	 * Session times; INT64_MIN and INT64_MAX: all. The export's time 0 is `from`, or the session's start; for
	 * copied video, the keyframe before `from`.
	 */
	int64_t from_ns, to_ns;
	/* Spans in which a tone replaces the sound; never NULL. */
	const struct bleeps *bleeps;
	/* The monitor sound instead of the microphone's; films have both. */
	bool monitor;
	/* Overlays drawn into the pictures, which are then re-encoded: enum drawing_part; 0: none. */
	unsigned draw;
	/* Write under a temporary name until complete; see replay/export/unfinished.h. */
	bool beside;
	/* Set to non-zero by a signal handler to cancel: the export stops, and its output is removed. May be NULL. */
	const volatile sig_atomic_t *cut;
	/* Chapters of films; NULL: none. */
	const struct chapters *chapters;
	/* Called now and then with the time reached; may be NULL. */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
};

/** Result of an export. */
struct exported {
	int64_t begin_ns, end_ns;    /* session times of its time 0 and of its end */
	struct frames_faults faults; /* of re-encoded pictures */
};

/**
 * Export a part of a session. Gaps keep their length.
 *
 * @param path  file to create; -EEXIST when it exists; removed on failure
 * @param ret   set on success, if not NULL
 * @return 0, -ENODATA when the session has no such content, -EINTR when cancelled, or a negative errno, with the
 *         reason
 */
int session_export(const struct session *session, const char *path,
	const struct export_options *options, struct exported *ret, struct error *reterr);

/** Result of an export of single pictures. */
struct exported_pictures {
	size_t count;   /* number of files */
	size_t in_gaps; /* times without a recorded picture */
	struct screen_gap_text first_gap;
	struct frames_faults faults;
};

/** Options for single pictures, which include the patches. */
struct export_pictures {
	const int64_t *at_ns; /* session times, one per picture */
	size_t count;
	unsigned draw; /* enum drawing_part */
	bool folder;   /* one file per picture in a new folder, named by time: "00-01-30.500.png" */
	const volatile sig_atomic_t *cut; /* as of struct export_options */
	void (*progress)(void *user, int64_t at_ns);
	void *user;
};

/**
 * Export the pictures at given times as PNG files. Times at which nothing is shown are skipped.
 *
 * @param path       file or folder to create, under a temporary name until complete; -EEXIST when it exists; partial
 *                   output is removed on failure
 * @return 0, -ENODATA when nothing is shown at any of the times, with the gap if they lie in one, -EINTR when
 *         cancelled, or a negative errno, with the reason
 */
int session_export_pictures(const struct session *session, const char *path,
	const struct export_pictures *options, struct exported_pictures *ret, struct error *reterr);

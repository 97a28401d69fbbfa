#pragma once

#include "capture/screen/encoder.h"
#include "capture/screen/grabber.h"
#include "capture/screen/patcher.h"
#include "capture/screen/pointer_reports.h"
#include "capture/screen/rate_control.h"
#include "capture/screen/screen.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * What the files of the screen source share. All of it lives in one thread:
 *
 *   screen.c       the source: when the screen is looked at, what is hidden, a display that goes and comes back
 *   screen_show.c  what is pushed of it: patches, pictures of the video, keyframes, gaps
 */

/** One stroke of a program is often several requests: the rest of it is waited for. */
#define COALESCE_NS (4 * NS_PER_MS)

/** Pictures that there would have been at the rate that was asked for: a row of them. CLOCK_MONOTONIC */
struct left_out {
	int64_t from_ns, to_ns;
	uint64_t count;
	bool lower; /* the rate was */
};

struct screen_source {
	struct source base;
	struct source_context context;
	struct screen_options options;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop, keyframe_wanted;
	_Atomic bool focused_hidden;
	pthread_mutex_t hidden_lock;
	struct areas hidden[MASK_COUNT]; /* of the canvas, for others */
	_Atomic int64_t busy_since_ns;   /* 0: waiting for damage */
	_Atomic int64_t said_complete_ns;

	pthread_mutex_t
		grabber_lock; /* of the pointer: another thread may cut what this one waits for */

	struct pointer_told pointer; /* of the grabber's own thread */

	/* of the thread */
	struct grabber *grabber;
	struct canvas *canvas;
	struct patcher *patcher;
	struct encoder *encoder;
	struct grabber_size size;
	struct monitors monitors;       /* as they were said */
	unsigned hidden_now;            /* enum hidden, as it was pushed last */
	char output[OUTPUT_NAME_BYTES]; /* what was recorded first; "": it has no name */
	struct pace pace;
	int64_t next_ns; /* not before, for the ceiling of the picture rate */
	int64_t last_time_ns, copied_ns;
	int64_t shown_ns; /* when what was shown last had been copied */
	struct left_out left_out;
	int64_t owed_ns,
		owed_bytes; /* since when the video lacks what lies over it, and how much; 0: it does not */
	int64_t encoder_failed_ns;
	int encoder_failures; /* not long apart */
	uint32_t pictures_since_keyframe, changes_since_keyframe;
	bool keyframe_seen;
};

/** A canvas, a patcher and an encoder for the grabber's present size, all of which counts as damaged. */
int screen_set_up(struct screen_source *source, struct error *reterr);
void screen_tear_down(struct screen_source *source);

/** Two pictures never have one time. @return the time, or the next that is free */
int64_t screen_take_time(struct screen_source *source, int64_t time_ns);

/** Push what is known of the screen. */
int screen_push_info(struct screen_source *source, int64_t time_ns);

/**
 * Push what has changed on the canvas.
 *
 * @param damage_ns  when it was reported; it was copied at source->copied_ns
 * @return 1, 0 when nothing has, or a negative errno
 */
int screen_show(struct screen_source *source, int64_t damage_ns);

/** When screen_rest() has something to do. @return CLOCK_MONOTONIC, or INT64_MAX */
int64_t screen_rest_due_ns(struct screen_source *source, int64_t now_ns);

/** Push a step of what is at rest. @param now_ns  the canvas is as the screen was then */
int screen_rest(struct screen_source *source, int64_t now_ns);

/** When screen_use_pause() has something to do. @return CLOCK_MONOTONIC, or INT64_MAX */
int64_t screen_pause_due_ns(struct screen_source *source, int64_t now_ns);

/**
 * While nothing changes: push a step of what is due, the video that catches up or something that is at rest.
 *
 * @param now_ns  the canvas is as the screen was then
 */
int screen_use_pause(struct screen_source *source, int64_t now_ns);

/** The rate is about to change, or nothing more comes: say how many pictures the lower one has left out. */
int screen_tell_left_out(struct screen_source *source);

/** The source ends or its display is gone: what the video and the gaps lack is pushed. */
void screen_finish(struct screen_source *source);

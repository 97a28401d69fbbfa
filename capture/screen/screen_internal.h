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
 * Internals of the screen source, shared by its files. All of it lives in one thread:
 *
 * - screen.c  the source: capture times, hiding, a display that goes and comes back
 * - show.c    the packets: patches, pictures of the video, keyframes, gaps
 */

/** One stroke of a program is often several requests: wait for the rest. */
#define COALESCE_NS (4 * NS_PER_MS)

/** Consecutive pictures missing at the requested rate. CLOCK_MONOTONIC */
struct left_out {
	int64_t from_ns, to_ns;
	uint64_t count;
	bool lower; /* due to a lowered rate */
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
	struct areas hidden[MASK_COUNT]; /* of the canvas, for other threads */
	_Atomic int64_t busy_since_ns;   /* 0: waiting for damage */
	_Atomic int64_t reported_watermark_ns;

	/* guards `grabber`: another thread may cut a blocking call */
	pthread_mutex_t grabber_lock;

	struct pointer_reporter pointer; /* owned by the grabber's thread */

	/* owned by the source's thread */
	struct grabber *grabber;
	struct canvas *canvas;
	struct patcher *patcher;
	struct encoder *encoder;
	struct grabber_size size;
	struct monitors monitors;       /* as last pushed */
	unsigned hidden_now;            /* enum hidden, as last pushed */
	char output[OUTPUT_NAME_BYTES]; /* first recorded output; "": unnamed */
	struct rate_control rate_control;
	int64_t next_ns; /* earliest next picture, by the current rate */
	int64_t last_time_ns, copied_ns;
	int64_t shown_ns; /* copy time of the last picture shown */
	struct left_out left_out;
	/* start and bytes of patches missing in the video; 0: none */
	int64_t refresh_pending_ns, refresh_pending_bytes;
	int64_t encoder_failed_ns;
	int encoder_failures; /* in quick succession */
	uint32_t pictures_since_keyframe, changes_since_keyframe;
	bool keyframe_seen;
};

/** Create a canvas, a patcher and an encoder of the grabber's current size, fully damaged. */
int screen_set_up(struct screen_source *source, struct error *reterr);
void screen_tear_down(struct screen_source *source);

/** Make picture timestamps unique. @return the time, or the next free one */
int64_t screen_unique_time(struct screen_source *source, int64_t time_ns);

/** Push the screen's metadata. */
int screen_push_info(struct screen_source *source, int64_t time_ns);

/**
 * Push the changes on the canvas.
 *
 * @param damage_ns  report time of the damage; the copy is of source->copied_ns
 * @return 1, 0 without changes, or a negative errno
 */
int screen_show(struct screen_source *source, int64_t damage_ns);

/** Deadline for screen_refine(). @return CLOCK_MONOTONIC, or INT64_MAX */
int64_t screen_refine_due_ns(struct screen_source *source, int64_t now_ns);

/** Lay one step of patches at rest. @param now_ns  time of the canvas's contents */
int screen_refine(struct screen_source *source, int64_t now_ns);

/** Deadline for screen_use_idle(). @return CLOCK_MONOTONIC, or INT64_MAX */
int64_t screen_idle_due_ns(struct screen_source *source, int64_t now_ns);

/**
 * While nothing changes: push one step of pending work, a video picture to catch up or patches at rest.
 *
 * @param now_ns  time of the canvas's contents
 */
int screen_use_idle(struct screen_source *source, int64_t now_ns);

/** On a change of the rate or at the end: push the gap of pictures left out. */
int screen_push_left_out(struct screen_source *source);

/** At the end of the source or display: push the pending video and gaps. */
void screen_finish(struct screen_source *source);

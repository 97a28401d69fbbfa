#pragma once

#include "capture/screen/picture.h"

#include <pipewire/pipewire.h>
#include <spa/param/video/raw.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A screen as a desktop gives it out by PipeWire: a stream of known pictures in shared memory, with what the
 * test wants said of them, or what should not be said. The server is lab_pipewire's.
 */

#define VIDEO_AREAS 16

struct video_lab {
	/* set by the test */
	int width, height;
	enum spa_video_format format; /* 0: BGRx */
	int padding;                  /* bytes behind each row */
	int cut_rows;                 /* buffers are shorter than they say */
	bool unsealed;                /* and may get shorter at any time */

	uint32_t *pixels; /* width * height, as a canvas has them: 0x00RRGGBB */

	/* of the next picture */
	struct video_said {
		struct rect damage[VIDEO_AREAS];
		int damage_count; /* 0: nothing is said of it */
		struct rect crop; /* width 0: none */
		int64_t pts_ns;   /* 0: the time at which it is shown */
		int32_t stride;   /* 0: the true one */
		uint32_t offset;
		bool corrupted;
		bool taken_away; /* the memory is, when the picture is handed out; of unsealed */
		unsigned lost;   /* pictures before it that nobody got */
		bool has_cursor;
		uint32_t cursor_id;
		int cursor_x, cursor_y;
		int cursor_side; /* 0: the shape is as before */
	} said;

	/* of the stream */
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook hook;
	enum pw_stream_state state;
	struct spa_rectangle agreed; /* the size of its buffers */
	uint32_t node;
	uint64_t sequence;
};

/** Make the stream; its node is known then. The size and format are set. */
void video_start(struct video_lab *video);
void video_end(struct video_lab *video);

/** Paint on the pixels, with colours that follow from the seed. Nothing is shown. */
void video_paint(struct video_lab *video, const struct rect *rect, uint32_t seed);

/** Show the pixels to whoever has connected, and forget what is said of it. @return false when nobody does in time */
bool video_show(struct video_lab *video, int64_t within_ns);

/** Another size: the pixels are fresh, and shown by the next video_show(). */
void video_resize(struct video_lab *video, int width, int height);

#pragma once

#include "capture/screen/picture.h"

#include <pipewire/pipewire.h>
#include <spa/param/video/raw.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A desktop's screen as a PipeWire stream: known pictures in shared memory, with metadata that the test sets, valid or
 * not. The server is lab_pipewire's.
 */

#define VIDEO_AREAS 16

struct video_lab {
	/* set by the test */
	int width, height;
	enum spa_video_format format; /* 0: BGRx */
	int padding;                  /* bytes after each row */
	int cut_rows;                 /* rows missing at the end of each buffer */
	bool unsealed;                /* buffers may shrink at any time */

	uint32_t *pixels; /* width * height, in a canvas's format: 0x00RRGGBB */

	/* of the next picture */
	struct video_said {
		struct rect damage[VIDEO_AREAS];
		int damage_count; /* 0: no damage metadata */
		struct rect crop; /* width 0: none */
		int64_t pts_ns;   /* 0: time of its showing */
		int32_t stride;   /* 0: the true one */
		uint32_t offset;
		bool corrupted;
		bool taken_away; /* drop the memory when the picture is handed out; of unsealed */
		unsigned lost;   /* pictures before it that were not delivered */
		bool has_cursor;
		uint32_t cursor_id;
		int cursor_x, cursor_y;
		int cursor_side; /* 0: shape unchanged */
	} said;

	/* of the stream */
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook hook;
	enum pw_stream_state state;
	struct spa_rectangle agreed; /* size of its buffers, negotiated */
	uint32_t node;
	uint64_t sequence;
};

/** Create the stream; its node is known afterwards. Size and format must be set. */
void video_start(struct video_lab *video);
void video_end(struct video_lab *video);

/** Paint on the pixels, with colours derived from the seed. Not shown yet. */
void video_paint(struct video_lab *video, const struct rect *rect, uint32_t seed);

/** Show the pixels to the connected client, and reset their metadata. @return false if no client takes them in time */
bool video_show(struct video_lab *video, int64_t within_ns);

/** Change the size: fresh pixels, shown by the next video_show(). */
void video_resize(struct video_lab *video, int width, int height);

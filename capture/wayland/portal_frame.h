#pragma once

#include "capture/screen/canvas.h"
#include "capture/screen/grabber.h"

#include <spa/buffer/buffer.h>
#include <spa/param/video/raw.h>
#include <spa/pod/builder.h>

/*
 * The pictures of the desktop's stream. What a buffer says of itself is written by the other side, whenever
 * it likes: it is copied before it is looked at, and nothing is taken that does not fit.
 */

/* Cursors up to this many pixels square; mutter's is as large */
#define PORTAL_CURSOR_SIDE 384

/**
 * The memory of one buffer. It is mapped when it is sealed: of what the other side can shorten at any time, touching
 * what is gone would end us. That is read from its file, which gives an error then.
 */
struct portal_memory {
	uint8_t *memory; /* mapped; or NULL */
	int fd;          /* otherwise the buffer's, which keeps it */
	size_t length;   /* 0: it cannot be read */
	size_t begin;    /* where the buffer's data are in it */
};

/**
 * Look at it, and map it if that is safe.
 *
 * @param ret  zeroed; portal_memory_unmap() takes it in any case
 * @return 0, or a negative errno with the reason
 */
int portal_memory_map(
	struct portal_memory *ret, const struct spa_buffer *buffer, struct error *reterr);
void portal_memory_unmap(struct portal_memory *memory);

/* ---- what is agreed with the desktop ---- */

#define PORTAL_PARAMS 5

/** The formats that can be read. */
const struct spa_pod *portal_param_of_formats(struct spa_pod_builder *builder);

/** What is wanted of buffers: shared memory, and what is to be said in them. */
void portal_params_of_buffers(
	struct spa_pod_builder *builder, const struct spa_pod *ret[PORTAL_PARAMS]);

/** @return whether pictures of this format can be recorded; its size is set as far as it is known */
bool portal_format_read(struct spa_video_info_raw *ret, const struct spa_pod *param);

/* ---- what is in a buffer ---- */

/** A picture, checked against its memory. */
struct portal_frame {
	const struct portal_memory *memory;
	size_t begin; /* in it, of the part that is the screen */
	int stride;
	int x, y; /* of that part, in the buffer */
	struct grabber_size size;
	bool swapped; /* R G B X, not B G R X */
};

/** @return 0, -ENODATA there is no picture in it, or -EBADMSG what is said does not fit */
int portal_frame_read(struct portal_frame *ret, struct spa_buffer *buffer,
	const struct portal_memory *memory, const struct spa_video_info_raw *format);

/** Room for what is read. */
struct portal_room {
	uint8_t *memory;
	size_t size_bytes;
};

/** Make it as large as that. @return 0 or -ENOMEM */
int portal_room_make(struct portal_room *room, size_t size_bytes);

/**
 * The pixels of a part of a picture.
 *
 * @param rect  within the frame; not empty
 * @param room  used when they have to be read; the caller frees its memory at last
 * @param ret   its first pixel, until the room is used again
 * @return 0, -EBADMSG they are not there any more, or -ENOMEM
 */
int portal_frame_pixels(const struct portal_frame *frame, const struct rect *rect,
	struct portal_room *room, const uint8_t **ret, int *ret_stride);

/** Add where it differs from the frame before it. @return false when it does not say */
bool portal_frame_damage(
	struct areas *areas, struct spa_buffer *buffer, const struct portal_frame *frame);

/**
 * @param ret_sequence  its number, each one more than the one before; or always 0
 * @return when it was shown, CLOCK_MONOTONIC; INT64_MIN when it does not say
 */
int64_t portal_frame_time(struct spa_buffer *buffer, uint64_t *ret_sequence);

enum portal_pointer {
	PORTAL_POINTER_UNSAID, /* as before */
	PORTAL_POINTER_AWAY,   /* it is not on what is shared */
	PORTAL_POINTER_THERE,
};

/**
 * @param ret   the pointer as it is now, when it is there; all but the time
 * @param rgba  where its shape goes: PORTAL_CURSOR_SIDE squared pixels
 */
enum portal_pointer portal_frame_pointer(
	struct spa_buffer *buffer, struct grabber_pointer *ret, uint8_t *rgba);

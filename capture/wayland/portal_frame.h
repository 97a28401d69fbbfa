#pragma once

#include "capture/screen/canvas.h"
#include "capture/screen/grabber.h"

#include <spa/buffer/buffer.h>
#include <spa/param/video/raw.h>
#include <spa/pod/builder.h>

/*
 * Frames of the desktop's stream. Buffer metadata is written by the peer at any time: it is copied
 * before it is checked, and anything out of bounds is rejected.
 */

/* Largest cursor, in pixels square; mutter's limit is the same */
#define PORTAL_CURSOR_SIDE 384

/**
 * The memory of one buffer. Only sealed memory is mapped: if the peer can shrink it at any time,
 * access past the end would kill the process. Unsealed memory is read from its file instead, where
 * that is an error.
 */
struct portal_memory {
	uint8_t *memory; /* mapped; or NULL */
	int fd;          /* otherwise the buffer's, which owns it */
	size_t length;   /* 0: unreadable */
	size_t begin;    /* offset of the buffer's data */
};

/**
 * Check the memory of a buffer, and map it if that is safe.
 *
 * @param ret  zeroed; portal_memory_unmap() accepts it in any case
 * @return 0, or a negative errno with the reason
 */
int portal_memory_map(
	struct portal_memory *ret, const struct spa_buffer *buffer, struct error *reterr);
void portal_memory_unmap(struct portal_memory *memory);

/* ---- format negotiation ---- */

#define PORTAL_PARAMS 5

/** The readable formats. */
const struct spa_pod *portal_param_of_formats(struct spa_pod_builder *builder);

/** The requested buffers: shared memory, and the metadata. */
void portal_params_of_buffers(
	struct spa_pod_builder *builder, const struct spa_pod *ret[PORTAL_PARAMS]);

/** @return true for a recordable format; its size is set as far as it is known */
bool portal_format_read(struct spa_video_info_raw *ret, const struct spa_pod *param);

/* ---- contents of a buffer ---- */

/** A picture, checked against its memory. */
struct portal_frame {
	const struct portal_memory *memory;
	size_t begin; /* offset in memory of the screen's part */
	int stride;
	int x, y; /* of that part, in the buffer */
	struct grabber_size size;
	bool swapped; /* RGBX, not BGRX: see portal_pixels_swap() */
};

/** @return 0, -ENODATA for a buffer without a picture, or -EBADMSG for invalid metadata */
int portal_frame_read(struct portal_frame *ret, struct spa_buffer *buffer,
	const struct portal_memory *memory, const struct spa_video_info_raw *format);

/** Scratch buffer for pixels. */
struct portal_scratch {
	uint8_t *memory;
	size_t size_bytes;
};

/** Grow it to at least @p size_bytes. @return 0 or -ENOMEM */
int portal_scratch_reserve(struct portal_scratch *scratch, size_t size_bytes);

/**
 * The pixels of a part of a picture.
 *
 * @param rect     within the frame; not empty
 * @param scratch  used when the pixels have to be read; the caller frees its memory in the end
 * @param ret      the first pixel, valid until the scratch memory is used again
 * @return 0, -EBADMSG when the pixels are gone, or -ENOMEM
 */
int portal_frame_pixels(const struct portal_frame *frame, const struct rect *rect,
	struct portal_scratch *scratch, const uint8_t **ret, int *ret_stride);

/**
 * Swap red and blue in a part of a picture.
 *
 * @param rect     its size; not empty
 * @param scratch  receives the swapped pixels: not the one that has them now. The caller frees its
 *                 memory in the end
 * @param pixels   the first pixel; on success the first swapped one, valid until the scratch memory
 *                 is used again
 * @param stride   bytes from a row to the next; on success of the swapped pixels
 * @return 0 or -ENOMEM
 */
int portal_pixels_swap(const struct rect *rect, struct portal_scratch *scratch,
	const uint8_t **pixels, int *stride);

/** Add the damage since the previous frame. @return false when the buffer carries none */
bool portal_frame_damage(
	struct areas *areas, struct spa_buffer *buffer, const struct portal_frame *frame);

/**
 * @param ret_sequence  its number, one more than that of the previous frame; or always 0
 * @return its presentation time, CLOCK_MONOTONIC; INT64_MIN when unset
 */
int64_t portal_frame_time(struct spa_buffer *buffer, uint64_t *ret_sequence);

enum portal_pointer {
	PORTAL_POINTER_UNCHANGED, /* unchanged */
	PORTAL_POINTER_OUTSIDE,   /* outside the shared area */
	PORTAL_POINTER_INSIDE,
};

/**
 * @param ret   the current pointer, when it is there; all but the time
 * @param rgba  receives its shape: PORTAL_CURSOR_SIDE squared pixels
 */
enum portal_pointer portal_frame_pointer(
	struct spa_buffer *buffer, struct grabber_pointer *ret, uint8_t *rgba);

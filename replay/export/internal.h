#pragma once

/*
 * Shared by the files of the export: export.c opens the file and copies video, draw.c re-encodes video,
 * sound.c writes the sounds. All functions return 0 or a negative errno.
 */

#include "protocol/base/av_error.h"
#include "protocol/base/clock.h"
#include "replay/decode/sound_decode.h"
#include "replay/export/export.h"
#include "replay/export/tone.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* One of the two sound streams. */
struct sound {
	AVStream *stream; /* NULL: not in the export */
	int64_t last;     /* start of the previous packet, in samples */
	int64_t samples;  /* written samples; EXPORT_MP4: end of the previous packet */
	size_t bleeped;   /* packets since the bleep began */
};

/* Re-encodes video. */
struct drawer;

/* Pictures added to copied video. */
struct stills;

/* Format of the video. */
struct coding;

struct export
{
	const struct session *session;
	const struct export_options *options;
	struct error *error;
	AVFormatContext *out;
	AVStream *video;
	const struct coding *coding; /* of copied video */
	struct sound microphone, monitor;
	struct drawer *drawer; /* NULL: video is copied */
	struct stills *stills; /* NULL: none */
	AVPacket *packet;
	struct sound_decoder *decoder; /* for WAV */
	struct tone *tone;             /* created at the first bleep */
	int64_t begin_ns, end_ns;
	int64_t newest_ns;  /* time of the last copied picture */
	int64_t last_video; /* in ms from begin_ns; -1: none yet */
	bool is_444;        /* copied video is 4:4:4 */
	bool is_key;        /* the next picture is a keyframe */
};

/* Film time in ms. */
static inline int64_t export_ms(const struct export *export, int64_t time_ns)
{
	return (time_ns - export->begin_ns + NS_PER_MS / 2) / NS_PER_MS;
}

/* @return 0, or -EINTR when cancelled */
static inline int export_check_cut(const struct export *export)
{
	return export->options->cut && *export->options->cut ? -EINTR : 0;
}

/* Error message for a negative errno. @param why  a more specific message, may be NULL */
const char *export_reason(int r, const struct error *why);

/* Set the extradata of a stream's decoder. */
int export_set_extradata(AVStream *stream, const void *data, size_t size);

/* Set an error for a failure of the picture decoder, with the name of the session. @return r */
int export_decoder_error(
	const struct session *session, const struct frames *frames, int r, struct error *reterr);

/* Set the title of a track. */
void export_set_title(AVStream *stream, const char *title);

/* The first message of a channel in the export, or the newest before it. @return also 1 and 0 */
int export_find_message(const struct export *export, uint16_t known, struct reader_message *ret);

/* Write a packet; the time unit is ms for video, samples for sound. */
int export_write(struct export *export, AVStream *stream, int64_t pts, int64_t duration,
	const void *data, size_t size);

/* Add the sound streams of the format, with their codecs. */
int export_add_sounds(struct export *export);

int export_handle_sound(struct export *export, const struct reader_message *message);

/* Add a stream of re-encoded video; none when nothing is shown. */
int export_open_drawer(struct export *export);
void export_close_drawer(struct export *export);

/* Write all pictures before a time; the last call is with the end. */
int export_draw_until(struct export *export, int64_t to_ns);
struct frames_faults export_draw_faults(const struct export *export);

/* Add a still to copied video for each gap that begins before a time. To be called after the video stream is added. */
int export_open_stills(struct export *export);
void export_close_stills(struct export *export);
int export_stills_until(struct export *export, int64_t to_ns);

/* True when a still is shown at a time, so that the film has no room for another picture. */
bool export_in_still(const struct export *export, int64_t at_ns);

/* Add the missing pictures up to the film's end. */
int export_end_stills(struct export *export);

/* Encodes single pictures. */
struct picture_encoder {
	AVCodecContext *codec;
	AVFrame *yuv;
	AVPacket *packet; /* the latest picture */
};

enum picture_encoder_flag {
	PICTURE_GLOBAL_HEADER = 1, /* parameters in the codec's extradata instead of in keyframes */
	PICTURE_444 = 2,           /* 4:4:4 instead of 4:2:0 */
};

/* @param ret  zeroed; closed by picture_encoder_close() also on failure; width and height are even */
int picture_encoder_open(struct picture_encoder *ret, enum AVCodecID id, int width, int height,
	unsigned flags, struct error *reterr);
int picture_encoder_encode(
	struct picture_encoder *encoder, const struct frame *picture, int64_t pts);
void picture_encoder_close(struct picture_encoder *encoder);

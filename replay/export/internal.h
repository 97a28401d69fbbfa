#pragma once

/* What the files of the export share: export.c opens the file and passes on pictures, export_draw.c codes
 * pictures anew, export_sound.c has the sounds. All functions return 0 or a negative errno. */

#include "protocol/base/clock.h"
#include "replay/decode/sound_decode.h"
#include "replay/export/export.h"
#include "replay/export/tone.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* one of the two sounds */
struct sound {
	AVStream *stream; /* NULL: not in the export */
	int64_t last;     /* the sample that the packet before began with */
	int64_t samples;  /* that were written; of EXPORT_MP4, where the packet before ended */
	size_t bleeped;   /* packets since the bleep began */
};

/* codes pictures anew */
struct drawer;

/* pictures that are added to those that are passed on */
struct stills;

/* what the video is */
struct coding;

struct export
{
	const struct session *session;
	const struct export_options *options;
	struct error *error;
	AVFormatContext *out;
	AVStream *video;
	const struct coding *coding; /* of the pictures that are passed on */
	struct sound microphone, monitor;
	struct drawer *drawer; /* NULL: pictures are passed on */
	struct stills *stills; /* NULL: none are added */
	AVPacket *packet;
	struct sound_decoder *decoder; /* for WAV */
	struct tone *tone;             /* made when the first bleep comes */
	int64_t begin_ns, end_ns;
	int64_t newest_ns;  /* of the pictures that are passed on */
	int64_t last_video; /* in ms from begin_ns; -1: none yet */
	bool is_444;        /* the pictures that are passed on have the colour of every pixel */
	bool is_key;        /* a decoder can begin with the next picture */
};

/* a negative errno of what libav* gives */
static inline int from_av(int r)
{
	return r > -4096 ? r : -EIO;
}

/* ms in the film */
static inline int64_t export_ms(const struct export *export, int64_t time_ns)
{
	return (time_ns - export->begin_ns + NS_PER_MS / 2) / NS_PER_MS;
}

/* @return 0, or -EINTR when nobody wants it any more */
static inline int export_check_cut(const struct export *export)
{
	return export->options->cut && *export->options->cut ? -EINTR : 0;
}

/* What a negative errno means for who waits for the file. @param why  may be NULL, or say it better */
const char *export_reason(int r, const struct error *why);

/* Give a stream what its decoder needs beforehand. */
int export_set_extradata(AVStream *stream, const void *data, size_t size);

/* What has happened to the decoder of a session's pictures, as an error that names the session. @return r */
int export_decoder_error(
	const struct session *session, const struct frames *frames, int r, struct error *reterr);

/* Name a track for people. */
void export_set_title(AVStream *stream, const char *title);

/* The first message of a channel in the export, or the newest before it. @return also 1 and 0 */
int export_find_message(const struct export *export, uint16_t known, struct reader_message *ret);

/* Write a packet; times are in ms of pictures, in samples of sound. */
int export_write(struct export *export, AVStream *stream, int64_t pts, int64_t duration,
	const void *data, size_t size);

/* Add the streams of the sounds that the format has, and what they need. */
int export_add_sounds(struct export *export);

int export_take_sound(struct export *export, const struct reader_message *message);

/* Add the stream of pictures that are coded anew; there is none when nothing is shown. */
int export_open_drawer(struct export *export);
void export_close_drawer(struct export *export);

/* Write all pictures that come before a time; the last call is with the end. */
int export_draw_until(struct export *export, int64_t to_ns);
struct frames_faults export_draw_faults(const struct export *export);

/* Add a still to pictures that are passed on wherever a gap begins before a time; after the stream of pictures. */
int export_open_stills(struct export *export);
void export_close_stills(struct export *export);
int export_stills_until(struct export *export, int64_t to_ns);

/* Whether a picture of a moment has no place in the film, because a still is shown there. */
bool export_in_still(const struct export *export, int64_t at_ns);

/* Add what is missing up to the film's end. */
int export_end_stills(struct export *export);

/* Codes pictures one by one. */
struct picture_encoder {
	AVCodecContext *codec;
	AVFrame *yuv;
	AVPacket *packet; /* the newest picture */
};

enum picture_encoder_flag {
	PICTURE_GLOBAL_HEADER =
		1,       /* what decoding needs is in the codec's parameters and not in keyframes */
	PICTURE_444 = 2, /* the colour of every pixel */
};

/* @param ret  zeroed; closed by picture_encoder_close() also on failure; width and height are even */
int picture_encoder_open(struct picture_encoder *ret, enum AVCodecID id, int width, int height,
	unsigned flags, struct error *reterr);
int picture_encoder_encode(
	struct picture_encoder *encoder, const struct frame *picture, int64_t pts);
void picture_encoder_close(struct picture_encoder *encoder);

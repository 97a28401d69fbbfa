#pragma once

/* What the files of the export share: export.c opens the file and passes on pictures, export_draw.c codes
 * pictures anew, export_sound.c has the sounds. All functions return 0 or a negative errno. */

#include "replay/export.h"
#include "replay/tone.h"

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
	AVPacket *packet;
	AVCodecContext *decoder; /* of sound, for WAV */
	AVFrame *frame;
	struct tone *tone; /* made when the first bleep comes */
	int64_t begin_ns, end_ns;
	int64_t newest_ns;  /* of the pictures that are passed on */
	int64_t last_video; /* in ms from begin_ns; -1: none yet */
	bool is_key;        /* a decoder can begin with the next picture */
};

/* a negative errno of what libav* gives */
static inline int from_av(int r)
{
	return r > -4096 ? r : -EIO;
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

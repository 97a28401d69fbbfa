#include "replay/export.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/limits.h"
#include "protocol/screen.pb-c.h"
#include "replay/tone.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define RATE_HZ          48000
#define PACKET_SAMPLES   TONE_PACKET_SAMPLES
#define NEAR_SAMPLES     48 /* a millisecond */
#define PROGRESS_PACKETS 4096

/* An Opus packet of 20 ms of silence, mono: CELT, full band (RFC 6716, section 3.1), nothing coded. */
static const unsigned char silent_packet[] = {0xf8, 0xff, 0xfe};

static const struct {
	const char *name, *muxer;
	bool pictures;
} formats[] = {
	[EXPORT_MKV] = {"mkv", "matroska", true},
	[EXPORT_OPUS] = {"opus", "opus", false},
	[EXPORT_WAV] = {"wav", "wav", false},
};

/* one of the two sounds */
struct sound {
	AVStream *stream; /* NULL: not in the export */
	int64_t last;     /* the sample that the packet before began with */
	int64_t samples;  /* that were written */
	size_t bleeped;   /* packets since the bleep began */
};

struct export
{
	const struct export_options *options;
	AVFormatContext *out;
	AVStream *video;
	struct sound microphone, monitor;
	AVPacket *packet;
	AVCodecContext *decoder; /* of sound, for WAV */
	AVFrame *frame;
	struct tone *tone; /* made when the first bleep comes */
	int64_t begin_ns;
	int64_t last_video; /* in its stream's time base */
};

int export_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int from_av(int r)
{
	return r > -4096 ? r : -EIO;
}

static void export_finish(struct export *export)
{
	if (export->out && export->out->pb)
		avio_closep(&export->out->pb);
	avformat_free_context(export->out);
	avcodec_free_context(&export->decoder);
	av_packet_free(&export->packet);
	av_frame_free(&export->frame);
	tone_destroy(export->tone);
}

/* ---- streams ---- */

static int set_extradata(AVStream *stream, const void *data, size_t size)
{
	stream->codecpar->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!stream->codecpar->extradata)
		return -ENOMEM;
	memcpy(stream->codecpar->extradata, data, size);
	stream->codecpar->extradata_size = (int)size;
	return 0;
}

/* SPS and PPS stand before the first slice of a keyframe, in Annex B. @return their size */
static size_t parameter_sets(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i + 3 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 &&
			((data[i + 3] & 31) == 5 || (data[i + 3] & 31) == 1))
			return i > 0 && data[i - 1] == 0 ? i - 1 : i;
	return 0;
}

/* the first message of a channel in the part, or the newest before it */
static int find_message(struct session_reader *reader, uint16_t known, int64_t from_ns,
	int64_t to_ns, struct reader_message *ret)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	const struct reader_channel *channel = session_reader_find(reader, known);
	int64_t found_ns;
	int r;

	if (!channel)
		return 0;
	r = session_reader_latest(reader, channel, from_ns, ret);
	if (r != 0)
		return r;
	r = session_cursor_create(&cursor, reader, from_ns, to_ns, UINT64_C(1) << known);
	if (r == 0)
		r = session_cursor_next(cursor, ret);
	found_ns = r > 0 ? ret->time_ns : 0;
	/* what the cursor gave goes with it */
	return r > 0 ? session_reader_latest(reader, channel, found_ns, ret) : r;
}

static int add_video(struct export *export, struct session_reader *reader)
{
	const struct export_options *options = export->options;
	struct reader_message message;
	Foxglove__CompressedVideo *video;
	Uxrec__Screen *screen = NULL;
	int r = find_message(
		reader, CHANNEL_SCREEN_KEYFRAMES, options->from_ns, options->to_ns, &message);

	if (r <= 0)
		return r;
	if (message.time_ns < export->begin_ns)
		export->begin_ns = message.time_ns;
	r = session_reader_latest(
		reader, session_reader_find(reader, CHANNEL_SCREEN), message.time_ns, &message);
	if (r <= 0)
		return r;
	video = foxglove__compressed_video__unpack(
		NULL, message.data.size_bytes, message.data.data);
	if (!video)
		return -EBADMSG;
	export->video = avformat_new_stream(export->out, NULL);
	r = export->video ? set_extradata(export->video, video->data.data,
				    parameter_sets(video->data.data, video->data.len))
			  : -ENOMEM;
	foxglove__compressed_video__free_unpacked(video, NULL);
	if (r < 0)
		return r;
	if (find_message(reader, CHANNEL_SCREEN_INFO, export->begin_ns, options->to_ns, &message) >
		0)
		screen = uxrec__screen__unpack(NULL, message.data.size_bytes, message.data.data);
	export->video->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
	export->video->codecpar->codec_id = AV_CODEC_ID_H264;
	export->video->codecpar->width = screen ? (int)(screen->width_px + 1) & ~1 : 2;
	export->video->codecpar->height = screen ? (int)(screen->height_px + 1) & ~1 : 2;
	export->video->time_base = (AVRational){1, 1000};
	av_dict_set(&export->video->metadata, "title", "screen", 0);
	if (screen)
		uxrec__screen__free_unpacked(screen, NULL);
	return 0;
}

/* OpusHead (RFC 7845, section 5.1). The times have the encoder's delay in them: nothing is skipped. */
static int set_sound_codec(AVStream *stream, bool pcm)
{
	static const unsigned char head[] = {
		'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0};
	AVCodecParameters *codec = stream->codecpar;

	codec->codec_type = AVMEDIA_TYPE_AUDIO;
	codec->codec_id = pcm ? AV_CODEC_ID_PCM_S16LE : AV_CODEC_ID_OPUS;
	codec->sample_rate = RATE_HZ;
	codec->bits_per_coded_sample = pcm ? 16 : 0;
	codec->block_align = pcm ? 2 : 0;
	codec->frame_size = pcm ? 0 : PACKET_SAMPLES;
	av_channel_layout_default(&codec->ch_layout, 1);
	stream->time_base = (AVRational){1, RATE_HZ};
	return pcm ? 0 : set_extradata(stream, head, sizeof(head));
}

static int add_sound(struct export *export, struct sound *sound, struct session_reader *reader,
	uint16_t known, const char *title)
{
	const struct export_options *options = export->options;
	struct reader_message message;
	int r = find_message(reader, known, options->from_ns, options->to_ns, &message);

	if (r <= 0)
		return r;
	sound->stream = avformat_new_stream(export->out, NULL);
	if (!sound->stream)
		return -ENOMEM;
	sound->last = -1;
	/* a file of one sound needs no name for it */
	if (formats[options->format].pictures)
		av_dict_set(&sound->stream->metadata, "title", title, 0);
	return set_sound_codec(sound->stream, options->format == EXPORT_WAV);
}

static int add_sounds(struct export *export, struct session_reader *reader)
{
	bool both = formats[export->options->format].pictures;
	int r = 0;

	if (both || !export->options->monitor)
		r = add_sound(export, &export->microphone, reader, CHANNEL_SOUND, "microphone");
	if (r >= 0 && (both || export->options->monitor))
		r = add_sound(export, &export->monitor, reader, CHANNEL_MONITOR,
			"what the machine played");
	/* which one a player begins with */
	if (export->microphone.stream)
		export->microphone.stream->disposition = AV_DISPOSITION_DEFAULT;
	return r;
}

static int open_decoder(struct export *export)
{
	const AVCodec *codec = avcodec_find_decoder_by_name("libopus");

	export->decoder = codec ? avcodec_alloc_context3(codec) : NULL;
	export->frame = av_frame_alloc();
	if (!export->decoder || !export->frame)
		return codec ? -ENOMEM : -ENOENT;
	export->decoder->sample_rate = RATE_HZ;
	export->decoder->request_sample_fmt = AV_SAMPLE_FMT_S16;
	av_channel_layout_default(&export->decoder->ch_layout, 1);
	return from_av(avcodec_open2(export->decoder, codec, NULL));
}

/* ---- packets ---- */

static int write_packet(struct export *export, AVStream *stream, int64_t pts, int64_t duration,
	const void *data, size_t size)
{
	AVRational base =
		stream == export->video ? (AVRational){1, 1000} : (AVRational){1, RATE_HZ};
	int r = av_new_packet(export->packet, (int)size);

	if (r < 0)
		return from_av(r);
	memcpy(export->packet->data, data, size);
	export->packet->stream_index = stream->index;
	export->packet->pts = export->packet->dts = pts;
	export->packet->duration = duration;
	if (stream != export->video || export->last_video < 0)
		export->packet->flags |= AV_PKT_FLAG_KEY;
	av_packet_rescale_ts(export->packet, base, stream->time_base);
	r = av_write_frame(export->out, export->packet);
	av_packet_unref(export->packet);
	return from_av(r);
}

static int take_picture(struct export *export, const struct reader_message *message)
{
	Foxglove__CompressedVideo *video = foxglove__compressed_video__unpack(
		NULL, message->data.size_bytes, message->data.data);
	int64_t pts = (message->time_ns - export->begin_ns + NS_PER_MS / 2) / NS_PER_MS;
	int r;

	if (!video)
		return 0; /* reading has told it */
	if (pts <= export->last_video)
		pts = export->last_video + 1;
	r = write_packet(export, export->video, pts, 0, video->data.data, video->data.len);
	foxglove__compressed_video__free_unpacked(video, NULL);
	export->last_video = pts;
	return r;
}

/* samples of silence where there is nothing */
static int write_silence(struct export *export, struct sound *sound, int64_t samples)
{
	static const int16_t zeros[PACKET_SAMPLES];
	bool pcm = export->options->format == EXPORT_WAV;
	int r = 0;

	while (samples > 0 && r >= 0) {
		int64_t count = samples < PACKET_SAMPLES ? samples : PACKET_SAMPLES;

		if (!pcm)
			count = PACKET_SAMPLES;
		r = pcm ? write_packet(export, sound->stream, sound->samples, count, zeros,
				  (size_t)count * sizeof(*zeros))
			: write_packet(export, sound->stream, sound->samples, count, silent_packet,
				  sizeof(silent_packet));
		sound->samples += count;
		samples -= count;
	}
	return r;
}

/* @return 0 with samples in export->frame; 1 when the packet is none: that is silence */
static int decode(struct export *export, struct view data)
{
	int r = av_new_packet(export->packet, (int)data.size_bytes);

	if (r < 0)
		return from_av(r);
	memcpy(export->packet->data, data.data, data.size_bytes);
	r = avcodec_send_packet(export->decoder, export->packet);
	av_packet_unref(export->packet);
	if (r >= 0)
		r = avcodec_receive_frame(export->decoder, export->frame);
	return r < 0;
}

/* What a bleep covers is decoded too, for what comes behind it, and written over. */
static int write_decoded(
	struct export *export, struct sound *sound, struct view data, int64_t at, bool bleeped)
{
	int64_t skip = 0, count;
	int16_t *samples;
	int r = decode(export, data);

	if (r != 0)
		return r < 0 ? r : 0;
	/* the device was faster than the clock: a millisecond too much is left out */
	if (at < sound->samples - NEAR_SAMPLES)
		skip = sound->samples - at;
	count = export->frame->nb_samples - skip;
	if (count > 0) {
		samples = (int16_t *)(void *)export->frame->data[0] + skip;
		if (bleeped)
			tone_fill(samples, (size_t)count, sound->samples);
		r = write_packet(export, sound->stream, sound->samples, count, samples,
			(size_t)count * sizeof(*samples));
		sound->samples += count;
	}
	av_frame_unref(export->frame);
	return r;
}

/* in the place of a packet that a bleep covers, however little, stands one of the tone */
static int choose_packet(
	struct export *export, struct sound *sound, bool bleeped, struct view *packet)
{
	int r = bleeped && !export->tone ? tone_create(&export->tone, NULL) : 0;

	if (bleeped && r == 0)
		*packet = tone_packet(export->tone, sound->bleeped);
	sound->bleeped = bleeped ? sound->bleeped + 1 : 0;
	return r;
}

static int put_sound(
	struct export *export, struct sound *sound, struct view packet, int64_t at, bool bleeped)
{
	int r = 0;

	if (export->options->format == EXPORT_WAV) {
		if (at > sound->samples + NEAR_SAMPLES)
			r = write_silence(export, sound, at - sound->samples);
		return r < 0 ? r : write_decoded(export, sound, packet, at, bleeped);
	}
	r = choose_packet(export, sound, bleeped, &packet);
	if (r < 0)
		return r;
	if (export->options->format == EXPORT_MKV) {
		if (at <= sound->last)
			at = sound->last + 1;
		sound->last = at;
		return write_packet(
			export, sound->stream, at, PACKET_SAMPLES, packet.data, packet.size_bytes);
	}
	/* packets follow each other: whole ones of silence, to the nearest */
	if (at - sound->samples >= PACKET_SAMPLES / 2)
		r = write_silence(export, sound, at - sound->samples - PACKET_SAMPLES / 2 + 1);
	if (r >= 0)
		r = write_packet(export, sound->stream, sound->samples, PACKET_SAMPLES, packet.data,
			packet.size_bytes);
	sound->samples += PACKET_SAMPLES;
	return r;
}

static int take_sound(struct export *export, const struct reader_message *message)
{
	struct sound *sound =
		message->channel->known == CHANNEL_MONITOR ? &export->monitor : &export->microphone;
	Foxglove__CompressedAudio *audio = foxglove__compressed_audio__unpack(
		NULL, message->data.size_bytes, message->data.data);
	int64_t at = llround((double)(message->time_ns - export->begin_ns) * RATE_HZ / 1e9);
	int r = 0;

	if (!audio)
		return 0;
	if (at >= 0 && strcmp(audio->format, "opus") == 0)
		r = put_sound(export, sound, (struct view){audio->data.data, audio->data.len, 0},
			at, bleeps_silence(export->options->bleeps, message));
	foxglove__compressed_audio__free_unpacked(audio, NULL);
	return r;
}

static int write_all(struct export *export, struct session_reader *reader)
{
	const struct export_options *options = export->options;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	uint64_t count = 0, known = 0;
	int r;

	if (export->video)
		known |= UINT64_C(1) << CHANNEL_SCREEN;
	if (export->microphone.stream)
		known |= UINT64_C(1) << CHANNEL_SOUND;
	if (export->monitor.stream)
		known |= UINT64_C(1) << CHANNEL_MONITOR;
	r = session_cursor_create(&cursor, reader, export->begin_ns, options->to_ns, known);
	while (r >= 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		r = message.channel->known == CHANNEL_SCREEN ? take_picture(export, &message)
							     : take_sound(export, &message);
		if (++count % PROGRESS_PACKETS == 0 && options->progress)
			options->progress(options->user, message.time_ns);
	}
	return r;
}

static int open_output(struct export *export, struct session_reader *reader, const char *path)
{
	enum export_format format = export->options->format;
	int r = avformat_alloc_output_context2(&export->out, NULL, formats[format].muxer, path);

	if (r < 0)
		return from_av(r);
	export->packet = av_packet_alloc();
	if (!export->packet)
		return -ENOMEM;
	r = formats[format].pictures ? add_video(export, reader) : 0;
	if (r >= 0)
		r = add_sounds(export, reader);
	if (r >= 0 && !export->video && !export->microphone.stream && !export->monitor.stream)
		r = -ENODATA;
	if (r >= 0 && format == EXPORT_WAV)
		r = open_decoder(export);
	if (r >= 0)
		r = from_av(avio_open(&export->out->pb, path, AVIO_FLAG_WRITE));
	return r < 0 ? r : from_av(avformat_write_header(export->out, NULL));
}

int session_export(struct session_reader *reader, const char *path,
	const struct export_options *options, struct error *reterr)
{
	_cleanup_(export_finish) struct export export = {.options = options, .last_video = -1};
	int64_t end_ns;
	int r;

	if (!session_reader_span(reader, &export.begin_ns, &end_ns))
		return error_set(reterr, -ENODATA, "the session is empty");
	if (options->from_ns > export.begin_ns)
		export.begin_ns = options->from_ns;
	if (access(path, F_OK) == 0)
		return error_set(
			reterr, -EEXIST, "%s: it is there already; name another file", path);
	av_log_set_level(AV_LOG_ERROR);
	r = open_output(&export, reader, path);
	if (r == -ENODATA)
		return error_set(reterr, r, "the session has %s there",
			formats[options->format].pictures ? "neither pictures nor sound"
							  : "no sound");
	if (r >= 0)
		r = write_all(&export, reader);
	if (r >= 0)
		r = from_av(av_write_trailer(export.out));
	if (r < 0) {
		unlink(path);
		return error_set(reterr, r, "%s: %s", path,
			r == -ENOSPC ? "the disk is full" : strerror(-r));
	}
	return 0;
}

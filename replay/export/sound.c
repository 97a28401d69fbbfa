#include "replay/export/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <math.h>
#include <string.h>

#define RATE_HZ        48000
#define PACKET_SAMPLES TONE_PACKET_SAMPLES
#define NEAR_SAMPLES   48 /* 1 ms */

/* An Opus packet of 20 ms of silence, mono: CELT, full band (RFC 6716, section 3.1), nothing coded. */
static const unsigned char silent_packet[] = {0xf8, 0xff, 0xfe};

/* ---- streams ---- */

/* OpusHead (RFC 7845, section 5.1). Timestamps include the encoder's delay: no pre-skip. */
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
	return pcm ? 0 : export_set_extradata(stream, head, sizeof(head));
}

static int add_sound(struct export *export, struct sound *sound, uint16_t known, const char *title)
{
	const struct export_options *options = export->options;
	struct reader_message message;
	int r = export_find_message(export, known, &message);

	if (r <= 0)
		return r;
	sound->stream = avformat_new_stream(export->out, NULL);
	if (!sound->stream)
		return -ENOMEM;
	sound->last = -1;
	/* a file with a single sound stream needs no title */
	if (export_is_film(options->format))
		export_set_title(sound->stream, title);
	return set_sound_codec(sound->stream, options->format == EXPORT_WAV);
}

int export_add_sounds(struct export *export)
{
	bool both = export_is_film(export->options->format);
	int r = 0;

	if (both || !export->options->monitor)
		r = add_sound(export, &export->microphone, CHANNEL_SOUND, "microphone");
	if (r >= 0 && (both || export->options->monitor))
		r = add_sound(export, &export->monitor, CHANNEL_MONITOR, "the machine's sound");
	/* the default track of players */
	if (export->microphone.stream)
		export->microphone.stream->disposition = AV_DISPOSITION_DEFAULT;
	return r >= 0 && export->options->format == EXPORT_WAV
		? sound_decoder_create(&export->decoder, export->error)
		: r;
}

/* ---- packets ---- */

/* Write silence in place of missing sound. */
static int write_silence(struct export *export, struct sound *sound, int64_t samples)
{
	static const int16_t zeros[PACKET_SAMPLES];
	bool pcm = export->options->format == EXPORT_WAV;
	int r = 0;

	while (samples > 0 && r >= 0) {
		int64_t count = samples < PACKET_SAMPLES ? samples : PACKET_SAMPLES;

		if (!pcm)
			count = PACKET_SAMPLES;
		r = pcm ? export_write(export, sound->stream, sound->samples, count, zeros,
				  (size_t)count * sizeof(*zeros))
			: export_write(export, sound->stream, sound->samples, count, silent_packet,
				  sizeof(silent_packet));
		sound->samples += count;
		samples -= count;
		if (r >= 0)
			r = export_check_cut(export);
	}
	return r;
}

/* Packets that cannot be decoded become silence. Bleeped packets are decoded too, to keep the decoder's state. */
static int write_decoded(
	struct export *export, struct sound *sound, struct view data, int64_t at, bool bleeped)
{
	int16_t tone[SOUND_DECODER_SAMPLES];
	struct error why = {""};
	const int16_t *samples;
	int64_t skip = 0;
	int count =
		sound_decoder_decode(export->decoder, data.data, data.size_bytes, &samples, &why);

	if (count < 0)
		return error_set(export->error, count, "its sound cannot be decoded: %s: %s",
			export->session->path, why.text);
	/* Device faster than the clock: drop the overlap once it exceeds a millisecond. */
	if (at < sound->samples - NEAR_SAMPLES)
		skip = sound->samples - at;
	if (count <= skip)
		return 0;
	samples += skip;
	count -= (int)skip;
	if (bleeped) {
		tone_fill(tone, (size_t)count, sound->samples);
		samples = tone;
	}
	sound->samples += count;
	return export_write(export, sound->stream, sound->samples - count, count, samples,
		(size_t)count * sizeof(*samples));
}

/* Replace a packet that overlaps a bleep at all by one of the tone. */
static int choose_packet(
	struct export *export, struct sound *sound, bool bleeped, struct view *packet)
{
	int r = bleeped && !export->tone ? tone_create(&export->tone, NULL) : 0;

	if (bleeped && r == 0)
		*packet = tone_packet(export->tone, sound->bleeped);
	sound->bleeped = bleeped ? sound->bleeped + 1 : 0;
	return r;
}

static int put_at_its_time(
	struct export *export, struct sound *sound, struct view packet, int64_t at)
{
	int r = 0;

	/* MP4 players take gaps for errors: fill them with whole packets of silence. */
	if (export->options->format == EXPORT_MP4 && at - sound->samples >= PACKET_SAMPLES)
		r = write_silence(export, sound, at - sound->samples - PACKET_SAMPLES + 1);
	if (at <= sound->last)
		at = sound->last + 1;
	sound->last = at;
	sound->samples = at + PACKET_SAMPLES;
	return r < 0 ? r
		     : export_write(export, sound->stream, at, PACKET_SAMPLES, packet.data,
			       packet.size_bytes);
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
	if (export_is_film(export->options->format))
		return put_at_its_time(export, sound, packet, at);
	/* Contiguous packets: fill gaps with whole packets of silence, rounded to the nearest. */
	if (at - sound->samples >= PACKET_SAMPLES / 2)
		r = write_silence(export, sound, at - sound->samples - PACKET_SAMPLES / 2 + 1);
	if (r >= 0)
		r = export_write(export, sound->stream, sound->samples, PACKET_SAMPLES, packet.data,
			packet.size_bytes);
	sound->samples += PACKET_SAMPLES;
	return r;
}

int export_handle_sound(struct export *export, const struct reader_message *message)
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

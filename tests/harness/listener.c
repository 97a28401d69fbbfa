#include "tests/harness/listener.h"

#include "capture/sound/encoder.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/session.pb-c.h"
#include "protocol/sound.pb-c.h"
#include "tests/harness/screens/desktop.h"

#include <libavutil/channel_layout.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void find_click(struct listener *listener, float sample, int64_t time_ns)
{
	if (fabsf(sample) < 0.2f) {
		listener->quiet++;
		return;
	}
	if (listener->quiet > AUDIO_RATE_HZ / 2 && listener->click_count < LISTENER_CLICKS)
		listener->clicks[listener->click_count++] = time_ns;
	listener->quiet = 0;
}

void listener_take(struct listener *listener, const float *samples, size_t count, int64_t time_ns)
{
	for (size_t i = 0; i < count; i++) {
		int64_t ns = time_ns + (int64_t)i * NS_PER_S / AUDIO_RATE_HZ;

		listener->numberless += !isfinite(samples[i]);
		find_click(listener, samples[i], ns);
		if (listener->count < LISTENER_SAMPLES) {
			listener->samples[listener->count] = samples[i];
			listener->times[listener->count++] = ns;
		}
	}
}

static void decode(struct listener *listener, const struct packet *packet)
{
	Foxglove__CompressedAudio *audio = foxglove__compressed_audio__unpack(
		NULL, packet_data_size(packet), packet_data(packet));

	check(audio && strcmp(audio->format, "opus") == 0);
	check(audio->timestamp->seconds * NS_PER_S + audio->timestamp->nanos == packet->time_ns);
	check(av_new_packet(listener->packet, (int)audio->data.len) == 0);
	memcpy(listener->packet->data, audio->data.data, audio->data.len);
	check(avcodec_send_packet(listener->codec, listener->packet) == 0);
	check(avcodec_receive_frame(listener->codec, listener->frame) == 0);
	check(listener->frame->nb_samples == SOUND_FRAME_SAMPLES);
	listener_take(listener, (const float *)(const void *)listener->frame->data[0],
		SOUND_FRAME_SAMPLES, packet->time_ns);
	av_packet_unref(listener->packet);
	foxglove__compressed_audio__free_unpacked(audio, NULL);
	if (listener->packets++ > 0 && packet->time_ns - listener->last_ns > listener->longest_ns)
		listener->longest_ns = packet->time_ns - listener->last_ns;
	listener->last_ns = packet->time_ns;
}

static void take_levels(struct listener *listener, const struct packet *packet)
{
	Uxrec__SoundLevels *levels =
		uxrec__sound_levels__unpack(NULL, packet_data_size(packet), packet_data(packet));

	check(levels && levels->peak.len == levels->rms.len);
	for (size_t i = 0; i < levels->peak.len; i++) {
		expect(levels->peak.data[i] <= levels->rms.data[i]);
		if (levels->peak.data[i] < listener->loudest)
			listener->loudest = levels->peak.data[i];
	}
	listener->levels++;
	uxrec__sound_levels__free_unpacked(levels, NULL);
}

static void take_info(struct listener *listener, const struct packet *packet)
{
	Uxrec__Sound *info =
		uxrec__sound__unpack(NULL, packet_data_size(packet), packet_data(packet));

	check(info != NULL);
	listener->infos++;
	listener->muted = info->muted;
	snprintf(listener->device, sizeof(listener->device), "%s", info->device);
	uxrec__sound__free_unpacked(info, NULL);
}

static void take(struct packet_sink *sink, struct packet *packet)
{
	struct listener *listener = (struct listener *)sink;

	pthread_mutex_lock(&listener->lock);
	if (packet->channel == (listener->monitor ? CHANNEL_MONITOR : CHANNEL_SOUND)) {
		decode(listener, packet);
	} else if (packet->channel ==
		(listener->monitor ? CHANNEL_MONITOR_LEVELS : CHANNEL_SOUND_LEVELS)) {
		take_levels(listener, packet);
	} else if (packet->channel ==
		(listener->monitor ? CHANNEL_MONITOR_INFO : CHANNEL_SOUND_INFO)) {
		take_info(listener, packet);
	} else if (packet->channel == CHANNEL_GAPS) {
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));

		listener->gaps++;
		listener->away += gap->reason == UXREC__GAP__REASON__REASON_SOURCE_LOST;
		listener->lost += gap->count;
		uxrec__gap__free_unpacked(gap, NULL);
	} else if (packet->channel == CHANNEL_CLOCK) {
		Uxrec__ClockSample *sample = uxrec__clock_sample__unpack(
			NULL, packet_data_size(packet), packet_data(packet));

		check(sample->n_devices == 1);
		listener->drift_ppm = sample->devices[0]->drift_ppm;
		uxrec__clock_sample__free_unpacked(sample, NULL);
	}
	pthread_mutex_unlock(&listener->lock);
	packet_unref(packet);
}

void listener_start(struct listener *listener)
{
	const AVCodec *codec = avcodec_find_decoder_by_name("libopus");

	check(codec != NULL);
	*listener = (struct listener){
		.sink.push = take,
		.loudest = 255,
		.codec = avcodec_alloc_context3(codec),
		.packet = av_packet_alloc(),
		.frame = av_frame_alloc(),
		.samples = calloc(LISTENER_SAMPLES, sizeof(float)),
		.times = calloc(LISTENER_SAMPLES, sizeof(int64_t)),
		.clicks = calloc(LISTENER_CLICKS, sizeof(int64_t)),
		.quiet = AUDIO_RATE_HZ,
	};
	check(listener->codec && listener->packet && listener->frame && listener->samples &&
		listener->times && listener->clicks);
	pthread_mutex_init(&listener->lock, NULL);
	listener->codec->sample_rate = AUDIO_RATE_HZ;
	listener->codec->request_sample_fmt = AV_SAMPLE_FMT_FLT;
	av_channel_layout_default(&listener->codec->ch_layout, 1);
	check(avcodec_open2(listener->codec, codec, NULL) == 0);
}

static void record(struct listener *listener, const struct audio_config *config)
{
	const struct source_context context = {.clock = &listener->clock, .sink = &listener->sink};

	listener_start(listener);
	listener->monitor = config->monitor;
	session_clock_init(&listener->clock);
	check(sound_source_create(&listener->source, &context, config, NULL) == 0);
}

void listener_record(struct listener *listener, const char *backend, const char *device)
{
	record(listener, &(struct audio_config){backend, device, false});
}

void listener_record_monitor(struct listener *listener, const char *backend)
{
	record(listener, &(struct audio_config){backend, NULL, true});
}

void listener_end(struct listener *listener)
{
	source_destroy(steal_ptr(listener->source));
}

void listener_finish(struct listener *listener)
{
	listener_end(listener);
	avcodec_free_context(&listener->codec);
	av_packet_free(&listener->packet);
	av_frame_free(&listener->frame);
	pthread_mutex_destroy(&listener->lock);
	free(listener->samples);
	free(listener->times);
	free(listener->clicks);
}

size_t listener_packets(struct listener *listener)
{
	size_t packets;

	pthread_mutex_lock(&listener->lock);
	packets = listener->packets;
	pthread_mutex_unlock(&listener->lock);
	return packets;
}

bool listener_hears(struct listener *listener, size_t packets, int seconds)
{
	for (int i = 0; i < seconds * 20; i++) {
		if (listener_packets(listener) >= packets)
			return true;
		sleep_ms(50);
	}
	return false;
}

int64_t listener_click_off(const struct listener *listener, size_t i, int64_t offset_ns)
{
	return (listener->clicks[i] - offset_ns + NS_PER_S / 2) % NS_PER_S - NS_PER_S / 2;
}

size_t listener_find_clicks(struct listener *listener, int64_t offset_ns, int64_t *ret_worst_ns)
{
	*ret_worst_ns = 0;
	listener->clicks_off = 0;
	for (size_t i = 0; i < listener->click_count; i++) {
		int64_t off_ns = llabs(listener_click_off(listener, i, offset_ns));

		listener->clicks_off += off_ns > 2 * NS_PER_MS;
		if (off_ns > *ret_worst_ns)
			*ret_worst_ns = off_ns;
	}
	return listener->click_count;
}

bool listener_is_in_time(const struct listener *listener, int64_t worst_ns)
{
	return worst_ns < 12 * NS_PER_MS && listener->clicks_off * 2 <= listener->click_count;
}

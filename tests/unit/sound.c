#include "tests/harness/helpers.h"

#include "capture/ear.h"
#include "capture/sound.h"
#include "capture/sound_clock.h"
#include "capture/sound_encoder.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedAudio.pb-c.h"
#include "protocol/session.pb-c.h"

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the clock of a device ---- */

static double uniform(uint64_t *state)
{
	return (double)(next_random(state) >> 11) / (double)(1ULL << 53) - 0.5;
}

/* An hour of blocks of 10 ms whose times jitter by a millisecond; the worst of all but one in a hundred. */
static void an_hour_drifts(double ppm)
{
	static double off_ns[3600 * 100];
	struct sound_clock clock;
	uint64_t random = 3;
	size_t worse = 0;

	sound_clock_init(&clock, EAR_RATE_HZ);
	for (size_t i = 0; i < ARRAY_SIZE(off_ns); i++) {
		int64_t position = (int64_t)i * 480 + 1000000;
		int64_t truth_ns =
			llround(5e12 + (double)i * 0.01 / (1 + ppm / 1e6) * (double)NS_PER_S);

		sound_clock_feed(
			&clock, position, truth_ns + llround(uniform(&random) * (double)NS_PER_MS));
		off_ns[i] = fabs((double)(sound_clock_at(&clock, position) - truth_ns));
		worse += off_ns[i] > 2e6;
	}
	expect(worse < ARRAY_SIZE(off_ns) / 100);
	/* at the end it is known far better */
	expect(off_ns[ARRAY_SIZE(off_ns) - 1] < 0.2e6);
	expect(fabs(sound_clock_drift_ppm(&clock) - ppm) < 1);
	expect(sound_clock_error_ns(&clock) < 300000);
	expect(clock.restarts == 0);
}

static void drift_is_measured(void)
{
	an_hour_drifts(0);
	an_hour_drifts(200);
	an_hour_drifts(-200);
}

static void a_jump_begins_anew(void)
{
	struct sound_clock clock;
	int64_t shift_ns = 0;

	sound_clock_init(&clock, EAR_RATE_HZ);
	for (int64_t i = 0; i < 4000; i++) {
		shift_ns = i > 2000 ? 150 * NS_PER_MS : 0;
		sound_clock_feed(&clock, i * 480, NS_PER_S + i * 10 * NS_PER_MS + shift_ns);
	}
	expect(clock.restarts > 0);
	expect(llabs(sound_clock_at(&clock, 4000 * 480) -
		       (NS_PER_S + 4000 * 10 * NS_PER_MS + shift_ns)) < NS_PER_MS);
}

/* ---- what a source pushes ---- */

#define SAMPLES (EAR_RATE_HZ * 30)

/* decodes as it comes */
struct listener {
	struct packet_sink sink;
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
	pthread_mutex_t lock;
	float *samples; /* all that was decoded, one behind the other */
	int64_t *times; /* of each, by its packet */
	size_t count, packets, gaps;
	int64_t longest_ns; /* between two packets */
	int64_t last_ns;
	uint64_t lost;
	double drift_ppm;
};

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
	for (int i = 0; i < listener->frame->nb_samples && listener->count < SAMPLES; i++) {
		listener->samples[listener->count] =
			((const float *)(const void *)listener->frame->data[0])[i];
		listener->times[listener->count++] = packet->time_ns + i * NS_PER_S / EAR_RATE_HZ;
	}
	av_packet_unref(listener->packet);
	foxglove__compressed_audio__free_unpacked(audio, NULL);
	if (listener->packets++ > 0 && packet->time_ns - listener->last_ns > listener->longest_ns)
		listener->longest_ns = packet->time_ns - listener->last_ns;
	listener->last_ns = packet->time_ns;
}

static void take(struct packet_sink *sink, struct packet *packet)
{
	struct listener *listener = (struct listener *)sink;

	pthread_mutex_lock(&listener->lock);
	if (packet->channel == CHANNEL_SOUND) {
		decode(listener, packet);
	} else if (packet->channel == CHANNEL_GAPS) {
		Uxrec__Gap *gap =
			uxrec__gap__unpack(NULL, packet_data_size(packet), packet_data(packet));

		listener->gaps++;
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

static void listener_start(struct listener *listener)
{
	const AVCodec *codec = avcodec_find_decoder_by_name("libopus");

	check(codec != NULL);
	*listener = (struct listener){
		.sink.push = take,
		.codec = avcodec_alloc_context3(codec),
		.packet = av_packet_alloc(),
		.frame = av_frame_alloc(),
		.samples = calloc(SAMPLES, sizeof(float)),
		.times = calloc(SAMPLES, sizeof(int64_t)),
	};
	check(listener->codec && listener->packet && listener->frame && listener->samples &&
		listener->times);
	pthread_mutex_init(&listener->lock, NULL);
	listener->codec->sample_rate = EAR_RATE_HZ;
	listener->codec->request_sample_fmt = AV_SAMPLE_FMT_FLT;
	av_channel_layout_default(&listener->codec->ch_layout, 1);
	check(avcodec_open2(listener->codec, codec, NULL) == 0);
}

static void listener_finish(struct listener *listener)
{
	avcodec_free_context(&listener->codec);
	av_packet_free(&listener->packet);
	av_frame_free(&listener->frame);
	pthread_mutex_destroy(&listener->lock);
	free(listener->samples);
	free(listener->times);
}

/* Clicks begin at whole seconds of CLOCK_MONOTONIC. @return how many, with the worst one's error */
static size_t find_clicks(const struct listener *listener, int64_t offset_ns, int64_t *ret_worst_ns)
{
	size_t clicks = 0, quiet = EAR_RATE_HZ;

	*ret_worst_ns = 0;
	for (size_t i = 0; i < listener->count; i++) {
		int64_t off_ns;

		if (fabsf(listener->samples[i]) < 0.2f) {
			quiet++;
			continue;
		}
		if (quiet > EAR_RATE_HZ / 2) {
			off_ns = (listener->times[i] - offset_ns + NS_PER_S / 2) % NS_PER_S -
				NS_PER_S / 2;
			clicks++;
			if (llabs(off_ns) > *ret_worst_ns)
				*ret_worst_ns = llabs(off_ns);
		}
		quiet = 0;
	}
	return clicks;
}

static void hear_for(
	struct listener *listener, const char *device, unsigned seconds, int64_t *ret_offset_ns)
{
	_destroy_(source) struct source *source = NULL;
	struct session_clock clock;
	const struct source_context context = {&clock, &listener->sink, NULL, NULL};

	session_clock_init(&clock);
	*ret_offset_ns = clock.utc_offset_ns;
	check(sound_source_create(
		      &source, &context, &(struct sound_options){"tone", device}, NULL) == 0);
	sleep(seconds);
}

static void clicks_are_where_they_were(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns, worst_ns;

	listener_start(&listener);
	hear_for(&listener, "200", 12, &offset_ns);
	expect(find_clicks(&listener, offset_ns, &worst_ns) >= 11);
	/* what is decoded begins a little before the click, as lossy coders do */
	expect(worst_ns < 2 * NS_PER_MS);
	expect(fabs(listener.drift_ppm - 200) < 5);
	expect(listener.gaps == 0);
	/* nothing is left out and nothing is there twice */
	expect(llabs(listener.longest_ns - 20 * NS_PER_MS) < NS_PER_MS);
}

static void lost_samples_are_silence_and_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns, worst_ns;

	listener_start(&listener);
	hear_for(&listener, "0,lossy", 8, &offset_ns);
	expect(listener.gaps == 1 && listener.lost == 768);
	expect(find_clicks(&listener, offset_ns, &worst_ns) >= 7);
	expect(worst_ns < 2 * NS_PER_MS);
	expect(llabs(listener.longest_ns - 20 * NS_PER_MS) < NS_PER_MS);
}

static void no_device_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener;
	int64_t offset_ns;

	listener_start(&listener);
	hear_for(&listener, "nonsense", 2, &offset_ns);
	expect(listener.packets == 0 && listener.gaps == 1);
}

static const struct test tests[] = {
	{"the drift of a device's clock is measured through jitter", drift_is_measured},
	{"a device that changes its mind about time is followed", a_jump_begins_anew},
	{"clicks are heard at the times they were made, by a clock that is fast",
		clicks_are_where_they_were},
	{"samples that are lost become silence of their length and a gap",
		lost_samples_are_silence_and_a_gap},
	{"a device that is not there is a gap, and is looked for again", no_device_is_a_gap},
};

int main(void)
{
	return RUN_TESTS("sound", tests);
}

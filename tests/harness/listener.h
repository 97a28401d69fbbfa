#pragma once

#include "tests/harness/helpers.h"

#include "capture/sound/audio_backend.h"
#include "capture/sound/sound.h"

#include <libavcodec/avcodec.h>
#include <pthread.h>

/* A sink for a source of sound: decodes its packets, and finds clicks in them. */

#define LISTENER_SAMPLES (AUDIO_RATE_HZ * 60)
#define LISTENER_CLICKS  (4 * 3600)

/* decodes packets as they come */
struct listener {
	struct packet_sink sink;
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
	pthread_mutex_t lock;
	float *samples; /* the first decoded ones, contiguous */
	int64_t *times; /* of each, by its packet */
	size_t count, packets, gaps;
	int64_t *clicks; /* begin of each, found as they come */
	size_t click_count, quiet;
	size_t numberless;  /* NaN or infinite samples */
	size_t clicks_off;  /* more than 2 ms off in listener_find_clicks() */
	size_t away;        /* gaps due to a missing device */
	int64_t longest_ns; /* between two packets */
	int64_t last_ns;
	uint64_t lost;
	double drift_ppm;
	size_t infos, levels; /* messages */
	uint8_t loudest;      /* of the levels: half decibels below full scale */
	bool muted, monitor;
	char device[160];
	struct session_clock clock; /* of listener_record() */
	struct source *source;
};

void listener_start(struct listener *listener);
void listener_finish(struct listener *listener);

/** Record from an audio backend, until listener_end() or listener_finish(). @param device  NULL: the default one */
void listener_record(struct listener *listener, const char *backend, const char *device);
/** Record the machine's playback. */
void listener_record_monitor(struct listener *listener, const char *backend);
void listener_end(struct listener *listener);

/** Number of packets so far. */
size_t listener_packets(struct listener *listener);

/** Wait for that number of packets. @return false after @p seconds */
bool listener_hears(struct listener *listener, size_t packets, int seconds);

/** Take samples as if they had been decoded. */
void listener_take(struct listener *listener, const float *samples, size_t count, int64_t time_ns);

/**
 * Judge the clicks, which begin at whole seconds of CLOCK_MONOTONIC.
 *
 * @param offset_ns     of the session's clock
 * @param ret_worst_ns  largest error of a click
 * @return the number of clicks
 */
size_t listener_find_clicks(struct listener *listener, int64_t offset_ns, int64_t *ret_worst_ns);

/**
 * True if most clicks are within 2 ms, and all within two cycles of a server. On a busy machine server and microphone
 * lose a cycle now and then, of 5.3 ms, and are off by it until they catch up; bench-sound measures the exactness of
 * timestamps.
 */
bool listener_is_in_time(const struct listener *listener, int64_t worst_ns);

/** Error of click number @p i, ns; positive: late. */
int64_t listener_click_off(const struct listener *listener, size_t i, int64_t offset_ns);

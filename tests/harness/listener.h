#pragma once

#include "tests/harness/helpers.h"

#include "capture/ear.h"

#include <libavcodec/avcodec.h>
#include <pthread.h>

/* Hears what a source of sound pushes: decodes its packets, and finds clicks in them. */

#define LISTENER_SAMPLES (EAR_RATE_HZ * 60)

/* decodes what it is given, as it comes */
struct listener {
	struct packet_sink sink;
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
	pthread_mutex_t lock;
	float *samples; /* all that was decoded, one behind the other */
	int64_t *times; /* of each, by its packet */
	size_t count, packets, gaps;
	size_t clicks_off;  /* that listener_find_clicks() found more than 2 ms off */
	size_t away;        /* gaps because there was no device */
	int64_t longest_ns; /* between two packets */
	int64_t last_ns;
	uint64_t lost;
	double drift_ppm;
	size_t infos, levels; /* messages */
	uint8_t loudest;      /* of the levels: half decibels below full scale */
	bool muted;
	char device[160];
};

void listener_start(struct listener *listener);
void listener_finish(struct listener *listener);

/**
 * Find clicks, which begin at whole seconds of CLOCK_MONOTONIC.
 *
 * @param offset_ns     of the session's clock
 * @param ret_worst_ns  by how much one is off, at most
 * @return how many there are
 */
size_t listener_find_clicks(struct listener *listener, int64_t offset_ns, int64_t *ret_worst_ns);

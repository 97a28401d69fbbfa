#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/*
 * Inside uxrec-inputd: the socket to the recorder. A send never blocks on a slow recorder, because the
 * devices do not wait either: packets without room are counted and reported as a gap.
 */
struct input_out {
	int fd;
	int failed;         /* negative errno of the first failed send; nothing is sent after it */
	int64_t blocked_ns; /* CLOCK_MONOTONIC time since when the socket is full; 0: not full */
	uint64_t dropped;   /* packets dropped since then */
};

/** @param what  short description of the devices read */
void input_out_ready(struct input_out *out, const char *what);

/**
 * @param error  a negative errno
 * @param why    one sentence for display
 */
void input_out_failed(struct input_out *out, int error, const char *why);

/** Answer INPUTD_PING: this program does not hang. */
void input_out_pong(struct input_out *out);

void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message);

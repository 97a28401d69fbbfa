#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

/*
 * Inside uxrec-inputd: the socket that everything leaves by. Who does not read what is said is not
 * waited for, because the devices do not wait either: what finds no room is counted and told as a gap.
 */
struct input_out {
	int fd;
	int failed; /* negative errno of the first send that failed; then nothing is sent any more */
	int64_t blocked_ns; /* CLOCK_MONOTONIC since when there is no room; 0: there is */
	uint64_t dropped;   /* packets since then */
};

/** @param what  is read, in a few words */
void input_out_ready(struct input_out *out, const char *what);

/** @param error  a negative errno; @p why  one sentence for a person */
void input_out_failed(struct input_out *out, int error, const char *why);

/** Answer that this program is not stuck. */
void input_out_alive(struct input_out *out);

void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message);

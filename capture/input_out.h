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

/** @param kind  INPUTD_READY or INPUTD_FAILED */
void input_out_text(struct input_out *out, uint32_t kind, const char *text);

void input_out_packet(
	struct input_out *out, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message);

#pragma once

#include <stdint.h>

/*
 * What uxrec-inputd says to uxrecd: one message a packet of a SOCK_SEQPACKET socket, this header and
 * then the payload. uxrecd says nothing; it closes its end to stop.
 */

enum inputd_kind {
	INPUTD_READY = 1,  /* payload: one line of text, what is being read */
	INPUTD_FAILED = 2, /* payload: one sentence, why nothing can be read; then the end */
	INPUTD_PACKET = 3, /* payload: the packed protobuf message of a packet */
};

struct inputd_header {
	uint32_t kind;
	uint32_t channel; /* INPUTD_PACKET: enum channel_id */
	int64_t time_ns;  /* INPUTD_PACKET: CLOCK_MONOTONIC, source time of the first event */
};

/* A batch is flushed long before; a device description is the largest message. */
#define INPUTD_MESSAGE_LIMIT_BYTES 65536

/* The descriptor that uxrec-inputd finds its socket at. */
#define INPUTD_SOCKET_FD 3

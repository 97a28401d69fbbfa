#pragma once

#include <stdint.h>

/*
 * Between uxrecd and uxrec-inputd, one message a packet of a SOCK_SEQPACKET socket. uxrecd asks by
 * struct inputd_request, first INPUTD_START; uxrec-inputd says a struct inputd_header and a payload.
 * When uxrecd shuts its end down for writing, uxrec-inputd says what it still may and closes.
 */

#define INPUTD_VERSION 3

/* Where the system service listens; see systemd/uxrec-inputd.socket. */
#define INPUTD_SOCKET_PATH "/run/uxrec/inputd.sock"

enum inputd_ask {
	INPUTD_START = 1,  /* once, first */
	INPUTD_KEYS = 2,   /* from now on: never more than INPUTD_START asked for */
	INPUTD_BEAT = 3,   /* answer with INPUTD_ALIVE */
	INPUTD_LEVELS = 4, /* from now on: level_keys */
};

enum inputd_flag {
	INPUTD_SHORTCUTS = 1, /* INPUTD_START: keys with Ctrl, Alt or Super are kept whole */
	INPUTD_HOLD = 2,      /* INPUTD_START: passwords are watched, keys wait for INPUTD_KEYS */
};

/* Of fixed size; what is shorter or longer is refused. */
struct inputd_request {
	uint32_t version; /* INPUTD_VERSION */
	uint32_t ask;     /* enum inputd_ask */
	uint32_t keys;    /* enum key_policy */
	uint32_t flags;   /* enum inputd_flag, INPUTD_START */
	uint32_t reason;  /* INPUTD_KEYS: Uxrec__KeyPolicy__Reason */
	/* INPUTD_START, INPUTD_LEVELS: modifier keys of evdev that the layout has other meanings for, as bits in the
	 * order of policy.h's modifier_keys; no shortcut has them */
	uint32_t level_keys;
	char consent[36];  /* INPUTD_START with KEY_POLICY_FULL: 32 hex digits; else empty */
	char devices[200]; /* INPUTD_START: which devices, see input_filter.h; empty: all */
};

enum inputd_kind {
	INPUTD_READY = 1,  /* payload: one line of text, what is being read */
	INPUTD_FAILED = 2, /* payload: one sentence, why nothing can be read; then the end */
	INPUTD_PACKET = 3, /* payload: the packed protobuf message of a packet */
	INPUTD_ALIVE = 4,  /* no payload: the answer to INPUTD_BEAT */
};

struct inputd_header {
	uint32_t kind;
	uint32_t channel; /* INPUTD_PACKET: enum channel_id */
	int32_t error;    /* INPUTD_FAILED: a negative errno */
	int64_t time_ns;  /* INPUTD_PACKET: CLOCK_MONOTONIC, source time of the first event */
};

/* A batch is flushed long before; a device description is the largest message. */
#define INPUTD_MESSAGE_LIMIT_BYTES 65536

/* The descriptor that uxrec-inputd, as a child of uxrecd, finds its socket at. */
#define INPUTD_SOCKET_FD 3

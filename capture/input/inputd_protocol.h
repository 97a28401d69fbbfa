#pragma once

#include <stdint.h>

/*
 * Protocol between uxrecd and uxrec-inputd, one message per packet of a SOCK_SEQPACKET socket. uxrecd sends
 * struct inputd_request, first INPUTD_START; uxrec-inputd sends a struct inputd_header and a payload. When
 * uxrecd shuts its end down for writing, uxrec-inputd sends its pending packets, as far as the policy allows,
 * and closes.
 */

#define INPUTD_VERSION 3

/* Socket of the system service; see systemd/uxrec-inputd.socket. */
#define INPUTD_SOCKET_PATH "/run/uxrec/inputd.sock"

enum inputd_request_type {
	INPUTD_START = 1,  /* once, first */
	INPUTD_KEYS = 2,   /* from now on: never above the policy of INPUTD_START */
	INPUTD_PING = 3,   /* answer with INPUTD_PONG */
	INPUTD_LEVELS = 4, /* from now on: level_keys */
};

enum inputd_flag {
	INPUTD_SHORTCUTS = 1, /* INPUTD_START: record keys with Ctrl, Alt or Super whole */
	INPUTD_HOLD = 2,      /* INPUTD_START: passwords are watched, keys wait for INPUTD_KEYS */
};

/* Fixed size; any other size is refused. */
struct inputd_request {
	uint32_t version; /* INPUTD_VERSION */
	uint32_t type;    /* enum inputd_request_type */
	uint32_t keys;    /* enum key_policy */
	uint32_t flags;   /* enum inputd_flag, INPUTD_START */
	uint32_t reason;  /* INPUTD_KEYS: Uxrec__KeyPolicy__Reason */
	/* INPUTD_START, INPUTD_LEVELS: evdev modifier keys to which the layout gives other meanings, as
	 * bits in the order of policy.h's modifier_keys; they make no shortcuts */
	uint32_t level_keys;
	char consent[36];  /* INPUTD_START with KEY_POLICY_FULL: 32 hex digits; else empty */
	char devices[200]; /* INPUTD_START: device filter, see filter.h; empty: all */
};

enum inputd_kind {
	INPUTD_READY = 1,  /* payload: one line of text, the devices read */
	INPUTD_FAILED = 2, /* payload: the reason, one sentence; then the end */
	INPUTD_PACKET = 3, /* payload: the packed protobuf message of a packet */
	INPUTD_PONG = 4,   /* no payload: the answer to INPUTD_PING */
};

struct inputd_header {
	uint32_t kind;
	uint32_t channel; /* INPUTD_PACKET: enum channel_id */
	int32_t error;    /* INPUTD_FAILED: a negative errno */
	int64_t time_ns;  /* INPUTD_PACKET: CLOCK_MONOTONIC, source time of the first event */
};

/* Limit of a message: batches are flushed long before; a device description is the largest message. */
#define INPUTD_MESSAGE_LIMIT_BYTES 65536

/* File descriptor of the socket in a uxrec-inputd that is a child of uxrecd. */
#define INPUTD_SOCKET_FD 3

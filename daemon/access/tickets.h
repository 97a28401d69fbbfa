#pragma once

#include "protocol/wire.pb-c.h"

#include <pthread.h>
#include <stdint.h>

#define TICKETS      8
#define TICKET_BYTES 33 /* 32 hex digits and a 0 byte */

/**
 * Tickets are one-time substitutes for the key of a role, valid for one hello within a minute: the link in the
 * history of a browser that opened it is worthless afterwards. Any thread.
 */
struct tickets {
	pthread_mutex_t lock;
	struct {
		char text[TICKET_BYTES]; /* "": none */
		Uxrec__Role role;
		int64_t until_ns; /* CLOCK_MONOTONIC */
	} ticket[TICKETS];
};

void tickets_init(struct tickets *tickets);
void tickets_finish(struct tickets *tickets);

/** Make a ticket; beyond the limit the oldest is revoked. @return 0 or a negative errno */
int tickets_make(struct tickets *tickets, Uxrec__Role role, char ret[TICKET_BYTES]);

/** Revoke all tickets. */
void tickets_revoke(struct tickets *tickets);

/** Consume a ticket. @return its role, ROLE_UNSPECIFIED when unknown or expired */
Uxrec__Role tickets_redeem(struct tickets *tickets, const char *text);

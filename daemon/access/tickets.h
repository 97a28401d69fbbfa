#pragma once

#include "protocol/wire.pb-c.h"

#include <pthread.h>
#include <stdint.h>

#define TICKETS      8
#define TICKET_BYTES 33 /* 32 hex digits and a 0 byte */

/**
 * Tickets stand for the key of a role at one hello within a minute. A link that is handed to a browser
 * stays in that browser's history, where it opens nothing any more. Any thread.
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

/** Make one; of too many the oldest is taken back. @return 0 or a negative errno */
int tickets_make(struct tickets *tickets, Uxrec__Role role, char ret[TICKET_BYTES]);

/** Take all of them back. */
void tickets_revoke(struct tickets *tickets);

/** Use one up. @return its role, ROLE_UNSPECIFIED when there is none like this, or not any more */
Uxrec__Role tickets_take(struct tickets *tickets, const char *text);

#include "daemon/access/tickets.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"

#include <string.h>

#define LIFE_NS (60 * NS_PER_S)

void tickets_init(struct tickets *tickets)
{
	memset(tickets, 0, sizeof(*tickets));
	pthread_mutex_init(&tickets->lock, NULL);
}

void tickets_finish(struct tickets *tickets)
{
	pthread_mutex_destroy(&tickets->lock);
}

int tickets_make(struct tickets *tickets, Uxrec__Role role, char ret[TICKET_BYTES])
{
	size_t oldest = 0;
	int r = io_random_hex(ret, (TICKET_BYTES - 1) / 2);

	if (r < 0)
		return r;
	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 1; i < TICKETS; i++)
		if (tickets->ticket[i].until_ns < tickets->ticket[oldest].until_ns)
			oldest = i;
	memcpy(tickets->ticket[oldest].text, ret, TICKET_BYTES);
	tickets->ticket[oldest].role = role;
	tickets->ticket[oldest].until_ns = clock_now_ns() + LIFE_NS;
	pthread_mutex_unlock(&tickets->lock);
	return 0;
}

void tickets_revoke(struct tickets *tickets)
{
	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < TICKETS; i++)
		tickets->ticket[i].until_ns = 0;
	pthread_mutex_unlock(&tickets->lock);
}

Uxrec__Role tickets_redeem(struct tickets *tickets, const char *text)
{
	Uxrec__Role role = UXREC__ROLE__ROLE_UNSPECIFIED;
	int64_t now_ns = clock_now_ns();

	if (strlen(text) != TICKET_BYTES - 1)
		return role;
	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < TICKETS; i++) {
		if (tickets->ticket[i].until_ns < now_ns ||
			!io_secrets_equal(tickets->ticket[i].text, text, TICKET_BYTES - 1))
			continue;
		role = tickets->ticket[i].role;
		tickets->ticket[i].until_ns = 0;
	}
	pthread_mutex_unlock(&tickets->lock);
	return role;
}

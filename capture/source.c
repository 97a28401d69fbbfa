#include "capture/source.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/thread.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

/* First and last retry interval: a restarted server is found soon, an absent one polled rarely. */
#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (10 * NS_PER_S)

const char *source_name(const struct source *source)
{
	return source->ops->name;
}

void source_destroy(struct source *source)
{
	if (source)
		source->ops->destroy(source);
}

int64_t source_watermark(struct source *source, int64_t now_ns)
{
	return source->ops->watermark ? source->ops->watermark(source, now_ns) : now_ns;
}

void source_request_keyframe(struct source *source)
{
	if (source->ops->request_keyframe)
		source->ops->request_keyframe(source);
}

void source_join(pthread_t thread, void (*abort_calls)(void *user), void *user)
{
	if (thread_join_until(thread, clock_now_ns() + NS_PER_S) == 0)
		return;
	abort_calls(user);
	pthread_join(thread, NULL);
}

static void push_gap(const struct source_context *context, const struct source_outage *outage,
	int64_t from_ns, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)channel_kind_get(outage->channel)->topic};
	struct packet *packet;

	gap.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST;
	gap.from_ns = session_clock_at(context->clock, from_ns);
	gap.to_ns = session_clock_at(context->clock, to_ns);
	gap.topics = topics;
	gap.n_topics = 1;
	gap.detail = (char *)outage->reason;
	if (packet_create(&packet, context->clock,
		    &(struct packet_info){CHANNEL_GAPS, 0, from_ns, 0}, &gap.base) == 0)
		context->sink->push(context->sink, packet);
}

static void sleep_until(const struct source_outage *outage, int64_t until_ns)
{
	struct pollfd wake = {outage->wake_fd, POLLIN, 0};
	int64_t left_ns;

	while (!*outage->stop && (left_ns = until_ns - clock_now_ns()) > 0) {
		eventfd_t ignored;

		if (poll(&wake, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS)) > 0)
			eventfd_read(outage->wake_fd, &ignored);
	}
}

bool source_reconnect(struct source *source, const struct source_context *context,
	const struct source_outage *outage)
{
	int64_t from_ns = clock_now_ns(), to_ns, wait_ns = RETRY_MIN_NS;
	int r = -EPIPE;

	if (context->disconnected)
		context->disconnected(context->user, source, outage->reason);
	do {
		sleep_until(outage, clock_now_ns() + wait_ns);
		to_ns = clock_now_ns();
		if (!*outage->stop)
			r = outage->reconnect(source, NULL);
		wait_ns = wait_ns * 2 < RETRY_MAX_NS ? wait_ns * 2 : RETRY_MAX_NS;
	} while (r < 0 && !*outage->stop);
	push_gap(context, outage, from_ns, to_ns);
	if (context->disconnected)
		context->disconnected(context->user, source, NULL);
	return r == 0;
}

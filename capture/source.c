#include "capture/source.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/thread.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

const struct backoff source_backoff = {NS_PER_S, 10 * NS_PER_S};

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

int source_push_gap(const struct source_context *context, const struct source_gap *gap)
{
	Uxrec__Gap message = UXREC__GAP__INIT;
	struct packet *packet;
	int r;

	message.reason = gap->reason;
	message.from_ns = session_clock_at(context->clock, gap->from_ns);
	message.to_ns = session_clock_at(context->clock, gap->to_ns);
	message.topics = (char **)gap->topics;
	message.n_topics = gap->topic_count;
	message.count = gap->count;
	message.detail = (char *)gap->detail;
	r = packet_create(&packet, context->clock,
		&(struct packet_info){CHANNEL_GAPS, 0, gap->from_ns, 0}, &message.base);
	if (r == 0)
		context->sink->push(context->sink, packet);
	return r;
}

void source_sleep(int wake_fd, const _Atomic bool *stop, int64_t until_ns)
{
	struct pollfd wake = {wake_fd, POLLIN, 0};
	int64_t left_ns;

	while (!*stop && (left_ns = until_ns - clock_now_ns()) > 0) {
		eventfd_t ignored;

		if (poll(&wake, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS)) > 0)
			eventfd_read(wake_fd, &ignored);
	}
}

bool source_reconnect(struct source *source, const struct source_context *context,
	const struct source_outage *outage)
{
	const char *topics[] = {channel_kind_get(outage->channel)->topic};
	struct source_gap gap = {
		.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST,
		.from_ns = clock_now_ns(),
		.topics = topics,
		.topic_count = 1,
		.detail = outage->reason,
	};
	unsigned waits = 0;
	int r = -EPIPE;

	if (context->disconnected)
		context->disconnected(context->user, source, outage->reason);
	do {
		source_sleep(outage->wake_fd, outage->stop,
			clock_now_ns() + backoff_ns(&source_backoff, waits++));
		gap.to_ns = clock_now_ns();
		if (!*outage->stop)
			r = outage->reconnect(source, NULL);
	} while (r < 0 && !*outage->stop);
	source_push_gap(context, &gap);
	if (context->disconnected)
		context->disconnected(context->user, source, NULL);
	return r == 0;
}

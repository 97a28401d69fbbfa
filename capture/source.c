#include "capture/source.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/thread.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

/* First and last retry interval: a restarted server is found soon, an absent one polled rarely. */
#define TRY_AGAIN_NS      NS_PER_S
#define TRY_AGAIN_LAST_NS (10 * NS_PER_S)

const char *source_name(const struct source *source)
{
	return source->ops->name;
}

void source_destroy(struct source *source)
{
	if (source)
		source->ops->destroy(source);
}

int64_t source_complete_until(struct source *source, int64_t now_ns)
{
	return source->ops->complete_until ? source->ops->complete_until(source, now_ns) : now_ns;
}

void source_request_keyframe(struct source *source)
{
	if (source->ops->request_keyframe)
		source->ops->request_keyframe(source);
}

void source_join(pthread_t thread, void (*cut)(void *user), void *user)
{
	if (thread_join_until(thread, clock_now_ns() + NS_PER_S) == 0)
		return;
	cut(user);
	pthread_join(thread, NULL);
}

static void push_gap(const struct source_context *context, const struct source_absence *absence,
	int64_t from_ns, int64_t to_ns)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)channel_kind_get(absence->channel)->topic};
	struct packet *packet;

	gap.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST;
	gap.from_ns = session_clock_at(context->clock, from_ns);
	gap.to_ns = session_clock_at(context->clock, to_ns);
	gap.topics = topics;
	gap.n_topics = 1;
	gap.detail = (char *)absence->reason;
	if (packet_create(&packet, context->clock,
		    &(struct packet_info){CHANNEL_GAPS, 0, from_ns, 0}, &gap.base) == 0)
		context->sink->push(context->sink, packet);
}

static void sleep_until(const struct source_absence *absence, int64_t until_ns)
{
	struct pollfd wake = {absence->wake_fd, POLLIN, 0};
	int64_t left_ns;

	while (!*absence->stop && (left_ns = until_ns - clock_now_ns()) > 0) {
		eventfd_t ignored;

		if (poll(&wake, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS)) > 0)
			eventfd_read(absence->wake_fd, &ignored);
	}
}

bool source_come_back(struct source *source, const struct source_context *context,
	const struct source_absence *absence)
{
	int64_t from_ns = clock_now_ns(), to_ns, wait_ns = TRY_AGAIN_NS;
	int r = -EPIPE;

	if (context->away)
		context->away(context->user, source, absence->reason);
	do {
		sleep_until(absence, clock_now_ns() + wait_ns);
		to_ns = clock_now_ns();
		if (!*absence->stop)
			r = absence->try_again(source, NULL);
		wait_ns = wait_ns * 2 < TRY_AGAIN_LAST_NS ? wait_ns * 2 : TRY_AGAIN_LAST_NS;
	} while (r < 0 && !*absence->stop);
	push_gap(context, absence, from_ns, to_ns);
	if (context->away)
		context->away(context->user, source, NULL);
	return r == 0;
}

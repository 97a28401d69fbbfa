#include "capture/stall.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

/* resolution of a stall's start */
#define BEAT_MS 50

struct stall_source {
	struct source base;
	struct source_context context;
	const char *const *topics;
	size_t topic_count;
	pthread_t thread;
	int stop_fd;
};

static struct stall_source *stall(struct source *source)
{
	return (struct stall_source *)source;
}

bool stall_occurred(int64_t interval_ns, int64_t cpu_ns)
{
	return interval_ns - cpu_ns >= STALL_NS;
}

static void push_gap(const struct stall_source *source, int64_t from_ns, int64_t to_ns)
{
	source_push_gap(&source->context,
		&(struct source_gap){
			.reason = UXREC__GAP__REASON__REASON_STALL,
			.from_ns = from_ns,
			.to_ns = to_ns,
			.topics = source->topics,
			.topic_count = source->topic_count,
			.detail = "the recorder did not run",
		});
}

static void *stall_thread(void *user)
{
	struct stall_source *source = user;
	struct pollfd stopped = {source->stop_fd, POLLIN, 0};
	int64_t beat_ns = clock_now_ns(), cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

	pthread_setname_np(pthread_self(), "uxrec-stall");
	/* continuing a stopped process interrupts poll() */
	while (poll(&stopped, 1, BEAT_MS) <= 0) {
		int64_t now_ns = clock_now_ns();
		int64_t cpu_now_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

		if (stall_occurred(now_ns - beat_ns, cpu_now_ns - cpu_ns))
			push_gap(source, beat_ns, now_ns);
		beat_ns = now_ns;
		cpu_ns = cpu_now_ns;
	}
	return NULL;
}

static void stall_destroy(struct source *base)
{
	struct stall_source *source = stall(base);

	if (source->stop_fd >= 0)
		eventfd_write(source->stop_fd, 1);
	if (source->thread)
		pthread_join(source->thread, NULL);
	if (source->stop_fd >= 0)
		close(source->stop_fd);
	free(source);
}

static const struct source_ops stall_source_ops = {
	.name = "stall",
	.destroy = stall_destroy,
};

int stall_source_create(struct source **ret, const struct source_context *context,
	const char *const *topics, size_t topic_count, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct stall_source));
	struct stall_source *source = stall(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &stall_source_ops;
	source->context = *context;
	source->topics = topics;
	source->topic_count = topic_count;
	source->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->stop_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	r = pthread_create(&source->thread, NULL, stall_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = steal_ptr(base);
	return 0;
}

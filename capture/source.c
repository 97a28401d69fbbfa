#include "capture/source.h"

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
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return;
	cut(user);
	pthread_join(thread, NULL);
}

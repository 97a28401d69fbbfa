#include "protocol/base/clock.h"

struct clock_sample clock_sample_take(void)
{
	struct clock_sample best = {.bracket_ns = INT64_MAX};

	for (int i = 0; i < 5; i++) {
		int64_t before = clock_now_ns();
		int64_t boottime = clock_read_ns(CLOCK_BOOTTIME);
		int64_t wall = clock_read_ns(CLOCK_REALTIME);
		int64_t after = clock_now_ns();

		if (after - before >= best.bracket_ns)
			continue;
		best = (struct clock_sample){
			.monotonic_ns = before + (after - before) / 2,
			.boottime_ns = boottime,
			.wall_ns = wall,
			.bracket_ns = after - before,
		};
	}
	return best;
}

void clock_init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

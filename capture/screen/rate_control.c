#include "capture/screen/rate_control.h"

#include "protocol/base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Length of a window, and the minimum of work and wait in it for an estimate of contention. */
#define WINDOW_NS (NS_PER_S)
#define LEAST_NS  (50 * NS_PER_MS)

/* Limits: share of one processor; wait relative to work, a longer wait means contention with others. */
#define WORK_MOST  0.7
#define WAIT_MOST  1.5
#define CALM_WORK  0.5 /* at the doubled rate */
#define CALM_WAIT  0.5
#define CALM_COUNT 5

void pace_init(struct pace *pace, int max_fps)
{
	*pace = (struct pace){.max_fps = max_fps, .fps = max_fps};
}

int64_t pace_period_ns(const struct pace *pace)
{
	return NS_PER_S / pace->fps;
}

static bool slow_down(struct pace *pace)
{
	pace->calm = 0;
	if (pace->fps / 2 < PACE_LEAST_FPS)
		return false;
	pace->fps /= 2;
	return true;
}

static bool speed_up(struct pace *pace)
{
	if (pace->fps == pace->max_fps || ++pace->calm < CALM_COUNT)
		return false;
	pace->calm = 0;
	/* odd rates are halved with truncation; the last step up restores the maximum */
	pace->fps = 2 * pace->fps + 1 >= pace->max_fps ? pace->max_fps : 2 * pace->fps;
	return true;
}

/* @param share  of a processor; @param waiting  wait relative to processor time */
static bool judge(struct pace *pace, double share, double waiting)
{
	if (share > WORK_MOST || waiting > WAIT_MOST)
		return slow_down(pace);
	if (2 * share < CALM_WORK && waiting < CALM_WAIT)
		return speed_up(pace);
	pace->calm = 0;
	return false;
}

static int64_t waited_now_ns(void)
{
	char text[96], *waited;
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	strtoll(text, &waited, 10);
	return strtoll(waited, NULL, 10);
}

struct pace_used pace_used_now(void)
{
	return (struct pace_used){clock_read_ns(CLOCK_THREAD_CPUTIME_ID), waited_now_ns()};
}

bool pace_note(struct pace *pace, int64_t began_ns, int64_t ended_ns, struct pace_used before,
	struct pace_used after)
{
	double share, waiting;
	int64_t span_ns;

	if (!pace->window_ns)
		pace->window_ns = began_ns;
	pace->cpu_ns += after.cpu_ns - before.cpu_ns;
	pace->waited_ns += after.waited_ns - before.waited_ns;
	span_ns = ended_ns - pace->window_ns;
	if (span_ns < WINDOW_NS)
		return false;
	share = (double)pace->cpu_ns / (double)span_ns;
	waiting = pace->cpu_ns + pace->waited_ns < LEAST_NS
		? 0
		: (double)pace->waited_ns / (double)(pace->cpu_ns + 1);
	pace->window_ns = ended_ns;
	pace->cpu_ns = pace->waited_ns = 0;
	return judge(pace, share, waiting);
}

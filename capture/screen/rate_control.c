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

void rate_control_init(struct rate_control *rate_control, int max_fps)
{
	*rate_control = (struct rate_control){.max_fps = max_fps, .fps = max_fps};
}

int64_t rate_control_period_ns(const struct rate_control *rate_control)
{
	return NS_PER_S / rate_control->fps;
}

static bool slow_down(struct rate_control *rate_control)
{
	rate_control->calm = 0;
	if (rate_control->fps / 2 < RATE_CONTROL_MIN_FPS)
		return false;
	rate_control->fps /= 2;
	return true;
}

static bool speed_up(struct rate_control *rate_control)
{
	if (rate_control->fps == rate_control->max_fps || ++rate_control->calm < CALM_COUNT)
		return false;
	rate_control->calm = 0;
	/* odd rates are halved with truncation; the last step up restores the maximum */
	rate_control->fps = 2 * rate_control->fps + 1 >= rate_control->max_fps
		? rate_control->max_fps
		: 2 * rate_control->fps;
	return true;
}

/* @param share  of a processor; @param waiting  wait relative to processor time */
static bool judge(struct rate_control *rate_control, double share, double waiting)
{
	if (share > WORK_MOST || waiting > WAIT_MOST)
		return slow_down(rate_control);
	if (2 * share < CALM_WORK && waiting < CALM_WAIT)
		return speed_up(rate_control);
	rate_control->calm = 0;
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

struct rate_control_usage rate_control_usage_now(void)
{
	return (struct rate_control_usage){clock_read_ns(CLOCK_THREAD_CPUTIME_ID), waited_now_ns()};
}

bool rate_control_update(struct rate_control *rate_control, int64_t began_ns, int64_t ended_ns,
	struct rate_control_usage before, struct rate_control_usage after)
{
	double share, waiting;
	int64_t span_ns;

	if (!rate_control->window_ns)
		rate_control->window_ns = began_ns;
	rate_control->cpu_ns += after.cpu_ns - before.cpu_ns;
	rate_control->waited_ns += after.waited_ns - before.waited_ns;
	span_ns = ended_ns - rate_control->window_ns;
	if (span_ns < WINDOW_NS)
		return false;
	share = (double)rate_control->cpu_ns / (double)span_ns;
	waiting = rate_control->cpu_ns + rate_control->waited_ns < LEAST_NS
		? 0
		: (double)rate_control->waited_ns / (double)(rate_control->cpu_ns + 1);
	rate_control->window_ns = ended_ns;
	rate_control->cpu_ns = rate_control->waited_ns = 0;
	return judge(rate_control, share, waiting);
}

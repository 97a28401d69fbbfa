#include "capture/sound/clock.h"

#include "protocol/base/clock.h"
#include "protocol/base/cleanup.h"

#include <math.h>

/* Below this the slope would follow the jitter. */
#define SLOPE_SECONDS 5

/* The height of the line is the mean of this many last seconds. */
#define HEIGHT_SECONDS 8

/* JUMP_FEEDS consecutive deviations above JUMP_S are no jitter: the device has lost time without
 * counting it. */
#define JUMP_S     0.0015
#define JUMP_FEEDS 5

void sound_clock_init(struct sound_clock *clock, double rate_hz)
{
	*clock = (struct sound_clock){
		.rate_hz = rate_hz, .ring = {.capacity = ARRAY_SIZE(clock->seconds)}};
}

static const struct sound_second *nth_last(const struct sound_clock *clock, size_t i)
{
	return &clock->seconds[ring_at(&clock->ring, clock->ring.count - 1 - i)];
}

static double line_at(const struct sound_clock *clock, double x)
{
	return clock->at_y + clock->slope * (x - clock->at_x);
}

static void fit_slope(struct sound_clock *clock)
{
	double mean_x = 0, mean_y = 0, xx = 0, xy = 0;

	if (clock->ring.count < SLOPE_SECONDS)
		return;
	for (size_t i = 0; i < clock->ring.count; i++) {
		mean_x += nth_last(clock, i)->x;
		mean_y += nth_last(clock, i)->y;
	}
	mean_x /= (double)clock->ring.count;
	mean_y /= (double)clock->ring.count;
	for (size_t i = 0; i < clock->ring.count; i++) {
		double x = nth_last(clock, i)->x - mean_x;

		xx += x * x;
		xy += x * (nth_last(clock, i)->y - mean_y);
	}
	clock->slope = xy / xx;
}

static void fit_height(struct sound_clock *clock)
{
	size_t count = clock->ring.count < HEIGHT_SECONDS ? clock->ring.count : HEIGHT_SECONDS;
	double x = 0, y = 0, squares = 0;

	for (size_t i = 0; i < count; i++) {
		x += nth_last(clock, i)->x;
		y += nth_last(clock, i)->y;
	}
	clock->at_x = x / (double)count;
	clock->at_y = y / (double)count;
	for (size_t i = 0; i < count; i++) {
		double off = nth_last(clock, i)->y - line_at(clock, nth_last(clock, i)->x);

		squares += off * off;
	}
	clock->error_s = sqrt(squares / (double)count);
}

static void end_second(struct sound_clock *clock)
{
	const struct sound_second second = {
		clock->sum_x / (double)clock->sum_count, clock->sum_y / (double)clock->sum_count};

	if (ring_is_full(&clock->ring))
		ring_pop(&clock->ring);
	clock->seconds[ring_push(&clock->ring)] = second;
	fit_slope(clock);
	fit_height(clock);
}

/* Restart the line at the device's current offset; the slope is kept. */
static void restart_line(struct sound_clock *clock, double x, double y)
{
	clock->ring.count = clock->sum_count = 0;
	clock->at_x = x;
	clock->at_y = y;
	clock->restarts++;
}

void sound_clock_feed(struct sound_clock *clock, int64_t position, int64_t time_ns)
{
	double x, y;

	if (clock->first_ns == 0) {
		clock->first_position = position;
		clock->first_ns = time_ns;
	}
	x = (double)(position - clock->first_position) / clock->rate_hz;
	y = (double)(time_ns - clock->first_ns) / (double)NS_PER_S - x;
	clock->off_feeds = fabs(y - line_at(clock, x)) > JUMP_S ? clock->off_feeds + 1 : 0;
	if (clock->off_feeds >= JUMP_FEEDS) {
		clock->off_feeds = 0;
		restart_line(clock, x, y);
	}
	if (clock->sum_count > 0 && x - clock->begun_x >= 1) {
		end_second(clock);
		clock->sum_count = 0;
	}
	if (clock->sum_count == 0) {
		clock->sum_x = clock->sum_y = 0;
		clock->begun_x = x;
	}
	clock->sum_x += x;
	clock->sum_y += y;
	clock->sum_count++;
	if (clock->ring.count == 0) {
		/* the line is level during the first second */
		clock->at_x = clock->sum_x / (double)clock->sum_count;
		clock->at_y = clock->sum_y / (double)clock->sum_count;
	}
}

int64_t sound_clock_at(const struct sound_clock *clock, int64_t position)
{
	double x = (double)(position - clock->first_position) / clock->rate_hz;

	return clock->first_ns + llround((x + line_at(clock, x)) * (double)NS_PER_S);
}

double sound_clock_drift_ppm(const struct sound_clock *clock)
{
	/* y grows when the device is slow */
	return -clock->slope * 1e6;
}

int64_t sound_clock_error_ns(const struct sound_clock *clock)
{
	return llround(clock->error_s * (double)NS_PER_S);
}

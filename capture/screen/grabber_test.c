#include "capture/screen/grabber.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/*
 * Synthetic screen: grey, with a binary counter along the top (32 fields of 16×16 pixels, most significant bit
 * first, white is 1) that increments with every picture. So a test can identify any decoded picture. Pictures come
 * at whole tenths of a second of CLOCK_MONOTONIC; that of a whole second, when the tone clicks, has a white field
 * in its middle.
 */

#define WIDTH     640
#define HEIGHT    360
#define FIELD     16
#define FLASH     280
#define PERIOD_NS (100 * NS_PER_MS)

struct test_grabber {
	struct grabber base;
	uint32_t counter;
	int64_t next_ns;
	bool all;
	uint8_t pixels[WIDTH * HEIGHT * 4];
};

static struct test_grabber *test(const struct grabber *grabber)
{
	return (struct test_grabber *)grabber;
}

static int test_create(
	struct grabber **ret, const struct grabber_target *target, struct error *reterr)
{
	struct test_grabber *grabber = calloc(1, sizeof(*grabber));

	(void)target;
	if (!grabber)
		return error_set(reterr, -ENOMEM, "out of memory");
	grabber->base.ops = &grabber_test;
	grabber->next_ns = (clock_now_ns() / PERIOD_NS + 1) * PERIOD_NS;
	grabber->counter = 1;
	grabber->all = true;
	memset(grabber->pixels, 0x80, sizeof(grabber->pixels));
	*ret = &grabber->base;
	return 0;
}

static int test_wait(struct grabber *base, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns)
{
	struct test_grabber *grabber = test(base);
	int64_t until_ns = grabber->next_ns < deadline_ns ? grabber->next_ns : deadline_ns;
	int64_t left_ns = until_ns - clock_now_ns();
	struct pollfd wake = {.fd = wake_fd, .events = POLLIN};

	if (!grabber->all && left_ns > 0 &&
		poll(&wake, 1, (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS)) != 0)
		return 0;
	if (!grabber->all && clock_now_ns() < grabber->next_ns)
		return 0;
	*ret_damage_ns = grabber->all ? clock_now_ns() : grabber->next_ns;
	return 1;
}

static struct grabber_size test_size(const struct grabber *base)
{
	(void)base;
	return (struct grabber_size){WIDTH, HEIGHT};
}

static void fill(struct test_grabber *grabber, struct rect rect, int value)
{
	for (int y = rect.y; y < rect.y + rect.height; y++)
		memset(&grabber->pixels[(y * WIDTH + rect.x) * 4], value, (size_t)rect.width * 4);
}

static int test_grab(struct grabber *base, struct canvas *canvas, int64_t *ret_copied_ns)
{
	struct test_grabber *grabber = test(base);
	const struct rect whole = {0, 0, WIDTH, HEIGHT};
	const struct rect middle = {(WIDTH - FLASH) / 2, (HEIGHT - FLASH) / 2, FLASH, FLASH};

	if (clock_now_ns() >= grabber->next_ns) {
		fill(grabber, middle, grabber->next_ns % NS_PER_S == 0 ? 0xff : 0x80);
		grabber->counter++;
		grabber->next_ns += PERIOD_NS;
	}
	for (int bit = 0; bit < 32; bit++)
		fill(grabber, (struct rect){bit * FIELD, 0, FIELD, FIELD},
			grabber->counter >> (31 - bit) & 1 ? 0xff : 0);
	canvas_put(canvas, &whole, grabber->pixels, WIDTH * 4);
	grabber->all = false;
	*ret_copied_ns = clock_now_ns();
	return 0;
}

static void test_damage_all(struct grabber *base)
{
	test(base)->all = true;
}

static void test_destroy(struct grabber *base)
{
	free(base);
}

const struct grabber_ops grabber_test = {
	.name = "test",
	.create = test_create,
	.wait = test_wait,
	.size = test_size,
	.grab = test_grab,
	.damage_all = test_damage_all,
	.destroy = test_destroy,
};

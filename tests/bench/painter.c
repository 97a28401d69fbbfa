/*
 * Paints a square in the middle of the screen in a new grey, at random intervals, and prints the times: one line per
 * stroke, its number and CLOCK_REALTIME in microseconds right before the request.
 * painter COUNT LEAST_MS MOST_MS
 */

#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct desktop desktop = {.connection = xcb_connect(NULL, NULL)};
	uint64_t random = 1;

	if (argc != 4 || xcb_connection_has_error(desktop.connection))
		return 1;
	desktop.screen = xcb_setup_roots_iterator(xcb_get_setup(desktop.connection)).data;
	for (int i = 1; i <= atoi(argv[1]); i++) {
		uint32_t grey = (uint32_t)(i % 32) * 8;
		int spread_ms = atoi(argv[3]) - atoi(argv[2]);

		printf("%d %" PRId64 "\n", i, clock_read_ns(CLOCK_REALTIME) / NS_PER_US);
		fflush(stdout);
		desktop_paint(&desktop, grey * 0x010101, desktop.screen->width_in_pixels / 2 - 32,
			desktop.screen->height_in_pixels / 2 - 32, 64, 64);
		sleep_ms(atoi(argv[2]) + (int)(next_random(&random) % (uint64_t)(spread_ms + 1)));
	}
	return 0;
}

/*
 * Pictures of a session's screen, for the tests.
 *
 *   screen_pictures times SESSION X Y     a line per picture: its time in seconds, and the luma at X, Y
 *   screen_pictures luma SESSION N...     the luma of these pictures, 0 is the first; in rising order
 */

#include "protocol/base/clock.h"
#include "replay/decode/frames.h"
#include "replay/session/session.h"

#include <stdio.h>
#include <string.h>

static void fail(const char *why)
{
	fprintf(stderr, "error: %s\n", why);
	exit(1);
}

/* BT.601, limited range, as coders use it */
static uint8_t luma_at(const struct frame *frame, int x, int y)
{
	const uint8_t *pixel = frame->pixels + (size_t)y * frame->stride_bytes + (size_t)x * 4;

	return (uint8_t)(16.5 + (25.064 * pixel[0] + 129.057 * pixel[1] + 65.738 * pixel[2]) / 256);
}

static void print_times(struct frames *frames, int x, int y)
{
	struct frame frame;

	while (frames_next(frames, &frame) == 1)
		if (x < frame.width && y < frame.height)
			printf("%.6f %d\n", (double)frame.time_ns / 1e9, luma_at(&frame, x, y));
}

static void write_luma(const struct frame *frame)
{
	_autofree_ uint8_t *row = malloc((size_t)frame->width);

	for (int y = 0; row && y < frame->height; y++) {
		for (int x = 0; x < frame->width; x++)
			row[x] = luma_at(frame, x, y);
		if (fwrite(row, 1, (size_t)frame->width, stdout) != (size_t)frame->width)
			fail("nobody reads what is written");
	}
}

static void write_pictures(struct frames *frames, char **numbers)
{
	struct frame frame;

	for (int at = 0; *numbers && frames_next(frames, &frame) == 1; at++)
		if (atoi(*numbers) == at) {
			write_luma(&frame);
			numbers++;
		}
}

int main(int argc, char **argv)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct error error = {""};

	if (argc < 4)
		fail("see the source for how it is called");
	if (session_open_path(&session, argv[2], &error) < 0)
		fail(error.text);
	if (!session->reader)
		fail(session->error.text);
	if (frames_create(&frames, session->reader, &error) < 0)
		fail(error.text);
	if (strcmp(argv[1], "times") == 0 && argc == 5)
		print_times(frames, atoi(argv[3]), atoi(argv[4]));
	else if (strcmp(argv[1], "luma") == 0)
		write_pictures(frames, argv + 3);
	else
		fail("see the source for how it is called");
	return 0;
}

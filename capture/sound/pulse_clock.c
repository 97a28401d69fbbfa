#include "capture/sound/pulse_clock.h"

#include "capture/sound/audio_backend.h"
#include "protocol/base/clock.h"

#include <stdlib.h>

/* Settled after this many consecutive answers, each this close to the one before, or after the
 * limit. */
#define CLOSE_NS        (2 * NS_PER_MS)
#define CLOSE_ANSWERS   5
#define SETTLE_LIMIT_NS (3 * NS_PER_S)

/* OFF_ANSWERS consecutive answers beyond OFF_NS are no outliers: the device has lost or gained
 * time. */
#define OFF_NS      (1500 * NS_PER_US)
#define OFF_ANSWERS 3

static void settle(struct pulse_clock *clock, int64_t off_ns, int64_t time_ns)
{
	if (clock->begun_ns == 0)
		clock->begun_ns = time_ns;
	clock->close = llabs(off_ns) <= CLOSE_NS ? clock->close + 1 : 1;
	clock->settled =
		clock->close >= CLOSE_ANSWERS || time_ns - clock->begun_ns >= SETTLE_LIMIT_NS;
}

void pulse_clock_feed(struct pulse_clock *clock, int64_t count, int64_t time_ns)
{
	int64_t position = count + clock->lost;
	int64_t off_ns = time_ns - pulse_clock_at(clock, position);

	if (!clock->settled) {
		settle(clock, off_ns, time_ns);
	} else if (llabs(off_ns) > OFF_NS) {
		if (++clock->off < OFF_ANSWERS)
			return;
		/* a late answer means samples lost before it */
		if (off_ns > 0) {
			int64_t lost = (off_ns * AUDIO_RATE_HZ + NS_PER_S / 2) / NS_PER_S;

			clock->lost += lost;
			position += lost;
		}
	}
	clock->off = 0;
	clock->position = position;
	clock->time_ns = time_ns;
}

int64_t pulse_clock_at(const struct pulse_clock *clock, int64_t position)
{
	return clock->time_ns + (position - clock->position) * NS_PER_S / AUDIO_RATE_HZ;
}

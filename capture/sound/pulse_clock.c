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

static void settle(struct ear_anchor *anchor, int64_t off_ns, int64_t time_ns)
{
	if (anchor->begun_ns == 0)
		anchor->begun_ns = time_ns;
	anchor->close = llabs(off_ns) <= CLOSE_NS ? anchor->close + 1 : 1;
	anchor->settled =
		anchor->close >= CLOSE_ANSWERS || time_ns - anchor->begun_ns >= SETTLE_LIMIT_NS;
}

void ear_anchor_feed(struct ear_anchor *anchor, int64_t count, int64_t time_ns)
{
	int64_t position = count + anchor->lost;
	int64_t off_ns = time_ns - ear_anchor_at(anchor, position);

	if (!anchor->settled) {
		settle(anchor, off_ns, time_ns);
	} else if (llabs(off_ns) > OFF_NS) {
		if (++anchor->off < OFF_ANSWERS)
			return;
		/* a late answer means samples lost before it */
		if (off_ns > 0) {
			int64_t lost = (off_ns * EAR_RATE_HZ + NS_PER_S / 2) / NS_PER_S;

			anchor->lost += lost;
			position += lost;
		}
	}
	anchor->off = 0;
	anchor->position = position;
	anchor->time_ns = time_ns;
}

int64_t ear_anchor_at(const struct ear_anchor *anchor, int64_t position)
{
	return anchor->time_ns + (position - anchor->position) * NS_PER_S / EAR_RATE_HZ;
}

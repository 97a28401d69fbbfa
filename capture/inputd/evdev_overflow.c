#include "capture/inputd/evdev_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <stdio.h>

static void send_gap(const struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	const struct evdev_overflow *overflow = &device->overflow;
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)"/input/controls", (char *)"/input/keys",
		(char *)"/input/keys/full", (char *)"/input/keys/counts"};
	char times[32] = "", detail[200];

	if (overflow->count > 1)
		snprintf(times, sizeof(times), " %u times", overflow->count);
	snprintf(detail, sizeof(detail),
		"device %u: its kernel queue overflowed%s; %s, the current state is known",
		device->batch.device, times, evdev_unrecoverable_events(device->evdev));
	gap.reason = UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW;
	gap.from_ns = overflow->from_ns;
	gap.to_ns = overflow->to_ns;
	/* the gap begins with the newest event, which may be a key: use a time that the policy allows */
	if (device->has_keys)
		gap.from_ns = redactor_time_ns(&link->redactor, overflow->from_ns, now_ns);
	gap.topics = topics;
	gap.n_topics = overflow->with_keys ? ARRAY_SIZE(topics) : 1;
	gap.detail = detail;
	input_out_packet(&link->out, CHANNEL_GAPS, gap.from_ns, &gap.base);
}

void evdev_overflow_note(struct evdev_device *device, const struct recorder_link *link,
	int64_t from_ns, int64_t to_ns)
{
	struct evdev_overflow *overflow = &device->overflow;

	if (overflow->count++ == 0) {
		overflow->from_ns = from_ns;
		overflow->due_ns = to_ns + EVDEV_OVERFLOW_NS;
	}
	overflow->to_ns = to_ns;
	overflow->with_keys |= device->has_keys && link->redactor.now != KEY_POLICY_NONE;
}

void evdev_overflow_flush(struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	if (device->overflow.count > 0)
		send_gap(device, link, now_ns);
	device->overflow = (struct evdev_overflow){0};
}

int64_t evdev_overflow_flush_due(
	struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	if (device->overflow.count == 0)
		return INT64_MAX;
	if (device->overflow.due_ns > now_ns)
		return device->overflow.due_ns;
	evdev_overflow_flush(device, link, now_ns);
	return INT64_MAX;
}

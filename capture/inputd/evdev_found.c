#include "capture/inputd/evdev_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <libevdev/libevdev.h>
#include <sys/ioctl.h>

void evdev_handle_key(struct evdev_device *device, struct recorder_link *link, int64_t time_ns,
	uint16_t code, Uxrec__KeyAction action)
{
	const struct key_event key = {.time_ns = time_ns,
		.device = device->batch.device,
		.code = code,
		.key_class = key_class_of_code(code),
		.modifier = recorder_link_modifier(link, code),
		.action = action};

	device->last_key_ns = time_ns;
	redactor_key(&link->redactor, &key);
}

bool evdev_key_is_down(const struct evdev_device *device, uint16_t code)
{
	uint8_t keys[KEY_CNT / 8] = {0};

	return device->state_fd >= 0 && code < KEY_CNT &&
		ioctl(device->state_fd, EVIOCGKEY(sizeof(keys)), keys) >= 0 &&
		keys[code / 8] >> (code % 8) & 1;
}

/* ---- found reports ---- */

struct finding {
	struct evdev_device *device;
	struct recorder_link *link;
	int64_t time_ns;
	Uxrec__Found found;
	bool begun;
};

/* a state, not an event: its buttons are not counted */
static void add(struct finding *finding, Uxrec__Control control, int32_t value)
{
	input_batch_add(
		&finding->device->batch, &finding->link->out, finding->time_ns, control, value);
}

static void begin(struct finding *finding)
{
	finding->begun = true;
	add(finding, UXREC__CONTROL__CONTROL_FOUND, (int32_t)finding->found);
}

/* Add a control, beginning the report with the first one: empty reports are not sent. */
static void report(struct finding *finding, Uxrec__Control control, int32_t value)
{
	if (!finding->begun)
		begin(finding);
	add(finding, control, value);
}

static void end(struct finding *finding)
{
	if (finding->begun)
		add(finding, UXREC__CONTROL__CONTROL_FRAME, 0);
}

/* ---- at start and stop ---- */

/* Select the next slot with a contact, from @p slot on. @return false when there is none */
static bool find_contact(struct finding *finding, int *slot)
{
	struct libevdev *evdev = finding->device->evdev;
	int slots = libevdev_get_num_slots(evdev);

	while (*slot < slots &&
		libevdev_get_slot_value(evdev, (unsigned)*slot, ABS_MT_TRACKING_ID) < 0)
		++*slot;
	if (*slot >= slots)
		return false;
	report(finding, UXREC__CONTROL__CONTROL_MT_SLOT, *slot);
	return true;
}

static void report_slots(struct finding *finding)
{
	struct libevdev *evdev = finding->device->evdev;

	for (int slot = 0; find_contact(finding, &slot); slot++)
		for (uint16_t code = ABS_MT_SLOT + 1; code < ABS_CNT; code++) {
			struct disposition disposition = policy_classify(EV_ABS, code);

			if (disposition.kind == DISPOSITION_CONTROL &&
				libevdev_has_event_code(evdev, EV_ABS, code))
				report(finding, disposition.control,
					libevdev_get_slot_value(evdev, (unsigned)slot, code));
		}
}

/* Report the non-zero values of a type: buttons that are down, switches that are on, axis positions. */
static void report_values(struct finding *finding, uint16_t type)
{
	struct libevdev *evdev = finding->device->evdev;
	int last = type == EV_ABS ? ABS_MISC : libevdev_event_type_get_max(type);

	for (int code = 0; code <= last; code++) {
		struct disposition disposition = policy_classify(type, (uint16_t)code);
		int value = libevdev_get_event_value(evdev, type, (unsigned)code);

		if (disposition.kind == DISPOSITION_CONTROL && value != 0 &&
			libevdev_has_event_code(evdev, type, (unsigned)code))
			report(finding, disposition.control, value);
	}
}

static void report_keys(struct evdev_device *device, struct recorder_link *link, int64_t time_ns,
	Uxrec__KeyAction action)
{
	for (uint16_t code = 0; code < KEY_CNT; code++)
		if (policy_classify(EV_KEY, code).kind == DISPOSITION_KEY &&
			libevdev_get_event_value(device->evdev, EV_KEY, code) > 0)
			evdev_handle_key(device, link, time_ns, code, action);
}

void evdev_report_at_start(struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	struct finding finding = {.device = device,
		.link = link,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_START};

	report_values(&finding, EV_KEY);
	report_values(&finding, EV_SW);
	report_values(&finding, EV_ABS);
	report_slots(&finding);
	end(&finding);
	report_keys(device, link, now_ns, UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
}

void evdev_report_at_stop(struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	int64_t unsure_ns = redactor_unsure_ns(&link->redactor, now_ns);
	struct finding finding = {.device = device,
		.link = link,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_STOP};

	report_values(&finding, EV_KEY);
	report_values(&finding, EV_SW);
	report_slots(&finding);
	end(&finding);
	if (device->last_key_ns < unsure_ns)
		report_keys(device, link, now_ns < unsure_ns ? now_ns : unsure_ns - 1,
			UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
}

/* ---- at removal ---- */

/* Switches keep their state: unplugging a keyboard does not open its lid. */
static void release_buttons(struct finding *finding)
{
	struct libevdev *evdev = finding->device->evdev;

	for (uint16_t code = 0; code < KEY_CNT; code++) {
		struct disposition disposition = policy_classify(EV_KEY, code);

		if (disposition.kind == DISPOSITION_CONTROL &&
			libevdev_get_event_value(evdev, EV_KEY, code) > 0)
			report(finding, disposition.control, 0);
	}
}

static void lift_contacts(struct finding *finding)
{
	for (int slot = 0; find_contact(finding, &slot); slot++)
		report(finding, UXREC__CONTROL__CONTROL_MT_TRACKING_ID, -1);
}

void evdev_report_at_removal(
	struct evdev_device *device, struct recorder_link *link, int64_t now_ns)
{
	struct finding finding = {.device = device,
		.link = link,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_REMOVAL};

	release_buttons(&finding);
	lift_contacts(&finding);
	end(&finding);
	report_keys(device, link, now_ns, UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP);
}

/* ---- after an overflow ---- */

/* report one difference, from libevdev, between its state and the kernel's */
static void report_difference(struct finding *finding, const struct input_event *event)
{
	struct disposition disposition = policy_classify(event->type, event->code);

	if (disposition.kind == DISPOSITION_KEY)
		evdev_handle_key(finding->device, finding->link, finding->time_ns, event->code,
			event->value ? UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN
				     : UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP);
	else if (disposition.kind == DISPOSITION_CONTROL &&
		disposition.control != UXREC__CONTROL__CONTROL_FRAME)
		report(finding, disposition.control, event->value);
}

int evdev_report_after_overflow(struct evdev_device *device, struct recorder_link *link,
	int64_t now_ns, int64_t *ret_compared_ns)
{
	struct finding finding = {.device = device,
		.link = link,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AFTER_OVERFLOW};
	struct input_event event;
	int r;

	begin(&finding); /* the overflow may have cut off a report that was sent in part */
	libevdev_next_event(device->evdev, LIBEVDEV_READ_FLAG_FORCE_SYNC, &event);
	r = libevdev_next_event(device->evdev, LIBEVDEV_READ_FLAG_SYNC, &event);
	*ret_compared_ns = clock_now_ns();
	for (; r == LIBEVDEV_READ_STATUS_SYNC;
		r = libevdev_next_event(device->evdev, LIBEVDEV_READ_FLAG_SYNC, &event))
		report_difference(&finding, &event);
	end(&finding);
	return r == -EAGAIN ? 0 : -ENODEV;
}

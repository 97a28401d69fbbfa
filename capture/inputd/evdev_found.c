#include "capture/inputd/evdev_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <libevdev/libevdev.h>
#include <sys/ioctl.h>

void evdev_take_key(struct evdev_device *device, struct conversation *conversation, int64_t time_ns,
	uint16_t code, Uxrec__KeyAction action)
{
	const struct key_seen key = {.time_ns = time_ns,
		.device = device->batch.device,
		.code = code,
		.key_class = key_class_of_code(code),
		.modifier = conversation_modifier(conversation, code),
		.action = action};

	device->last_key_ns = time_ns;
	redactor_key(&conversation->redactor, &key);
}

bool evdev_has_down(const struct evdev_device *device, uint16_t code)
{
	uint8_t keys[KEY_CNT / 8] = {0};

	return device->state_fd >= 0 && code < KEY_CNT &&
		ioctl(device->state_fd, EVIOCGKEY(sizeof(keys)), keys) >= 0 &&
		keys[code / 8] >> (code % 8) & 1;
}

/* ---- found reports ---- */

struct finding {
	struct evdev_device *device;
	struct conversation *conversation;
	int64_t time_ns;
	Uxrec__Found found;
	bool begun;
};

/* a state, not an event: its buttons are not counted */
static void add(struct finding *finding, Uxrec__Control control, int32_t value)
{
	input_batch_add(&finding->device->batch, &finding->conversation->out, finding->time_ns,
		control, value);
}

static void begin(struct finding *finding)
{
	finding->begun = true;
	add(finding, UXREC__CONTROL__CONTROL_FOUND, (int32_t)finding->found);
}

/* Add a control, beginning the report with the first one: empty reports are not sent. */
static void find(struct finding *finding, Uxrec__Control control, int32_t value)
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
	find(finding, UXREC__CONTROL__CONTROL_MT_SLOT, *slot);
	return true;
}

static void find_slots(struct finding *finding)
{
	struct libevdev *evdev = finding->device->evdev;

	for (int slot = 0; find_contact(finding, &slot); slot++)
		for (uint16_t code = ABS_MT_SLOT + 1; code < ABS_CNT; code++) {
			struct told told = policy_tell(EV_ABS, code);

			if (told.kind == TOLD_CONTROL &&
				libevdev_has_event_code(evdev, EV_ABS, code))
				find(finding, told.control,
					libevdev_get_slot_value(evdev, (unsigned)slot, code));
		}
}

/* Report the non-zero values of a type: buttons that are down, switches that are on, axis positions. */
static void find_values(struct finding *finding, uint16_t type)
{
	struct libevdev *evdev = finding->device->evdev;
	int last = type == EV_ABS ? ABS_MISC : libevdev_event_type_get_max(type);

	for (int code = 0; code <= last; code++) {
		struct told told = policy_tell(type, (uint16_t)code);
		int value = libevdev_get_event_value(evdev, type, (unsigned)code);

		if (told.kind == TOLD_CONTROL && value != 0 &&
			libevdev_has_event_code(evdev, type, (unsigned)code))
			find(finding, told.control, value);
	}
}

static void find_keys(struct evdev_device *device, struct conversation *conversation,
	int64_t time_ns, Uxrec__KeyAction action)
{
	for (uint16_t code = 0; code < KEY_CNT; code++)
		if (policy_tell(EV_KEY, code).kind == TOLD_KEY &&
			libevdev_get_event_value(device->evdev, EV_KEY, code) > 0)
			evdev_take_key(device, conversation, time_ns, code, action);
}

void evdev_find_at_start(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns)
{
	struct finding finding = {.device = device,
		.conversation = conversation,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_START};

	find_values(&finding, EV_KEY);
	find_values(&finding, EV_SW);
	find_values(&finding, EV_ABS);
	find_slots(&finding);
	end(&finding);
	find_keys(device, conversation, now_ns, UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
}

void evdev_find_at_stop(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns)
{
	int64_t unsure_ns = redactor_unsure_ns(&conversation->redactor, now_ns);
	struct finding finding = {.device = device,
		.conversation = conversation,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_STOP};

	find_values(&finding, EV_KEY);
	find_values(&finding, EV_SW);
	find_slots(&finding);
	end(&finding);
	if (device->last_key_ns < unsure_ns)
		find_keys(device, conversation, now_ns < unsure_ns ? now_ns : unsure_ns - 1,
			UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN);
}

/* ---- at removal ---- */

/* Switches keep their state: unplugging a keyboard does not open its lid. */
static void release_buttons(struct finding *finding)
{
	struct libevdev *evdev = finding->device->evdev;

	for (uint16_t code = 0; code < KEY_CNT; code++) {
		struct told told = policy_tell(EV_KEY, code);

		if (told.kind == TOLD_CONTROL && libevdev_get_event_value(evdev, EV_KEY, code) > 0)
			find(finding, told.control, 0);
	}
}

static void lift_contacts(struct finding *finding)
{
	for (int slot = 0; find_contact(finding, &slot); slot++)
		find(finding, UXREC__CONTROL__CONTROL_MT_TRACKING_ID, -1);
}

void evdev_find_at_removal(
	struct evdev_device *device, struct conversation *conversation, int64_t now_ns)
{
	struct finding finding = {.device = device,
		.conversation = conversation,
		.time_ns = now_ns,
		.found = UXREC__FOUND__FOUND_AT_REMOVAL};

	release_buttons(&finding);
	lift_contacts(&finding);
	end(&finding);
	find_keys(device, conversation, now_ns, UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP);
}

/* ---- after an overflow ---- */

/* report one difference, from libevdev, between its state and the kernel's */
static void find_difference(struct finding *finding, const struct input_event *event)
{
	struct told told = policy_tell(event->type, event->code);

	if (told.kind == TOLD_KEY)
		evdev_take_key(finding->device, finding->conversation, finding->time_ns,
			event->code,
			event->value ? UXREC__KEY_ACTION__KEY_ACTION_FOUND_DOWN
				     : UXREC__KEY_ACTION__KEY_ACTION_FOUND_UP);
	else if (told.kind == TOLD_CONTROL && told.control != UXREC__CONTROL__CONTROL_FRAME)
		find(finding, told.control, event->value);
}

int evdev_find_after_overflow(struct evdev_device *device, struct conversation *conversation,
	int64_t now_ns, int64_t *ret_compared_ns)
{
	struct finding finding = {.device = device,
		.conversation = conversation,
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
		find_difference(&finding, &event);
	end(&finding);
	return r == -EAGAIN ? 0 : -ENODEV;
}

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/screen.pb-c.h"
#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include <stdio.h>
#include <string.h>

/* ---- content of a session ---- */

struct reading {
	struct lab_file *file;
	Uxrec__Found found[512]; /* per device: the report in progress */
};

static void see(struct reading *reading, struct lab_seen seen)
{
	struct lab_file *file = reading->file;
	Uxrec__Found *found = &reading->found[seen.device % ARRAY_SIZE(reading->found)];

	if (file->count == file->room) {
		file->room = 2 * file->room + 1024;
		file->events = realloc(file->events, file->room * sizeof(file->events[0]));
		check(file->events != NULL);
	}
	if (seen.channel == CHANNEL_CONTROLS && seen.what == UXREC__CONTROL__CONTROL_FOUND)
		*found = (Uxrec__Found)seen.value;
	if (seen.channel == CHANNEL_CONTROLS)
		seen.found = *found;
	if (seen.channel == CHANNEL_CONTROLS && seen.what == UXREC__CONTROL__CONTROL_FRAME)
		*found = UXREC__FOUND__FOUND_UNSPECIFIED;
	file->events[file->count++] = seen;
}

static void see_controls(struct reading *reading, int64_t at_ns, const Uxrec__ControlBatch *batch)
{
	for (size_t i = 0; i < batch->n_control; i++)
		see(reading,
			(struct lab_seen){.time_ns = at_ns += batch->dt_us[i] * NS_PER_US,
				.device = batch->device,
				.channel = CHANNEL_CONTROLS,
				.what = (int32_t)batch->control[i],
				.value = batch->value[i]});
}

static void see_keys(struct reading *reading, int64_t at_ns, const Uxrec__KeyBatch *batch)
{
	for (size_t i = 0; i < batch->n_code; i++)
		see(reading,
			(struct lab_seen){.time_ns = at_ns += batch->dt_us[i] * NS_PER_US,
				.device = batch->device,
				.channel = CHANNEL_KEYS,
				.what = (int32_t)batch->code[i],
				.value = (int32_t)batch->action[i]});
}

static void see_classes(struct reading *reading, int64_t at_ns, const Uxrec__KeyClassBatch *batch)
{
	for (size_t i = 0; i < batch->n_key_class; i++)
		see(reading,
			(struct lab_seen){.time_ns = at_ns += batch->dt_us[i] * NS_PER_US,
				.device = batch->device,
				.channel = CHANNEL_KEY_CLASSES,
				.what = (int32_t)batch->key_class[i],
				.value = (int32_t)batch->action[i]});
}

static void see_pointer(struct reading *reading, int64_t at_ns, const Uxrec__PointerBatch *batch)
{
	for (size_t i = 0; i < batch->n_x_px; i++)
		see(reading,
			(struct lab_seen){.time_ns = at_ns += batch->dt_us[i] * NS_PER_US,
				.channel = CHANNEL_POINTER,
				.what = batch->x_px[i],
				.value = batch->y_px[i]});
}

static void see_gap(struct lab_file *file, const Uxrec__Gap *gap)
{
	struct lab_gap *seen = &file->gaps[file->gap_count++];

	check(file->gap_count <= ARRAY_SIZE(file->gaps));
	seen->from_ns = gap->from_ns;
	seen->to_ns = gap->to_ns;
	seen->reason = gap->reason;
	seen->topics = gap->n_topics;
	snprintf(seen->detail, sizeof(seen->detail), "%s", gap->detail);
}

static void see_device(struct lab_file *file, const struct reader_message *message)
{
	struct lab_device_seen *seen = &file->devices[file->device_count++];

	check(file->device_count <= ARRAY_SIZE(file->devices));
	seen->time_ns = message->time_ns;
	seen->message =
		uxrec__input_device__unpack(NULL, message->data.size_bytes, message->data.data);
	check(seen->message != NULL);
}

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct reading *reading = user;

	switch (message->channel->known) {
	case CHANNEL_CLOCK:
		reading->file->offset_ns = ((const Uxrec__ClockSample *)unpacked)->utc_offset_ns;
		break;
	case CHANNEL_INPUT_DEVICES: see_device(reading->file, message); break;
	case CHANNEL_GAPS: see_gap(reading->file, (const void *)unpacked); break;
	case CHANNEL_CONTROLS:
		see_controls(reading, message->time_ns, (const void *)unpacked);
		break;
	case CHANNEL_KEYS: see_keys(reading, message->time_ns, (const void *)unpacked); break;
	case CHANNEL_KEY_CLASSES:
		see_classes(reading, message->time_ns, (const void *)unpacked);
		break;
	case CHANNEL_POINTER: see_pointer(reading, message->time_ns, (const void *)unpacked); break;
	default: break;
	}
	return 0;
}

static void to_monotonic(struct lab_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		file->events[i].time_ns -= file->offset_ns;
	for (size_t i = 0; i < file->device_count; i++)
		file->devices[i].time_ns -= file->offset_ns;
	for (size_t i = 0; i < file->gap_count; i++) {
		file->gaps[i].from_ns -= file->offset_ns;
		file->gaps[i].to_ns -= file->offset_ns;
	}
}

struct lab_file *lab_file_read(const struct daemon_child *daemon, const char *id)
{
	_destroy_(session) struct session *session = daemon_session(daemon, id);
	struct reading *reading = calloc(1, sizeof(*reading));
	struct lab_file *file = calloc(1, sizeof(*file));

	check(reading && file);
	reading->file = file;
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_MAX & ~UINT64_C(1), take,
		      reading) == 0);
	free(reading);
	to_monotonic(file);
	file->bytes = session_reader_size(session->reader);
	return file;
}

void lab_file_destroy(struct lab_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->device_count; i++)
		uxrec__input_device__free_unpacked(file->devices[i].message, NULL);
	free(file->events);
	free(file);
}

const Uxrec__InputDevice *lab_file_device(const struct lab_file *file, const char *name)
{
	const Uxrec__InputDevice *device = NULL;

	for (size_t i = 0; i < file->device_count && !device; i++)
		if (strstr(file->devices[i].message->name, name))
			device = file->devices[i].message;
	if (!device)
		printf("# no device '%s' was recorded\n", name);
	check(device != NULL);
	return device;
}

size_t lab_file_overflows(const struct lab_file *file)
{
	size_t count = 0;

	for (size_t i = 0; i < file->gap_count; i++)
		count += file->gaps[i].reason == UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW;
	return count;
}

/* ---- comparing ---- */

/* Expected value of an event in the file. Independent of capture/input/policy.c on purpose. */
static int32_t control_of(const struct input_event *event)
{
	static const struct {
		uint16_t type, code;
		Uxrec__Control control;
	} known[] = {
		{EV_REL, REL_X, UXREC__CONTROL__CONTROL_REL_X},
		{EV_REL, REL_Y, UXREC__CONTROL__CONTROL_REL_Y},
		{EV_REL, REL_WHEEL, UXREC__CONTROL__CONTROL_WHEEL},
		{EV_REL, REL_HWHEEL, UXREC__CONTROL__CONTROL_HWHEEL},
		{EV_REL, REL_WHEEL_HI_RES, UXREC__CONTROL__CONTROL_WHEEL_HI_RES},
		{EV_REL, REL_HWHEEL_HI_RES, UXREC__CONTROL__CONTROL_HWHEEL_HI_RES},
		{EV_ABS, ABS_X, UXREC__CONTROL__CONTROL_ABS_X},
		{EV_ABS, ABS_Y, UXREC__CONTROL__CONTROL_ABS_Y},
		{EV_ABS, ABS_PRESSURE, UXREC__CONTROL__CONTROL_ABS_PRESSURE},
		{EV_ABS, ABS_DISTANCE, UXREC__CONTROL__CONTROL_ABS_DISTANCE},
		{EV_ABS, ABS_TILT_X, UXREC__CONTROL__CONTROL_ABS_TILT_X},
		{EV_ABS, ABS_TILT_Y, UXREC__CONTROL__CONTROL_ABS_TILT_Y},
		{EV_ABS, ABS_MT_SLOT, UXREC__CONTROL__CONTROL_MT_SLOT},
		{EV_ABS, ABS_MT_TRACKING_ID, UXREC__CONTROL__CONTROL_MT_TRACKING_ID},
		{EV_ABS, ABS_MT_POSITION_X, UXREC__CONTROL__CONTROL_MT_X},
		{EV_ABS, ABS_MT_POSITION_Y, UXREC__CONTROL__CONTROL_MT_Y},
		{EV_ABS, ABS_MT_PRESSURE, UXREC__CONTROL__CONTROL_MT_PRESSURE},
		{EV_KEY, BTN_LEFT, UXREC__CONTROL__CONTROL_BUTTON_LEFT},
		{EV_KEY, BTN_RIGHT, UXREC__CONTROL__CONTROL_BUTTON_RIGHT},
		{EV_KEY, BTN_MIDDLE, UXREC__CONTROL__CONTROL_BUTTON_MIDDLE},
		{EV_KEY, BTN_TOUCH, UXREC__CONTROL__CONTROL_TOUCH},
		{EV_KEY, BTN_TOOL_PEN, UXREC__CONTROL__CONTROL_TOOL_PEN},
		{EV_KEY, BTN_STYLUS, UXREC__CONTROL__CONTROL_STYLUS},
		{EV_SW, SW_LID, UXREC__CONTROL__CONTROL_SWITCH_LID},
		{EV_SW, SW_TABLET_MODE, UXREC__CONTROL__CONTROL_SWITCH_TABLET_MODE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].type == event->type && known[i].code == event->code)
			return (int32_t)known[i].control;
	return -1;
}

static bool is_key(const struct input_event *event)
{
	return event->type == EV_KEY && event->code < BTN_MISC;
}

/* The next event of a device and channel that the device itself sent, or NULL. */
static const struct lab_seen *next_seen(
	const struct lab_file *file, size_t *at, uint32_t device, uint16_t channel)
{
	while (*at < file->count) {
		const struct lab_seen *seen = &file->events[(*at)++];
		bool found = seen->found || (channel == CHANNEL_KEYS && seen->value > 2);

		if (seen->device == device && seen->channel == channel && !found)
			return seen;
	}
	return NULL;
}

static bool agrees(const struct lab_seen *seen, const struct input_event *event, int32_t what)
{
	int64_t time_ns = event->input_event_sec * NS_PER_S + event->input_event_usec * NS_PER_US;

	if (seen && seen->what == what && seen->value == event->value && seen->time_ns == time_ns)
		return true;
	printf("# the kernel's: type %u code %u value %d at %lld; the file's: %d %d at %lld\n",
		event->type, event->code, event->value, (long long)time_ns, seen ? seen->what : -1,
		seen ? seen->value : 0, seen ? (long long)seen->time_ns : 0);
	return false;
}

size_t lab_file_compare(const struct lab_file *file, const struct lab_device *device)
{
	uint32_t number = lab_file_device(file, libevdev_get_name(device->evdev))->device;
	size_t at_control = 0, at_key = 0, equal = 0;
	bool open = false; /* a non-key event since the last report's end */

	check(!device->overflowed);
	for (size_t i = 0; i < device->count; i++) {
		const struct input_event *event = &device->events[i];
		int32_t control = control_of(event);

		if (is_key(event)) {
			check(agrees(next_seen(file, &at_key, number, CHANNEL_KEYS), event,
				event->code));
		} else if (control >= 0) {
			open = true;
			check(agrees(next_seen(file, &at_control, number, CHANNEL_CONTROLS), event,
				control));
		} else if (event->type == EV_SYN && open) {
			open = false;
			check(agrees(next_seen(file, &at_control, number, CHANNEL_CONTROLS), event,
				UXREC__CONTROL__CONTROL_FRAME));
		} else {
			check(event->type == EV_SYN || event->type == EV_MSC);
		}
		equal++;
	}
	expect(next_seen(file, &at_control, number, CHANNEL_CONTROLS) == NULL);
	expect(next_seen(file, &at_key, number, CHANNEL_KEYS) == NULL);
	return equal;
}

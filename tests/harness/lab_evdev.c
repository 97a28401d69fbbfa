#include "tests/harness/lab_evdev.h"

#include "protocol/base/clock.h"
#include "protocol/base/io.h"
#include "protocol/channel.h"
#include "protocol/screen.pb-c.h"
#include "tests/harness/helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define OUTSIDE "/vm-out"

/* ---- devices ---- */

const struct lab_ability lab_keyboard[] = {
	{EV_KEY, KEY_ESC, KEY_DELETE, 0, 0, 0},
	{EV_KEY, KEY_LEFTMETA, KEY_COMPOSE, 0, 0, 0},
	{EV_MSC, MSC_SCAN, MSC_SCAN, 0, 0, 0},
	{0},
};

const struct lab_ability lab_mouse[] = {
	{EV_REL, REL_X, REL_Y, 0, 0, 0},
	{EV_REL, REL_HWHEEL, REL_HWHEEL, 0, 0, 0},
	{EV_REL, REL_WHEEL, REL_WHEEL, 0, 0, 0},
	{EV_REL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES, 0, 0, 0},
	{EV_KEY, BTN_LEFT, BTN_EXTRA, 0, 0, 0},
	{EV_MSC, MSC_SCAN, MSC_SCAN, 0, 0, 0},
	{0},
};

const struct lab_ability lab_touchscreen[] = {
	{EV_KEY, BTN_TOUCH, BTN_TOUCH, 0, 0, 0},
	{EV_ABS, ABS_X, ABS_X, 0, 4095, 12},
	{EV_ABS, ABS_Y, ABS_Y, 0, 2303, 12},
	{EV_ABS, ABS_MT_SLOT, ABS_MT_SLOT, 0, 9, 0},
	{EV_ABS, ABS_MT_TRACKING_ID, ABS_MT_TRACKING_ID, 0, 65535, 0},
	{EV_ABS, ABS_MT_POSITION_X, ABS_MT_POSITION_X, 0, 4095, 12},
	{EV_ABS, ABS_MT_POSITION_Y, ABS_MT_POSITION_Y, 0, 2303, 12},
	{EV_ABS, ABS_MT_PRESSURE, ABS_MT_PRESSURE, 0, 255, 0},
	{0},
};

const struct lab_ability lab_tablet[] = {
	{EV_KEY, BTN_TOOL_PEN, BTN_TOOL_RUBBER, 0, 0, 0},
	{EV_KEY, BTN_TOUCH, BTN_STYLUS2, 0, 0, 0},
	{EV_ABS, ABS_X, ABS_X, 0, 44704, 200},
	{EV_ABS, ABS_Y, ABS_Y, 0, 27940, 200},
	{EV_ABS, ABS_PRESSURE, ABS_PRESSURE, 0, 8191, 0},
	{EV_ABS, ABS_DISTANCE, ABS_DISTANCE, 0, 63, 0},
	{EV_ABS, ABS_TILT_X, ABS_TILT_Y, -64, 63, 57},
	{0},
};

static struct libevdev *describe(const char *name, const struct lab_ability *ability)
{
	struct libevdev *evdev = libevdev_new();

	check(evdev != NULL);
	libevdev_set_name(evdev, name);
	for (; ability->type; ability++)
		for (unsigned code = ability->first; code <= ability->last; code++) {
			const struct input_absinfo axis = {.minimum = ability->minimum,
				.maximum = ability->maximum,
				.resolution = ability->resolution};

			check(libevdev_enable_event_code(evdev, ability->type, code,
				      ability->type == EV_ABS ? &axis : NULL) == 0);
		}
	return evdev;
}

void lab_device_plug(struct lab_device *device, struct libevdev *evdev)
{
	*device = (struct lab_device){.evdev = evdev, .fd = -1};
	check(libevdev_uinput_create_from_device(
		      evdev, LIBEVDEV_UINPUT_OPEN_MANAGED, &device->uinput) == 0);
	device->node = libevdev_uinput_get_devnode(device->uinput);
	check(device->node != NULL);
}

void lab_device_make_of(struct lab_device *device, struct libevdev *evdev)
{
	int clock = CLOCK_MONOTONIC;

	lab_device_plug(device, evdev);
	sleep_ms(400);
	device->fd = open(device->node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	check(device->fd >= 0 && ioctl(device->fd, EVIOCSCLOCKID, &clock) == 0);
}

void lab_device_make(
	struct lab_device *device, const char *name, const struct lab_ability *abilities)
{
	lab_device_make_of(device, describe(name, abilities));
}

void lab_device_remove(struct lab_device *device)
{
	libevdev_uinput_destroy(device->uinput);
	libevdev_free(device->evdev);
	if (device->fd >= 0)
		close(device->fd);
	free(device->events);
	*device = (struct lab_device){.fd = -1};
}

void lab_send(struct lab_device *device, unsigned type, unsigned code, int value)
{
	check(device->waiting < ARRAY_SIZE(device->report));
	device->report[device->waiting++] = (struct input_event){
		.type = (uint16_t)type, .code = (uint16_t)code, .value = value};
}

void lab_report(struct lab_device *device)
{
	ssize_t size;

	lab_send(device, EV_SYN, SYN_REPORT, 0);
	size = (ssize_t)(device->waiting * sizeof(struct input_event));
	check(write(libevdev_uinput_get_fd(device->uinput), device->report, (size_t)size) == size);
	device->waiting = 0;
}

void lab_tap(struct lab_device *device, unsigned code)
{
	for (int value = 1; value >= 0; value--) {
		lab_send(device, EV_KEY, code, value);
		lab_report(device);
	}
}

void lab_read(struct lab_device *device)
{
	struct input_event events[256];
	ssize_t n;

	while ((n = read(device->fd, events, sizeof(events))) > 0) {
		size_t count = (size_t)n / sizeof(events[0]);

		if (device->count + count > device->room) {
			device->room = 2 * (device->count + count);
			device->events =
				realloc(device->events, device->room * sizeof(device->events[0]));
			check(device->events != NULL);
		}
		memcpy(device->events + device->count, events, (size_t)n);
		device->count += count;
		for (size_t i = 0; i < count; i++)
			device->overflowed |=
				events[i].type == EV_SYN && events[i].code == SYN_DROPPED;
	}
}

/* ---- what a session holds ---- */

struct reading {
	struct lab_file *file;
	Uxrec__Found found[512]; /* of each device: the report that is being read */
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

/* What an event is in the file. This is written anew, and not capture/policy.c asked. */
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

/* The next of a device and a channel that it has made itself, or NULL. */
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
	bool open = false; /* something that is no key since the last report's end */

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

/* ---- recording ---- */

static struct {
	struct daemon_child daemon;
	bool runs, records;
} lab;

int lab_end(void)
{
	bool ran = lab.runs;

	lab.runs = lab.records = false;
	return ran && end_child(&lab.daemon.child, SIGTERM) != 0;
}

static void begin(struct lab_recording *recording, const char *keys)
{
	lab.records = true;
	daemon_record(&lab.daemon, keys, recording->id);
	recording->daemon = lab.daemon;
}

void lab_record_with(struct lab_recording *recording, const char *keys, const char *const *options)
{
	lab_end();
	daemon_start(&lab.daemon, temporary_folder(), options);
	lab.runs = true;
	begin(recording, keys);
}

void lab_record(struct lab_recording *recording, const char *keys)
{
	/* a test that ended in its midst has left its recording */
	if (lab.runs && !lab.records)
		begin(recording, keys);
	else
		lab_record_with(recording, keys,
			(const char *[]){"--screen", "none", "--input", "evdev", NULL});
}

struct lab_file *lab_recording_end(struct lab_recording *recording)
{
	sleep_ms(100);
	expect(daemon_command(&recording->daemon, NULL, "stop", NULL) == 0);
	lab.records = false;
	return lab_file_read(&recording->daemon, recording->id);
}

char *lab_proc(const char *path)
{
	size_t room = 1 << 16;
	char *text = malloc(room);
	FILE *file = fopen(path, "re");
	size_t n;

	check(text && file);
	n = fread(text, 1, room - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

/* @return false when it has ended, or has no name */
static bool name_of(pid_t pid, char name[32], pid_t *ret_parent)
{
	char path[64];
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fscanf(file, "%*d (%31[^)]) %*c %d", name, ret_parent);
	fclose(file);
	return n == 2;
}

/* how many descriptors of /dev/input a process has open */
static int inputs_of(pid_t pid)
{
	char path[64], target[64];
	DIR *folder;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	if (!folder)
		return 0;
	for (struct dirent *entry; (entry = readdir(folder));) {
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		count += strncmp(target, "/dev/input/", 11) == 0;
	}
	closedir(folder);
	return count;
}

/* The first process, from one on, whose name begins so. @return 0 without one */
static pid_t find_process(pid_t from, const char *prefix, pid_t *ret_parent)
{
	DIR *folder = opendir("/proc");
	pid_t found = 0;
	char name[32];

	check(folder != NULL);
	for (struct dirent *entry; (entry = readdir(folder));) {
		pid_t pid = atoi(entry->d_name), parent;

		if (pid < from || pid == 0 || (found && pid > found) ||
			!name_of(pid, name, &parent) || strncmp(name, prefix, strlen(prefix)) != 0)
			continue;
		found = pid;
		*ret_parent = parent;
	}
	closedir(folder);
	return found;
}

int lab_open_inputs(void)
{
	pid_t pid = 0, parent;
	int count = 0;

	while ((pid = find_process(pid + 1, "uxrec", &parent)))
		count += inputs_of(pid);
	return count;
}

pid_t lab_inputd(const struct lab_recording *recording)
{
	pid_t pid = 0, parent;

	while ((pid = find_process(pid + 1, "uxrec-inputd", &parent)))
		if (parent == recording->daemon.child.pid)
			return pid;
	return 0;
}

struct child lab_evemu(const struct lab_device *device)
{
	const struct sched_param priority = {.sched_priority = 1};
	struct child evemu = start_child("evemu-record", (const char *[]){device->node, NULL});
	int tries = 0;

	while (inputs_of(evemu.pid) == 0 && tries++ < 200)
		sleep_ms(50);
	check(tries <= 200);
	sleep_ms(500); /* it describes the device before it reads */
	check(sched_setscheduler(evemu.pid, SCHED_FIFO, &priority) == 0);
	return evemu;
}

/* ---- outside ---- */

bool lab_host_do(const char *lines)
{
	static int number;
	char ask[64], making[] = OUTSIDE "/ask", path[64];
	_autofree_ char *answer = NULL;
	int fd = open(making, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return false;
	check(io_write_all(fd, lines, strlen(lines)) == 0);
	close(fd);
	/* programs of one boot go on counting */
	do
		snprintf(ask, sizeof(ask), OUTSIDE "/ask-%d", ++number);
	while (access(ask, F_OK) == 0);
	check(rename(making, ask) == 0);
	snprintf(path, sizeof(path), OUTSIDE "/answer-%d", number);
	for (int i = 0; i < 600 && access(path, F_OK) != 0; i++)
		sleep_ms(100);
	if (io_read_file(path, 4096, &answer) < 0 || strcmp(answer, "done") != 0) {
		printf("# the monitor: %s\n", answer ? answer : "no answer");
		return false;
	}
	return true;
}

#define INPUT_EVENTS(events)                                                                       \
	"{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [" events                 \
	"]}}\n"                                                                                    \
	"{\"sleep\": 80}\n"
#define AXIS_EVENT "{\"type\": \"abs\", \"data\": {\"axis\": \"%c\", \"value\": %d}}"
#define BUTTON_EVENT(down)                                                                         \
	INPUT_EVENTS("{\"type\": \"btn\", \"data\": {\"button\": \"left\", \"down\": " down "}}")
#define KEY_EVENT(down)                                                                            \
	INPUT_EVENTS("{\"type\": \"key\", \"data\": {\"down\": " down                              \
		     ", \"key\": {\"type\": \"qcode\", \"data\": \"%c\"}}}")

bool lab_host_click(int32_t x, int32_t y)
{
	char lines[1024];

	snprintf(lines, sizeof(lines),
		INPUT_EVENTS(AXIS_EVENT ", " AXIS_EVENT) BUTTON_EVENT("true") BUTTON_EVENT("false"),
		'x', x, 'y', y);
	return lab_host_do(lines);
}

bool lab_host_tap(char key)
{
	char lines[1024];

	snprintf(lines, sizeof(lines), KEY_EVENT("true") KEY_EVENT("false"), key, key);
	return lab_host_do(lines);
}

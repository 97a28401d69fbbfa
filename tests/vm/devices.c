/*
 * Runs inside the virtual machine, as root, on a real kernel: present devices, their descriptions, and hotplug.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "capture/input/filter.h"
#include "capture/input/input.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- plugging and unplugging ---- */

static struct libevdev *small_keyboard(const char *name)
{
	struct libevdev *evdev = libevdev_new();

	libevdev_set_name(evdev, name);
	for (unsigned code = KEY_ESC; code <= KEY_DELETE; code++)
		libevdev_enable_event_code(evdev, EV_KEY, code, NULL);
	return evdev;
}

/* time when a device of that name was added, or removed; 0: never */
static int64_t came_ns(const struct lab_file *file, const char *name, bool removed)
{
	for (size_t i = 0; i < file->device_count; i++)
		if (strstr(file->devices[i].message->name, name) &&
			file->devices[i].message->removed == removed)
			return file->devices[i].time_ns;
	return 0;
}

/* Wait until the recorder reads that many devices, and has had time to record their coming. */
static void settle(int inputs)
{
	lab_await_inputs(inputs);
	sleep_ms(300);
}

static void hotplug_is_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device keyboard;
	size_t keys = 0;
	uint32_t number;
	int inputs;

	lab_record(&recording, "classes");
	inputs = lab_open_inputs();
	lab_device_make_of(&keyboard, small_keyboard("uxrec hot keyboard"));
	settle(inputs + 1);
	for (int i = 0; i < 10; i++)
		lab_tap(&keyboard, KEY_A);
	sleep_ms(500);
	lab_device_remove(&keyboard);
	settle(inputs);
	file = lab_recording_end(&recording);
	expect(came_ns(file, "uxrec hot keyboard", false) > 0);
	expect(came_ns(file, "uxrec hot keyboard", true) >
		came_ns(file, "uxrec hot keyboard", false));
	number = lab_file_device(file, "uxrec hot keyboard")->device;
	for (size_t i = 0; i < file->count; i++)
		keys += file->events[i].channel == CHANNEL_KEY_CLASSES &&
			file->events[i].device == number;
	expect(keys == 20);
}

static void what_a_device_had_down_is_up_when_it_goes(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device mouse;
	int32_t down = -1;
	uint32_t number;

	lab_device_make(&mouse, "uxrec torn out", lab_mouse);
	lab_record(&recording, "none");
	lab_send(&mouse, EV_KEY, BTN_LEFT, 1);
	lab_report(&mouse);
	sleep_ms(100);
	lab_device_remove(&mouse);
	sleep_ms(300);
	file = lab_recording_end(&recording);
	number = lab_file_device(file, "uxrec torn out")->device;
	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		/* the kernel's own release is there instead, if read in time */
		if (seen->device == number && seen->what == UXREC__CONTROL__CONTROL_BUTTON_LEFT)
			down = seen->value;
	}
	expect(down == 0);
	expect(came_ns(file, "uxrec torn out", true) > 0);
}

/* devices given to the machine, and their description; all written outside this project */
static const struct {
	const char *id, *driver, *bus, *name;
} given[] = {
	{"gm", "virtio-mouse-pci", "rp1", "QEMU Virtio Mouse"},
	{"gk", "usb-kbd", "xhci.0", "QEMU USB Keyboard"},
	{"gt", "usb-tablet", "xhci.0", "QEMU USB Tablet"},
};

/* @return the number of input devices of that name */
static size_t devices_of_name(const char *name)
{
	_autofree_ char *text = lab_proc("/proc/bus/input/devices");
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, name)); at++)
		count++;
	return count;
}

static void await_devices(const char *name, size_t count)
{
	for (int i = 0; i < 300 && devices_of_name(name) != count; i++)
		sleep_ms(50);
	check(devices_of_name(name) == count);
}

static void give(size_t i, const char *verb, char *text, size_t room)
{
	if (strcmp(verb, "device_add") == 0)
		snprintf(text, room,
			"{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"%s\", "
			"\"id\": \"%s\", \"bus\": \"%s\"}}\n",
			given[i].driver, given[i].id, given[i].bus);
	else
		snprintf(text, room,
			"{\"execute\": \"device_del\", \"arguments\": {\"id\": \"%s\"}}\n",
			given[i].id);
}

static void host_hotplug_is_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	int64_t asked_ns[ARRAY_SIZE(given)][2], there_ns[ARRAY_SIZE(given)][2];
	size_t before[ARRAY_SIZE(given)];
	char text[256];
	int inputs;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		before[i] = devices_of_name(given[i].name);
	lab_record(&recording, "classes");
	inputs = lab_open_inputs();
	for (size_t turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
			asked_ns[i][turn] = clock_now_ns();
			give(i, turn == 0 ? "device_add" : "device_del", text, sizeof(text));
			check(lab_host_do(text));
			await_devices(given[i].name, before[i] + (turn == 0));
			inputs += turn == 0 ? 1 : -1;
			settle(inputs);
			there_ns[i][turn] = clock_now_ns();
		}
	file = lab_recording_end(&recording);
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		size_t found = 0;

		for (size_t n = 0; n < file->device_count; n++) {
			const struct lab_device_seen *seen = &file->devices[n];
			bool removed = seen->message->removed;

			if (!strstr(seen->message->name, given[i].name) ||
				seen->time_ns < asked_ns[i][removed] ||
				seen->time_ns > there_ns[i][removed])
				continue;
			printf("# %s %s %.0f ms after it was asked for\n", given[i].name,
				removed ? "went" : "came",
				(double)(seen->time_ns - asked_ns[i][removed]) / NS_PER_MS);
			expect(!seen->message->virtual_);
			expect(strcmp(seen->message->seat, "seat0") == 0);
			found++;
		}
		expect(found == 2);
	}
}

#define MANY_LIMIT 40

/* udev takes a quarter of a second of this machine for each: a dozen unless there is time */
static void many_are_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device devices[MANY_LIMIT];
	size_t keys = 0, came = 0, went = 0;
	int many = getenv("UXREC_VM_LONG") ? MANY_LIMIT : 12, inputs;

	lab_record(&recording, "full");
	inputs = lab_open_inputs();
	for (int i = 0; i < many; i++) {
		char name[32];

		snprintf(name, sizeof(name), "uxrec crowd %d.", i);
		lab_device_plug(&devices[i], small_keyboard(name));
	}
	settle(inputs + many);
	for (int i = 0; i < many; i++)
		lab_tap(&devices[i], KEY_A);
	sleep_ms(200);
	for (int i = 0; i < many; i++)
		lab_device_remove(&devices[i]);
	settle(inputs);
	file = lab_recording_end(&recording);
	for (size_t i = 0; i < file->device_count; i++)
		if (strstr(file->devices[i].message->name, "uxrec crowd")) {
			came += !file->devices[i].message->removed;
			went += file->devices[i].message->removed;
		}
	for (size_t i = 0; i < file->count; i++)
		keys += file->events[i].channel == CHANNEL_KEYS && file->events[i].what == KEY_A &&
			file->events[i].value < 2;
	expect(came == (size_t)many && went == (size_t)many);
	expect(keys == 2 * (size_t)many);
}

/* ---- descriptions ---- */

#define DESCRIPTIONS "tests/data/devices"

/* expected record of a description */
struct wanted {
	char kinds[80];
	unsigned axes, keys, slots, controls;
};

static unsigned code_of(unsigned type, const char *name)
{
	int code = libevdev_event_code_from_name(type, name);

	if (code < 0)
		printf("# '%s' is no code\n", name);
	check(code >= 0);
	return (unsigned)code;
}

/* "KEY_A", or "KEY_A-KEY_Z": all from the first to the last */
static void enable(struct libevdev *evdev, unsigned type, char *range)
{
	char *last = strchr(range, '-');
	unsigned from, to;

	if (last)
		*last++ = '\0';
	from = code_of(type, range);
	to = last ? code_of(type, last) : from;
	for (unsigned code = from; code <= to; code++)
		libevdev_enable_event_code(evdev, type, code, NULL);
}

static void enable_axis(struct libevdev *evdev, const char *rest)
{
	struct input_absinfo axis = {0};
	char name[40];

	check(sscanf(rest, "%39s %d %d %d %d %d", name, &axis.minimum, &axis.maximum, &axis.fuzz,
		      &axis.flat, &axis.resolution) == 6);
	libevdev_enable_event_code(evdev, EV_ABS, code_of(EV_ABS, name), &axis);
}

static void read_ids(struct libevdev *evdev, const char *rest)
{
	int bus, vendor, product, version;

	check(sscanf(rest, "%x %x %x %x", &bus, &vendor, &product, &version) == 4);
	libevdev_set_id_bustype(evdev, bus);
	libevdev_set_id_vendor(evdev, vendor);
	libevdev_set_id_product(evdev, product);
	libevdev_set_id_version(evdev, version);
}

/* Read one line of a description: see tests/data/devices/README. */
static void read_line(struct libevdev *evdev, char *line, struct wanted *wanted)
{
	static const struct {
		const char *word;
		unsigned type;
	} types[] = {
		{"key", EV_KEY}, {"rel", EV_REL}, {"sw", EV_SW}, {"msc", EV_MSC}, {"led", EV_LED}};
	char *rest = line, *word = strsep(&rest, " ");

	if (strcmp(word, "name") == 0)
		libevdev_set_name(evdev, rest);
	else if (strcmp(word, "id") == 0)
		read_ids(evdev, rest);
	else if (strcmp(word, "abs") == 0)
		enable_axis(evdev, rest);
	else if (strcmp(word, "prop") == 0)
		libevdev_enable_property(evdev, (unsigned)libevdev_property_from_name(rest));
	else if (strcmp(word, "is") == 0)
		check(sscanf(rest, "%79s axes %u keys %u slots %u controls %u", wanted->kinds,
			      &wanted->axes, &wanted->keys, &wanted->slots,
			      &wanted->controls) == 5);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		while (strcmp(word, types[i].word) == 0 && rest && *rest)
			enable(evdev, types[i].type, strsep(&rest, " "));
}

/* A file has several nodes of one piece of hardware; a line "is" ends each. */
static void plug_described(
	const char *path, struct lab_device *devices, struct wanted *wanted, size_t *count)
{
	_autofree_ char *text = NULL;
	struct libevdev *evdev = NULL;

	check(io_read_file(path, 1 << 16, &text) > 0);
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		bool is = strncmp(line, "is ", 3) == 0;

		if (!*line || *line == '#')
			continue;
		if (!evdev)
			evdev = libevdev_new();
		read_line(evdev, line, &wanted[*count]);
		if (is)
			lab_device_plug(&devices[(*count)++], steal_ptr(evdev));
	}
	check(evdev == NULL);
}

static void list_kinds(const Uxrec__InputDevice *device, char *text, size_t room)
{
	*text = '\0';
	for (size_t i = 0; i < device->n_kinds; i++)
		snprintf(text + strlen(text), room - strlen(text), "%s%s", i > 0 ? "," : "",
			input_kind_name(device->kinds[i]));
}

/* Ranges are compared with the kernel's: udev's rules change some of them. */
static void expect_axes(const Uxrec__InputDevice *device, const char *node)
{
	_autoclose_ int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct input_absinfo x;

	check(fd >= 0);
	for (size_t i = 0; i < device->n_axes; i++) {
		const Uxrec__InputDevice__Axis *axis = device->axes[i];

		expect(axis->control != UXREC__CONTROL__CONTROL_ABS_TILT_X ||
			axis->unit == UXREC__INPUT_DEVICE__UNIT__UNIT_RADIAN);
		if (axis->control != UXREC__CONTROL__CONTROL_ABS_X)
			continue;
		check(ioctl(fd, EVIOCGABS(ABS_X), &x) == 0);
		expect(axis->minimum == x.minimum && axis->maximum == x.maximum);
		expect(axis->resolution == x.resolution && axis->fuzz == x.fuzz);
		expect(axis->unit == UXREC__INPUT_DEVICE__UNIT__UNIT_MILLIMETRE);
	}
}

static void expect_described(
	const struct lab_file *file, const struct lab_device *made, const struct wanted *wanted)
{
	struct libevdev *evdev = made->evdev;
	const Uxrec__InputDevice *device = lab_file_device(file, libevdev_get_name(evdev));
	size_t properties = 0;
	char kinds[80];

	list_kinds(device, kinds, sizeof(kinds));
	if (strcmp(kinds, wanted->kinds) != 0 || device->n_axes != wanted->axes ||
		device->key_count != wanted->keys || device->slots != wanted->slots ||
		device->n_controls != wanted->controls)
		printf("# %s: %s axes %zu keys %u slots %u controls %zu\n", device->name, kinds,
			device->n_axes, device->key_count, device->slots, device->n_controls);
	expect(strcmp(kinds, wanted->kinds) == 0);
	expect(device->n_axes == wanted->axes);
	expect(device->key_count == wanted->keys);
	expect(device->slots == wanted->slots);
	expect(device->n_controls == wanted->controls);
	for (unsigned property = 0; property < INPUT_PROP_CNT; property++)
		properties += (size_t)libevdev_has_property(evdev, property);
	expect(device->n_properties == properties);
	expect(device->bus == (uint32_t)libevdev_get_id_bustype(evdev));
	expect(device->vendor == (uint32_t)libevdev_get_id_vendor(evdev));
	expect(device->product == (uint32_t)libevdev_get_id_product(evdev));
	expect(device->virtual_);
	expect_axes(device, made->node);
}

static void odd_devices_are_described(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device devices[32];
	struct wanted wanted[32] = {0};
	size_t count = 0, files = 0;
	DIR *folder = opendir(DESCRIPTIONS);
	struct dirent *entry;

	check(folder != NULL);
	while ((entry = readdir(folder))) {
		char path[400];

		if (!strstr(entry->d_name, ".device"))
			continue;
		files++;
		snprintf(path, sizeof(path), DESCRIPTIONS "/%s", entry->d_name);
		plug_described(path, devices, wanted, &count);
	}
	closedir(folder);
	expect(files >= 6);
	check(run_child(NULL, "udevadm", "settle", "--timeout=60", NULL) == 0);
	lab_record(&recording, "classes");
	file = lab_recording_end(&recording);
	for (size_t i = 0; i < count; i++) {
		expect_described(file, &devices[i], &wanted[i]);
		lab_device_remove(&devices[i]);
	}
}

static void virtual_is_told_from_real(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct libevdev *evdev = small_keyboard("uxrec pretends to be real");
	struct lab_recording recording;
	struct lab_device keyboard;

	libevdev_set_id_bustype(evdev, BUS_USB);
	lab_device_make_of(&keyboard, evdev);
	lab_record(&recording, "classes");
	lab_device_remove(&keyboard);
	sleep_ms(300);
	file = lab_recording_end(&recording);
	expect(!lab_file_device(file, "USB Keyboard")->virtual_);
	expect(!lab_file_device(file, "USB Tablet")->virtual_);
	for (size_t i = 0; i < file->device_count; i++)
		expect(!strstr(file->devices[i].message->name, "pretends") ||
			file->devices[i].message->virtual_);
	expect(came_ns(file, "pretends", true) > 0);
}

/* ---- USB devices operated by the host ---- */

static const int32_t places[][2] = {
	{1000, 2000}, {8000, 16000}, {16384, 16384}, {30000, 100}, {32767, 32767}};

static void use_usb_devices(void)
{
	for (const char *key = "secret"; *key; key++)
		check(lab_host_tap(*key));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		check(lab_host_click(places[i][0], places[i][1]));
}

/* Every key of the keyboard also sends its scan code. */
static void usb_devices_are_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	uint32_t keyboard, tablet;
	int32_t x = -1, y = -1;
	size_t classes = 0, clicks = 0;

	lab_record(&recording, "classes");
	use_usb_devices();
	sleep_ms(500);
	file = lab_recording_end(&recording);
	keyboard = lab_file_device(file, "USB Keyboard")->device;
	tablet = lab_file_device(file, "USB Tablet")->device;
	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		check(seen->channel != CHANNEL_KEYS);
		if (seen->device == keyboard) {
			check(seen->channel == CHANNEL_KEY_CLASSES);
			check(seen->what == UXREC__KEY_CLASS__KEY_CLASS_LETTER);
			classes++;
		} else if (seen->device == tablet) {
			x = seen->what == UXREC__CONTROL__CONTROL_ABS_X ? seen->value : x;
			y = seen->what == UXREC__CONTROL__CONTROL_ABS_Y ? seen->value : y;
			if (seen->what != UXREC__CONTROL__CONTROL_BUTTON_LEFT || !seen->value)
				continue;
			check(clicks < ARRAY_SIZE(places));
			expect(x == places[clicks][0] && y == places[clicks][1]);
			clicks++;
		}
	}
	expect(classes == 12); /* six letters, pressed and released */
	expect(clicks == ARRAY_SIZE(places));
}

/* ---- without permission ---- */

static void drop(struct packet_sink *sink, struct packet *packet)
{
	(void)sink;
	packet_unref(packet);
}

static void ignore(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	(void)reason;
}

static void refusal_is_told(void)
{
	char helper[256];
	int status;
	pid_t child;

	snprintf(helper, sizeof(helper), "%s/uxrec-inputd", build_folder());
	child = fork();
	if (child == 0) {
		struct session_clock clock = {0};
		struct packet_sink sink = {drop};
		const struct source_context context = {
			.clock = &clock, .sink = &sink, .failed = ignore};
		const struct input_options options = {.source = "evdev",
			.helper = helper,
			.keys = KEY_POLICY_CLASSES,
			.consent_id = ""};
		struct error error = {""};
		struct source *source;
		int r;

		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		r = input_source_create(&source, &context, &options, &error);
		_exit(r < 0 && strstr(error.text, "none readable by this user") ? 0 : 1);
	}
	check(waitpid(child, &status, 0) == child);
	expect(status == 0);
}

static const struct test tests[] = {
	{"a device that comes and goes is recorded", hotplug_is_recorded},
	{"a button that was down is up when its device goes",
		what_a_device_had_down_is_up_when_it_goes},
	{"devices plugged in and out by the host are recorded, with their times",
		host_hotplug_is_recorded},
	{"many devices that are plugged in at once are all recorded", many_are_recorded},
	{"odd devices are described correctly", odd_devices_are_described},
	{"virtual and real devices are distinguished", virtual_is_told_from_real},
	{"a user without access to devices gets a remedy", refusal_is_told},
	{"a USB tablet and keyboard are recorded; classes hide scan codes",
		usb_devices_are_recorded},
};

int main(void)
{
	return RUN_TESTS("vm devices", tests) + lab_end();
}

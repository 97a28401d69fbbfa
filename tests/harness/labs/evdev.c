#include "tests/harness/labs/evdev.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "protocol/os/local.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"
#include "tests/harness/helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define OUTSIDE            "/vm-out"
#define ANSWER_LIMIT_BYTES (1 << 20)
#define STUDY              "study: Small\n"

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

/*
 * A client of the control socket in place of uxrec, whose start takes this machine a second each time.
 *
 * @return false when uxrec-inputd did not answer in time, as on a busy machine
 */
static bool try_ask(struct lab_recording *recording, Uxrec__ClientMessage message)
{
	struct error error = {""};
	_autoclose_ int fd = local_connect(recording->daemon.control, SOCK_STREAM, &error);
	ProtobufCMessage *received;
	Uxrec__ServerMessage *answer;
	bool answered = true;

	check(fd >= 0 && wire_send(fd, &message.base) == 0);
	check(wire_receive(fd, &uxrec__server_message__descriptor, ANSWER_LIMIT_BYTES, &received) ==
		0);
	answer = (Uxrec__ServerMessage *)received;
	if (answer->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE) {
		printf("# uxrecd: %s\n", answer->failure->text);
		answered = !strstr(answer->failure->text, "does not answer");
	}
	check(!answered || answer->body_case == UXREC__SERVER_MESSAGE__BODY_DONE);
	if (answered && message.body_case == UXREC__CLIENT_MESSAGE__BODY_START)
		snprintf(recording->id, sizeof(recording->id), "%s", answer->done->session);
	uxrec__server_message__free_unpacked(answer, NULL);
	return answered;
}

static void ask(struct lab_recording *recording, Uxrec__ClientMessage message)
{
	int tries = 1;

	while (!try_ask(recording, message))
		check(tries++ < 5);
}

#define REQUEST(kind, field, body)                                                                 \
	(Uxrec__ClientMessage)                                                                     \
	{                                                                                          \
		.base = PROTOBUF_C_MESSAGE_INIT(&uxrec__client_message__descriptor), .request = 1, \
		.body_case = UXREC__CLIENT_MESSAGE__BODY_##kind, .field = (body)                   \
	}

void lab_start(struct lab_recording *recording, const char *study, const char *keys)
{
	char *modalities[] = {(char *)"screen", (char *)"input"};
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	Uxrec__Start start = UXREC__START__INIT;

	consent.method = UXREC__CONSENT__METHOD__METHOD_PAPER;
	consent.modalities = modalities;
	consent.n_modalities = ARRAY_SIZE(modalities);
	consent.full_keys = strcmp(keys, "full") == 0;
	start.study_yaml = (char *)study;
	start.participant = (char *)"P01";
	start.consent = &consent;
	start.keys = (char *)keys;
	recording->daemon = lab.daemon;
	ask(recording, REQUEST(START, start, &start));
	lab.records = true;
}

void lab_stop(struct lab_recording *recording)
{
	Uxrec__Stop stop = UXREC__STOP__INIT;

	ask(recording, REQUEST(STOP, stop, &stop));
	lab.records = false;
}

void lab_pause(struct lab_recording *recording)
{
	Uxrec__Pause pause = UXREC__PAUSE__INIT;

	ask(recording, REQUEST(PAUSE, pause, &pause));
}

void lab_resume(struct lab_recording *recording)
{
	Uxrec__Resume resume = UXREC__RESUME__INIT;

	ask(recording, REQUEST(RESUME, resume, &resume));
}

void lab_record_with(struct lab_recording *recording, const char *keys, const char *const *options)
{
	lab_end();
	daemon_start(&lab.daemon, temporary_folder(), options);
	lab.runs = true;
	lab_start(recording, STUDY, keys);
}

void lab_record(struct lab_recording *recording, const char *keys)
{
	/* an aborted test leaves its recording open */
	if (lab.runs && !lab.records)
		lab_start(recording, STUDY, keys);
	else
		lab_record_with(recording, keys,
			(const char *[]){"--screen", "none", "--input", "evdev", NULL});
}

struct lab_file *lab_recording_end(struct lab_recording *recording)
{
	sleep_ms(100);
	lab_stop(recording);
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

/* @return false if it has exited, or has no name */
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

/* number of /dev/input descriptors that a process has open */
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

/* The first process, from @p from on, whose name begins so. @return 0 without one */
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

void lab_await_inputs(int count)
{
	for (int i = 0; i < 600 && lab_open_inputs() != count; i++)
		sleep_ms(50);
	check(lab_open_inputs() == count);
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
	/* programs of one boot share the numbering */
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

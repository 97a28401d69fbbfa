/*
 * Cost of reading a fast mouse with uxrec-inputd on this machine, without one: a device in /dev/input that is a pipe,
 * with the replies libevdev expects from the kernel, and behind it the program's own code from read(2) to the socket.
 * Everything above the device is the real code; a pipe costs as much as evdev's queue, a copy under a lock. Beside it
 * the lower bound for any such program: a peer that wakes as often and does nothing. With a real kernel device, beside
 * evemu-record: tests/vm/cost.c.
 *
 *   input [--rate REPORTS-A-SECOND] [--seconds N] [--json]
 */

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/devices.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static int device_fd = -1; /* read end */
static char folder[] = "/tmp/uxrec-bench-XXXXXX";

/* ---- a device that is a pipe ---- */

DIR *opendir(const char *path)
{
	DIR *(*real)(const char *) = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");

	return real(strcmp(path, "/dev/input") == 0 ? folder : path);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (strncmp(path, "/dev/input/", 11) == 0)
		return dup(device_fd);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int answer(unsigned long request, void *to)
{
	size_t size = _IOC_SIZE(request);
	unsigned number = _IOC_NR(request);
	unsigned char bits[KEY_CNT / 8 + 1] = {0};

	if (request == EVIOCGVERSION) {
		*(int *)to = EV_VERSION;
		return 0;
	}
	if (request == (unsigned long)EVIOCSCLOCKID)
		return 0;
	memset(to, 0, size);
	if (number == _IOC_NR(EVIOCGNAME(0)))
		return snprintf(to, size, "bench mouse");
	if (number == _IOC_NR(EVIOCGBIT(0, 0)))
		bits[0] = 1 << EV_SYN | 1 << EV_KEY | 1 << EV_REL;
	else if (number == _IOC_NR(EVIOCGBIT(EV_REL, 0)))
		bits[0] = 1 << REL_X | 1 << REL_Y;
	else if (number == _IOC_NR(EVIOCGBIT(EV_KEY, 0)))
		bits[BTN_LEFT / 8] = 1 << BTN_LEFT % 8;
	memcpy(to, bits, size < sizeof(bits) ? size : sizeof(bits));
	return (int)size;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *to;

	va_start(args, request);
	to = va_arg(args, void *);
	va_end(args);
	return _IOC_TYPE(request) == 'E' ? answer(request, to)
					 : (int)syscall(SYS_ioctl, fd, request, to);
}

/* ---- the two processes ---- */

static int read_mouse(int fd)
{
	static struct recorder_link link;
	struct error error;

	link.out.fd = fd;
	link.redactor.out = &link.out;
	input_filter_parse(&link.filter, "", &error);
	redactor_start(&link.redactor, KEY_POLICY_CLASSES, false, false, clock_now_ns());
	return evdev_run(&link, &error) < 0;
}

/* Write whole reports, as hardware makes them. @return their number */
static uint64_t move(int fd, int rate, int seconds)
{
	int64_t begun_ns = clock_now_ns(), next_ns = begun_ns;
	uint64_t reports = 0;

	while (next_ns < begun_ns + seconds * NS_PER_S) {
		int64_t now_ns = clock_now_ns();
		struct input_event report[3] = {
			{.type = EV_REL, .code = REL_X, .value = (int)(reports % 7) - 3},
			{.type = EV_REL, .code = REL_Y, .value = (int)(reports % 5) - 2},
			{.type = EV_SYN, .code = SYN_REPORT},
		};

		if (now_ns < next_ns) {
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
				&(struct timespec){next_ns / NS_PER_S, next_ns % NS_PER_S}, NULL);
			now_ns = clock_now_ns();
		}
		for (int i = 0; i < 3; i++) {
			report[i].input_event_sec = now_ns / NS_PER_S;
			report[i].input_event_usec = now_ns % NS_PER_S / NS_PER_US;
		}
		reports += write(fd, report, sizeof(report)) == sizeof(report);
		next_ns += NS_PER_S / rate;
	}
	return reports;
}

/* Receive messages. @return the number of their events */
static uint64_t take(int fd)
{
	static unsigned char data[sizeof(struct inputd_header) + INPUTD_MESSAGE_LIMIT_BYTES];
	uint64_t events = 0;
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		struct inputd_header header;
		Uxrec__ControlBatch *batch;

		memcpy(&header, data, sizeof(header));
		if (header.channel != CHANNEL_CONTROLS)
			continue;
		batch = uxrec__control_batch__unpack(
			NULL, (size_t)n - sizeof(header), data + sizeof(header));
		events += batch ? batch->n_control : 0;
		uxrec__control_batch__free_unpacked(batch, NULL);
	}
	return events;
}

static double used_s(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
		(double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* Baseline: a process woken that often that does nothing. @return CPU s */
static double wake(double times, int seconds)
{
	struct rusage before, after;
	pid_t child = fork();

	if (child == 0) {
		int64_t next_ns = clock_now_ns(), end_ns = next_ns + seconds * NS_PER_S;

		while (next_ns < end_ns) {
			next_ns += (int64_t)(1e9 / times);
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
				&(struct timespec){next_ns / NS_PER_S, next_ns % NS_PER_S}, NULL);
		}
		_exit(0);
	}
	getrusage(RUSAGE_CHILDREN, &before);
	waitpid(child, NULL, 0);
	getrusage(RUSAGE_CHILDREN, &after);
	return used_s(&after) - used_s(&before);
}

int main(int argc, char **argv)
{
	int rate = 8000, seconds = 10, pair[2], device[2];
	char node[sizeof(folder) + 8];
	struct rusage usage;
	uint64_t reports, events;
	pid_t reader, writer;
	bool json = false;
	double share, bare, wakes;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--rate") == 0 && i + 1 < argc)
			rate = atoi(argv[++i]);
		else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
			seconds = atoi(argv[++i]);
		else
			return 2;
	}
	if (rate < 1 || seconds < 1 || !mkdtemp(folder) || pipe2(device, O_NONBLOCK) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 3;
	snprintf(node, sizeof(node), "%s/event0", folder);
	close((int)syscall(SYS_openat, AT_FDCWD, node, O_CREAT | O_WRONLY, 0600));
	device_fd = device[0];
	reader = fork();
	if (reader == 0) {
		close(device[1]);
		close(pair[1]);
		_exit(read_mouse(pair[0]));
	}
	close(pair[0]);
	writer = fork();
	if (writer == 0) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 300000000}, NULL);
		reports = move(device[1], rate, seconds);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 100000000}, NULL);
		shutdown(pair[1], SHUT_WR);
		_exit(reports == 0);
	}
	close(device[1]);
	events = take(pair[1]);
	waitpid(writer, NULL, 0);
	wait4(reader, NULL, 0, &usage);
	unlink(node);
	rmdir(folder);
	share = used_s(&usage) / seconds * 100;
	wakes = (double)usage.ru_nvcsw / seconds;
	bare = wake(wakes, seconds) / seconds * 100;
	printf(json ? "{\"events_a_second\": %.0f, \"percent_of_a_core\": %.2f, "
		      "\"percent_for_waking\": %.2f, \"wake_ups_a_second\": %.0f, \"rss_kb\": %ld}\n"
		    : "%.0f events/s: %.2f %% of a core; a process that only wakes as often takes %.2f %% "
		      "(%.0f wake-ups/s); %ld kB at most\n",
		(double)events / seconds, share, bare, wakes, usage.ru_maxrss);
	return 0;
}

/*
 * Runs inside the virtual machine, as root: cost of uxrec-inputd. `cost --calibrate` prints the duration of fixed work
 * on any machine, to judge figures of an emulated processor.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- slowness of this machine ---- */

struct speed {
	long long reckoning_ns, calls_ns, wakes_ns;
};

static int64_t used_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec * NS_PER_S + used.tv_nsec;
}

static struct speed measure_speed(void)
{
	volatile uint64_t sink = 0;
	uint64_t state = 1;
	int64_t begun_ns = used_ns(), reckoned_ns, called_ns;

	for (int i = 0; i < 20000000; i++)
		sink ^= next_random(&state);
	reckoned_ns = used_ns();
	for (int i = 0; i < 200000; i++)
		syscall(SYS_getppid);
	called_ns = used_ns();
	for (int i = 0; i < 2000; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 200 * NS_PER_US}, NULL);
	return (struct speed){
		reckoned_ns - begun_ns, called_ns - reckoned_ns, used_ns() - called_ns};
}

/* UXREC_VM_SPEED: the output of --calibrate on the host */
static void print_slowness(void)
{
	const char *text = getenv("UXREC_VM_SPEED");
	struct speed here = measure_speed(), outside;

	if (text &&
		sscanf(text, "%lld %lld %lld", &outside.reckoning_ns, &outside.calls_ns,
			&outside.wakes_ns) == 3)
		printf("# this machine needs %.1f times as long to reckon as the one it runs on, "
		       "%.1f times to call its kernel, %.1f times to wake up (%.1f us)\n",
			(double)here.reckoning_ns / (double)outside.reckoning_ns,
			(double)here.calls_ns / (double)outside.calls_ns,
			(double)here.wakes_ns / (double)outside.wakes_ns,
			(double)here.wakes_ns / 2000 / NS_PER_US);
}

/* ---- a mouse moved as by hand ---- */

struct motion {
	size_t reports;
	long x, y;
	int64_t begun_ns;
	double seconds;
	double late_ms; /* maximum delay of a report */
};

/*
 * Priority above the hogs, and not above uxrec-inputd: making a report costs this machine a hundred times as much as a
 * hardware interrupt takes from the reader.
 */
static void be_as_prompt_as_hardware(bool prompt)
{
	const struct sched_param priority = {.sched_priority = prompt ? 1 : 0};

	check(sched_setscheduler(0, prompt ? SCHED_FIFO : SCHED_OTHER, &priority) == 0);
}

#define STEPS 8192

/* Computed in advance, because this machine is slow; never 0: each report has both axes. */
static void plan_steps(int hz, int8_t steps[2][STEPS])
{
	uint64_t random = 7;

	for (int axis = 0; axis < 2; axis++) {
		double speed = axis ? -300 : 400, rest = 0;

		for (int i = 0; i < STEPS; i++) {
			int step;

			speed += (double)(int64_t)(next_random(&random) % 2001 - 1000) * 0.03;
			speed *= 0.999;
			rest += speed / hz;
			step = (int)rest;
			rest -= step;
			if (step == 0)
				step = speed < 0 ? -1 : 1;
			steps[axis][i] = (int8_t)(step > 100 ? 100 : step < -100 ? -100 : step);
		}
	}
}

static void make_reports(
	struct lab_device *mouse, int count, struct motion *motion, int8_t steps[2][STEPS])
{
	for (int i = 0; i < count; i++) {
		int dx = steps[0][motion->reports % STEPS], dy = steps[1][motion->reports % STEPS];

		lab_send(mouse, EV_REL, REL_X, dx);
		lab_send(mouse, EV_REL, REL_Y, dy);
		if (i + 1 < count)
			lab_send(mouse, EV_SYN, SYN_REPORT, 0);
		motion->reports++;
		motion->x += dx;
		motion->y += dy;
	}
	lab_report(mouse);
}

/*
 * Send reports at @p hz, above 2000 several per call. Hardware does not catch up: reports missed while the machine
 * stood still are not made. It does not need the processor either, so half of the time is left to others.
 */
static struct motion move(struct lab_device *mouse, int hz, int seconds)
{
	static int8_t steps[2][STEPS];
	struct motion motion = {0};
	int at_once = hz > 2000 ? hz / 2000 : 1;
	int64_t period_ns = NS_PER_S / hz * at_once, begun_ns, next_ns, now_ns;

	plan_steps(hz, steps);
	be_as_prompt_as_hardware(true);
	motion.begun_ns = begun_ns = next_ns = clock_now_ns();
	do {
		make_reports(mouse, at_once, &motion, steps);
		now_ns = clock_now_ns();
		if ((double)(now_ns - next_ns) > motion.late_ms * NS_PER_MS)
			motion.late_ms = (double)(now_ns - next_ns) / NS_PER_MS;
		next_ns += period_ns;
		if (next_ns < now_ns + period_ns / 2)
			next_ns = now_ns + period_ns / 2;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
			&(struct timespec){next_ns / NS_PER_S, next_ns % NS_PER_S}, NULL);
	} while (now_ns < begun_ns + seconds * NS_PER_S);
	motion.seconds = (double)(clock_now_ns() - begun_ns) / NS_PER_S;
	be_as_prompt_as_hardware(false);
	return motion;
}

/* report interval of the fastest mouse */
#define FASTEST_NS (125 * NS_PER_US)

/* A mouse read only by the measured programs. */
static void make_mouse(struct lab_device *mouse, const char *name)
{
	lab_device_make(mouse, name, lab_mouse);
	close(mouse->fd);
	mouse->fd = -1;
}

static void expect_motion(
	const struct lab_file *file, const char *name, const struct motion *motion)
{
	uint32_t number = lab_file_device(file, name)->device;
	size_t frames = 0, lost = 0;
	long x = 0, y = 0;

	for (size_t i = 0; i < file->count; i++) {
		const struct lab_seen *seen = &file->events[i];

		if (seen->device != number || seen->channel != CHANNEL_CONTROLS || seen->found)
			continue;
		frames += seen->what == UXREC__CONTROL__CONTROL_FRAME;
		x += seen->what == UXREC__CONTROL__CONTROL_REL_X ? seen->value : 0;
		y += seen->what == UXREC__CONTROL__CONTROL_REL_Y ? seen->value : 0;
	}
	for (size_t i = 0; i < file->gap_count; i++) {
		/* a queue's content is lost, with the events until it was serviced */
		lost += 43 + (size_t)((file->gaps[i].to_ns - file->gaps[i].from_ns) / FASTEST_NS);
		printf("# after %.0f ms nothing for %.1f ms: %s\n",
			(double)(file->gaps[i].from_ns - motion->begun_ns) / NS_PER_MS,
			(double)(file->gaps[i].to_ns - file->gaps[i].from_ns) / NS_PER_MS,
			file->gaps[i].detail);
	}
	/*
	 * An emulated machine stands still whenever its host is busy; then the kernel drops events of any reader. All
	 * missing events lie in a gap.
	 */
	if (lab_file_overflows(file) == 0)
		expect(frames == motion->reports && x == motion->x && y == motion->y);
	else
		expect(frames < motion->reports && frames + lost >= motion->reports);
}

/* ---- usage of a process ---- */

static long status_of(pid_t pid, const char *field)
{
	_autofree_ char *text = NULL;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = lab_proc(path);
	at = strstr(text, field);
	check(at != NULL);
	return atol(at + strlen(field));
}

/* CPU time of all its threads, s */
static double used_s(pid_t pid)
{
	_autofree_ char *text = NULL;
	unsigned long user, kernel;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = lab_proc(path);
	check(strrchr(text, ')') &&
		sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			&user, &kernel) == 2);
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static pid_t start_hog(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (volatile unsigned i = 0;; i++)
			;
	return pid;
}

static void end_hog(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	check(waitpid(pid, &status, 0) == pid);
}

/* ---- tests ---- */

/* size of a file without events */
static size_t empty_bytes(void)
{
	static size_t bytes;
	struct lab_recording recording;
	struct lab_file *file;

	if (bytes > 0)
		return bytes;
	lab_record(&recording, "classes");
	file = lab_recording_end(&recording);
	bytes = file->bytes;
	lab_file_destroy(file);
	return bytes;
}

static double bytes_an_event(const struct lab_file *file, const struct motion *motion)
{
	return (double)(file->bytes - empty_bytes()) / (double)(3 * motion->reports);
}

#define HOGS 2

static void fast_mouse_is_recorded(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device mouse;
	struct motion motion;
	pid_t inputd, hogs[HOGS];
	double used, recorder;
	long memory_kb;

	make_mouse(&mouse, "uxrec fast mouse");
	lab_record(&recording, "classes");
	inputd = lab_inputd(&recording);
	check(inputd > 0);
	for (int i = 0; i < HOGS; i++)
		hogs[i] = start_hog();
	used = used_s(inputd);
	recorder = used_s(recording.daemon.child.pid);
	motion = move(&mouse, 8000, getenv("UXREC_VM_LONG") ? 10 : 2);
	used = used_s(inputd) - used;
	recorder = used_s(recording.daemon.child.pid) - recorder;
	memory_kb = status_of(inputd, "VmRSS:");
	for (int i = 0; i < HOGS; i++)
		end_hog(hogs[i]);
	file = lab_recording_end(&recording);
	expect_motion(file, "uxrec fast mouse", &motion);
	printf("# 8 kHz beside %d hogs: %.0f events/s for %.1f s, at most %.1f ms late; uxrec-inputd "
	       "%.1f %%, uxrecd %.1f %% of a core; VmRSS %ld kB; %.2f bytes an event\n",
		HOGS, 3 * (double)motion.reports / motion.seconds, motion.seconds, motion.late_ms,
		100 * used / motion.seconds, 100 * recorder / motion.seconds, memory_kb,
		bytes_an_event(file, &motion));
	expect(memory_kb <= 8192);
	expect(bytes_an_event(file, &motion) <= 6);
	lab_device_remove(&mouse);
}

/* a menu is hidden along with the visible window */
static void cost_is_compared(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	struct lab_device mouse;
	struct motion motion;
	struct child evemu;
	double ours, theirs;
	pid_t inputd;

	if (!has_program("evemu-record")) {
		skip_test("no evemu-record");
		return;
	}
	make_mouse(&mouse, "uxrec compared mouse");
	evemu = lab_evemu(&mouse);
	lab_record(&recording, "classes");
	inputd = lab_inputd(&recording);
	check(inputd > 0);
	for (int hz = 1000; hz <= 8000; hz *= 8) {
		ours = used_s(inputd);
		theirs = used_s(evemu.pid);
		motion = move(&mouse, hz, 3);
		ours = used_s(inputd) - ours;
		theirs = used_s(evemu.pid) - theirs;
		printf("# at %d Hz (%.0f events/s): uxrec-inputd %.2f %% of a core here, "
		       "evemu-record %.2f %%: %.2f times that\n",
			hz, 3 * (double)motion.reports / motion.seconds,
			100 * ours / motion.seconds, 100 * theirs / motion.seconds, ours / theirs);
		sleep_ms(500);
	}
	end_child(&evemu, SIGINT);
	file = lab_recording_end(&recording);
	print_slowness();
	lab_device_remove(&mouse);
}

static void idle_costs_nothing(void)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	long switches;
	pid_t inputd;
	double used;

	/* the removed mouse's udev event would wake it */
	check(run_child(NULL, "udevadm", "settle", "--timeout=60", NULL) == 0);
	lab_record(&recording, "classes");
	inputd = lab_inputd(&recording);
	check(inputd > 0);
	sleep_ms(2000);
	switches = status_of(inputd, "\nvoluntary_ctxt_switches:");
	used = used_s(inputd);
	sleep_ms(5000);
	switches = status_of(inputd, "\nvoluntary_ctxt_switches:") - switches;
	used = used_s(inputd) - used;
	printf("# idle for 5 s: woke %ld times, used %.2f s\n", switches, used);
	/* a heartbeat once a second */
	expect(switches <= 6);
	file = lab_recording_end(&recording);
}

static void events_are_small(void)
{
	static const int rates_hz[] = {125, 1000};

	for (size_t i = 0; i < ARRAY_SIZE(rates_hz); i++) {
		_destroy_(lab_file) struct lab_file *file = NULL;
		struct lab_recording recording;
		struct lab_device mouse;
		struct motion motion;

		make_mouse(&mouse, "uxrec small mouse");
		lab_record(&recording, "classes");
		motion = move(&mouse, rates_hz[i], 5);
		file = lab_recording_end(&recording);
		expect_motion(file, "uxrec small mouse", &motion);
		printf("# a mouse of %d Hz: %.2f bytes an event\n", rates_hz[i],
			bytes_an_event(file, &motion));
		expect(bytes_an_event(file, &motion) <= 6);
		lab_device_remove(&mouse);
	}
}

static const struct test tests[] = {
	{"a mouse of 8 kHz on a busy machine loses events only in gaps", fast_mouse_is_recorded},
	{"one sign of life a second while nothing happens", idle_costs_nothing},
};

/* longer tests, for the figures */
static const struct test long_tests[] = {
	{"cost of reading, beside evemu-record", cost_is_compared},
	{"an event costs at most six bytes in the file", events_are_small},
};

int main(int argc, char **argv)
{
	struct speed speed;

	if (argc == 2 && strcmp(argv[1], "--calibrate") == 0) {
		speed = measure_speed();
		printf("%lld %lld %lld\n", speed.reckoning_ns, speed.calls_ns, speed.wakes_ns);
		return 0;
	}
	return RUN_TESTS("vm cost", tests) +
		(getenv("UXREC_VM_LONG") ? RUN_TESTS("vm cost", long_tests) : 0) + lab_end();
}

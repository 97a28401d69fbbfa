/* Cost of the session file: writing, opening, seeking. file.mjs runs it, in a tmpfs with 5 GB. */

#include "protocol/base/clock.h"
#include "protocol/file/reader.h"
#include "protocol/file/writer.h"
#include "protocol/os/io.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define HOURS    4

static int failed;

static void __attribute__((format(printf, 2, 3))) say(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	puts(good ? "   ok" : "   NOT reached");
	failed += !good;
}

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "error: %s: %s\n", what, strerror(-r));
	exit(3);
}

static double cpu_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void append(struct session_writer *writer, struct session_clock *clock, uint16_t channel,
	int64_t time_ns, const void *data, size_t size)
{
	struct packet *packet;

	must(packet_create_data(
		     &packet, clock, &(struct packet_info){channel, 0, time_ns, 0}, data, size),
		"packet");
	must(session_writer_append(writer, packet), "append");
	packet_unref(packet);
}

static void fill(unsigned char *data, size_t size)
{
	uint64_t state = 88172645463325252u;

	for (size_t i = 0; i < size; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = (unsigned char)state;
	}
}

static struct session_writer *begin(const char *path)
{
	struct session_writer *writer;

	unlink(path);
	must(session_writer_create(&writer, path, SESSION_WRITER_RECORDING), path);
	return writer;
}

/* the same bytes by plain write(2): the lower bound of this machine's memory and kernel */
static double write_plain(const char *path, const unsigned char *data, size_t size, int count)
{
	double begun = cpu_s();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (int i = 0; i < count; i++)
		must(io_write_all(fd, data, size), path);
	close(fd);
	return cpu_s() - begun;
}

static void write_large(const char *path)
{
	static unsigned char data[20000];
	struct session_clock clock = {0};
	struct session_writer *writer;
	const int count = 100000;
	double plain, begun, took;

	fill(data, sizeof(data));
	write_plain(path, data, sizeof(data), count); /* both find the pages resident */
	plain = write_plain(path, data, sizeof(data), count);
	writer = begin(path);
	begun = cpu_s();
	for (int i = 0; i < count; i++) {
		append(writer, &clock, CHANNEL_SCREEN, BEGIN_NS + i * NS_PER_MS, data,
			sizeof(data));
		if (i % 1000 == 999)
			must(session_writer_sync(writer), "sync");
	}
	must(session_writer_finish(writer), "finish");
	took = cpu_s() - begun;
	session_writer_destroy(writer);
	say(count * 20000.0 / took / 1e6 >= 500,
		"pictures of 20 kB, each outliving the process at once   %7.0f MB/s of CPU (at least 500); "
		"write(2) alone %.0f",
		count * 20000.0 / took / 1e6, count * 20000.0 / plain / 1e6);
}

/* an 8 kHz mouse with three values per event, in batches of 10 ms, beside 30 pictures of 8 kB a second */
static void write_mouse(const char *path)
{
	static unsigned char picture[8000], batch[80 * 3 * 4];
	struct session_clock clock = {0};
	struct session_writer *writer = begin(path);
	const int seconds = 60;
	double begun = cpu_s(), took;

	fill(picture, sizeof(picture));
	for (size_t i = 0; i < sizeof(batch); i++)
		batch[i] = (unsigned char)(i % 12 < 3 ? picture[i] & 7 : i % 4);
	for (int i = 0; i < seconds * 100; i++) {
		int64_t time_ns = BEGIN_NS + i * 10 * NS_PER_MS;

		append(writer, &clock, CHANNEL_CONTROLS, time_ns, batch, sizeof(batch));
		if (i % 10 < 3)
			append(writer, &clock, CHANNEL_SCREEN, time_ns, picture, sizeof(picture));
	}
	must(session_writer_finish(writer), "finish");
	took = cpu_s() - begun;
	session_writer_destroy(writer);
	say(took / seconds <= 0.01,
		"24,000 events a second beside video                     %7.2f %% of a core (at most 1)",
		100 * took / seconds);
}

/* four hours of 2 Mbit/s: 30 pictures a second, a keyframe every 2 s, the pointer, input and clocks */
static void write_long(const char *path)
{
	static unsigned char picture[60000], batch[200];
	struct session_clock clock = {0};
	struct session_writer *writer = begin(path);

	fill(picture, sizeof(picture));
	fill(batch, sizeof(batch));
	for (int64_t i = 0; i < HOURS * 3600 * 30; i++) {
		int64_t time_ns = BEGIN_NS + i * NS_PER_S / 30;

		if (i % 60 == 0)
			append(writer, &clock, CHANNEL_SCREEN_KEYFRAMES, time_ns, batch, 2);
		append(writer, &clock, CHANNEL_SCREEN, time_ns, picture, i % 60 ? 7500 : 50000);
		append(writer, &clock, CHANNEL_POINTER, time_ns + 1, batch, 60);
		if (i % 3 == 0)
			append(writer, &clock, CHANNEL_CONTROLS, time_ns + 2, batch, sizeof(batch));
		if (i % 150 == 0)
			append(writer, &clock, CHANNEL_CLOCK, time_ns + 3, batch, 40);
	}
	must(session_writer_finish(writer), "finish");
	session_writer_destroy(writer);
}

static struct session_reader *open_timed(const char *path, double *ret_ms)
{
	int64_t begun = clock_now_ns();
	struct session_reader *reader;
	struct error error;

	if (session_reader_open(&reader, path, &error) < 0) {
		fprintf(stderr, "error: %s\n", error.text);
		exit(3);
	}
	*ret_ms = (double)(clock_now_ns() - begun) / 1e6;
	return reader;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* find and read the chunk of the keyframe before a random time */
static void seek(struct session_reader *reader)
{
	enum { COUNT = 5000 };
	static double took_ms[COUNT];
	const struct reader_channel *keyframes =
		session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	struct reader_message message;
	uint64_t state = 7;

	for (int i = 0; i < COUNT; i++) {
		int64_t at_ns, begun;

		state = state * 6364136223846793005u + 1442695040888963407u;
		at_ns = BEGIN_NS + (int64_t)((state >> 20) % ((uint64_t)HOURS * 3600 * NS_PER_S));
		begun = clock_now_ns();
		must(session_reader_latest(reader, keyframes, at_ns, &message), "seek");
		took_ms[i] = (double)(clock_now_ns() - begun) / 1e6;
	}
	qsort(took_ms, COUNT, sizeof(*took_ms), compare_doubles);
	say(took_ms[COUNT * 99 / 100] <= 0.2,
		"the keyframe before a random time                       p50 %.3f, p99 %.3f ms (at most 0.2)",
		took_ms[COUNT / 2], took_ms[COUNT * 99 / 100]);
}

/* peak memory of this program; getrusage(2) includes the time before exec(2) */
static double peak_mb(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	unsigned long kb = 0;

	while (status && fgets(line, sizeof(line), status) && sscanf(line, "VmHWM: %lu", &kb) != 1)
		;
	if (status)
		fclose(status);
	return (double)kb / 1024;
}

static void read_long(const char *path)
{
	struct session_reader *reader;
	double first_ms = 0, best_ms = 1e9, ms;

	for (int i = 0; i < 5; i++) {
		reader = open_timed(path, &ms);
		first_ms = i == 0 ? ms : first_ms;
		best_ms = ms < best_ms ? ms : best_ms;
		if (i < 4)
			session_reader_destroy(reader);
	}
	say(best_ms <= 5,
		"opening %d hours of 2 Mbit/s by the index                %7.2f ms (at most 5); the first time in a process %.2f",
		HOURS, best_ms, first_ms);
	seek(reader);
	session_reader_destroy(reader);
	/* truncated by a byte it has no index */
	must(truncate(path, (off_t)-1 + lseek(open(path, O_RDONLY | O_CLOEXEC), 0, SEEK_END)),
		"truncate");
	reader = open_timed(path, &ms);
	say(ms <= 500,
		"the same without its end                                 %7.1f ms (at most 500)",
		ms);
	session_reader_destroy(reader);
	say(peak_mb() > 0 && peak_mb() <= 32,
		"memory of the reader                                     %7.1f MB (at most 32)",
		peak_mb());
}

int main(int argc, char **argv)
{
	char path[300];

	if (argc != 3) {
		fprintf(stderr, "usage: file write|long|read FOLDER\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/bench.mcap", argv[2]);
	if (strcmp(argv[1], "write") == 0) {
		write_large(path);
		write_mouse(path);
		unlink(path);
	} else if (strcmp(argv[1], "long") == 0) {
		write_long(path);
	} else {
		read_long(path);
	}
	return failed > 0;
}

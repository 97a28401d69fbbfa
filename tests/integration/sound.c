/* A real PipeWire server without a sound card, and a microphone that clicks at every whole second. */

#include "tests/harness/desktop.h"
#include "tests/harness/listener.h"

#include "capture/sound.h"
#include "protocol/base/clock.h"
#include "protocol/base/io.h"

#include <fcntl.h>
#include <math.h>
#include <pipewire/pipewire.h>
#include <signal.h>
#include <spa/param/audio/format-utils.h>
#include <spa/param/props.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char server_config[] =
	"context.properties = { core.daemon = true core.name = pipewire-0 support.dbus = false\n"
	"  default.clock.rate = 48000 default.clock.quantum = 256 default.clock.min-quantum = 256\n"
	"  default.clock.max-quantum = 256 mem.allow-mlock = false }\n"
	"context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert\n"
	"  support.* = support/libspa-support }\n"
	"context.modules = [ { name = libpipewire-module-protocol-native }\n"
	"  { name = libpipewire-module-metadata } { name = libpipewire-module-spa-node-factory }\n"
	"  { name = libpipewire-module-client-node } { name = libpipewire-module-client-device }\n"
	"  { name = libpipewire-module-access } { name = libpipewire-module-adapter }\n"
	"  { name = libpipewire-module-link-factory } { name = libpipewire-module-session-manager } ]\n"
	"context.objects = [ { factory = spa-node-factory args = {\n"
	"  factory.name = support.node.driver node.name = Dummy-Driver node.group = pipewire.dummy\n"
	"  priority.driver = 20000 } } ]\n";

/* the server, what links its nodes, and a microphone in this process */
struct server {
	struct child pipewire, wireplumber;
	struct pw_thread_loop *loop;
	struct pw_stream *stream;
};

static bool has_program(const char *name)
{
	return run_child(NULL, "sh", "-c", "command -v \"$0\" >/dev/null", name, NULL) == 0;
}

/* ---- the microphone ---- */

static void on_process(void *user)
{
	struct server *server = user;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(server->stream);
	struct pw_time time = {0};
	struct spa_data *data;
	float *samples;
	uint32_t count;

	if (!buffer)
		return;
	pw_stream_get_time_n(server->stream, &time, sizeof(time));
	data = &buffer->buffer->datas[0];
	samples = data->data;
	count = data->maxsize / (uint32_t)sizeof(float);
	if (buffer->requested && buffer->requested < count)
		count = (uint32_t)buffer->requested;
	for (uint32_t i = 0; samples && i < count; i++) {
		int64_t ns = (time.now + i * NS_PER_S / EAR_RATE_HZ) % NS_PER_S;

		samples[i] = ns < 5 * NS_PER_MS
			? (float)(0.5 * cos(2 * M_PI * 1000 * (double)ns / (double)NS_PER_S))
			: 0;
	}
	data->chunk->offset = 0;
	data->chunk->stride = sizeof(float);
	data->chunk->size = count * (uint32_t)sizeof(float);
	pw_stream_queue_buffer(server->stream, buffer);
}

static const struct pw_stream_events microphone_events = {
	PW_VERSION_STREAM_EVENTS,
	.process = on_process,
};

static void microphone_start(struct server *server)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	struct spa_audio_info_raw format = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = EAR_RATE_HZ,
		.channels = 1,
		.position = {SPA_AUDIO_CHANNEL_MONO},
	};
	const struct spa_pod *params[] = {
		spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &format)};

	pw_init(NULL, NULL);
	server->loop = pw_thread_loop_new("microphone", NULL);
	check(server->loop != NULL);
	server->stream = pw_stream_new_simple(pw_thread_loop_get_loop(server->loop), "clicks",
		pw_properties_new(PW_KEY_MEDIA_CLASS, "Audio/Source", PW_KEY_NODE_NAME, "clicks",
			PW_KEY_MEDIA_TYPE, "Audio", NULL),
		&microphone_events, server);
	check(server->stream != NULL);
	check(pw_stream_connect(server->stream, PW_DIRECTION_OUTPUT, PW_ID_ANY,
		      PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS, params, 1) >= 0);
	check(pw_thread_loop_start(server->loop) >= 0);
}

static void microphone_end(struct server *server)
{
	if (!server->loop)
		return;
	pw_thread_loop_stop(server->loop);
	pw_stream_destroy(server->stream);
	pw_thread_loop_destroy(server->loop);
	server->loop = NULL;
}

/* ---- the server ---- */

static void server_run(struct server *server)
{
	_autofree_ char *config = temporary_path("pipewire.conf");

	server->pipewire = start_child("pipewire", (const char *const[]){"-c", config, NULL});
	sleep_ms(500);
	server->wireplumber =
		start_child("dbus-run-session", (const char *const[]){"--", "wireplumber", NULL});
	microphone_start(server);
}

static bool server_start(struct server *server)
{
	_autofree_ char *config = temporary_path("pipewire.conf");
	_autofree_ char *runtime = temporary_path("runtime");
	_autoclose_ int fd = -1;

	*server = (struct server){0};
	if (!has_program("pipewire") || !has_program("wireplumber") ||
		!has_program("dbus-run-session")) {
		skip_test("no PipeWire");
		return false;
	}
	mkdir(runtime, 0700);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	setenv("PIPEWIRE_RUNTIME_DIR", runtime, 1);
	fd = open(config, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && io_write_all(fd, server_config, strlen(server_config)) == 0);
	server_run(server);
	return true;
}

static void server_kill(struct server *server)
{
	microphone_end(server);
	/* its clients end by themselves */
	end_child(&server->pipewire, SIGKILL);
	end_child(&server->wireplumber, SIGTERM);
}

static size_t count_packets(struct listener *listener)
{
	size_t packets;

	pthread_mutex_lock(&listener->lock);
	packets = listener->packets;
	pthread_mutex_unlock(&listener->lock);
	return packets;
}

static bool hears_packets(struct listener *listener, size_t wanted, int seconds)
{
	for (int i = 0; i < seconds * 20; i++) {
		if (count_packets(listener) >= wanted)
			return true;
		sleep_ms(50);
	}
	return false;
}

/* ---- tests ---- */

static const struct ear_wish microphone = {"pipewire", NULL, false};

static void clicks_are_heard_when_they_were_made(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_destroy_(source) struct source *source = NULL;
	struct session_clock clock;
	const struct source_context context = {&clock, &listener.sink, NULL, NULL};
	struct server server;
	int64_t worst_ns;

	if (!server_start(&server))
		return;
	listener_start(&listener);
	session_clock_init(&clock);
	check(sound_source_create(&source, &context, &microphone, NULL) == 0);
	check(hears_packets(&listener, 10 * 50, 60));
	source_destroy(steal_ptr(source));
	expect(listener_find_clicks(&listener, clock.utc_offset_ns, &worst_ns) >= 6);
	printf("# clicks are at most %.3f ms off, the drift %.1f ppm\n", (double)worst_ns / 1e6,
		listener.drift_ppm);
	/* on a busy machine the server itself loses a cycle now and then, of 5 ms */
	expect(worst_ns < 6 * NS_PER_MS && listener.clicks_off <= 1);
	server_kill(&server);
}

static void set_muted(struct server *server, bool muted)
{
	float value = muted;

	pw_thread_loop_lock(server->loop);
	check(pw_stream_set_control(server->stream, SPA_PROP_mute, 1, &value, 0) >= 0);
	pw_thread_loop_unlock(server->loop);
}

/* what the file says of the microphone becomes so within a few seconds */
static bool is_said(struct listener *listener, const char *device, bool muted)
{
	for (int i = 0; i < 200; i++) {
		bool is;

		pthread_mutex_lock(&listener->lock);
		is = strcmp(listener->device, device) == 0 && listener->muted == muted;
		pthread_mutex_unlock(&listener->lock);
		if (is)
			return true;
		sleep_ms(50);
	}
	printf("# the device is '%s'%s\n", listener->device, listener->muted ? ", muted" : "");
	return false;
}

static void a_muted_microphone_is_said(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_destroy_(source) struct source *source = NULL;
	struct session_clock clock;
	const struct source_context context = {&clock, &listener.sink, NULL, NULL};
	struct server server;

	if (!server_start(&server))
		return;
	listener_start(&listener);
	session_clock_init(&clock);
	check(sound_source_create(&source, &context, &microphone, NULL) == 0);
	check(hears_packets(&listener, 50, 60));
	expect(is_said(&listener, "clicks", false));
	set_muted(&server, true);
	expect(is_said(&listener, "clicks", true));
	set_muted(&server, false);
	expect(is_said(&listener, "clicks", false));
	source_destroy(steal_ptr(source));
	server_kill(&server);
}

static void a_server_that_dies_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_destroy_(source) struct source *source = NULL;
	struct session_clock clock;
	const struct source_context context = {&clock, &listener.sink, NULL, NULL};
	struct server server;
	size_t before;

	if (!server_start(&server))
		return;
	listener_start(&listener);
	session_clock_init(&clock);
	check(sound_source_create(&source, &context, &microphone, NULL) == 0);
	check(hears_packets(&listener, 50, 60));
	server_kill(&server);
	sleep_ms(3000);
	before = count_packets(&listener);
	server_run(&server);
	check(hears_packets(&listener, before + 50, 60));
	source_destroy(steal_ptr(source));
	/* one when it was not there yet, perhaps; one when it died */
	expect(listener.away >= 1 && listener.away <= 2);
	expect(listener.longest_ns > 2 * NS_PER_S);
	server_kill(&server);
}

static void no_server_is_a_gap(void)
{
	_cleanup_(listener_finish) struct listener listener = {0};
	_destroy_(source) struct source *source = NULL;
	_autofree_ char *nowhere = temporary_path("nowhere");
	struct session_clock clock;
	const struct source_context context = {&clock, &listener.sink, NULL, NULL};

	setenv("XDG_RUNTIME_DIR", nowhere, 1);
	setenv("PIPEWIRE_RUNTIME_DIR", nowhere, 1);
	listener_start(&listener);
	session_clock_init(&clock);
	check(sound_source_create(&source, &context, &microphone, NULL) == 0);
	sleep_ms(1500);
	source_destroy(steal_ptr(source));
	expect(listener.packets == 0 && listener.away == 1);
}

/* ---- exports ---- */

/* how many messages of a channel the recording has, and its clock's offset */
static size_t look_at(const struct session *session, uint16_t known, int64_t *ret_offset_ns)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	check(session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		if (message.channel->known == CHANNEL_CLOCK) {
			Uxrec__ClockSample *sample = uxrec__clock_sample__unpack(
				NULL, message.data.size_bytes, message.data.data);

			*ret_offset_ns = sample->utc_offset_ns;
			uxrec__clock_sample__free_unpacked(sample, NULL);
		}
		count += message.channel->known == known;
	}
	return count;
}

/* Clicks in a WAV file of one channel and 16 bits that begins at a time. */
static size_t clicks_of_wav(const char *path, int64_t begin_ns, int64_t *ret_worst_ns)
{
	_autofree_ char *data = NULL;
	ssize_t size = io_read_file(path, 100 * 1024 * 1024, &data);
	_cleanup_(listener_finish) struct listener listener = {0};
	const char *samples;

	check(size > 1000 && memcmp(data, "RIFF", 4) == 0);
	samples = memmem(data, (size_t)size, "data", 4);
	check(samples != NULL);
	listener_start(&listener);
	for (samples += 8; samples + 2 <= data + size; samples += 2) {
		int16_t sample;

		memcpy(&sample, samples, 2);
		check(listener.count < LISTENER_SAMPLES);
		listener.samples[listener.count] = (float)sample / 32768;
		listener.times[listener.count] =
			begin_ns + (int64_t)listener.count * NS_PER_S / EAR_RATE_HZ;
		listener.count++;
	}
	return listener_find_clicks(&listener, 0, ret_worst_ns);
}

/* ffmpeg decodes all of it and has nothing to say */
static void expect_decodable(const char *path)
{
	_autofree_ char *told = NULL;

	/* pictures as they come: two may be a few milliseconds apart */
	expect(run_child(&told, "ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough",
		       "-enc_time_base:v", "1:1000", "-f", "null", "-", NULL) == 0);
	if (*told)
		printf("# ffmpeg of %s: %s\n", path, told);
	expect(*told == '\0');
}

static void exports_keep_the_times(void)
{
	static const char *const both[] = {
		"--screen", "test", "--input", "none", "--sound", "tone:200", NULL};
	_autofree_ char *folder = NULL, *wav = temporary_path("out.wav");
	_autofree_ char *mkv = temporary_path("out.mkv"), *opus = temporary_path("out.opus");
	_autofree_ char *told = NULL;
	_destroy_(session) struct session *session = NULL;
	struct daemon_child daemon;
	int64_t first_ns, last_ns, offset_ns = 0, worst_ns;
	size_t pictures, sounds;
	char id[21], program[256], wanted[64];

	daemon_start(&daemon, temporary_folder(), both);
	daemon_record_agreed(&daemon, "paper:screen,sound", "classes", id);
	sleep_ms(3000);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	sleep_ms(1000);
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	sleep_ms(3000);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	pictures = look_at(session, CHANNEL_SCREEN, &offset_ns);
	sounds = look_at(session, CHANNEL_SOUND, &offset_ns);
	check(session_span(session, &first_ns, &last_ns));
	check(asprintf(&folder, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	/* the pause is silence of its length: what comes behind it is where it was */
	expect(run_child(NULL, program, "export", folder, "--to", "wav", "-o", wav, NULL) == 0);
	expect(clicks_of_wav(wav, first_ns - offset_ns, &worst_ns) >= 5);
	expect(worst_ns < 2 * NS_PER_MS);
	expect(run_child(NULL, program, "export", folder, "--to", "mkv", "-o", mkv, NULL) == 0);
	expect(run_child(&told, "ffprobe", "-v", "error", "-count_packets", "-show_entries",
		       "stream=codec_name,nb_read_packets", "-of", "csv=p=0", mkv, NULL) == 0);
	snprintf(wanted, sizeof(wanted), "h264,%zu\nopus,%zu\n", pictures, sounds);
	expect(strcmp(told, wanted) == 0);
	expect_decodable(mkv);
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 0);
	expect_decodable(opus);
	/* what is there is not written over */
	expect(run_child(NULL, program, "export", folder, "--to", "opus", "-o", opus, NULL) == 3);
}

static const struct test tests[] = {
	{"PipeWire's clicks are heard when they were made", clicks_are_heard_when_they_were_made},
	{"a muted microphone is said to be, by its name", a_muted_microphone_is_said},
	{"a server that dies is a gap, and sound comes back with it", a_server_that_dies_is_a_gap},
	{"without a server there is a gap and no sound", no_server_is_a_gap},
	{"exports keep the times of sound and pictures", exports_keep_the_times},
};

int main(void)
{
	return RUN_TESTS("sound", tests);
}

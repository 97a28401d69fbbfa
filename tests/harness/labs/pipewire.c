#include "tests/harness/labs/pipewire.h"

#include "capture/sound/audio_backend.h"
#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "tests/harness/helpers.h"

#include <fcntl.h>
#include <pipewire/pipewire.h>
#include <signal.h>
#include <spa/param/audio/format-utils.h>
#include <spa/param/props.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char server_config[] =
	"context.properties = { core.daemon = true core.name = pipewire-0 support.dbus = false\n"
	"  default.clock.rate = 48000 default.clock.quantum = %u default.clock.min-quantum = %u\n"
	"  default.clock.max-quantum = %u mem.allow-mlock = false }\n"
	"context.spa-libs = { audio.convert.* = audioconvert/libspa-audioconvert\n"
	"  support.* = support/libspa-support }\n"
	"context.modules = [ { name = libpipewire-module-rt flags = [ ifexists nofail ] }\n"
	"  { name = libpipewire-module-protocol-native }\n"
	"  { name = libpipewire-module-metadata } { name = libpipewire-module-spa-node-factory }\n"
	"  { name = libpipewire-module-client-node } { name = libpipewire-module-client-device }\n"
	"  { name = libpipewire-module-access } { name = libpipewire-module-adapter }\n"
	"  { name = libpipewire-module-link-factory } { name = libpipewire-module-session-manager } ]\n"
	"context.objects = [ { factory = spa-node-factory args = {\n"
	"  factory.name = support.node.driver node.name = Dummy-Driver node.group = pipewire.dummy\n"
	"  priority.driver = 20000 } }\n"
	"  { factory = adapter args = { factory.name = support.null-audio-sink\n"
	"  node.name = speaker node.description = Speaker media.class = Audio/Sink\n"
	"  audio.position = [ MONO ] } } ]\n";

/* ---- the microphone ---- */

static unsigned channels_of(const struct pipewire_lab *lab)
{
	return lab->channels ? lab->channels : 1;
}

static unsigned rate_of(const struct pipewire_lab *lab)
{
	return lab->rate_hz ? lab->rate_hz : AUDIO_RATE_HZ;
}

static void on_process(void *user)
{
	struct pipewire_lab *lab = user;
	struct pw_buffer *buffer = pw_stream_dequeue_buffer(lab->stream);
	unsigned channels = channels_of(lab);
	struct pw_time time = {0};
	struct spa_data *data;
	int64_t begin_ns;
	float *samples;
	uint32_t count;

	if (!buffer)
		return;
	pw_stream_get_time_n(lab->stream, &time, sizeof(time));
	data = &buffer->buffer->datas[0];
	samples = data->data;
	count = data->maxsize / (uint32_t)(channels * sizeof(float));
	if (buffer->requested && buffer->requested < count)
		count = (uint32_t)buffer->requested;
	/* the resampler's delay comes first, and before it the queued playback */
	begin_ns = time.now + (int64_t)time.buffered * NS_PER_S / rate_of(lab);
	if (lab->plays && time.rate.denom)
		begin_ns += time.delay * NS_PER_S * time.rate.num / time.rate.denom;
	for (uint32_t i = 0; samples && i < count * channels; i++)
		samples[i] = lab->voice->at(
			lab->voice, begin_ns + (int64_t)(i / channels) * NS_PER_S / rate_of(lab));
	data->chunk->offset = 0;
	data->chunk->stride = (int32_t)(channels * sizeof(float));
	data->chunk->size = count * (uint32_t)(channels * sizeof(float));
	pw_stream_queue_buffer(lab->stream, buffer);
}

static const struct pw_stream_events microphone_events = {
	PW_VERSION_STREAM_EVENTS,
	.process = on_process,
};

void pipewire_microphone_start(struct pipewire_lab *lab)
{
	uint8_t memory[1024];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
	struct spa_audio_info_raw format = {
		.format = SPA_AUDIO_FORMAT_F32,
		.rate = rate_of(lab),
		.channels = channels_of(lab),
	};
	const struct spa_pod *params[1];
	struct pw_core *core;

	for (uint32_t i = 0; i < format.channels; i++)
		format.position[i] =
			format.channels == 1 ? SPA_AUDIO_CHANNEL_MONO : SPA_AUDIO_CHANNEL_FL + i;
	params[0] = spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &format);
	pw_init(NULL, NULL);
	lab->loop = pw_thread_loop_new("microphone", NULL);
	check(lab->loop != NULL);
	/* with real-time priority where permitted, as a driver has it */
	lab->context = pw_context_new(pw_thread_loop_get_loop(lab->loop),
		pw_properties_new(PW_KEY_CONFIG_NAME, "client-rt.conf", NULL), 0);
	check(lab->context != NULL);
	core = pw_context_connect(lab->context, NULL, 0);
	check(core != NULL);
	lab->stream = pw_stream_new(core, "microphone",
		pw_properties_new(lab->plays ? PW_KEY_MEDIA_CATEGORY : PW_KEY_MEDIA_CLASS,
			lab->plays ? "Playback" : "Audio/Source", PW_KEY_NODE_NAME,
			lab->plays ? "player" : "microphone", PW_KEY_MEDIA_TYPE, "Audio", NULL));
	check(lab->stream != NULL);
	pw_stream_add_listener(lab->stream, &lab->hook, &microphone_events, lab);
	check(pw_stream_connect(lab->stream, PW_DIRECTION_OUTPUT, PW_ID_ANY,
		      PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS |
			      (lab->plays ? PW_STREAM_FLAG_AUTOCONNECT : 0),
		      params, 1) >= 0);
	check(pw_thread_loop_start(lab->loop) >= 0);
}

void pipewire_microphone_mute(struct pipewire_lab *lab, bool muted)
{
	float value = muted;

	pw_thread_loop_lock(lab->loop);
	check(pw_stream_set_control(lab->stream, SPA_PROP_mute, 1, &value, 0) >= 0);
	pw_thread_loop_unlock(lab->loop);
}

void pipewire_microphone_end(struct pipewire_lab *lab)
{
	if (!lab->loop)
		return;
	pw_thread_loop_stop(lab->loop);
	pw_stream_destroy(lab->stream);
	pw_context_destroy(lab->context);
	pw_thread_loop_destroy(lab->loop);
	lab->loop = NULL;
}

/* ---- the server ---- */

/* One at a time: a failed test leaves its own behind. */
static struct child bus, pipewire, wireplumber;

static void end_servers(void)
{
	/* its clients exit by themselves */
	end_child(&pipewire, SIGKILL);
	end_child(&wireplumber, SIGTERM);
	end_child(&bus, SIGTERM);
}

/* Wait for a listener on the socket. */
static void await_listener(const char *socket_path)
{
	int64_t until_ns = clock_now_ns() + 30 * NS_PER_S;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	check(strlen(socket_path) < sizeof(address.sun_path));
	strcpy(address.sun_path, socket_path);
	for (;;) {
		_autoclose_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return;
		check(clock_now_ns() < until_ns);
		sleep_ms(10);
	}
}

static void run_server(void)
{
	_autofree_ char *config = temporary_path("pipewire.conf");
	_autofree_ char *bus_socket = temporary_path("bus");
	_autofree_ char *socket = temporary_path("runtime/pipewire-0");
	_autofree_ char *address = NULL;
	_autofree_ char *option = NULL;

	check(asprintf(&address, "unix:path=%s", bus_socket) > 0);
	check(asprintf(&option, "--address=%s", address) > 0);
	unlink(bus_socket);
	unlink(socket);
	/* a bus of its own; dbus-run-session would leave one behind */
	bus = start_child("dbus-daemon",
		(const char *const[]){"--session", "--nofork", "--nopidfile", option, NULL});
	setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
	await_listener(bus_socket);
	pipewire = start_child("pipewire", (const char *const[]){"-c", config, NULL});
	await_listener(socket);
	wireplumber = start_child("wireplumber", NULL);
}

void pipewire_lab_run(struct pipewire_lab *lab)
{
	run_server();
	if (lab->voice)
		pipewire_microphone_start(lab);
}

bool pipewire_lab_start(struct pipewire_lab *lab, const struct voice *voice)
{
	_autofree_ char *config = temporary_path("pipewire.conf");
	_autofree_ char *runtime = temporary_path("runtime");
	_autofree_ char *text = NULL;
	_autoclose_ int fd = -1;

	lab->voice = voice;
	if (!has_program("pipewire") || !has_program("wireplumber") ||
		!has_program("dbus-daemon")) {
		skip_test("no PipeWire");
		return false;
	}
	end_servers();
	mkdir(runtime, 0700);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	setenv("PIPEWIRE_RUNTIME_DIR", runtime, 1);
	fd = open(config, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(asprintf(&text, server_config, lab->quantum ? 1024 : 256, lab->quantum ? 32 : 256,
		      lab->quantum ? lab->quantum : 256) > 0);
	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
	pipewire_lab_run(lab);
	return true;
}

void pipewire_lab_kill(struct pipewire_lab *lab)
{
	pipewire_microphone_end(lab);
	end_servers();
}

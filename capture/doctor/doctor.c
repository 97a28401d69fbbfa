#include "capture/doctor/doctor.h"

#include "capture/screen/encoder.h"
#include "capture/screen/grabber.h"
#include "capture/input/input.h"
#include "capture/input/filter.h"
#include "protocol/os/folder.h"
#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define PICTURE_WIDTH 640

/* about an hour of a busy desktop; measured in README.md */
#define BYTES_AN_HOUR (600.0 * 1024 * 1024)

typedef Uxrec__DoctorReport__Finding Finding;

#define GOOD    UXREC__DOCTOR_REPORT__FINDING__LEVEL__LEVEL_GOOD
#define WARNING UXREC__DOCTOR_REPORT__FINDING__LEVEL__LEVEL_WARNING
#define BAD     UXREC__DOCTOR_REPORT__FINDING__LEVEL__LEVEL_BAD

/* @return the added finding, or NULL when out of memory */
static Finding *__attribute__((format(printf, 5, 6))) add_finding(Uxrec__DoctorReport *report,
	int level, const char *subject, const char *advice, const char *format, ...)
{
	Finding *finding = malloc(sizeof(*finding));
	char *text = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (!finding || n < 0 || !array_grow(report->findings, report->n_findings)) {
		free(finding);
		return NULL;
	}
	uxrec__doctor_report__finding__init(finding);
	finding->level = level;
	finding->subject = strdup(subject);
	finding->text = text;
	if (*advice)
		finding->advice = strdup(advice);
	report->findings[report->n_findings++] = finding;
	return finding;
}

/* Add a line shown below a finding on demand; dropped when out of memory or without a finding. */
static void __attribute__((format(printf, 2, 3)))
add_detail(Finding *finding, const char *format, ...)
{
	va_list args;

	if (!finding || !array_grow(finding->details, finding->n_details))
		return;
	va_start(args, format);
	if (vasprintf(&finding->details[finding->n_details], format, args) >= 0)
		finding->n_details++;
	va_end(args);
}

static void capture_picture(
	Uxrec__DoctorReport *report, struct grabber *grabber, struct grabber_size size)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(picture) struct picture *small = NULL;
	int64_t damage_ns, copied_ns, r;
	uint8_t *jpeg;

	if (canvas_create(&canvas, size.width, size.height, CHROMA_420) < 0 ||
		grabber->ops->wait(grabber, -1, clock_now_ns() + NS_PER_S, &damage_ns) <= 0 ||
		grabber->ops->grab(grabber, canvas, &copied_ns) < 0) {
		add_finding(report, BAD, "screen", "", "the screen could not be copied");
		return;
	}
	r = picture_scale(&small, canvas->picture, PICTURE_WIDTH);
	if (r == 0)
		r = encode_jpeg(small, &jpeg);
	if (r < 0)
		return;
	report->picture_jpeg.data = jpeg;
	report->picture_jpeg.len = (size_t)r;
	report->picture_width_px = (uint32_t)size.width;
	report->picture_height_px = (uint32_t)size.height;
}

static void check_encoder(
	Uxrec__DoctorReport *report, struct grabber_size size, const struct doctor_options *options)
{
	_destroy_(encoder) struct encoder *encoder = NULL;
	struct error error = {"out of memory"};
	Finding *finding;

	if (encoder_create(&encoder, (size.width + 1) & ~1, (size.height + 1) & ~1,
		    &(struct encoder_options){options->encoder, 30, options->chroma}, &error) < 0) {
		add_finding(report, BAD, "encoder",
			"start uxrecd with another --encoder or --chroma, or apt install "
			"libavcodec59",
			"%s", error.text);
		return;
	}
	finding = add_finding(report, GOOD, "encoder", "", "%s, encoded by %s (%s)",
		strcmp(encoder_format(encoder), "av1") == 0 ? "AV1" : "H.264",
		encoder_is_hardware(encoder) ? "the graphics hardware" : "the processor",
		encoder_name(encoder));
	add_detail(finding, "settings: %s", encoder_describe(encoder));
	if (*encoder_skip_reason(encoder))
		add_detail(finding, "%s", encoder_skip_reason(encoder));
}

/* Under Wayland an X display has only the programs that still use X. */
static void check_session_type(Uxrec__DoctorReport *report, const char *grabber)
{
	const char *type = getenv("XDG_SESSION_TYPE");

	if (type && strcmp(type, "wayland") == 0 && strcmp(grabber, "x11") == 0)
		add_finding(report, BAD, "screen",
			"record it with --screen auto: by wlr-screencopy or the desktop's portal",
			"this is a Wayland session: its X display shows only X11 applications");
}

static const char *screen_advice(int error)
{
	switch (error) {
	case -EINVAL: return ""; /* the error text has the advice */
	case -EOPNOTSUPP:
		return "record it by the desktop's portal (--screen portal), or log in to an X11 "
		       "session";
	default:
		return "start uxrecd in the participant's graphical session, or name its display "
		       "with --display";
	}
}

static void check_screen(Uxrec__DoctorReport *report, const struct doctor_options *options)
{
	_destroy_(grabber) struct grabber *grabber = NULL;
	const struct grabber_ops *ops = grabber_find(options->grabber);
	const struct grabber_target target = {
		options->display, options->output, options->cancelled};
	struct error error = {"no such screen source"};
	struct grabber_size size;
	const char *about;
	int r = -EINVAL;

	if (strcmp(options->grabber, "none") == 0) {
		add_finding(report, WARNING, "screen", "",
			"the screen is not recorded (--screen none)");
		return;
	}
	if (strcmp(options->grabber, "auto") == 0)
		ops = grabber_choose(options->display, options->output, &error);
	else if (ops && options->output && grabber_check_output(ops->name, &error) < 0)
		ops = NULL;
	if (ops)
		r = ops->create(&grabber, &target, &error);
	if (r < 0) {
		add_finding(report, BAD, "screen", screen_advice(r), "%s", error.text);
		return;
	}
	check_session_type(report, ops->name);
	size = ops->size(grabber);
	about = ops->describe ? ops->describe(grabber) : NULL;
	add_finding(report, GOOD, "screen", "", "%d × %d pixels by %s%s%s", size.width, size.height,
		ops->name, about ? ", " : "", about ? about : "");
	if (ops == &grabber_wlr)
		add_finding(report, WARNING, "pointer", "",
			"the position of the pointer is not recorded: Wayland does not report it");
	if (grabber_limitation(grabber))
		add_finding(report, WARNING, "screen",
			"run uxrecd on the machine and in the container where the display is, "
			"with an "
			"X server that has DAMAGE, XFIXES and MIT-SHM",
			"%s", grabber_limitation(grabber));
	check_encoder(report, size, options);
	if (options->picture && options->hidden)
		add_finding(report, GOOD, "screen", "",
			"a study hides parts of the screen: there is no preview before a session");
	else if (options->picture)
		capture_picture(report, grabber, size);
}

/* Collects devices and drops everything else. */
struct device_sink {
	struct packet_sink base;
	pthread_mutex_t lock;
	Uxrec__InputDevice *devices[64];
	size_t count;
};

static void collect_device(struct packet_sink *base, struct packet *packet)
{
	struct device_sink *sink = (struct device_sink *)base;

	if (packet->channel == CHANNEL_INPUT_DEVICES) {
		Uxrec__InputDevice *device = uxrec__input_device__unpack(
			NULL, packet_data_size(packet), packet_data(packet));

		pthread_mutex_lock(&sink->lock);
		if (device && !device->removed && sink->count < ARRAY_SIZE(sink->devices))
			sink->devices[sink->count++] = steal_ptr(device);
		pthread_mutex_unlock(&sink->lock);
		uxrec__input_device__free_unpacked(device, NULL);
	}
	packet_unref(packet);
}

static void ignore_failure(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	(void)reason;
}

/* "keyboard and mouse" */
static void join_kinds(const Uxrec__InputDevice *device, char *ret, size_t room)
{
	size_t at = 0;

	*ret = '\0';
	for (size_t i = 0; i < device->n_kinds && at < room; i++)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", i ? " and " : "",
			input_kind_name(device->kinds[i]));
}

static void add_device(Finding *finding, const Uxrec__InputDevice *device)
{
	char kinds[80], has[96] = "";
	size_t at = 0;

	join_kinds(device, kinds, sizeof(kinds));
	if (device->key_count > 0)
		at += (size_t)snprintf(has, sizeof(has), ", %u keys", device->key_count);
	if (device->slots > 0)
		at += (size_t)snprintf(
			has + at, sizeof(has) - at, ", %u contacts at once", device->slots);
	snprintf(has + at, sizeof(has) - at, "%s", device->virtual_ ? ", made by a program" : "");
	add_detail(finding, "%s: %s%s", kinds, text_quote(device->name).text, has);
}

/* "keyboard ×2, mouse"; a device of several kinds has all of them: "keyboard and mouse" */
static void count_kinds(const struct device_sink *sink, char *ret, size_t room)
{
	bool counted[ARRAY_SIZE(sink->devices)] = {false};
	size_t at = 0;

	*ret = '\0';
	for (size_t i = 0; i < sink->count && at < room; i++) {
		char kinds[80], others[80];
		size_t count = 0;

		join_kinds(sink->devices[i], kinds, sizeof(kinds));
		for (size_t k = i; k < sink->count && !counted[i]; k++) {
			join_kinds(sink->devices[k], others, sizeof(others));
			if (strcmp(kinds, others) != 0)
				continue;
			counted[k] = k > i;
			count++;
		}
		if (count > 0)
			at += (size_t)snprintf(ret + at, room - at, "%s%s", at ? ", " : "", kinds);
		if (count > 1 && at < room)
			at += (size_t)snprintf(ret + at, room - at, " ×%zu", count);
	}
}

/* One line for all devices, with a detail for each. @param by  their source: "XInput: 4 devices" */
static void add_devices_finding(
	Uxrec__DoctorReport *report, const struct device_sink *sink, const char *by)
{
	char kinds[400];
	Finding *finding;

	if (sink->count == 0) {
		add_finding(report, WARNING, "input",
			"connect a keyboard or a mouse, and check again",
			"no input device yet (%s)", by);
		return;
	}
	count_kinds(sink, kinds, sizeof(kinds));
	finding = add_finding(report, GOOD, "input", "", "%zu input device%s: %s", sink->count,
		sink->count == 1 ? "" : "s", kinds);
	add_detail(finding, "read by %s", by);
	for (size_t i = 0; i < sink->count; i++)
		add_device(finding, sink->devices[i]);
}

static const char *advice_for(int error)
{
	switch (error) {
	case -EACCES:
		return "sudo systemctl enable --now uxrec-inputd.socket, or record X11's input "
		       "with "
		       "--input x11";
	case -ENODEV: return "connect a keyboard or a mouse, or check --devices";
	case -ECONNREFUSED:
	case -ENOENT:
		return "start uxrecd in the participant's graphical session, or name its display "
		       "with --display";
	default: return "";
	}
}

static void check_input(Uxrec__DoctorReport *report, const struct doctor_options *options)
{
	_destroy_(source) struct source *source = NULL;
	struct device_sink sink = {{collect_device}, PTHREAD_MUTEX_INITIALIZER, {NULL}, 0};
	struct session_clock clock;
	struct source_context context = {
		.clock = &clock, .sink = &sink.base, .failed = ignore_failure};
	struct input_options input = {.source = options->input,
		.display = options->display,
		.helper = options->helper,
		.devices = options->devices,
		.keys = KEY_POLICY_NONE,
		.consent_id = ""};
	struct error error = {"no reason given"};
	char by[160];
	int r;

	if (strcmp(options->input, "none") == 0) {
		add_finding(report, WARNING, "input", "", "input is not recorded (--input none)");
		return;
	}
	session_clock_init(&clock);
	r = input_source_create(&source, &context, &input, &error);
	if (r < 0) {
		add_finding(report, BAD, "input", advice_for(r), "%s", error.text);
		return;
	}
	snprintf(by, sizeof(by), "%s", input_source_describe(source));
	source_destroy(steal_ptr(source)); /* ends the packets */
	add_devices_finding(report, &sink, by);
	for (size_t i = 0; i < sink.count; i++)
		uxrec__input_device__free_unpacked(sink.devices[i], NULL);
}

/* a voice near a microphone has -30 to -15 dB, an empty room -60 */
#define QUIET_DB -55

static Finding *judge_sound(
	Uxrec__DoctorReport *report, const struct audio_backend_report *measured)
{
	if (measured->muted)
		return add_finding(report, BAD, "sound", "unmute it in the sound settings",
			"the microphone is muted: %s", measured->device);
	if (measured->peak_db <= -127)
		return add_finding(report, BAD, "sound",
			"connect a microphone, or choose another with --sound pipewire:NAME",
			"no signal: %s", measured->device);
	if (measured->peak_db < QUIET_DB)
		return add_finding(report, WARNING, "sound",
			"speak and check again; if it stays low, raise the microphone's volume",
			"very low signal (%.0f dB): %s", measured->peak_db, measured->device);
	if (measured->clipped > 0)
		return add_finding(report, WARNING, "sound", "lower the microphone's volume",
			"the signal clips: %s", measured->device);
	return add_finding(
		report, GOOD, "sound", "", "%s by %s", measured->device, measured->backend);
}

/* prefix of audio_backend_check()'s reasons */
#define NO_SOUND "no sound: "

static void check_sound(Uxrec__DoctorReport *report, const struct doctor_options *options)
{
	struct error error = {"no reason given"};
	struct audio_backend_report measured;
	Uxrec__SoundMeter *meter;
	Finding *finding;

	if (strcmp(options->sound.name, "none") == 0) {
		add_finding(report, WARNING, "sound", "", "sound is not recorded (--sound none)");
		return;
	}
	if (audio_backend_check(&measured, &options->sound, &error) < 0) {
		add_finding(report, WARNING, "sound",
			"connect a microphone, and start PipeWire or PulseAudio; until then a "
			"session continues without sound, with a gap",
			"no microphone: %s",
			strncmp(error.text, NO_SOUND, strlen(NO_SOUND)) == 0
				? error.text + strlen(NO_SOUND)
				: error.text);
		return;
	}
	finding = judge_sound(report, &measured);
	meter = finding ? malloc(sizeof(*meter)) : NULL;
	if (!meter)
		return;
	uxrec__sound_meter__init(meter);
	meter->peak_db = measured.peak_db;
	meter->rms_db = measured.rms_db;
	meter->muted = measured.muted;
	meter->clipped = measured.clipped;
	finding->meter = meter;
}

static void check_disk(Uxrec__DoctorReport *report, const struct doctor_options *options)
{
	struct statvfs status;
	double free_bytes, hours;

	if (!options->library)
		return;
	if (statvfs(options->library, &status) < 0) {
		add_finding(report, BAD, "disk", "choose another folder with --library",
			errno == ENOENT ? "the folder %s does not exist"
					: "the folder %s cannot be opened by this user",
			options->library);
		return;
	}
	free_bytes = (double)status.f_bavail * (double)status.f_frsize;
	hours = free_bytes / BYTES_AN_HOUR;
	if (access(options->library, W_OK) < 0)
		add_finding(report, BAD, "disk", "choose another folder with --library",
			"this user cannot write into the folder %s", options->library);
	else if (hours < 2)
		add_finding(report, hours < 0.1 ? BAD : WARNING, "disk",
			"free disk space, or choose another folder with --library",
			"only %.1f GB are free: about %.0f minutes", free_bytes / 1e9, hours * 60);
	else
		add_finding(report, GOOD, "disk", "",
			"%.0f GB are free: about %.0f hours of a busy screen", free_bytes / 1e9,
			hours);
}

/* Check that a file created with mode 0600 is private to its owner. */
static void check_privacy(Uxrec__DoctorReport *report, const struct doctor_options *options)
{
	_folder_unref_ struct folder *library = NULL;
	struct error why = {""};

	if (options->library && folder_open_linked(&library, options->library, NULL) == 0 &&
		folder_is_private(library, &why) == 0)
		add_finding(report, WARNING, "privacy",
			"choose a folder on another file system with --library, or mount this one "
			"with umask=077 and your uid",
			"%s", why.text);
}

int doctor_run(Uxrec__DoctorReport **ret, const struct doctor_options *options)
{
	Uxrec__DoctorReport *report = malloc(sizeof(*report));

	if (!report)
		return -ENOMEM;
	uxrec__doctor_report__init(report);
	check_screen(report, options);
	check_input(report, options);
	check_sound(report, options);
	check_disk(report, options);
	check_privacy(report, options);
	*ret = report;
	return 0;
}

bool doctor_is_good(const Uxrec__DoctorReport *report)
{
	for (size_t i = 0; i < report->n_findings; i++)
		if (report->findings[i]->level == BAD)
			return false;
	return true;
}

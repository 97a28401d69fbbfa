/* uxrec-doctor, run as `uxrec doctor`: report what would be recorded now, and any problems. */

#include "capture/doctor/doctor.h"
#include "capture/input/filter.h"
#include "capture/screen/encoder.h"
#include "capture/screen/grabber.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/paths.h"

#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: uxrec doctor [OPTION]...\n"
	"Check everything that a session needs, keep nothing, and list problems with their remedies.\n"
	"\n"
	"  --display DISPLAY             X display (default $DISPLAY)\n"
	"  --screen auto|x11|wlr|portal|test|none\n"
	"                                (default auto)\n"
	"  --output NAME                 output to record of a Wayland session with several\n"
	"  --encoder auto|h264_vaapi|libx264|libaom-av1\n"
	"  --chroma 420|444              video encoder, and its chroma subsampling\n"
	"                                (default auto, 420)\n"
	"  --input auto|service|evdev|x11|none\n"
	"                                (default auto)\n"
	"  --devices LIST                which input devices; see uxrecd(8)\n"
	"  --show[=SECONDS]              show live the input that would be recorded, for ten\n"
	"                                seconds or SECONDS\n"
	"  --keys none|counts|classes    with --show: the policy for keys (default classes)\n"
	"  --sound auto|none|pipewire|pulse|tone[:NAME]\n"
	"                                (default auto: the default microphone)\n"
	"  --library DIR                 (default ~/.local/share/uxrec)\n"
	"  --json\n"
	"  --help\n"
	"\n"
	"Exit status: 0 no problems, 1 problems found, 2 wrong usage.\n";

#define METER_STEPS 30

/* time to try every device */
#define SHOW_S 10

static const char *const level_names[] = {"good", "warning", "bad"};

/* Add each device as a separate finding too, as before devices were details. */
static void add_devices(struct json_object *findings, const Uxrec__DoctorReport__Finding *finding)
{
	for (size_t i = 1; i < finding->n_details && strcmp(finding->subject, "input") == 0; i++) {
		struct json_object *object = json_object_new_object();

		json_object_object_add(
			object, "level", json_object_new_string(level_names[finding->level]));
		json_object_object_add(object, "subject", json_object_new_string("input"));
		json_object_object_add(object, "text", json_object_new_string(finding->details[i]));
		json_object_object_add(object, "advice", json_object_new_string(""));
		json_object_array_add(findings, object);
	}
}

static struct json_object *details_to_json(const Uxrec__DoctorReport__Finding *finding)
{
	struct json_object *details = json_object_new_array();

	for (size_t i = 0; i < finding->n_details; i++)
		json_object_array_add(details, json_object_new_string(finding->details[i]));
	return details;
}

static void print_json(const Uxrec__DoctorReport *report)
{
	struct json_object *document = json_object_new_object();
	struct json_object *findings = json_object_new_array();

	for (size_t i = 0; i < report->n_findings; i++) {
		const Uxrec__DoctorReport__Finding *finding = report->findings[i];
		struct json_object *object = json_object_new_object();

		json_object_object_add(
			object, "level", json_object_new_string(level_names[finding->level]));
		json_object_object_add(object, "subject", json_object_new_string(finding->subject));
		json_object_object_add(object, "text", json_object_new_string(finding->text));
		json_object_object_add(object, "advice", json_object_new_string(finding->advice));
		json_object_object_add(object, "details", details_to_json(finding));
		if (finding->meter) {
			json_object_object_add(
				object, "peak_db", json_object_new_double(finding->meter->peak_db));
			json_object_object_add(
				object, "rms_db", json_object_new_double(finding->meter->rms_db));
			json_object_object_add(
				object, "clipped", json_object_new_uint64(finding->meter->clipped));
			json_object_object_add(
				object, "muted", json_object_new_boolean(finding->meter->muted));
		}
		json_object_array_add(findings, object);
		add_devices(findings, finding);
	}
	json_object_object_add(document, "good", json_object_new_boolean(doctor_is_good(report)));
	json_object_object_add(document, "findings", findings);
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY));
	json_object_put(document);
}

/* bar of 60 dB: RMS and peak */
static void print_meter(const Uxrec__SoundMeter *meter)
{
	char bar[METER_STEPS + 1];
	double rms = METER_STEPS * (1 + meter->rms_db / 60);
	double peak = METER_STEPS * (1 + meter->peak_db / 60);

	for (int i = 0; i < METER_STEPS; i++)
		bar[i] = i < rms ? '#' : i < peak ? '-' : ' ';
	bar[METER_STEPS] = '\0';
	printf("%-17s [%s] %.0f dB, at most %.0f dB\n", "", bar, meter->rms_db, meter->peak_db);
}

static void print_text(const Uxrec__DoctorReport *report)
{
	for (size_t i = 0; i < report->n_findings; i++) {
		const Uxrec__DoctorReport__Finding *finding = report->findings[i];

		printf("%-8s %-8s ", level_names[finding->level], finding->subject);
		terminal_write(finding->text);
		putchar('\n');
		if (finding->meter)
			print_meter(finding->meter);
		for (size_t k = 0; k < finding->n_details; k++) {
			printf("%-18s", "");
			terminal_write(finding->details[k]);
			putchar('\n');
		}
		if (*finding->advice)
			printf("%-17s %s %s\n", "", terminal_is_utf8() ? "→" : "->",
				finding->advice);
	}
}

/* @return -1 for an invalid or too long time */
static int parse_seconds(const char *text)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	return *text && !*end && seconds > 0 && seconds <= 3600 ? (int)seconds : -1;
}

/* reject key codes: they would stay on the terminal */
static bool parse_keys(const char *name, enum key_policy *ret)
{
	return key_policy_parse(name, ret) == 0 && *ret < KEY_POLICY_FULL;
}

static bool is_screen(const char *name)
{
	return strcmp(name, "auto") == 0 || strcmp(name, "none") == 0 || grabber_find(name);
}

static bool is_encoder(const struct doctor_options *options)
{
	const char *const *name = encoder_names;

	while (*name && strcmp(*name, options->encoder) != 0)
		name++;
	return *name && encoder_supports(options->encoder, options->chroma);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"display", required_argument, NULL, 'd'},
		{"screen", required_argument, NULL, 's'},
		{"output", required_argument, NULL, 'o'},
		{"encoder", required_argument, NULL, 'e'},
		{"chroma", required_argument, NULL, 'c'},
		{"input", required_argument, NULL, 'i'},
		{"devices", required_argument, NULL, 'D'},
		{"show", optional_argument, NULL, 'w'},
		{"keys", required_argument, NULL, 'k'},
		{"sound", required_argument, NULL, 'S'},
		{"library", required_argument, NULL, 'l'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	_autofree_ char *helper = paths_helper("uxrec-inputd");
	_autofree_ char *library = paths_library();
	struct doctor_options options = {.grabber = "auto",
		.input = "auto",
		.devices = "",
		.helper = helper ? helper : "uxrec-inputd",
		.sound = {"auto", NULL, false},
		.encoder = "auto"};
	Uxrec__DoctorReport *report;
	bool json = false, good, sound_is_known = true, keys_are_known = true,
	     chroma_is_known = true;
	enum key_policy keys = KEY_POLICY_CLASSES;
	struct input_filter filter;
	struct error error;
	int c, show_s = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 'd': options.display = optarg; break;
		case 's': options.grabber = optarg; break;
		case 'o': options.output = optarg; break;
		case 'e': options.encoder = optarg; break;
		case 'c': chroma_is_known = chroma_parse(optarg, &options.chroma); break;
		case 'i': options.input = optarg; break;
		case 'D': options.devices = optarg; break;
		case 'w': show_s = optarg ? parse_seconds(optarg) : SHOW_S; break;
		case 'k': keys_are_known = parse_keys(optarg, &keys); break;
		case 'S': sound_is_known = audio_config_parse(&options.sound, optarg); break;
		case 'l': options.library = optarg; break;
		case 'j': json = true; break;
		case 'h': fputs(usage, stdout); return 0;
		default:
			log_error(
				"unknown option '%s', or its value is missing; see uxrec doctor --help",
				text_quote(argv[optind - 1]).text);
			return 2;
		}
	}
	if (optind < argc || !is_screen(options.grabber) || !is_encoder(&options) ||
		!sound_is_known || !keys_are_known || !chroma_is_known || show_s < 0) {
		log_error("uxrec doctor: wrong usage; see uxrec doctor --help");
		return 2;
	}
	if (input_filter_parse(&filter, options.devices, &error) < 0) {
		log_error("--%s", error.text);
		return 2;
	}
	if (show_s > 0) {
		if (doctor_show(&options, keys, show_s, &error) == 0)
			return 0;
		log_error("%s", error.text);
		return 1;
	}
	if (!options.library && library && access(library, F_OK) == 0)
		options.library = library; /* created on demand */
	if (doctor_run(&report, &options) < 0) {
		log_error("out of memory");
		return 3;
	}
	if (json)
		print_json(report);
	else
		print_text(report);
	good = doctor_is_good(report);
	uxrec__doctor_report__free_unpacked(report, NULL);
	return good ? 0 : 1;
}

#include "daemon/options.h"

#include "capture/input/filter.h"
#include "capture/screen/encoder.h"
#include "capture/screen/grabber.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/paths.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_LISTEN "127.0.0.1:7310"

static const char usage[] =
	"Usage: uxrecd [OPTION]...\n"
	"Record moderated usability tests of this machine's screen and input; show them live and\n"
	"afterwards in a browser. Nothing is recorded before a session is started with consent.\n"
	"\n"
	"  --library DIR        folder of the sessions (default ~/.local/share/uxrec)\n"
	"  --listen ADDR:PORT   where the pages are served (default " DEFAULT_LISTEN
	"; port 0: any)\n"
	"  --allow-host NAME    also answer to this host name (a tunnel's); may be repeated\n"
	"  --control SOCKET     where the uxrec command connects (default in $XDG_RUNTIME_DIR)\n"
	"  --server SOCKET      of a service that is uxrec-server (default: a child process)\n"
	"  --links FILE         write the links to this file, readable only by the same user\n"
	"  --studies DIR        folder of study files (default LIBRARY/studies)\n"
	"  --display DISPLAY    X display to record (default $DISPLAY)\n"
	"  --screen auto|x11|wlr|portal|test|none\n"
	"                       screen source (default auto: first output of a Wayland session by\n"
	"                       wlr-screencopy, or the screen of the desktop's portal; else the X display)\n"
	"  --output NAME        output to record of a Wayland session with several (--screen auto, wlr)\n"
	"  --input auto|service[:SOCKET]|evdev|x11|none\n"
	"                       where input is read (default auto: by the system's uxrec-inputd where\n"
	"                       there is one, else evdev where it may be read, else X11)\n"
	"  --devices LIST       which input devices, with commas between: keyboard, mouse, touchpad,\n"
	"                       touchscreen, tablet, switch, other, name:TEXT, seat:NAME; with '-'\n"
	"                       before it: not these (default: all of seat0)\n"
	"  --sound auto|none|pipewire|pulse|tone[:NAME]\n"
	"                       sound source, used if the participant agrees to it (default auto: the\n"
	"                       default microphone of PipeWire or PulseAudio)\n"
	"  --monitor            record the machine's own sound, too\n"
	"  --sync SECONDS|packet most data lost by a power cut (default 1); 'packet': none\n"
	"  --fps N              most pictures a second, 1 to 240 (default 30)\n"
	"  --encoder auto|h264_vaapi|libx264|libaom-av1\n"
	"                       video encoder (default auto: H.264, by hardware where it works)\n"
	"  --chroma 420|444     444: full colour resolution, for 1.5 times the work (default 420)\n"
	"  --priority usual|low|idle\n"
	"                       of grabbing and encoding the screen (default low)\n"
	"  --verbose            log more details\n"
	"  --help, --version\n"
	"\n"
	"It prints its links, one a line: moderate, live, library. Whoever has a link may use it.\n"
	"Exit status: 0 success, 2 wrong usage, 3 failed to start or record.\n";

enum {
	OPTION_LIBRARY = 1,
	OPTION_LISTEN,
	OPTION_HOST,
	OPTION_CONTROL,
	OPTION_SERVER,
	OPTION_STUDIES,
	OPTION_DISPLAY,
	OPTION_SCREEN,
	OPTION_OUTPUT,
	OPTION_INPUT,
	OPTION_DEVICES,
	OPTION_SOUND,
	OPTION_MONITOR,
	OPTION_FPS,
	OPTION_ENCODER,
	OPTION_CHROMA,
	OPTION_PRIORITY,
	OPTION_SYNC,
	OPTION_LINKS,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static int invalid_value(const char *option, const char *value, const char *what)
{
	log_error("--%s '%s': %s", option, text_quote(value).text, what);
	return 2;
}

static bool is_one_of(const char *value, const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(value, *choices) == 0)
			return true;
	return false;
}

static int parse_number(const char *text, int low, int high)
{
	char *end;
	long value = strtol(text, &end, 10);

	return *text && !*end && value >= low && value <= high ? (int)value : -1;
}

/* Loopback only: without TLS the token and the picture would be readable on the network. */
static int parse_listen(struct options *options, const char *value)
{
	const char *colon = strrchr(value, ':');

	if (!colon)
		return invalid_value(
			"listen", value, "must be ADDRESS:PORT, as in " DEFAULT_LISTEN);
	options->port = parse_number(colon + 1, 0, 65535);
	if (options->port < 0)
		return invalid_value("listen", value, "the port must be a number from 0 to 65535");
	free(options->address);
	options->address = strndup(value, (size_t)(colon - value));
	if (options->address && strcmp(options->address, "localhost") == 0)
		memcpy(options->address, "127.0.0.1", 10);
	if (!options->address || strncmp(options->address, "127.", 4) != 0)
		return invalid_value("listen", value,
			"only loopback addresses (127.0.0.1) are served, because the connection is not "
			"encrypted; reach it from elsewhere by an SSH tunnel");
	return 0;
}

static int parse_choice(
	const char **to, const char *option, const char *value, const char *const *choices)
{
	if (!is_one_of(value, choices))
		return invalid_value(option, value, "no such choice; see --help");
	*to = value;
	return 0;
}

static int parse_devices(struct options *options, const char *value)
{
	struct input_filter filter;
	struct error error;

	if (input_filter_parse(&filter, value, &error) < 0) {
		log_error("--%s", error.text);
		return 2;
	}
	options->devices = value;
	return 0;
}

static void replace(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
}

static int parse_sync(struct options *options, const char *value)
{
	int seconds = strcmp(value, "packet") == 0 ? 0 : parse_number(value, 1, 60);

	options->sync_every_ns = seconds * NS_PER_S;
	return seconds < 0 ? invalid_value("sync", value, "'packet', or 1 to 60 seconds") : 0;
}

static int parse_chroma(struct options *options, const char *value)
{
	return chroma_parse(value, &options->chroma) ? 0
						     : invalid_value("chroma", value, "420 or 444");
}

static int parse_host(struct options *options, const char *value)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

	if (options->allowed_host_count == ARRAY_SIZE(options->allowed_hosts))
		return invalid_value("allow-host", value, "at most eight names");
	if (!*value || strlen(value) > 127 || value[strspn(value, letters)])
		return invalid_value("allow-host", value,
			"a host name alone, without scheme, port and path, as in lab.example.org");
	options->allowed_hosts[options->allowed_host_count++] = value;
	return 0;
}

static int parse_option(struct options *options, int c, const char *value)
{
	static const char *const screens[] = {"auto", "x11", "wlr", "portal", "test", "none", NULL};
	static const char *const priorities[] = {"usual", "low", "idle", NULL};
	static const char *const inputs[] = {"auto", "service", "evdev", "x11", "none", NULL};

	switch (c) {
	case OPTION_LIBRARY: replace(&options->library, value); return 0;
	case OPTION_SERVER: options->service = value; return 0;
	case OPTION_CONTROL: replace(&options->control, value); return 0;
	case OPTION_STUDIES: replace(&options->studies, value); return 0;
	case OPTION_DISPLAY: replace(&options->display, value); return 0;
	case OPTION_LISTEN: return parse_listen(options, value);
	case OPTION_SCREEN: return parse_choice(&options->screen, "screen", value, screens);
	case OPTION_OUTPUT: options->output = value; return 0;
	case OPTION_DEVICES: return parse_devices(options, value);
	case OPTION_INPUT:
		if (strncmp(value, "service:/", 9) == 0) {
			options->input = value;
			return 0;
		}
		return parse_choice(&options->input, "input", value, inputs);
	case OPTION_SOUND:
		return audio_config_parse(&options->sound, value)
			? 0
			: invalid_value("sound", value, "no such choice; see --help");
	case OPTION_MONITOR: options->monitor = true; return 0;
	case OPTION_FPS:
		options->max_fps = parse_number(value, 1, 240);
		return options->max_fps < 0 ? invalid_value("fps", value, "a number from 1 to 240")
					    : 0;
	case OPTION_ENCODER:
		return parse_choice(&options->encoder, "encoder", value, encoder_names);
	case OPTION_CHROMA: return parse_chroma(options, value);
	case OPTION_PRIORITY:
		return parse_choice(&options->priority, "priority", value, priorities);
	case OPTION_SYNC: return parse_sync(options, value);
	case OPTION_HOST: return parse_host(options, value);
	case OPTION_LINKS: options->links = value; return 0;
	case OPTION_VERBOSE: log_set_level(LOG_LEVEL_DEBUG); return 0;
	case OPTION_HELP: fputs(usage, stdout); return -1;
	case OPTION_VERSION: puts("uxrecd " UXREC_VERSION); return -1;
	default: return -2;
	}
}

/* the library's own studies are in a subfolder of it */
static int fill_defaults(struct options *options)
{
	if (!options->library)
		options->library = paths_library();
	if (!options->control)
		options->control = paths_control();
	if (!options->studies && options->library &&
		asprintf(&options->studies, "%s/studies", options->library) < 0)
		options->studies = NULL;
	options->web = paths_web();
	options->examples = paths_examples();
	options->helper = paths_helper("uxrec-inputd");
	options->server = paths_helper("uxrec-server");
	options->worker = paths_helper("uxrec-worker");
	if (!options->library) {
		log_error(
			"no library folder: neither HOME nor XDG_DATA_HOME is set; choose a "
			"folder with --library");
		return 3;
	}
	if (!options->control || !options->studies) {
		log_error("out of memory");
		return 3;
	}
	if (!options->web || !options->helper || !options->server || !options->worker) {
		log_error("%s is missing beside the program; `make` builds it",
			!options->web              ? "the folder of the pages"
				: !options->helper ? "uxrec-inputd"
				: !options->server ? "uxrec-server"
						   : "uxrec-worker");
		return 3;
	}
	return 0;
}

static int choose_screen(struct options *options)
{
	const struct grabber_ops *chosen;

	if (strcmp(options->screen, "auto") != 0) {
		struct error error;

		if (!options->output || grabber_check_output(options->screen, &error) == 0)
			return 0;
		return invalid_value("output", options->output, error.text);
	}
	chosen = grabber_choose(options->display, options->output, &options->screen_why);
	if (!chosen) {
		log_error("%s", options->screen_why.text);
		return 3;
	}
	options->screen = chosen->name;
	return 0;
}

static void default_display(struct options *options)
{
	if (!options->display && getenv("DISPLAY") && *getenv("DISPLAY"))
		options->display = strdup(getenv("DISPLAY"));
}

int options_parse(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{"library", required_argument, NULL, OPTION_LIBRARY},
		{"listen", required_argument, NULL, OPTION_LISTEN},
		{"allow-host", required_argument, NULL, OPTION_HOST},
		{"control", required_argument, NULL, OPTION_CONTROL},
		{"server", required_argument, NULL, OPTION_SERVER},
		{"studies", required_argument, NULL, OPTION_STUDIES},
		{"display", required_argument, NULL, OPTION_DISPLAY},
		{"screen", required_argument, NULL, OPTION_SCREEN},
		{"output", required_argument, NULL, OPTION_OUTPUT},
		{"input", required_argument, NULL, OPTION_INPUT},
		{"devices", required_argument, NULL, OPTION_DEVICES},
		{"sound", required_argument, NULL, OPTION_SOUND},
		{"monitor", no_argument, NULL, OPTION_MONITOR},
		{"fps", required_argument, NULL, OPTION_FPS},
		{"encoder", required_argument, NULL, OPTION_ENCODER},
		{"chroma", required_argument, NULL, OPTION_CHROMA},
		{"priority", required_argument, NULL, OPTION_PRIORITY},
		{"sync", required_argument, NULL, OPTION_SYNC},
		{"links", required_argument, NULL, OPTION_LINKS},
		{"verbose", no_argument, NULL, OPTION_VERBOSE},
		{"help", no_argument, NULL, OPTION_HELP},
		{"version", no_argument, NULL, OPTION_VERSION},
		{NULL, 0, NULL, 0},
	};
	int c, r;

	*options = (struct options){.screen = "auto",
		.input = "auto",
		.devices = "",
		.sound = {.name = "auto"},
		.max_fps = 30,
		.encoder = "auto",
		.priority = "low",
		.sync_every_ns = NS_PER_S};
	r = parse_listen(options, DEFAULT_LISTEN);
	opterr = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", names, NULL)) >= 0)
		r = parse_option(options, c, optarg);
	if (r == -2) {
		log_error("unknown option '%s', or its value is missing; see uxrecd --help",
			text_quote(argv[optind - 1]).text);
		r = 2;
	}
	if (r == 0 && optind < argc) {
		log_error("unexpected argument '%s'; see uxrecd --help",
			text_quote(argv[optind]).text);
		r = 2;
	}
	if (r == 0 && !encoder_supports(options->encoder, options->chroma))
		r = invalid_value("chroma", chroma_names[options->chroma],
			"not supported by this --encoder; libx264 and libaom-av1 support it");
	if (r == 0)
		r = fill_defaults(options);
	if (r == 0)
		r = choose_screen(options);
	default_display(options);
	if (r != 0)
		options_finish(options);
	return r;
}

void options_finish(struct options *options)
{
	free(options->library);
	free(options->control);
	free(options->studies);
	free(options->web);
	free(options->examples);
	free(options->helper);
	free(options->server);
	free(options->worker);
	free(options->address);
	free(options->display);
	*options = (struct options){0};
}

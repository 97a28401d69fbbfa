/* uxrec-inputd: the only program that reads keyboards. See capture/uxrec-inputd.8.scd. */

#include "capture/input_devices.h"
#include "capture/inputd_protocol.h"
#include "protocol/base/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char usage[] =
	"Usage: uxrec-inputd [OPTION]...\n"
	"Read input devices, apply the redaction policy, and give what is left to uxrecd.\n"
	"\n"
	"uxrecd starts this program; there is no need to do it by hand.\n"
	"\n"
	"  --source auto|evdev|x11  what to read (default auto: evdev when it may be read)\n"
	"  --display DISPLAY        X server to read with --source x11 (default $DISPLAY)\n"
	"  --keys none|classes|full what may be said of keys (default classes)\n"
	"  --consent ID             the consent act that allows --keys full\n"
	"  --help, --version\n";

struct options {
	const char *source, *display, *consent;
	enum key_policy keys;
};

/* @return 0 to go on, or the exit status plus 1 */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"source", required_argument, NULL, 's'},
		{"display", required_argument, NULL, 'd'},
		{"keys", required_argument, NULL, 'k'},
		{"consent", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 's': options->source = optarg; break;
		case 'd': options->display = optarg; break;
		case 'c': options->consent = optarg; break;
		case 'k':
			if (key_policy_parse(optarg, &options->keys) < 0) {
				log_error("--keys '%s': it is one of none, classes, full",
					text_quote(optarg).text);
				return 3;
			}
			break;
		case 'h': fputs(usage, stdout); return 1;
		case 'v': puts("uxrec-inputd " UXREC_VERSION); return 1;
		default:
			log_error("unknown option '%s', or its value is missing",
				text_quote(argv[optind - 1]).text);
			return 3;
		}
	}
	if (optind < argc) {
		log_error("unexpected argument '%s'", text_quote(argv[optind]).text);
		return 3;
	}
	if (options->keys == KEY_POLICY_FULL && strlen(options->consent) != 32) {
		log_error("--keys full needs the consent act that allows it (--consent ID)");
		return 3;
	}
	return 0;
}

static int run(struct input_out *out, const struct options *options, struct error *error)
{
	bool evdev = strcmp(options->source, "evdev") == 0;

	if (strcmp(options->source, "auto") == 0)
		evdev = evdev_is_readable();
	else if (!evdev && strcmp(options->source, "x11") != 0)
		return error_set(error, -EINVAL, "--source '%s': it is one of auto, evdev, x11",
			text_quote(options->source).text);
	return evdev ? evdev_run(out, options->keys, error)
		     : xinput_run(out, options->keys, options->display, error);
}

int main(int argc, char **argv)
{
	struct options options = {.source = "auto", .consent = "", .keys = KEY_POLICY_CLASSES};
	struct input_out out = {.fd = INPUTD_SOCKET_FD};
	struct error error = {"no reason given"};
	int type, r = parse_options(argc, argv, &options);
	socklen_t size = sizeof(type);

	if (r > 0)
		return r - 1;
	if (getsockopt(out.fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
		log_error("no socket to uxrecd at descriptor %d: uxrecd starts this program",
			INPUTD_SOCKET_FD);
		return 2;
	}
	r = run(&out, &options, &error);
	if (r == 0)
		return 0;
	input_out_text(&out, INPUTD_FAILED, error.text);
	return 3;
}

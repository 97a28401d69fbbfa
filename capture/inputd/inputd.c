/* uxrec-inputd: the only program that reads keyboards. See capture/inputd/uxrec-inputd.8.scd. */

#include "capture/input/inputd_protocol.h"
#include "capture/inputd/conf.h"
#include "capture/inputd/devices.h"
#include "capture/inputd/sandbox.h"
#include "capture/inputd/service.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/channel.h"
#include "protocol/os/signals.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] =
	"Usage: uxrec-inputd [OPTION]...\n"
	"Read input devices, apply the redaction policy, and pass the result to uxrecd.\n"
	"\n"
	"uxrecd or uxrec-inputd.socket starts this program; there is no need to do it by hand.\n"
	"\n"
	"  --source auto|evdev|x11  input to read (default auto: evdev if it is readable)\n"
	"  --display DISPLAY        X server to read with --source x11 (default $DISPLAY)\n"
	"  --service                serve the active user at the seat, on the socket from systemd\n"
	"  --help, --version\n";

/* Timeout for the first request of a recorder that has connected. */
#define START_TIMEOUT_MS 5000

struct options {
	const char *source, *display;
	bool service;
};

/* @return 0 to go on, or the exit status plus 1 */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"source", required_argument, NULL, 's'},
		{"display", required_argument, NULL, 'd'},
		{"service", no_argument, NULL, 'S'},
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
		case 'S': options->service = true; break;
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
	return 0;
}

/* ---- start request ---- */

static int await_start(int fd, struct inputd_request *ret, struct error *reterr)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	int r;

	if (poll(&readable, 1, START_TIMEOUT_MS) <= 0)
		return error_set(reterr, -ETIMEDOUT, "the recorder sent no request");
	r = recorder_link_receive(fd, ret);
	if (r == 0)
		return error_set(reterr, -EPIPE, "the recorder closed the connection");
	if (r < 0 || ret->type != INPUTD_START)
		return error_set(reterr, -EPROTO,
			"invalid request from the recorder to this uxrec-inputd (" UXREC_VERSION
			"): are both of the same version?");
	if (ret->keys == KEY_POLICY_FULL && strlen(ret->consent) != 32)
		return error_set(reterr, -EACCES,
			"recording key codes requires a consent act that allows it");
	return 0;
}

/* ---- the link to a recorder ---- */

/*
 * The kernel's queue of a fast mouse overflows after five milliseconds; neither a busy machine nor a page
 * fault in this program may delay reading for that long. Without permission, go on at the priority we have.
 */
static void raise_priority(void)
{
	struct sched_param priority = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority) < 0)
		setpriority(PRIO_PROCESS, 0, -10);
	(void)mlockall(MCL_CURRENT);
}

/*
 * Read an X server. A display that is not at the seat (a server without a screen, a remote one) is read all
 * the time: nobody else can type there.
 */
static int read_display(struct recorder_link *link, const char *display, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	struct error error;
	int r;

	if (getuid() != 0 && seat_create(&seat, getuid(), false, &error) == 0)
		link->seat = seat;
	r = xinput_run(link, display, reterr);
	link->seat = NULL;
	return r;
}

/* Read the devices of /dev/input with the rights of the calling user, and only while the seat is theirs. */
static int read_own_devices(struct recorder_link *link, struct error *reterr)
{
	_destroy_(seat) struct seat *seat = NULL;
	/* root has access to everything here, and may have no session */
	int r = getuid() == 0 ? 0 : seat_create(&seat, getuid(), false, reterr);

	link->seat = seat;
	if (r == 0)
		r = sandbox_enter(SANDBOX_EVDEV, reterr);
	if (r == 0)
		r = evdev_run(link, reterr);
	link->seat = NULL;
	return r;
}

static int read_devices(
	struct recorder_link *link, const struct options *options, struct error *reterr)
{
	bool evdev = strcmp(options->source, "evdev") == 0;

	if (options->service)
		return evdev_run(link, reterr);
	if (strcmp(options->source, "auto") == 0)
		evdev = evdev_is_readable();
	else if (!evdev && strcmp(options->source, "x11") != 0)
		return error_set(reterr, -EINVAL, "--source '%s': must be one of auto, evdev, x11",
			text_quote(options->source).text);
	return evdev ? read_own_devices(link, reterr)
		     : read_display(link, options->display, reterr);
}

static int start(struct recorder_link *link, const struct inputd_conf *conf,
	struct inputd_request *request, struct error *reterr)
{
	bool shortcuts = request->flags & INPUTD_SHORTCUTS;
	int r = inputd_conf_allows(conf, (enum key_policy)request->keys, shortcuts, reterr);

	if (r == 0)
		r = input_filter_parse(&link->filter, request->devices, reterr);
	if (r < 0)
		return r;
	link->limit = conf->has_devices ? &conf->devices : NULL;
	link->level_keys = request->level_keys;
	redactor_start(&link->redactor, (enum key_policy)request->keys, shortcuts,
		request->flags & INPUTD_HOLD, clock_now_ns());
	return 0;
}

/*
 * @param conf  NULL: read it, with the rules for a child of the recorder
 * @return 0 when the recorder has closed the link, or a negative errno; then the recorder has been
 *         sent the reason
 */
static int serve_recorder(
	int fd, struct seat *seat, const struct inputd_conf *conf, const struct options *options)
{
	static struct recorder_link link;
	struct error error = {"no reason given"};
	struct inputd_request request;
	struct inputd_conf own;
	int r;

	memset(&link, 0, sizeof(link));
	link.out.fd = fd;
	link.redactor.out = &link.out;
	link.seat = seat;
	r = await_start(fd, &request, &error);
	if (r == 0 && !conf) {
		r = inputd_conf_read(&own, INPUTD_CONF_PATH, false, &error);
		conf = &own;
	}
	if (r == 0)
		r = start(&link, conf, &request, &error);
	if (r == 0)
		r = read_devices(&link, options, &error);
	if (r < 0)
		input_out_failed(&link.out, r,
			r == -EPROTO ? "invalid request from the recorder" : error.text);
	return r;
}

/* ---- service or child ---- */

static void handle_peer(int fd, struct seat *seat, const struct inputd_conf *conf, void *user)
{
	serve_recorder(fd, seat, conf, user);
}

static int run_service(struct options *options)
{
	const struct inputd_service service = {
		INPUTD_CONF_PATH, INPUTD_IDLE_MS, handle_peer, options};
	struct error error;
	int fd = inputd_service_socket(&error);

	if (fd < 0) {
		log_error("%s", error.text);
		return 2;
	}
	/* before the first peer is known */
	if (sandbox_enter(SANDBOX_EVDEV, &error) < 0 ||
		inputd_service_run(fd, &service, &error) < 0) {
		log_error("%s", error.text);
		return 3;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {.source = "auto"};
	int type, r = parse_options(argc, argv, &options);
	socklen_t size = sizeof(type);

	if (r > 0)
		return r - 1;
	signals_ignore_unused();
	terminal_is_utf8(); /* caches the result: the sandbox hides the locale's files */
	sandbox_hide_memory();
	if (options.service) {
		raise_priority();
		return run_service(&options);
	}
	if (getsockopt(INPUTD_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
		type != SOCK_SEQPACKET) {
		log_error(
			"descriptor %d is not a socket to uxrecd: this program is started by "
			"uxrecd",
			INPUTD_SOCKET_FD);
		return 2;
	}
	/* systemd sends SIGTERM to a whole service: the last keys must still reach the recorder */
	signals_ignore_termination();
	raise_priority();
	return serve_recorder(INPUTD_SOCKET_FD, NULL, NULL, &options) < 0 ? 3 : 0;
}

#pragma once

#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** Command line of uxrecd. All strings are allocated or point into argv; options_finish() frees. */
struct options {
	char *library, *control, *studies, *web, *examples, *helper, *server, *worker;
	const char *links; /* output file; NULL: standard output */
	char *address;
	int port;
	char *display;           /* NULL: not given, and DISPLAY is unset */
	const char *output;      /* output to record; NULL: the grabber's choice */
	const char *screen;      /* "x11", "wlr", "portal", "test", "none": "auto" is resolved */
	struct error screen_why; /* reason for the choice; "" when given explicitly */
	const char *input;
	const char *devices;       /* checked list for capture/input/filter.h; or "" */
	struct audio_config sound; /* name "none": no sound */
	bool monitor;              /* record the machine's playback too */
	int max_fps;
	const char *encoder; /* see encoder_create() */
	enum chroma chroma;
	const char *priority; /* of screen capture: "usual", "low", "idle" */
	int64_t sync_every_ns;
	const char *service; /* socket of uxrec-server's service; NULL: a child process */
	const char *allowed_hosts[8];
	unsigned allowed_host_count;
};

/**
 * Parse the options and fill in the defaults. Prints errors itself.
 *
 * @return 0 to continue, -1 to exit successfully (--help, --version), 2 for wrong usage, 3 when a part of the
 *         program is missing
 */
int options_parse(struct options *options, int argc, char **argv);
void options_finish(struct options *options);

#pragma once

#include "capture/screen/picture.h"
#include "capture/sound/audio_backend.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/** The command line of uxrecd. All texts are allocated or of argv; options_finish() frees. */
struct options {
	char *library, *control, *studies, *web, *examples, *helper;
	const char *links; /* the file for them; NULL: standard output */
	char *address;
	int port;
	char *display;           /* NULL: none was given and DISPLAY is not set */
	const char *output;      /* the one that is recorded; NULL: the grabber's choice */
	const char *screen;      /* "x11", "wlr", "portal", "test", "none": chosen already */
	struct error screen_why; /* why that one; "" when it was said */
	const char *input;
	const char *devices;   /* a list for capture/input/filter.h, which has taken it; "" */
	struct ear_wish sound; /* a name of "none": no sound */
	bool monitor;          /* what the machine plays, too */
	int max_fps;
	const char *encoder; /* see encoder_create() */
	enum chroma chroma;
	const char *priority; /* of the screen: "usual", "low", "idle" */
	int64_t sync_every_ns;
	const char *allowed_hosts[8];
	unsigned allowed_host_count;
};

/**
 * Parse, and fill in the defaults. Says itself what is wrong.
 *
 * @return 0 to go on, -1 to end well (--help, --version), 2 when the usage is wrong, 3 when a part of
 *         the program is missing
 */
int options_parse(struct options *options, int argc, char **argv);
void options_finish(struct options *options);

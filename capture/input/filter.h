#pragma once

#include "protocol/base/error.h"
#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Selection of the devices to read: a comma-separated list of words. A word is a kind of device ("keyboard",
 * "mouse", "touchpad", "touchscreen", "tablet", "switch", "other"), "seat:NAME", or "name:TEXT", which
 * matches all devices with that text in their name. A "-" prefix excludes the matching devices. Without a
 * word for a kind or a name all devices match; without "seat:" only those of seat0.
 */

#define INPUT_FILTER_WORDS 16
#define INPUT_FILTER_BYTES 200

struct input_filter {
	char seat[32];
	size_t count;
	struct {
		bool out;
		Uxrec__InputDevice__Kind kind; /* UNSPECIFIED: match by name */
		char name[64];
	} words[INPUT_FILTER_WORDS];
};

/** @return 0, or -EINVAL with the reason, which names the invalid word */
int input_filter_parse(struct input_filter *ret, const char *text, struct error *reterr);

/** @return true when the filter selects the device */
bool input_filter_matches(const struct input_filter *filter, const Uxrec__InputDevice *device);

/** @return "keyboard", "mouse", …, "other" */
const char *input_kind_name(Uxrec__InputDevice__Kind kind);

#pragma once

#include "protocol/base/error.h"
#include "protocol/input.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Which devices are read: a list of words with commas between. A word is a kind of device ("keyboard",
 * "mouse", "touchpad", "touchscreen", "tablet", "switch", "other"), "seat:NAME", or "name:TEXT", which
 * stands for all devices whose name has that text in it. With "-" before it such devices are not read.
 * Without a word for a kind or a name all are; without one for a seat those of seat0.
 */

#define INPUT_FILTER_WORDS 16
#define INPUT_FILTER_BYTES 200

struct input_filter {
	char seat[32];
	size_t count;
	struct {
		bool out;
		Uxrec__InputDevice__Kind kind; /* UNSPECIFIED: by name */
		char name[64];
	} words[INPUT_FILTER_WORDS];
};

/** @return 0, or -EINVAL with the reason, which names the word */
int input_filter_parse(struct input_filter *ret, const char *text, struct error *reterr);

/** @return true when that device is to be read */
bool input_filter_wants(const struct input_filter *filter, const Uxrec__InputDevice *device);

/** @return "keyboard", "mouse", …, "other" */
const char *input_kind_name(Uxrec__InputDevice__Kind kind);

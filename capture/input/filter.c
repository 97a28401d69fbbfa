#include "capture/input/filter.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KIND(name) UXREC__INPUT_DEVICE__KIND__KIND_##name

static const char *const kind_names[] = {
	[KIND(UNSPECIFIED)] = "unknown",
	[KIND(KEYBOARD)] = "keyboard",
	[KIND(MOUSE)] = "mouse",
	[KIND(TOUCHPAD)] = "touchpad",
	[KIND(TOUCHSCREEN)] = "touchscreen",
	[KIND(TABLET)] = "tablet",
	[KIND(SWITCH)] = "switch",
	[KIND(OTHER)] = "other",
};

const char *input_kind_name(Uxrec__InputDevice__Kind kind)
{
	return (unsigned)kind < ARRAY_SIZE(kind_names) ? kind_names[kind] : "unknown";
}

static int parse_word(struct input_filter *filter, const char *word, struct error *reterr)
{
	size_t i = filter->count;
	bool out = *word == '-';

	word += out;
	if (strncmp(word, "seat:", 5) == 0 && !out && word[5] &&
		strlen(word + 5) < sizeof(filter->seat)) {
		strcpy(filter->seat, word + 5);
		return 0;
	}
	if (i == INPUT_FILTER_WORDS)
		return error_set(
			reterr, -EINVAL, "devices: more than %d entries", INPUT_FILTER_WORDS);
	filter->words[i].out = out;
	if (strncmp(word, "name:", 5) == 0 && word[5] &&
		strlen(word + 5) < sizeof(filter->words[i].name)) {
		strcpy(filter->words[i].name, word + 5);
		filter->count++;
		return 0;
	}
	for (size_t kind = KIND(KEYBOARD); kind < ARRAY_SIZE(kind_names); kind++)
		if (strcmp(word, kind_names[kind]) == 0) {
			filter->words[i].kind = (Uxrec__InputDevice__Kind)kind;
			filter->count++;
			return 0;
		}
	return error_set(reterr, -EINVAL,
		"devices: '%s': must be one of keyboard, mouse, touchpad, touchscreen, tablet, "
		"switch, other, name:TEXT, seat:NAME",
		text_quote(word).text);
}

int input_filter_parse(struct input_filter *ret, const char *text, struct error *reterr)
{
	char words[INPUT_FILTER_BYTES];
	char *rest = words, *word;
	int r = 0;

	*ret = (struct input_filter){.seat = "seat0"};
	if (strlen(text) >= sizeof(words))
		return error_set(reterr, -EINVAL, "devices: the list is too long");
	strcpy(words, text);
	while (r == 0 && (word = strsep(&rest, ",")))
		if (*word)
			r = parse_word(ret, word, reterr);
	return r;
}

static bool device_is(const Uxrec__InputDevice *device, Uxrec__InputDevice__Kind kind)
{
	for (size_t i = 0; i < device->n_kinds; i++)
		if (device->kinds[i] == kind)
			return true;
	return false;
}

bool input_filter_matches(const struct input_filter *filter, const Uxrec__InputDevice *device)
{
	bool wanted = true;

	if (*device->seat && strcmp(device->seat, filter->seat) != 0)
		return false;
	/* with any positive word for a kind or a name, unlisted devices are excluded */
	for (size_t i = 0; i < filter->count; i++)
		wanted &= filter->words[i].out;
	for (size_t i = 0; i < filter->count; i++) {
		const char *name = filter->words[i].name;

		if (*name ? strstr(device->name, name) != NULL
			  : device_is(device, filter->words[i].kind)) {
			if (filter->words[i].out)
				return false;
			wanted = true;
		}
	}
	return wanted;
}

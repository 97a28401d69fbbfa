/*
 * The canary of the redaction policy on a real kernel: secrets are typed by uinput, and by the host on a USB keyboard,
 * whose every key also sends its scan code; all files of the session are searched for them. The same with X, the live
 * stream and memory: tests/integration/session/canary.test.mjs.
 */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/evdev.h"

#include "protocol/channel.h"

#include <stdio.h>
#include <string.h>

#define SECRET 24

static const char *many(void)
{
	return getenv("UXREC_VM_LONG") ? "1000" : "30";
}

static int number_of(const char *count)
{
	return (int)strtol(count, NULL, 10);
}

static const char *tool(void)
{
	static char program[256];

	snprintf(program, sizeof(program), "%s/tests/tools/secrets", build_folder());
	return program;
}

/* @return the number of secrets found in the session */
static int search(const struct lab_recording *recording, const char *seed, const char *count)
{
	_autofree_ char *output = NULL, *folder = NULL;
	int found = -1;

	check(asprintf(&folder, "%s/%s", recording->daemon.library, recording->id) > 0);
	check(run_child(&output, tool(), "search", seed, count, folder, NULL) == 0);
	check(sscanf(output, "{\"secrets\": %*d, \"found\": %d", &found) == 1);
	if (found)
		printf("# %s", output);
	return found;
}

/* Number of recorded presses and releases: a busy machine adds repeats. */
static size_t keys_of(const struct lab_file *file)
{
	size_t keys = 0;

	for (size_t i = 0; i < file->count; i++)
		keys += !file->events[i].found &&
			file->events[i].value != UXREC__KEY_ACTION__KEY_ACTION_REPEAT &&
			(file->events[i].channel == CHANNEL_KEYS ||
				file->events[i].channel == CHANNEL_KEY_CLASSES);
	return keys;
}

static void type_by_uinput(const char *keys, const char *seed, bool found)
{
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	int told = strcmp(keys, "classes") == 0 || strcmp(keys, "full") == 0
		? number_of(many()) * SECRET * 2
		: 0;

	lab_record(&recording, keys);
	check(run_child(NULL, tool(), "type", seed, many(), "300", "uxrec canary", NULL) == 0);
	file = lab_recording_end(&recording);
	expect(lab_file_overflows(file) == 0);
	if (keys_of(file) != (size_t)told)
		printf("# %s: %zu of %d keys\n", keys, keys_of(file), told);
	expect(keys_of(file) == (size_t)told);
	expect(search(&recording, seed, many()) == (found ? number_of(many()) : 0));
}

static void secrets_of_uinput(void)
{
	/* with X all of them run each time */
	if (getenv("UXREC_VM_LONG")) {
		type_by_uinput("none", "21", false);
		type_by_uinput("counts", "22", false);
	}
	type_by_uinput("classes", "23", false);
	type_by_uinput("full", "24", true);
}

#define USB_EVENT(down)                                                                            \
	"{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"key\","          \
	"\"data\":{\"down\":" down                                                                 \
	",\"key\":{\"type\":\"qcode\",\"data\":\"%c\"}}}]}}\n"                                     \
	"{\"sleep\":15}\n"

/* Type one secret, at the polling rate of a USB keyboard. */
static bool type_by_host(const char *secret)
{
	char lines[SECRET * 2 * 192] = "";
	size_t size = 0;

	for (int i = 0; i < SECRET; i++)
		size += (size_t)snprintf(lines + size, sizeof(lines) - size,
			USB_EVENT("true") USB_EVENT("false"), secret[i], secret[i]);
	check(size < sizeof(lines));
	return lab_host_do(lines);
}

static void type_on_usb(const char *keys, const char *seed, const char *count, bool found)
{
	_autofree_ char *list = NULL;
	_destroy_(lab_file) struct lab_file *file = NULL;
	struct lab_recording recording;
	char *rest, *secret;

	check(run_child(&list, tool(), "list", seed, count, NULL) == 0);
	lab_record(&recording, keys);
	rest = list;
	while ((secret = strsep(&rest, "\n")) && strlen(secret) == SECRET)
		check(type_by_host(secret));
	sleep_ms(500);
	file = lab_recording_end(&recording);
	expect(keys_of(file) == (size_t)number_of(count) * SECRET * 2);
	expect(search(&recording, seed, count) == (found ? number_of(count) : 0));
}

static void secrets_of_a_usb_keyboard(void)
{
	const char *count = getenv("UXREC_VM_LONG") ? "200" : "4";

	if (!lab_host_do("{\"sleep\":1}\n")) {
		skip_test("no monitor of the machine");
		return;
	}
	type_on_usb("classes", "31", count, false);
	type_on_usb("full", "32", "2", true);
}

static const struct test tests[] = {
	{"secrets typed by uinput leave nothing below full, and are all found under full",
		secrets_of_uinput},
	{"secrets typed on a USB keyboard, which sends scan codes, leave nothing under classes",
		secrets_of_a_usb_keyboard},
};

int main(void)
{
	return RUN_TESTS("vm canary", tests) + lab_end();
}

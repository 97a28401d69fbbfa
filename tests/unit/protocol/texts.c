/* Text from outside: for any bytes the stored and returned text is UTF-8 and ends with a whole character. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"
#include "protocol/file/verify.h"
#include "protocol/input.pb-c.h"
#include "protocol/message_text.h"
#include "protocol/screen.pb-c.h"
#include "protocol/wire.pb-c.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* of three bytes */
#define KANJI "\xe6\xbc\xa2"

static const struct {
	const char *text, *clean, *name;
} texts[] = {
	{"Maus", "Maus", "Maus"}, {"", "", ""},
	{KANJI "\xf0\x9f\x98\x80\xc3\xa4", KANJI "\xf0\x9f\x98\x80\xc3\xa4",
		KANJI "\xf0\x9f\x98\x80\xc3\xa4"},
	{"a\xff\xfe"
	 "b",
		"a??b", "a??b"},
	{"M\xe4us", "M?us", "M?us"},                           /* Latin-1 */
	{"\xc0\xaf\xe0\x80\xaf", "?????", "?????"},            /* overlong */
	{"\xed\xa0\x80\xed\xbf\xbf", "??????", "??????"},      /* surrogates */
	{"\xf4\x90\x80\x80", "????", "????"},                  /* above U+10FFFF */
	{"cut \xe6\xbc", "cut ??", "cut ??"},                  /* truncated */
	{"a\nb\x1b[31m\x7f", "a\nb\x1b[31m\x7f", "a?b?[31m?"}, /* controls */
	{"\xc2\x85x\xe2\x80\xaetxt.exe", "\xc2\x85x\xe2\x80\xaetxt.exe",
		"?x?txt.exe"}, /* C1, bidi */
};

static void bytes_become_characters(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char clean[64], name[64];

		strcpy(clean, texts[i].text);
		utf8_clean(clean, false);
		expect(strcmp(clean, texts[i].clean) == 0 && utf8_is_valid(clean));
		utf8_copy(name, sizeof(name), texts[i].text);
		expect(strcmp(name, texts[i].name) == 0 && utf8_is_valid(name));
	}
	for (size_t room = 1; room < 40; room++) {
		char to[40] = "", formatted[40];

		/* as many whole letters as fit */
		utf8_copy(to, room, KANJI KANJI KANJI KANJI KANJI KANJI KANJI KANJI KANJI KANJI);
		expect(strlen(to) == (room - 1 < 30 ? (room - 1) / 3 * 3 : 30) &&
			utf8_is_valid(to));
		utf8_format(formatted, room, "%s\xf0\x9f\x98\x80%d", "\xc3\xa4", 7);
		expect(strlen(formatted) < room && utf8_is_valid(formatted) &&
			!strchr(formatted, '?'));
	}
	{
		char nothing[4] = "x";

		utf8_copy(nothing, sizeof(nothing), NULL);
		expect(*nothing == '\0');
	}
}

static void errors_end_with_a_whole_letter(void)
{
	struct error error;
	char path[400] = "";

	for (int i = 0; i < 130; i++)
		strcat(path, KANJI);
	for (int i = 0; i < 3; i++) {
		error_set(&error, -1, "%.*s%s", i, "xx", path);
		expect(utf8_is_valid(error.text) && strlen(error.text) > 310);
		expect(!strchr(error.text, '?'));
	}
}

static void messages_are_stored_as_utf8(void)
{
	Uxrec__InputDevice device = UXREC__INPUT_DEVICE__INIT, *stored;
	Uxrec__Screen screen = UXREC__SCREEN__INIT, *info;
	Uxrec__Monitor monitor = UXREC__MONITOR__INIT, *monitors[] = {&monitor};
	Uxrec__ServerMessage answer = UXREC__SERVER_MESSAGE__INIT, *sent;
	Uxrec__Failure failure = UXREC__FAILURE__INIT;
	_packet_unref_ struct packet *first = NULL, *second = NULL, *third = NULL;
	struct session_clock clock = {0};
	char name[301] = "";

	for (int i = 0; i < 100; i++)
		strcat(name, KANJI);
	name[150] = '\xff';
	device.name = name;
	check(packet_create(&first, &clock, &(struct packet_info){CHANNEL_INPUT_DEVICES, 0, 1, 0},
		      &device.base) == 0);
	stored = uxrec__input_device__unpack(NULL, packet_data_size(first), packet_data(first));
	check(stored && message_is_utf8(&stored->base));
	expect(strlen(stored->name) == 300 && strncmp(stored->name, KANJI KANJI, 6) == 0);
	expect(name[150] == '\xff'); /* the caller's string is unchanged */
	monitor.name = (char *)"HDMI\n\xe2\x80\xae-1\xc3";
	screen.monitors = monitors;
	screen.n_monitors = 1;
	check(packet_create(&second, &clock, &(struct packet_info){CHANNEL_SCREEN_INFO, 0, 1, 0},
		      &screen.base) == 0);
	info = uxrec__screen__unpack(NULL, packet_data_size(second), packet_data(second));
	check(info && info->n_monitors == 1);
	expect(strcmp(info->monitors[0]->name, "HDMI?\?-1?") == 0);
	failure.text = (char *)"cannot open \xe4\xf6\xfc";
	answer.body_case = UXREC__SERVER_MESSAGE__BODY_FAILURE;
	answer.failure = &failure;
	check(packet_create_record_message(&third, 0x80, &answer.base) == 0);
	sent = uxrec__server_message__unpack(NULL, packet_data_size(third), packet_data(third));
	check(sent != NULL);
	expect(strcmp(sent->failure->text, "cannot open ???") == 0);
	uxrec__input_device__free_unpacked(stored, NULL);
	uxrec__screen__free_unpacked(info, NULL);
	uxrec__server_message__free_unpacked(sent, NULL);
}

static void find_problem(void *user, uint64_t offset, const char *text)
{
	(void)offset;
	if (strstr(text, "uxrec.InputDevice") && strstr(text, "name"))
		++*(unsigned *)user;
}

/* A file as an earlier recorder may have left it. */
static void write_old_file(const char *path)
{
	Uxrec__InputDevice device = UXREC__INPUT_DEVICE__INIT;
	_destroy_(session_writer) struct session_writer *writer = NULL;
	struct session_clock clock = {0};
	unsigned char data[64];

	check(session_writer_create(&writer, path, SESSION_WRITER_RECORDING) == 0);
	device.name = (char *)"M\xe4us \xe6\xbc";
	for (int64_t i = 1; i <= 2; i++) {
		_packet_unref_ struct packet *packet = NULL;

		check(packet_create_data(&packet, &clock,
			      &(struct packet_info){CHANNEL_INPUT_DEVICES, 0, i, 0}, data,
			      uxrec__input_device__pack(&device, data)) == 0);
		check(session_writer_append(writer, packet) == 0);
		device.name = (char *)"Maus";
	}
	check(session_writer_finish(writer) == 0);
}

static void verify_names_the_message(void)
{
	_autofree_ char *path = temporary_path("old.mcap");
	struct verify_result result;
	unsigned found = 0;
	int fd;

	write_old_file(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	check(session_verify(fd, find_problem, &found, &result, NULL) >= 0);
	close(fd);
	expect(found == 1 && result.problems == 1);
}

static void json_of_an_old_file_is_valid(void)
{
	_autofree_ char *path = temporary_path("old2.mcap"), *output = NULL;
	struct json_tokener *tokener = json_tokener_new();
	char program[256], *line, *rest;
	unsigned lines = 0;

	write_old_file(path);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	check(run_child(&output, program, "dump", path, "--json", NULL) == 0);
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	for (line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct json_object *document = json_tokener_parse_ex(tokener, line, -1);

		expect(document && utf8_is_valid(line));
		json_object_put(document);
		json_tokener_reset(tokener);
		lines++;
	}
	expect(lines == 2);
	json_tokener_free(tokener);
}

static const struct test tests[] = {
	{"bytes that are no characters become question marks, and none is cut",
		bytes_become_characters},
	{"an error's text ends with a whole letter", errors_end_with_a_whole_letter},
	{"names of devices and monitors are stored as UTF-8", messages_are_stored_as_utf8},
	{"verify names the message whose text is no UTF-8", verify_names_the_message},
	{"a file with bad text is dumped as valid JSON", json_of_an_old_file_is_valid},
};

int main(void)
{
	return RUN_TESTS("texts", tests);
}

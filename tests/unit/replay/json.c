#include "tests/harness/helpers.h"

#include "protocol/os/io.h"
#include "protocol/os/folder.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/wire.pb-c.h"
#include "replay/base/json.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool prints(struct json_object *document, const char *wanted)
{
	const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN);
	bool same = strstr(text, wanted);

	json_object_put(document);
	return same;
}

static void numbers_that_json_lacks(void)
{
	const double values[] = {NAN, INFINITY, -INFINITY};
	Uxrec__Estimate estimate = UXREC__ESTIMATE__INIT;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		estimate.value = values[i];
		expect(prints(json_of_message(&estimate.base), "\"value\":null"));
		expect(prints(json_of_message_standard(&estimate.base), "\"value\":null"));
	}
	estimate.value = 0.5;
	expect(prints(json_of_message(&estimate.base), "\"value\":0.5"));
}

static void years_without_number(void)
{
	const int64_t seconds[] = {INT64_MAX, INT64_MIN};
	Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;

	video.timestamp = &time;
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		time.seconds = seconds[i];
		expect(prints(json_of_message_standard(&video.base), "\"timestamp\":null"));
	}
	time.seconds = 1;
	expect(prints(json_of_message_standard(&video.base), "1970-01-01T00:00:01.000000000Z"));
}

static void what_no_terminal_is_to_get_is_escaped(void)
{
	_autofree_ char *path = temporary_path("printed.json"), *text = NULL;
	struct json_object *document = json_object_new_string(
		"Zo\xc3\xab \xe7\x99\xba \xc2\x9b"
		"31m \xe2\x80\xae \x7f \xf3\xa0\x81\x81 \x1b \xf0\x9f\x99\x82");
	int kept = dup(STDOUT_FILENO), fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	check(kept >= 0 && fd >= 0);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	json_print_line(document);
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(fd);
	check(file_read_whole(path, 1000, &text, NULL) > 0);
	expect(strcmp(text,
		       "\"Zo\xc3\xab \xe7\x99\xba \\u009b31m \\u202e \\u007f \\udb40\\udc41 \\u001b "
		       "\xf0\x9f\x99\x82\"\n") == 0);
}

static const struct test tests[] = {
	{"characters that change a terminal are escaped", what_no_terminal_is_to_get_is_escaped},
	{"numbers that JSON does not have are null", numbers_that_json_lacks},
	{"a time whose year has no number is null", years_without_number},
};

int main(void)
{
	return RUN_TESTS("json", tests);
}

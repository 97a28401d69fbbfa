#include "tests/harness/helpers.h"

#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/wire.pb-c.h"
#include "replay/json.h"

#include <math.h>

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

static const struct test tests[] = {
	{"numbers that JSON does not have are null", numbers_that_json_lacks},
	{"a time whose year has no number is null", years_without_number},
};

int main(void)
{
	return RUN_TESTS("json", tests);
}

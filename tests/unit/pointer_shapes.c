/* An animated pointer: each of its pictures is in the file once in ten seconds, and every reader finds it. */

#include "tests/harness/helpers.h"

#include "capture/pointer_shapes.h"
#include "daemon/hub.h"
#include "protocol/base/clock.h"
#include "protocol/copy.h"
#include "protocol/limits.h"
#include "protocol/pointer_shape.h"
#include "protocol/reader.h"
#include "replay/track.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS    12
#define SIDE     32
#define STEP_NS  (NS_PER_S / 30)
#define BEGIN_NS (100 * NS_PER_S)

/* what a source pushes goes to a file and to a hub */
struct making {
	struct packet_sink sink;
	struct session_clock clock;
	struct source_context context;
	struct pointer_shapes shapes;
	struct session_writer *writer;
	struct hub *hub;
	size_t messages, whole, bytes;
};

static void take(struct packet_sink *sink, struct packet *packet)
{
	struct making *making = (struct making *)sink;

	making->messages++;
	making->whole += packet->flags & PACKET_KEYFRAME;
	making->bytes += packet->size_bytes;
	if (making->writer)
		check(session_writer_append(making->writer, packet) == 0);
	if (making->hub)
		hub_publish(making->hub, packet);
	packet_unref(packet);
}

static void making_init(struct making *making, const char *path)
{
	*making = (struct making){.sink.push = take};
	making->context.clock = &making->clock;
	making->context.sink = &making->sink;
	if (path) {
		unlink(path);
		check(session_writer_create(&making->writer, path, SESSION_WRITER_RECORDING) == 0);
	}
}

/* a picture that knows its number */
static uint8_t pixel(unsigned step, size_t i)
{
	return (uint8_t)(i % 4 == 3 ? 255 : step * 20 + i / 200);
}

static void push_step(struct making *making, unsigned step, int64_t time_ns)
{
	Uxrec__PointerShape shape = UXREC__POINTER_SHAPE__INIT;

	shape.width_px = shape.height_px = SIDE;
	shape.hot_x_px = step;
	shape.rgba.len = SIDE * SIDE * 4;
	shape.rgba.data = malloc(shape.rgba.len);
	check(shape.rgba.data != NULL);
	for (size_t i = 0; i < shape.rgba.len; i++)
		shape.rgba.data[i] = pixel(step, i);
	check(pointer_shapes_push(&making->shapes, &making->context, time_ns, &shape) != 0);
}

static bool is_step(const Uxrec__PointerShape *shape, unsigned step)
{
	bool is = shape && shape->width_px == SIDE && shape->hot_x_px == step &&
		shape->rgba.len == SIDE * SIDE * 4;

	for (size_t i = 0; is && i < shape->rgba.len; i++)
		is = shape->rgba.data[i] == pixel(step, i);
	return is;
}

static unsigned step_at(int64_t time_ns)
{
	return (unsigned)((time_ns - BEGIN_NS) / STEP_NS) % STEPS;
}

static void animate(struct making *making, int seconds)
{
	for (int i = 0; i < seconds * 30; i++)
		push_step(making, (unsigned)i % STEPS, BEGIN_NS + i * STEP_NS);
}

static void an_animation_costs_little(void)
{
	struct making making;

	making_init(&making, NULL);
	animate(&making, 60);
	expect(making.messages == 60 * 30);
	expect(making.whole >= STEPS * 6 && making.whole <= STEPS * 7);
	printf("# %zu bytes a minute; each step whole would be %d\n", making.bytes,
		60 * 30 * SIDE * SIDE * 4);
	expect(making.bytes < 60 * 30 * SIDE * SIDE * 4 / 20);
	/* the same once more is nothing */
	push_step(&making, STEPS - 1, BEGIN_NS + 61 * NS_PER_S);
	expect(making.messages == 60 * 30);
}

static void a_pointer_that_is_hidden_is_no_reference(void)
{
	Uxrec__PointerShape none = UXREC__POINTER_SHAPE__INIT;
	struct making making;

	making_init(&making, NULL);
	push_step(&making, 0, BEGIN_NS);
	expect(pointer_shapes_push(&making.shapes, &making.context, BEGIN_NS + 1, &none) == 0);
	expect(making.messages == 2 && making.whole == 2);
	push_step(&making, 0, BEGIN_NS + 2);
	expect(making.messages == 3 && making.whole == 2);
}

/* every message of a file has its picture. @return how many there are */
static size_t check_file(struct session_reader *reader, int64_t from_ns)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_POINTER_SHAPE) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		Uxrec__PointerShape *shape;

		check(pointer_shape_read(&shape, reader, &message) == 0);
		if (message.time_ns >= from_ns)
			expect(is_step(shape, step_at(message.time_ns + STEP_NS / 2)));
		else
			expect(shape->rgba.len == SIDE * SIDE * 4);
		uxrec__pointer_shape__free_unpacked(shape, NULL);
		count++;
	}
	return count;
}

static void every_reader_finds_the_pixels(void)
{
	_autofree_ char *path = temporary_path("animated.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(track) struct track *track = NULL;
	struct making making;

	making_init(&making, path);
	animate(&making, 25);
	check(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
	check(session_reader_open(&reader, path, NULL) == 0);
	expect(check_file(reader, INT64_MIN) == 25 * 30);
	check(track_create(&track, reader) == 0);
	/* on, back, and far on */
	for (int i = 0; i < 60; i++) {
		int64_t at_ns = BEGIN_NS + (i * 7919 % (25 * 30)) * STEP_NS + STEP_NS / 2;

		check(track_seek(track, at_ns) == 0);
		expect(is_step(track_shape(track), step_at(at_ns)));
	}
}

static void a_part_has_the_pixels_it_refers_to(void)
{
	_autofree_ char *path = temporary_path("whole.mcap"), *part = temporary_path("part.mcap");
	_destroy_(session_reader) struct session_reader *reader = NULL, *copied = NULL;
	const struct session_copy_options options = {
		.from_ns = BEGIN_NS + 15 * NS_PER_S, .to_ns = BEGIN_NS + 20 * NS_PER_S};
	struct session_copy_result result;
	struct making making;

	unlink(part);
	making_init(&making, path);
	animate(&making, 25);
	check(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
	check(session_reader_open(&reader, path, NULL) == 0);
	check(session_copy(reader, part, &options, &result, NULL) == 0);
	check(session_reader_open(&copied, part, NULL) == 0);
	expect(check_file(copied, INT64_MIN) == 5 * 30 + 1);
}

static void erasing_leaves_the_pixels_of_what_stays(void)
{
	static const struct session_erase_options options = {BEGIN_NS + 8 * NS_PER_S,
		BEGIN_NS + 12 * NS_PER_S, 1 << MODALITY_SCREEN, "Ana", "asked"};
	_autofree_ char *folder = temporary_path("erased"),
			*path = temporary_path("erased/recording-0001.mcap");
	_folder_unref_ struct folder *below = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct making making;
	int64_t gap[2];

	check(mkdir(folder, 0700) == 0);
	making_init(&making, path);
	animate(&making, 25);
	check(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
	below = open_folder(folder);
	check(session_erase(below, &options, gap, NULL) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	expect(check_file(reader, INT64_MIN) >= 21 * 30);
}

struct observer {
	uint64_t known[STEPS * 4];
	size_t count, unknown, messages;
};

static void watch(void *user, struct packet *packet)
{
	struct observer *observer = user;
	Uxrec__PointerShape *shape =
		uxrec__pointer_shape__unpack(NULL, packet_data_size(packet), packet_data(packet));
	bool known = false;

	check(shape && packet->channel == CHANNEL_POINTER_SHAPE);
	for (size_t i = 0; i < observer->count; i++)
		known |= observer->known[i] == shape->shape;
	if (!pointer_shape_is_reference(shape) && observer->count < ARRAY_SIZE(observer->known))
		observer->known[observer->count++] = shape->shape;
	else
		observer->unknown += !known;
	observer->messages++;
	uxrec__pointer_shape__free_unpacked(shape, NULL);
	packet_unref(packet);
}

static void whoever_joins_has_all_shapes(void)
{
	_destroy_(hub) struct hub *hub = NULL;
	struct observer joined = {0}, late = {0};
	struct hub_cursor cursor, slow;
	struct packet *packet;
	struct making making;

	check(hub_create(&hub) == 0);
	making_init(&making, NULL);
	making.hub = hub;
	animate(&making, 5);
	hub_join(hub, &cursor, false, watch, &joined);
	hub_join(hub, &slow, false, watch, &late);
	for (int i = 5 * 30; i < 9 * 30; i++)
		push_step(&making, (unsigned)i % STEPS, BEGIN_NS + i * STEP_NS);
	while ((packet = hub_next(hub, &cursor)))
		watch(&joined, packet);
	expect(joined.messages >= STEPS + 4 * 30 && joined.unknown == 0);
	/* this one has fallen behind: what it had is forgotten, and given again */
	for (int i = 9 * 30; i < 400 * 30; i++)
		push_step(&making, (unsigned)i % STEPS, BEGIN_NS + i * STEP_NS);
	late = (struct observer){0};
	while ((packet = hub_next(hub, &slow)))
		watch(&late, packet);
	expect(slow.skipped > 0 && late.messages > STEPS && late.unknown == 0);
}

static const struct test tests[] = {
	{"each picture of an animated pointer is stored once in a while",
		an_animation_costs_little},
	{"a pointer that is hidden is no reference", a_pointer_that_is_hidden_is_no_reference},
	{"every reader finds the pixels", every_reader_finds_the_pixels},
	{"a part of a session has the pixels that it refers to",
		a_part_has_the_pixels_it_refers_to},
	{"erasing leaves the pixels of what stays", erasing_leaves_the_pixels_of_what_stays},
	{"whoever joins, or has fallen behind, is given all shapes", whoever_joins_has_all_shapes},
};

int main(void)
{
	return RUN_TESTS("pointer_shapes", tests);
}

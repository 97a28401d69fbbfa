/* An animated pointer: each of its shapes is in the file once in ten seconds, and every reader finds it. */

#include "tests/harness/helpers.h"

#include "capture/screen/pointer_shapes.h"
#include "daemon/stream/hub.h"
#include "protocol/base/clock.h"
#include "protocol/file/copy.h"
#include "protocol/file/reader.h"
#include "protocol/file/shape_references.h"
#include "protocol/limits.h"
#include "protocol/pointer_shape.h"
#include "replay/session/track.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS    12
#define SIDE     32
#define STEP_NS  (NS_PER_S / 30)
#define BEGIN_NS (100 * NS_PER_S)

/* packets of a source go to a file and to a hub */
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

/* a numbered shape */
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
	/* a repetition writes no message */
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

/* every message of a file has its shape. @return the number of messages */
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
	/* forwards, backwards, and far ahead */
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

/* ---- identities of packets ---- */

/* Shapes that refer to each other, batches that cross any end, and latched messages. */
static void write_everything(const char *path)
{
	uint32_t dt_us[] = {0, 60000, 60000, 60000};
	int32_t px[] = {1, 2, 3, 4};
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	Uxrec__Screen screen = UXREC__SCREEN__INIT;
	Uxrec__Gap gap = UXREC__GAP__INIT;
	struct making making;

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = ARRAY_SIZE(dt_us);
	batch.dt_us = dt_us;
	batch.x_px = batch.y_px = px;
	making_init(&making, path);
	for (int i = 0; i < 20 * 30; i++) {
		int64_t at_ns = BEGIN_NS + i * STEP_NS;

		push_step(&making, (unsigned)i % STEPS, at_ns);
		if (i % 6 == 0)
			write_message(
				making.writer, &making.clock, CHANNEL_POINTER, at_ns, &batch.base);
		screen.width_px = (uint32_t)i;
		if (i % 45 == 0)
			write_message(making.writer, &making.clock, CHANNEL_SCREEN_INFO, at_ns,
				&screen.base);
		if (i % 100 == 0)
			write_message(making.writer, &making.clock, CHANNEL_GAPS, at_ns, &gap.base);
	}
	check(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
}

struct identity_of {
	uint64_t key, hash; /* channel and sequence; of the whole record */
};

static int compare_identities(const void *a, const void *b)
{
	const struct identity_of *x = a, *y = b;

	return x->key != y->key ? (x->key < y->key ? -1 : 1)
				: (x->hash > y->hash) - (x->hash < y->hash);
}

/* True if a sequence number is in a range that a file declares as made by copies. */
static bool is_declared(struct session_reader *reader, uint32_t sequence)
{
	for (size_t i = 0;; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		struct mcap_metadata metadata;
		char first[16] = "", count[16] = "";
		uint8_t opcode;
		uint32_t from;

		if (session_reader_aux_record(reader, i, &opcode, &content) <= 0)
			return false;
		if (opcode != MCAP_METADATA ||
			mcap_parse_metadata((struct view){content.data, content.size_bytes, 0},
				&metadata) < 0 ||
			!mcap_string_is(metadata.name, SESSION_COPY_METADATA) ||
			!mcap_find_pair(metadata.pairs, "first_sequence", first, sizeof(first)) ||
			!mcap_find_pair(metadata.pairs, "count", count, sizeof(count)))
			continue;
		from = (uint32_t)strtoul(first, NULL, 10);
		if (sequence >= from && sequence < from + strtoul(count, NULL, 10))
			return true;
	}
}

/* @return the number of messages made by copies */
static size_t collect_identities(struct session_reader *reader, struct buf *identities)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t made = 0;

	check(session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) == 0);
	while (session_cursor_next(cursor, &message) > 0) {
		struct identity_of identity = {
			(uint64_t)message.channel->id << 32 | message.sequence,
			UINT64_C(0xcbf29ce484222325)};

		for (size_t i = 0; i < message.record.size_bytes; i++)
			identity.hash =
				(identity.hash ^ message.record.data[i]) * UINT64_C(0x100000001b3);
		buf_put(identities, &identity, sizeof(identity));
		if (message.sequence < COPY_SEQUENCES)
			continue;
		made++;
		expect(is_declared(reader, message.sequence));
	}
	return made;
}

static struct session_reader *copy_part(
	struct session_reader *reader, const char *name, double from_s, double to_s)
{
	const struct session_copy_options options = {
		.from_ns = from_s < 0 ? INT64_MIN : BEGIN_NS + (int64_t)(from_s * 1e9),
		.to_ns = to_s < 0 ? INT64_MAX : BEGIN_NS + (int64_t)(to_s * 1e9)};
	_autofree_ char *path = temporary_path(name);
	struct session_reader *copied = NULL;
	struct session_copy_result result;

	check(session_copy(reader, path, &options, &result, NULL) == 0);
	check(session_reader_open(&copied, path, NULL) == 0);
	return copied;
}

static struct session_reader *erase_part(const char *name, double from_s, double to_s)
{
	const struct session_erase_options options = {BEGIN_NS + (int64_t)(from_s * 1e9),
		BEGIN_NS + (int64_t)(to_s * 1e9), 1 << MODALITY_SCREEN, "Ana", "asked"};
	_autofree_ char *folder = temporary_path(name);
	_folder_unref_ struct folder *below = open_folder(folder);
	struct session_reader *reader = NULL;
	int64_t gap[2];

	check(session_erase(below, &options, gap, NULL) == 0);
	check(session_reader_open_folder(&reader, folder, NULL) == 0);
	return reader;
}

static void write_again(const char *folder, const char *path)
{
	_autofree_ char *to_folder = temporary_path(folder), *to = temporary_path(path);

	check(mkdir(to_folder, 0700) == 0);
	write_everything(to);
}

static void equal_identities_have_equal_bytes(void)
{
	_autofree_ char *path = temporary_path("identities.mcap");
	_cleanup_(buf_finish) struct buf all = {0};
	struct session_reader *files[8] = {NULL};
	const struct identity_of *found;
	size_t made[8], count;

	/* three copies of one session: equal packets in equal order have equal bytes */
	write_everything(path);
	write_again("one", "one/recording-0001.mcap");
	write_again("two", "two/recording-0001.mcap");
	check(session_reader_open(&files[0], path, NULL) == 0);
	files[1] = copy_part(files[0], "all.mcap", -1, -1);
	files[2] = copy_part(files[0], "a.mcap", 5.02, 10.03);
	files[3] = copy_part(files[0], "b.mcap", 7.04, 12.11);
	files[4] = copy_part(files[2], "aa.mcap", 6.01, 8.07);
	files[5] = erase_part("one", 8.03, 12.04);
	session_reader_destroy(files[5]);
	files[5] = erase_part("one", 15.02, 17); /* once more */
	files[6] = erase_part("two", 8.03, 12.04);
	files[7] = copy_part(files[6], "erased-part.mcap", 9, 14.02);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		made[i] = collect_identities(files[i], &all);
		session_reader_destroy(files[i]);
	}
	/* a whole copy makes none; every other has a batch, shapes or states of its own */
	expect(made[0] == 0 && made[1] == 0);
	for (size_t i = 2; i < ARRAY_SIZE(files); i++)
		expect(made[i] > 0 && made[i] < 100);
	check(buf_error(&all) == 0);
	count = all.size_bytes / sizeof(*found);
	qsort(all.data, count, sizeof(*found), compare_identities);
	found = (const struct identity_of *)(const void *)all.data;
	for (size_t i = 1; i < count; i++)
		expect(found[i - 1].key != found[i].key || found[i - 1].hash == found[i].hash);
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
	/* this client has fallen behind: its shapes are forgotten, and sent again */
	for (int i = 9 * 30; i < 400 * 30; i++)
		push_step(&making, (unsigned)i % STEPS, BEGIN_NS + i * STEP_NS);
	late = (struct observer){0};
	while ((packet = hub_next(hub, &slow)))
		watch(&late, packet);
	expect(slow.skipped > 0 && late.messages > STEPS && late.unknown == 0);
}

static const struct test tests[] = {
	{"equal identities in a session and its copies have equal bytes",
		equal_identities_have_equal_bytes},
	{"each picture of an animated pointer is stored once in a while",
		an_animation_costs_little},
	{"a hidden pointer is no reference", a_pointer_that_is_hidden_is_no_reference},
	{"every reader finds the pixels", every_reader_finds_the_pixels},
	{"a part of a session has the pixels that it refers to",
		a_part_has_the_pixels_it_refers_to},
	{"erasing leaves the pixels of remaining references",
		erasing_leaves_the_pixels_of_what_stays},
	{"a peer that joins or has fallen behind gets all shapes", whoever_joins_has_all_shapes},
};

int main(void)
{
	return RUN_TESTS("pointer_shapes", tests);
}

#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "replay/export/drawing.h"

#include <stdio.h>
#include <string.h>

#define BEGIN_NS (1000 * NS_PER_S)
#define AT(ms)   (BEGIN_NS + (int64_t)(ms)*NS_PER_MS)
#define WIDTH    320
#define HEIGHT   200

/* ---- a session with a pointer, two clicks and keys ---- */

struct making {
	struct session_writer *writer;
	struct session_clock clock;
};

static void push(
	struct making *making, uint16_t channel, int64_t ms, const ProtobufCMessage *message)
{
	write_message(making->writer, &making->clock, channel, AT(ms), message);
}

static void push_shape(struct making *making, int64_t ms, uint32_t side, size_t size)
{
	static uint8_t rgba[64 * 64 * 4];
	Uxrec__PointerShape shape = UXREC__POINTER_SHAPE__INIT;

	/* half transparent red, premultiplied */
	for (size_t i = 0; i < sizeof(rgba); i += 4)
		memcpy(&rgba[i], (uint8_t[]){128, 0, 0, 128}, 4);
	shape.width_px = shape.height_px = side;
	shape.hot_x_px = shape.hot_y_px = 2;
	shape.rgba.data = rgba;
	shape.rgba.len = size;
	push(making, CHANNEL_POINTER_SHAPE, ms, &shape.base);
}

/* three positions, 20 ms apart */
static void push_positions(struct making *making, int64_t ms, int32_t x, int32_t y)
{
	Uxrec__PointerBatch batch = UXREC__POINTER_BATCH__INIT;
	uint32_t dt_us[] = {0, 20000, 20000};
	int32_t xs[] = {x, x + 20, x + 40}, ys[] = {y, y, y};

	batch.n_dt_us = batch.n_x_px = batch.n_y_px = 3;
	batch.dt_us = dt_us;
	batch.x_px = xs;
	batch.y_px = ys;
	push(making, CHANNEL_POINTER, ms, &batch.base);
}

static void push_click(struct making *making, int64_t ms)
{
	Uxrec__ControlBatch batch = UXREC__CONTROL_BATCH__INIT;
	uint32_t dt_us[] = {0, 10000};
	Uxrec__Control controls[] = {
		UXREC__CONTROL__CONTROL_BUTTON_LEFT, UXREC__CONTROL__CONTROL_BUTTON_LEFT};
	int32_t values[] = {1, 0};

	batch.n_dt_us = batch.n_control = batch.n_value = 2;
	batch.dt_us = dt_us;
	batch.control = controls;
	batch.value = values;
	push(making, CHANNEL_CONTROLS, ms, &batch.base);
}

static void push_key(struct making *making, int64_t ms)
{
	Uxrec__KeyClassBatch batch = UXREC__KEY_CLASS_BATCH__INIT;
	uint32_t dt_us = 0, before = 0;
	Uxrec__KeyClass key_class = UXREC__KEY_CLASS__KEY_CLASS_LETTER;
	Uxrec__KeyAction action = UXREC__KEY_ACTION__KEY_ACTION_PRESS;

	batch.n_dt_us = batch.n_key_class = batch.n_action = batch.n_buttons_before = 1;
	batch.dt_us = &dt_us;
	batch.key_class = &key_class;
	batch.action = &action;
	batch.buttons_before = &before;
	push(making, CHANNEL_KEY_CLASSES, ms, &batch.base);
}

/* a shortcut whose key has no text label */
static void push_shortcut(struct making *making, int64_t ms)
{
	Uxrec__KeyboardLayout layout = UXREC__KEYBOARD_LAYOUT__INIT;
	Uxrec__KeyboardLayout__Label label = UXREC__KEYBOARD_LAYOUT__LABEL__INIT, *labels = &label;
	Uxrec__ShortcutBatch batch = UXREC__SHORTCUT_BATCH__INIT;
	uint32_t dt_us = 0, before = 0, code = 30, modifiers = 1 << 1;

	label.code = code;
	label.text = (char *)"\xff\xc3";
	layout.labels = &labels;
	layout.n_labels = 1;
	push(making, CHANNEL_KEYBOARD_LAYOUT, ms, &layout.base);
	batch.n_dt_us = batch.n_code = batch.n_modifiers = batch.n_buttons_before = 1;
	batch.dt_us = &dt_us;
	batch.code = &code;
	batch.modifiers = &modifiers;
	batch.buttons_before = &before;
	push(making, CHANNEL_SHORTCUTS, ms, &batch.base);
}

static struct session *make_session(void)
{
	_autofree_ char *path = temporary_path("drawing.mcap");
	Uxrec__KeyPolicy policy = UXREC__KEY_POLICY__INIT;
	struct making making = {0};
	struct session *session;

	unlink(path);
	check(session_writer_create(&making.writer, path, SESSION_WRITER_RECORDING) == 0);
	policy.level = UXREC__KEY_POLICY__LEVEL__LEVEL_CLASSES;
	push(&making, CHANNEL_KEY_POLICY, 0, &policy.base);
	push_positions(&making, 100, 100, 50); /* shape not known yet */
	push_shape(&making, 500, 8, 8 * 8 * 4);
	push_shape(&making, 600, 8, 8 * 8 * 4 - 1); /* damaged: a dot */
	push_shape(&making, 601, UINT32_MAX, 4);
	push_shape(&making, 650, 8, 8 * 8 * 4);
	push_positions(&making, 1000, 200, 80);
	push_click(&making, 1100);
	push_key(&making, 3000);
	push_key(&making, 3100);
	push_shape(&making, 6000, 0, 0); /* hidden */
	push_shortcut(&making, 8000);
	check(session_writer_finish(making.writer) == 0);
	session_writer_destroy(making.writer);
	check(session_open_path(&session, path, NULL) == 0);
	return session;
}

/* ---- inspecting ---- */

static uint8_t gray[WIDTH * HEIGHT * 4];

static struct frame screen_of(int width, int height)
{
	memset(gray, 100, sizeof(gray));
	return (struct frame){
		.width = width, .height = height, .stride_bytes = width * 4, .pixels = gray};
}

static struct frame draw(struct drawing *drawing, int64_t ms)
{
	struct frame screen = screen_of(WIDTH, HEIGHT), drawn;

	check(drawing_draw(drawing, &screen, WIDTH, HEIGHT, AT(ms), &drawn) == 0);
	return drawn;
}

static const uint8_t *pixel(const struct frame *frame, int x, int y)
{
	return frame->pixels + (ptrdiff_t)y * frame->stride_bytes + (ptrdiff_t)x * 4;
}

static bool is_bgr(const struct frame *frame, int x, int y, int b, int g, int r)
{
	const uint8_t *at = pixel(frame, x, y);

	return abs(at[0] - b) <= 2 && abs(at[1] - g) <= 2 && abs(at[2] - r) <= 2;
}

/* number of pixels of an area that differ from the screen's */
static int changed(const struct frame *frame, int x, int y, int width, int height)
{
	int count = 0;

	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++)
			count += !is_bgr(frame, column, row, 100, 100, 100);
	return count;
}

static struct drawing *drawing_of(const struct session *session, unsigned parts)
{
	struct drawing *drawing;

	check(drawing_create(&drawing, session, parts, NULL) == 0);
	return drawing;
}

/* ---- tests ---- */

static void the_pointer_is_where_it_was_in_its_shape(void)
{
	_destroy_(session) struct session *session = make_session();
	_destroy_(drawing) struct drawing *drawing = drawing_of(session, DRAWING_POINTER);
	struct frame drawn = draw(drawing, 50);

	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	drawn = draw(drawing, 119);
	expect(is_bgr(&drawn, 100, 50, 0x6b, 0x6b, 0x0f)); /* a dot */
	drawn = draw(drawing, 120);
	expect(changed(&drawn, 90, 40, 15, 20) == 0 && is_bgr(&drawn, 120, 50, 0x6b, 0x6b, 0x0f));
	drawn = draw(drawing, 640);
	expect(is_bgr(&drawn, 140, 50, 0x6b, 0x6b, 0x0f));
	drawn = draw(drawing, 700);
	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 64);
	expect(changed(&drawn, 138, 48, 8, 8) == 64 && is_bgr(&drawn, 138, 48, 50, 50, 178));
	drawn = draw(drawing, 5000);
	expect(changed(&drawn, 238, 78, 8, 8) == 64);
	drawn = draw(drawing, 6000);
	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	/* backwards */
	drawn = draw(drawing, 1020);
	expect(changed(&drawn, 218, 78, 8, 8) == 64 && changed(&drawn, 0, 0, WIDTH, HEIGHT) == 64);
}

static void a_click_is_a_ring_that_grows_and_goes(void)
{
	_destroy_(session) struct session *session = make_session();
	_destroy_(drawing) struct drawing *drawing = drawing_of(session, DRAWING_CLICKS);
	struct frame drawn = draw(drawing, 1099);

	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	drawn = draw(drawing, 1100);
	expect(is_bgr(&drawn, 240 + 10, 80, 0x0c, 0x59, 0xe8) ||
		is_bgr(&drawn, 240 + 9, 80, 0x0c, 0x59, 0xe8));
	expect(changed(&drawn, 200, 40, 80, 80) == changed(&drawn, 0, 0, WIDTH, HEIGHT));
	drawn = draw(drawing, 1400);
	expect(changed(&drawn, 230, 70, 20, 20) == 0);
	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) > 100);
	drawn = draw(drawing, 1800);
	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	expect(drawing_next(drawing, AT(0)) == AT(1100));
	expect(drawing_next(drawing, AT(1100)) > AT(1120) &&
		drawing_next(drawing, AT(1100)) < AT(1140));
	expect(drawing_next(drawing, AT(1799)) == AT(1800));
	expect(drawing_next(drawing, AT(1800)) == INT64_MAX);
}

static void keys_are_chips_of_their_classes(void)
{
	_destroy_(session) struct session *session = make_session();
	_destroy_(drawing) struct drawing *drawing = drawing_of(session, DRAWING_KEYS);
	struct frame drawn = draw(drawing, 2999);
	int one, two;

	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	drawn = draw(drawing, 3050);
	one = changed(&drawn, 16, HEIGHT - 44, WIDTH - 16, 28);
	expect(one > 28 * 28 && one == changed(&drawn, 0, 0, WIDTH, HEIGHT));
	drawn = draw(drawing, 3150);
	two = changed(&drawn, 0, 0, WIDTH, HEIGHT);
	expect(two >= one); /* with a repeat count, if there is a font */
	drawn = draw(drawing, 4600);
	expect(changed(&drawn, 0, 0, WIDTH, HEIGHT) == 0);
	expect(drawing_next(drawing, AT(0)) == AT(3000));
	expect(drawing_next(drawing, AT(3100)) == AT(4500));
	expect(drawing_next(drawing, AT(4500)) == AT(4600));
	drawn = draw(drawing, 8050);
	expect(changed(&drawn, 16, HEIGHT - 44, WIDTH - 16, 28) > 28 * 28);
}

static void a_picture_of_another_size_is_whole_and_in_the_middle(void)
{
	_destroy_(session) struct session *session = make_session();
	_destroy_(drawing) struct drawing *drawing = drawing_of(session, DRAWING_POINTER);
	struct frame screen = screen_of(160, 100), drawn;

	check(drawing_draw(drawing, &screen, 320, 300, AT(0), &drawn) == 0);
	expect(drawn.width == 320 && drawn.height == 300);
	expect(is_bgr(&drawn, 0, 49, 0, 0, 0) && is_bgr(&drawn, 319, 250, 0, 0, 0));
	expect(is_bgr(&drawn, 2, 52, 100, 100, 100) && is_bgr(&drawn, 317, 247, 100, 100, 100));
	/* an odd size is not scaled; its edge is doubled */
	screen = screen_of(159, 99);
	check(drawing_draw(drawing, &screen, 160, 100, AT(130), &drawn) == 0);
	expect(is_bgr(&drawn, 159, 99, 100, 100, 100) && is_bgr(&drawn, 0, 0, 100, 100, 100));
	expect(is_bgr(&drawn, 120, 50, 0x6b, 0x6b, 0x0f));
	/* many sizes, up and down */
	for (int side = 1; side < 100; side += 7) {
		screen = screen_of(side, 100 - side);
		check(drawing_draw(drawing, &screen, 101 - side, side, AT(130), &drawn) == 0);
	}
}

int main(void)
{
	static const struct test tests[] = {
		{"the pointer is where it was, in its shape",
			the_pointer_is_where_it_was_in_its_shape},
		{"a click is a ring that grows and fades", a_click_is_a_ring_that_grows_and_goes},
		{"keys are chips of their classes", keys_are_chips_of_their_classes},
		{"a picture of another size is whole and in the middle",
			a_picture_of_another_size_is_whole_and_in_the_middle},
	};

	return RUN_TESTS("drawing", tests);
}

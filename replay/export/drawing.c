#include "replay/export/drawing.h"

#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "replay/session/timeline.h"
#include "replay/session/track.h"
#include "protocol/base/utf8.h"

#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Same as on the pages. */
#define RING_NS (700 * NS_PER_MS)
#define STEP_NS (NS_PER_S / 30)
#define KEYS_NS (1500 * NS_PER_MS)
/* number of chips that fit in a row */
#define CHIPS 6

struct drawing {
	const struct session *session;
	unsigned parts;
	struct track *track;
	struct timeline *timeline; /* NULL when neither clicks nor keys are drawn */
	int64_t at_ns;
	cairo_surface_t *surface;
	int width, height; /* size of the surface */
};

static const struct {
	const char *name;
	unsigned part;
} parts[] = {
	{"patches", DRAWING_PATCHES},
	{"pointer", DRAWING_POINTER},
	{"clicks", DRAWING_CLICKS},
	{"keys", DRAWING_KEYS},
};

unsigned drawing_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].name, name) == 0)
			return parts[i].part;
	return 0;
}

int drawing_create(
	struct drawing **ret, const struct session *session, unsigned wanted, struct error *reterr)
{
	_destroy_(drawing) struct drawing *drawing = calloc(1, sizeof(*drawing));
	int r = drawing ? 0 : -ENOMEM;

	if (r == 0) {
		drawing->session = session;
		drawing->parts = wanted;
	}
	if (r == 0 && wanted & DRAWING_POINTER)
		r = track_create(&drawing->track, session->reader);
	if (r == 0 && wanted & (DRAWING_CLICKS | DRAWING_KEYS))
		r = timeline_create(&drawing->timeline, session);
	if (r < 0)
		return error_set(
			reterr, r, "pointer, clicks and keys cannot be drawn: %s", strerror(-r));
	*ret = steal_ptr(drawing);
	return 0;
}

void drawing_destroy(struct drawing *drawing)
{
	if (!drawing)
		return;
	cairo_surface_destroy(drawing->surface);
	track_destroy(drawing->track);
	timeline_destroy(drawing->timeline);
	free(drawing);
}

/* ---- times of changes ---- */

/* The first press after a time. */
static size_t press_after(const struct timeline *timeline, int64_t at_ns)
{
	return bisect(timeline->press_count, i, timeline->presses[i].at_ns <= at_ns);
}

static bool is_drawn(const struct drawing *drawing, const struct timeline_press *press)
{
	return (press->kind == PRESS_BUTTON && drawing->parts & DRAWING_CLICKS && press->x >= 0) ||
		(press->kind == PRESS_KEY && drawing->parts & DRAWING_KEYS);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The next start, animation step or end of a drawn press. */
static int64_t press_next(const struct timeline_press *press, int64_t after_ns)
{
	if (press->at_ns > after_ns)
		return press->at_ns;
	if (press->kind == PRESS_BUTTON)
		return press->at_ns + RING_NS > after_ns
			? least(after_ns + STEP_NS, press->at_ns + RING_NS)
			: INT64_MAX;
	return press->at_ns + KEYS_NS > after_ns ? press->at_ns + KEYS_NS : INT64_MAX;
}

static int64_t presses_next(const struct drawing *drawing, int64_t after_ns)
{
	const struct timeline *timeline = drawing->timeline;
	int64_t next_ns = INT64_MAX;

	for (size_t i = press_after(timeline, after_ns - KEYS_NS); i < timeline->press_count; i++) {
		const struct timeline_press *press = &timeline->presses[i];

		if (press->at_ns >= next_ns)
			break;
		if (is_drawn(drawing, press))
			next_ns = least(next_ns, press_next(press, after_ns));
	}
	return next_ns;
}

static int64_t notes_next(const struct drawing *drawing, int64_t after_ns)
{
	const struct timeline *timeline = drawing->timeline;
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < timeline->note_count; i++) {
		int64_t at_ns = timeline->notes[i].at_ns;

		if (timeline->notes[i].is_policy || at_ns + KEYS_NS <= after_ns)
			continue;
		next_ns = least(next_ns, at_ns > after_ns ? at_ns : at_ns + KEYS_NS);
	}
	return next_ns;
}

int64_t drawing_next(const struct drawing *drawing, int64_t after_ns)
{
	int64_t next_ns = INT64_MAX;

	if (drawing->track)
		next_ns = least(next_ns, track_next(drawing->track));
	if (drawing->timeline)
		next_ns = least(next_ns, presses_next(drawing, after_ns));
	if (drawing->timeline && drawing->parts & DRAWING_KEYS)
		next_ns = least(next_ns, notes_next(drawing, after_ns));
	return next_ns;
}

/* ---- drawing ---- */

static void draw_dot(cairo_t *to, int x, int y)
{
	cairo_arc(to, x, y, 6, 0, 2 * M_PI);
	cairo_set_source_rgb(to, 0x0f / 255.0, 0x6b / 255.0, 0x6b / 255.0);
	cairo_fill_preserve(to);
	cairo_set_source_rgb(to, 1, 1, 1);
	cairo_set_line_width(to, 2);
	cairo_stroke(to);
}

static void draw_shape(cairo_t *to, int x, int y, const Uxrec__PointerShape *shape)
{
	cairo_surface_t *image = cairo_image_surface_create(
		CAIRO_FORMAT_ARGB32, (int)shape->width_px, (int)shape->height_px);
	unsigned char *pixels = cairo_image_surface_get_data(image);
	const uint8_t *from = shape->rgba.data;
	int stride = cairo_image_surface_get_stride(image);

	for (uint32_t row = 0; pixels && row < shape->height_px; row++)
		for (uint32_t i = 0; i < shape->width_px; i++, from += 4) {
			uint32_t pixel = (uint32_t)from[3] << 24 | (uint32_t)from[0] << 16 |
				(uint32_t)from[1] << 8 | from[2];

			memcpy(pixels + (ptrdiff_t)row * stride + (ptrdiff_t)i * 4, &pixel, 4);
		}
	cairo_surface_mark_dirty(image);
	cairo_set_source_surface(to, image, x - (int)shape->hot_x_px, y - (int)shape->hot_y_px);
	cairo_paint(to);
	cairo_surface_destroy(image);
}

static void draw_pointer(const struct drawing *drawing, cairo_t *to)
{
	const Uxrec__PointerShape *shape = track_shape(drawing->track);
	int x, y;

	if (!track_position(drawing->track, &x, &y))
		return;
	if (!shape)
		draw_dot(to, x, y);
	else if (shape->rgba.len > 0) /* otherwise hidden by the program under test */
		draw_shape(to, x, y, shape);
}

static void draw_ring(cairo_t *to, const struct timeline_press *press, int64_t at_ns, double scale)
{
	double age = (double)(at_ns - press->at_ns) / (double)RING_NS;

	cairo_new_path(to);
	cairo_arc(to, press->x, press->y, (10 + 26 * age) * scale, 0, 2 * M_PI);
	cairo_set_source_rgba(to, 1, 1, 1, 1 - age);
	cairo_set_line_width(to, 4 * scale);
	cairo_stroke_preserve(to);
	if (press->which == 1)
		cairo_set_source_rgba(to, 0xe8 / 255.0, 0x59 / 255.0, 0x0c / 255.0, 1 - age);
	else
		cairo_set_source_rgba(to, 0x19 / 255.0, 0x71 / 255.0, 0xc2 / 255.0, 1 - age);
	cairo_set_line_width(to, 2.5 * scale);
	cairo_stroke(to);
}

static void draw_rings(const struct drawing *drawing, cairo_t *to, int64_t at_ns, double scale)
{
	const struct timeline *timeline = drawing->timeline;

	for (size_t i = press_after(timeline, at_ns - RING_NS);
		i < timeline->press_count && timeline->presses[i].at_ns <= at_ns; i++) {
		const struct timeline_press *press = &timeline->presses[i];

		if (press->kind == PRESS_BUTTON && press->x >= 0)
			draw_ring(to, press, at_ns, scale);
	}
}

/* ---- keys ---- */

/* Repeated keys are one chip. */
struct chip {
	char text[48];
	unsigned times;
};

struct chips {
	struct chip list[CHIPS];
	size_t count;
};

static void add_chip(struct chips *chips, const char *text)
{
	struct chip *last = chips->count ? &chips->list[chips->count - 1] : NULL;

	if (last && strcmp(last->text, text) == 0) {
		last->times++;
		return;
	}
	if (chips->count == CHIPS)
		memmove(&chips->list[0], &chips->list[1], --chips->count * sizeof(*last));
	last = &chips->list[chips->count++];
	last->times = 1;
	utf8_copy(last->text, sizeof(last->text), text);
}

static const char *class_name(unsigned which)
{
	static const char *const names[] = {"key", "letter", "digit", "space", "punctuation",
		"navigation", "editing", "modifier", "function", "media"};

	return names[which < ARRAY_SIZE(names) ? which : 0];
}

/* Keys and shortcuts up to a time, in order. */
static void collect_chips(const struct drawing *drawing, int64_t at_ns, struct chips *ret)
{
	const struct timeline *timeline = drawing->timeline;
	size_t note = 0;

	for (size_t i = press_after(timeline, at_ns - KEYS_NS);; i++) {
		const struct timeline_press *press = &timeline->presses[i];
		bool more = i < timeline->press_count && press->at_ns <= at_ns;

		for (; note < timeline->note_count && timeline->notes[note].at_ns <= at_ns &&
			(!more || timeline->notes[note].at_ns <= press->at_ns);
			note++)
			if (!timeline->notes[note].is_policy &&
				timeline->notes[note].at_ns > at_ns - KEYS_NS)
				add_chip(ret, timeline->notes[note].text);
		if (!more)
			return;
		if (press->kind == PRESS_KEY)
			add_chip(ret, class_name(press->which));
	}
}

static void draw_chip(cairo_t *to, const struct chip *chip, double *x, double bottom, double scale)
{
	char text[64];
	cairo_text_extents_t extents;

	utf8_format(text, sizeof(text), chip->times > 1 ? "%s \u00d7%u" : "%s", chip->text,
		chip->times);
	cairo_text_extents(to, text, &extents);
	cairo_rectangle(to, *x, bottom - 28 * scale, extents.x_advance + 20 * scale, 28 * scale);
	cairo_set_source_rgba(to, 0.1, 0.1, 0.1, 0.8);
	cairo_fill(to);
	cairo_set_source_rgb(to, 1, 1, 1);
	cairo_move_to(to, *x + 10 * scale, bottom - 9 * scale);
	cairo_show_text(to, text);
	*x += extents.x_advance + 28 * scale;
}

static void draw_keys(
	const struct drawing *drawing, cairo_t *to, int64_t at_ns, int height, double scale)
{
	struct chips chips = {.count = 0};
	double x = 16 * scale;

	collect_chips(drawing, at_ns, &chips);
	cairo_select_font_face(to, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(to, 16 * scale);
	for (size_t i = 0; i < chips.count; i++)
		draw_chip(to, &chips.list[i], &x, height - 16 * scale, scale);
}

/* ---- composition ---- */

static int make_room(struct drawing *drawing, int width, int height)
{
	if (drawing->surface && width == drawing->width && height == drawing->height)
		return 0;
	cairo_surface_destroy(drawing->surface);
	drawing->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
	drawing->width = width;
	drawing->height = height;
	return cairo_surface_status(drawing->surface) == CAIRO_STATUS_SUCCESS ? 0 : -ENOMEM;
}

/* Scaled to fit and centred; from here on the unit is the screen's pixel. */
static void paint_frame(cairo_t *to, const struct drawing *drawing, const struct frame *frame)
{
	double x = (double)drawing->width / frame->width;
	double y = (double)drawing->height / frame->height;
	double scale = x < y ? x : y;
	/* cairo has no read-only surfaces */
	cairo_surface_t *picture =
		cairo_image_surface_create_for_data((unsigned char *)frame->pixels,
			CAIRO_FORMAT_RGB24, frame->width, frame->height, frame->stride_bytes);

	/* do not scale for the padding of an odd screen */
	if (drawing->width - frame->width < 2 && drawing->height - frame->height < 2 && scale > 1)
		scale = 1;
	if (scale != 1) {
		cairo_set_source_rgb(to, 0, 0, 0);
		cairo_paint(to);
		cairo_translate(to, (drawing->width - frame->width * scale) / 2,
			(drawing->height - frame->height * scale) / 2);
		cairo_scale(to, scale, scale);
	}
	cairo_set_source_surface(to, picture, 0, 0);
	cairo_pattern_set_extend(cairo_get_source(to), CAIRO_EXTEND_PAD);
	if (scale == 1) {
		cairo_paint(to);
	} else {
		cairo_rectangle(to, 0, 0, frame->width, frame->height);
		cairo_fill(to);
	}
	cairo_set_source_rgb(to, 0, 0, 0);
	cairo_surface_destroy(picture);
}

static int draw_all(struct drawing *drawing, cairo_t *to, const struct frame *frame, int64_t at_ns)
{
	double scale = frame->width > 1280 ? frame->width / 1280.0 : 1;
	int r = 0;

	cairo_set_operator(to, CAIRO_OPERATOR_SOURCE);
	paint_frame(to, drawing, frame);
	cairo_set_operator(to, CAIRO_OPERATOR_OVER);
	if (drawing->timeline && drawing->parts & DRAWING_CLICKS)
		draw_rings(drawing, to, at_ns, scale);
	if (drawing->track)
		r = track_seek(drawing->track, at_ns);
	if (drawing->track && r == 0)
		draw_pointer(drawing, to);
	if (drawing->timeline && drawing->parts & DRAWING_KEYS)
		draw_keys(drawing, to, at_ns, frame->height, scale);
	return r;
}

/* Finish drawing on the surface, and return its pixels. */
static int finish(struct drawing *drawing, cairo_t *to, int64_t time_ns, struct frame *ret)
{
	int r = cairo_status(to) == CAIRO_STATUS_SUCCESS ? 0 : -ENOMEM;

	cairo_destroy(to);
	cairo_surface_flush(drawing->surface);
	*ret = (struct frame){.time_ns = time_ns,
		.width = drawing->width,
		.height = drawing->height,
		.stride_bytes = cairo_image_surface_get_stride(drawing->surface),
		.pixels = cairo_image_surface_get_data(drawing->surface)};
	return r;
}

int drawing_draw(struct drawing *drawing, const struct frame *frame, int width, int height,
	int64_t at_ns, struct frame *ret)
{
	cairo_t *to;
	int r = make_room(drawing, width, height), finished;

	if (r < 0)
		return r;
	to = cairo_create(drawing->surface);
	r = draw_all(drawing, to, frame, at_ns);
	finished = finish(drawing, to, frame->time_ns, ret);
	return r < 0 ? r : finished;
}

int drawing_blank(
	struct drawing *drawing, int width, int height, const char *text, struct frame *ret)
{
	int r = make_room(drawing, width, height);
	cairo_text_extents_t extents;
	cairo_t *to;

	if (r < 0)
		return r;
	to = cairo_create(drawing->surface);
	cairo_set_source_rgb(to, 0.1, 0.1, 0.1);
	cairo_paint(to);
	cairo_select_font_face(to, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(to, 16);
	cairo_text_extents(to, text, &extents);
	/* half of the picture's width */
	if (extents.width > 0)
		cairo_set_font_size(to, 16 * width / 2 / extents.width);
	cairo_text_extents(to, text, &extents);
	cairo_set_source_rgb(to, 0.85, 0.85, 0.85);
	cairo_move_to(to, (width - extents.width) / 2, height / 2.0);
	cairo_show_text(to, text);
	return finish(drawing, to, 0, ret);
}

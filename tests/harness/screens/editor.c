#include "tests/harness/screens/editor.h"

#include "tests/harness/helpers.h"

#include <stdio.h>
#include <string.h>

#define PAPER 0xffffff
#define INK   0x1f2328
#define PANEL 0xf0f2f5
#define EDGE  0x8c959f

#define TEXT_X      320
#define TEXT_Y      50
#define TEXT_WIDTH  900
#define LINE_HEIGHT 18
#define CELL_WIDTH  10
#define LINES       56
#define LINE_CELLS  (TEXT_WIDTH / CELL_WIDTH)

#define FILM_X 1252
#define FILM_Y 660

#define DIALOG_WIDTH  300
#define DIALOG_HEIGHT 200

static int chance(struct editor *editor, int below)
{
	return (int)(next_random(&editor->random_state) % (uint64_t)below);
}

static uint32_t *pixels_at(struct editor *editor, int x, int y)
{
	return &editor->screen.pixels[y * EDITOR_WIDTH + x];
}

static void copy(struct editor *editor, int x, int y, int width, int height)
{
	canvas_put(editor->canvas, &(struct rect){x, y, width, height},
		(uint8_t *)pixels_at(editor, x, y), 4 * EDITOR_WIDTH);
}

/* ---- text ---- */

static void draw_letter(struct editor *editor, int line, int cell)
{
	static const uint32_t inks[] = {INK, INK, INK, 0x0550ae, 0xcf222e, 0x116329};
	char text[] = {(char)('a' + chance(editor, 26)), '\0'};
	int x = TEXT_X + cell * CELL_WIDTH, y = TEXT_Y + line * LINE_HEIGHT;

	if (chance(editor, 6) == 0)
		text[0] = ' ';
	image_fill(&editor->screen, x, y, CELL_WIDTH, LINE_HEIGHT, PAPER);
	image_text(&editor->screen, &editor->mono, x, y, inks[line % ARRAY_SIZE(inks)], text);
}

static void draw_line(struct editor *editor, int line, int cells)
{
	int written = 20 + chance(editor, cells - 20);

	image_fill(&editor->screen, TEXT_X, TEXT_Y + line * LINE_HEIGHT, cells * CELL_WIDTH,
		LINE_HEIGHT, PAPER);
	for (int cell = 0; cell < written; cell++)
		draw_letter(editor, line, cell);
}

/* typing overwrites the present text, line by line */
static void type(struct editor *editor, int number)
{
	int line = number / LINE_CELLS % LINES, cell = number % LINE_CELLS;

	draw_letter(editor, line, cell);
	copy(editor, TEXT_X + cell * CELL_WIDTH, TEXT_Y + line * LINE_HEIGHT, CELL_WIDTH,
		LINE_HEIGHT);
}

/* ---- changes ---- */

static void blink(struct editor *editor, int number)
{
	int x = TEXT_X + 401, y = TEXT_Y + 20 * LINE_HEIGHT;

	(void)number;
	editor->caret = !editor->caret;
	image_fill(&editor->screen, x, y, 2, LINE_HEIGHT, editor->caret ? INK : PAPER);
	copy(editor, x, y, 2, LINE_HEIGHT);
}

static void change_line(struct editor *editor, int number)
{
	int line = number * 5 % LINES;

	draw_line(editor, line, 80);
	copy(editor, TEXT_X, TEXT_Y + line * LINE_HEIGHT, 80 * CELL_WIDTH, LINE_HEIGHT);
}

static void draw_dialog(struct editor *editor, int x, int y)
{
	static const char *const lines[] = {"The document has been changed.",
		"Do you want to save it before", "the window is closed?"};
	struct image *screen = &editor->screen;

	image_fill(screen, x, y, DIALOG_WIDTH, DIALOG_HEIGHT, EDGE);
	image_fill(screen, x + 1, y + 1, DIALOG_WIDTH - 2, DIALOG_HEIGHT - 2, 0xf6f8fa);
	image_fill(screen, x + 1, y + 1, DIALOG_WIDTH - 2, 26, 0x3b5998);
	image_text(screen, &editor->sans, x + 12, y + 6, PAPER, "Save changes?");
	for (int i = 0; i < (int)ARRAY_SIZE(lines); i++)
		image_text(screen, &editor->sans, x + 24, y + 52 + 22 * i, INK, lines[i]);
	for (int i = 0; i < 2; i++) {
		image_fill(screen, x + 60 + 120 * i, y + 150, 90, 30, i ? 0x2da44e : 0xd0d7de);
		image_text(screen, &editor->sans, x + 85 + 120 * i, y + 157, i ? PAPER : INK,
			i ? "Save" : "Cancel");
	}
}

/* Open the dialog at a random place; close it at the next change. */
static void change_dialog(struct editor *editor, int number)
{
	bool comes = number % 2 == 0;
	struct rect *dialog = &editor->dialog;

	if (comes)
		*dialog = (struct rect){100 + chance(editor, EDITOR_WIDTH - 500),
			100 + chance(editor, EDITOR_HEIGHT - 400), DIALOG_WIDTH, DIALOG_HEIGHT};
	for (int row = 0; row < dialog->height; row++) {
		uint32_t *shown = pixels_at(editor, dialog->x, dialog->y + row);
		uint32_t *kept = editor->below + (ptrdiff_t)row * dialog->width;

		memcpy(comes ? kept : shown, comes ? shown : kept,
			sizeof(*kept) * (size_t)dialog->width);
	}
	if (comes)
		draw_dialog(editor, dialog->x, dialog->y);
	copy(editor, dialog->x, dialog->y, dialog->width, dialog->height);
}

static void type_for_a_second(struct editor *editor, int number)
{
	for (int i = 0; i < 8; i++)
		type(editor, number * 8 + i);
	blink(editor, number);
}

static void scroll(struct editor *editor, int number)
{
	const int by = 3;

	(void)number;
	for (int y = TEXT_Y; y < TEXT_Y + (LINES - by) * LINE_HEIGHT; y++)
		memcpy(pixels_at(editor, TEXT_X, y),
			pixels_at(editor, TEXT_X, y + by * LINE_HEIGHT), 4 * TEXT_WIDTH);
	for (int line = LINES - by; line < LINES; line++)
		draw_line(editor, line, LINE_CELLS);
	copy(editor, TEXT_X, TEXT_Y, TEXT_WIDTH, LINES * LINE_HEIGHT);
}

static void play(struct editor *editor, int number)
{
	motion_draw(&editor->motion, &editor->film, number);
	for (int row = 0; row < MOTION_HEIGHT; row++)
		memcpy(pixels_at(editor, FILM_X, FILM_Y + row),
			&editor->film.pixels[row * MOTION_WIDTH], 4 * MOTION_WIDTH);
	copy(editor, FILM_X, FILM_Y, MOTION_WIDTH, MOTION_HEIGHT);
}

const struct editor_change editor_changes[EDITOR_CHANGES] = {
	{"letter", "a letter, in 10x18", type},
	{"caret", "a caret, 2x18", blink},
	{"line", "a line of text, 800x18", change_line},
	{"dialog", "a dialog that comes or goes, 300x200", change_dialog},
	{"typing", "a second of typing at once, eight letters and the caret", type_for_a_second},
	{"scroll", "text that scrolls, 900x1008", scroll},
	{"film", "a film of 640x360", play},
};

void editor_change(struct editor *editor, int kind, int number)
{
	/* pixels equal by chance are no change */
	for (editor->canvas->changed.count = 0; editor->canvas->changed.count == 0;)
		editor_changes[kind].make(editor, number);
}

/* ---- the desktop ---- */

static void draw_desktop(struct editor *editor)
{
	struct image *screen = &editor->screen;
	char label[32];

	image_fill(screen, 0, 0, EDITOR_WIDTH, EDITOR_HEIGHT, PANEL);
	for (int y = 0; y < EDITOR_HEIGHT; y++)
		image_fill(screen, TEXT_X + TEXT_WIDTH + 12, y, EDITOR_WIDTH, 1,
			(uint32_t)(0x30 + y / 24) << 16 | (uint32_t)(0x48 + y / 32) << 8 | 0x68);
	image_fill(screen, TEXT_X - 60, TEXT_Y - 10, TEXT_WIDTH + 72, EDITOR_HEIGHT, PAPER);
	for (int line = 0; line < LINES; line++) {
		int y = TEXT_Y + line * LINE_HEIGHT;

		draw_line(editor, line, LINE_CELLS);
		snprintf(label, sizeof(label), "%4d", line + 1);
		image_text(screen, &editor->mono, TEXT_X - 50, y, EDGE, label);
		snprintf(label, sizeof(label), "module_%03x.c", (unsigned)chance(editor, 4096));
		image_text(screen, &editor->sans, 24, y, INK, label);
	}
	copy(editor, 0, 0, EDITOR_WIDTH, EDITOR_HEIGHT);
}

void editor_create(struct editor *editor, uint64_t seed)
{
	*editor = (struct editor){.random_state = seed};
	image_create(&editor->screen, EDITOR_WIDTH, EDITOR_HEIGHT);
	image_create(&editor->film, MOTION_WIDTH, MOTION_HEIGHT);
	font_load(&editor->mono, "mono");
	font_load(&editor->sans, "sans");
	motion_create(&editor->motion, seed);
	editor->below = calloc(DIALOG_WIDTH * DIALOG_HEIGHT, sizeof(*editor->below));
	check(editor->below &&
		canvas_create(&editor->canvas, EDITOR_WIDTH, EDITOR_HEIGHT, CHROMA_420) == 0);
	draw_desktop(editor);
}

void editor_destroy(struct editor *editor)
{
	canvas_destroy(steal_ptr(editor->canvas));
	image_free(&editor->screen);
	image_free(&editor->film);
	font_free(&editor->mono);
	font_free(&editor->sans);
	motion_free(&editor->motion);
	free(steal_ptr(editor->below));
}

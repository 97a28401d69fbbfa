/*
 * A desktop script, the same in every run: text is typed and scrolled, windows are dragged, a video plays, the pointer
 * moves. Deterministic from a seed; reports times on standard output.
 *
 *   desktop_script [--seconds N] [--speed N] [--loops N] [--seed N] [--phases NAME,NAME] [--golden DIR] [--steps]
 *                  [--wayland] [--as UID]
 *
 * Shows its windows, prints "ready", and waits for a line "go [PID…]" on standard input. Then it prints, with
 * CLOCK_MONOTONIC and CLOCK_REALTIME in ns right after the server has drawn:
 *
 *   mark M R                          a square at the top left has become white
 *   begin PHASE M R, end PHASE M R    a phase; its last second is a rest, so that it pays for its own end
 *   cpu PHASE PID NS                  CPU time of the process and its children in that phase
 *   golden PHASE KIND FILE X Y WIDTH HEIGHT M R    a part of the screen, as pixels B G R X, in a file of DIR
 *   step PHASE NUMBER M R             with --steps: one change
 *   done M R
 *
 * and exits at the end of its standard input; any line there changes the square. --speed speeds everything up by that
 * factor.
 */

#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"
#include "tests/harness/screens/motion.h"
#include "tests/harness/screens/stage.h"
#include "tests/harness/screens/wayland_pointer.h"
#include "tests/harness/spent.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xcb/xtest.h>

#define WIDTH        1920
#define HEIGHT       1080
#define MANAGER_NS   (20 * NS_PER_S)
#define PIDS         16
#define READING_NS   (200 * NS_PER_MS)
#define REST_NS      NS_PER_S
#define GOLDENS      3 /* per phase */
#define MARK         64
#define CONTROL_LINE 512

#define INK   0x1f2328
#define PAPER 0xffffff
#define NIGHT 0x12181f

#define FORM_X  960
#define FORM_Y  60
#define NOTES_X 1480
#define NOTES_Y 60

#define TERM_COLUMNS 100
#define TERM_ROWS    32
#define TERM_MARGIN  4

#define FIELDS       6
#define FIELD_X      150
#define FIELD_WIDTH  300
#define FIELD_HEIGHT 28

static struct {
	int seconds, loops, as;
	double speed;
	uint64_t seed;
	const char *golden, *phases;
	bool steps, wayland;
} wish = {.seconds = 20, .loops = 1, .speed = 1, .seed = 1};

static struct stage stage;
static struct window backdrop, terminal, form, notes, film, mark;
static struct motion_picture motion;
static uint64_t random_state;
static pid_t pids[PIDS];
static int pid_count, pointer_fd = -1;

static int chance(int below)
{
	return (int)(next_random(&random_state) % (uint64_t)below);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" %" PRId64 " %" PRId64 "\n", clock_now_ns(), clock_read_ns(CLOCK_REALTIME));
	fflush(stdout);
}

/* ---- text ---- */

static const char *const words[] = {"the", "quick", "report", "of", "user", "session", "kernel",
	"was", "found", "in", "window", "and", "packet", "written", "to", "file", "at", "0x7f3a",
	"error:", "with", "libscreen.so", "after", "12.4", "ms", "retrying", "(null)", "build",
	"target", "tests/unit", "a"};

static void make_line(char *line, size_t size)
{
	size_t length = 0, most = 20 + (size_t)chance((int)size - 24);

	line[0] = '\0';
	for (;;) {
		const char *word = words[chance(ARRAY_SIZE(words))];
		size_t more = strlen(word) + 1;

		if (length + more >= most)
			return;
		memcpy(line + length, word, more - 1);
		memcpy(line + length + more - 1, " ", 2);
		length += more;
	}
}

/* ---- the terminal ---- */

static struct {
	int row, column;
} cursor;

static void show_cell(int row, int column, uint32_t back, const char *text)
{
	const struct font *font = &stage.mono;
	int x = TERM_MARGIN + column * font->width, y = TERM_MARGIN + row * font->height;

	image_fill(&terminal.image, x, y, font->width, font->height, back);
	image_text(&terminal.image, font, x, y, 0xd8dee9, text);
	window_show(&terminal, x, y, font->width, font->height);
}

static void show_terminal_row(int row)
{
	int height = stage.mono.height;

	window_show(&terminal, 0, TERM_MARGIN + row * height, terminal.image.width, height);
}

/* A line as compilers and logs print it, partly in colours. */
static void print_row(int row)
{
	static const uint32_t colors[] = {0x7fb4ca, 0x98bb6c, 0xe6c384, 0xe46876, 0x957fb8};
	int y = TERM_MARGIN + row * stage.mono.height;
	char line[TERM_COLUMNS - 10], number[16];

	make_line(line, sizeof(line));
	snprintf(number, sizeof(number), "%08x ", (unsigned)chance(1 << 30));
	image_fill(&terminal.image, 0, y, terminal.image.width, stage.mono.height, NIGHT);
	image_text(&terminal.image, &stage.mono,
		image_text(&terminal.image, &stage.mono, TERM_MARGIN, y,
			colors[chance(ARRAY_SIZE(colors))], number),
		y, 0xd8dee9, line);
}

static void scroll_terminal(int lines)
{
	int height = stage.mono.height;

	window_scroll(&terminal, 0, TERM_MARGIN, terminal.image.width, TERM_ROWS * height,
		lines * height);
	for (int row = TERM_ROWS - lines; row < TERM_ROWS; row++) {
		print_row(row);
		show_terminal_row(row);
	}
}

static void type_into_terminal(void)
{
	char text[] = {(char)('a' + chance(26)), '\0'};

	if (chance(6) == 0)
		text[0] = ' ';
	show_cell(cursor.row, cursor.column, NIGHT, text);
	if (++cursor.column == TERM_COLUMNS - 2) {
		cursor.column = 0;
		if (++cursor.row == TERM_ROWS) {
			scroll_terminal(1);
			image_fill(&terminal.image, 0,
				TERM_MARGIN + --cursor.row * stage.mono.height,
				terminal.image.width, stage.mono.height, NIGHT);
			show_terminal_row(cursor.row);
		}
	}
	show_cell(cursor.row, cursor.column, 0xd8dee9, " ");
}

/* ---- the form ---- */

static struct {
	int field, x;
	bool caret;
} entry = {.x = FIELD_X + 6};

static int field_y(int field)
{
	return 56 + field * (FIELD_HEIGHT + 16);
}

static void draw_field(int field)
{
	int y = field_y(field);

	image_fill(&form.image, FIELD_X, y, FIELD_WIDTH, FIELD_HEIGHT, 0x8c959f);
	image_fill(&form.image, FIELD_X + 1, y + 1, FIELD_WIDTH - 2, FIELD_HEIGHT - 2, PAPER);
}

static void show_caret(bool on)
{
	int y = field_y(entry.field) + 5;

	entry.caret = on;
	image_fill(&form.image, entry.x, y, 2, 18, on ? INK : PAPER);
	window_show(&form, entry.x, y, 2, 18);
}

static void next_field(void)
{
	entry.field = (entry.field + 1) % FIELDS;
	entry.x = FIELD_X + 6;
	draw_field(entry.field);
	window_show(&form, FIELD_X, field_y(entry.field), FIELD_WIDTH, FIELD_HEIGHT);
}

static void type_into_form(void)
{
	char text[] = {(char)('a' + chance(26)), '\0'};
	int y = field_y(entry.field), x;

	show_caret(false);
	if (entry.x > FIELD_X + FIELD_WIDTH - 24) {
		next_field();
		y = field_y(entry.field);
	}
	x = entry.x;
	entry.x = image_text(&form.image, &stage.sans, x, y + 5, INK, text);
	window_show(&form, x, y + 5, stage.sans.width, stage.sans.height);
	show_caret(true);
}

/* ---- the other windows ---- */

static void draw_backdrop(void)
{
	for (int y = 0; y < HEIGHT; y++)
		image_fill(&backdrop.image, 0, y, WIDTH, 1,
			(uint32_t)(0x30 + y / 24) << 16 | (uint32_t)(0x48 + y / 32) << 8 | 0x68);
}

static void draw_form(void)
{
	static const char *const labels[FIELDS] = {
		"Given name", "Family name", "Street", "Town", "E-mail", "Remarks"};

	image_fill(&form.image, 0, 0, form.image.width, form.image.height, 0xf6f8fa);
	image_text(&form.image, &stage.sans, 20, 18, INK,
		"Please fill in all fields. Fields may be left empty.");
	for (int i = 0; i < FIELDS; i++) {
		image_text(&form.image, &stage.sans, 20, field_y(i) + 5, INK, labels[i]);
		draw_field(i);
	}
	show_caret(true);
}

static void draw_notes(void)
{
	char line[56];

	image_fill(&notes.image, 0, 0, notes.image.width, notes.image.height, 0xfff8e1);
	for (int y = 12; y + stage.sans.height < notes.image.height; y += stage.sans.height + 3) {
		make_line(line, sizeof(line));
		image_text(&notes.image, &stage.sans, 14, y, INK, line);
	}
}

static void show_all(struct window *window)
{
	window_show(window, 0, 0, window->image.width, window->image.height);
	stage_sync(&stage);
}

/* True if the screen shows the drawn content, with nothing over it. */
static bool is_seen(struct window *window)
{
	const struct image *image = &window->image;
	_autofree_ uint32_t *pixels = NULL;
	int x, y, off = 0;

	pixels = window_grab(window, 0, MARK, image->width, image->height - MARK, &x, &y);
	for (int i = 0; i < image->width * (image->height - MARK); i++)
		off += (pixels[i] & 0xffffff) != image->pixels[i + MARK * image->width];
	return off == 0;
}

static void wait_for_manager(void)
{
	int64_t until_ns = clock_now_ns() + MANAGER_NS;

	while (!stage_has_manager(&stage) && clock_now_ns() < until_ns)
		sleep_ms(20);
	check(stage_has_manager(&stage));
}

static void build_stage(void)
{
	bool managed = !wish.wayland;

	/* windows hidden from the window manager */
	stage_open(&stage, false);
	if (managed)
		wait_for_manager();
	stage_window(&stage, &backdrop, "backdrop", 0, 0, WIDTH, HEIGHT, false);
	window_lower(&backdrop);
	stage.managed = managed;
	stage_window(&stage, &terminal, "terminal", 60, 60,
		TERM_COLUMNS * stage.mono.width + 2 * TERM_MARGIN,
		TERM_ROWS * stage.mono.height + 2 * TERM_MARGIN, false);
	stage_window(&stage, &form, "form", FORM_X, FORM_Y, 480, 340, false);
	stage_window(&stage, &notes, "notes", NOTES_X, NOTES_Y, 400, 300, false);
	stage_window(&stage, &film, "film", 960, 560, MOTION_WIDTH, MOTION_HEIGHT, true);
	stage.managed = false;
	stage_window(&stage, &mark, "mark", 0, 0, MARK, MARK, false);
	draw_backdrop();
	draw_form();
	draw_notes();
	for (int row = 0; row < TERM_ROWS; row++)
		print_row(row);
	motion_create(&motion, wish.seed);
	motion_draw(&motion, &film.image, 0);
	for (int i = 0; i < stage.count; i++)
		show_all(stage.windows[i]);
	/* the window manager may change all of them */
	stage_wait(&stage, clock_now_ns() + NS_PER_S);
	for (int i = 1; i < stage.count - 1; i++)
		check(is_seen(stage.windows[i]));
}

/* ---- the pointer ---- */

static void point_at(int x, int y)
{
	if (wish.wayland) {
		wayland_pointer_move(pointer_fd, x, y, WIDTH, HEIGHT);
		return;
	}
	xcb_test_fake_input(stage.connection, XCB_MOTION_NOTIFY, 0, XCB_CURRENT_TIME,
		stage.screen->root, (int16_t)x, (int16_t)y, 0);
	xcb_flush(stage.connection);
}

/* ---- phases ---- */

/* A way from the present place to a target, reached at `share` 1, with a slow start and end. */
struct way {
	double from_x, from_y, to_x, to_y;
};

static void go_along(const struct way *way, double share, int *ret_x, int *ret_y)
{
	double done = share * share * (3 - 2 * share);

	*ret_x = (int)(way->from_x + (way->to_x - way->from_x) * done);
	*ret_y = (int)(way->from_y + (way->to_y - way->from_y) * done);
}

static void go_on(struct way *way, int least_x, int least_y, int most_x, int most_y)
{
	*way = (struct way){way->to_x, way->to_y, least_x + chance(most_x - least_x),
		least_y + chance(most_y - least_y)};
}

static void blink(int step)
{
	show_caret(step % 2 == 1);
}

static void type(int step)
{
	/* alternate every two seconds */
	if (step / 16 % 2 == 0)
		type_into_terminal();
	else
		type_into_form();
}

static void scroll(int step)
{
	(void)step;
	scroll_terminal(1 + chance(3));
}

/* a drag of 45 steps, then a rest of 15 */
static void drag(int step)
{
	static struct way ways[2];
	struct window *window = step / 60 % 2 == 0 ? &notes : &form;
	struct way *way = &ways[step / 60 % 2];
	int x, y;

	if (step == 0) {
		ways[0] = (struct way){.to_x = notes.x, .to_y = notes.y};
		ways[1] = (struct way){.to_x = form.x, .to_y = form.y};
	}
	if (step % 60 == 0) {
		window_raise(window);
		go_on(way, 40, 60, WIDTH - 520, HEIGHT - 400);
	}
	if (step % 60 >= 45)
		return;
	go_along(way, (step % 60 + 1) / 45.0, &x, &y);
	window_move(window, x, y);
	point_at(x + 120, y - 10);
}

/* the next phase needs uncovered windows */
static void go_home(void)
{
	window_move(&notes, NOTES_X, NOTES_Y);
	window_move(&form, FORM_X, FORM_Y);
	point_at(WIDTH - 20, HEIGHT - 20);
}

static void play(int step)
{
	motion_draw(&motion, &film.image, step);
	window_show(&film, 0, 0, MOTION_WIDTH, MOTION_HEIGHT);
}

/* a movement of 50 steps, then 10 of rest */
static void point(int step)
{
	static struct way way = {.to_x = WIDTH - 20, .to_y = HEIGHT - 20};
	int x, y;

	if (step % 60 == 0)
		go_on(&way, 10, 10, WIDTH - 10, HEIGHT - 10);
	if (step % 60 >= 50)
		return;
	go_along(&way, (step % 60 + 1) / 50.0, &x, &y);
	point_at(x, y);
}

static const struct phase {
	const char *name;
	double rate; /* steps per second */
	void (*step)(int step);
	struct window *goldens[2]; /* windows with golden pictures */
	void (*finish)(void);
} phases[] = {
	{"idle", 0, NULL, {&terminal, &form}, NULL},
	{"caret", 2, blink, {&form}, NULL},
	{"typing", 8, type, {&terminal, &form}, NULL},
	{"scrolling", 20, scroll, {&terminal}, NULL},
	{"dragging", 60, drag, {&notes}, go_home},
	{"video", 30, play, {&film, &terminal}, NULL},
	{"pointer", 60, point, {NULL}, NULL},
};

static void take_golden(const struct phase *phase, struct window *window, int loop, int number)
{
	_autofree_ uint32_t *pixels = NULL;
	const struct image *image = &window->image;
	char path[512], name[64];
	FILE *file;
	int x, y;

	/* without the title and the pointer on it */
	pixels = window_grab(window, 0, 40, image->width, image->height - 40, &x, &y);
	snprintf(name, sizeof(name), "%s-%d-%d-%x.raw", phase->name, loop, number, window->id);
	say("golden %s %s %s %d %d %d %d", phase->name, window == &film ? "video" : "text", name, x,
		y, image->width, image->height - 40);
	snprintf(path, sizeof(path), "%s/%s", wish.golden, name);
	file = fopen(path, "we");
	check(file &&
		fwrite(pixels, 4, (size_t)image->width * (image->height - 40), file) ==
			(size_t)image->width * (image->height - 40));
	fclose(file);
}

static bool is_golden(const struct phase *phase, int step, int steps, int number)
{
	if (phase->step == drag) /* at rest, and of the notes */
		return step == (steps * (number + 1) / (GOLDENS + 1)) / 120 * 120 + 55;
	return step == steps * (number + 1) / (GOLDENS + 1);
}

/* @return true if any was taken */
static bool take_goldens(const struct phase *phase, int loop, int step, int steps)
{
	bool taken = false;

	for (int i = 0; wish.golden && i < GOLDENS; i++)
		if (is_golden(phase, step, steps, i)) {
			for (int w = 0; w < 2 && phase->goldens[w]; w++)
				take_golden(phase, phase->goldens[w], loop, i);
			taken = true;
		}
	return taken;
}

static void take_steps(const struct phase *phase, int loop, int64_t begin_ns, int64_t length_ns)
{
	int64_t rest_until_ns = 0;

	/* a phase without steps still has golden pictures */
	double rate = (phase->rate > 0 ? phase->rate : 1) * wish.speed;
	int steps = (int)((double)length_ns / 1e9 * rate);

	for (int step = 0; step < steps; step++) {
		int64_t at_ns = begin_ns + (int64_t)(step / rate * 1e9);

		/* scrolling pauses now and then for reading, which every recorder can capture */
		if (at_ns < rest_until_ns)
			continue;
		stage_wait(&stage, at_ns);
		if (phase->step) {
			phase->step(step);
			stage_sync(&stage);
			if (wish.steps)
				say("step %s %d", phase->name, step);
		}
		if (take_goldens(phase, loop, step, steps) && phase->step == scroll)
			rest_until_ns = at_ns + READING_NS;
	}
}

static void run_phase(const struct phase *phase, int loop)
{
	int64_t length_ns = (int64_t)(wish.seconds / wish.speed * 1e9), begin_ns;
	int64_t rest_ns = (int64_t)(REST_NS / wish.speed), spent_ns[PIDS];

	for (int i = 0; i < pid_count; i++)
		spent_ns[i] = cpu_spent_ns(pids[i]);
	begin_ns = clock_now_ns();
	say("begin %s", phase->name);
	take_steps(phase, loop, begin_ns, length_ns - rest_ns);
	if (phase->finish)
		phase->finish();
	stage_wait(&stage, begin_ns + length_ns);
	for (int i = 0; i < pid_count; i++)
		printf("cpu %s %d %" PRId64 "\n", phase->name, pids[i],
			cpu_spent_ns(pids[i]) - spent_ns[i]);
	say("end %s", phase->name);
}

static void show_mark(uint32_t rgb)
{
	image_fill(&mark.image, 0, 0, MARK, MARK, rgb);
	window_raise(&mark);
	show_all(&mark);
}

/* all, or the requested ones */
static bool is_wanted(const struct phase *phase)
{
	size_t length = strlen(phase->name);

	for (const char *at = wish.phases; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, phase->name, length) == 0 && (at[length] == ',' || !at[length]))
			return true;
	return !wish.phases;
}

static bool wait_for_go(void)
{
	char line[CONTROL_LINE], *rest, *word;

	if (!fgets(line, sizeof(line), stdin) || !(word = strtok_r(line, " \n", &rest)) ||
		strcmp(word, "go") != 0)
		return false;
	while (pid_count < PIDS && (word = strtok_r(NULL, " \n", &rest)))
		pids[pid_count++] = atoi(word);
	return true;
}

static void run(void)
{
	char line[CONTROL_LINE];

	random_state = wish.seed;
	if (wish.wayland)
		pointer_fd = wayland_pointer_open();
	/* a server of another user accepts only that user */
	check(seteuid((uid_t)wish.as) == 0);
	build_stage();
	check(seteuid(getuid()) == 0);
	point_at(WIDTH - 20, HEIGHT - 20);
	say("ready");
	if (!wait_for_go())
		return;
	show_mark(PAPER);
	say("mark");
	stage_wait(&stage, clock_now_ns() + NS_PER_S);
	show_mark(0);
	stage_wait(&stage, clock_now_ns() + NS_PER_S);
	for (int loop = 0; loop < wish.loops; loop++)
		for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
			if (is_wanted(&phases[i]))
				run_phase(&phases[i], loop);
	say("done");
	for (bool white = true; fgets(line, sizeof(line), stdin); white = !white)
		show_mark(white ? PAPER : 0);
	stage_close(&stage);
	motion_free(&motion);
}

static const struct test tests[] = {{"the desktop script completes", run}};

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
		{"speed", required_argument, NULL, 'f'}, {"loops", required_argument, NULL, 'l'},
		{"seed", required_argument, NULL, 'r'}, {"golden", required_argument, NULL, 'g'},
		{"phases", required_argument, NULL, 'p'}, {"steps", no_argument, NULL, 't'},
		{"wayland", no_argument, NULL, 'w'}, {"as", required_argument, NULL, 'a'},
		{NULL, 0, NULL, 0}};
	int option;

	wish.as = (int)getuid();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's': wish.seconds = atoi(optarg); break;
		case 'f': wish.speed = atof(optarg); break;
		case 'l': wish.loops = atoi(optarg); break;
		case 'r': wish.seed = strtoull(optarg, NULL, 10); break;
		case 'g': wish.golden = optarg; break;
		case 'p': wish.phases = optarg; break;
		case 't': wish.steps = true; break;
		case 'w': wish.wayland = true; break;
		case 'a': wish.as = atoi(optarg); break;
		default: return 2;
		}
	}
	if (wish.seconds < 4 || wish.speed <= 0 || wish.seed == 0 || optind < argc) {
		fprintf(stderr, "error: --seconds is 4 or more, --speed and --seed more than 0\n");
		return 2;
	}
	return RUN_TESTS("desktop_script", tests);
}

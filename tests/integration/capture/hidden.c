/* Secrets on a real screen that a study hides, searched for in every recorded picture. */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/accessible.h"
#include "tests/harness/screens/desktop.h"

#include "capture/screen/picture.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "replay/decode/frames.h"
#include "replay/session/info.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	WIDTH = 640,
	HEIGHT = 480,
	SMALL_WIDTH = 560,
	SMALL_HEIGHT = 250,
	GLYPHS_WIDTH = 96,
	GLYPHS_HEIGHT = 64
};

#define HIDDEN_GREY 0x6e

static uint64_t seed = 31;

static int below(int limit)
{
	return (int)(next_random(&seed) % (uint64_t)limit);
}

/* ---- painting ---- */

struct glyphs {
	uint32_t pixels[GLYPHS_HEIGHT][GLYPHS_WIDTH];
};

/* like writing: strokes of four pixels */
static void draw(struct glyphs *glyphs, uint32_t ink, uint32_t paper)
{
	bool stroke[GLYPHS_HEIGHT / 4][GLYPHS_WIDTH / 4];

	for (int y = 0; y < GLYPHS_HEIGHT / 4; y++)
		for (int x = 0; x < GLYPHS_WIDTH / 4; x++)
			stroke[y][x] = below(2);
	for (int y = 0; y < GLYPHS_HEIGHT; y++)
		for (int x = 0; x < GLYPHS_WIDTH; x++)
			glyphs->pixels[y][x] = stroke[y / 4][x / 4] ? ink : paper;
}

static xcb_gcontext_t context_of(struct desktop *desktop)
{
	xcb_gcontext_t gc = xcb_generate_id(desktop->connection);
	const uint32_t inferiors = XCB_SUBWINDOW_MODE_INCLUDE_INFERIORS;

	xcb_create_gc(
		desktop->connection, gc, desktop->screen->root, XCB_GC_SUBWINDOW_MODE, &inferiors);
	return gc;
}

static void sync_with(struct desktop *desktop)
{
	free(xcb_get_input_focus_reply(
		desktop->connection, xcb_get_input_focus(desktop->connection), NULL));
}

static void put(struct desktop *desktop, xcb_gcontext_t gc, xcb_window_t window,
	const struct glyphs *glyphs, int x, int y)
{
	xcb_put_image(desktop->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, window, gc, GLYPHS_WIDTH,
		GLYPHS_HEIGHT, (int16_t)x, (int16_t)y, 0, 24, sizeof(glyphs->pixels),
		(const uint8_t *)glyphs->pixels);
	sync_with(desktop);
}

/* ---- searching ---- */

/* normalised cross-correlation of the luma, 0 for a flat area */
static double correlation(const struct frame *frame, const struct glyphs *glyphs, int left, int top)
{
	double n = GLYPHS_WIDTH * GLYPHS_HEIGHT, a = 0, b = 0, aa = 0, bb = 0, ab = 0;

	for (int y = 0; y < GLYPHS_HEIGHT; y++)
		for (int x = 0; x < GLYPHS_WIDTH; x++) {
			const uint8_t *shown =
				frame->pixels + (top + y) * frame->stride_bytes + 4 * (left + x);
			double p = shown[0] + 4.0 * shown[1] + 2.0 * shown[2];
			double q = (double)(glyphs->pixels[y][x] >> 8 & 0xff);

			a += p;
			b += q;
			aa += p * p;
			bb += q * q;
			ab += p * q;
		}
	aa -= a * a / n;
	bb -= b * b / n;
	return aa < n || bb < n ? 0 : (ab - a * b / n) / sqrt(aa * bb);
}

/* largest deviation of any colour channel from the hiding grey, in the area's part on the screen */
static int worst_deviation(const struct frame *frame, const struct rect *area)
{
	int worst = 0;

	for (int y = area->y; y < area->y + area->height && y < frame->height; y++)
		for (int x = area->x; x < area->x + area->width && x < frame->width; x++)
			for (int c = 0; c < 3; c++) {
				int off = frame->pixels[y * frame->stride_bytes + 4 * x + c] -
					HIDDEN_GREY;

				if (abs(off) > worst)
					worst = abs(off);
			}
	return worst;
}

/* pixels in colours that only the secret windows have */
static int loud_pixels(const struct frame *frame)
{
	int loud = 0;

	for (int y = 0; y < frame->height; y++)
		for (int x = 0; x < frame->width; x++) {
			const uint8_t *p = frame->pixels + y * frame->stride_bytes + 4 * x;

			loud += (p[2] > 140 && p[0] > 140 && p[1] < 110) ||
				(p[1] > 140 && p[2] < 110 && p[0] < 110);
		}
	return loud;
}

/* ---- recording ---- */

static void start(struct daemon_child *daemon, const char *hide, char session[21])
{
	_autofree_ char *path = temporary_path("hidden.yaml"), *output = NULL, *study = NULL;
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(asprintf(&study, "study: Hidden\nscreen:\n  hide: %s\n", hide) > 0);
	check(io_write_all(fd, study, strlen(study)) == 0);
	check(daemon_command(daemon, &output, "start", "--study", path, "--participant", "P01",
		      "--consent", "paper", NULL) == 0);
	check(strlen(output) == 21);
	memcpy(session, output, 20);
	session[20] = '\0';
}

static void run_daemon(struct daemon_child *daemon)
{
	static const char *const options[] = {"--input", "none", NULL};
	_autofree_ char *library = temporary_path("library");

	daemon_start(daemon, library, options);
}

static int take_info(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Uxrec__Screen *info = (const void *)unpacked;
	int *told = user;

	(void)message;
	told[0] = (int)info->hidden_places;
	told[1] = (int)info->hidden_window_rules;
	told[2] = info->hidden_passwords;
	return 0;
}

/* ---- places ---- */

static void hidden_places_have_no_glyphs(void)
{
	static struct glyphs secret, open;
	const struct rect hidden = {101, 99, 217, 163};
	_destroy_(session) struct session *session = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct desktop desktop;
	struct daemon_child daemon;
	struct frame frame;
	xcb_gcontext_t gc;
	double worst = 0, best = 0;
	int pictures = 0, small = 0, deviation = 0, told[3] = {0};
	char id[21];

	if (!desktop_start(&desktop, WIDTH, HEIGHT))
		return;
	gc = context_of(&desktop);
	draw(&secret, 0xffffff, 0x000000);
	draw(&open, 0xffffff, 0x000000);
	put(&desktop, gc, desktop.screen->root, &secret, 140, 130);
	run_daemon(&daemon);
	start(&daemon, "[{x: 101, y: 99, width: 217, height: 163}]", id);
	for (int i = 0; i < 60; i++) {
		/* always the same place, which could be averaged; and around it */
		put(&desktop, gc, desktop.screen->root, &secret, 140, 130);
		put(&desktop, gc, desktop.screen->root, &secret, hidden.x + below(121),
			hidden.y + below(99));
		put(&desktop, gc, desktop.screen->root, &secret, 140, 130);
		put(&desktop, gc, desktop.screen->root, &open, 400 + below(3), 131);
		put(&desktop, gc, desktop.screen->root, &open, 400, 131);
		/* the hidden area's lower edge leaves the screen, and returns */
		if (i == 20)
			check(desktop_resize(&desktop, SMALL_WIDTH, SMALL_HEIGHT));
		if (i == 40)
			check(desktop_resize(&desktop, WIDTH, HEIGHT));
		sleep_ms(20);
	}
	sleep_ms(2500); /* patches follow at rest */
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(frames_create(&frames, session->reader, NULL) == 0);
	while (frames_next(frames, &frame) > 0) {
		double found = fabs(correlation(&frame, &secret, 140, 130));
		int off = worst_deviation(&frame, &hidden);

		pictures++;
		small += frame.width == SMALL_WIDTH && frame.height == SMALL_HEIGHT;
		worst = found > worst ? found : worst;
		deviation = off > deviation ? off : deviation;
		best = correlation(&frame, &open, 400, 131);
	}
	printf("# %d pictures, %d of a smaller screen: correlation %.3f of what is hidden, %.3f of the control; "
	       "hidden pixels are up to %d off\n",
		pictures, small, worst, best, deviation);
	expect(pictures - small >= 5 && small >= 2);
	expect(worst < 0.1 && best > 0.9);
	expect(deviation < 40); /* coding errors at the edges */
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_SCREEN_INFO,
		      take_info, told) == 0);
	expect(told[0] == 1 && told[1] == 0 && told[2] == 0);
	end_child(&daemon.child, SIGTERM);
	desktop_end(&desktop);
}

/* ---- windows ---- */

static void set_title(struct desktop *desktop, xcb_window_t window, const char *title)
{
	xcb_change_property(desktop->connection, XCB_PROP_MODE_REPLACE, window, XCB_ATOM_WM_NAME,
		XCB_ATOM_STRING, 8, (uint32_t)strlen(title), title);
}

static xcb_window_t make_window(
	struct desktop *desktop, const char *title, bool popup, int x, int y, uint32_t colour)
{
	static const char class[] = "canary\0Canary";
	xcb_window_t window = xcb_generate_id(desktop->connection);
	const uint32_t values[] = {colour, popup};

	xcb_create_window(desktop->connection, XCB_COPY_FROM_PARENT, window, desktop->screen->root,
		(int16_t)x, (int16_t)y, GLYPHS_WIDTH, GLYPHS_HEIGHT, 0,
		XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
		XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
	xcb_change_property(desktop->connection, XCB_PROP_MODE_REPLACE, window, XCB_ATOM_WM_CLASS,
		XCB_ATOM_STRING, 8, sizeof(class), class);
	if (!popup)
		set_title(desktop, window, title);
	return window;
}

static void move(struct desktop *desktop, xcb_window_t window, int x, int y)
{
	const uint32_t place[] = {(uint32_t)x, (uint32_t)y};

	xcb_configure_window(
		desktop->connection, window, XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, place);
	sync_with(desktop);
}

static void await_viewable(struct desktop *desktop, xcb_window_t window)
{
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	for (;;) {
		_autofree_ xcb_get_window_attributes_reply_t *attributes =
			xcb_get_window_attributes_reply(desktop->connection,
				xcb_get_window_attributes(desktop->connection, window), NULL);

		check(attributes && clock_now_ns() < until_ns);
		if (attributes->map_state == XCB_MAP_STATE_VIEWABLE)
			return;
		sleep_ms(10);
	}
}

/* All actions of a window with a secret while it is watched. */
static void play(struct desktop *desktop, xcb_gcontext_t gc, const struct glyphs *loud,
	xcb_window_t secret, xcb_window_t notes, xcb_window_t plain)
{
	xcb_connection_t *c = desktop->connection;
	xcb_window_t menu = make_window(desktop, "", true, 300, 20, 0xff00ff);

	for (int i = 0; i < 100; i++) {
		move(desktop, secret, below(500), below(380));
		put(desktop, gc, secret, loud, 0, 0);
		if (i % 5 == 0)
			move(desktop, plain, 40 + below(400), 380);
		sleep_ms(below(30));
	}
	for (int i = 0; i < 20; i++) {
		xcb_unmap_window(c, secret);
		sync_with(desktop);
		sleep_ms(below(60));
		xcb_map_window(c, secret);
		sync_with(desktop);
		put(desktop, gc, secret, loud, 0, 0);
		sleep_ms(below(60));
	}
	/* a menu is hidden along with the visible window */
	await_viewable(desktop, secret);
	for (int i = 0; i < 10; i++) {
		xcb_map_window(c, menu);
		put(desktop, gc, menu, loud, 0, 0);
		sleep_ms(40);
		xcb_unmap_window(c, menu);
		sync_with(desktop);
		sleep_ms(40);
	}
	/* harmless until its title changes */
	set_title(desktop, notes, "My Secret 4711");
	put(desktop, gc, notes, loud, 0, 0);
	for (int i = 0; i < 20; i++) {
		put(desktop, gc, notes, loud, 0, 0);
		sleep_ms(20);
	}
	/* and windows that have such a title from the start */
	for (int i = 0; i < 20; i++) {
		xcb_window_t other = make_window(
			desktop, "Another SECRET 4711", false, below(500), below(380), 0xff00ff);

		xcb_map_window(c, other);
		sync_with(desktop);
		sleep_ms(below(60));
		xcb_destroy_window(c, other);
		sync_with(desktop);
	}
}

static void look_for_loud(
	struct session *session, int64_t until_ns, int *ret_pictures, int *ret_loud, int *ret_last)
{
	_destroy_(frames) struct frames *frames = NULL;
	struct frame frame;

	*ret_pictures = *ret_loud = *ret_last = 0;
	check(frames_create(&frames, session->reader, NULL) == 0);
	while (frames_next(frames, &frame) > 0) {
		*ret_last = loud_pixels(&frame);
		if (frame.time_ns > until_ns)
			continue;
		++*ret_pictures;
		if (*ret_last > 0 && *ret_loud == 0)
			printf("# %d pixels in picture %d\n", *ret_last, *ret_pictures);
		*ret_loud += *ret_last > 0;
	}
}

static int64_t utc_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void hide_windows(bool managed)
{
	static struct glyphs loud, calm;
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *output = NULL, *dump = NULL, *folder = NULL, *program = NULL;
	struct desktop desktop;
	struct child manager = {0};
	struct daemon_child daemon;
	xcb_window_t secret, notes, plain;
	xcb_gcontext_t gc;
	int64_t until_ns;
	int pictures, seen, last, told[3] = {0};
	char id[21];

	if (managed && !has_program("openbox")) {
		skip_test("no openbox");
		return;
	}
	if (!desktop_start(&desktop, WIDTH, HEIGHT))
		return;
	gc = context_of(&desktop);
	desktop_paint(&desktop, 0x304050, 0, 0, WIDTH, HEIGHT);
	if (managed) {
		manager = start_child("openbox", NULL);
		sleep_ms(700);
	}
	draw(&loud, 0xff00ff, 0x00ff00);
	draw(&calm, 0xffffff, 0x202020);
	run_daemon(&daemon);
	secret = make_window(&desktop, "My Secret 4711", false, 50, 50, 0xff00ff);
	notes = make_window(&desktop, "Notes", false, 200, 200, 0x405060);
	plain = make_window(&desktop, "Plain", false, 100, 380, 0x405060);
	xcb_map_window(desktop.connection, secret);
	xcb_map_window(desktop.connection, notes);
	xcb_map_window(desktop.connection, plain);
	sync_with(&desktop);
	sleep_ms(300);
	put(&desktop, gc, secret, &loud, 0, 0);
	put(&desktop, gc, plain, &calm, 0, 0);
	start(&daemon, "[{window_class: canary, window_title: \"*secret*\"}]", id);
	play(&desktop, gc, &loud, secret, notes, plain);
	until_ns = utc_ns();
	sleep_ms(100);
	/* no longer secret: shown */
	set_title(&desktop, notes, "Notes");
	put(&desktop, gc, notes, &loud, 0, 0);
	sleep_ms(2500);
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	look_for_loud(session, until_ns, &pictures, &seen, &last);
	printf("# %d pictures, %d of them show a secret; the control has %d such pixels\n",
		pictures, seen, last);
	expect(pictures >= 30 && seen == 0);
	expect(last > 1000);
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_SCREEN_INFO,
		      take_info, told) == 0);
	expect(told[0] == 0 && told[1] == 1 && told[2] == 0);
	/* titles are not recorded */
	check(asprintf(&folder, "%s/%s", daemon.library, id) > 0);
	check(asprintf(&program, "%s/uxrec", build_folder()) > 0);
	check(run_child(&dump, program, "dump", folder, NULL) == 0);
	output = child_output(&daemon.child);
	expect(strlen(dump) > 1000 && !strcasestr(dump, "secret 4711") &&
		!strcasestr(output, "secret 4711"));
	end_child(&daemon.child, SIGTERM);
	if (managed)
		end_child(&manager, SIGTERM);
	desktop_end(&desktop);
}

static void managed_windows_are_never_seen(void)
{
	hide_windows(true);
}

static void unmanaged_windows_are_never_seen(void)
{
	hide_windows(false);
}

/* ---- passwords ---- */

static struct accessible_lab lab;

#define KEY_TAB 23 /* keycode of a PC keyboard */

/* pixels in the application's window, neither the bare root's nor hidden ones */
static int bright_pixels(const struct frame *frame)
{
	int bright = 0;

	for (int y = 0; y < frame->height; y++)
		for (int x = 0; x < frame->width; x++) {
			const uint8_t *p = frame->pixels + y * frame->stride_bytes + 4 * x;

			bright += p[0] > 170 && p[1] > 170 && p[2] > 170;
		}
	return bright;
}

static void wander(const struct application *application, int ms)
{
	int64_t until_ns = clock_now_ns() + ms * NS_PER_MS;

	while (clock_now_ns() < until_ns) {
		move(&lab.desktop, application->window, below(390), 20 + below(170));
		sleep_ms(below(90));
	}
}

/* Time span of the focus in the window's field. */
struct stay {
	int64_t entered_ns, left_ns; /* CLOCK_MONOTONIC */
};

/* from the entry to the password field and back, by keyboard, while the window moves */
static struct stay play_focus(const struct application *application)
{
	struct stay stay;

	wander(application, 1200);
	stay.entered_ns = clock_now_ns();
	accessible_lab_key(&lab, KEY_TAB, false);
	check(accessible_lab_waits(&lab, FOCUS_PASSWORD, stay.entered_ns) != 0);
	wander(application, 1800);
	stay.left_ns = clock_now_ns();
	accessible_lab_key(&lab, KEY_TAB, true);
	check(accessible_lab_waits(&lab, FOCUS_OTHER, stay.left_ns) != 0);
	wander(application, 600);
	sleep_ms(900); /* its last place stays hidden for a while */
	return stay;
}

struct looked {
	int before, hidden, shown,
		after;     /* bright pixels before, after; pictures once hidden, and bright ones */
	int64_t hidden_ns; /* time of the first hidden one */
};

/* Once hidden, the window is in no picture until the focus leaves the field. */
static struct looked look_at_stay(struct session *session, struct stay stay)
{
	int64_t offset_ns = session_offset_ns(session);
	_destroy_(frames) struct frames *frames = NULL;
	struct looked looked = {0};
	struct frame frame;

	check(frames_create(&frames, session->reader, NULL) == 0);
	while (frames_next(frames, &frame) > 0) {
		int64_t at_ns = frame.time_ns - offset_ns;
		int bright = bright_pixels(&frame);

		if (at_ns < stay.entered_ns) {
			looked.before = bright > looked.before ? bright : looked.before;
		} else if (at_ns < stay.left_ns - 100 * NS_PER_MS) {
			if (looked.hidden_ns == 0 && bright == 0)
				looked.hidden_ns = at_ns;
			looked.hidden += looked.hidden_ns > 0;
			looked.shown += looked.hidden_ns > 0 && bright > 0;
		}
		looked.after = bright;
	}
	return looked;
}

static void passwords_hide_their_window(void)
{
	_destroy_(session) struct session *session = NULL;
	struct daemon_child daemon;
	struct application application;
	struct stay stay;
	struct looked looked;
	char id[21];

	if (!accessible_lab_start(&lab))
		return;
	if (!application_has("GTK 3")) {
		skip_test("the toolkit is not installed");
		accessible_lab_end(&lab);
		return;
	}
	run_daemon(&daemon);
	application_start(&lab, &application, "GTK 3");
	accessible_lab_listen(&lab, NAMES_NONE);
	check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	start(&daemon, "[{password_fields: true}]", id);
	stay = play_focus(&application);
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	looked = look_at_stay(session, stay);
	printf("# hidden after %d ms, in %d pictures, of which %d show the window; %d pixels before, %d after\n",
		(int)((looked.hidden_ns - stay.entered_ns) / NS_PER_MS), looked.hidden,
		looked.shown, looked.before, looked.after);
	expect(looked.hidden >= 5 && looked.shown == 0);
	expect(looked.hidden_ns - stay.entered_ns < NS_PER_S);
	expect(looked.before > 10000 && looked.after > 10000);
	end_child(&daemon.child, SIGTERM);
	accessible_lab_stop_listening(&lab);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void without_a_bus_passwords_are_not_recorded(void)
{
	_autofree_ char *path = temporary_path("hidden.yaml"), *output = NULL;
	static const char study[] = "study: Hidden\nscreen: {hide: [{password_fields: true}]}\n";
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct desktop desktop;
	struct daemon_child daemon;

	if (!desktop_start(&desktop, WIDTH, HEIGHT))
		return;
	check(io_write_all(fd, study, strlen(study)) == 0);
	run_daemon(&daemon);
	expect(daemon_command(&daemon, &output, "start", "--study", path, "--participant", "P01",
		       "--consent", "paper", NULL) != 0);
	expect(strstr(output, "accessibility bus") != NULL);
	end_child(&daemon.child, SIGTERM);
	desktop_end(&desktop);
}

/* a restarted server's windows are hidden from its first picture on */
static void windows_of_a_new_server_are_never_seen(void)
{
	static struct glyphs loud;
	_destroy_(session) struct session *session = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	xcb_window_t secret;
	xcb_gcontext_t gc;
	int number = desktop_own_number(), pictures, seen, last;
	char id[21];

	if (!desktop_start_with(&desktop, number, "640x480x24", NULL))
		return;
	draw(&loud, 0xff00ff, 0x00ff00);
	run_daemon(&daemon);
	start(&daemon, "[{window_class: canary, window_title: \"*secret*\"}]", id);
	sleep_ms(300);
	xcb_disconnect(steal_ptr(desktop.connection));
	end_child(&desktop.xvfb, SIGKILL);
	check(child_says(&daemon.child, "screen: the connection to the display was lost", 10));
	check(desktop_start_with(&desktop, number, "640x480x24", NULL));
	gc = context_of(&desktop);
	secret = make_window(&desktop, "My Secret 4711", false, 50, 50, 0xff00ff);
	xcb_map_window(desktop.connection, secret);
	put(&desktop, gc, secret, &loud, 0, 0);
	check(child_says(&daemon.child, "screen: no longer reconnecting", 15));
	for (int i = 0; i < 30; i++) {
		move(&desktop, secret, below(500), below(380));
		put(&desktop, gc, secret, &loud, 0, 0);
		desktop_paint(&desktop, 0x304050, 600, 440, 1 + i, 20);
		sleep_ms(30);
	}
	sleep_ms(1500);
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	look_for_loud(session, INT64_MAX, &pictures, &seen, &last);
	printf("# %d pictures, %d of them show a secret\n", pictures, seen);
	expect(pictures >= 10 && seen == 0);
	end_child(&daemon.child, SIGTERM);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"glyphs in a hidden place are in no picture, also of a screen that is resized; those beside it are",
		hidden_places_have_no_glyphs},
	{"hidden windows are in no picture: moved, mapped, renamed, with their menus",
		managed_windows_are_never_seen},
	{"the same without a window manager", unmanaged_windows_are_never_seen},
	{"the same after the server was started again", windows_of_a_new_server_are_never_seen},
	{"a window is in no picture while its password field has the focus, wherever it moves",
		passwords_hide_their_window},
	{"without an accessibility bus a study that hides password fields is refused",
		without_a_bus_passwords_are_not_recorded},
};

int main(void)
{
	return RUN_TESTS("hidden", tests);
}

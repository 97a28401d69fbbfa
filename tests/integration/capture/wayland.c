/* The Wayland grabber and the recorder in a real compositor, sway; copies are compared with grim's. */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/wayland.h"

#include "capture/screen/grabber.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/decode/frames.h"
#include "replay/session/info.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SOON_NS (10 * NS_PER_S)

/* @return false if the test is skipped */
static bool start(struct lab_wayland *lab)
{
	const char *why = lab_wayland_start(lab);

	if (why)
		skip_test(why);
	return !why;
}

static struct grabber *create(void)
{
	struct grabber *grabber = NULL;
	struct error error = {""};

	if (grabber_wlr.create(&grabber, &(struct grabber_target){NULL}, &error) < 0)
		printf("# %s\n", error.text);
	check(grabber != NULL);
	return grabber;
}

/* Grab until no change has come for @p quiet_ns. @return the number of pictures, or -EPIPE */
static int follow(struct grabber *grabber, struct canvas **canvas, int64_t quiet_ns)
{
	int pictures = 0;

	for (;;) {
		int64_t damage_ns, copied_ns;
		int r = grabber->ops->wait(grabber, -1, clock_now_ns() + quiet_ns, &damage_ns);

		if (r <= 0)
			return r < 0 ? r : pictures;
		r = *canvas ? grabber->ops->grab(grabber, *canvas, &copied_ns) : -EAGAIN;
		if (r == -EAGAIN) {
			struct grabber_size size = grabber->ops->size(grabber);

			canvas_destroy(steal_ptr(*canvas));
			check(canvas_create(canvas, size.width, size.height, CHROMA_420) == 0);
			grabber->ops->damage_all(grabber);
		} else if (r < 0) {
			return r;
		}
		pictures += r == 0;
	}
}

static int wrong_pixels(const struct canvas *canvas, const uint8_t *shot)
{
	int wrong = 0;

	for (int y = 0; y < canvas->height; y++)
		for (int x = 0; x < canvas->width; x++) {
			const uint8_t *is = canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * x;
			const uint8_t *wanted = shot + 3 * ((ptrdiff_t)y * canvas->width + x);

			wrong += is[0] != wanted[2] || is[1] != wanted[1] || is[2] != wanted[0];
		}
	return wrong;
}

/* True if the canvas equals grim's screenshot, to the pixel. */
static bool is_what_grim_sees_of(const struct lab_wayland *lab, const char *output,
	const struct canvas *canvas, const char *when)
{
	int width = 0, height = 0, wrong = -1;
	_autofree_ uint8_t *shot = lab_wayland_screenshot(lab, output, &width, &height);

	if (shot && width == canvas->width && height == canvas->height)
		wrong = wrong_pixels(canvas, shot);
	if (wrong != 0)
		printf("# %s: %dx%d, grim %dx%d, %d pixels are wrong\n", when, canvas->width,
			canvas->height, width, height, wrong);
	return wrong == 0;
}

static bool is_what_grim_sees(
	const struct lab_wayland *lab, const struct canvas *canvas, const char *when)
{
	return is_what_grim_sees_of(lab, "HEADLESS-1", canvas, when);
}

#define QUIET_NS (400 * NS_PER_MS)

/* Follow until a change has come and the canvas equals grim's screenshot: a busy machine takes its time. */
static bool comes_to_grims(const struct lab_wayland *lab, struct grabber *grabber,
	struct canvas **canvas, const char *when)
{
	int64_t until_ns = clock_now_ns() + 2 * SOON_NS;
	int pictures = 0;

	do {
		int r = follow(grabber, canvas, QUIET_NS);

		check(r >= 0);
		pictures += r;
		if (pictures > 0 && is_what_grim_sees(lab, *canvas, when))
			return true;
	} while (clock_now_ns() < until_ns);
	return false;
}

/* @return false without a change on the canvas in time */
static bool take_change(struct grabber *grabber, struct canvas *canvas, int64_t *ret_damage_ns)
{
	int64_t until_ns = clock_now_ns() + SOON_NS, copied_ns;

	canvas->changed.count = 0;
	while (canvas->changed.count == 0 && clock_now_ns() < until_ns)
		if (grabber->ops->wait(grabber, -1, until_ns, ret_damage_ns) == 1)
			check(grabber->ops->grab(grabber, canvas, &copied_ns) == 0);
	return canvas->changed.count > 0;
}

static void pictures_are_grims(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(grabber) struct grabber *grabber = NULL;
	struct lab_wayland lab;

	if (!start(&lab))
		return;
	grabber = create();
	lab_window_open(&lab);
	expect(comes_to_grims(&lab, grabber, &canvas, "the first picture"));
	expect(canvas->width == 1280 && canvas->height == 720);
	follow(grabber, &canvas, QUIET_NS); /* grim's frames cause some too */
	for (uint32_t i = 0; i < 10; i++) {
		int x = (int)(i * 29), y = (int)(i * 17);
		int64_t before_ns = clock_now_ns(), damage_ns;
		const struct areas *changed = &canvas->changed;

		lab_window_paint(&lab, 100 + i, x, y, 23, 11);
		check(take_change(grabber, canvas, &damage_ns));
		expect(damage_ns > before_ns && damage_ns <= clock_now_ns());
		/* damage is exactly the painted area */
		expect(changed->count == 1 && changed->area[0].x == 100 + x &&
			changed->area[0].y == 50 + y && changed->area[0].width == 23 &&
			changed->area[0].height == 11);
	}
	expect(is_what_grim_sees(&lab, canvas, "after painting"));
	grabber_destroy(steal_ptr(grabber));
	lab_wayland_end(&lab);
}

static void still_screen_asks_for_nothing(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(grabber) struct grabber *grabber = NULL;
	struct lab_wayland lab;
	int64_t damage_ns;

	if (!start(&lab))
		return;
	grabber = create();
	/* its background comes at any time */
	check(comes_to_grims(&lab, grabber, &canvas, "a desktop"));
	while (follow(grabber, &canvas, NS_PER_S) > 0)
		;
	expect(grabber->ops->wait(grabber, -1, clock_now_ns() + 2 * NS_PER_S, &damage_ns) == 0);
	grabber_destroy(steal_ptr(grabber));
	lab_wayland_end(&lab);
}

static void outputs_may_change(void)
{
	static const char *const commands[] = {
		"output HEADLESS-1 resolution 1000x700",
		"output HEADLESS-1 resolution 1366x768",
		"output HEADLESS-1 scale 2",
		"output HEADLESS-1 scale 1",
		"output HEADLESS-1 transform 90",
		"output HEADLESS-1 transform 180",
		"output HEADLESS-1 transform 270",
		"output HEADLESS-1 transform flipped",
		"output HEADLESS-1 transform flipped-90",
		"output HEADLESS-1 transform flipped-180",
		"output HEADLESS-1 transform flipped-270",
		"output HEADLESS-1 resolution 801x601",
		"output HEADLESS-1 transform normal",
	};
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(grabber) struct grabber *grabber = NULL;
	struct lab_wayland lab;

	if (!start(&lab))
		return;
	lab_window_open(&lab);
	grabber = create();
	check(follow(grabber, &canvas, QUIET_NS) > 0);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		check(lab_wayland_say(&lab, commands[i]));
		expect(comes_to_grims(&lab, grabber, &canvas, commands[i]));
		/* and a part of it */
		lab_window_paint(&lab, 200 + (uint32_t)i, 31, 7, 50, 90);
		expect(comes_to_grims(&lab, grabber, &canvas, commands[i]));
	}
	grabber_destroy(steal_ptr(grabber));
	lab_wayland_end(&lab);
}

static void first_of_several_outputs(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(grabber) struct grabber *grabber = NULL;
	struct lab_wayland lab;

	if (!start(&lab))
		return;
	check(lab_wayland_say(&lab, "create_output"));
	grabber = create();
	expect(strcmp(grabber->ops->describe(grabber), "output HEADLESS-1, the first of 2") == 0);
	expect(comes_to_grims(&lab, grabber, &canvas, "one of two"));
	/* changes of another output are ignored */
	check(lab_wayland_say(&lab, "output HEADLESS-2 resolution 500x400"));
	expect(follow(grabber, &canvas, QUIET_NS) >= 0);
	expect(canvas->width == 1280);
	expect(is_what_grim_sees(&lab, canvas, "one of two"));
	grabber_destroy(steal_ptr(grabber));
	lab_wayland_end(&lab);
}

static bool add_second_output(const struct lab_wayland *lab)
{
	return lab_wayland_say(lab, "create_output") &&
		lab_wayland_say(lab, "output HEADLESS-2 resolution 500x400") &&
		lab_wayland_say(lab, "output HEADLESS-2 bg #a05010 solid_color");
}

static void output_of_a_name(void)
{
	_destroy_(canvas) struct canvas *canvas = NULL;
	_destroy_(grabber) struct grabber *grabber = NULL, *none = NULL;
	const struct monitors *monitors;
	struct error error = {""};
	struct lab_wayland lab;

	if (!start(&lab))
		return;
	check(add_second_output(&lab));
	check(grabber_wlr.create(
		      &grabber, &(struct grabber_target){.output = "HEADLESS-2"}, &error) == 0);
	expect(strcmp(grabber->ops->describe(grabber), "output HEADLESS-2, one of 2") == 0);
	/* its background comes at any time */
	for (int i = 0; i < 20 &&
		!(follow(grabber, &canvas, QUIET_NS) >= 0 && canvas && canvas->width == 500 &&
			is_what_grim_sees_of(&lab, "HEADLESS-2", canvas, "the second"));
		i++)
		sleep_ms(50);
	expect(is_what_grim_sees_of(&lab, "HEADLESS-2", canvas, "the second at last"));
	monitors = grabber->ops->monitors(grabber);
	expect(monitors->count == 1 && strcmp(monitors->monitor[0].name, "HEADLESS-2") == 0);
	expect(monitors->monitor[0].area.width == 500 && monitors->monitor[0].area.height == 400);
	/* changes of the first one are ignored */
	check(lab_wayland_say(&lab, "output HEADLESS-1 resolution 1000x700"));
	expect(follow(grabber, &canvas, QUIET_NS) >= 0 && canvas->width == 500);
	expect(grabber_wlr.create(&none, &(struct grabber_target){.output = "HEADLESS-3"},
		       &error) == -EINVAL &&
		!none);
	expect(strstr(error.text, "no output 'HEADLESS-3'; it has: HEADLESS-1, HEADLESS-2"));
	grabber_destroy(steal_ptr(grabber));
	lab_wayland_end(&lab);
}

/* ---- the whole recorder ---- */

struct seen {
	int pictures, shown, sizes; /* shown: by the video or patches */
	uint32_t width_px, height_px, most_width_px;
	int lost;
	int early;  /* patches before their picture */
	int unpaid; /* changes of size before the video has caught up with the patches */
	bool by_wlr, fresh, owes;
};

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct seen *seen = user;

	if (message->channel->known == CHANNEL_SCREEN) {
		seen->pictures++;
		seen->owes = false;
	}
	if (message->channel->known == CHANNEL_SCREEN_PATCHES)
		seen->owes |= !((const Uxrec__ScreenPatches *)(const void *)unpacked)->unchanged;
	if (message->channel->known == CHANNEL_GAPS) {
		Uxrec__Gap__Reason reason = ((const Uxrec__Gap *)(const void *)unpacked)->reason;

		seen->lost += reason == UXREC__GAP__REASON__REASON_SOURCE_LOST;
		seen->fresh |= reason == UXREC__GAP__REASON__REASON_PAUSE;
	}
	if (message->channel->known == CHANNEL_SCREEN_KEYFRAMES)
		seen->fresh = false;
	seen->early += seen->fresh && message->channel->known == CHANNEL_SCREEN_PATCHES;
	seen->shown += channel_is_picture(message->channel->known);
	if (message->channel->known == CHANNEL_SCREEN_INFO) {
		const Uxrec__Screen *info = (const void *)unpacked;

		seen->sizes += info->width_px != seen->width_px;
		seen->unpaid += info->width_px != seen->width_px && seen->owes;
		seen->width_px = info->width_px;
		if (seen->most_width_px < seen->width_px)
			seen->most_width_px = seen->width_px;
		seen->height_px = info->height_px;
		seen->by_wlr = strcmp(info->grabber, "wlr") == 0;
	}
	return 0;
}

static struct seen look_at(const struct session *session)
{
	struct seen seen = {.fresh = true};

	check(session_each(session, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_PATCHES |
			      UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES |
			      UINT64_C(1) << CHANNEL_GAPS | UINT64_C(1) << CHANNEL_SCREEN_INFO,
		      take, &seen) == 0);
	return seen;
}

static void sessions_are_recorded(void)
{
	static const char *const options[] = {"--input", "none", NULL};
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_autofree_ char *output = NULL, *doctor = NULL;
	struct daemon_child daemon;
	struct lab_wayland lab;
	struct seen seen;
	char id[21], program[256];

	if (!start(&lab))
		return;
	lab_window_open(&lab);
	unsetenv("DISPLAY");
	daemon_start(&daemon, temporary_folder(), options);
	output = child_output(&daemon.child);
	expect(strstr(output, "screen: the Wayland session's output HEADLESS-1") != NULL);
	daemon_record(&daemon, "none", id);
	sleep_ms(1000);
	for (uint32_t i = 0; i < 5; i++) {
		lab_window_paint(&lab, i + 2, 0, 0, 60, 60);
		sleep_ms(200);
	}
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	sleep_ms(2000);
	lab_window_paint(&lab, 7, 0, 0, 60, 60);
	sleep_ms(150);
	check(lab_wayland_say(&lab, "output HEADLESS-1 resolution 1000x700"));
	sleep_ms(2000);
	end_child(&lab.sway, SIGKILL);
	/* the session goes on, and waits for it */
	check(child_says(&daemon.child, "the connection to the display was lost", 10));
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "start", "--study", "Demo study", "--participant",
		       "P02", "--consent", "paper", NULL) == 3);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	seen = look_at(session);
	expect(seen.lost == 1 && seen.early == 0 && seen.unpaid == 0);
	expect(seen.by_wlr && seen.sizes == 2 && seen.width_px == 1000 && seen.height_px == 700);
	expect(seen.shown >= 7 && seen.pictures >= 2 && seen.pictures <= 20);
	snprintf(program, sizeof(program), "%s/uxrec-doctor", build_folder());
	expect(run_child(&doctor, program, "--input", "none", "--sound", "none", NULL) == 1);
	expect(strstr(doctor, "cannot connect to the Wayland compositor") != NULL);
	lab_wayland_end(&lab);
}

static void recorder_takes_the_output(void)
{
	static const char *const options[] = {"--input", "none", "--output", "HEADLESS-2", NULL};
	_autofree_ char *said = NULL, *info = NULL, *doctor = NULL, *wrong = NULL, *folder = NULL;
	struct daemon_child daemon;
	struct lab_wayland lab;
	char id[21], program[256];

	if (!start(&lab))
		return;
	check(add_second_output(&lab));
	unsetenv("DISPLAY");
	daemon_start(&daemon, temporary_folder(), options);
	said = child_output(&daemon.child);
	expect(strstr(said, "the Wayland session's output HEADLESS-2, one of 2") != NULL);
	daemon_record(&daemon, "none", id);
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	check(asprintf(&folder, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&info, program, "info", folder, NULL) == 0);
	expect(strstr(info, "500x400, by wlr\nmonitor      HEADLESS-2: 500x400 at 0,0\n"));
	expect(run_child(&doctor, program, "doctor", "--input", "none", "--sound", "none",
		       "--output", "HEADLESS-1", NULL) == 0);
	expect(strstr(doctor, "by wlr, output HEADLESS-1, one of 2") != NULL);
	snprintf(program, sizeof(program), "%s/uxrecd", build_folder());
	expect(run_child(&wrong, program, "--library", daemon.library, "--output", "DP-1", NULL) ==
		3);
	expect(strstr(wrong,
		"error: the Wayland session has no output 'DP-1'; it has: "
		"HEADLESS-1, HEADLESS-2\n"));
	lab_wayland_end(&lab);
}

/* ---- hidden areas ---- */

#define HIDDEN_GREY 0x6e

/* in the window, which is noise; meanwhile the screen is rotated by 90 and 180 degrees */
static const struct rect hidden_place = {151, 83, 117, 91}, open_place = {300, 100, 80, 80};

static void start_hiding(struct daemon_child *daemon, char session[21])
{
	static const char study[] =
		"study: Hidden\nscreen: {hide: [{x: 151, y: 83, width: 117, height: 91}]}\n";
	_autofree_ char *path = temporary_path("hidden.yaml"), *output = NULL;
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(io_write_all(fd, study, strlen(study)) == 0);
	check(daemon_command(daemon, &output, "start", "--study", path, "--participant", "P01",
		      "--consent", "paper", NULL) == 0);
	check(strlen(output) == 21);
	snprintf(session, 21, "%s", output);
}

/* @return largest deviation of a pixel from the grey, over all colour channels */
static int worst_deviation(const struct frame *frame, const struct rect *area)
{
	int worst = 0;

	for (int y = area->y; y < area->y + area->height; y++)
		for (int x = area->x; x < area->x + area->width; x++)
			for (int c = 0; c < 3; c++) {
				int off = frame->pixels[y * frame->stride_bytes + 4 * x + c] -
					HIDDEN_GREY;

				worst = abs(off) > worst ? abs(off) : worst;
			}
	return worst;
}

/* coded noise bleeds over the edge */
#define EDGE_PX 16

static void hidden_places_stay_on_turned_outputs(void)
{
	const struct rect inside = {hidden_place.x + EDGE_PX, hidden_place.y + EDGE_PX,
		hidden_place.width - 2 * EDGE_PX, hidden_place.height - 2 * EDGE_PX};
	static const char *const options[] = {"--input", "none", NULL};
	static const char *const turns[] = {"90", "flipped-180", "normal"};
	_destroy_(session) struct session *session = NULL;
	_destroy_(frames) struct frames *frames = NULL;
	struct daemon_child daemon;
	struct lab_wayland lab;
	struct frame frame;
	int pictures = 0, sides = 0, worst = 0, control = 255;
	char id[21], command[80];

	if (!start(&lab))
		return;
	lab_window_open(&lab);
	unsetenv("DISPLAY");
	daemon_start(&daemon, temporary_folder(), options);
	start_hiding(&daemon, id);
	for (uint32_t i = 0; i <= ARRAY_SIZE(turns); i++) {
		for (uint32_t k = 0; k < 5; k++) {
			lab_window_paint(&lab, 10 * i + k + 1, 0, 0, 300, 200);
			sleep_ms(200);
		}
		if (i == ARRAY_SIZE(turns))
			break;
		snprintf(command, sizeof(command), "output HEADLESS-1 transform %s", turns[i]);
		check(lab_wayland_say(&lab, command));
	}
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	lab_wayland_end(&lab);
	session = daemon_session(&daemon, id);
	check(frames_create(&frames, session->reader, NULL) == 0);
	while (frames_next(frames, &frame) > 0) {
		int off = worst_deviation(&frame, &inside);

		pictures++;
		sides += frame.width == 720 && frame.height == 1280;
		worst = off > worst ? off : worst;
		off = worst_deviation(&frame, &open_place);
		control = off < control ? off : control;
	}
	printf("# %d pictures, %d on its side: hidden pixels are up to %d off, those beside at least %d\n",
		pictures, sides, worst, control);
	expect(sides >= 2 && pictures - sides >= 4);
	expect(worst < 40 && control > 60);
}

/* Another output may be the moderator's. */
static void output_that_is_gone_is_waited_for(void)
{
	static const char *const named[] = {"--input", "none", "--output", "HEADLESS-2", NULL};
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *said = NULL;
	struct daemon_child daemon;
	struct lab_wayland lab;
	struct seen seen;
	char id[21];

	if (!start(&lab))
		return;
	unsetenv("DISPLAY");
	check(add_second_output(&lab));
	daemon_start(&daemon, temporary_folder(), named);
	daemon_record(&daemon, "none", id);
	sleep_ms(500);
	/* the search takes up to a second, and finds only the other one */
	lab_wayland_kill(&lab);
	check(child_says(&daemon.child, "; reconnecting", 20));
	lab_wayland_renew(&lab);
	sleep_ms(4000);
	check(add_second_output(&lab));
	check(child_says(&daemon.child, "no longer reconnecting", 20));
	/* nor is the other one shown after a pause */
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	lab_wayland_kill(&lab);
	lab_wayland_renew(&lab);
	expect(daemon_command(&daemon, &said, "resume", NULL) == 3);
	expect(said && strstr(said, "no output 'HEADLESS-2'"));
	check(add_second_output(&lab));
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	seen = look_at(session);
	expect(seen.lost == 1 && seen.most_width_px == 500);
	lab_wayland_end(&lab);
}

/* Waits for the first picture of a recorder's session, in its file. */
static bool has_pictures(const struct daemon_child *daemon)
{
	for (int i = 0; i < 600; i++) {
		_autofree_ char *output = NULL;
		const char *at = daemon_command(daemon, &output, "status", NULL) == 0
			? strstr(output, " events, ")
			: NULL;

		if (at && atoi(at + strlen(" events, ")) > 0) {
			sleep_ms(100); /* its packets are synced */
			return true;
		}
		sleep_ms(50);
	}
	return false;
}

/* Also if another output were the present choice. */
static void killed_recorder_takes_no_other_output(void)
{
	static const char *const named[] = {"--input", "none", "--output", "HEADLESS-2", NULL};
	_destroy_(session) struct session *session = NULL;
	const char *unnamed[] = {"--input", "none", "--control", NULL, NULL};
	struct daemon_child daemon, again;
	struct lab_wayland lab;
	struct seen seen;
	char id[21];

	if (!start(&lab))
		return;
	unsetenv("DISPLAY");
	check(add_second_output(&lab));
	daemon_start(&daemon, temporary_folder(), named);
	daemon_record(&daemon, "none", id);
	check(has_pictures(&daemon));
	end_child(&daemon.child, SIGKILL);
	unnamed[3] = daemon.control;
	daemon_start(&again, daemon.library, unnamed);
	check(child_says(&again.child, "resumed after the recorder was killed", 10));
	check(has_pictures(&daemon)); /* by the same control socket */
	end_child(&again.child, SIGKILL);
	lab_wayland_kill(&lab);
	lab_wayland_renew(&lab);
	daemon_start(&again, daemon.library, unnamed);
	expect(child_says(&again.child, "cannot be resumed", 10) &&
		child_says(&again.child, "no output 'HEADLESS-2'; it has: HEADLESS-1", 10) &&
		child_says(&again.child, ": ended: ", 10));
	session = daemon_session(&again, id);
	check(session->reader && session_reader_is_complete(session->reader));
	expect(session_reader_segments(session->reader) == 3);
	seen = look_at(session);
	expect(seen.pictures >= 2 && seen.most_width_px == 500);
	expect(end_child(&again.child, SIGTERM) == 0);
	lab_wayland_end(&lab);
}

static void doctor_sees_the_session(void)
{
	_autofree_ char *good = NULL, *other = NULL;
	char program[256];
	struct lab_wayland lab;

	if (!start(&lab))
		return;
	unsetenv("DISPLAY");
	snprintf(program, sizeof(program), "%s/uxrec-doctor", build_folder());
	expect(run_child(&good, program, "--input", "none", "--sound", "none", NULL) == 0);
	expect(strstr(good, "1280 × 720 pixels by wlr, output HEADLESS-1") != NULL);
	expect(strstr(good, "the position of the pointer is not recorded") != NULL);
	expect(run_child(&other, program, "--screen", "x11", "--input", "none", "--sound", "none",
		       NULL) == 1);
	lab_wayland_end(&lab);
}

static const struct test tests[] = {
	{"pictures equal grim's, and their damage is where it was painted", pictures_are_grims},
	{"a still screen requests no frames", still_screen_asks_for_nothing},
	{"an output may change its size, scale and transform", outputs_may_change},
	{"the first of several outputs is recorded", first_of_several_outputs},
	{"an output is selected by its name, and the error of a wrong name lists the right ones",
		output_of_a_name},
	{"the recorder and the doctor select an output by name", recorder_takes_the_output},
	{"an output that is gone is waited for, and another one is not shown instead",
		output_that_is_gone_is_waited_for},
	{"a recorder that was killed goes on with its output or not at all",
		killed_recorder_takes_no_other_output},
	{"a session is recorded, and ends with the compositor", sessions_are_recorded},
	{"a hidden place is in no picture, also while the output is rotated",
		hidden_places_stay_on_turned_outputs},
	{"the doctor sees the session", doctor_sees_the_session},
};

int main(void)
{
	return RUN_TESTS("wayland", tests);
}

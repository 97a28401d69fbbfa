/* Screen sharing by a desktop portal: its start and end, its dialog, the pointer, a session, and pictures of a real
 * compositor. */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/mutter.h"
#include "tests/harness/screens/portal_scene.h"

#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct grabber_target any;

/* ---- the end ---- */

static void the_end_of_the_sharing_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	portal_lab_close_session(&scene.portal);
	scene_ends_with(&scene, "has ended screen sharing");
}

static void the_end_of_the_portal_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	portal_lab_end(&scene.portal);
	scene_ends_with(&scene, "the desktop portal has exited");
}

static void the_end_of_the_stream_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	video_end(&scene.video);
	scene_ends_with(&scene, "the desktop");
}

static void the_end_of_pipewire_is_told(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	video_end(&scene.video);
	pipewire_lab_kill(&scene.pipewire);
	scene_ends_with(&scene, "");
}

static void who_waits_can_be_cut_off(void)
{
	static struct scene scene;

	if (!scene_begin(&scene))
		return;
	scene.grabber->ops->abort(scene.grabber);
	expect(scene_wait(&scene, SOON_NS) == -EPIPE);
	expect(scene_wait(&scene, SOON_NS) == -EPIPE);
	expect(scene_grab(&scene) == -EPIPE);
	expect(!scene.portal.closed);
	grabber_destroy(steal_ptr(scene.grabber));
	expect(scene.portal.closed);
	scene_finish(&scene);
}

static void who_waits_can_be_woken(void)
{
	static struct scene scene;
	int64_t damage_ns;
	int fd;

	if (!scene_begin(&scene))
		return;
	fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	expect(scene.grabber->ops->wait(scene.grabber, fd, INT64_MAX, &damage_ns) == 0);
	close(fd);
	scene_finish(&scene);
}

/* ---- replies of the portal ---- */

/* @param answer  of the person; there may be no portal at all */
static void refuses(enum portal_answer answer, int wanted, const char *why)
{
	static struct scene scene;
	struct error error = {""};

	scene = (struct scene){.portal.answer = answer};
	if (!scene_start(&scene))
		return;
	expect(grabber_portal.create(&scene.grabber, &any, &error) == wanted);
	printf("# %s\n", error.text);
	expect(strstr(error.text, why));
	scene_finish(&scene);
}

static void a_no_is_a_no(void)
{
	refuses(PORTAL_NO, -EACCES, "was denied");
	refuses(PORTAL_END, -ECANCELED, "was dismissed");
}

static void without_a_portal_that_is_said(void)
{
	static struct scene scene;
	struct error error = {""};

	if (!scene_start(&scene))
		return;
	portal_lab_end(&scene.portal);
	expect(grabber_portal.create(&scene.grabber, &any, &error) == -EOPNOTSUPP);
	printf("# %s\n", error.text);
	expect(strstr(error.text, "install xdg-desktop-portal"));
	scene_finish(&scene);
}

static void odd_answers_are_refused(void)
{
	static struct scene scene = {.portal.no_streams = true};
	struct error error = {""};

	if (!scene_start(&scene))
		return;
	expect(grabber_portal.create(&scene.grabber, &any, &error) == -EPROTO);
	printf("# %s\n", error.text);
	scene.portal.no_streams = false;
	scene.portal.no_remote = true;
	expect(grabber_portal.create(&scene.grabber, &any, &error) == -EPROTO);
	printf("# %s\n", error.text);
	expect(scene.portal.closed);
	scene_finish(&scene);
}

static char *kept_token(mode_t *ret_mode)
{
	_autofree_ char *path = temporary_path("state/uxrec/portal-token");
	struct stat status = {0};
	char *text = NULL;

	stat(path, &status);
	*ret_mode = status.st_mode & 0777;
	return io_read_file(path, 1000, &text) < 0 ? strdup("") : text;
}

static void expect_token(const char *wanted)
{
	mode_t mode;
	_autofree_ char *token = kept_token(&mode);

	expect(strcmp(token, wanted) == 0);
	expect(!*wanted || mode == 0600);
}

static void open_and_close(struct scene *scene, bool opens)
{
	struct error error = {""};
	int r = opens ? scene_open(scene, &error)
		      : grabber_portal.create(&scene->grabber, &any, &error);

	expect((r == 0) == opens);
	grabber_destroy(steal_ptr(scene->grabber));
	scene_renew_video(scene);
}

static void it_is_asked_once(void)
{
	static struct scene scene = {.portal.answer = PORTAL_YES_AND_REMEMBER};

	if (!scene_start(&scene))
		return;
	expect_token("");
	open_and_close(&scene, true);
	expect(scene.portal.types == 1 && scene.portal.persist_mode == 2);
	expect(!*scene.portal.token && scene.portal.dialogs == 1);
	expect_token("token-1\n");
	/* each token is good once */
	open_and_close(&scene, true);
	expect(strcmp(scene.portal.token, "token-1") == 0 && scene.portal.dialogs == 1);
	expect_token("token-2\n");
	open_and_close(&scene, true);
	expect(strcmp(scene.portal.token, "token-2") == 0 && scene.portal.dialogs == 1);
	expect_token("token-3\n");
	/* a refusal drops the restore token */
	scene.portal.answer = PORTAL_NO;
	open_and_close(&scene, false);
	expect_token("");
	scene.portal.answer = PORTAL_YES;
	open_and_close(&scene, true);
	expect(!*scene.portal.token);
	expect_token("");
	scene_finish(&scene);
}

static void the_pointer_is_wished_beside_the_pictures(void)
{
	static const struct {
		uint32_t offered, version, wished;
	} cases[] = {{7, 4, 4}, {3, 4, 1}, {2, 4, 2}, {6, 4, 4}, {7, 1, 0}};
	static struct scene scene;

	if (!scene_start(&scene))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error error;

		scene_renew_video(&scene);
		scene.portal.cursor_modes = cases[i].offered;
		scene.portal.version = cases[i].version;
		if (scene_open(&scene, &error) < 0)
			printf("# %s\n", error.text);
		check(scene.grabber != NULL);
		expect(scene.portal.cursor_mode == cases[i].wished);
		printf("# %s\n", scene.grabber->ops->describe(scene.grabber));
		grabber_destroy(steal_ptr(scene.grabber));
	}
	scene_finish(&scene);
}

/* ---- the pointer ---- */

struct told {
	struct grabber_pointer last;
	uint32_t first_pixel, last_pixel;
	unsigned count, shapes;
};

struct listener {
	pthread_mutex_t lock;
	struct told told;
};

static void take_told(void *user, const struct grabber_pointer *pointer)
{
	struct listener *listener = user;
	struct told *told = &listener->told;

	pthread_mutex_lock(&listener->lock);
	told->last = *pointer;
	if (pointer->rgba && pointer->width > 0) {
		size_t last = (size_t)pointer->width * (size_t)pointer->height - 1;

		memcpy(&told->first_pixel, pointer->rgba, 4);
		memcpy(&told->last_pixel, pointer->rgba + 4 * last, 4);
	}
	told->shapes += pointer->rgba != NULL;
	told->count++;
	pthread_mutex_unlock(&listener->lock);
}

static struct told told_to(struct listener *listener)
{
	struct told told;

	pthread_mutex_lock(&listener->lock);
	told = listener->told;
	pthread_mutex_unlock(&listener->lock);
	return told;
}

static void show_pointer(struct scene *scene, int x, int y, int side)
{
	struct video_said *said = &scene->video.said;

	said->has_cursor = true;
	said->cursor_id = 1;
	said->cursor_x = x;
	said->cursor_y = y;
	said->cursor_side = side;
	check(video_show(&scene->video, SOON_NS));
}

/* @return the last report, after exactly this number of them */
static struct told after(struct listener *listener, unsigned count)
{
	struct told told;

	for (int i = 0; i < 4000 && told_to(listener).count < count; i++)
		sleep_ms(5);
	sleep_ms(100);
	told = told_to(listener);
	expect(told.count == count);
	return told;
}

static void the_pointer_is_told(void)
{
	static struct scene scene;
	struct listener listener = {.lock = PTHREAD_MUTEX_INITIALIZER},
			late = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct told told;

	if (!scene_begin(&scene))
		return;
	scene.grabber->ops->track_pointer(scene.grabber, take_told, &listener);
	expect(told_to(&listener).count == 0);
	show_pointer(&scene, 30, 40, 16);
	told = after(&listener, 1);
	expect(told.shapes == 1);
	expect(told.last.x == 30 && told.last.y == 40 && told.last.width == 16);
	expect(told.last.hot_x == 1 && told.last.hot_y == 2);
	expect(told.first_pixel == 0xff000000);
	expect(told.last_pixel == 0xffff0000); /* B G R A, 255 of blue, as R G B A */
	/* a buffer with only a pointer in it */
	scene.video.said.corrupted = true;
	show_pointer(&scene, 31, 45, 0);
	told = after(&listener, 2);
	expect(told.shapes == 1 && told.last.x == 31 && told.last.y == 45);
	/* an oversized shape is ignored */
	show_pointer(&scene, 32, 45, 65);
	expect(after(&listener, 3).shapes == 1);
	/* a later follower gets the present state */
	scene.grabber->ops->track_pointer(scene.grabber, take_told, &late);
	told = told_to(&late);
	expect(told.count == 1 && told.shapes == 1 && told.last.x == 32);
	expect(told.last_pixel == 0xffff0000);
	/* hidden while on a monitor that is not shared, and unchanged when it returns */
	scene.grabber->ops->track_pointer(scene.grabber, take_told, &listener);
	after(&listener, 4);
	scene.video.said.cursor_id = 0;
	check(video_show(&scene.video, SOON_NS) && video_show(&scene.video, SOON_NS));
	told = after(&listener, 5);
	expect(told.shapes == 3 && told.last.x == 32 && told.last.rgba && told.last.width == 0);
	show_pointer(&scene, 40, 46, 0);
	told = after(&listener, 6);
	expect(told.shapes == 4 && told.last.x == 40 && told.last.width == 16);
	expect(told.last.hot_y == 2);
	scene_finish(&scene);
}

/* ---- a session ---- */

static int messages_of(const struct daemon_child *daemon, const char *name, uint16_t channel)
{
	_destroy_(session) struct session *session = daemon_session(daemon, name);
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int count = 0;

	if (!session->reader)
		return 0;
	check(session_cursor_create(
		      &cursor, session->reader, INT64_MIN, INT64_MAX, UINT64_C(1) << channel) == 0);
	while (session_cursor_next(cursor, &message) > 0)
		count++;
	return count;
}

static bool gets_pointers(const struct daemon_child *daemon, const char *name, int count)
{
	for (int i = 0; i < 400; i++) {
		if (messages_of(daemon, name, CHANNEL_POINTER) >= count)
			return true;
		sleep_ms(50);
	}
	return false;
}

static void a_session_is_recorded(void)
{
	static struct scene scene = {.portal.answer = PORTAL_YES_AND_REMEMBER};
	struct daemon_child daemon;
	_autofree_ char *library = temporary_path("library");
	char session[21];

	if (!scene_start(&scene))
		return;
	scene_begin_showing(&scene);
	daemon_start(&daemon, library,
		(const char *const[]){
			"--screen", "portal", "--input", "none", "--sound", "none", NULL});
	daemon_record(&daemon, "none", session);
	scene_end_showing(&scene);
	expect(scene.portal.dialogs == 1); /* at the start */
	for (int i = 0; i < 10; i++) {
		scene_paint(&scene, (struct rect){i * 20, 50, 18, 30}, 20 + (uint32_t)i);
		show_pointer(&scene, i * 3, 7, i == 0 ? 24 : 0);
		check(gets_pointers(&daemon, session, i + 1));
	}
	/* a person ends the sharing: the session ends with that reason */
	portal_lab_close_session(&scene.portal);
	expect(child_says(&daemon.child, "has ended screen sharing", 20));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	expect(messages_of(&daemon, session, CHANNEL_SCREEN) >= 1);
	expect(messages_of(&daemon, session, CHANNEL_POINTER) == 10);
	expect(messages_of(&daemon, session, CHANNEL_POINTER_SHAPE) == 1);
	scene_finish(&scene);
}

/* ---- a start that waits for the dialog ---- */

static bool status_becomes(const struct daemon_child *daemon, const char *text)
{
	for (int i = 0; i < 200; i++) {
		_autofree_ char *status = NULL;

		check(daemon_command(daemon, &status, "status", NULL) == 0);
		if (strstr(status, text))
			return true;
		sleep_ms(50);
	}
	return false;
}

static char *uxrec(void)
{
	char *program;

	check(asprintf(&program, "%s/uxrec", build_folder()) > 0);
	return program;
}

/* `uxrec start`, which does not return before the dialog is answered. */
static struct child start_session(const struct daemon_child *daemon)
{
	static const char yaml[] = "study: portal\ntasks: [{id: t1, title: A task}]\n";
	_autofree_ char *program = uxrec(), *study = temporary_path("portal.yaml");
	_autoclose_ int fd = open(study, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	check(io_write_all(fd, yaml, strlen(yaml)) == 0);
	return start_child(program,
		(const char *const[]){"--control", daemon->control, "start", "--study", study,
			"--participant", "P01", "--consent", "paper:screen", "--keys", "none",
			NULL});
}

static bool has_session(const struct daemon_child *daemon)
{
	_cleanup_(session_ids_finish) struct session_ids ids = {0};

	check(session_ids_list(&ids, daemon->library) == 0);
	return ids.count > 0;
}

/* A start whose dialog nobody answers. @param library  name of a folder that no other test uses */
static struct child start_quiet(
	struct scene *scene, struct daemon_child *daemon, const char *library)
{
	struct child starting;

	scene_begin_showing(scene);
	daemon_start(daemon, temporary_path(library),
		(const char *const[]){
			"--screen", "portal", "--input", "none", "--sound", "none", NULL});
	scene_end_showing(scene);
	scene->portal.answer = PORTAL_QUIET;
	starting = start_session(daemon);
	check(status_becomes(daemon, "starting: "));
	return starting;
}

static void a_start_that_waits_can_be_cancelled(void)
{
	static struct scene scene;
	struct daemon_child daemon;
	struct child starting;

	if (!scene_start(&scene))
		return;
	starting = start_quiet(&scene, &daemon, "library-cancelled");
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(wait_child(&starting, 20) > 0);
	expect(child_says(&starting, "cancelled", 1));
	expect(status_becomes(&daemon, "idle"));
	expect(!has_session(&daemon));
	/* and the next start records */
	scene.portal.answer = PORTAL_YES;
	scene_begin_showing(&scene);
	starting = start_session(&daemon);
	expect(wait_child(&starting, 20) == 0);
	scene_end_showing(&scene);
	expect(status_becomes(&daemon, "recording session"));
	expect(end_child(&daemon.child, SIGTERM) == 0);
	scene_finish(&scene);
}

static void a_recorder_that_waits_for_the_dialog_ends(void)
{
	static struct scene scene;
	struct daemon_child daemon;
	struct child starting;

	if (!scene_start(&scene))
		return;
	starting = start_quiet(&scene, &daemon, "library-ended");
	expect(end_child(&daemon.child, SIGTERM) == 0);
	expect(wait_child(&starting, 20) > 0);
	expect(!has_session(&daemon));
	scene_finish(&scene);
}

static void a_stop_cancels_a_resume(void)
{
	static struct scene scene;
	struct daemon_child daemon;
	struct child resuming;
	_autofree_ char *program = uxrec();
	char session[21];

	if (!scene_start(&scene))
		return;
	scene_begin_showing(&scene);
	daemon_start(&daemon, temporary_path("library"),
		(const char *const[]){
			"--screen", "portal", "--input", "none", "--sound", "none", NULL});
	daemon_record(&daemon, "none", session);
	scene_end_showing(&scene);
	check(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	scene.portal.answer = PORTAL_QUIET;
	resuming = start_child(
		program, (const char *const[]){"--control", daemon.control, "resume", NULL});
	expect(status_becomes(&daemon, "may ask for permission"));
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(wait_child(&resuming, 20) > 0);
	expect(status_becomes(&daemon, "idle"));
	expect(messages_of(&daemon, session, CHANNEL_SCREEN) >= 1);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	scene_finish(&scene);
}

static bool withdraw(const char *folder, const char *modality)
{
	_autofree_ char *program = uxrec();

	return run_child(NULL, program, "withdraw", folder, "--modality", modality, NULL) == 0;
}

/* A session of screen and sound whose capture is restarted without the sound, and waits for the dialog. */
static void restart_quietly(
	struct scene *scene, struct daemon_child *daemon, const char *library, char ret_session[21])
{
	_autofree_ char *folder = NULL;

	scene_begin_showing(scene);
	daemon_start(daemon, temporary_path(library),
		(const char *const[]){
			"--screen", "portal", "--input", "none", "--sound", "tone", NULL});
	daemon_record_agreed(daemon, "paper:screen,sound", "none", ret_session);
	scene_end_showing(scene);
	scene->portal.answer = PORTAL_QUIET;
	check(asprintf(&folder, "%s/%s", daemon->library, ret_session) > 0);
	check(withdraw(folder, "sound"));
	check(status_becomes(daemon, "may ask for permission"));
}

static void a_stop_in_a_restart_is_its_end(void)
{
	_destroy_(session) struct session *session = NULL;
	static struct scene scene;
	struct daemon_child daemon;
	char id[21];

	if (!scene_start(&scene))
		return;
	restart_quietly(&scene, &daemon, "library-restart-stop", id);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	expect(reason_is_said(session, "stopped by the moderator"));
	scene_finish(&scene);
}

/* ---- a real compositor ---- */

static int wrong_of_mutter(const struct scene *scene, bool painted)
{
	int wrong = 0;

	for (int y = 0; y < scene->canvas->height; y++)
		for (int x = 0; x < scene->canvas->width; x++) {
			uint32_t pixel;

			memcpy(&pixel,
				scene->canvas->pixels + (ptrdiff_t)y * scene->canvas->stride +
					4 * x,
				4);
			wrong += (pixel & 0xffffff) != mutter_lab_pixel(painted, x, y);
		}
	return wrong;
}

/* Wait for pictures until one is right. */
static bool becomes(struct scene *scene, bool painted)
{
	int64_t until_ns = clock_now_ns() + SOON_NS;

	while (wrong_of_mutter(scene, painted) > 0) {
		if (clock_now_ns() > until_ns) {
			printf("# %d pixels are wrong, the first is %02x%02x%02x\n",
				wrong_of_mutter(scene, painted), scene->canvas->pixels[2],
				scene->canvas->pixels[1], scene->canvas->pixels[0]);
			return false;
		}
		if (scene_wait(scene, SHORT_NS) == 1)
			check(scene_grab(scene) == 0);
	}
	return true;
}

static void what_mutter_shows_is_on_the_canvas(void)
{
	static struct scene scene;
	static struct mutter_lab mutter;
	struct error error = {""};
	struct told told = {0};
	struct grabber_size size;
	int64_t began_ns;

	if (!pipewire_lab_start(&scene.pipewire, NULL) || !mutter_lab_start(&mutter))
		return;
	scene.portal.node = mutter.node;
	portal_lab_start(&scene.portal);
	began_ns = clock_now_ns();
	if (grabber_portal.create(&scene.grabber, &any, &error) < 0)
		printf("# %s\n", error.text);
	check(scene.grabber != NULL);
	printf("# the first picture of mutter came after %.0f ms\n",
		(double)(clock_now_ns() - began_ns) / 1e6);
	scene.grabber->ops->track_pointer(scene.grabber, take_told, &told);
	size = scene.grabber->ops->size(scene.grabber);
	check(size.width == MUTTER_WIDTH && size.height == MUTTER_HEIGHT);
	check(canvas_create(&scene.canvas, size.width, size.height, CHROMA_420) == 0);
	expect(becomes(&scene, false));
	mutter_lab_paint(&mutter);
	began_ns = clock_now_ns();
	expect(becomes(&scene, true));
	printf("# what was painted was on the canvas after %.0f ms\n",
		(double)(clock_now_ns() - began_ns) / 1e6);
	expect(scene_wait(&scene, SHORT_NS) == 0);
	mutter_lab_paint(&mutter);
	expect(becomes(&scene, false));
	mutter_lab_end(&mutter);
	scene_ends_with(&scene, "the desktop");
}

int main(void)
{
	static const struct test tests[] = {
		{"the end of the sharing is reported", the_end_of_the_sharing_is_told},
		{"the end of the portal is reported", the_end_of_the_portal_is_told},
		{"the end of the stream is reported", the_end_of_the_stream_is_told},
		{"the end of PipeWire is reported", the_end_of_pipewire_is_told},
		{"waiting can be cancelled", who_waits_can_be_cut_off},
		{"waiting can be interrupted", who_waits_can_be_woken},
		{"a denial is final", a_no_is_a_no},
		{"a missing portal is reported", without_a_portal_that_is_said},
		{"odd answers are refused", odd_answers_are_refused},
		{"the user is asked once, and each token is used once", it_is_asked_once},
		{"the pointer is requested as metadata beside the pictures",
			the_pointer_is_wished_beside_the_pictures},
		{"the pointer is reported, with its shape", the_pointer_is_told},
		{"a session is recorded, with the reason of its end", a_session_is_recorded},
		{"a start that waits for the dialog is seen, and cancelled by a stop",
			a_start_that_waits_can_be_cancelled},
		{"a recorder that waits for the dialog ends on SIGTERM, without a session",
			a_recorder_that_waits_for_the_dialog_ends},
		{"a resume that waits for the dialog is cancelled by a stop",
			a_stop_cancels_a_resume},
		{"a stop ends a session whose capture is restarted for a withdrawal",
			a_stop_in_a_restart_is_its_end},
		{"the canvas equals mutter's screen, to the pixel",
			what_mutter_shows_is_on_the_canvas},
	};

	return RUN_TESTS("portal", tests);
}

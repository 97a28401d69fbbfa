/* Real programs on a real X server, driven by XTest; their recordings are read back. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "replay/session/info.h"
#include "replay/session/timeline.h"

#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define X11_INPUT ((const char *[]){"--input", "x11", NULL})

/* one input event of the file */
struct recorded {
	int64_t time_ns;
	uint16_t channel;
	int32_t what, value;
};

struct recording {
	struct recorded *events;
	size_t count, capacity;
	struct position {
		int64_t time_ns;
		int32_t x, y;
	} position; /* newest */
	size_t pictures, gaps;
};

static void record(struct recording *recording, struct recorded event)
{
	if (recording->count == recording->capacity) {
		recording->capacity = recording->capacity ? recording->capacity * 2 : 1024;
		recording->events = realloc(
			recording->events, recording->capacity * sizeof(*recording->events));
		check(recording->events != NULL);
	}
	recording->events[recording->count++] = event;
}

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct recording *recording = user;
	int64_t time_ns = message->time_ns;

	switch (message->channel->known) {
	case CHANNEL_CONTROLS: {
		const Uxrec__ControlBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_control; i++) {
			time_ns += batch->dt_us[i] * NS_PER_US;
			record(recording,
				(struct recorded){time_ns, CHANNEL_CONTROLS, batch->control[i],
					batch->value[i]});
		}
		break;
	}
	case CHANNEL_KEYS: {
		const Uxrec__KeyBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_code; i++) {
			time_ns += batch->dt_us[i] * NS_PER_US;
			record(recording,
				(struct recorded){time_ns, CHANNEL_KEYS, (int32_t)batch->code[i],
					batch->action[i]});
		}
		break;
	}
	case CHANNEL_KEY_CLASSES: {
		const Uxrec__KeyClassBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_key_class; i++) {
			time_ns += batch->dt_us[i] * NS_PER_US;
			record(recording,
				(struct recorded){time_ns, CHANNEL_KEY_CLASSES, batch->key_class[i],
					batch->action[i]});
		}
		break;
	}
	case CHANNEL_POINTER: {
		const Uxrec__PointerBatch *batch = (const void *)unpacked;

		recording->position = (struct position){time_ns, batch->x_px[0], batch->y_px[0]};
		break;
	}
	case CHANNEL_SCREEN: recording->pictures++; break;
	case CHANNEL_GAPS: recording->gaps++; break;
	default: break;
	}
	return 0;
}

static void read_recording(struct recording *recording, const struct session *session)
{
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_MAX & ~UINT64_C(1), take,
		      recording) == 0);
}

/* ---- input ---- */

/* a sent event, between two readings of the clock */
struct sent {
	int64_t before_ns, after_ns;
	int32_t what, value;
};

#define EVENTS 10000

/*
 * Every event is there once, in order, with a timestamp between the clock readings around it, to an X server's
 * millisecond.
 */
static void compare(const struct recording *recording, uint16_t channel, const struct sent *sent,
	size_t count, int64_t offset_ns)
{
	size_t next = 0, wrong_times = 0;

	for (size_t i = 0; i < recording->count; i++) {
		const struct recorded *event = &recording->events[i];
		int64_t time_ns = event->time_ns - offset_ns;

		if (event->channel != channel ||
			(channel == CHANNEL_CONTROLS &&
				event->what == UXREC__CONTROL__CONTROL_FRAME))
			continue;
		check(next < count);
		check(event->what == sent[next].what && event->value == sent[next].value);
		wrong_times += time_ns < sent[next].before_ns - 2 * NS_PER_MS ||
			time_ns > sent[next].after_ns + 2 * NS_PER_MS;
		next++;
	}
	check(next == count);
	expect(wrong_times == 0);
}

static void keys_are_all_there(void)
{
	_autofree_ struct sent *sent = calloc(EVENTS, sizeof(*sent));
	_destroy_(session) struct session *session = NULL;
	struct recording recording = {0};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "full", id);
	for (size_t i = 0; i < EVENTS; i++) {
		/* keycodes of the letters a to l and q to p, pressed and released in turn */
		uint8_t keycode = (uint8_t)((i / 2 % 2 ? 24 : 38) + i / 4 % 9);
		bool press = i % 2 == 0;

		sent[i] = (struct sent){clock_now_ns(), 0, keycode - 8, press};
		desktop_fake(&desktop, press ? XCB_KEY_PRESS : XCB_KEY_RELEASE, keycode, 0, 0);
		sent[i].after_ns = clock_now_ns();
	}
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	read_recording(&recording, session);
	compare(&recording, CHANNEL_KEYS, sent, EVENTS, session_offset_ns(session));
	free(recording.events);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void buttons_and_motion_are_all_there(void)
{
	_autofree_ struct sent *sent = calloc(EVENTS, sizeof(*sent));
	_destroy_(session) struct session *session = NULL;
	struct recording recording = {0};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];
	size_t count = 0;

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "none", id);
	while (count + 2 <= EVENTS) {
		int64_t before_ns = clock_now_ns();

		if (count % 6 == 4) {
			for (int press = 1; press >= 0; press--) {
				sent[count] = (struct sent){clock_now_ns(), 0,
					UXREC__CONTROL__CONTROL_BUTTON_LEFT, press};
				desktop_fake(&desktop,
					press ? XCB_BUTTON_PRESS : XCB_BUTTON_RELEASE, 1, 0, 0);
				sent[count++].after_ns = clock_now_ns();
			}
		} else {
			/* relative, back and forth so that the pointer stays on the screen */
			int step = count % 4 < 2 ? 3 : -3;

			desktop_fake(&desktop, XCB_MOTION_NOTIFY, 1, step, -step);
			sent[count] = (struct sent){
				before_ns, clock_now_ns(), UXREC__CONTROL__CONTROL_REL_X, step};
			sent[count + 1] = (struct sent){before_ns, sent[count].after_ns,
				UXREC__CONTROL__CONTROL_REL_Y, -step};
			count += 2;
		}
	}
	/* the pointer's last position must be in the file too */
	sleep_ms(20);
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 123, 45);
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	read_recording(&recording, session);
	/* an absolute XTest move also comes as raw motion: cut it off before comparing */
	while (recording.count > 0 &&
		recording.events[recording.count - 1].time_ns - session_offset_ns(session) >
			sent[count - 1].after_ns + NS_PER_MS)
		recording.count--;
	compare(&recording, CHANNEL_CONTROLS, sent, count, session_offset_ns(session));
	for (size_t i = 0; i < recording.count; i++)
		check(recording.events[i].channel == CHANNEL_CONTROLS); /* no key in any form */
	expect(recording.position.x == 123 && recording.position.y == 45);
	free(recording.events);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

#define CLICKS 150

/* @return the number of clicks recorded at a wrong position, with the pointer resting @p stay_ms after each */
static size_t clicks_elsewhere(size_t count, int stay_ms)
{
	struct {
		int x, y;
	} clicks[CLICKS];
	_destroy_(session) struct session *session = NULL;
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	uint64_t seed = 1;
	size_t next = 0, wrong = 0;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return 0;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "none", id);
	for (size_t i = 0; i < count; i++) {
		for (int move = 0; move < 3; move++) {
			clicks[i].x = (int)(next_random(&seed) % 640);
			clicks[i].y = (int)(next_random(&seed) % 480);
			desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, clicks[i].x, clicks[i].y);
		}
		desktop_fake(&desktop, XCB_BUTTON_PRESS, 1, 0, 0);
		desktop_fake(&desktop, XCB_BUTTON_RELEASE, 1, 0, 0);
		sleep_ms(stay_ms + (int)(next_random(&seed) % 40));
	}
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(timeline_create(&timeline, session) == 0);
	for (size_t i = 0; i < timeline->press_count; i++) {
		const struct timeline_press *press = &timeline->presses[i];

		if (press->kind != PRESS_BUTTON)
			continue;
		check(next < count);
		wrong += press->x != clicks[next].x || press->y != clicks[next].y;
		next++;
	}
	printf("# %zu of %zu clicks are elsewhere\n", wrong, next);
	expect(next == count);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	return wrong;
}

/*
 * For any speed of the pointer, also while its position is polled. No hand moves a mouse within 30 ms after a click; a
 * busy machine queries the position later than that, and then needs a longer rest.
 */
static void clicks_are_where_the_pointer_was(void)
{
	expect(clicks_elsewhere(CLICKS, 30) == 0 || clicks_elsewhere(60, 150) == 0 ||
		clicks_elsewhere(30, 500) == 0);
}

/* ---- redaction ---- */

/* XTest keycodes of "correcthorsebatterystaple" on the usual layout */
static const uint8_t secret_keycodes[] = {54, 32, 27, 27, 26, 54, 28, 43, 32, 27, 39, 26, 56, 38,
	28, 28, 26, 27, 29, 39, 28, 38, 33, 46, 26};

static void secrets_stay_out_of_the_file(void)
{
	_destroy_(session) struct session *session = NULL;
	struct recording recording = {0};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	for (size_t i = 0; i < ARRAY_SIZE(secret_keycodes); i++) {
		desktop_fake(&desktop, XCB_KEY_PRESS, secret_keycodes[i], 0, 0);
		desktop_fake(&desktop, XCB_KEY_RELEASE, secret_keycodes[i], 0, 0);
	}
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	read_recording(&recording, session);
	check(recording.count == 2 * ARRAY_SIZE(secret_keycodes));
	for (size_t i = 0; i < recording.count; i++)
		check(recording.events[i].channel == CHANNEL_KEY_CLASSES &&
			recording.events[i].what == UXREC__KEY_CLASS__KEY_CLASS_LETTER &&
			recording.events[i].value == (i % 2 == 0));
	free(recording.events);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void full_keys_need_consent(void)
{
	_autofree_ char *output = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char program[256];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	expect(daemon_command(&daemon, &output, "start", "--study", "Demo study", "--participant",
		       "P01", "--consent", "paper:screen", "--keys", "full", NULL) == 3);
	expect(strstr(output, "consent") != NULL);
	/* and the program that reads keyboards refuses on its own */
	snprintf(program, sizeof(program), "%s/uxrec-inputd", build_folder());
	expect(run_child(NULL, program, "--source", "x11", "--keys", "full", NULL) == 2);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- pictures ---- */

struct film {
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
};

static int take_picture(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	const Foxglove__CompressedVideo *video = (const void *)unpacked;
	struct film *film = user;

	(void)message;
	check(av_new_packet(film->packet, (int)video->data.len) == 0);
	memcpy(film->packet->data, video->data.data, video->data.len);
	check(avcodec_send_packet(film->codec, film->packet) == 0);
	av_packet_unref(film->packet);
	check(avcodec_receive_frame(film->codec, film->frame) == 0);
	return 0;
}

static int luma_at(const AVFrame *frame, int x, int y)
{
	return frame->data[0][y * frame->linesize[0] + x];
}

static void picture_is_what_was_drawn(void)
{
	_destroy_(session) struct session *session = NULL;
	struct film film = {
		.codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264)),
		.packet = av_packet_alloc(),
		.frame = av_frame_alloc(),
	};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	uint64_t random = 3;
	uint32_t grid[15][20];
	char id[21];

	/* an odd width: the last column has no neighbour */
	if (!desktop_start(&desktop, 641, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	desktop_paint(&desktop, 0x404040, 0, 0, 641, 480);
	memset(grid, 0x40, sizeof(grid));
	daemon_record(&daemon, "none", id);
	for (int i = 0; i < 300; i++) {
		int x = (int)(next_random(&random) % 20), y = (int)(next_random(&random) % 15);
		uint32_t grey = (uint32_t)(next_random(&random) % 4) * 85;

		grid[y][x] = grey;
		desktop_paint(&desktop, grey * 0x010101, x * 32, y * 32, 32, 32);
		sleep_ms(i % 10 == 0 ? 30 : 3);
	}
	sleep_ms(1500); /* the last patch may come late; the video has all patches at its end */
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	check(avcodec_open2(film.codec, NULL, NULL) == 0);
	check(session_each(session, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_SCREEN,
		      take_picture, &film) == 0);
	check(film.frame->width == 642 && film.frame->height == 480);
	for (int y = 0; y < 15; y++)
		for (int x = 0; x < 20; x++) {
			uint32_t grey = grid[y][x] == 0x40404040 ? 0x40 : grid[y][x];
			int wanted = 16 + (int)(grey * 219 + 127) / 255;

			check(abs(luma_at(film.frame, x * 32 + 16, y * 32 + 16) - wanted) <= 4);
		}
	avcodec_free_context(&film.codec);
	av_packet_free(&film.packet);
	av_frame_free(&film.frame);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

static void still_screen_costs_nothing(void)
{
	_destroy_(session) struct session *session = NULL;
	struct recording recording = {0};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	sleep_ms(3000);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	read_recording(&recording, session);
	expect(recording.pictures == 1 && recording.count == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- pause ---- */

static void pause_is_a_hole(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	const Uxrec__Gap *gap;
	struct recording recording = {0};
	struct desktop desktop = {0};
	struct daemon_child daemon;
	int64_t paused_ns, resumed_ns, offset_ns;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	desktop_fake(&desktop, XCB_BUTTON_PRESS, 1, 0, 0);
	desktop_fake(&desktop, XCB_BUTTON_RELEASE, 1, 0, 0);
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	paused_ns = clock_now_ns();
	for (int i = 0; i < 20; i++) {
		desktop_paint(&desktop, (uint32_t)i * 0x0a0a0a, 0, 0, 640, 480);
		desktop_fake(&desktop, XCB_KEY_PRESS, 38, 0, 0);
		desktop_fake(&desktop, XCB_KEY_RELEASE, 38, 0, 0);
		desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 10 * i, 10 * i);
		sleep_ms(20);
	}
	resumed_ns = clock_now_ns();
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	desktop_fake(&desktop, XCB_BUTTON_PRESS, 3, 0, 0);
	desktop_fake(&desktop, XCB_BUTTON_RELEASE, 3, 0, 0);
	sleep_ms(100);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	session = daemon_session(&daemon, id);
	offset_ns = session_offset_ns(session);
	read_recording(&recording, session);
	for (size_t i = 0; i < recording.count; i++) {
		int64_t time_ns = recording.events[i].time_ns - offset_ns;

		check(recording.events[i].channel == CHANNEL_CONTROLS);
		check(time_ns < paused_ns || time_ns > resumed_ns - 2 * NS_PER_MS);
	}
	expect(recording.count == 8); /* two presses, two releases, each with a frame mark */
	check(session_facts_create(&facts, session) == 0);
	gap = session_gap(facts);
	check(gap != NULL);
	expect(gap->reason == UXREC__GAP__REASON__REASON_PAUSE);
	expect(gap->from_ns - offset_ns <= paused_ns);
	expect(gap->to_ns - offset_ns >= resumed_ns);
	free(recording.events);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- sound ---- */

static const char *const tone_alone[] = {
	"--screen", "none", "--input", "none", "--sound", "tone", NULL};

/* @return the number of sound packets; those that overlap [from, to) in @p ret_inside */
static size_t count_sound(
	const struct session *session, int64_t from_ns, int64_t to_ns, size_t *ret_inside)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	size_t count = 0;

	*ret_inside = 0;
	check(session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_SOUND) == 0);
	for (; session_cursor_next(cursor, &message) > 0; count++)
		*ret_inside += message.time_ns + SESSION_SOUND_SPAN_NS > from_ns &&
			message.time_ns < to_ns;
	return count;
}

static void sound_needs_consent(void)
{
	_destroy_(session) struct session *session = NULL;
	struct daemon_child daemon;
	size_t inside;
	char id[21];

	daemon_start(&daemon, temporary_folder(), tone_alone);
	daemon_record(&daemon, "classes", id);
	sleep_ms(300);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	expect(count_sound(session, INT64_MIN, INT64_MAX, &inside) == 0);
}

static void nothing_is_heard_in_a_pause(void)
{
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *path = NULL;
	struct daemon_child daemon;
	int64_t paused_ns, resumed_ns, offset_ns, first_ns, last_ns;
	size_t inside, before;
	char id[21], program[256], end[32];

	daemon_start(&daemon, temporary_folder(), tone_alone);
	daemon_record_agreed(&daemon, "paper:sound", "classes", id);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "pause", NULL) == 0);
	paused_ns = clock_now_ns();
	sleep_ms(500);
	resumed_ns = clock_now_ns();
	expect(daemon_command(&daemon, NULL, "resume", NULL) == 0);
	sleep_ms(500);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	offset_ns = session_offset_ns(session);
	/* the encoder's delayed input is silence, at most two packets */
	before = count_sound(session, offset_ns + paused_ns + 2 * SESSION_SOUND_SPAN_NS,
		offset_ns + resumed_ns - SESSION_SOUND_SPAN_NS, &inside);
	expect(before > 30 && inside == 0);
	check(session_span(session, &first_ns, &last_ns));
	snprintf(end, sizeof(end), "%.0f", ceil((double)(last_ns - first_ns) / 1e9));
	session_destroy(steal_ptr(session));
	/* and it can be erased alone */
	check(asprintf(&path, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "erase", path, "--from", "0", "--to", end, "--who", "Ana",
		       "--modality", "sound", NULL) == 0);
	expect(run_child(NULL, program, "verify", path, NULL) == 0);
	session = daemon_session(&daemon, id);
	expect(count_sound(session, INT64_MIN, INT64_MAX, &inside) == 0);
}

/* ---- tasks, tags, commands ---- */

static void tasks_and_tags_become_numbers(void)
{
	_autofree_ char *status = NULL, *metrics = NULL, *list = NULL, *path = NULL, *info = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21], program[256];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	daemon_record(&daemon, "classes", id);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "task", "start", "two", NULL) == 3);
	desktop_fake(&desktop, XCB_BUTTON_PRESS, 1, 0, 0);
	desktop_fake(&desktop, XCB_BUTTON_RELEASE, 1, 0, 0);
	expect(daemon_command(&daemon, NULL, "tag", "s", "--opportunity", "o1", "--note", "oops",
		       NULL) == 0);
	expect(daemon_command(&daemon, NULL, "tag", "nothing", NULL) == 3);
	expect(daemon_command(&daemon, NULL, "tag", "s", "--opportunity", "misspelt", NULL) == 3);
	expect(daemon_command(&daemon, &status, "status", "--json", NULL) == 0);
	expect(strstr(status, "\"state\": \"recording\"") && strstr(status, "\"task\": \"one\""));
	expect(daemon_command(&daemon, NULL, "task", "end", "completed", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "task", "end", "completed", NULL) == 3);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 3);
	check(asprintf(&path, "%s/%s", daemon.library, id) > 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(&metrics, program, "metrics", path, "--json", NULL) == 0);
	expect(strstr(metrics, "\"outcome\": \"completed\"") && strstr(metrics, "\"clicks\": 1,"));
	expect(strstr(metrics, "\"slips\": 1,") && strstr(metrics, "\"erred\": 1,"));
	expect(run_child(&list, program, "list", "--library", daemon.library, "--json", NULL) == 0);
	expect(strstr(list, id) && strstr(list, "\"health\": \"whole\""));
	expect(run_child(&info, program, "info", path, "--json", NULL) == 0);
	expect(strstr(info, "\"complete\": true") && strstr(info, "\"sync_error_ms\""));
	expect(run_child(NULL, program, "verify", path, NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
}

/* ---- the pointer ---- */

#define CURSORS 16

/* A pointer with 60 shapes a second, like a busy application's. */
static void animated_pointer_costs_little(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	xcb_pixmap_t pixmap;
	xcb_cursor_t cursors[CURSORS];
	uint64_t messages = 0, bytes = 0;
	char id[21];

	if (!desktop_start(&desktop, 640, 480))
		return;
	daemon_start(&daemon, temporary_folder(), X11_INPUT);
	pixmap = xcb_generate_id(desktop.connection);
	xcb_create_pixmap(desktop.connection, 1, pixmap, desktop.screen->root, 32, 32);
	for (uint16_t i = 0; i < CURSORS; i++) {
		cursors[i] = xcb_generate_id(desktop.connection);
		xcb_create_cursor(desktop.connection, cursors[i], pixmap, XCB_NONE,
			(uint16_t)(i * 4000), 0, 0, 0, (uint16_t)(i * 4000), 0, 0, 0);
	}
	daemon_record(&daemon, "classes", id);
	for (int i = 0; i < 180; i++) {
		xcb_change_window_attributes(desktop.connection, desktop.screen->root,
			XCB_CW_CURSOR, &cursors[i % CURSORS]);
		xcb_flush(desktop.connection);
		sleep_ms(16);
	}
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_facts_create(&facts, session) == 0);
	for (size_t i = 0; i < facts->channel_count; i++)
		if (facts->channels[i].channel->known == CHANNEL_POINTER_SHAPE) {
			messages = facts->channels[i].messages;
			bytes = facts->channels[i].bytes;
		}
	printf("# %llu shapes in about 3 s, %llu bytes\n", (unsigned long long)messages,
		(unsigned long long)bytes);
	/* at most the positions, and each shape once */
	expect(messages > 20 && messages <= 30 * (uint64_t)(facts->duration_s + 1));
	expect(bytes < messages * 60 + (CURSORS + 1) * 400);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"10,000 key events are in the file once each, with the server's times",
		keys_are_all_there},
	{"10,000 button and motion events are in the file once each",
		buttons_and_motion_are_all_there},
	{"a click is where the pointer was", clicks_are_where_the_pointer_was},
	{"under classes a typed secret leaves nothing but letters", secrets_stay_out_of_the_file},
	{"full keys are refused without consent, by both programs", full_keys_need_consent},
	{"an animated pointer costs little", animated_pointer_costs_little},
	{"the last picture equals the drawing", picture_is_what_was_drawn},
	{"a screen that does not change gives one picture", still_screen_costs_nothing},
	{"a pause is a hole in every channel, with a gap", pause_is_a_hole},
	{"sound is recorded only with consent", sound_needs_consent},
	{"no sound is recorded in a pause, and sound can be erased alone",
		nothing_is_heard_in_a_pause},
	{"tasks and tags become numbers", tasks_and_tags_become_numbers},
};

int main(void)
{
	return RUN_TESTS("recording", tests);
}

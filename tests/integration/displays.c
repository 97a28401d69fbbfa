/* X servers as labs have them: what is recorded from each of them is what it shows. */

#include "tests/harness/desktop.h"
#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/screen.pb-c.h"
#include "replay/frames.h"
#include "replay/info.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* what has changed is at rest half a second later, and exact soon after */
#define REST_MS 1500

static const char *const screen_alone[] = {"--input", "none", NULL};

/* ---- what was recorded ---- */

struct found {
	size_t pictures, keyframes, infos, positions;
	int64_t keyframe_ns; /* of the newest */
};

static int count_message(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct found *found = user;

	(void)unpacked;
	switch (message->channel->known) {
	case CHANNEL_SCREEN: found->pictures++; break;
	case CHANNEL_SCREEN_KEYFRAMES:
		found->keyframes++;
		found->keyframe_ns = message->time_ns;
		break;
	case CHANNEL_SCREEN_INFO: found->infos++; break;
	case CHANNEL_POINTER: found->positions++; break;
	default: break;
	}
	return 0;
}

static struct found look(const struct session *session, int64_t from_ns)
{
	struct found found = {0};

	check(session_each(session, from_ns, INT64_MAX,
		      UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES |
			      UINT64_C(1) << CHANNEL_SCREEN_INFO | UINT64_C(1) << CHANNEL_POINTER,
		      count_message, &found) == 0);
	return found;
}

/* @return how many pixels of the last picture are not `pixels`, or SIZE_MAX when its size is another */
static size_t wrong_at_the_end(
	const struct session *session, const uint32_t *pixels, int width, int height)
{
	_destroy_(frames) struct frames *frames = NULL;
	struct frame frame;
	size_t wrong = 0;

	check(frames_create(&frames, session->reader, NULL) == 0);
	check(frames_seek(frames, INT64_MAX, &frame) == 1);
	if (frame.width != width || frame.height != height)
		return SIZE_MAX;
	for (int y = 0; y < height; y++) {
		const uint32_t *shown =
			(const void *)(frame.pixels + (ptrdiff_t)y * frame.stride_bytes);

		for (int x = 0; x < width; x++)
			wrong += (shown[x] ^ pixels[(ptrdiff_t)y * width + x]) << 8 != 0;
	}
	return wrong;
}

/* ---- a server that is started again ---- */

static void paint_marks(struct desktop *desktop, uint32_t rgb)
{
	for (int i = 0; i < 8; i++)
		desktop_paint(desktop, rgb, 10 + 70 * i, 20 + 30 * i, 40, 20);
}

static size_t count_gaps(const struct session_facts *facts, const char *topic)
{
	size_t count = 0;

	for (size_t i = 0; i < facts->gap_count; i++) {
		const Uxrec__Gap *gap = facts->gaps[i];

		count += gap->reason == UXREC__GAP__REASON__REASON_SOURCE_LOST &&
			gap->n_topics == 1 && strcmp(gap->topics[0], topic) == 0 &&
			gap->to_ns - gap->from_ns > NS_PER_S;
	}
	return count;
}

static void server_comes_back(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	_autofree_ char *status = NULL, *after = NULL;
	_autofree_ uint32_t *pixels = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	struct found found;
	int64_t back_ns;
	char id[21];
	int number, width, height;

	if (!desktop_start(&desktop, 640, 480)) {
		skip_test("no Xvfb");
		return;
	}
	number = atoi(desktop.display + 1);
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	paint_marks(&desktop, 0xff8000);
	sleep_ms(300);
	xcb_disconnect(steal_ptr(desktop.connection));
	end_child(&desktop.xvfb, SIGKILL);
	check(child_says(&daemon.child, "screen: the display is gone", 10));
	check(child_says(&daemon.child, "pointer: the display is gone", 10));
	expect(daemon_command(&daemon, &status, "status", "--json", NULL) == 0);
	expect(strstr(status, "\"recording\"") && strstr(status, "the display is gone"));
	sleep_ms(1500);
	back_ns = clock_now_ns();
	check(desktop_start_with(&desktop, number, "800x300x24", NULL));
	paint_marks(&desktop, 0x0080ff);
	check(child_says(&daemon.child, "screen: looked for no more", 15));
	check(child_says(&daemon.child, "pointer: looked for no more", 15));
	expect(daemon_command(&daemon, &after, "status", "--json", NULL) == 0);
	expect(!strstr(after, "the display is gone"));
	paint_marks(&desktop, 0x00ff40);
	desktop_fake(&desktop, XCB_MOTION_NOTIFY, 0, 77, 55);
	sleep_ms(REST_MS);
	pixels = desktop_picture(&desktop, &width, &height);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	desktop_end(&desktop);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(count_gaps(facts, "/screen") == 1 && count_gaps(facts, "/pointer") == 1);
	found = look(session, session_offset_ns(session) + back_ns);
	expect(found.infos == 1 && found.keyframes >= 1 && found.positions >= 1);
	expect(wrong_at_the_end(session, pixels, width, height) == 0);
}

/* it is asked for again and again, but nothing waits for it */
static void server_stays_away(void)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	struct desktop desktop = {0};
	struct daemon_child daemon;
	char id[21];

	if (!desktop_start(&desktop, 640, 480)) {
		skip_test("no Xvfb");
		return;
	}
	daemon_start(&daemon, temporary_folder(), screen_alone);
	daemon_record_agreed(&daemon, "paper:screen", "none", id);
	sleep_ms(300);
	end_child(&desktop.xvfb, SIGKILL);
	sleep_ms(1500);
	expect(daemon_command(&daemon, NULL, "task", "start", "one", NULL) == 0);
	expect(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	expect(end_child(&daemon.child, SIGTERM) == 0);
	session = daemon_session(&daemon, id);
	check(session->reader && session_reader_is_complete(session->reader));
	check(session_facts_create(&facts, session) == 0);
	expect(count_gaps(facts, "/screen") == 1 && count_gaps(facts, "/pointer") == 1);
	desktop_end(&desktop);
}

static const struct test tests[] = {
	{"a server that is started again is recorded again, with a gap", server_comes_back},
	{"a server that stays away holds nobody up, and a gap says so", server_stays_away},
};

int main(void)
{
	return RUN_TESTS("displays", tests);
}

#include "capture/inputd/recorder_link.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- requests ---- */

static bool is_terminated(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

int recorder_link_receive(int fd, struct inputd_request *ret)
{
	unsigned char data[sizeof(*ret) + 1];
	ssize_t n;

	do
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : 0;
	if (n == 0)
		return 0;
	memcpy(ret, data, sizeof(*ret));
	if (n != sizeof(*ret) || ret->version != INPUTD_VERSION || ret->keys > KEY_POLICY_FULL ||
		!is_terminated(ret->consent, sizeof(ret->consent)) ||
		!is_terminated(ret->devices, sizeof(ret->devices)))
		return -EPROTO;
	return 1;
}

static int handle_request(struct recorder_link *link, const struct inputd_request *request)
{
	switch (request->type) {
	case INPUTD_KEYS:
		if (request->reason > UXREC__KEY_POLICY__REASON__REASON_WATCHED)
			return -EPROTO;
		redactor_set(&link->redactor, (enum key_policy)request->keys,
			(Uxrec__KeyPolicy__Reason)request->reason, clock_now_ns());
		return 0;
	case INPUTD_PING: input_out_pong(&link->out); return 0;
	case INPUTD_LEVELS:
		link->level_keys = request->level_keys;
		redactor_invalidate_modifiers(&link->redactor);
		return 0;
	default: return -EPROTO;
	}
}

int recorder_link_dispatch(struct recorder_link *link)
{
	for (;;) {
		struct inputd_request request;
		int r = recorder_link_receive(link->out.fd, &request);

		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return 1;
		if (r < 0 || handle_request(link, &request) < 0)
			return -EPROTO;
	}
}

unsigned recorder_link_modifier(const struct recorder_link *link, uint16_t code)
{
	for (size_t i = 0; i < MODIFIER_KEYS; i++)
		if (modifier_keys[i] == code && link->level_keys >> i & 1)
			return MODIFIER_LEVEL;
	return modifier_of_code(code);
}

bool recorder_link_matches(const struct recorder_link *link, const Uxrec__InputDevice *device)
{
	return input_filter_matches(&link->filter, device) &&
		(!link->limit || input_filter_matches(link->limit, device));
}

/* ---- reports ---- */

void recorder_link_send_control(struct recorder_link *link, struct input_batch *batch,
	int64_t time_ns, Uxrec__Control control, int32_t value)
{
	if (control_is_button(control)) {
		uint32_t before = redactor_button(&link->redactor, time_ns);

		if (!batch->has_button)
			batch->buttons_before = before;
		batch->has_button = true;
	}
	input_batch_add(batch, &link->out, time_ns, control, value);
}

enum seat_change recorder_link_update_seat(struct recorder_link *link)
{
	enum seat_state state = link->seat ? seat_dispatch(link->seat) : SEAT_OURS;
	bool was_lost = link->seat_lost_ns != 0;

	if ((state == SEAT_OURS) == !was_lost)
		return SEAT_UNCHANGED;
	if (was_lost)
		return SEAT_REGAINED;
	link->seat_lost_ns = clock_now_ns();
	link->locked = state == SEAT_LOCKED;
	/* modifiers held now will be released while nothing is read */
	redactor_release_modifiers(&link->redactor);
	return SEAT_LOST;
}

void recorder_link_send_seat_gap(struct recorder_link *link)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)"/input"};

	gap.reason = UXREC__GAP__REASON__REASON_AWAY;
	gap.from_ns = link->seat_lost_ns;
	gap.to_ns = clock_now_ns();
	gap.topics = topics;
	gap.n_topics = ARRAY_SIZE(topics);
	gap.detail =
		(char *)(link->locked ? "the session was locked" : "another session had the seat");
	input_out_packet(&link->out, CHANNEL_GAPS, gap.from_ns, &gap.base);
	link->seat_lost_ns = 0;
}

void recorder_link_finish(struct recorder_link *link, int64_t now_ns)
{
	redactor_finish(&link->redactor, now_ns);
	if (link->seat_lost_ns)
		recorder_link_send_seat_gap(link);
}

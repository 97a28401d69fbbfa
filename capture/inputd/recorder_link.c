#include "capture/inputd/recorder_link.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ---- requests ---- */

static bool ends(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

int conversation_receive(int fd, struct inputd_request *ret)
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
		!ends(ret->consent, sizeof(ret->consent)) ||
		!ends(ret->devices, sizeof(ret->devices)))
		return -EPROTO;
	return 1;
}

static int take_request(struct conversation *conversation, const struct inputd_request *request)
{
	switch (request->ask) {
	case INPUTD_KEYS:
		if (request->reason > UXREC__KEY_POLICY__REASON__REASON_WATCHED)
			return -EPROTO;
		redactor_set(&conversation->redactor, (enum key_policy)request->keys,
			(Uxrec__KeyPolicy__Reason)request->reason, clock_now_ns());
		return 0;
	case INPUTD_BEAT: input_out_alive(&conversation->out); return 0;
	case INPUTD_LEVELS:
		conversation->level_keys = request->level_keys;
		redactor_doubt(&conversation->redactor);
		return 0;
	default: return -EPROTO;
	}
}

int conversation_take(struct conversation *conversation)
{
	for (;;) {
		struct inputd_request request;
		int r = conversation_receive(conversation->out.fd, &request);

		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return 1;
		if (r < 0 || take_request(conversation, &request) < 0)
			return -EPROTO;
	}
}

unsigned conversation_modifier(const struct conversation *conversation, uint16_t code)
{
	for (size_t i = 0; i < MODIFIER_KEYS; i++)
		if (modifier_keys[i] == code && conversation->level_keys >> i & 1)
			return MODIFIER_LEVEL;
	return modifier_of_code(code);
}

bool conversation_wants(const struct conversation *conversation, const Uxrec__InputDevice *device)
{
	return input_filter_wants(&conversation->filter, device) &&
		(!conversation->limit || input_filter_wants(conversation->limit, device));
}

/* ---- reports ---- */

void conversation_say_control(struct conversation *conversation, struct input_batch *batch,
	int64_t time_ns, Uxrec__Control control, int32_t value)
{
	if (control_is_button(control)) {
		uint32_t before = redactor_button(&conversation->redactor, time_ns);

		if (!batch->has_button)
			batch->buttons_before = before;
		batch->has_button = true;
	}
	input_batch_add(batch, &conversation->out, time_ns, control, value);
}

enum seat_turn conversation_follow_seat(struct conversation *conversation)
{
	enum seat_state state = conversation->seat ? seat_dispatch(conversation->seat) : SEAT_OURS;
	bool was_away = conversation->away_ns != 0;

	if ((state == SEAT_OURS) == !was_away)
		return SEAT_STAYS;
	if (was_away)
		return SEAT_COME_BACK;
	conversation->away_ns = clock_now_ns();
	conversation->locked = state == SEAT_LOCKED;
	/* modifiers held now will be released while nothing is read */
	redactor_release_modifiers(&conversation->redactor);
	return SEAT_LEFT;
}

void conversation_say_back(struct conversation *conversation)
{
	Uxrec__Gap gap = UXREC__GAP__INIT;
	char *topics[] = {(char *)"/input"};

	gap.reason = UXREC__GAP__REASON__REASON_AWAY;
	gap.from_ns = conversation->away_ns;
	gap.to_ns = clock_now_ns();
	gap.topics = topics;
	gap.n_topics = ARRAY_SIZE(topics);
	gap.detail = (char *)(conversation->locked ? "the session was locked"
						   : "another session had the seat");
	input_out_packet(&conversation->out, CHANNEL_GAPS, gap.from_ns, &gap.base);
	conversation->away_ns = 0;
}

void conversation_finish(struct conversation *conversation, int64_t now_ns)
{
	redactor_finish(&conversation->redactor, now_ns);
	if (conversation->away_ns)
		conversation_say_back(conversation);
}

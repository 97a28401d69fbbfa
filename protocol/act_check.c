#include "protocol/annotations.h"

#include "protocol/base/io.h"
#include "protocol/base/log.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/message_text.h"

#include <errno.h>
#include <string.h>

#define TEXT_LIMIT_BYTES 8192

int act_new_id(char id[33])
{
	return io_random_hex(id, 16);
}

static bool id_is_valid(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

static int check_layer(const char *layer, struct error *reterr)
{
	if (strcmp(layer, "live") == 0 || strcmp(layer, "consensus") == 0)
		return 0;
	if (strncmp(layer, "coder:", 6) == 0)
		return name_check("layer", layer + 6, reterr);
	return error_set(reterr, -EINVAL,
		"layer '%s': it must be 'live', 'consensus' or 'coder:NAME'",
		text_quote(layer).text);
}

static int check_text(const char *what, const char *text, struct error *reterr)
{
	return strlen(text) <= TEXT_LIMIT_BYTES
		? 0
		: error_set(reterr, -EINVAL, "the %s is longer than %d bytes", what,
			  TEXT_LIMIT_BYTES);
}

/* within what a file may have, so that sums with it do not overflow */
static bool is_time(int64_t ns)
{
	return ns > 0 && ns < READER_TIME_LIMIT_NS;
}

static int check_tag(const Uxrec__Tag *tag, struct error *reterr)
{
	int r = identifier_check("code", tag->code, reterr);

	if (r < 0)
		return r;
	if (tag->impact < UXREC__IMPACT__IMPACT_UNRATED ||
		tag->impact > UXREC__IMPACT__IMPACT_CATASTROPHE)
		return error_set(reterr, -EINVAL, "the impact of a tag is 0 to 4");
	if (*tag->attempt && !id_is_valid(tag->attempt))
		return error_set(reterr, -EINVAL, "the tag's attempt is not an id");
	if (!is_time(tag->media_ns))
		return error_set(reterr, -EINVAL, "the tag has no time");
	if (*tag->opportunity) {
		r = identifier_check("opportunity", tag->opportunity, reterr);
		if (r < 0)
			return r;
	}
	return check_text("note", tag->note, reterr);
}

static int check_attempt(const Uxrec__Attempt *attempt, struct error *reterr)
{
	int64_t begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;
	int64_t end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
	int r = identifier_check("task", attempt->task, reterr);

	if (r == 0)
		r = name_check("participant", attempt->participant, reterr);
	if (r < 0)
		return r;
	if (!protobuf_c_enum_descriptor_get_value(
		    &uxrec__attempt__outcome__descriptor, (int)attempt->outcome))
		return error_set(reterr, -EINVAL, "there is no outcome %d", (int)attempt->outcome);
	if (attempt->number == 0)
		return error_set(reterr, -EINVAL, "attempts are counted from 1");
	if (!is_time(begin_ns))
		return error_set(reterr, -EINVAL, "the attempt has no begin");
	if (end_ns && (end_ns <= begin_ns || !is_time(end_ns)))
		return error_set(reterr, -EINVAL, "the attempt ends before it begins");
	return 0;
}

static int check_body(const Uxrec__Act *act, struct error *reterr)
{
	switch (act->body_case) {
	case UXREC__ACT__BODY_TAG: return check_tag(act->tag, reterr);
	case UXREC__ACT__BODY_ATTEMPT: return check_attempt(act->attempt, reterr);
	case UXREC__ACT__BODY_NOTE:
		if (!is_time(act->note->media_ns))
			return error_set(reterr, -EINVAL, "the note has no time");
		return check_text("note", act->note->text, reterr);
	case UXREC__ACT__BODY_SESSION_INFO:
		for (size_t i = 0; i < act->session_info->n_participants; i++) {
			int r = name_check(
				"participant", act->session_info->participants[i], reterr);

			if (r < 0)
				return r;
		}
		return 0;
	case UXREC__ACT__BODY_BLEEP:
		if (!is_time(act->bleep->from_ns) || !is_time(act->bleep->to_ns) ||
			act->bleep->to_ns <= act->bleep->from_ns)
			return error_set(reterr, -EINVAL, "the bleep ends before it begins");
		return check_text("reason", act->bleep->reason, reterr);
	case UXREC__ACT__BODY_OPPORTUNITY_SCORE:
		if (!id_is_valid(act->opportunity_score->attempt))
			return error_set(reterr, -EINVAL, "the score's attempt is not an id");
		return identifier_check("opportunity", act->opportunity_score->opportunity, reterr);
	case UXREC__ACT__BODY_CONSENT:
		return protobuf_c_enum_descriptor_get_value(
			       &uxrec__consent__method__descriptor, (int)act->consent->method)
			? 0
			: error_set(reterr, -EINVAL, "there is no way of consent %d",
				  (int)act->consent->method);
	case UXREC__ACT__BODY__NOT_SET: return error_set(reterr, -EINVAL, "the act says nothing");
	default: return 0;
	}
}

int act_check(const Uxrec__Act *act, struct error *reterr)
{
	int r;

	if (!id_is_valid(act->id))
		return error_set(reterr, -EINVAL, "the act's id is not 32 hex digits");
	if (!message_is_utf8(&act->base))
		return error_set(reterr, -EINVAL, "the act has a text that is not UTF-8");
	if (act->counter > ACT_COUNTER_LIMIT)
		return error_set(reterr, -EINVAL, "the act's counter is impossible");
	r = name_check("author", act->author, reterr);
	if (r == 0)
		r = check_layer(act->layer, reterr);
	if (r < 0)
		return r;
	switch (act->kind) {
	case UXREC__ACT__KIND__KIND_ADD:
	case UXREC__ACT__KIND__KIND_CHANGE: return check_body(act, reterr);
	case UXREC__ACT__KIND__KIND_REMOVE: return 0;
	default:
		return error_set(
			reterr, -EINVAL, "an act adds, changes or removes, not %d", (int)act->kind);
	}
}

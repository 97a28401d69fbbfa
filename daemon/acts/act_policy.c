#include "daemon/acts/act_policy.h"

#include "daemon/record/live.h"
#include "protocol/acts/layer.h"
#include "protocol/limits.h"

#include <errno.h>
#include <string.h>

/* A note has at most 8 KiB; no honest act has twice that. */
#define PEER_ACT_LIMIT_BYTES (16 * 1024)

/* kinds of acts that others than moderators may add, change and remove */
static bool may_put(Uxrec__Role role, const Uxrec__Act *act)
{
	switch (act->body_case) {
	case UXREC__ACT__BODY_TAG:
	case UXREC__ACT__BODY_NOTE:
	case UXREC__ACT__BODY_OPPORTUNITY_SCORE:
	case UXREC__ACT__BODY_LAYER_STATE: return true;
	case UXREC__ACT__BODY_BLEEP: return role == UXREC__ROLE__ROLE_REVIEWER;
	default: return false;
	}
}

static int refuse_kind(Uxrec__Role role, struct error *reterr)
{
	return error_set(reterr, -EACCES, "this link allows tags, notes and scores%s only",
		role == UXREC__ROLE__ROLE_REVIEWER ? ", and bleeps," : "");
}

void act_policy_sign(const struct principal *principal, Uxrec__Act *act)
{
	act->author = (char *)principal->name;
	act->principal = (char *)principal->id;
	act->act_id = act->session_uuid = (char *)"";
	act->layer_principal =
		(char *)(principal->identified && layer_kind(act->layer) == LAYER_CODER
				? principal->id
				: "");
}

static int refuse_but_notes(struct error *reterr)
{
	return error_set(reterr, -EACCES, "the session has ended: only notes are allowed");
}

static int check_window(const Uxrec__Act *act, enum act_window window, struct error *reterr)
{
	if (layer_kind(act->layer) != LAYER_LIVE || window == ACT_WINDOW_CLOSED)
		return error_set(reterr, -EACCES,
			"an observer's link allows tags in the running session only, and notes "
			"until "
			"%d minutes after its end for those who watched it",
			LIVE_NOTES_MINUTES);
	if (window == ACT_WINDOW_NOTES && act->kind != UXREC__ACT__KIND__KIND_REMOVE &&
		act->body_case != UXREC__ACT__BODY_NOTE)
		return refuse_but_notes(reterr);
	return 0;
}

int act_policy_check(const struct principal *principal, const Uxrec__Act *act,
	enum act_window window, struct error *reterr)
{
	bool live_layer = layer_kind(act->layer) == LAYER_LIVE;
	int r;

	if (principal->role != UXREC__ROLE__ROLE_MODERATOR &&
		uxrec__act__get_packed_size(act) > PEER_ACT_LIMIT_BYTES)
		return error_set(
			reterr, -EFBIG, "that is longer than %d bytes", PEER_ACT_LIMIT_BYTES);

	switch (principal->role) {
	case UXREC__ROLE__ROLE_MODERATOR: return 0;
	case UXREC__ROLE__ROLE_OBSERVER:
		r = check_window(act, window, reterr);
		if (r < 0)
			return r;
		break;
	default:
		if (live_layer)
			return error_set(reterr, -EACCES,
				"acts of the live session cannot be changed: a reviewer has a "
				"layer of their own");
	}
	if (act->kind != UXREC__ACT__KIND__KIND_REMOVE && !may_put(principal->role, act))
		return refuse_kind(principal->role, reterr);
	return 0;
}

/* Only reviewers change acts of others, except bleeps. */
static bool is_theirs(const struct principal *principal, const Uxrec__Act *before)
{
	if (principal->role == UXREC__ROLE__ROLE_MODERATOR ||
		(principal->role == UXREC__ROLE__ROLE_REVIEWER &&
			before->body_case != UXREC__ACT__BODY_BLEEP))
		return true;
	return *before->principal ? strcmp(before->principal, principal->id) == 0
				  : strcmp(before->author, principal->name) == 0;
}

/* After a rename, both the old and the new name of the own layer are accepted. */
static bool keeps_layer(
	const struct principal *principal, const Uxrec__Act *act, const Uxrec__Act *before)
{
	if (strcmp(before->layer, act->layer) == 0)
		return true;
	return layer_kind(act->layer) == LAYER_CODER && layer_kind(before->layer) == LAYER_CODER &&
		strcmp(before->layer_principal, principal->id) == 0;
}

static int check_change(const struct principal *principal, const Uxrec__Act *act,
	const struct act_context *context, struct error *reterr)
{
	const Uxrec__Act *before = annotations_find(context->log, act->id);

	if (act->kind == UXREC__ACT__KIND__KIND_ADD)
		return before ? error_set(reterr, -EEXIST, "the id is already in use") : 0;
	if (!before)
		return error_set(reterr, -ENOENT, "the act to be changed does not exist");
	if (!keeps_layer(principal, act, before) ||
		(act->kind != UXREC__ACT__KIND__KIND_REMOVE && before->body_case != act->body_case))
		return error_set(reterr, -EINVAL, "a change must keep kind and layer");
	/* a removal has no body: check the act it removes */
	if (principal->role != UXREC__ROLE__ROLE_MODERATOR && !may_put(principal->role, before))
		return refuse_kind(principal->role, reterr);
	if (principal->role == UXREC__ROLE__ROLE_OBSERVER && context->window == ACT_WINDOW_NOTES &&
		before->body_case != UXREC__ACT__BODY_NOTE)
		return refuse_but_notes(reterr);
	if (is_theirs(principal, before))
		return 0;
	return error_set(reterr, -EACCES,
		before->body_case == UXREC__ACT__BODY_BLEEP
			? "a bleep can be removed only by its author or the moderator"
			: "observers can change only their own acts");
}

struct act_context act_context_of(const struct session *session)
{
	struct act_context context = {.log = session->annotations, .study = session->study};

	if (!session->reader || !session_reader_is_complete(session->reader) ||
		!session_span(session, &context.begin_ns, &context.end_ns))
		context.begin_ns = context.end_ns = 0;
	return context;
}

int act_policy_check_against(const struct principal *principal, const Uxrec__Act *act,
	const struct act_context *context, struct error *reterr)
{
	int r;

	if (principal->role != UXREC__ROLE__ROLE_MODERATOR &&
		annotations_size_bytes(context->log) > ANNOTATIONS_PEERS_BYTES)
		return error_set(reterr, -EFBIG,
			"this session's log is full: only the moderator can add to it");
	r = check_change(principal, act, context, reterr);
	return r == 0 ? act_context_check(context, act, reterr) : r;
}

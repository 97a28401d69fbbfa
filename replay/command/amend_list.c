/* List of a session's correctable acts, as text and as JSON. */

#include "protocol/acts/act.h"
#include "replay/command/amend.h"

#include "protocol/acts/annotations.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/base/enum_text.h"
#include "replay/base/json.h"
#include "replay/command/command.h"
#include "replay/session/vtt.h"

#include <stdio.h>

/* "session_info" is displayed as "session". */
const char *amend_thing(Uxrec__Act__BodyCase body)
{
	return body == UXREC__ACT__BODY_SESSION_INFO
		? "session"
		: protobuf_c_message_descriptor_get_field(&uxrec__act__descriptor, (unsigned)body)
			  ->name;
}

static void print_time(int64_t ns, int64_t begin_ns)
{
	char text[24] = "-";

	if (ns)
		vtt_format_time(text, ns - begin_ns);
	printf("  %s", text);
}

static void print_attempt(const Uxrec__Attempt *attempt, int64_t begin_ns)
{
	print_time(attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns, begin_ns);
	print_time(attempt->end_ns ? attempt->end_ns : attempt->live_end_ns, begin_ns);
	printf("  %s (%u), %s%s%s%s", text_quote(attempt->task).text, attempt->number,
		attempt->outcome
			? enum_text(&uxrec__attempt__outcome__descriptor, (int)attempt->outcome)
				  .text
			: "outcome not stated",
		attempt->failure ? ", " : "",
		attempt->failure
			? enum_text(&uxrec__attempt__failure__descriptor, (int)attempt->failure)
				  .text
			: "",
		attempt->begin_ns || attempt->end_ns ? ", times corrected" : "");
}

static void print_session(const Uxrec__SessionInfo *info)
{
	for (size_t i = 0; i < info->n_participants; i++)
		printf("  participant %s", text_quote(info->participants[i]).text);
	if (*info->segment)
		printf(", segment %s", text_quote(info->segment).text);
	if (*info->condition)
		printf(", condition %s", text_quote(info->condition).text);
	if (info->pilot)
		fputs(", pilot", stdout);
	if (info->excluded)
		printf(", excluded: %s", text_quote(info->excluded_reason).text);
}

static void print_body(const Uxrec__Act *act, int64_t begin_ns)
{
	switch (act->body_case) {
	case UXREC__ACT__BODY_SESSION_INFO: print_session(act->session_info); break;
	case UXREC__ACT__BODY_ATTEMPT: print_attempt(act->attempt, begin_ns); break;
	case UXREC__ACT__BODY_TAG:
		print_time(act->tag->media_ns, begin_ns);
		printf("  %s", text_quote(act->tag->code).text);
		if (act->tag->impact)
			printf(", impact %d", (int)act->tag->impact - 1);
		if (*act->tag->opportunity)
			printf(", at %s", text_quote(act->tag->opportunity).text);
		if (*act->tag->note) {
			fputs(", ", stdout);
			terminal_write(act->tag->note);
		}
		break;
	case UXREC__ACT__BODY_NOTE:
		print_time(act->note->media_ns, begin_ns);
		fputs("  ", stdout);
		terminal_write(act->note->text);
		break;
	case UXREC__ACT__BODY_INTERRUPTION:
		print_time(act->interruption->from_ns, begin_ns);
		print_time(act->interruption->to_ns, begin_ns);
		printf("  %s%s",
			enum_text(&uxrec__interruption__kind__descriptor,
				(int)act->interruption->kind)
				.text,
			act->interruption->stops_clock ? ", stops the clock" : "");
		break;
	default:
		print_time(act->phase->from_ns, begin_ns);
		print_time(act->phase->to_ns, begin_ns);
		printf("  %s",
			enum_text(&uxrec__phase__kind__descriptor, (int)act->phase->kind).text);
	}
}

static struct json_object *act_to_json(const Uxrec__Act *act)
{
	struct json_object *json = json_of_message(act_body(act, NULL));

	json_object_object_add(json, "id", json_text(act->id));
	json_object_object_add(json, "thing", json_text(amend_thing(act->body_case)));
	json_object_object_add(json, "author", json_text(act->author));
	json_object_object_add(json, "layer", json_text(act->layer));
	return json;
}

int amend_list(const struct session *session, bool json)
{
	const struct annotations *log = session->annotations;
	struct json_object *document = json ? json_object_new_array() : NULL;
	int64_t begin_ns = 0, end_ns;

	session_span(session, &begin_ns, &end_ns);
	for (size_t i = 0; log && i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (!amend_allows(act->body_case))
			continue;
		if (json) {
			json_object_array_add(document, act_to_json(act));
			continue;
		}
		printf("%s  %-12s", act->id, amend_thing(act->body_case));
		print_body(act, begin_ns);
		printf("  [%s, %s]\n", text_quote(act->author).text, text_quote(act->layer).text);
	}
	if (json)
		json_print(document);
	/* an incomplete list is an error */
	return log || !*session->annotations_error.text ? EXIT_OK : EXIT_FAILED;
}

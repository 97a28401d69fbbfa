#include "replay/command/command.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "protocol/base/log.h"
#include "protocol/os/paths.h"
#include "protocol/base/terminal.h"
#include "protocol/channel.h"
#include "protocol/gap.h"
#include "protocol/session.pb-c.h"
#include "protocol/limits.h"
#include "replay/session/info.h"
#include "replay/base/json.h"
#include "replay/session/session_order.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *health_name(Uxrec__SessionSummary__Health health)
{
	switch (health) {
	case UXREC__SESSION_SUMMARY__HEALTH__HEALTH_WHOLE: return "whole";
	case UXREC__SESSION_SUMMARY__HEALTH__HEALTH_UNFINISHED: return "unfinished";
	case UXREC__SESSION_SUMMARY__HEALTH__HEALTH_DAMAGED: return "damaged";
	case UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING: return "recording";
	default: return "unreadable";
	}
}

static void format_length(char text[32], int64_t length_ns)
{
	int64_t seconds = length_ns / NS_PER_S;

	snprintf(text, 32, "%lld:%02lld", (long long)seconds / 60, (long long)seconds % 60);
}

const char *command_local_time(char text[COMMAND_TIME_BYTES], int64_t ns)
{
	time_t seconds = ns / NS_PER_S;
	struct tm local;
	char offset[16];

	localtime_r(&seconds, &local);
	strftime(text, 32, "%Y-%m-%d %H:%M:%S ", &local);
	strftime(offset, sizeof(offset), "%z", &local);
	snprintf(text + strlen(text), 32, "%.3s:%s", offset, offset + 3);
	return text;
}

/* ---- list ---- */

static void print_summary(const Uxrec__SessionSummary *summary)
{
	struct losses_text lost = losses_of_message(summary->lost, summary->n_lost);
	char length[32], begin[COMMAND_TIME_BYTES] = "-";

	format_length(length, summary->end_ns - summary->begin_ns);
	if (summary->begin_ns)
		command_local_time(begin, summary->begin_ns);
	printf("%-22s %-26s %s %s %8s %5u %6u  %s%s%s%s%s\n", summary->session, begin,
		terminal_cell(summary->n_participants ? summary->participants[0] : "-", 12).text,
		terminal_cell(summary->study, 28).text, length, summary->attempts, summary->tags,
		health_name(summary->health), *lost.text ? ", lost: " : "", lost.text,
		*summary->consent ? ", consent: " : "", text_quote(summary->consent).text);
}

/* @return NULL without memory */
static Uxrec__SessionSummary *summarise(const struct folder *library, const char *id)
{
	_destroy_(session) struct session *session = NULL;
	struct error error = {"no reason given"};

	return session_open_below(&session, library, id, false, &error) < 0
		? session_summarise_unreadable(id, error.text)
		: session_summarise(session);
}

/* Process sessions one by one: a library may have any number of them. @return 0 or -ENOMEM */
static int list(
	const struct folder *library, const struct session_ids *ids, struct json_list *printed)
{
	_cleanup_(session_order_finish) struct session_order order = {0};
	struct session_place place;

	for (size_t i = 0; i <= ids->count; i++) {
		const char *next = i < ids->count ? ids->ids[i] : NULL;

		while (session_order_pop(&order, next, &place)) {
			Uxrec__SessionSummary *summary = place.item;

			if (printed)
				json_list_add(printed, json_of_message(&summary->base));
			else
				print_summary(summary);
			uxrec__session_summary__free_unpacked(summary, NULL);
		}
		if (next) {
			Uxrec__SessionSummary *summary = summarise(library, next);

			if (!summary ||
				session_order_add(&order, next, summary->begin_ns, summary) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int command_list(const struct command_options *options, int argc, char **argv)
{
	const char *asked = command_pop_value(&argc, argv, "--library");
	bool json = command_pop_flag(&argc, argv, "--json");
	_autofree_ char *usual = paths_library();
	const char *library = asked ? asked : usual;
	_cleanup_(session_ids_finish) struct session_ids ids = {0};
	_folder_unref_ struct folder *folder = NULL;
	struct error error = {"no reason given"};
	struct json_list printed;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	if (!library) {
		log_error(
			"no library folder: neither HOME nor XDG_DATA_HOME is set; choose a "
			"folder with --library");
		return EXIT_FAILED;
	}
	if (folder_open_linked(&folder, library, &error) < 0) {
		log_error("library %s", error.text);
		return EXIT_FAILED;
	}
	r = session_ids_list(&ids, library);
	if (r < 0) {
		log_errno(r, "library %s", library);
		return EXIT_FAILED;
	}
	if (json) {
		json_list_begin(&printed);
		r = list(folder, &ids, &printed);
		json_list_end(&printed);
	} else {
		printf("%-22s %-26s %-12s %-28s %8s %5s %6s  %s\n", "SESSION", "BEGUN",
			"PARTICIPANT", "STUDY", "LENGTH", "TASKS", "TAGS", "HEALTH");
		r = list(folder, &ids, NULL);
	}
	if (r < 0)
		log_error("out of memory for all sessions");
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- info ---- */

static const char *reason_name(Uxrec__Gap__Reason reason)
{
	switch (reason) {
	case UXREC__GAP__REASON__REASON_PAUSE: return "pause";
	case UXREC__GAP__REASON__REASON_OVERLOAD: return "overload";
	case UXREC__GAP__REASON__REASON_DEVICE_OVERFLOW: return "device_overflow";
	case UXREC__GAP__REASON__REASON_SOURCE_LOST: return "source_lost";
	case UXREC__GAP__REASON__REASON_DISK: return "disk";
	case UXREC__GAP__REASON__REASON_SUSPEND: return "suspend";
	case UXREC__GAP__REASON__REASON_ERASED: return "erased";
	case UXREC__GAP__REASON__REASON_AWAY: return "away";
	case UXREC__GAP__REASON__REASON_ENCODER: return "encoder";
	case UXREC__GAP__REASON__REASON_STALL: return "stall";
	case UXREC__GAP__REASON__REASON_CONSENT: return "consent";
	default: return "unspecified";
	}
}

static struct json_object *devices_to_json(const struct session_facts *facts)
{
	struct json_object *devices = json_object_new_array();

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct device_facts *known = &facts->devices[i];
		struct json_object *device = json_of_message(&known->device->base);

		json_object_object_add(device, "from_ns", json_object_new_int64(known->from_ns));
		json_object_object_add(device, "to_ns", json_object_new_int64(known->to_ns));
		json_object_array_add(devices, device);
	}
	return devices;
}

static struct json_object *screens_to_json(const struct session_facts *facts)
{
	struct json_object *screens = json_object_new_array();

	for (size_t i = 0; i < facts->screen_count; i++) {
		const struct screen_facts *known = &facts->screens[i];
		struct json_object *screen = json_of_message(&known->screen->base);

		json_object_object_add(screen, "from_ns", json_object_new_int64(known->from_ns));
		json_object_array_add(screens, screen);
	}
	return screens;
}

/* The restriction that consent puts on a session, as text. @return "" when nothing is withheld */
static const char *consent_limit(const Uxrec__SessionSummary *summary)
{
	return summary ? summary->consent : "not known: out of memory";
}

static struct json_object *participants_to_json(const struct session *session)
{
	const Uxrec__SessionInfo *info = session_info(session);
	struct json_object *ids = json_object_new_array();

	for (size_t i = 0; info && i < info->n_participant_ids; i++)
		json_object_array_add(ids, json_text(info->participant_ids[i]));
	return ids;
}

static unsigned later_acts(const struct session *session)
{
	return session->annotations ? annotations_counts(session->annotations)->later : 0;
}

static struct json_object *info_to_json(const struct session *session,
	const struct session_facts *facts, const Uxrec__SessionSummary *summary)
{
	struct json_object *document = json_object_new_object();
	struct json_object *channels = json_object_new_array();
	struct json_object *gaps = json_object_new_array();
	struct json_object *damages = json_object_new_array();

	json_object_object_add(document, "session_uuid", json_text(session->uuid));
	json_object_object_add(document, "study_id", json_text(session_study_id(session)));
	json_object_object_add(document, "participant_ids", participants_to_json(session));
	json_object_object_add(
		document, "withdrawn", json_object_new_boolean(!summary || summary->withdrawn));
	json_object_object_add(document, "consent", json_text(consent_limit(summary)));
	json_object_object_add(document, "later_acts", json_object_new_int64(later_acts(session)));
	json_object_object_add(document, "duration_s", json_object_new_double(facts->duration_s));
	json_object_object_add(document, "begin_ns", json_object_new_int64(facts->begin_ns));
	json_object_object_add(document, "bytes", json_object_new_uint64(facts->bytes));
	json_object_object_add(document, "complete", json_object_new_boolean(facts->complete));
	json_object_object_add(document, "end_reason", json_text(facts->end_reason));
	json_object_object_add(
		document, "sync_error_ms", json_object_new_double(facts->sync_error_ms));
	for (size_t i = 0; i < facts->channel_count; i++) {
		struct json_object *channel = json_object_new_object();

		json_object_object_add(
			channel, "topic", json_text(facts->channels[i].channel->topic));
		json_object_object_add(
			channel, "schema", json_text(facts->channels[i].channel->schema));
		json_object_object_add(
			channel, "messages", json_object_new_uint64(facts->channels[i].messages));
		json_object_object_add(
			channel, "bytes", json_object_new_uint64(facts->channels[i].bytes));
		json_object_array_add(channels, channel);
	}
	json_object_object_add(document, "channels", channels);
	json_object_object_add(document, "screens", screens_to_json(facts));
	json_object_object_add(document, "devices", devices_to_json(facts));
	json_object_object_add(document, "keys", json_text(facts->keys));
	json_object_object_add(
		document, "password_fields", json_object_new_int64(facts->password_count));
	json_object_object_add(document, "password_s", json_object_new_double(facts->password_s));
	for (size_t i = 0; i < facts->gap_count; i++)
		json_object_array_add(gaps, json_of_message(&facts->gaps[i]->base));
	json_object_object_add(document, "gaps", gaps);
	for (size_t i = 0; i < facts->damage_count; i++) {
		struct json_object *damage = json_object_new_object();

		json_object_object_add(
			damage, "offset", json_object_new_uint64(facts->damages[i].offset));
		json_object_object_add(damage, "text", json_text(facts->damages[i].text));
		json_object_array_add(damages, damage);
	}
	json_object_object_add(document, "damages", damages);
	return document;
}

/* Limits of the text output. */
#define GAPS_PRINTED    50
#define SCREENS_PRINTED 20

static void print_screens(const struct session_facts *facts)
{
	for (size_t i = 0; i < facts->screen_count && i < SCREENS_PRINTED; i++) {
		const Uxrec__Screen *screen = facts->screens[i].screen;
		int64_t after_ns = facts->screens[i].from_ns - facts->begin_ns;

		printf("screen       %ux%u, by %s", screen->width_px, screen->height_px,
			text_quote(screen->grabber).text);
		if (i > 0)
			printf(", from %.3f s", (double)after_ns / 1e9);
		putchar('\n');
		for (size_t m = 0; m < screen->n_monitors; m++) {
			const Uxrec__Monitor *monitor = screen->monitors[m];

			printf("monitor      %s: %ux%u at %d,%d\n",
				*monitor->name ? text_quote(monitor->name).text : "without a name",
				monitor->width_px, monitor->height_px, monitor->x_px,
				monitor->y_px);
		}
	}
	if (facts->screen_count > SCREENS_PRINTED)
		printf("and %zu more screens: uxrec info --json\n",
			facts->screen_count - SCREENS_PRINTED);
}

static void print_input(const struct session_facts *facts)
{
	if (*facts->keys)
		printf("keys         %s%s\n", facts->keys,
			strcmp(facts->keys, "classes") == 0          ? ", to 100 ms"
				: strcmp(facts->keys, "counts") == 0 ? ", to 250 ms"
								     : "");
	if (facts->password_count > 0)
		printf("passwords    a password field had the focus %u times, for %.1f s: no "
		       "keys recorded\n",
			facts->password_count, facts->password_s);
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct device_facts *known = &facts->devices[i];

		printf("device       %u: %s%s", known->device->device,
			text_quote(known->device->name).text,
			known->device->virtual_ ? ", made by a program" : "");
		if (known->from_ns - facts->begin_ns > NS_PER_S)
			printf(", from %.3f s", (double)(known->from_ns - facts->begin_ns) / 1e9);
		if (known->to_ns)
			printf(", until %.3f s", (double)(known->to_ns - facts->begin_ns) / 1e9);
		putchar('\n');
	}
}

/* Shorter gaps of the same parts and reason are joined to one line. */
#define SHORT_NS NS_PER_S

static bool is_short(const Uxrec__Gap *gap)
{
	return gap->to_ns != 0 && gap_length_ns(gap) < SHORT_NS;
}

static bool is_similar(const Uxrec__Gap *a, const Uxrec__Gap *b)
{
	return is_short(a) && is_short(b) && a->reason == b->reason &&
		gap_parts(a) == gap_parts(b) && strcmp(a->detail, b->detail) == 0;
}

/* Print one line for a gap and the similar ones after it. @return their number */
static size_t print_gaps_from(const struct session_facts *facts, size_t first)
{
	const Uxrec__Gap *gap = facts->gaps[first], *last = gap;
	double from_s = (double)(gap->from_ns - facts->begin_ns) / 1e9;
	int64_t lost_ns = 0;
	char length[96];
	size_t count = 0;

	for (; first + count < facts->gap_count; count++) {
		if (!is_similar(gap, facts->gaps[first + count]) && count > 0)
			break;
		last = facts->gaps[first + count];
		lost_ns += gap_length_ns(last);
	}
	if (count > 1)
		snprintf(length, sizeof(length), "to %.3f s, %zu times, %s together",
			(double)(last->to_ns - facts->begin_ns) / 1e9, count,
			duration_describe(lost_ns).text);
	else if (gap->to_ns)
		snprintf(length, sizeof(length), "for %s",
			duration_describe(gap_length_ns(gap)).text);
	else
		snprintf(length, sizeof(length), "to the end");
	printf("gap: %s at %.3f s %s: %s (%s)\n", reason_name(gap->reason), from_s, length,
		text_quote(gap->detail).text, gap_parts_describe(gap).text);
	return count;
}

static void print_gaps(const struct session_facts *facts)
{
	size_t next = 0;

	for (int lines = 0; next < facts->gap_count && lines < GAPS_PRINTED; lines++)
		next += print_gaps_from(facts, next);
	if (next < facts->gap_count)
		printf("and %zu more gaps: uxrec info --json\n", facts->gap_count - next);
}

static void print_info(const struct session *session, const struct session_facts *facts,
	const Uxrec__SessionSummary *summary)
{
	const Uxrec__SessionInfo *info = session_info(session);
	struct losses_text lost = {""};
	char length[32], begin[COMMAND_TIME_BYTES];

	if (summary)
		lost = losses_of_message(summary->lost, summary->n_lost);
	format_length(length, (int64_t)(facts->duration_s * 1e9));
	printf("session      %s\n", text_quote(session->id).text);
	if (*session->uuid)
		printf("uuid         %s\n", session->uuid);
	printf("study        %s\n", text_quote(session->study->name).text);
	if (*session_study_id(session))
		printf("study id     %s\n", session_study_id(session));
	if (info && info->n_participants)
		printf("participant  %s\n", text_quote(info->participants[0]).text);
	printf("begun        %s\n", command_local_time(begin, facts->begin_ns));
	printf("length       %s min, %.2f MB\n", length, (double)facts->bytes / 1e6);
	if (*consent_limit(summary))
		printf("consent      %s\n", text_quote(consent_limit(summary)).text);
	printf("complete     %s%s%s\n", facts->complete ? "yes" : "no, but it opens",
		*facts->end_reason ? ": " : "", text_quote(facts->end_reason).text);
	if (*lost.text)
		printf("lost         %s\n", lost.text);
	printf("times        exact to %.2f ms\n", facts->sync_error_ms);
	if (later_acts(session) > 0)
		printf("acts         %u of a later version\n", later_acts(session));
	print_screens(facts);
	print_input(facts);
	printf("\n%-22s %-26s %10s %12s\n", "CHANNEL", "SCHEMA", "MESSAGES", "BYTES");
	for (size_t i = 0; i < facts->channel_count; i++)
		if (facts->channels[i].messages)
			printf("%s %s %10llu %12llu\n",
				terminal_cell(facts->channels[i].channel->topic, 22).text,
				terminal_cell(facts->channels[i].channel->schema, 26).text,
				(unsigned long long)facts->channels[i].messages,
				(unsigned long long)facts->channels[i].bytes);
	print_gaps(facts);
	for (size_t i = 0; i < facts->damage_count; i++)
		printf("damage at offset %llu: %s\n", (unsigned long long)facts->damages[i].offset,
			text_quote(facts->damages[i].text).text);
}

int command_info(const struct command_options *options, int argc, char **argv)
{
	bool json = command_pop_flag(&argc, argv, "--json");
	_destroy_(session) struct session *session = NULL;
	_destroy_(session_facts) struct session_facts *facts = NULL;
	Uxrec__SessionSummary *summary;
	struct error error = {"no reason given"};
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage("info FILE [--json]");
	r = session_open_path(&session, argv[1], &error);
	if (r == 0) {
		r = session_facts_create(&facts, session);
		if (r < 0)
			error_set(&error, r, "%s: %s", argv[1], strerror(-r));
	}
	if (r < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	if (*session->annotations_error.text)
		log_warning("%s", session->annotations_error.text);
	summary = session_summarise(session);
	if (json)
		json_print(info_to_json(session, facts, summary));
	else
		print_info(session, facts, summary);
	if (summary)
		uxrec__session_summary__free_unpacked(summary, NULL);
	return EXIT_OK;
}

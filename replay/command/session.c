/* Commands that copy, modify or print session files. */

#include "protocol/acts/act_check.h"
#include "protocol/acts/annotations.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/channel.h"
#include "protocol/file/copy.h"
#include "protocol/file/reader.h"
#include "protocol/name.h"
#include "protocol/schema.h"
#include "replay/base/json.h"
#include "replay/command/command.h"
#include "replay/export/copied_consent.h"
#include "replay/session/bleeps.h"
#include "replay/session/session.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than any session, and far below the limit of int64_t in nanoseconds. */
#define MOMENT_LIMIT_S 1e9

/* "90", "1:30" or "1:02:03.5" @return 0, or EXIT_USAGE with the reason logged */
static int parse_seconds(const char *text, double *ret)
{
	double seconds = 0;
	const char *at = text;

	for (int part = 0; part < 3; part++) {
		char *end;
		double number = strtod(at, &end);

		seconds = seconds * 60 + number;
		if (end == at || !(number >= 0) || !(seconds <= MOMENT_LIMIT_S))
			break;
		if (*end == '\0') {
			*ret = seconds;
			return 0;
		}
		if (*end != ':')
			break;
		at = end + 1;
	}
	log_error("'%s' is not a time: use seconds, 1:30 or 1:02:03.5", text_quote(text).text);
	return EXIT_USAGE;
}

static int refuse_moment(const char *text, int64_t length_ns)
{
	log_error("'%s' is after the end: the session is %.3f s long", text_quote(text).text,
		(double)length_ns / NS_PER_S);
	return EXIT_USAGE;
}

int command_parse_moment(const char *text, const struct session_reader *reader, int64_t *ret)
{
	int64_t begin_ns, end_ns, length_ns, after_ns;
	double seconds;
	int r = parse_seconds(text, &seconds);

	if (r != 0)
		return r;
	if (!session_reader_span(reader, &begin_ns, &end_ns)) {
		log_error("the session is empty");
		return EXIT_FAILED;
	}
	after_ns = llround(seconds * NS_PER_S);
	length_ns = end_ns - begin_ns;
	if (after_ns > length_ns) {
		/* lengths are displayed, and typed, in whole seconds */
		if (after_ns - length_ns >= NS_PER_S || after_ns % NS_PER_S != 0)
			return refuse_moment(text, length_ns);
		after_ns = length_ns;
	}
	*ret = begin_ns + after_ns;
	return 0;
}

int command_parse_span(const struct session_reader *reader, const char *from, const char *to,
	int64_t *ret_from_ns, int64_t *ret_to_ns)
{
	int64_t begin_ns = 0, end_ns = 0;
	int r = 0;

	session_reader_span(reader, &begin_ns, &end_ns);
	if (from)
		r = command_parse_moment(from, reader, ret_from_ns);
	if (r == 0 && to)
		r = command_parse_moment(to, reader, ret_to_ns);
	if (r != 0)
		return r;
	if (from && *ret_from_ns >= end_ns)
		return refuse_moment(from, end_ns - begin_ns);
	if (to && *ret_to_ns <= (from ? *ret_from_ns : begin_ns)) {
		log_error("the span ends at %s, which is not after its begin", text_quote(to).text);
		return EXIT_USAGE;
	}
	/* `to` is exclusive: include the last message */
	if (to && *ret_to_ns >= end_ns)
		*ret_to_ns = end_ns + 1;
	return 0;
}

void command_show_progress(void *user, int64_t at_ns)
{
	struct command_progress *progress = user;
	int64_t now_ns = clock_now_ns();

	if (now_ns - progress->shown_ns < NS_PER_S / 5 || progress->length_ns <= 0)
		return;
	progress->shown_ns = now_ns;
	fprintf(stderr, "\r%3d %%",
		(int)(100.0 * (double)(at_ns - progress->begin_ns) / (double)progress->length_ns));
	fflush(stderr);
}

struct copying {
	struct copied_consent consent; /* first: copied_consent_add() gets the struct's address */
	struct command_progress progress;
	const struct bleeps *bleeps; /* spans not copied; NULL: none */
};

static void show_copying(void *user, int64_t at_ns)
{
	command_show_progress(&((struct copying *)user)->progress, at_ns);
}

static int is_bleeped(void *user, const struct reader_message *message)
{
	return bleeps_silence(((struct copying *)user)->bleeps, message);
}

/* @return an exit status */
static int copy(const struct session *session, const char *out, struct session_copy_options options,
	const struct bleeps *bleeps)
{
	struct copying copying = {
		{session, options.from_ns, options.to_ns}, {.shown_ns = clock_now_ns()}, bleeps};
	struct session_reader *reader = session->reader;
	struct session_copy_result result;
	struct error error = {"no reason given"};
	int64_t end_ns;

	options.user = &copying;
	options.leave_out = bleeps ? is_bleeped : NULL;
	options.add = copied_consent_add;
	if (isatty(STDERR_FILENO) &&
		session_reader_span(reader, &copying.progress.begin_ns, &end_ns)) {
		copying.progress.length_ns = end_ns - copying.progress.begin_ns;
		options.progress = show_copying;
	}
	if (session_copy(reader, out, &options, &result, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	if (options.progress)
		fputs("\r\033[K", stderr);
	command_warn_withheld(session, UINT32_MAX);
	printf("%s: %llu messages, %.2f MB\n", out, (unsigned long long)result.messages,
		(double)result.bytes / 1e6);
	return EXIT_OK;
}

bool command_print_damages(const struct session_reader *reader)
{
	const struct reader_damage *damages;
	size_t count = session_reader_damages(reader, &damages);
	uint64_t torn = session_reader_size(reader) - session_reader_whole_bytes(reader);

	for (size_t i = 0; i < count; i++)
		printf("lost: segment %u, offset %llu: %s\n", damages[i].segment + 1,
			(unsigned long long)damages[i].offset, damages[i].text);
	/* the torn record of a killed recorder is also in its log */
	if (torn > 0 && session_reader_logged(reader) == 0) {
		printf("lost: %llu bytes of a torn record at the end\n", (unsigned long long)torn);
		return true;
	}
	return count > 0;
}

int command_open(struct session **ret, const char *path)
{
	struct error error = {"no reason given"};

	if (session_open_path(ret, path, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	if (*(*ret)->annotations_error.text)
		log_warning("%s", (*ret)->annotations_error.text);
	return 0;
}

int command_open_folder(struct session **ret, const char *path)
{
	int r = command_open(ret, path);

	if (r == 0 && (*ret)->recording_name) {
		log_error("%s: name the session's folder instead", path);
		r = EXIT_FAILED;
	}
	return r;
}

int command_open_way_out(struct session *session, enum way_out way, enum consent_use use)
{
	struct error error = {"no reason given"};

	if (way_out_open(session, way, use, &error) == 0)
		return 0;
	log_error("%s", error.text);
	return EXIT_FAILED;
}

struct withheld_report {
	uint32_t left; /* modalities not named yet, as bits */
	const char *path;
};

static int warn_withheld_gap(void *user, const Uxrec__Gap *gap)
{
	struct withheld_report *withheld_report = user;
	uint16_t known = gap->n_topics ? channel_find(gap->topics[0]) : 0;
	uint32_t bit = known ? 1u << channel_kind_get(known)->modality : 0;

	if (!(withheld_report->left & bit))
		return 0;
	withheld_report->left &= ~bit;
	log_warning("%s: %s of it is left out: %s", withheld_report->path,
		modality_name(channel_kind_get(known)->modality), gap->detail);
	return 0;
}

void command_warn_withheld(const struct session *session, uint32_t modalities)
{
	struct withheld_report withheld_report = {modalities, session->path};

	if (session->reader)
		session_reader_each_withheld(session->reader, warn_withheld_gap, &withheld_report);
}

int command_collect_bleeps(struct bleeps *ret, const struct session *session)
{
	int r = !session->annotations && *session->annotations_error.text
		? -EBADMSG
		: bleeps_collect(ret, session);

	if (r == 0)
		return 0;
	log_error("%s: its bleeps cannot be read: %s", session->path,
		r == -EBADMSG ? session->annotations_error.text : strerror(-r));
	return EXIT_FAILED;
}

static int parse_compression(const char *name, enum compression *ret)
{
	int found = strcmp(name, "none") == 0
		? COMPRESSION_NONE
		: compression_find((struct view){(const unsigned char *)name, strlen(name), 0});

	if (found < 0 || !*name) {
		log_error("--compression '%s': must be one of none, lz4, zstd",
			text_quote(name).text);
		return EXIT_USAGE;
	}
	*ret = (enum compression)found;
	return 0;
}

int command_recover(const struct command_options *options, int argc, char **argv)
{
	const char *out = command_pop_value(&argc, argv, "-o");
	const char *named = command_pop_value(&argc, argv, "--compression");
	_destroy_(session) struct session *session = NULL;
	enum compression compression = COMPRESSION_ZSTD;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2 || !out)
		return command_usage("recover FILE|FOLDER [--compression none|lz4|zstd] -o OUT");
	if (named && parse_compression(named, &compression) != 0)
		return EXIT_USAGE;
	if (command_open(&session, argv[1]) != 0 ||
		command_open_way_out(session, WAY_OUT_COPY, CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	r = copy(session, out,
		(struct session_copy_options){.from_ns = INT64_MIN,
			.to_ns = INT64_MAX,
			.compression = named ? &compression : NULL},
		NULL);
	if (r != EXIT_OK)
		return r;
	return command_print_damages(session->reader) ? EXIT_FAILED : EXIT_OK;
}

int command_cut(const struct command_options *options, int argc, char **argv)
{
	const char *out = command_pop_value(&argc, argv, "-o");
	const char *from = command_pop_value(&argc, argv, "--from");
	const char *to = command_pop_value(&argc, argv, "--to");
	struct session_copy_options part = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	_destroy_(session) struct session *session = NULL;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2 || !out)
		return command_usage("cut FILE|FOLDER [--from T] [--to T] -o OUT");
	if (!from && !to) {
		log_error(
			"cut requires --from, --to or both; uxrec recover copies a whole session");
		return EXIT_USAGE;
	}
	if (command_open(&session, argv[1]) != 0 || command_collect_bleeps(&bleeps, session) != 0 ||
		command_open_way_out(session, WAY_OUT_COPY, CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	r = command_parse_span(session->reader, from, to, &part.from_ns, &part.to_ns);
	if (r == 0)
		r = copy(session, out, part, &bleeps);
	if (r != EXIT_OK)
		return r;
	return command_print_damages(session->reader) ? EXIT_FAILED : EXIT_OK;
}

/* ---- erase ---- */

static int parse_modalities(const char *text, uint32_t *ret)
{
	int modality = text ? modality_find(text) : 0;

	if (!text)
		*ret = ((1u << MODALITY_COUNT) - 1) & ~(1u << MODALITY_SESSION);
	else
		*ret = modality > MODALITY_SESSION ? 1u << modality : 0;
	if (*ret)
		return 0;
	log_error("--modality '%s': must be one of screen, input, sound", text_quote(text).text);
	return EXIT_USAGE;
}

/*
 * The transcript is erased before the sound: after an interruption no text remains of erased sound, and repeating the
 * command removes the rest.
 */
static int erase_words(const struct folder *folder, int64_t from_ns, int64_t to_ns)
{
	struct error error = {"no reason given"};
	size_t count;

	if (transcript_erase(folder, from_ns, to_ns, &count, &error) < 0) {
		log_error(
			"%s; nothing was erased: repair it, or remove it with uxrec transcript "
			"--remove",
			error.text);
		return EXIT_FAILED;
	}
	if (count > 0)
		printf("erased: %zu cues of the transcript\n", count);
	return 0;
}

int command_erase(const struct command_options *options, int argc, char **argv)
{
	const char *from = command_pop_value(&argc, argv, "--from");
	const char *to = command_pop_value(&argc, argv, "--to");
	const char *who = command_pop_value(&argc, argv, "--who");
	const char *why = command_pop_value(&argc, argv, "--why");
	const char *modality = command_pop_value(&argc, argv, "--modality");
	struct session_erase_options erase = {.why = why ? why : "no reason given"};
	_autofree_ char *name = NULL;
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_folder_unref_ struct folder *folder = NULL;
	struct error error = {"no reason given"};
	int64_t gap[2], begin_ns = 0, end_ns;
	bool recorded;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2 || !from || !to || !who)
		return command_usage(
			"erase FOLDER --from T --to T --who NAME [--why TEXT] "
			"[--modality screen|input|sound]");
	r = command_check_text("--why", why);
	if (r == 0)
		r = parse_modalities(modality, &erase.modalities);
	if (r == 0)
		r = command_normalise_name(&name, "--who", who);
	if (r != 0)
		return r;
	erase.who = name;
	/* the session may be shorter than at the first attempt */
	if (folder_open(&folder, argv[1], &error) < 0 || session_erase_finish(folder, &error) < 0 ||
		session_reader_open_session(&reader, folder, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	r = command_parse_span(reader, from, to, &erase.from_ns, &erase.to_ns);
	if (r != 0)
		return r;
	session_reader_span(reader, &begin_ns, &end_ns);
	recorded = session_reader_is_recorded(reader);
	session_reader_destroy(steal_ptr(reader));
	/* session_erase() reports all other errors; erase the transcript only when the sound can be erased, too */
	if (!recorded && erase.modalities >> MODALITY_SOUND & 1 &&
		erase_words(folder, erase.from_ns - begin_ns, erase.to_ns - begin_ns) != 0)
		return EXIT_FAILED;
	if (session_erase(folder, &erase, gap, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	printf("erased: %.3f s to %.3f s\n", (double)(gap[0] - begin_ns) / 1e9,
		(double)(gap[1] - begin_ns) / 1e9);
	return EXIT_OK;
}

/* ---- merge ---- */

/* The session id in a folder's recording, "" when unreadable or of format 1. */
static void find_uuid(struct folder *folder, char ret[33])
{
	_destroy_(session_reader) struct session_reader *reader = NULL;

	ret[0] = '\0';
	if (session_reader_open_session(&reader, folder, NULL) == 0)
		snprintf(ret, 33, "%s", session_reader_uuid(reader));
}

/* A folder means the log in it. */
static int open_log(struct annotations **ret, const char *path, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	char uuid[33];
	int r = folder_open(&folder, path, reterr);

	if (r == -ENOTDIR)
		return annotations_open(ret, path, true, reterr);
	if (r == 0)
		r = annotations_open_below(ret, folder, true, reterr);
	if (r < 0)
		return r;
	find_uuid(folder, uuid);
	if (*uuid)
		annotations_set_session(*ret, uuid);
	return 0;
}

static int merge_log(struct annotations *log, const char *path, struct annotations_merged *ret,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	char uuid[33];
	int r = folder_open(&folder, path, reterr);

	if (r == -ENOTDIR)
		return annotations_merge(log, path, ret, reterr);
	if (r < 0)
		return r;
	find_uuid(folder, uuid);
	if (*uuid && *annotations_session(log) && strcmp(uuid, annotations_session(log)) != 0)
		return error_set(reterr, -EXDEV, "%s: it is another session: %s, not %s", path,
			uuid, annotations_session(log));
	return annotations_merge_below(log, folder, ret, reterr);
}

/* @return EXIT_FAILED when part of the copy was not merged */
static int report_merged(const char *path, const struct annotations_merged *merged)
{
	int r = EXIT_OK;

	if (merged->damaged > 0) {
		log_error("%s: %u records cannot be read; the first, at offset %llu, is %s", path,
			merged->damaged, (unsigned long long)merged->first.offset,
			merged->first.text);
		r = EXIT_FAILED;
	}
	if (merged->torn_bytes > 0) {
		log_error("%s: the last %llu bytes are an incomplete record, and were not read",
			path, (unsigned long long)merged->torn_bytes);
		r = EXIT_FAILED;
	}
	if (merged->differing > 0) {
		log_error(
			"%s: %zu acts have the id of another act but other content, and were not "
			"merged",
			path, merged->differing);
		r = EXIT_FAILED;
	}
	if (merged->invalid > 0)
		log_warning(
			"%s: %zu invalid acts were merged; they do not count (uxrec verify lists "
			"the reasons)",
			path, merged->invalid);
	return r;
}

int command_merge(const struct command_options *options, int argc, char **argv)
{
	_destroy_(annotations) struct annotations *log = NULL;
	struct error error = {"no reason given"};
	size_t total = 0, later = 0;
	int result = EXIT_OK;

	(void)options;
	if (command_has_leftovers(argc, argv, argc))
		return EXIT_USAGE;
	if (argc < 3)
		return command_usage("merge FOLDER OTHER...");
	for (int i = 1; i < argc; i++) {
		struct annotations_merged merged = {0};
		int r = i == 1 ? open_log(&log, argv[i], &error)
			       : merge_log(log, argv[i], &merged, &error);

		if (r < 0) {
			log_error("%s", error.text);
			return EXIT_FAILED;
		}
		if (report_merged(argv[i], &merged) != EXIT_OK)
			result = EXIT_FAILED;
		total += merged.fresh;
		later += merged.later;
	}
	printf("%s: %zu acts were new", argv[1], total);
	if (later > 0)
		printf(", %zu of them of a later version", later);
	puts("");
	return result;
}

/* ---- dump ---- */

static void dump_json(const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct json_object *line = json_object_new_object();

	json_object_object_add(
		line, "topic", json_object_new_string(text_quote(message->channel->topic).text));
	json_object_object_add(line, "sequence", json_object_new_int64(message->sequence));
	json_object_object_add(line, "logTime", json_object_new_int64(message->time_ns));
	json_object_object_add(line, "publishTime", json_object_new_int64(message->publish_ns));
	json_object_object_add(
		line, "schema", json_object_new_string(text_quote(message->channel->schema).text));
	if (unpacked)
		json_object_object_add(line, "message", json_of_message_standard(unpacked));
	else
		json_object_object_add(
			line, "bytes", json_object_new_int64((int64_t)message->data.size_bytes));
	json_print_line(line);
}

static void dump_text(const struct reader_message *message, int64_t begin_ns)
{
	printf("%12.6f  %s %8u %9zu bytes\n", (double)(message->time_ns - begin_ns) / 1e9,
		terminal_cell(message->channel->topic, 22).text, message->sequence,
		message->data.size_bytes);
}

/* @param message  may be NULL; modified */
static bool is_later_act(ProtobufCMessage *message)
{
	return message && message->descriptor == &uxrec__act__descriptor &&
		act_judge((Uxrec__Act *)message).later;
}

static int dump(
	struct session_reader *reader, const char *topic, int64_t from_ns, int64_t to_ns, bool json)
{
	unsigned later = 0;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int64_t begin_ns = 0, end_ns;
	int r = session_cursor_create(&cursor, reader, from_ns, to_ns, 0);

	session_reader_span(reader, &begin_ns, &end_ns);
	while (r == 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		const ProtobufCMessageDescriptor *descriptor =
			schema_message(message.channel->schema);
		ProtobufCMessage *unpacked = NULL;

		r = 0;
		if (topic && strcmp(message.channel->topic, topic) != 0)
			continue;
		if (descriptor && (json || descriptor == &uxrec__act__descriptor))
			unpacked = protobuf_c_message_unpack(
				descriptor, NULL, message.data.size_bytes, message.data.data);
		if (json)
			dump_json(&message, unpacked);
		else
			dump_text(&message, begin_ns);
		later += is_later_act(unpacked);
		if (unpacked)
			protobuf_c_message_free_unpacked(unpacked, NULL);
		if (ferror(stdout))
			return -EPIPE; /* the reader has closed the pipe */
	}
	if (later > 0)
		log_warning("%u acts of a later version: not all of their content is known", later);
	return r;
}

int command_dump(const struct command_options *options, int argc, char **argv)
{
	bool json = command_pop_flag(&argc, argv, "--json");
	const char *topic = command_pop_value(&argc, argv, "--channel");
	const char *from = command_pop_value(&argc, argv, "--from");
	const char *to = command_pop_value(&argc, argv, "--to");
	int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;
	_destroy_(session) struct session *session = NULL;
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage(
			"dump FILE|FOLDER [--channel TOPIC] [--from T] [--to T] [--json]");
	if (command_open(&session, argv[1]) != 0 ||
		command_open_way_out(session, WAY_OUT_DUMP, CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	command_warn_withheld(session, UINT32_MAX);
	r = command_parse_span(session->reader, from, to, &from_ns, &to_ns);
	if (r != 0)
		return r;
	r = dump(session->reader, topic, from_ns, to_ns, json);
	if (r < 0 && r != -EPIPE) {
		log_errno(r, "%s", argv[1]);
		return EXIT_FAILED;
	}
	return session_reader_damages(session->reader, NULL) > 0 ? EXIT_NO : EXIT_OK;
}

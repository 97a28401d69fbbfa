#include "replay/command/command.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/file/redaction.h"
#include "protocol/file/verify.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"
#include "replay/base/json.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct verify_report {
	struct json_object *problems; /* NULL: print */
	unsigned printed;
	uint64_t acts; /* acts in the annotation log */
	unsigned later_acts;
};

/* @param place  position in a file or in time, stored under @p name; owned by the report */
static void add_problem(
	struct verify_report *report, const char *name, struct json_object *place, const char *text)
{
	struct json_object *problem = json_object_new_object();

	json_object_object_add(problem, name, place);
	json_object_object_add(problem, "text", json_text(text));
	json_object_array_add(report->problems, problem);
}

static void report_problem(void *user, uint64_t offset, const char *text)
{
	struct verify_report *report = user;

	if (report->problems) {
		add_problem(report, "offset", json_object_new_uint64(offset), text);
	} else if (report->printed++ < 50) {
		printf("offset %llu: %s\n", (unsigned long long)offset, text_quote(text).text);
	}
}

/* Report damage and invalid acts, each with its position. @return their number; 0 also without a log */
static unsigned verify_annotations(
	const char *path, struct annotations *log, struct verify_report *report)
{
	const struct annotations_counts *counts = annotations_counts(log);
	const struct annotations_problem *problems;
	size_t listed = annotations_problems(log, &problems);

	for (size_t i = 0; i < listed; i++) {
		char text[500];

		snprintf(text, sizeof(text), "%s: %s", path, problems[i].text);
		report_problem(report, problems[i].offset, text);
	}
	report->acts += counts->acts;
	report->later_acts += counts->later;
	return counts->damaged + counts->invalid;
}

static unsigned verify_annotations_of(struct folder *folder, struct verify_report *report)
{
	_destroy_(annotations) struct annotations *log = NULL;
	struct error error = {"no reason given"};
	int r = annotations_open_below(&log, folder, false, &error);

	if (r == 0)
		return verify_annotations(SESSION_ANNOTATIONS_NAME, log, report);
	if (r != -ENOENT)
		report_problem(report, 0, error.text);
	return r != -ENOENT;
}

/* @return true also when the folder has no transcript */
static bool transcript_is_whole(const struct folder *folder, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	int r = transcript_load(&vtt, folder, reterr);

	return r == 0 || r == -ENOENT;
}

static void print_verified(
	const char *path, const struct verify_result *result, const struct verify_report *report)
{
	struct json_object *problems = report->problems;
	struct json_object *document;

	if (!problems) {
		printf("%s: %s: %llu messages in %llu chunks, %llu bytes, %u problems\n", path,
			result->problems == 0 ? "whole" : "not whole",
			(unsigned long long)result->messages, (unsigned long long)result->chunks,
			(unsigned long long)result->bytes, result->problems);
		if (report->acts > 0)
			printf("%llu acts, %u of them of a later version\n",
				(unsigned long long)report->acts, report->later_acts);
		return;
	}
	document = json_object_new_object();
	json_object_object_add(document, "acts", json_object_new_uint64(report->acts));
	json_object_object_add(document, "later_acts", json_object_new_int64(report->later_acts));
	json_object_object_add(document, "whole", json_object_new_boolean(result->problems == 0));
	json_object_object_add(document, "session_uuid", json_text(result->session_uuid));
	json_object_object_add(document, "finished", json_object_new_boolean(result->finished));
	json_object_object_add(document, "messages", json_object_new_uint64(result->messages));
	json_object_object_add(document, "chunks", json_object_new_uint64(result->chunks));
	json_object_object_add(document, "bytes", json_object_new_uint64(result->bytes));
	json_object_object_add(document, "problems", problems);
	json_print(document);
}

/* @return 1 valid, 0 invalid, or a negative errno with the reason */
static int verify_file(const struct folder *folder, const char *name, struct verify_report *report,
	struct verify_result *total, struct error *reterr)
{
	_autoclose_ int fd = folder_read(folder, name, reterr);
	struct verify_result result = {0};
	int r = fd < 0 ? fd : session_verify(fd, report_problem, report, &result, reterr);

	total->messages += result.messages;
	total->chunks += result.chunks;
	total->bytes += result.bytes;
	total->problems += result.problems;
	total->finished = total->finished && result.finished;
	if (!*total->session_uuid)
		memcpy(total->session_uuid, result.session_uuid, sizeof(total->session_uuid));
	if (r >= 0 && *result.session_uuid &&
		strcmp(total->session_uuid, result.session_uuid) != 0) {
		report_problem(report, 0, "a segment of another session");
		total->problems++;
	}
	return r;
}

/* Verify all segments of a folder, and the annotations. */
static int verify_folder(struct folder *folder, struct verify_report *report,
	struct verify_result *total, struct error *reterr)
{
	struct error error = {"no reason given"};
	int r = 1;

	if (folder_has(folder, SESSION_ERASED_NAME) > 0) {
		report_problem(report, 0,
			"an erase was interrupted: run uxrec erase again, to remove the old files");
		total->problems++;
	}
	for (unsigned number = 1; r >= 0; number++) {
		char name[40];

		snprintf(name, sizeof(name), SESSION_SEGMENT_NAME, number);
		if (number > 1 && folder_has(folder, name) <= 0)
			break;
		r = verify_file(folder, name, report, total, reterr);
	}
	if (r >= 0)
		total->problems += verify_annotations_of(folder, report);
	if (r >= 0 && !transcript_is_whole(folder, &error)) {
		report_problem(report, 0, error.text);
		total->problems++;
	}
	return r < 0 ? r : total->problems == 0;
}

/* An annotation log is appended to, so it has no end record and needs none. */
static bool is_log(const struct folder *folder, const char *name)
{
	static const char profile[] = "uxrec.annotations.";
	char head[MCAP_MAGIC_BYTES + MCAP_RECORD_HEADER_BYTES + 4 + sizeof(profile) - 1];
	_autoclose_ int fd = folder_read(folder, name, NULL);

	return fd >= 0 && io_pread_full(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
		memcmp(head + sizeof(head) - (sizeof(profile) - 1), profile, sizeof(profile) - 1) ==
		0;
}

static int verify_log(const char *path, const char *name, struct verify_report *report,
	struct verify_result *total, struct error *reterr)
{
	_destroy_(annotations) struct annotations *log = NULL;
	int r = annotations_open(&log, path, false, reterr);

	if (r < 0)
		return r;
	total->problems += verify_annotations(name, log, report);
	total->messages += report->acts;
	total->chunks += report->acts;
	total->bytes += annotations_size_bytes(log);
	snprintf(total->session_uuid, sizeof(total->session_uuid), "%s", annotations_session(log));
	return total->problems == 0;
}

/* A folder means its whole session. */
static int verify_named(const char *path, struct verify_report *report, struct verify_result *total,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open(&folder, path, reterr);

	if (r == 0)
		return verify_folder(folder, report, total, reterr);
	if (r == -ENOTDIR)
		r = folder_open_of(&folder, path, &name, reterr);
	if (r < 0)
		return r;
	return is_log(folder, name) ? verify_log(path, name, report, total, reterr)
				    : verify_file(folder, name, report, total, reterr);
}

static void report_redaction(void *user, int64_t time_ns, const char *text)
{
	struct verify_report *report = user;

	if (report->problems) {
		add_problem(report, "time_ns", json_object_new_int64(time_ns), text);
	} else if (report->printed++ < 50) {
		printf("at %.3f s of Unix time: %s\n", (double)time_ns / NS_PER_S, text);
	}
}

static int verify_redaction(const char *path, struct verify_report *report)
{
	_destroy_(session) struct session *session = NULL;
	struct error error = {"no reason given"};
	struct redaction_result result;
	struct json_object *document;
	int r = session_open_path(&session, path, &error);

	if (r == 0 && !session->reader)
		r = error_set(&error, -EBADMSG, "%s", session->error.text);
	if (r == 0)
		session_ungate(session); /* verifies the whole file */
	if (r == 0)
		r = redaction_verify(session->reader, report_redaction, report, &result, &error);
	if (r < 0) {
		json_object_put(report->problems);
		log_error("%s: %s", path, error.text);
		return r == -EBADMSG ? EXIT_NO : EXIT_FAILED;
	}
	if (!report->problems) {
		printf("%s: %s: %llu messages of input, %llu keys, %.1f s below full, "
		       "%u problems\n",
			path, r > 0 ? "redacted according to its policies" : "NOT redacted",
			(unsigned long long)result.messages, (unsigned long long)result.keys,
			(double)result.covered_ns / NS_PER_S, result.problems);
		return r > 0 ? EXIT_OK : EXIT_NO;
	}
	document = json_object_new_object();
	json_object_object_add(document, "redacted", json_object_new_boolean(r > 0));
	json_object_object_add(document, "messages", json_object_new_uint64(result.messages));
	json_object_object_add(document, "keys", json_object_new_uint64(result.keys));
	json_object_object_add(document, "policies", json_object_new_uint64(result.policies));
	json_object_object_add(document, "covered_s",
		json_object_new_double((double)result.covered_ns / NS_PER_S));
	json_object_object_add(document, "problems", report->problems);
	json_print(document);
	return r > 0 ? EXIT_OK : EXIT_NO;
}

int command_verify(const struct command_options *options, int argc, char **argv)
{
	bool json = command_pop_flag(&argc, argv, "--json");
	bool redaction = command_pop_flag(&argc, argv, "--redaction");
	struct verify_report report = {0};
	struct verify_result result = {.finished = true};
	struct error error = {"no reason given"};
	int r;

	(void)options;
	if (command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	if (argc != 2)
		return command_usage("verify [--redaction] FILE [--json]");
	if (json)
		report.problems = json_object_new_array();
	if (redaction)
		return verify_redaction(argv[1], &report);
	r = verify_named(argv[1], &report, &result, &error);
	if (r < 0) {
		json_object_put(report.problems);
		log_error("%s: %s", argv[1], error.text);
		return r == -EBADMSG ? EXIT_NO : EXIT_FAILED;
	}
	print_verified(argv[1], &result, &report);
	return r > 0 ? EXIT_OK : EXIT_NO;
}

/* Work in a process of its own: an answer, and everything that such a process can do wrong. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include "daemon/worker/work.h"
#include "protocol/base/clock.h"
#include "protocol/mcap.h"
#include "protocol/wire.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct watched {
	unsigned rounds, progressed;
	unsigned cancel_at; /* round; 0: never */
};

static bool is_cancelled(void *user)
{
	struct watched *watched = user;

	return ++watched->rounds == watched->cancel_at;
}

static void progress(void *user, struct packet *record)
{
	struct watched *watched = user;

	watched->progressed++;
	packet_unref(record);
}

struct result {
	int r;
	struct error error;
	Uxrec__ServerMessage *answer;
	double s;
};

static void result_finish(struct result *result)
{
	if (result->answer)
		uxrec__server_message__free_unpacked(result->answer, NULL);
}

/* Have the program do GetMetrics, number 5, in a library with the name of its fault. */
static struct result run(const char *name, const char *fault, struct watched *watched)
{
	_autofree_ char *program = NULL, *library = NULL;
	_packet_unref_ struct packet *packet = NULL;
	Uxrec__ClientMessage request = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__GetMetrics metrics = UXREC__GET_METRICS__INIT;
	const struct work_watch watch = {is_cancelled, progress, watched};
	struct result result = {.error = {""}};
	struct work work = {.memory_bytes = 64 << 20,
		.cpu_s = 1,
		.wall_s = strcmp(fault, "sleeps") == 0 || strcmp(fault, "deaf") == 0 ? 2 : 300,
		.answer_bytes = 1 << 20};
	int64_t begun_ns = clock_now_ns();

	check(asprintf(&program, "%s/%s", build_folder(), name) > 0);
	check(asprintf(&library, "%s/%s", temporary_folder(), fault) > 0);
	mkdir(library, 0700);
	work.program = program;
	work.library = library;
	request.request = 5;
	request.body_case = UXREC__CLIENT_MESSAGE__BODY_GET_METRICS;
	request.get_metrics = &metrics;
	metrics.study = (char *)"a study";
	result.r = work_run(&work, &request, &watch, &packet, &result.error);
	result.s = (double)(clock_now_ns() - begun_ns) / 1e9;
	if (result.r == 0)
		result.answer = uxrec__server_message__unpack(NULL,
			packet->size_bytes - MCAP_RECORD_HEADER_BYTES,
			packet->record + MCAP_RECORD_HEADER_BYTES);
	printf("# %s: %d, %.2f s, %s\n", fault, result.r, result.s, result.error.text);
	return result;
}

static struct result run_mad(const char *fault)
{
	return run("tests/tools/mad_worker", fault, &(struct watched){0});
}

static bool fails(const char *fault, int code, const char *text)
{
	_cleanup_(result_finish) struct result result = run_mad(fault);

	return result.r == code && strstr(result.error.text, text) != NULL;
}

/* ---- tests ---- */

static void an_answer_comes_after_its_progress(void)
{
	struct watched watched = {0};
	_cleanup_(result_finish) struct result result =
		run("tests/tools/mad_worker", "good", &watched);

	check(result.r == 0 && result.answer);
	expect(result.answer->request == 5 && watched.progressed == 1);
	expect(result.answer->body_case == UXREC__SERVER_MESSAGE__BODY_METRICS);
}

static void progress_is_passed_on_now_and_then(void)
{
	struct watched watched = {0};
	_cleanup_(result_finish) struct result result =
		run("tests/tools/mad_worker", "chatters", &watched);

	printf("# %u of 20000 were passed on\n", watched.progressed);
	expect(result.r == 0 && watched.progressed >= 1 && watched.progressed < 100);
}

static void the_worker_answers_with_its_reason(void)
{
	struct watched watched = {0};
	_cleanup_(result_finish) struct result result = run("uxrec-worker", "empty", &watched);

	check(result.r == 0 && result.answer);
	check(result.answer->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE);
	printf("# %s\n", result.answer->failure->text);
	expect(result.answer->failure->code > 0 && *result.answer->failure->text);
}

static void a_worker_that_ends_is_an_error(void)
{
	expect(fails("exits", -EBADMSG, "status 5"));
	expect(fails("crashes", -EBADMSG, "signal"));
	expect(fails("half", -EBADMSG, "without an answer"));
}

static void an_answer_that_was_not_asked_for_is_refused(void)
{
	expect(fails("nonsense", -EBADMSG, "invalid answer"));
	expect(fails("other-request", -EBADMSG, "invalid answer"));
	expect(fails("other-answer", -EBADMSG, "invalid answer"));
	expect(fails("too-much", -EBADMSG, "invalid answer"));
}

static void a_worker_that_never_ends_is_ended(void)
{
	expect(fails("sleeps", -ETIME, "more than 2 s"));
	expect(fails("deaf", -ETIME, "more than 2 s"));
	expect(fails("spins", -ETIME, "1 s of processor time"));
}

static void work_is_cancelled(void)
{
	struct watched watched = {.cancel_at = 3};
	_cleanup_(result_finish) struct result result =
		run("tests/tools/mad_worker", "sleeps", &watched);

	expect(result.r == -ECANCELED);
}

static void a_missing_worker_is_an_error(void)
{
	struct watched watched = {0};
	_cleanup_(result_finish) struct result result = run("no-such-worker", "good", &watched);

	expect(result.r == -ENOENT && strstr(result.error.text, "cannot be started"));
}

/* Sanitizers need the rights. */
static void a_worker_has_no_rights_and_little_memory(void)
{
	_cleanup_(result_finish) struct result tried = {0};

	if (!jail_is_built())
		return;
	tried = run_mad("tries");
	check(tried.r == 0 && tried.answer->body_case == UXREC__SERVER_MESSAGE__BODY_METRICS);
	printf("# it could do:%s\n", tried.answer->metrics->study);
	expect(!*tried.answer->metrics->study ||
		strcmp(tried.answer->metrics->study, " read-elsewhere") == 0); /* no Landlock */
	expect(fails("memory", -EBADMSG, "status 7"));
	expect(fails("connects", -EBADMSG, "signal 31"));
	expect(fails("starts", -EBADMSG, "signal 31"));
}

static const struct test tests[] = {
	{"an answer comes after its progress", an_answer_comes_after_its_progress},
	{"progress is passed on now and then", progress_is_passed_on_now_and_then},
	{"the worker answers with its reason", the_worker_answers_with_its_reason},
	{"a worker that ends is an error", a_worker_that_ends_is_an_error},
	{"an answer that was not asked for is refused",
		an_answer_that_was_not_asked_for_is_refused},
	{"a worker that never ends is ended", a_worker_that_never_ends_is_ended},
	{"work is cancelled", work_is_cancelled},
	{"a missing worker is an error", a_missing_worker_is_an_error},
	{"a worker has no rights and little memory", a_worker_has_no_rights_and_little_memory},
};

int main(void)
{
	return RUN_TESTS("work", tests);
}

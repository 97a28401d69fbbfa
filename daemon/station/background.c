/* Operations of the station that take long, on a thread of their own: see struct background. */

#include "daemon/station/internal.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"
#include "protocol/os/thread.h"
#include "protocol/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WAITING_LIMIT 64

static void *background_thread(void *user)
{
	struct station *station = user;
	struct background *background = &station->background;

	pthread_setname_np(pthread_self(), "uxrec-station");
	background->r = background->run(station, &background->error);
	background->done = true;
	station->options.wake(station->options.user);
	return NULL;
}

int station_run(struct station *station, station_run_fn *run, station_finish_fn *finish,
	struct error *reterr)
{
	struct background *background = &station->background;
	int r;

	background->run = run;
	background->finish = finish;
	background->request = station->request;
	background->error = (struct error){"no reason given"};
	background->cancelled = background->done = background->stops = false;
	background->stop_reason[0] = '\0';
	r = pthread_create(&background->thread, NULL, background_thread, station);
	if (r == 0)
		return 0;
	background->run = NULL;
	background->request = NULL;
	return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
}

int station_run_surely(struct station *station, station_run_fn *run, station_finish_fn *finish,
	struct error *reterr)
{
	struct error error = {"no reason given"};
	int r;

	if (!station->exits && station_run(station, run, finish, &error) == 0)
		return 0;
	r = finish(station, run(station, &error), &error);
	return r < 0 ? error_set(reterr, r, "%s", error.text) : r;
}

bool station_was_cancelled(const struct station *station, int r)
{
	return r == -ECANCELED && station->background.cancelled;
}

/* ---- requests ---- */

bool station_is_question(const Uxrec__ClientMessage *message)
{
	return message->body_case == UXREC__CLIENT_MESSAGE__BODY_GET_STATUS ||
		message->body_case == UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE;
}

static void refuse(struct station_request *request, const struct error *error, int r)
{
	request->answered(request, reply_result(request->message->request, r, "", error), false);
}

/* Append a request to those that wait. */
static void append(struct background *background, struct station_request *request)
{
	struct station_request **end = &background->waiting;
	struct error error;
	unsigned count = 0;

	for (; *end; end = &(*end)->next)
		count++;
	if (count >= WAITING_LIMIT) {
		refuse(request, &error,
			error_set(&error, -EBUSY,
				"too many requests wait for the start of the capture: try again"));
		return;
	}
	request->next = NULL;
	*end = request;
}

/* False for a stop that would be refused: its outcome is missing, or there is no task for it. */
static bool is_valid_stop(const struct station *station, const Uxrec__Stop *stop)
{
	bool given = stop->outcome != UXREC__ATTEMPT__OUTCOME__OUTCOME_UNSPECIFIED;

	return given == (*station->recording.attempt_id != '\0');
}

bool station_must_wait(struct station *station, struct station_request *request)
{
	struct background *background = &station->background;

	if (!background->run || station_is_question(request->message))
		return false;
	if (request->message->body_case == UXREC__CLIENT_MESSAGE__BODY_STOP &&
		is_valid_stop(station, request->message->stop)) {
		background->cancelled = true;
		request->cancels_start = station->state == STATE_STARTING;
	}
	append(background, request);
	return true;
}

static struct station_request *pop_waiting(struct background *background)
{
	struct station_request *request = background->waiting;

	if (request)
		background->waiting = request->next;
	return request;
}

void station_refuse_waiting(struct station *station)
{
	struct station_request *request;
	struct error error;
	int r = error_set(&error, -ESHUTDOWN, "the recorder is ending");

	while ((request = pop_waiting(&station->background)))
		refuse(request, &error, r);
}

/* ---- the end of an operation ---- */

static void finish(struct station *station)
{
	struct background *background = &station->background;
	struct station_request *request = background->request;
	struct error error = background->error;
	char session[SESSION_ID_BYTES];
	int r = background->r;

	background->run = NULL;
	background->request = NULL;
	snprintf(session, sizeof(session), "%s", station->recording.session);
	station->request = request;
	if (station_was_cancelled(station, r) && *background->stop_reason)
		error_set(&error, r, "%s", background->stop_reason);
	r = background->finish(station, r, &error);
	station->request = NULL;
	if (request && !background->run)
		request->answered(request,
			background->answer
				? steal_ptr(background->answer)
				: reply_result(request->message->request, r, session, &error),
			r == 0 &&
				request->message->body_case !=
					UXREC__CLIENT_MESSAGE__BODY_RUN_DOCTOR);
	if (background->stops && !background->run)
		station_stop(station, background->stop_reason, NULL);
}

void station_poll(struct station *station)
{
	struct background *background = &station->background;
	struct station_request *request;

	if (background->run && background->done) {
		pthread_join(background->thread, NULL);
		finish(station);
	}
	while (!background->run && (request = pop_waiting(background)))
		station_handle(station, request);
}

void station_stop_afterwards(struct station *station, const char *reason)
{
	struct background *background = &station->background;

	background->cancelled = true;
	if (!*background->stop_reason)
		utf8_copy(background->stop_reason, sizeof(background->stop_reason), reason);
	background->stops = true;
}

int station_end_background(struct station *station, int64_t deadline_ns)
{
	struct background *background = &station->background;

	station_refuse_waiting(station);
	while (background->run) {
		background->cancelled = true;
		/* an end takes the time that it needs */
		if (thread_join_until(background->thread,
			    background->run == station_write_files ? INT64_MAX : deadline_ns) !=
			0) {
			log_error(
				"the sources of the capture do not answer: they are not waited "
				"for");
			return -EBUSY;
		}
		finish(station);
	}
	return 0;
}

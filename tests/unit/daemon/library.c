/* Queued requests, a session's log shared by threads, and the summaries of a listed library. */

#include "tests/harness/helpers.h"

#include "daemon/library/summaries.h"
#include "daemon/peers/jobs.h"
#include "daemon/record/session_log.h"
#include "protocol/base/clock.h"
#include "replay/session/session_order.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- jobs ---- */

/* A request for a session's timeline, identified by its number. */
#define PRINCIPAL "00112233445566778899aabbccddeeff"

static Uxrec__ClientMessage *make_request(unsigned number)
{
	Uxrec__ClientMessage *message = malloc(sizeof(*message));
	Uxrec__GetTimeline *get = malloc(sizeof(*get));
	char session[20];

	check(message && get);
	uxrec__client_message__init(message);
	uxrec__get_timeline__init(get);
	snprintf(session, sizeof(session), "%u", number);
	get->session = strdup(session);
	message->request = number;
	message->body_case = UXREC__CLIENT_MESSAGE__BODY_GET_TIMELINE;
	message->get_timeline = get;
	return message;
}

static Uxrec__ClientMessage *make_list(unsigned number)
{
	Uxrec__ClientMessage *message = malloc(sizeof(*message));
	Uxrec__ListSessions *list = malloc(sizeof(*list));

	check(message && list);
	uxrec__client_message__init(message);
	uxrec__list_sessions__init(list);
	message->request = number;
	message->body_case = UXREC__CLIENT_MESSAGE__BODY_LIST_SESSIONS;
	message->list_sessions = list;
	return message;
}

/* @return as jobs_push(); *ret_replaced is the number of the replaced request, or 0 */
static int push(
	struct jobs *jobs, struct peer *peer, Uxrec__ClientMessage *message, uint64_t *ret_replaced)
{
	struct job *replaced;
	int r = jobs_push(jobs, peer, message, &replaced);

	if (r < 0)
		uxrec__client_message__free_unpacked(message, NULL);
	if (ret_replaced)
		*ret_replaced = replaced ? replaced->message->request : 0;
	job_free(replaced);
	return r;
}

/* @return the number of the next request, 0 without one */
static uint64_t pop(struct jobs *jobs)
{
	struct job *job = jobs_pop(jobs, false);
	uint64_t number = job ? job->message->request : 0;

	job_free(job);
	return number;
}

static void peers_take_turns_however_much_one_of_them_asks(void)
{
	_destroy_(jobs) struct jobs *jobs = NULL;
	struct peer *flood = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_OBSERVER, "Eve", PRINCIPAL, true, ""});
	struct peer *honest = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_OBSERVER, "Ana", PRINCIPAL, true, ""});
	struct peer *third = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_OBSERVER, "Bob", PRINCIPAL, true, ""});

	check(flood && honest && third && jobs_create(&jobs, false) == 0);
	for (unsigned i = 1; i <= 60; i++)
		check(push(jobs, flood, make_request(i), NULL) == 0);
	expect(pop(jobs) == 1 && pop(jobs) == 2);
	check(push(jobs, honest, make_request(101), NULL) == 0);
	check(push(jobs, honest, make_request(102), NULL) == 0);
	check(push(jobs, third, make_request(201), NULL) == 0);
	/* each waits for one request of every other peer, and a peer's own keep their order */
	expect(pop(jobs) == 3 && pop(jobs) == 101 && pop(jobs) == 201);
	expect(pop(jobs) == 4 && pop(jobs) == 102 && pop(jobs) == 5 && pop(jobs) == 6);
	peer_unref(flood);
	peer_unref(honest);
	peer_unref(third);
}

static void a_newer_request_of_the_same_kind_replaces_the_one_that_waits(void)
{
	_destroy_(jobs) struct jobs *jobs = NULL;
	struct peer *peer = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_REVIEWER, "Ana", PRINCIPAL, true, ""});
	struct peer *other = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_REVIEWER, "Bob", PRINCIPAL, true, ""});
	Uxrec__ClientMessage *same = make_request(1);
	uint64_t replaced;

	check(peer && other && jobs_create(&jobs, false) == 0);
	check(push(jobs, peer, make_list(11), &replaced) == 0 && replaced == 0);
	check(push(jobs, other, make_list(21), &replaced) == 0 && replaced == 0);
	check(push(jobs, peer, make_request(1), &replaced) == 0 && replaced == 0);
	check(push(jobs, peer, make_request(2), &replaced) == 0 && replaced == 0);
	check(push(jobs, peer, make_list(12), &replaced) == 0);
	expect(replaced == 11);
	same->request = 3; /* same query as request 1 */
	check(push(jobs, peer, same, &replaced) == 0);
	expect(replaced == 1);
	expect(pop(jobs) == 2 && pop(jobs) == 21 && pop(jobs) == 12 && pop(jobs) == 3);
	expect(pop(jobs) == 0);
	/* the queue works on after its only request was replaced */
	check(push(jobs, peer, make_list(13), &replaced) == 0);
	check(push(jobs, peer, make_list(14), &replaced) == 0 && replaced == 13);
	check(push(jobs, peer, make_request(4), &replaced) == 0);
	expect(pop(jobs) == 14 && pop(jobs) == 4 && pop(jobs) == 0);
	peer_unref(peer);
	peer_unref(other);
}

static void what_one_peer_asks_is_bounded_and_others_are_still_heard(void)
{
	_destroy_(jobs) struct jobs *jobs = NULL;
	struct peer *flood = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_OBSERVER, "Eve", PRINCIPAL, true, ""});
	struct peer *honest = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_OBSERVER, "Ana", PRINCIPAL, true, ""});
	unsigned taken = 0;
	int r = 0;

	check(flood && honest && jobs_create(&jobs, false) == 0);
	for (unsigned i = 1; i <= 1000 && r == 0; i++) {
		r = push(jobs, flood, make_request(i), NULL);
		taken += r == 0;
	}
	expect(r == -EBUSY && taken >= 10 && taken <= 100);
	expect(push(jobs, honest, make_request(2000), NULL) == 0);
	expect(pop(jobs) == 1 && pop(jobs) == 2000);
	expect(push(jobs, flood, make_request(3000), NULL) == 0); /* room again */
	peer_unref(flood);
	peer_unref(honest);
}

static void after_closing_nothing_is_taken_and_what_waits_is_dropped(void)
{
	_destroy_(jobs) struct jobs *jobs = NULL;
	struct peer *peer = peer_create(
		0, &(struct principal){UXREC__ROLE__ROLE_REVIEWER, "Ana", PRINCIPAL, true, ""});

	check(peer && jobs_create(&jobs, true) == 0);
	for (unsigned i = 1; i <= 50; i++)
		check(push(jobs, peer, make_request(i), NULL) == 0);
	jobs_close(jobs);
	expect(jobs_closed(jobs) && pop(jobs) == 0 && !jobs_pop(jobs, true));
	expect(push(jobs, peer, make_request(99), NULL) == -EPIPE);
	peer_unref(peer);
}

/* ---- a log shared by threads ---- */

struct user {
	struct session_log *log;
	_Atomic bool stop;
	_Atomic unsigned turns;
};

static void *take_again_and_again(void *of)
{
	struct user *user = of;

	while (!user->stop) {
		session_log_lock(user->log);
		user->turns++;
		usleep(500);
		session_log_unlock(user->log);
	}
	return NULL;
}

static void a_thread_that_appends_without_a_pause_delays_another_by_one_act(void)
{
	_autofree_ char *path = temporary_path("shared.mcap");
	Uxrec__Study *study = malloc(sizeof(*study));
	struct user user = {0};
	struct annotations *log;
	pthread_t thread;
	unsigned before, short_waits = 0;

	check(study && annotations_open(&log, path, true, NULL) == 0);
	uxrec__study__init(study);
	check(session_log_create(&user.log, log, study) == 0);
	check(pthread_create(&thread, NULL, take_again_and_again, &user) == 0);
	for (unsigned i = 0; i < 50; i++) {
		unsigned waited;

		before = user.turns;
		session_log_lock(user.log);
		waited = user.turns - before;
		session_log_unlock(user.log);
		short_waits += waited <= 2;
	}
	user.stop = true;
	pthread_join(thread, NULL);
	/* not all: between reading the count and taking the lock the other may have had some turns */
	expect(short_waits > 25);
	session_log_unref(user.log);
}

/* ---- summaries ---- */

#define SESSION "20261120-101500-abcd"

static void write_file(const char *name, const char *text)
{
	_autofree_ char *path = temporary_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool is_kept(const struct summaries *summaries, const char *id, uint64_t stamp)
{
	return summaries_get(summaries, id, stamp).data != NULL;
}

static void sessions_come_in_the_order_of_their_begin(void)
{
	/* by id: 02:30 in summer time, 02:05 in winter time an hour and a half later, another zone, a day before, equal
	 * begins */
	static const struct {
		const char *id;
		int64_t hours;
	} given[] = {
		{"20261025-090000-0001", 498024 + 3}, /* UTC+9 */
		{"20261025-023000-0002", 498024 + 1},
		{"20261025-020500-0003", 498024 + 2},
		{"20261025-020500-0002", 498024 + 2},
		{"20200101-000000-0001", 0},
		{"20191231-000000-0001", 438264},
	};
	static const char *const wanted[] = {"20261025-090000-0001", "20261025-020500-0003",
		"20261025-020500-0002", "20261025-023000-0002", "20200101-000000-0001",
		"20191231-000000-0001"};
	_cleanup_(session_order_finish) struct session_order order = {0};
	struct session_place place;
	size_t taken = 0;

	for (size_t i = 0; i <= ARRAY_SIZE(given); i++) {
		const char *next = i < ARRAY_SIZE(given) ? given[i].id : NULL;

		/* a session of earlier days does not wait */
		expect(i != 5 || taken == 4);
		while (session_order_pop(&order, next, &place)) {
			check(taken < ARRAY_SIZE(wanted));
			expect(strcmp(place.id, wanted[taken++]) == 0);
		}
		if (next)
			check(session_order_add(
				      &order, next, given[i].hours * 3600 * NS_PER_S, NULL) == 0);
	}
	expect(taken == ARRAY_SIZE(wanted));
}

static void a_summary_is_kept_until_a_file_of_its_session_changes(void)
{
	_destroy_(summaries) struct summaries *summaries = NULL;
	_autofree_ char *folder = temporary_path(SESSION);
	const struct view packed = {(const unsigned char *)"abc", 3, 0};
	struct session_ids ids = {(char[2][21]){"20261121-101500-abcd", SESSION}, 2};
	uint64_t stamp, changed;
	bool settled = false;

	check(mkdir(folder, 0700) == 0 && summaries_create(&summaries) == 0);
	write_file(SESSION "/recording-0001.mcap", "recording");
	expect(!summaries_stamp(temporary_folder(), SESSION, &stamp)); /* just changed */
	for (unsigned i = 0; i < 300 && !settled; i++, usleep(50000))
		settled = summaries_stamp(temporary_folder(), SESSION, &stamp);
	check(settled);
	summaries_put(summaries, SESSION, stamp, packed);
	summaries_put(summaries, "20261119-101500-abcd", 5, packed);
	expect(is_kept(summaries, SESSION, stamp) && is_kept(summaries, "20261119-101500-abcd", 5));
	expect(summaries_get(summaries, SESSION, stamp).size_bytes == 3);
	/* summaries of removed sessions go too */
	summaries_keep(summaries, &ids);
	expect(is_kept(summaries, SESSION, stamp) &&
		!is_kept(summaries, "20261119-101500-abcd", 5));
	write_file(SESSION "/annotations.mcap", "an act");
	summaries_stamp(temporary_folder(), SESSION, &changed);
	expect(changed != stamp && !is_kept(summaries, SESSION, changed));
	summaries_put(summaries, SESSION, changed, packed);
	expect(is_kept(summaries, SESSION, changed) && !is_kept(summaries, SESSION, stamp));
	expect(!summaries_stamp(temporary_folder(), "20261122-101500-abcd", &stamp));
}

static void summaries_take_no_more_than_their_room(void)
{
	_destroy_(summaries) struct summaries *summaries = NULL;
	static const unsigned char data[4096];
	char id[21];
	unsigned kept = 0;

	check(summaries_create(&summaries) == 0);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(id, sizeof(id), "20261120-%06u-abcd", i);
		summaries_put(summaries, id, i, (struct view){data, sizeof(data), 0});
		kept += is_kept(summaries, id, i);
	}
	expect(kept > 1000 && kept * sizeof(data) <= 8 * 1024 * 1024);
}

int main(void)
{
	static const struct test tests[] = {
		{"peers take turns, however much one of them asks",
			peers_take_turns_however_much_one_of_them_asks},
		{"a newer request of the same kind replaces the one that waits",
			a_newer_request_of_the_same_kind_replaces_the_one_that_waits},
		{"requests of one peer are bounded, and others are still served",
			what_one_peer_asks_is_bounded_and_others_are_still_heard},
		{"after closing nothing is accepted, and pending requests are dropped",
			after_closing_nothing_is_taken_and_what_waits_is_dropped},
		{"a thread that appends without a pause delays another by one act",
			a_thread_that_appends_without_a_pause_delays_another_by_one_act},
		{"sessions come in the order of their begin, whatever zone their ids are of",
			sessions_come_in_the_order_of_their_begin},
		{"a summary is kept until a file of its session changes",
			a_summary_is_kept_until_a_file_of_its_session_changes},
		{"the cache of summaries is bounded", summaries_take_no_more_than_their_room},
	};

	return RUN_TESTS("library", tests);
}

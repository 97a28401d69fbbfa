/* The table of requests: who may send which, how often, and who executes it. */

#include "daemon/access/requests.h"

#include "protocol/base/cleanup.h"

#define OBSERVER  (1u << UXREC__ROLE__ROLE_OBSERVER)
#define REVIEWER  (1u << UXREC__ROLE__ROLE_REVIEWER)
#define MODERATOR (1u << UXREC__ROLE__ROLE_MODERATOR)
#define ALL       (OBSERVER | REVIEWER | MODERATOR)
#define WATCHERS  (OBSERVER | MODERATOR)
#define READERS   (REVIEWER | MODERATOR)

#define NOBODY 0u

#define ROW(name, who, of, how_often, older, newest_counts)                                        \
	[UXREC__CLIENT_MESSAGE__BODY_##name] = {who, REQUEST_OF_##of, REQUEST_##how_often,         \
		REQUEST_REPLACES_##older, newest_counts}

/* kind, roles, owner, rate, waiting requests that it replaces, whether its owner's answer replaces unsent ones */
static const struct request_kind requests[] = {
	ROW(HELLO, ALL, CONNECTION, OFTEN, NONE, false),
	ROW(PING, ALL, CONNECTION, OFTEN, NONE, false),
	ROW(CANCEL, ALL, CONNECTION, OFTEN, NONE, false),

	ROW(GET_OBSERVER_LINK, MODERATOR, ACCESS, OFTEN, NONE, false),

	ROW(GET_STATUS, ALL, RECORDER, OFTEN, ALL, true),
	ROW(WATCH_LIVE, WATCHERS, RECORDER, OFTEN, ALL, true),
	ROW(START, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(STOP, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(PAUSE, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(RESUME, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(TASK_START, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(TASK_READY, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(TASK_END, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(INTERRUPTION_BEGIN, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(INTERRUPTION_END, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(PHASE_BEGIN, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(TAG_NOW, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(MUTE_OBSERVERS, MODERATOR, RECORDER, STEERS, NONE, false),
	ROW(RUN_DOCTOR, MODERATOR, RECORDER, STEERS, NONE, false),

	ROW(PUT_ACT, ALL, WRITER, ACTS, NONE, false),
	ROW(PUT_TRANSCRIPT, READERS, WRITER, WORKS, NONE, false),
	ROW(DELETE_SESSION, MODERATOR, WRITER, WORKS, NONE, false),

	ROW(LIST_SESSIONS, READERS, LIBRARY, OFTEN, ALL, false),
	ROW(LIST_STUDIES, MODERATOR, LIBRARY, OFTEN, ALL, false),
	ROW(OPEN_SESSION, READERS, LIBRARY, WORKS, EQUAL, false),
	ROW(READ, READERS, LIBRARY, OFTEN, NONE, false),
	ROW(GET_TIMELINE, READERS, LIBRARY, WORKS, EQUAL, false),
	ROW(GET_TRANSCRIPT, READERS, LIBRARY, WORKS, EQUAL, false),

	ROW(GET_METRICS, READERS, WORKER, WORKS, EQUAL, false),
	ROW(EXPORT_SESSION, READERS, WORKER, WORKS, NONE, false),

	ROW(OPEN_PAGE, NOBODY, COMMAND, OFTEN, NONE, false),
	ROW(LIST_LINKS, NOBODY, COMMAND, OFTEN, NONE, false),
	ROW(REVOKE_LINKS, NOBODY, COMMAND, OFTEN, NONE, false),
};

const struct request_kind *request_kind(Uxrec__ClientMessage__BodyCase body)
{
	static const struct request_kind none = {0};

	return (size_t)body < ARRAY_SIZE(requests) ? &requests[body] : &none;
}

const struct rate_limit *request_rate_limit(enum request_rate rate)
{
	/* a page that was away sends all its kept acts, 300 at most (outbox.ts); a person presses no key ten times
	 * a second for long */
	static const struct rate_limit limits[] = {
		[REQUEST_ACTS] = {20, 400},
		[REQUEST_STEERS] = {10, 60},
		[REQUEST_WORKS] = {20, 120},
	};

	return rate == REQUEST_OFTEN ? NULL : &limits[rate];
}

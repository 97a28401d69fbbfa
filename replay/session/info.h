#pragma once

#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/session.h"

/** What `uxrec info` tells about a recording. */
struct session_facts {
	int64_t begin_ns;
	double duration_s;
	uint64_t bytes;
	bool complete;
	char end_reason[128]; /* "" when the recording does not say */
	/**
	 * How far a time of any stream can lie from the truth, in ms: of the input the resolution of
	 * its clock, of the screen the time between the report of a change and the copy (99th
	 * percentile), and the bracket of the clock samples.
	 */
	double sync_error_ms;

	struct channel_facts {
		const struct reader_channel *channel; /* of the session's reader */
		uint64_t messages, bytes;             /* of the messages' data */
	} * channels;
	size_t channel_count;

	struct device_facts {
		Uxrec__InputDevice *device; /* as it was described first */
		int64_t from_ns, to_ns;     /* to is 0 when it was there to the end */
	} * devices;
	size_t device_count;

	struct screen_facts {
		Uxrec__Screen *screen;
		int64_t from_ns;
	} * screens; /* one more whenever size, source or monitors had changed */
	size_t screen_count;

	char keys[16];            /* the policy that the session was started with */
	unsigned password_count;  /* how often a password field had the focus, */
	double password_s;        /* and for how long: nothing is known of keys then */
	int64_t password_from_ns; /* since when it has, 0: it has not */

	Uxrec__Gap **gaps;
	size_t gap_count;
	const struct reader_damage *damages; /* of the session's reader */
	size_t damage_count;
};

/** Read the whole recording. @return 0 (freed by session_facts_destroy()) or a negative errno */
int session_facts_create(struct session_facts **ret, const struct session *session);
void session_facts_destroy(struct session_facts *facts);
DEFINE_DESTROY(session_facts);

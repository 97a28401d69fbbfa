#pragma once

#include "protocol/input.pb-c.h"
#include "protocol/screen.pb-c.h"
#include "protocol/session.pb-c.h"
#include "replay/session/session.h"

/** Facts about a recording, for `uxrec info`. */
struct session_facts {
	int64_t begin_ns;
	double duration_s;
	uint64_t bytes;
	bool complete;
	char end_reason[128]; /* "" when not recorded */
	/**
	 * Maximum error of a timestamp of any stream, in ms, including the bracket of the clock samples. Of the input:
	 * the resolution of its clock. Of the screen: the latency between damage report and copy (99th percentile).
	 */
	double sync_error_ms;

	struct channel_facts {
		const struct reader_channel *channel; /* of the session's reader */
		uint64_t messages, bytes;             /* bytes of message data */
	} * channels;
	size_t channel_count;

	struct device_facts {
		Uxrec__InputDevice *device; /* first description */
		int64_t from_ns, to_ns;     /* to is 0 when present until the end */
	} * devices;
	size_t device_count;

	struct screen_facts {
		Uxrec__Screen *screen;
		int64_t from_ns;
	} * screens; /* one more for each change of size, source or monitors */
	size_t screen_count;

	char keys[16];            /* policy at the start of the session */
	unsigned password_count;  /* number of times that a password field had the focus */
	double password_s;        /* total time; keys are not recorded meanwhile */
	int64_t password_from_ns; /* start of the present focus, 0: none */

	Uxrec__Gap **gaps;
	size_t gap_count;
	const struct reader_damage *damages; /* of the session's reader */
	size_t damage_count;
};

/** Read the whole recording. @return 0 (freed by session_facts_destroy()) or a negative errno */
int session_facts_create(struct session_facts **ret, const struct session *session);
void session_facts_destroy(struct session_facts *facts);
DEFINE_DESTROY(session_facts);

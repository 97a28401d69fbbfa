/* Cache of open sessions between requests, each behind its consent gate. */

#include "daemon/library/internal.h"

#include "protocol/base/clock.h"

#include <errno.h>
#include <string.h>

static void close_session(struct open_session *open)
{
	session_destroy(open->session);
	free(open->muted);
	*open = (struct open_session){0};
}

static struct open_session *find_place(struct library *library)
{
	struct open_session *oldest = NULL;

	for (size_t i = 0; i < OPEN_LIMIT; i++) {
		struct open_session *open = &library->open[i];

		if (open->users == 0 && (!oldest || open->used_ns < oldest->used_ns))
			oldest = open;
	}
	if (oldest)
		close_session(oldest);
	return oldest;
}

int library_open_session(
	struct library *library, const char *id, struct open_session **ret, struct error *reterr)
{
	bool growing = stream_is(library->stream, id);
	struct open_session *place = NULL;
	int r;

	/* reopen a growing recording: its reader knows only the data present at opening */
	for (size_t i = 0; i < OPEN_LIMIT && !place; i++) {
		struct open_session *open = &library->open[i];

		if (!open->session || strcmp(open->session->id, id) != 0)
			continue;
		if (open->users == 0 &&
			(growing || !open->session->reader ||
				!session_reader_is_complete(open->session->reader)))
			close_session(open);
		else
			place = open;
	}
	if (!place) {
		place = find_place(library);
		if (!place)
			return error_set(reterr, -EBUSY, "too many sessions are open at once");
		r = session_open(&place->session, library->folder, id, true, reterr);
		if (r < 0)
			return r;
	}
	place->used_ns = clock_now_ns();
	*ret = place;
	return 0;
}

int library_gate_session(struct library *library, struct open_session *open,
	const struct peer *peer, enum way_out way, struct error *reterr)
{
	struct session *session = open->session;
	struct consent_span *muted = NULL;
	size_t count = 0;
	int r = session_refresh(session);

	if (r == 0 && peer->principal.role != UXREC__ROLE__ROLE_MODERATOR)
		r = stream_copy_muted(library->stream, session->id, &muted, &count);
	if (r < 0)
		return error_set(
			reterr, r, "the session's consent cannot be read: %s", strerror(-r));
	free(open->muted);
	open->muted = muted;
	session_set_muted(session, (struct consent_muted){muted, count});
	if (session_allows_way(session, way))
		return 0;
	return error_set(reterr, -EACCES, "%s", way_out_refusal_reason(session, way).text);
}

int library_open_for(struct library *library, const struct job *job, const char *id,
	enum way_out way, struct open_session **ret, struct error *reterr)
{
	int r = library_open_session(library, id, ret, reterr);

	return r < 0 ? r : library_gate_session(library, *ret, job->peer, way, reterr);
}

void library_close_sessions(struct library *library, const char *id)
{
	for (size_t i = 0; i < OPEN_LIMIT; i++) {
		struct open_session *open = &library->open[i];

		if (open->session && (!id || strcmp(open->session->id, id) == 0))
			close_session(open);
	}
}

/* Streams the messages of a session to a player, at the pace of its peer. */

#include "daemon/library/internal.h"
#include "protocol/pointer_shape.h"

#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "replay/session/bleeps.h"

#include <errno.h>
#include <string.h>

/* A read pauses while its peer's backlog is at least this. */
#define AHEAD_BYTES (2 * 1024 * 1024)

/* read in progress */
struct reading {
	struct reading *next;
	struct peer *peer;
	uint64_t request;
	struct open_session *open;
	struct session_cursor *cursor;
	struct bleeps bleeps; /* as of the start of the read */
	int64_t from_ns, to_ns;
};

/* @param link  in the list; then points to the next one */
static void end_reading(struct reading **link)
{
	struct reading *reading = *link;

	*link = reading->next;
	session_cursor_destroy(reading->cursor);
	bleeps_finish(&reading->bleeps);
	reading->open->users--;
	peer_unref(reading->peer);
	free(reading);
}

static void send_message(
	struct library *library, struct peer *peer, const struct reader_message *message)
{
	struct packet *packet;

	if (packet_create_record(&packet, MCAP_MESSAGE,
		    message->record.data + MCAP_RECORD_HEADER_BYTES,
		    message->record.size_bytes - MCAP_RECORD_HEADER_BYTES) == 0)
		outlet_send(library->outlet, peer, packet);
}

/* Send the pointer shapes that messages from a time on may refer to. */
static void send_shapes(
	struct library *library, struct peer *peer, struct session_reader *reader, int64_t at_ns)
{
	const struct reader_channel *channel = session_reader_find(reader, CHANNEL_POINTER_SHAPE);
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;

	if (!channel || session_reader_latest(reader, channel, at_ns, &message) <= 0 ||
		session_cursor_create(&cursor, reader, message.time_ns - SESSION_SHAPE_SPAN_NS,
			at_ns, UINT64_C(1) << CHANNEL_POINTER_SHAPE) < 0)
		return;
	while (session_cursor_next(cursor, &message) > 0) {
		Uxrec__PointerShape *shape = uxrec__pointer_shape__unpack(
			NULL, message.data.size_bytes, message.data.data);

		if (shape && shape->shape && !pointer_shape_is_reference(shape))
			send_message(library, peer, &message);
		uxrec__pointer_shape__free_unpacked(shape, NULL);
	}
}

/* Send the latched messages at `at`. @return the time of the keyframe to start from, or `at` */
static int64_t send_state(
	struct library *library, struct peer *peer, struct session_reader *reader, int64_t at_ns)
{
	const struct reader_channel *channel;
	struct reader_message message;

	for (size_t i = 0; (channel = session_reader_channel(reader, i)); i++)
		if (channel->known && channel_kind_get(channel->known)->latched &&
			channel->known != CHANNEL_STUDY &&
			session_reader_latest(reader, channel, at_ns, &message) > 0)
			send_message(library, peer, &message);
	channel = session_reader_find(reader, CHANNEL_SCREEN_KEYFRAMES);
	if (channel && session_reader_latest(reader, channel, at_ns, &message) > 0)
		return message.time_ns;
	return at_ns;
}

static void send_begun(struct library *library, const struct job *job)
{
	Uxrec__ReadBegun begun = UXREC__READ_BEGUN__INIT;

	begun.from_ns = job->message->read->from_ns;
	library_send_answer(library, job, &begun.base);
}

/* @return start time of the messages */
static int64_t begin_with_state(
	struct library *library, const struct job *job, struct session_reader *reader)
{
	int64_t from_ns = job->message->read->from_ns, begin_ns;

	library_fail_readings(library, job->peer, NULL, -ECANCELED, "replaced by another read");
	send_begun(library, job);
	begin_ns = send_state(library, job->peer, reader, from_ns);
	if (begin_ns > from_ns - SESSION_BATCH_SPAN_NS)
		begin_ns = from_ns - SESSION_BATCH_SPAN_NS;
	send_shapes(library, job->peer, reader, begin_ns);
	return begin_ns;
}

int library_begin_reading(struct library *library, const struct job *job, struct error *reterr)
{
	const Uxrec__Read *read = job->message->read;
	struct open_session *open;
	struct reading *reading;
	int64_t begin_ns;
	int r = library_open_for(library, job, read->session, WAY_OUT_REPLAY, &open, reterr);

	if (r < 0)
		return r;
	if (!open->session->reader)
		return error_set(reterr, -EBADMSG, "%s", open->session->error.text);
	if (read->from_ns < 0 || read->to_ns < read->from_ns || read->to_ns > READER_TIME_LIMIT_NS)
		return error_set(reterr, -EINVAL, "a span that ends before it begins");
	reading = calloc(1, sizeof(*reading));
	if (!reading)
		return error_set(reterr, -ENOMEM, "out of memory");
	begin_ns =
		read->state ? begin_with_state(library, job, open->session->reader) : read->from_ns;
	r = bleeps_collect(&reading->bleeps, open->session);
	if (r == 0)
		r = session_cursor_create(
			&reading->cursor, open->session->reader, begin_ns, read->to_ns, 0);
	if (r < 0) {
		bleeps_finish(&reading->bleeps);
		free(reading);
		return error_set(reterr, r, "out of memory");
	}
	open->users++;
	reading->open = open;
	reading->peer = peer_ref(job->peer);
	reading->request = job->message->request;
	reading->from_ns = read->from_ns;
	reading->to_ns = read->to_ns;
	reading->next = library->readings;
	library->readings = reading;
	return 0;
}

/* Before `from` only pictures are sent, to decode the first one, and batches that overlap it. Bleeped messages
 * are never sent. */
static bool is_wanted(const struct reading *reading, const struct reader_message *message)
{
	if (bleeps_silence(&reading->bleeps, message))
		return false;
	if (message->time_ns >= reading->from_ns)
		return message->channel->known != CHANNEL_STUDY;
	switch (message->channel->known) {
	case CHANNEL_SCREEN:
	case CHANNEL_SCREEN_PATCHES:
	case CHANNEL_SCREEN_KEYFRAMES: return true;
	case CHANNEL_CONTROLS:
	case CHANNEL_KEY_CLASSES:
	case CHANNEL_KEY_COUNTS:
	case CHANNEL_SHORTCUTS:
	case CHANNEL_KEYS:
	case CHANNEL_POINTER: return message->time_ns >= reading->from_ns - SESSION_BATCH_SPAN_NS;
	default: return false;
	}
}

/* @return true when the read has ended */
static bool continue_reading(struct library *library, struct reading *reading)
{
	Uxrec__ReadDone done = UXREC__READ_DONE__INIT;
	struct peer *peer = reading->peer;
	struct reader_message message;
	struct error error = {""};
	int r = 1;

	if (peer->closed)
		return true;
	if (peer->queued_bytes >= AHEAD_BYTES)
		return false;
	if (library_gate_session(library, reading->open, peer, WAY_OUT_REPLAY, &error) < 0) {
		outlet_fail(library->outlet, peer, reading->request, -EACCES, error.text);
		return true;
	}
	while (!peer->closed && peer->queued_bytes < AHEAD_BYTES) {
		r = session_cursor_next(reading->cursor, &message);
		if (r <= 0)
			break;
		if (is_wanted(reading, &message))
			send_message(library, peer, &message);
	}
	if (peer->closed)
		return true;
	if (r > 0)
		return false;
	if (r < 0) {
		outlet_fail(library->outlet, peer, reading->request, r,
			"the session cannot be read any further");
		return true;
	}
	done.to_ns = reading->to_ns;
	outlet_answer(library->outlet, peer, reading->request, &done.base);
	return true;
}

void library_continue_reading(struct library *library)
{
	for (struct reading **link = &library->readings; *link;)
		if (continue_reading(library, *link))
			end_reading(link);
		else
			link = &(*link)->next;
}

void library_fail_readings(struct library *library, const struct peer *peer, const char *session,
	int reason, const char *why)
{
	for (struct reading **link = &library->readings; *link;) {
		struct reading *reading = *link;

		if ((peer && reading->peer != peer) ||
			(session && strcmp(reading->open->session->id, session) != 0)) {
			link = &reading->next;
			continue;
		}
		outlet_fail(library->outlet, reading->peer, reading->request, reason, why);
		end_reading(link);
	}
}

void library_end_readings(struct library *library)
{
	while (library->readings)
		end_reading(&library->readings);
}

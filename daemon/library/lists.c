#include "daemon/library/lists.h"

#include "daemon/library/summaries.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/mcap.h"
#include "replay/session/session_order.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#define STEP_NS     (20 * NS_PER_MS)
#define AHEAD_BYTES (512 * 1024)
#define PART_BYTES  (32 * 1024)
#define WHOLE_BYTES (16 * 1024 * 1024)
/* Limit of a summary: texts written by a session's author must not fill a list. */
#define SUMMARY_BYTES (16 * 1024)

/* Protocol Buffers, "Encoding": field tags of wire.proto, all below 16 and so one byte each */
#define FIELD_VARINT(number) ((number) << 3)
#define FIELD_BYTES(number)  ((number) << 3 | 2)

/* list in progress */
struct list {
	struct list *next;
	struct peer *peer;
	uint64_t request;
	bool parts;
	char after[21];             /* the last session sorted in; "": none */
	struct session_order order; /* sessions yet to be added */
	struct buf body;            /* of the current part: packed fields `sessions` */
	/* next request of the same peer */
	bool again, again_parts;
	uint64_t again_request;
};

struct lists {
	const char *folder;
	struct stream *stream;
	const struct outlet *outlet;
	struct summaries *summaries;
	struct session_ids ids;
	struct list *first, **end; /* the first list is served next */
	struct list *gathered;     /* the one list collected into a single message */
};

int lists_create(struct lists **ret, const char *folder, struct stream *stream)
{
	_destroy_(lists) struct lists *lists = calloc(1, sizeof(*lists));

	if (!lists)
		return -ENOMEM;
	lists->folder = folder;
	lists->stream = stream;
	lists->end = &lists->first;
	if (summaries_create(&lists->summaries) < 0)
		return -ENOMEM;
	*ret = steal_ptr(lists);
	return 0;
}

void lists_set_outlet(struct lists *lists, const struct outlet *outlet)
{
	lists->outlet = outlet;
}

static void append_list(struct lists *lists, struct list *list)
{
	list->next = NULL;
	*lists->end = list;
	lists->end = &list->next;
}

static void unlink_list(struct lists *lists, struct list **link)
{
	struct list *list = *link;

	*link = list->next;
	if (!*link)
		lists->end = link;
}

static void list_free(struct list *list)
{
	peer_unref(list->peer);
	buf_finish(&list->body);
	session_order_finish(&list->order);
	free(list);
}

void lists_destroy(struct lists *lists)
{
	if (!lists)
		return;
	while (lists->first) {
		struct list *list = lists->first;

		unlink_list(lists, &lists->first);
		list_free(list);
	}
	summaries_destroy(lists->summaries);
	session_ids_finish(&lists->ids);
	free(lists);
}

/* ---- one session ---- */

static void put_varint(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_put_u8(out, (uint8_t)(value | 0x80));
	buf_put_u8(out, (uint8_t)value);
}

static void put_bytes(struct buf *out, unsigned field, struct view bytes)
{
	buf_put_u8(out, (uint8_t)FIELD_BYTES(field));
	put_varint(out, bytes.size_bytes);
	buf_put(out, bytes.data, bytes.size_bytes);
}

static void pack(struct buf *out, const Uxrec__SessionSummary *summary)
{
	size_t size = uxrec__session_summary__get_packed_size(summary);
	unsigned char *at = buf_reserve(out, size);

	if (!at)
		return;
	uxrec__session_summary__pack(summary, at);
	out->size_bytes += size;
}

static void pack_unreadable(struct buf *out, const char *id, const char *trouble)
{
	Uxrec__SessionSummary *summary = session_summarise_unreadable(id, trouble);

	buf_clear(out);
	if (!summary)
		return;
	pack(out, summary);
	uxrec__session_summary__free_unpacked(summary, NULL);
}

/* @return true when the summary is valid as long as the files do not change */
static bool summarise(struct lists *lists, const char *id, bool live, struct buf *out)
{
	_destroy_(session) struct session *session = NULL;
	Uxrec__SessionSummary *summary;
	struct error error = {""};
	int r = session_open(&session, lists->folder, id, false, &error);

	summary = r < 0 ? NULL : session_summarise(session);
	if (!summary) {
		pack_unreadable(out, id, r < 0 ? error.text : "out of memory");
		return false;
	}
	if (live)
		summary->health = UXREC__SESSION_SUMMARY__HEALTH__HEALTH_RECORDING;
	pack(out, summary);
	uxrec__session_summary__free_unpacked(summary, NULL);
	if (out->size_bytes > SUMMARY_BYTES)
		pack_unreadable(out, id, "its participants and layers are too many to list");
	return !live;
}

/* @return the packed summary, in @p packed or in the cache; no data when out of memory */
static struct view find_summary(struct lists *lists, const char *id, struct buf *packed)
{
	bool live = stream_is(lists->stream, id), settled;
	uint64_t stamp;
	struct view found = {0};

	settled = !live && summaries_stamp(lists->folder, id, &stamp);
	if (settled)
		found = summaries_get(lists->summaries, id, stamp);
	if (found.data)
		return found;
	settled = summarise(lists, id, live, packed) && settled;
	if (buf_error(packed) < 0)
		return found;
	found = (struct view){packed->data, packed->size_bytes, 0};
	if (settled)
		summaries_put(lists->summaries, id, stamp, found);
	return found;
}

static void put_session(struct lists *lists, const char *id, struct buf *out)
{
	_cleanup_(buf_finish) struct buf packed = {0};
	struct view found = find_summary(lists, id, &packed);

	if (found.data)
		put_bytes(out, 1, found);
}

/* @return 0 or -ENOMEM */
static int put_in_order(struct lists *lists, struct list *list, const char *id)
{
	_cleanup_(buf_finish) struct buf packed = {0};
	struct view found = find_summary(lists, id, &packed);
	Uxrec__SessionSummary *summary = found.data
		? uxrec__session_summary__unpack(NULL, found.size_bytes, found.data)
		: NULL;
	int64_t begin_ns = summary ? summary->begin_ns : 0;

	uxrec__session_summary__free_unpacked(summary, NULL);
	memcpy(list->after, id, sizeof(list->after));
	return session_order_add(&list->order, id, begin_ns, NULL);
}

/* ---- a list ---- */

/* Send the current part as ServerMessage{request, session_list{sessions, more}}. */
static int send_part(struct lists *lists, struct list *list, bool more)
{
	_cleanup_(buf_finish) struct buf head = {0};
	struct packet *packet;
	unsigned char *at;
	int r;

	if (more) {
		buf_put_u8(&list->body, FIELD_VARINT(2));
		buf_put_u8(&list->body, 1);
	}
	buf_put_u8(&head, FIELD_VARINT(1));
	put_varint(&head, list->request);
	buf_put_u8(&head, FIELD_BYTES(8));
	put_varint(&head, list->body.size_bytes);
	/* the body may be large: moved up instead of copied */
	at = buf_reserve(&list->body, head.size_bytes);
	if (!at || buf_error(&head) < 0 || buf_error(&list->body) < 0)
		return -ENOMEM;
	memmove(list->body.data + head.size_bytes, list->body.data, list->body.size_bytes);
	memcpy(list->body.data, head.data, head.size_bytes);
	list->body.size_bytes += head.size_bytes;
	r = packet_create_record(&packet, MCAP_PRIVATE, list->body.data, list->body.size_bytes);
	buf_finish(&list->body);
	if (r == 0)
		outlet_send(lists->outlet, list->peer, packet);
	return r;
}

static size_t position_behind(const struct session_ids *ids, const char *after)
{
	return *after ? bisect(ids->count, i, strcmp(ids->ids[i], after) >= 0) : 0;
}

/* Work for one step. @return 1 when no session is left, 0 when there are more, or -ENOMEM */
static int add_sessions(struct lists *lists, struct list *list, size_t limit)
{
	int64_t until_ns = clock_now_ns() + STEP_NS;
	size_t at = position_behind(&lists->ids, list->after);
	struct session_place place;

	do {
		const char *next = at < lists->ids.count ? lists->ids.ids[at] : NULL;

		if (list->body.size_bytes >= limit)
			return list->order.count == 0 && !next;
		if (session_order_pop(&list->order, next, &place))
			put_session(lists, place.id, &list->body);
		else if (!next)
			return 1;
		else if (at++, put_in_order(lists, list, next) < 0)
			return -ENOMEM;
	} while (clock_now_ns() <= until_ns);
	return 0;
}

/* @return 1 when the list is complete, 0 when there is more, or a negative errno with the reason */
static int continue_list(struct lists *lists, struct list *list, struct error *reterr)
{
	size_t limit = list->parts ? PART_BYTES : WHOLE_BYTES;
	int done = add_sessions(lists, list, limit), r = done < 0 ? done : 0;

	if (done > 0)
		r = send_part(lists, list, false);
	else if (r == 0 && list->body.size_bytes >= limit)
		r = list->parts ? send_part(lists, list, true)
				: error_set(reterr, -EMSGSIZE,
					  "the list is too long for this page: load it again");
	if (r == -ENOMEM)
		return error_set(reterr, r, "out of memory");
	return r < 0 ? r : done;
}

/* ---- scheduling ---- */

static bool can_continue(const struct lists *lists, const struct list *list)
{
	if (list->peer->closed || lists->gathered == list)
		return true;
	return (list->parts || !lists->gathered) && list->peer->queued_bytes < AHEAD_BYTES;
}

static struct list **find_next(struct lists *lists)
{
	for (struct list **link = &lists->first; *link; link = &(*link)->next)
		if (can_continue(lists, *link))
			return link;
	return NULL;
}

static int read_ids(struct lists *lists, struct error *reterr)
{
	struct session_ids ids;
	int r = session_ids_list(&ids, lists->folder);

	if (r < 0)
		return error_set(reterr, r, "the library cannot be read: %s", strerror(-r));
	session_ids_finish(&lists->ids);
	lists->ids = ids;
	summaries_keep(lists->summaries, &lists->ids);
	return 0;
}

/* @return true when the list restarts for the next request of its peer */
static bool restart_list(struct lists *lists, struct list *list)
{
	struct error error;
	int r;

	if (!list->again || list->peer->closed)
		return false;
	list->again = false;
	list->request = list->again_request;
	list->parts = list->again_parts;
	list->after[0] = '\0';
	session_order_finish(&list->order);
	r = read_ids(lists, &error);
	if (r < 0)
		outlet_fail(lists->outlet, list->peer, list->request, r, error.text);
	return r == 0;
}

bool lists_step(struct lists *lists)
{
	struct list **link = find_next(lists), *list = link ? *link : NULL;
	struct error error = {"out of memory"};
	int r = 1;

	if (!list)
		return false;
	unlink_list(lists, link);
	if (!list->parts)
		lists->gathered = list;
	if (!list->peer->closed)
		r = continue_list(lists, list, &error);
	if (r < 0)
		outlet_fail(lists->outlet, list->peer, list->request, r, error.text);
	if (r != 0) {
		buf_finish(&list->body);
		if (lists->gathered == list)
			lists->gathered = NULL;
	}
	if (r == 0 || restart_list(lists, list))
		append_list(lists, list);
	else
		list_free(list);
	if (!lists->first)
		malloc_trim(0); /* reads much of each session, and keeps little */
	return find_next(lists) != NULL;
}

int lists_begin(
	struct lists *lists, struct peer *peer, uint64_t request, bool parts, struct error *reterr)
{
	struct list *list = lists->first;
	int r;

	while (list && list->peer != peer)
		list = list->next;
	if (list) {
		if (list->again)
			outlet_fail(lists->outlet, peer, list->again_request, -ECANCELED,
				"replaced by a newer request");
		list->again = true;
		list->again_request = request;
		list->again_parts = parts;
		return 0;
	}
	r = read_ids(lists, reterr);
	if (r < 0)
		return r;
	list = calloc(1, sizeof(*list));
	if (!list)
		return error_set(reterr, -ENOMEM, "out of memory");
	list->peer = peer_ref(peer);
	list->request = request;
	list->parts = parts;
	append_list(lists, list);
	return 0;
}

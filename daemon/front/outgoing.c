#include "daemon/front/internal.h"

#include "protocol/base/clock.h"
#include "protocol/mcap.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Messages for peers that the server has not taken: beyond, it ends. A film of a session is not among them. */
#define BACKLOG_BYTES (48 * 1024 * 1024)

static struct packet *message_packet(const Uxrec__ToServer *message)
{
	struct packet *packet = NULL;

	return packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0 ? packet
											: NULL;
}

static void parcel_clear(struct parcel *parcel)
{
	packet_unref(parcel->head);
	packet_unref(parcel->body);
	*parcel = (struct parcel){0};
}

/* ---- messages for peers: any thread ---- */

static void drop_parcel(void *item)
{
	parcel_clear(item);
	free(item);
}

/* Takes over both; without memory for the body it is NULL. */
static void put_parcel(struct front *front, struct packet *head, struct packet *body)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));
	size_t weight = body ? body->size_bytes + sizeof(*body) : 0;

	if (!parcel || !body) {
		front->lost = true;
		packet_unref(head);
		packet_unref(body);
		free(parcel);
		return;
	}
	*parcel = (struct parcel){head, body};
	if (queue_push(front->parcels, parcel, weight, false) < 0) {
		/* a connection that misses a message must end; of all of them, as of a server that takes none */
		front->lost = true;
		drop_parcel(parcel);
	}
	front_wake(front);
}

static void put_next(struct front *front, const Uxrec__ToServer__Next *next, struct packet *body)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	struct packet *head;

	message.body_case = UXREC__TO_SERVER__BODY_NEXT;
	message.next = (Uxrec__ToServer__Next *)next;
	head = message_packet(&message);
	if (head) {
		put_parcel(front, head, body);
	} else {
		front->lost = true;
		packet_unref(body);
	}
}

static void send_to_peer(void *user, struct peer *peer, struct packet *packet, unsigned kind)
{
	Uxrec__ToServer__Next next = UXREC__TO_SERVER__NEXT__INIT;

	if (peer->closed) {
		packet_unref(packet);
		return;
	}
	next.connection = peer->number;
	next.kind = kind;
	put_next(user, &next, packet);
}

static void broadcast(
	void *user, const struct audience *audience, struct packet *packet, unsigned kind)
{
	Uxrec__ToServer__Next next = UXREC__TO_SERVER__NEXT__INIT;
	struct front *front = user;

	if (front->peers == 0) {
		packet_unref(packet);
		return;
	}
	next.broadcast = true;
	next.session = (char *)(audience->session ? audience->session : "");
	next.roles = audience->roles;
	next.kind = kind;
	put_next(front, &next, packet);
}

const struct outlet *front_outlet(struct front *front)
{
	return &front->outlet;
}

int outgoing_create(struct front *front)
{
	front->outlet = (struct outlet){send_to_peer, broadcast, front};
	if (queue_create(&front->parcels, BACKLOG_BYTES, false) < 0)
		return -ENOMEM;
	queue_set_drop(front->parcels, drop_parcel);
	return 0;
}

void outgoing_put(struct front *front, const Uxrec__ToServer *message)
{
	put_parcel(front, NULL, message_packet(message));
}

/* ---- packets of the running session ---- */

static void drop_burst(struct front *front)
{
	while (front->burst_next < front->burst_count)
		packet_unref(front->burst[front->burst_next++]);
	front->burst_next = front->burst_count = 0;
}

static void put_burst(void *user, struct packet *packet)
{
	struct front *front = user;

	if (front->burst_count < BURST_LIMIT)
		front->burst[front->burst_count++] = packet;
	else
		packet_unref(packet);
}

static void join(struct front *front)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Begin begin = UXREC__TO_SERVER__BEGIN__INIT;
	struct live *live = front->options.live;
	struct packet *packet;
	bool ask;

	drop_burst(front);
	begin.epoch = front->epoch;
	message.body_case = UXREC__TO_SERVER__BODY_BEGIN;
	message.begin = &begin;
	packet = message_packet(&message);
	if (packet)
		put_burst(front, packet);
	/* also packets that are withheld from observers: the server withholds them */
	ask = hub_join(live->hub, &front->cursor, true, put_burst, front);
	front->has_state = false; /* comes first */
	front->watermark_ns = 0;
	if (ask)
		live_request_keyframe(live);
}

void outgoing_join(struct front *front, uint32_t epoch)
{
	front->joined = true;
	front->epoch = epoch;
	join(front);
}

/* @return false without memory */
static bool put_flags(struct parcel *parcel, unsigned flags)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Next next = UXREC__TO_SERVER__NEXT__INIT;

	next.flags = flags;
	message.body_case = UXREC__TO_SERVER__BODY_NEXT;
	message.next = &next;
	parcel->head = message_packet(&message);
	return parcel->head != NULL;
}

static void hold_packet(struct front *front, struct packet *packet, bool withheld)
{
	unsigned flags = packet->flags | (withheld ? PACKET_MUTED : 0u);

	front->held = (struct parcel){.body = packet};
	if (flags && !put_flags(&front->held, flags)) {
		front->lost = true;
		parcel_clear(&front->held);
	}
}

static struct packet *complete_packet(int64_t session_ns)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__Complete complete = UXREC__COMPLETE__INIT;

	complete.session_ns = session_ns;
	message.body_case = UXREC__TO_SERVER__BODY_COMPLETE;
	message.complete = &complete;
	return message_packet(&message);
}

static void hold_live(struct front *front)
{
	struct hub *hub = front->options.live->hub;
	/* first the watermark, then packets: without one, everything up to it was sent */
	int64_t watermark_ns = hub_watermark(hub);
	struct packet *packet;

	if (!hub_is_joined(hub, &front->cursor))
		join(front);
	if (front->burst_next < front->burst_count) {
		packet = front->burst[front->burst_next++];
		hold_packet(front, packet, false);
		return;
	}
	packet = hub_next(hub, &front->cursor);
	if (packet) {
		hold_packet(front, packet, front->cursor.withheld);
	} else if (watermark_ns > front->watermark_ns && !front->cursor.needs_keyframe) {
		front->watermark_ns = watermark_ns;
		front->held.body = complete_packet(watermark_ns);
	}
}

/* ---- sending ---- */

/* @return false without memory: then nothing that depends on it may be sent */
static bool take_state(struct front *front, struct parcel *ret)
{
	unsigned revision = front->options.live->revision;
	Uxrec__ToServer *message;

	if (live_describe(front->options.live, &message) < 0)
		return false;
	*ret = (struct parcel){.body = message_packet(message)};
	uxrec__to_server__free_unpacked(message, NULL);
	front->revision = revision;
	front->has_state = ret->body != NULL;
	return front->has_state;
}

static void hold_message(struct front *front)
{
	struct parcel *parcel = queue_pop(front->parcels, 0);

	if (!parcel)
		return;
	front->held = *parcel;
	free(parcel);
}

/*
 * Choose the next record. A change of the session's state precedes every record that was made after it: a packet that
 * observers may not get, or the act of a withdrawal.
 *
 * @return 1, 0 when there is nothing, or -ENOMEM
 */
static int choose(struct front *front, struct parcel *ret)
{
	const struct live *live = front->options.live;

	if (!front->held.body)
		hold_message(front);
	if (!front->held.body && front->joined)
		hold_live(front);
	if (live && (!front->has_state || front->revision != live->revision))
		return take_state(front, ret) ? 1 : -ENOMEM;
	*ret = front->held;
	front->held = (struct parcel){0};
	return ret->body != NULL;
}

static size_t parcel_bytes(const struct parcel *parcel)
{
	return (parcel->head ? parcel->head->size_bytes : 0) + parcel->body->size_bytes;
}

/* Add the rest of a packet after @p skipped bytes. @return the bytes still to skip */
static size_t add_piece(struct msghdr *message, const struct packet *packet, size_t skipped)
{
	size_t size = packet ? packet->size_bytes : 0;

	if (skipped >= size)
		return skipped - size;
	message->msg_iov[message->msg_iovlen++] =
		(struct iovec){packet->record + skipped, size - skipped};
	return 0;
}

/* @return the number of bytes sent, or a negative errno */
static ssize_t send_some(struct front *front)
{
	struct iovec pieces[2 * SENDING_LIMIT];
	struct msghdr message = {.msg_iov = pieces};
	size_t skipped = front->sent_bytes;
	ssize_t n;

	for (size_t i = 0; i < front->sending_count; i++) {
		skipped = add_piece(&message, front->sending[i].head, skipped);
		skipped = add_piece(&message, front->sending[i].body, skipped);
	}
	n = sendmsg(front->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* Drop the parcels that are sent whole. */
static void drop_sent(struct front *front)
{
	size_t count = 0;

	while (count < front->sending_count &&
		front->sent_bytes >= parcel_bytes(&front->sending[count])) {
		front->sent_bytes -= parcel_bytes(&front->sending[count]);
		parcel_clear(&front->sending[count++]);
	}
	front->sending_count -= count;
	memmove(front->sending, front->sending + count,
		front->sending_count * sizeof(*front->sending));
}

int outgoing_send(struct front *front)
{
	for (;;) {
		int r = 1;
		ssize_t n;

		/* a packet and the time that it completes arrive together */
		while (front->sending_count < SENDING_LIMIT &&
			(r = choose(front, &front->sending[front->sending_count])) > 0)
			front->sending_count++;
		if (r < 0 || front->sending_count == 0)
			return r;
		n = send_some(front);
		if (n == -EAGAIN || n == -EINTR)
			return 1;
		if (n < 0)
			return (int)n;
		front->sent_ns = clock_now_ns();
		front->sent_bytes += (size_t)n;
		drop_sent(front);
	}
}

void outgoing_clear(struct front *front)
{
	struct parcel *parcel;

	for (size_t i = 0; i < front->sending_count; i++)
		parcel_clear(&front->sending[i]);
	front->sending_count = 0;
	parcel_clear(&front->held);
	front->sent_bytes = 0;
	while ((parcel = queue_pop(front->parcels, 0)))
		drop_parcel(parcel);
	drop_burst(front);
	front->joined = front->has_state = false;
	front->epoch = 0;
	front->lost = false;
}

#include "daemon/front/internal.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_LIMIT_BYTES (WIRE_MESSAGE_LIMIT_BYTES + 4096)
#define READ_BYTES         (64 * 1024)

/*
 * The server has places for fewer, and lets them in more slowly: only one that is not itself any more exceeds these.
 * After a restart all come back at once.
 */
#define MEMBERS_LIMIT 512
static const struct rate_limit admissions_limit = {256, 1024};
static const struct rate_limit records_limit = {4000, 16000};

/* ---- members ---- */

static struct member *find_member(const struct front *front, uint64_t connection)
{
	struct member *member = front->members;

	while (member && member->peer->number != connection)
		member = member->next;
	return member;
}

static void stop_watching(struct front *front, struct member *member)
{
	if (member->watches)
		live_leave(front->options.live);
	member->watches = false;
}

/* @param link  in the list; then points to the next one */
static void remove_member(struct front *front, struct member **link)
{
	struct member *member = *link;

	*link = member->next;
	stop_watching(front, member);
	member->peer->closed = true;
	keyring_used(front->options.access->keyring, member->peer->principal.link);
	peer_unref(member->peer);
	free(member);
	front->peers--;
}

void incoming_clear(struct front *front)
{
	while (front->members)
		remove_member(front, &front->members);
	buf_clear(&front->received);
}

static int add_member(struct front *front, uint64_t connection, const struct principal *principal)
{
	struct member *member = calloc(1, sizeof(*member));

	if (member)
		member->peer = peer_create(connection, principal);
	if (!member || !member->peer) {
		free(member);
		return -ENOMEM;
	}
	member->next = front->members;
	front->members = member;
	front->peers++;
	return 0;
}

/* ---- admission ---- */

static void put_admission(
	struct front *front, uint64_t connection, const struct admission *admission)
{
	Uxrec__ToServer message = UXREC__TO_SERVER__INIT;
	Uxrec__ToServer__Admission answer = UXREC__TO_SERVER__ADMISSION__INIT;

	answer.connection = connection;
	answer.close_code = admission->close_code;
	answer.reason = (char *)admission->reason;
	answer.role = admission->principal.role;
	answer.name = (char *)admission->principal.name;
	answer.principal = (char *)admission->principal.id;
	answer.key = (char *)admission->key;
	answer.page_marker = (char *)admission->page_marker;
	message.body_case = UXREC__TO_SERVER__BODY_ADMISSION;
	message.admission = &answer;
	outgoing_put(front, &message);
}

static int admit(struct front *front, const Uxrec__FromServer__Admit *asked, struct error *reterr)
{
	struct admission admission;
	int r;

	if (!asked->hello || asked->connection >> 32 != front->generation)
		return error_set(reterr, -EBADMSG, "it asks for a connection that is not its own");
	if (find_member(front, asked->connection))
		return error_set(reterr, -EBADMSG, "it asks for a connection twice");
	if (front->peers >= MEMBERS_LIMIT ||
		!rate_take(&front->admissions, &admissions_limit, 1, clock_now_ns()))
		return error_set(reterr, -EBADMSG, "it asks for too many connections");
	access_admit(front->options.access, asked->hello, &admission);
	if (!admission.close_code) {
		if (admission.principal.role == UXREC__ROLE__ROLE_MODERATOR &&
			front->options.page_marker)
			snprintf(admission.page_marker, sizeof(admission.page_marker), "%s",
				front->options.page_marker);
		r = add_member(front, asked->connection, &admission.principal);
		if (r < 0)
			return error_set(reterr, r, "out of memory");
	}
	put_admission(front, asked->connection, &admission);
	return 0;
}

void incoming_check_links(struct front *front)
{
	struct admission revoked = {.close_code = CLOSE_REVOKED, .reason = REVOKED_REASON};

	for (struct member **link = &front->members; *link;) {
		const struct peer *peer = (*link)->peer;

		if (keyring_is_valid(front->options.access->keyring, peer->principal.link)) {
			link = &(*link)->next;
			continue;
		}
		put_admission(front, peer->number, &revoked);
		remove_member(front, link);
	}
}

/* ---- requests ---- */

static void watch(struct front *front, struct member *member, const Uxrec__FromServer__Watch *watch)
{
	struct live *live = front->options.live;
	const struct request_kind *kind = request_kind(UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE);

	if (!live || !request_allows(kind, member->peer->principal.role))
		return;
	stop_watching(front, member);
	live_watch(live, member->peer->principal.id);
	member->watches = true;
	if (!front->joined || front->epoch != watch->epoch)
		outgoing_join(front, watch->epoch);
	else if (watch->keyframe && hub_has_keyframes(live->hub))
		live_request_keyframe(live);
}

static void answer_observer_link(struct front *front, struct peer *peer, uint64_t request)
{
	Uxrec__ObserverLink link = UXREC__OBSERVER_LINK__INIT;
	char key[KEY_BYTES];

	keyring_present(front->options.access->keyring, UXREC__ROLE__ROLE_OBSERVER, key, NULL);
	link.key = key;
	outlet_answer(&front->outlet, peer, request, &link.base);
}

/* @return 0, or -EACCES, -EBUSY, -ENOSYS or -EINVAL with the reason */
static int check_request(struct member *member, Uxrec__ClientMessage *message, struct error *reterr)
{
	const struct request_kind *kind = request_kind(message->body_case);
	const struct rate_limit *limit = request_rate_limit(kind->rate);

	if (!request_allows(kind, member->peer->principal.role) ||
		!request_is_passed_on(kind->owner))
		return error_set(reterr, -EACCES, "this link does not allow that");
	if (limit && !rate_take(&member->rates[kind->rate], limit, 1, clock_now_ns()))
		return error_set(reterr, -EBUSY,
			"too many requests of this kind in a short time: try again in a moment");
	return names_normalise(&message->base, reterr);
}

/* May take over the message, leaving NULL. */
static void handle(struct front *front, struct member *member, Uxrec__ClientMessage **message)
{
	struct error error;
	int r = check_request(member, *message, &error);

	if (r < 0)
		outlet_fail(&front->outlet, member->peer, (*message)->request, r, error.text);
	else if (request_kind((*message)->body_case)->owner == REQUEST_OF_ACCESS)
		answer_observer_link(front, member->peer, (*message)->request);
	else
		front->options.handle_message(
			front->options.user, member->peer, steal_ptr(*message));
}

/* ---- records ---- */

static void serves(struct front *front)
{
	front->serves = true;
	pthread_mutex_lock(&front->lock);
	front->ready = true;
	pthread_cond_broadcast(&front->changed);
	pthread_mutex_unlock(&front->lock);
}

static void leave(struct front *front, uint64_t connection)
{
	struct member **link = &front->members;

	while (*link && (*link)->peer->number != connection)
		link = &(*link)->next;
	if (*link)
		remove_member(front, link);
	if (front->options.live && front->options.live->watchers == 0)
		front->joined = false;
}

static int take(struct front *front, Uxrec__FromServer *record, struct error *reterr)
{
	struct member *member;

	switch (record->body_case) {
	case UXREC__FROM_SERVER__BODY_ALIVE: serves(front); return 0;
	case UXREC__FROM_SERVER__BODY_ADMIT: return admit(front, record->admit, reterr);
	case UXREC__FROM_SERVER__BODY_LEFT: leave(front, record->left->connection); return 0;
	case UXREC__FROM_SERVER__BODY_WATCH:
		member = find_member(front, record->watch->connection);
		if (member)
			watch(front, member, record->watch);
		return 0;
	case UXREC__FROM_SERVER__BODY_REQUEST:
		/* of a link that was revoked meanwhile: no member */
		member = find_member(front, record->request->connection);
		if (member && record->request->message)
			handle(front, member, &record->request->message);
		return 0;
	case UXREC__FROM_SERVER__BODY_END_WORKER:
		process_end_worker(front, (pid_t)record->end_worker->pid);
		return 0;
	default: return error_set(reterr, -EBADMSG, "it sent a record of another version");
	}
}

struct taking {
	struct front *front;
	struct error *error;
};

static int take_frame(void *user, struct view frame)
{
	struct taking *taking = user;
	struct front *front = taking->front;
	ProtobufCMessage *message;
	struct error error;
	int r;

	if (!rate_take(&front->records, &records_limit, 1, clock_now_ns()))
		return error_set(taking->error, -EBADMSG, "it sends too much");
	r = wire_parse(frame, &uxrec__from_server__descriptor, &message, &error);
	if (r < 0)
		return error_set(taking->error, -EBADMSG, "it sent %s", error.text);
	r = take(front, (Uxrec__FromServer *)message, taking->error);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

/* @return as recvmsg(2), or -EACCES with the reason; the sender, as the kernel gives it, is noted once */
static ssize_t receive(struct front *front, void *at, struct error *reterr)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec piece = {at, READ_BYTES};
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(front->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 && !front->server ? CMSG_FIRSTHDR(&message) : NULL;
	struct ucred sender;

	if (!header || header->cmsg_type != SCM_CREDENTIALS)
		return n;
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	if (sender.uid != geteuid())
		return error_set(reterr, -EACCES, "it is of another user");
	process_know(front, sender.pid);
	return n;
}

int incoming_receive(struct front *front, struct error *reterr)
{
	unsigned char *at = buf_reserve(&front->received, READ_BYTES);
	ssize_t n;
	int r;

	if (!at)
		return error_set(reterr, -ENOMEM, "out of memory");
	n = receive(front, at, reterr);
	if (n == -EACCES)
		return -EACCES;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return error_set(reterr, -EPIPE, "it has ended");
	front->received.size_bytes += (size_t)n;
	front->heard_ns = clock_now_ns();
	r = wire_take_frames(
		&front->received, RECORD_LIMIT_BYTES, take_frame, &(struct taking){front, reterr});
	return r == -EMSGSIZE ? error_set(reterr, r, "it sent a record that is too long") : r;
}

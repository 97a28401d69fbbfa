#include "daemon/serve/owner.h"

#include "protocol/base/buf.h"
#include "protocol/base/log.h"
#include "protocol/channel.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"
#include "protocol/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
/* A picture of a large screen is below it. */
#define RECORD_LIMIT_BYTES (64u << 20)
#define PATIENCE_S         20

struct owner {
	int fd;
	pthread_mutex_t sending;
	struct buf received;
	const struct owner_handlers *handlers;
	Uxrec__ToServer *next; /* describes the next record; NULL: nothing does */
};

/* ---- receiving ---- */

/* Take a descriptor out of a message; others are closed. */
static int take_descriptor(struct msghdr *message)
{
	int found = -1;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		int fd;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
			header->cmsg_len != CMSG_LEN(sizeof(fd)))
			continue;
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		if (found >= 0)
			close(found);
		found = fd;
	}
	return found;
}

/* @param ret_fd  set to a descriptor that came with it, or -1; NULL: none is expected @return 0, -EPIPE or another */
static int receive(struct owner *owner, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {buf_reserve(&owner->received, READ_BYTES), READ_BYTES};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	ssize_t n;

	if (!piece.iov_base)
		return -ENOMEM;
	if (ret_fd) {
		message.msg_control = control.room;
		message.msg_controllen = sizeof(control.room);
	}
	do
		n = recvmsg(owner->fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	owner->received.size_bytes += (size_t)n;
	if (ret_fd)
		*ret_fd = take_descriptor(&message);
	return 0;
}

/* ---- records ---- */

static int create_packet(struct packet **ret, struct view frame)
{
	return packet_create_record(ret, frame.data[0], frame.data + MCAP_RECORD_HEADER_BYTES,
		frame.size_bytes - MCAP_RECORD_HEADER_BYTES);
}

static int take_packet(struct owner *owner, struct view frame)
{
	struct view rest = frame;
	struct mcap_record record;
	struct mcap_message message;
	struct packet *packet;
	int r;

	if (mcap_next_record(&rest, &record) <= 0 ||
		mcap_parse_message(record.content, &message) < 0 ||
		!channel_kind_get(message.channel_id))
		return -EBADMSG;
	r = create_packet(&packet, frame);
	if (r < 0)
		return r;
	packet->channel = message.channel_id;
	packet->time_ns = (int64_t)message.log_time;
	packet->data_offset = packet->size_bytes - message.data.size_bytes;
	packet->flags = (uint16_t)(owner->next ? owner->next->next->flags : 0);
	owner->handlers->packet(owner->handlers->user, packet);
	return 0;
}

static int take_message(struct owner *owner, struct view frame)
{
	Uxrec__ToServer *message = uxrec__to_server__unpack(NULL,
		frame.size_bytes - MCAP_RECORD_HEADER_BYTES, frame.data + MCAP_RECORD_HEADER_BYTES);

	if (!message)
		return -EBADMSG;
	if (message->body_case == UXREC__TO_SERVER__BODY_NEXT) {
		owner->next = message;
		return 0;
	}
	owner->handlers->message(owner->handlers->user, message);
	uxrec__to_server__free_unpacked(message, NULL);
	return 0;
}

static int deliver(struct owner *owner, struct view frame)
{
	struct packet *packet;
	int r = create_packet(&packet, frame);

	if (r == 0)
		owner->handlers->deliver(owner->handlers->user, owner->next->next, packet);
	return r;
}

static int take(void *user, struct view frame)
{
	struct owner *owner = user;
	Uxrec__ToServer *next = owner->next;
	int r;

	if (frame.data[0] == MCAP_MESSAGE)
		r = take_packet(owner, frame);
	else if (frame.data[0] != MCAP_PRIVATE)
		r = -EBADMSG;
	else if (next)
		r = deliver(owner, frame);
	else
		return take_message(owner, frame);
	if (next)
		uxrec__to_server__free_unpacked(next, NULL);
	owner->next = NULL;
	return r;
}

int owner_run(struct owner *owner, const struct owner_handlers *handlers, struct error *reterr)
{
	owner->handlers = handlers;
	for (;;) {
		int r = wire_take_frames(&owner->received, RECORD_LIMIT_BYTES, take, owner);

		if (r < 0)
			return error_set(reterr, -EBADMSG, "an invalid record of the owner");
		handlers->flush(handlers->user);
		r = receive(owner, NULL);
		if (r < 0)
			return r == -EPIPE ? 0
					   : error_set(reterr, r, "the owner: %s", strerror(-r));
	}
}

/* ---- sending ---- */

void owner_send(struct owner *owner, const Uxrec__FromServer *message)
{
	int r;

	pthread_mutex_lock(&owner->sending);
	r = wire_send(owner->fd, &message->base);
	pthread_mutex_unlock(&owner->sending);
	/* half a record may have been sent */
	if (r < 0)
		_exit(r == -EPIPE ? 0 : 3);
}

/* ---- lifecycle ---- */

static int take_setup(void *user, struct view frame)
{
	Uxrec__ToServer **ret = user;

	if (frame.data[0] == MCAP_PRIVATE)
		*ret = uxrec__to_server__unpack(NULL, frame.size_bytes - MCAP_RECORD_HEADER_BYTES,
			frame.data + MCAP_RECORD_HEADER_BYTES);
	return *ret && (*ret)->body_case == UXREC__TO_SERVER__BODY_SETUP ? 1 : -EBADMSG;
}

static int receive_setup(
	struct owner *owner, Uxrec__ToServer **ret, int *ret_listening, struct error *reterr)
{
	int r = receive(owner, ret_listening);

	*ret = NULL;
	while (r == 0 &&
		(r = wire_take_frames(&owner->received, RECORD_LIMIT_BYTES, take_setup, ret)) == 0)
		r = receive(owner, NULL);
	if (r == 1 && *ret_listening >= 0)
		return 0;
	return error_set(reterr, r < 0 ? r : -EBADMSG, "no setup of the owner: %s",
		r < 0 ? strerror(-r) : "without a socket");
}

int owner_create(struct owner **ret, int fd, Uxrec__ToServer **ret_setup, int *ret_listening,
	struct error *reterr)
{
	static const struct timeval patience = {.tv_sec = PATIENCE_S};
	_destroy_(owner) struct owner *owner = calloc(1, sizeof(*owner));
	int r;

	if (!owner)
		return error_set(reterr, -ENOMEM, "out of memory");
	owner->fd = fd;
	pthread_mutex_init(&owner->sending, NULL);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	r = receive_setup(owner, ret_setup, ret_listening, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(owner);
	return 0;
}

void owner_destroy(struct owner *owner)
{
	if (!owner)
		return;
	if (owner->next)
		uxrec__to_server__free_unpacked(owner->next, NULL);
	buf_finish(&owner->received);
	pthread_mutex_destroy(&owner->sending);
	close(owner->fd);
	free(owner);
}

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
	Uxrec__ToServer *next; /* says what the next record is; NULL: nothing */
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

static int64_t frame_size(const struct owner *owner, size_t taken)
{
	return wire_frame_size(
		(struct view){owner->received.data + taken, owner->received.size_bytes - taken, 0},
		RECORD_LIMIT_BYTES);
}

static void drop(struct owner *owner, size_t bytes)
{
	owner->received.size_bytes -= bytes;
	memmove(owner->received.data, owner->received.data + bytes, owner->received.size_bytes);
}

/* ---- records ---- */

static int create_packet(struct packet **ret, struct view frame)
{
	return packet_create_record(ret, frame.data[0], frame.data + MCAP_RECORD_HEADER_BYTES,
		frame.size_bytes - MCAP_RECORD_HEADER_BYTES);
}

static int take_packet(
	struct owner *owner, struct view frame, const struct owner_handlers *handlers)
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
	handlers->packet(handlers->user, packet);
	return 0;
}

static int take_message(
	struct owner *owner, struct view frame, const struct owner_handlers *handlers)
{
	Uxrec__ToServer *message = uxrec__to_server__unpack(NULL,
		frame.size_bytes - MCAP_RECORD_HEADER_BYTES, frame.data + MCAP_RECORD_HEADER_BYTES);

	if (!message)
		return -EBADMSG;
	if (message->body_case == UXREC__TO_SERVER__BODY_NEXT) {
		owner->next = message;
		return 0;
	}
	handlers->message(handlers->user, message);
	uxrec__to_server__free_unpacked(message, NULL);
	return 0;
}

static int deliver(struct owner *owner, struct view frame, const struct owner_handlers *handlers)
{
	struct packet *packet;
	int r = create_packet(&packet, frame);

	if (r == 0)
		handlers->deliver(handlers->user, owner->next->next, packet);
	return r;
}

static int take(struct owner *owner, struct view frame, const struct owner_handlers *handlers)
{
	Uxrec__ToServer *next = owner->next;
	int r;

	if (frame.data[0] == MCAP_MESSAGE)
		r = take_packet(owner, frame, handlers);
	else if (frame.data[0] != MCAP_PRIVATE)
		r = -EBADMSG;
	else if (next)
		r = deliver(owner, frame, handlers);
	else
		return take_message(owner, frame, handlers);
	if (next)
		uxrec__to_server__free_unpacked(next, NULL);
	owner->next = NULL;
	return r;
}

int owner_run(struct owner *owner, const struct owner_handlers *handlers, struct error *reterr)
{
	for (;;) {
		size_t taken = 0;
		int64_t size;
		int r = 0;

		while (r == 0 && (size = frame_size(owner, taken)) > 0) {
			r = take(owner,
				(struct view){owner->received.data + taken, (size_t)size, 0},
				handlers);
			taken += (size_t)size;
		}
		if (r < 0 || size < 0)
			return error_set(reterr, -EBADMSG, "an invalid record of the owner");
		drop(owner, taken);
		if (taken > 0)
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

static int receive_setup(
	struct owner *owner, Uxrec__ToServer **ret, int *ret_listening, struct error *reterr)
{
	int64_t size;
	int r = receive(owner, ret_listening);

	while (r == 0 && (size = frame_size(owner, 0)) == 0)
		r = receive(owner, NULL);
	if (r < 0)
		return error_set(reterr, r, "no setup: %s", strerror(-r));
	if (size < 0 || owner->received.data[0] != MCAP_PRIVATE)
		return error_set(reterr, -EBADMSG, "an invalid setup");
	*ret = uxrec__to_server__unpack(NULL, (size_t)size - MCAP_RECORD_HEADER_BYTES,
		owner->received.data + MCAP_RECORD_HEADER_BYTES);
	drop(owner, (size_t)size);
	if (!*ret || (*ret)->body_case != UXREC__TO_SERVER__BODY_SETUP || *ret_listening < 0)
		return error_set(reterr, -EBADMSG, "an invalid setup");
	return 0;
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

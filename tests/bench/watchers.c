/*
 * Watches a recorder by many connections at once: watchers PORT KEY COUNT SECONDS. Prints one line of JSON: messages,
 * connections that ended, and the lag of pictures, from the end of their copy to their arrival here, in ms.
 */

#include "protocol/base/array.h"
#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/mcap.h"
#include "protocol/packet.h"
#include "protocol/wire.pb-c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT 512
/* opcode, length, channel, sequence, log time, publish time */
#define HEAD_BYTES (9 + 2 + 4 + 8 + 8)

struct watcher {
	int fd;
	bool upgraded;
	unsigned char header[10];
	size_t header_bytes;
	uint64_t left_bytes; /* of the payload */
	unsigned char head[HEAD_BYTES];
	size_t head_bytes;
};

static struct watcher watchers[LIMIT];
static double *lags_ms;
static size_t lag_count, messages, ended;

static int connect_to(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		exit(3);
	return fd;
}

/* A frame of a client, masked with zeros. */
static void send_frame(int fd, const Uxrec__ClientMessage *message)
{
	struct packet *packet;
	unsigned char header[8] = {0x82};
	struct buf frame = {0};

	if (packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) < 0 ||
		packet->size_bytes > 125)
		exit(3);
	header[1] = (unsigned char)(0x80 | packet->size_bytes);
	buf_put(&frame, header, 6);
	buf_put(&frame, packet->record, packet->size_bytes);
	if (write(fd, frame.data, frame.size_bytes) != (ssize_t)frame.size_bytes)
		exit(3);
	buf_finish(&frame);
	packet_unref(packet);
}

static void open_watcher(struct watcher *watcher, int port, const char *key)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Hello hello = UXREC__HELLO__INIT;
	Uxrec__WatchLive watch = UXREC__WATCH_LIVE__INIT;
	char text[400];

	watcher->fd = connect_to(port);
	snprintf(text, sizeof(text),
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: "
		"Upgrade\r\nOrigin: http://127.0.0.1:%d\r\nSec-WebSocket-Key: "
		"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: "
		"13\r\nSec-WebSocket-Protocol: uxrec.v1\r\n\r\n",
		port, port);
	if (write(watcher->fd, text, strlen(text)) < 0)
		exit(3);
	hello.token = (char *)key;
	hello.name = (char *)"watcher";
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	send_frame(watcher->fd, &message);
	message.request = 1;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_WATCH_LIVE;
	message.watch_live = &watch;
	send_frame(watcher->fd, &message);
}

/* Keeps the connection: one that is silent for a minute is closed. */
static void ping(struct watcher *watcher)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Ping body = UXREC__PING__INIT;

	message.request = 2;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_PING;
	message.ping = &body;
	send_frame(watcher->fd, &message);
}

static void take_message(const struct watcher *watcher)
{
	const unsigned char *at = watcher->head;

	messages++;
	if (at[0] != MCAP_MESSAGE || watcher->head_bytes < HEAD_BYTES ||
		le_load(at + 9, 2) != CHANNEL_SCREEN || !array_grow(lags_ms, lag_count))
		return;
	lags_ms[lag_count++] =
		(double)(clock_read_ns(CLOCK_REALTIME) - (int64_t)le_load(at + 23, 8)) / 1e6;
}

/* @return bytes of the header, or 0 when more are needed */
static size_t parse_header(struct watcher *watcher)
{
	const unsigned char *at = watcher->header;
	size_t size = watcher->header_bytes < 2 ? 2
		: (at[1] & 127) == 127          ? 10
		: (at[1] & 127) == 126          ? 4
						: 2;

	if (watcher->header_bytes < size)
		return 0;
	watcher->left_bytes = at[1] & 127;
	if (size == 4)
		watcher->left_bytes = (uint64_t)at[2] << 8 | at[3];
	for (size_t i = 2, end = size == 10 ? 10 : 2; i < end; i++)
		watcher->left_bytes = (i == 2 ? 0 : watcher->left_bytes << 8) | at[i];
	return size;
}

static void take_byte(struct watcher *watcher, unsigned char byte)
{
	watcher->header[watcher->header_bytes++] = byte;
	if (parse_header(watcher) == 0)
		return;
	watcher->head_bytes = 0;
	if (watcher->left_bytes == 0)
		watcher->header_bytes = 0;
}

static void take(struct watcher *watcher, const unsigned char *data, size_t size)
{
	while (size > 0) {
		size_t some;

		if (watcher->left_bytes == 0) {
			take_byte(watcher, *data++);
			size--;
			continue;
		}
		some = size < watcher->left_bytes ? size : (size_t)watcher->left_bytes;
		for (size_t i = 0; i < some && watcher->head_bytes < HEAD_BYTES; i++)
			watcher->head[watcher->head_bytes++] = data[i];
		watcher->left_bytes -= some;
		data += some;
		size -= some;
		if (watcher->left_bytes == 0) {
			take_message(watcher);
			watcher->header_bytes = 0;
		}
	}
}

static void receive(struct watcher *watcher)
{
	static unsigned char bytes[1 << 18];
	ssize_t n = recv(watcher->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	unsigned char *at = bytes;

	if (n <= 0) {
		ended++;
		close(watcher->fd);
		watcher->fd = -1;
		return;
	}
	if (!watcher->upgraded) {
		unsigned char *end = memmem(bytes, (size_t)n, "\r\n\r\n", 4);

		if (!end)
			return;
		watcher->upgraded = true;
		at = end + 4;
	}
	take(watcher, at, (size_t)(bytes + n - at));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double q)
{
	return lag_count ? lags_ms[(size_t)(q * (double)(lag_count - 1))] : 0;
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? atoi(argv[3]) : 0;
	struct pollfd waits[LIMIT];
	int64_t end_ns, ping_ns;

	if (count < 1 || count > LIMIT) {
		fprintf(stderr, "watchers PORT KEY COUNT SECONDS\n");
		return 2;
	}
	for (int i = 0; i < count; i++) {
		open_watcher(&watchers[i], atoi(argv[1]), argv[2]);
		/* as slowly as one link's connections are let in */
		usleep(20000);
	}
	ping_ns = clock_now_ns();
	end_ns = ping_ns + (int64_t)(atof(argv[4]) * 1e9);
	for (size_t i = 0; i < (size_t)count; i++)
		waits[i] = (struct pollfd){watchers[i].fd, POLLIN, 0};
	/* those of the joins are no lag */
	for (bool joined = false; clock_now_ns() < end_ns && ended < (size_t)count;) {
		if (!joined && clock_now_ns() > end_ns - (int64_t)(atof(argv[4]) * 0.8e9)) {
			joined = true;
			lag_count = messages = 0;
		}
		if (poll(waits, (nfds_t)count, 100) < 0 && errno != EINTR)
			return 3;
		for (size_t i = 0; i < (size_t)count; i++)
			if (waits[i].revents) {
				receive(&watchers[i]);
				waits[i].fd = watchers[i].fd;
			}
		if (clock_now_ns() - ping_ns < 5 * NS_PER_S)
			continue;
		ping_ns = clock_now_ns();
		for (size_t i = 0; i < (size_t)count; i++)
			if (watchers[i].fd >= 0)
				ping(&watchers[i]);
	}
	qsort(lags_ms, lag_count, sizeof(*lags_ms), compare);
	printf("{\"messages\": %zu, \"pictures\": %zu, \"ended\": %zu, \"p50_ms\": %.2f, "
	       "\"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
		messages, lag_count, ended, quantile(0.5), quantile(0.99), quantile(1));
	return 0;
}

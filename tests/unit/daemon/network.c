/* Input of any peer: requests, frames; limits of a connection; its queue. */

#include "tests/harness/helpers.h"

#include "daemon/net/http.h"
#include "daemon/net/outbox.h"
#include "daemon/net/websocket.h"
#include "protocol/base/log.h"
#include "protocol/base/rate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE      "GET /live HTTP/1.1\r\n"
#define HANDSHAKE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION   "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL  "Sec-WebSocket-Protocol: other, uxrec.v1\r\n"

/* names the failing input */
#define expect_with(condition, input)                                                              \
	CU_assertImplementation((condition) != 0, __LINE__, input, __FILE__, "", CU_FALSE)

static int parse(struct http_request *request, const char *text)
{
	size_t size = http_head_size(text, strlen(text), 0);

	check(size > 0);
	return http_parse(request, text, size);
}

static void a_request_is_read(void)
{
	struct http_request request;

	expect(parse(&request,
		       LINE "Host: localhost:7310\r\nORIGIN:http://a\r\ncookie: a=b\r\n\r\n") == 0);
	expect(request.get && request.http_1_1 && !request.close && !request.upgrade);
	expect(strcmp(request.path, "/live") == 0 && strcmp(request.host, "localhost:7310") == 0);
	expect(request.has_origin && strcmp(request.origin, "http://a") == 0);
	expect(parse(&request, "GET /replay?session=x&at=1 HTTP/1.0\r\n\r\n") == 0);
	expect(strcmp(request.path, "/replay") == 0 && request.close && !request.has_host);
	expect(parse(&request, "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\n") == 0);
	expect(!request.get && request.close);
	expect(parse(&request, LINE "Transfer-Encoding: chunked\r\n\r\n") == 0 && request.close);
	expect(parse(&request, LINE "Connection: Upgrade, Close\r\n\r\n") == 0 && request.close);
}

static void a_head_ends_with_an_empty_line(void)
{
	const char *text = LINE "Host: x\r\n\r\nGET";
	size_t head = strlen(text) - 3;

	for (size_t size = 0; size < head; size++)
		expect(http_head_size(text, size, size ? size - 1 : 0) == 0);
	expect(http_head_size(text, head, head - 1) == head);
	expect(http_head_size(text, strlen(text), 0) == head);
}

static void malformed_requests_are_refused(void)
{
	static const char *const malformed[] = {
		"PRI * HTTP/2.0\r\n\r\n",
		"CONNECT evil.example:443 HTTP/1.1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\n\r\n",
		"GET http://localhost/ HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.1 x\r\n\r\n",
		"GET /\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET /\x01 HTTP/1.1\r\n\r\n",
		"GET /\ta HTTP/1.1\r\n\r\n",
		"G=T / HTTP/1.1\r\n\r\n",
		LINE "Host : x\r\n\r\n",
		LINE " folded\r\n\r\n",
		LINE "no colon\r\n\r\n",
		LINE ": no name\r\n\r\n",
		LINE "a: b\nc: d\r\n\r\n",
		LINE "a: \x7f\r\n\r\n",
		LINE "Host: a\r\nHost: a\r\n\r\n",
		LINE "Origin: http://a\r\nOrigin: http://a\r\n\r\n",
		LINE "Upgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
		LINE KEY KEY "\r\n",
	};
	struct http_request request;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		expect_with(parse(&request, malformed[i]) == -EBADMSG, malformed[i]);
}

static void only_a_whole_handshake_is_a_websocket(void)
{
	static const char *const none[] = {
		LINE HANDSHAKE KEY VERSION "\r\n",
		LINE HANDSHAKE KEY PROTOCOL "\r\n",
		LINE HANDSHAKE VERSION PROTOCOL "\r\n",
		LINE HANDSHAKE KEY "Sec-WebSocket-Version: 8\r\n" PROTOCOL "\r\n",
		LINE HANDSHAKE "Sec-WebSocket-Key: short\r\n" VERSION PROTOCOL "\r\n",
		LINE HANDSHAKE KEY VERSION "Sec-WebSocket-Protocol: uxrec.v10\r\n\r\n",
		LINE "Upgrade: websocket\r\n" KEY VERSION PROTOCOL "\r\n",
		LINE "Upgrade: websocket, foo\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL
		     "\r\n",
		LINE "Upgrade: WEBSOCKET\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL "\r\n",
		LINE "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL "\r\n",
		LINE "Upgrade:\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL "\r\n",
		"POST / HTTP/1.1\r\n" HANDSHAKE KEY VERSION PROTOCOL "\r\n",
		"get / HTTP/1.1\r\n" HANDSHAKE KEY VERSION PROTOCOL "\r\n",
		"GET / HTTP/1.0\r\n" HANDSHAKE KEY VERSION PROTOCOL "\r\n",
		LINE HANDSHAKE KEY VERSION PROTOCOL "Content-Length: 0\r\n\r\n",
	};
	struct http_request request;

	expect(parse(&request, LINE HANDSHAKE KEY VERSION PROTOCOL "\r\n") == 0 &&
		request.websocket);
	expect(strcmp(request.key, "dGhlIHNhbXBsZSBub25jZQ==") == 0);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		expect_with(parse(&request, none[i]) == 0 && request.upgrade && !request.websocket,
			none[i]);
}

static void every_answer_has_its_headers(void)
{
	static const char *const headers[] = {"content-security-policy: default-src 'none'",
		"frame-ancestors 'none'", "x-content-type-options: nosniff",
		"referrer-policy: no-referrer", "cache-control: no-"};
	char answer[HTTP_ANSWER_BYTES];

	for (int refusal = 0; refusal <= HTTP_TOO_MANY; refusal++) {
		size_t size = refusal
			? http_put_refusal(answer, (enum http_refusal)refusal)
			: http_put_answer(answer, "text/javascript; charset=utf-8", 1234567, true);
		const char *body = strstr(answer, "\r\n\r\n"), *length;

		check(body && size == strlen(answer) && size < HTTP_ANSWER_BYTES);
		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
			expect(strstr(answer, headers[i]) && strstr(answer, headers[i]) < body);
		expect(strstr(answer, "connection: close\r\n"));
		length = strstr(answer, "content-length: ");
		check(length);
		if (refusal)
			expect((size_t)atoi(length + 16) == strlen(body + 4));
	}
}

static void frames_that_clients_may_not_send_are_refused(void)
{
	static const unsigned char bad[][2] = {
		{0x82, 0x05},               /* not masked */
		{0xc2, 0x85},               /* a reserved bit */
		{0x83, 0x80},               /* a reserved opcode */
		{0x8b, 0x80}, {0x09, 0x80}, /* a ping in fragments */
		{0x89, 0x80 | 126},         /* a long ping */
	};
	static const unsigned char padded[][14] = {
		{0x82, 0x80 | 126, 0, 125},
		{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
		{0x82, 0x80 | 127, 0x80},
	};
	struct websocket_frame frame;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(websocket_parse_header(&frame, bad[i], 2) == -EBADMSG);
	for (size_t i = 0; i < sizeof(padded) / sizeof(padded[0]); i++)
		expect(websocket_parse_header(&frame, padded[i], 14) == -EBADMSG);
}

static void frames_are_read_and_written(void)
{
	static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 5000000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char room[32] = {0}, masked[32] = {0};
		unsigned char *begin = websocket_put_header(room + 16, WEBSOCKET_BINARY, sizes[i]);
		size_t size = (size_t)(room + 16 - begin);
		struct websocket_frame frame;

		expect(size <= WEBSOCKET_OWN_HEADER_BYTES);
		memcpy(masked, begin, size);
		masked[1] |= 0x80;
		memcpy(masked + size, "mask", 4);
		for (size_t part = 0; part < size + 4; part++)
			expect(websocket_parse_header(&frame, masked, part) == 0);
		expect(websocket_parse_header(&frame, masked, sizeof(masked)) == (int)size + 4);
		expect(frame.opcode == WEBSOCKET_BINARY && frame.final);
		expect(frame.size_bytes == sizes[i] && memcmp(frame.mask, "mask", 4) == 0);
	}
}

static void a_mask_goes_on_where_it_was(void)
{
	unsigned char data[] = "abcdefgh", expected[] = "abcdefgh";

	for (size_t i = 0; i < 8; i++)
		expected[i] ^= (unsigned char)"mask"[i % 4];
	websocket_unmask(data, 3, (const unsigned char *)"mask", 0);
	websocket_unmask(data + 3, 5, (const unsigned char *)"mask", 3);
	expect(memcmp(data, expected, 8) == 0);
}

static void a_close_is_answered_with_a_code_that_may_be_sent(void)
{
	expect(websocket_close_status(NULL, 0) == WEBSOCKET_NORMAL);
	expect(websocket_close_status((const unsigned char *)"\x03\xe9", 2) == 1001);
	expect(websocket_close_status((const unsigned char *)"\x11\x31", 2) == 4401);
	expect(websocket_close_status((const unsigned char *)"\x03", 1) ==
		WEBSOCKET_PROTOCOL_ERROR);
	/* 1006 stands for a broken connection in clients */
	expect(websocket_close_status((const unsigned char *)"\x03\xee", 2) ==
		WEBSOCKET_PROTOCOL_ERROR);
	expect(websocket_close_status((const unsigned char *)"\x00\x00", 2) ==
		WEBSOCKET_PROTOCOL_ERROR);
}

static struct packet *packet_of(size_t size)
{
	static const unsigned char bytes[100];
	struct packet *packet;

	check(packet_create_record(&packet, 0x80, bytes, size) == 0);
	return packet;
}

static void the_newest_of_a_kind_replaces_the_older(void)
{
	struct outbox outbox = {0};
	struct packet *packet;
	size_t cost = 0;

	/* across the end of the ring */
	for (int i = 0; i < 10; i++) {
		check(outbox_put(&outbox, packet_of(1), 0) == 0);
		packet_unref(outbox_pop(&outbox));
	}
	for (size_t i = 0; i < 30; i++) {
		packet = packet_of(i);
		cost += i % 3 == 0 ? packet_cost(packet) : 0;
		check(outbox_put(&outbox, packet, i % 3 == 0 ? 7 : 0) == 0);
	}
	/* their whole cost is refunded */
	expect(outbox_drop(&outbox, 7) == cost && outbox.ring.count == 20);
	check(outbox_put(&outbox, packet_of(99), 7) == 0);
	for (size_t i = 0; i < 30; i++) {
		if (i % 3 == 0)
			continue;
		packet = outbox_pop(&outbox);
		expect(packet && packet->size_bytes == 9 + i);
		packet_unref(packet);
	}
	packet = outbox_pop(&outbox);
	expect(packet && packet->size_bytes == 9 + 99);
	packet_unref(packet);
	expect(!outbox_pop(&outbox) && outbox_drop(&outbox, 7) == 0);
	outbox_finish(&outbox);
}

static void a_rate_allows_a_burst_and_then_so_many_a_second(void)
{
	static const struct rate_limit limit = {10, 20};
	struct rate rate = {0};
	int64_t now_ns = 1000 * NS_PER_S;

	for (int i = 0; i < 20; i++)
		expect(rate_take(&rate, &limit, 1, now_ns));
	expect(!rate_take(&rate, &limit, 1, now_ns));
	expect(!rate_take(&rate, &limit, 1, now_ns + 50 * NS_PER_MS));
	expect(rate_take(&rate, &limit, 1, now_ns + 101 * NS_PER_MS));
	expect(!rate_take(&rate, &limit, 1, now_ns + 102 * NS_PER_MS));
	now_ns += 1000 * NS_PER_S;
	for (int i = 0; i < 20; i++)
		expect(rate_take(&rate, &limit, 1, now_ns));
	expect(!rate_take(&rate, &limit, 1, now_ns));
}

static void messages_of_a_class_are_one_line_and_a_count(void)
{
	struct log_limit limit = {0};
	char text[300] = "";
	int kept = dup(STDERR_FILENO), pipes[2];

	check(kept >= 0 && pipe(pipes) == 0 && dup2(pipes[1], STDERR_FILENO) >= 0);
	for (int i = 0; i < 1000; i++)
		log_limited(&limit, LOG_LEVEL_WARNING, "a page was refused");
	log_limited_flush(&limit, LOG_LEVEL_WARNING, "refused");
	limit.next_ns = 1; /* ten seconds later */
	log_limited_flush(&limit, LOG_LEVEL_WARNING, "refused");
	log_limited_flush(&limit, LOG_LEVEL_WARNING, "refused");
	check(dup2(kept, STDERR_FILENO) >= 0);
	check(read(pipes[0], text, sizeof(text) - 1) > 0);
	close(kept);
	close(pipes[0]);
	close(pipes[1]);
	expect(strcmp(text, "warning: a page was refused\nwarning: refused: 999 more\n") == 0);
}

static const struct test tests[] = {
	{"a request is read", a_request_is_read},
	{"a head ends with an empty line", a_head_ends_with_an_empty_line},
	{"malformed requests are refused", malformed_requests_are_refused},
	{"only a whole handshake is a WebSocket", only_a_whole_handshake_is_a_websocket},
	{"every answer has its headers", every_answer_has_its_headers},
	{"frames that clients may not send are refused",
		frames_that_clients_may_not_send_are_refused},
	{"frames are read and written", frames_are_read_and_written},
	{"a mask goes on where it was", a_mask_goes_on_where_it_was},
	{"a close is answered with a code that may be sent",
		a_close_is_answered_with_a_code_that_may_be_sent},
	{"the newest of a kind replaces the older", the_newest_of_a_kind_replaces_the_older},
	{"a rate limit allows a burst and then a fixed rate",
		a_rate_allows_a_burst_and_then_so_many_a_second},
	{"messages of a class are one line and a count",
		messages_of_a_class_are_one_line_and_a_count},
};

int main(void)
{
	return RUN_TESTS("network", tests);
}

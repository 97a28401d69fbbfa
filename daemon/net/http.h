#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The subset of HTTP/1.1 (RFC 9112) that the pages need: request heads and answer heads.
 * No request bodies, no HTTP/2, no upgrade except to a WebSocket.
 */

/** Browsers send every cookie of the host, regardless of port: 32 KiB of fields, plus the request line. */
#define HTTP_HEAD_LIMIT_BYTES (32 * 1024 + 512)

/** Size of the buffer for an answer's head. */
#define HTTP_ANSWER_BYTES 1024

/** Reason for refusing a head; status and sentence of each are in http_put_refusal(). */
enum http_refusal {
	HTTP_MALFORMED = 1,
	HTTP_FOREIGN,
	HTTP_NOT_FOUND,
	HTTP_NO_METHOD,
	HTTP_NO_UPGRADE,
	HTTP_TOO_LARGE,
	HTTP_TOO_MANY,
};

struct http_request {
	bool get;
	bool http_1_1;
	bool close;   /* the client closes after the answer, or sends a body, which is never read */
	bool upgrade; /* has an Upgrade header */
	/* complete handshake of RFC 6455, section 4.2.1, as browsers write it, for "uxrec.v1" */
	bool websocket;
	bool has_host, has_origin;
	char path[64]; /* up to "?"; "" when longer than any known path */
	char host[256], origin[300];
	char key[25]; /* Sec-WebSocket-Key */
};

/**
 * Find the end of a head.
 *
 * @param seen  bytes already searched without success
 * @return size of the head including the empty line, or 0 when incomplete
 */
size_t http_head_size(const char *data, size_t size, size_t seen);

/**
 * Parse a complete head.
 *
 * @return 0, or -EBADMSG: a line that violates RFC 9112, or a duplicate of a header allowed once
 */
int http_parse(struct http_request *request, const char *head, size_t size);

/** Write the head of a 200 with the headers that isolate the page. @return its size */
size_t http_put_answer(
	char answer[HTTP_ANSWER_BYTES], const char *type, size_t body_bytes, bool close);

/** Write a complete refusal, head and body; the connection ends after it. @return its size */
size_t http_put_refusal(char answer[HTTP_ANSWER_BYTES], enum http_refusal refusal);

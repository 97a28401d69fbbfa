#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * HTTP/1.1 as far as the pages need it (RFC 9112): the head of a request, and the head of an answer.
 * Nothing else of HTTP is offered: no body, no HTTP/2, no upgrade but to a WebSocket.
 */

/** Browsers send every cookie of the host, whatever port set it: 32 KiB of fields, and the line before. */
#define HTTP_HEAD_LIMIT_BYTES (32 * 1024 + 512)

/** Room for the head of an answer. */
#define HTTP_ANSWER_BYTES 1024

/** Why a head is refused; each has a status and a sentence, see http_put_refusal(). */
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
	bool close;   /* the client closes after the answer, or has a body, which is never read */
	bool upgrade; /* it has an Upgrade header */
	/* a whole handshake of RFC 6455, section 4.2.1, as browsers write it, for "uxrec.v1" */
	bool websocket;
	bool has_host, has_origin;
	char path[64]; /* up to "?"; "" when it is longer than any of ours */
	char host[256], origin[300];
	char key[25]; /* Sec-WebSocket-Key */
};

/**
 * Look for the end of a head.
 *
 * @param seen  bytes that were looked at before without success
 * @return its size with the empty line, or 0 when it is not there
 */
size_t http_head_size(const char *data, size_t size, size_t seen);

/**
 * Parse a whole head.
 *
 * @return 0, or -EBADMSG: a line that RFC 9112 does not allow, or a header twice that may be there once
 */
int http_parse(struct http_request *request, const char *head, size_t size);

/** Write the head of a 200 with what keeps the page to itself. @return its size */
size_t http_put_answer(
	char answer[HTTP_ANSWER_BYTES], const char *type, size_t body_bytes, bool close);

/** Write a whole refusal, head and body, after which the connection ends. @return its size */
size_t http_put_refusal(char answer[HTTP_ANSWER_BYTES], enum http_refusal refusal);

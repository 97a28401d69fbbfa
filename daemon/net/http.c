#include "daemon/net/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* slice of the head */
struct piece {
	const char *data;
	size_t size;
};

size_t http_head_size(const char *data, size_t size, size_t seen)
{
	size_t from = seen > 3 ? seen - 3 : 0;
	const char *end = memmem(data + from, size - from, "\r\n\r\n", 4);

	return end ? (size_t)(end - data) + 4 : 0;
}

static bool is(struct piece piece, const char *text)
{
	return piece.size == strlen(text) && strncasecmp(piece.data, text, piece.size) == 0;
}

/* RFC 9110, section 5.6.2 */
static bool is_token(struct piece piece)
{
	for (size_t i = 0; i < piece.size; i++) {
		char c = piece.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			!(c && strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return piece.size > 0;
}

static bool is_printable(struct piece piece, unsigned char lowest)
{
	for (size_t i = 0; i < piece.size; i++) {
		unsigned char c = (unsigned char)piece.data[i];

		if ((c < lowest && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static struct piece trimmed(struct piece piece)
{
	while (piece.size && (*piece.data == ' ' || *piece.data == '\t')) {
		piece.data++;
		piece.size--;
	}
	while (piece.size &&
		(piece.data[piece.size - 1] == ' ' || piece.data[piece.size - 1] == '\t'))
		piece.size--;
	return piece;
}

/* Take the text before a separator. @return false when there is none */
static bool parse_until(struct piece *rest, struct piece *ret, const char *separator)
{
	size_t size = strlen(separator);
	const char *end = memmem(rest->data, rest->size, separator, size);

	if (!end)
		return false;
	*ret = (struct piece){rest->data, (size_t)(end - rest->data)};
	rest->size -= ret->size + size;
	rest->data = end + size;
	return true;
}

/* True when a comma-separated list contains the text. */
static bool lists(struct piece list, const char *text)
{
	struct piece item;

	while (parse_until(&list, &item, ","))
		if (is(trimmed(item), text))
			return true;
	return is(trimmed(list), text);
}

/* Store a value allowed once. @return false: duplicate or too long */
static bool store_value(struct piece value, char *room, size_t room_bytes, bool *has)
{
	if (*has || value.size >= room_bytes)
		return false;
	memcpy(room, value.data, value.size);
	room[value.size] = '\0';
	*has = true;
	return true;
}

static bool parse_line(struct http_request *request, struct piece line)
{
	struct piece method, target;
	size_t path;

	if (!parse_until(&line, &method, " ") || !parse_until(&line, &target, " ") ||
		!is_token(method) || target.size == 0 || *target.data != '/' ||
		!is_printable(target, 0x21) || memchr(target.data, '\t', target.size))
		return false;
	request->get = method.size == 3 && memcmp(method.data, "GET", 3) == 0;
	request->http_1_1 = line.size == 8 && memcmp(line.data, "HTTP/1.1", 8) == 0;
	if (!request->http_1_1 && (line.size != 8 || memcmp(line.data, "HTTP/1.0", 8) != 0))
		return false;
	for (path = 0; path < target.size && target.data[path] != '?'; path++)
		;
	if (path < sizeof(request->path))
		memcpy(request->path, target.data, path);
	return true;
}

/* headers evaluated together after parsing */
struct seen {
	bool upgrade, key, version, connection, protocol;
	char upgrade_value[16], version_value[4];
};

static bool parse_header(struct http_request *request, struct seen *seen, struct piece line)
{
	struct piece name;

	if (!parse_until(&line, &name, ":") || !is_token(name) || !is_printable(line, 0x20))
		return false;
	line = trimmed(line);
	if (is(name, "host"))
		return store_value(line, request->host, sizeof(request->host), &request->has_host);
	if (is(name, "origin"))
		return store_value(
			line, request->origin, sizeof(request->origin), &request->has_origin);
	if (is(name, "sec-websocket-key"))
		return store_value(line, request->key, sizeof(request->key), &seen->key);
	if (is(name, "sec-websocket-version"))
		return store_value(
			line, seen->version_value, sizeof(seen->version_value), &seen->version);
	if (is(name, "upgrade"))
		return store_value(
			line, seen->upgrade_value, sizeof(seen->upgrade_value), &seen->upgrade);
	if (is(name, "connection")) {
		seen->connection |= lists(line, "upgrade");
		request->close |= lists(line, "close");
	} else if (is(name, "sec-websocket-protocol")) {
		seen->protocol |= lists(line, "uxrec.v1");
	} else if (is(name, "content-length") || is(name, "transfer-encoding")) {
		request->close = true;
	}
	return true;
}

int http_parse(struct http_request *request, const char *head, size_t size)
{
	struct piece rest = {head, size - 2}, line;
	struct seen seen = {0};

	*request = (struct http_request){0};
	if (!parse_until(&rest, &line, "\r\n") || !parse_line(request, line))
		return -EBADMSG;
	while (parse_until(&rest, &line, "\r\n"))
		if (!parse_header(request, &seen, line))
			return -EBADMSG;
	request->close |= !request->http_1_1;
	request->upgrade = seen.upgrade;
	request->websocket = request->get && request->http_1_1 && !request->close &&
		strcmp(seen.upgrade_value, "websocket") == 0 && seen.connection &&
		strlen(request->key) == 24 && strcmp(seen.version_value, "13") == 0 &&
		seen.protocol;
	return 0;
}

#define COMMON_HEADERS                                                                             \
	"content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "    \
	"frame-ancestors 'none'\r\n"                                                               \
	"x-content-type-options: nosniff\r\n"                                                      \
	"referrer-policy: no-referrer\r\n"                                                         \
	"cross-origin-opener-policy: same-origin\r\n"                                              \
	"cross-origin-resource-policy: same-origin\r\n"

size_t http_put_answer(
	char answer[HTTP_ANSWER_BYTES], const char *type, size_t body_bytes, bool close)
{
	return (size_t)snprintf(answer, HTTP_ANSWER_BYTES,
		"HTTP/1.1 200 OK\r\n" COMMON_HEADERS
		"cache-control: no-cache\r\ncontent-type: %s\r\ncontent-length: %zu\r\n%s\r\n",
		type, body_bytes, close ? "connection: close\r\n" : "");
}

size_t http_put_refusal(char answer[HTTP_ANSWER_BYTES], enum http_refusal refusal)
{
	static const struct {
		const char *status, *sentence;
	} all[] = {
		[HTTP_MALFORMED] = {"400 Bad Request", "Not an HTTP/1.1 request."},
		[HTTP_FOREIGN] = {"403 Forbidden",
			"This address belongs to a recorder that answers only to its own pages."},
		[HTTP_NOT_FOUND] = {"404 Not Found", "There is nothing here."},
		[HTTP_NO_METHOD] = {"405 Method Not Allowed\r\nallow: GET",
			"Only GET is answered."},
		[HTTP_NO_UPGRADE] = {"400 Bad Request", "Unsupported upgrade."},
		[HTTP_TOO_LARGE] = {"431 Request Header Fields Too Large",
			"More than 32 kB of headers: remove the cookies of this address from the "
			"browser."},
		[HTTP_TOO_MANY] = {"429 Too Many Requests", "Too many requests on one connection."},
	};

	return (size_t)snprintf(answer, HTTP_ANSWER_BYTES,
		"HTTP/1.1 %s\r\n" COMMON_HEADERS
		"cache-control: no-store\r\ncontent-type: text/html; charset=utf-8\r\n"
		"content-length: %zu\r\nconnection: close\r\n\r\n<p>%s</p>\n",
		all[refusal].status, strlen(all[refusal].sentence) + 8, all[refusal].sentence);
}

/* The pages over HTTP: requests of a connection and their answers, and the files that there are. */

#include "tests/unit/daemon/transport.h"

#include "daemon/access/hosts.h"

#include <errno.h>
#include <sys/stat.h>

#define HOST      "Host: localhost:7310\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define HANDSHAKE                                                                                  \
	"GET /live HTTP/1.1\r\n" HOST                                                              \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n"                                            \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"             \
	"Sec-WebSocket-Protocol: uxrec.v1\r\n\r\n"

static struct server server;
static struct hosts hosts;

static void write_file(const char *folder, const char *name)
{
	_autofree_ char *path = NULL;
	FILE *file;

	check(asprintf(&path, "%s/%s", folder, name) > 0);
	file = fopen(path, "we");
	check(file != NULL);
	fprintf(file, "this is %s", name);
	fclose(file);
}

/* A folder with the files of the pages, and another one. @return its path, freed by the caller */
static char *make_folder(const char *name)
{
	static const char *const files[] = {
		"index.html", "app.js", "enter.js", "app.css", "icon.svg", "secret.txt"};
	char *folder = temporary_path(name);

	if (mkdir(folder, 0700) == 0)
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			write_file(folder, files[i]);
	return folder;
}

static void begin_server(void)
{
	_autofree_ char *folder = make_folder("web");

	server = (struct server){.descriptors = PLACES_LIMIT};
	server.options.hosts = &hosts;
	check(assets_create(&server.assets, folder, NULL) == 0);
}

static void end_server(void)
{
	while (server.clients)
		remove_client(&server, server.clients);
	assets_destroy(server.assets);
}

static void ask(struct client *client, const char *request)
{
	expect(receive(&server, client, request, strlen(request)) == 0);
	expect(flush(&server, client) == 0);
}

/* All that was sent since the last time, freed by the caller. */
static char *take_sent(struct client *client)
{
	struct lws *wsi = client->wsi;
	char *text = strndup((const char *)wsi->sent.data + wsi->read_bytes,
		wsi->sent.size_bytes - wsi->read_bytes);

	check(text != NULL);
	wsi->read_bytes = wsi->sent.size_bytes;
	return text;
}

static bool begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), ended = strlen(end);

	return size >= ended && strcmp(text + size - ended, end) == 0;
}

/* ---- files ---- */

static void every_page_is_one_document_and_no_other_file_is_served(void)
{
	static const char *const pages[] = {"/", "/live", "/moderate", "/library", "/replay"};
	static const char *const none[] = {"", "app.js", "//app.js", "/app.js/", "/APP.js",
		"/live/", "/secret.txt", "/../secret.txt", "/web/app.js", "/index.html/.."};
	const struct asset *script;

	begin_server();
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		const struct asset *page = assets_find(server.assets, pages[i]);

		check(page != NULL);
		expect(strcmp(page->type, "text/html; charset=utf-8") == 0);
		expect(page == assets_find(server.assets, "/index.html"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		expect(!assets_find(server.assets, none[i]));
	script = assets_find(server.assets, "/app.js");
	check(script != NULL);
	expect(strcmp(script->type, "text/javascript; charset=utf-8") == 0);
	expect(script->size_bytes == strlen("this is app.js") &&
		memcmp(script->data, "this is app.js", script->size_bytes) == 0);
	end_server();
}

static void pages_that_are_missing_have_their_remedy(void)
{
	_autofree_ char *folder = make_folder("incomplete"), *path = NULL;
	struct assets *assets = NULL;
	struct error error = {""};

	check(asprintf(&path, "%s/app.css", folder) > 0);
	check(remove(path) == 0);
	expect(assets_create(&assets, folder, &error) == -ENOENT && !assets);
	expect(strstr(error.text, path) && strstr(error.text, "make"));
	expect(assets_create(&assets, "/nonexistent", &error) == -ENOENT && !assets);
}

/* ---- requests ---- */

static void a_request_may_come_byte_by_byte(void)
{
	_autofree_ char *sent = NULL;
	const char *request = GET("/app.css");
	struct client *client;

	begin_server();
	client = accept_client(&server);
	for (size_t i = 0; request[i]; i++) {
		expect(client->wsi->sent.size_bytes == 0);
		expect(receive(&server, client, request + i, 1) == 0);
		expect(flush(&server, client) == 0);
	}
	sent = take_sent(client);
	expect(begins_with(sent, "HTTP/1.1 200 ") && strstr(sent, "content-type: text/css"));
	expect(ends_with(sent, "\r\n\r\nthis is app.css"));
	expect(client->state == CLIENT_REQUEST);
	end_server();
}

static void requests_in_one_piece_are_answered_in_order(void)
{
	_autofree_ char *sent = NULL;
	struct client *client;
	const char *css, *script, *page;

	begin_server();
	client = accept_client(&server);
	ask(client, GET("/app.css") GET("/app.js") GET("/live"));
	sent = take_sent(client);
	css = strstr(sent, "this is app.css");
	script = strstr(sent, "this is app.js");
	page = strstr(sent, "this is index.html");
	expect(css && script && page && css < script && script < page);
	expect(client->state == CLIENT_REQUEST && !client->paused);
	end_server();
}

static void a_connection_that_closes_ends_after_its_answer(void)
{
	_autofree_ char *sent = NULL;
	struct client *client;

	begin_server();
	client = accept_client(&server);
	ask(client, "GET /app.css HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET("/app.js"));
	sent = take_sent(client);
	expect(ends_with(sent, "this is app.css") && client->state == CLIENT_ENDING);
	end_server();
}

static void refused_requests_end_their_connection(void)
{
	static const struct {
		const char *request, *status;
	} refused[] = {
		{GET("/secret.txt"), "404 "},
		{GET("/../secret.txt"), "404 "},
		{"POST / HTTP/1.1\r\n" HOST "\r\n", "405 "},
		{"HEAD / HTTP/1.1\r\n" HOST "\r\n", "405 "},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403 "},
		{"GET / HTTP/1.1\r\n\r\n", "403 "},
		{"GET / HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", "403 "},
		{"GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n", "400 "},
		{"GET / HTTP/2.0\r\n" HOST "\r\n", "400 "},
		{"\x16\x03\x01", "400 "}, /* TLS */
		{"get", "400 "},
	};

	begin_server();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct client *client = accept_client(&server);
		_autofree_ char *sent = NULL;

		ask(client, refused[i].request);
		sent = take_sent(client);
		expect(begins_with(sent, "HTTP/1.1 ") && begins_with(sent + 9, refused[i].status));
		expect(strstr(sent, "connection: close\r\n") && client->state == CLIENT_ENDING);
		expect(!strstr(sent, "this is "));
	}
	end_server();
}

static void a_head_beyond_its_limit_is_refused_before_its_end(void)
{
	_autofree_ char *cookie = calloc(1, HTTP_HEAD_LIMIT_BYTES + 1), *sent = NULL;
	struct client *client;

	check(cookie != NULL);
	memset(cookie, 'a', HTTP_HEAD_LIMIT_BYTES);
	begin_server();
	client = accept_client(&server);
	ask(client, "GET / HTTP/1.1\r\n" HOST "Cookie: ");
	expect(client->state == CLIENT_REQUEST);
	ask(client, cookie);
	sent = take_sent(client);
	expect(begins_with(sent, "HTTP/1.1 431 ") && client->input.capacity_bytes == 0);
	end_server();
}

static void more_requests_than_a_page_needs_are_refused(void)
{
	struct client *client;
	unsigned answered = 0;

	begin_server();
	client = accept_client(&server);
	for (; answered < 1000; answered++) {
		_autofree_ char *sent = NULL;

		ask(client, GET("/icon.svg"));
		sent = take_sent(client);
		if (!begins_with(sent, "HTTP/1.1 200 ")) {
			expect(begins_with(sent, "HTTP/1.1 429 "));
			break;
		}
	}
	expect(answered >= 20 && answered <= 200);
	end_server();
}

static void answers_wait_for_their_share_of_the_rate(void)
{
	struct client *client;

	begin_server();
	client = accept_client(&server);
	server.answers = (struct rate){.used = 16 * 1024 * 1024, .time_ns = present_ns};
	ask(client, GET("/app.js"));
	expect(client->wsi->sent.size_bytes == 0 && client->state == CLIENT_REPLY);
	/* and go on by themselves, although the socket was writable all the time */
	pass(1);
	places_tick(&server, present_ns);
	expect(flush(&server, client) == 0);
	expect(client->wsi->sent.size_bytes > 0 && client->state == CLIENT_REQUEST);
	end_server();
}

/* ---- WebSockets ---- */

static void a_websocket_needs_a_handshake_and_an_own_page(void)
{
	_autofree_ char *sent = NULL, *foreign = NULL;
	struct client *client, *other;

	begin_server();
	client = accept_client(&server);
	ask(client, HANDSHAKE);
	sent = take_sent(client);
	expect(begins_with(sent, "HTTP/1.1 101 "));
	expect(strstr(sent, "sec-websocket-accept: accepted dGhlIHNhbXBsZSBub25j\r\n"));
	expect(strstr(sent, "sec-websocket-protocol: uxrec.v1\r\n"));
	expect(client->state == CLIENT_SILENT);
	other = accept_client(&server);
	ask(other,
		"GET /live HTTP/1.1\r\nOrigin: http://localhost:3000\r\n" HOST
		"Upgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: uxrec.v1\r\n\r\n");
	foreign = take_sent(other);
	expect(begins_with(foreign, "HTTP/1.1 403 ") && other->state == CLIENT_ENDING);
	end_server();
}

static void frames_that_come_with_the_handshake_are_read(void)
{
	_autofree_ char *request = NULL;
	struct client *client;

	begin_server();
	client = accept_client(&server);
	/* a text message, which ends the connection */
	check(asprintf(&request, "%s\x81\x81maskx", HANDSHAKE) > 0);
	ask(client, request);
	expect(client->state == CLIENT_ENDING && !client->peer);
	end_server();
}

static const struct test tests[] = {
	{"every page is one document, and no other file is served",
		every_page_is_one_document_and_no_other_file_is_served},
	{"missing pages are an error with its remedy", pages_that_are_missing_have_their_remedy},
	{"a request may come byte by byte", a_request_may_come_byte_by_byte},
	{"requests in one piece are answered in order",
		requests_in_one_piece_are_answered_in_order},
	{"a connection with \"close\" ends after its answer",
		a_connection_that_closes_ends_after_its_answer},
	{"refused requests end their connection", refused_requests_end_their_connection},
	{"a head beyond 32 KiB is refused before its end",
		a_head_beyond_its_limit_is_refused_before_its_end},
	{"more requests than a page needs are answered with 429",
		more_requests_than_a_page_needs_are_refused},
	{"answers beyond the rate of all wait, and are sent later",
		answers_wait_for_their_share_of_the_rate},
	{"a WebSocket needs a whole handshake from an own page",
		a_websocket_needs_a_handshake_and_an_own_page},
	{"frames that come with the handshake are read",
		frames_that_come_with_the_handshake_are_read},
};

int main(void)
{
	has_still_clock = true;
	return RUN_TESTS("pages", tests);
}

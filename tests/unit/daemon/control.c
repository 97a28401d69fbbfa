/* The control socket: framing of untrusted bytes, its bounds, and the requests that it answers itself. */

#include "tests/harness/helpers.h"

#include "daemon/station/control.h"
#include "protocol/base/buf.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/local.h"
#include "protocol/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static const struct principal moderator = {
	UXREC__ROLE__ROLE_MODERATOR, "moderator", "00112233445566778899aabbccddeeff", true, ""};

/* ---- the station: every request succeeds, and a Stop changes its state ---- */

static unsigned asked, changes;
static bool waits; /* the station answers later */
static struct station_request *waiting;
static uint64_t asked_last;

void station_handle(struct station *station, struct station_request *request)
{
	(void)station;
	expect(request->principal == &moderator);
	asked++;
	asked_last = request->message->request;
	if (waits) {
		waiting = request;
		return;
	}
	request->answered(request, reply_done(request->message->request, ""),
		request->message->body_case == UXREC__CLIENT_MESSAGE__BODY_STOP);
}

/* ---- the socket ---- */

struct lab {
	sd_event *event;
	struct keyring *keyring;
	struct control *control;
	char *path;
};

static void count_change(void *user, const Uxrec__ClientMessage *message)
{
	(void)user;
	expect(message->body_case == UXREC__CLIENT_MESSAGE__BODY_STOP);
	changes++;
}

static int make_link(
	void *user, const char *page, char ret[CONTROL_LINK_BYTES], struct error *reterr)
{
	(void)user;
	if (strcmp(page, "live") != 0)
		return error_set(reterr, -EINVAL, "there is no such page");
	snprintf(ret, CONTROL_LINK_BYTES, "http://localhost/live#ticket");
	return 0;
}

static int listen_in(struct lab *lab, struct control **ret, struct error *reterr)
{
	return control_create(ret, lab->event,
		&(struct control_options){.path = lab->path,
			.principal = &moderator,
			.keyring = lab->keyring,
			.changed = count_change,
			.make_link = make_link},
		reterr);
}

static void begin_lab(struct lab *lab, const char *name)
{
	_autofree_ char *folder = temporary_path(name);

	asked = changes = 0;
	*lab = (struct lab){0};
	check(asprintf(&lab->path, "%s/control", folder) > 0);
	check(sd_event_new(&lab->event) >= 0);
	check(keyring_create(&lab->keyring, NULL, NULL, NULL) == 0);
	check(listen_in(lab, &lab->control, NULL) == 0);
}

static void end_lab(struct lab *lab)
{
	control_destroy(lab->control);
	keyring_destroy(lab->keyring);
	sd_event_unref(lab->event);
	free(lab->path);
}

/* Have the control socket do all that is to be done. */
static void run(struct lab *lab)
{
	while (sd_event_run(lab->event, 0) > 0)
		;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	check(fd >= 0);
	return fd;
}

static int open_client(struct lab *lab)
{
	struct sockaddr_un address;
	int fd = new_socket();

	check(local_address(&address, lab->path, NULL) == 0);
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	run(lab);
	return fd;
}

static void send_bytes(struct lab *lab, int fd, const void *data, size_t size)
{
	check(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	run(lab);
}

/* @return the record of a message, freed by the caller */
static struct packet *record_of(Uxrec__ClientMessage *message)
{
	struct packet *packet;

	check(packet_create_record_message(&packet, MCAP_PRIVATE, &message->base) == 0);
	return packet;
}

/* A request for the status. */
static struct packet *status_record(uint64_t request)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__GetStatus get = UXREC__GET_STATUS__INIT;

	message.request = request;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_GET_STATUS;
	message.get_status = &get;
	return record_of(&message);
}

static Uxrec__ServerMessage *read_answer(int fd)
{
	unsigned char head[MCAP_RECORD_HEADER_BYTES], content[4096];
	size_t size;

	if (recv(fd, head, sizeof(head), 0) != sizeof(head))
		return NULL;
	size = (size_t)le_load(head + 1, 8);
	check(head[0] == MCAP_PRIVATE && size <= sizeof(content));
	check(recv(fd, content, size, 0) == (ssize_t)size);
	return uxrec__server_message__unpack(NULL, size, content);
}

static void message_free(Uxrec__ServerMessage **message)
{
	if (*message)
		uxrec__server_message__free_unpacked(*message, NULL);
}
#define _message_free_ _cleanup_(message_free)

/* @return the request of the next answer, 0 without one */
static uint64_t answered(int fd)
{
	_message_free_ Uxrec__ServerMessage *message = read_answer(fd);

	return message ? message->request : 0;
}

/* @return the code of the next answer, a failure to the request; 0 when it is none */
static int failed(int fd, uint64_t request)
{
	_message_free_ Uxrec__ServerMessage *message = read_answer(fd);

	return message && message->request == request &&
			message->body_case == UXREC__SERVER_MESSAGE__BODY_FAILURE
		? message->failure->code
		: 0;
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* ---- framing ---- */

static void a_message_may_come_byte_by_byte(void)
{
	_packet_unref_ struct packet *packet = status_record(5);
	struct lab lab;
	int fd;

	begin_lab(&lab, "bytes");
	fd = open_client(&lab);
	for (size_t i = 0; i < packet->size_bytes; i++) {
		expect(asked == 0);
		send_bytes(&lab, fd, packet->record + i, 1);
	}
	expect(asked == 1 && answered(fd) == 5 && answered(fd) == 0 && !is_closed(fd));
	close(fd);
	end_lab(&lab);
}

static void messages_in_one_write_are_answered_in_order(void)
{
	_cleanup_(buf_finish) struct buf all = {0};
	struct lab lab;
	int fd;

	begin_lab(&lab, "order");
	fd = open_client(&lab);
	for (uint64_t i = 1; i <= 20; i++) {
		_packet_unref_ struct packet *packet = status_record(i);

		buf_put(&all, packet->record, packet->size_bytes);
	}
	/* the last one without its end */
	send_bytes(&lab, fd, all.data, all.size_bytes - 1);
	for (uint64_t i = 1; i < 20; i++)
		expect(answered(fd) == i);
	expect(answered(fd) == 0);
	send_bytes(&lab, fd, all.data + all.size_bytes - 1, 1);
	expect(answered(fd) == 20 && asked == 20);
	close(fd);
	end_lab(&lab);
}

static void answer_waiting(struct lab *lab)
{
	struct station_request *request = waiting;

	waiting = NULL;
	request->answered(request, reply_done(request->message->request, ""), false);
	run(lab);
}

static void a_request_that_waits_holds_up_its_own_connection_alone(void)
{
	_packet_unref_ struct packet *first = status_record(1), *second = status_record(2);
	struct lab lab;
	int slow, other;

	begin_lab(&lab, "waits");
	slow = open_client(&lab);
	other = open_client(&lab);
	waits = true;
	send_bytes(&lab, slow, first->record, first->size_bytes);
	send_bytes(&lab, slow, second->record, second->size_bytes);
	waits = false;
	expect(asked == 1);
	send_bytes(&lab, other, second->record, second->size_bytes);
	expect(answered(other) == 2);
	answer_waiting(&lab);
	expect(asked == 3);
	expect(answered(slow) == 1 && answered(slow) == 2);
	close(slow);
	close(other);
	run(&lab);
	end_lab(&lab);
}

static void a_request_outlives_its_connection(void)
{
	_packet_unref_ struct packet *record = status_record(1);
	struct lab lab;
	int fds[33];

	begin_lab(&lab, "outlives");
	fds[0] = open_client(&lab);
	waits = true;
	send_bytes(&lab, fds[0], record->record, record->size_bytes);
	waits = false;
	/* the oldest of too many connections is closed */
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		fds[i] = open_client(&lab);
	answer_waiting(&lab);
	expect(answered(fds[0]) == 0);
	send_bytes(&lab, fds[1], record->record, record->size_bytes);
	expect(answered(fds[1]) == 1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	run(&lab);
	end_lab(&lab);
}

static void what_is_no_message_closes_its_connection_alone(void)
{
	static const unsigned char too_large[] = {0x80, 1, 0, 4, 0, 0, 0, 0, 0}; /* 256 KiB and 1 */
	static const unsigned char huge[] = {0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const unsigned char other[] = {0x05, 0, 0, 0, 0, 0, 0, 0, 0};
	static const unsigned char garbage[] = {0x80, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	static const struct {
		const unsigned char *data;
		size_t size;
	} inputs[] = {{too_large, sizeof(too_large)}, {huge, sizeof(huge)}, {other, sizeof(other)},
		{garbage, sizeof(garbage)}};
	_packet_unref_ struct packet *packet = status_record(7);
	struct lab lab;
	int fd;

	begin_lab(&lab, "garbage");
	fd = open_client(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		int bad = open_client(&lab);

		send_bytes(&lab, bad, inputs[i].data, inputs[i].size);
		expect(is_closed(bad));
		close(bad);
	}
	expect(asked == 0);
	send_bytes(&lab, fd, packet->record, packet->size_bytes);
	expect(answered(fd) == 7);
	close(fd);
	end_lab(&lab);
}

static void a_text_that_is_not_utf_8_is_refused_and_the_connection_stays(void)
{
	/* request 5, task_start{task: "\xff"} */
	static const unsigned char record[] = {
		0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0x08, 5, 0x82, 1, 3, 0x0a, 1, 0xff};
	struct lab lab;
	int fd;

	begin_lab(&lab, "utf8");
	fd = open_client(&lab);
	send_bytes(&lab, fd, record, sizeof(record));
	expect(failed(fd, 5) == EILSEQ && asked == 0 && !is_closed(fd));
	close(fd);
	end_lab(&lab);
}

static void a_name_with_control_characters_is_refused(void)
{
	_packet_unref_ struct packet *packet = NULL;
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Start start = UXREC__START__INIT;
	struct lab lab;
	int fd;

	begin_lab(&lab, "names");
	fd = open_client(&lab);
	start.participant = (char *)"P\x01 01";
	message.request = 6;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_START;
	message.start = &start;
	packet = record_of(&message);
	send_bytes(&lab, fd, packet->record, packet->size_bytes);
	expect(failed(fd, 6) == EINVAL && asked == 0 && !is_closed(fd));
	close(fd);
	end_lab(&lab);
}

static void a_connection_that_goes_in_a_message_disturbs_no_other(void)
{
	_packet_unref_ struct packet *packet = status_record(8);
	struct lab lab;
	int gone, fd;

	begin_lab(&lab, "gone");
	gone = open_client(&lab);
	fd = open_client(&lab);
	send_bytes(&lab, gone, packet->record, packet->size_bytes - 1);
	close(gone);
	send_bytes(&lab, fd, packet->record, packet->size_bytes);
	expect(answered(fd) == 8 && asked == 1);
	close(fd);
	end_lab(&lab);
}

/* ---- bounds ---- */

static void beyond_its_limit_the_oldest_connection_is_closed(void)
{
	_packet_unref_ struct packet *packet = status_record(9);
	int fds[33];
	struct lab lab;

	begin_lab(&lab, "many");
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open_client(&lab);
	expect(is_closed(fds[0]));
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++) {
		expect(!is_closed(fds[i]));
		send_bytes(&lab, fds[i], packet->record, packet->size_bytes);
		expect(answered(fds[i]) == 9);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	end_lab(&lab);
}

static void without_free_descriptors_a_command_is_still_answered(void)
{
	_packet_unref_ struct packet *packet = status_record(10);
	struct sockaddr_un address;
	struct rlimit limit, few;
	struct lab lab;
	int first, second, highest;

	begin_lab(&lab, "descriptors");
	check(local_address(&address, lab.path, NULL) == 0);
	first = new_socket();
	second = new_socket();
	highest = dup(second);
	check(highest >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(highest);
	few = limit;
	few.rlim_cur = (rlim_t)highest; /* all below it are in use */
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	/* by the spare one; then by that of the connection before */
	for (int i = 0; i < 2; i++) {
		int fd = i ? second : first;

		check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
		run(&lab);
		send_bytes(&lab, fd, packet->record, packet->size_bytes);
		expect(answered(fd) == 10);
	}
	expect(is_closed(first));
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(first);
	close(second);
	end_lab(&lab);
}

/* ---- requests ---- */

static void a_change_of_the_station_is_announced(void)
{
	_packet_unref_ struct packet *status = status_record(1), *stop = NULL;
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Stop body = UXREC__STOP__INIT;
	struct lab lab;
	int fd;

	begin_lab(&lab, "changes");
	fd = open_client(&lab);
	send_bytes(&lab, fd, status->record, status->size_bytes);
	expect(answered(fd) == 1 && changes == 0);
	message.request = 2;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_STOP;
	message.stop = &body;
	stop = record_of(&message);
	send_bytes(&lab, fd, stop->record, stop->size_bytes);
	expect(answered(fd) == 2 && changes == 1 && asked_last == 2);
	close(fd);
	end_lab(&lab);
}

static void links_to_pages_are_made_without_the_station(void)
{
	_message_free_ Uxrec__ServerMessage *answer = NULL;
	_packet_unref_ struct packet *good = NULL, *bad = NULL;
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__OpenPage open = UXREC__OPEN_PAGE__INIT;
	struct lab lab;
	int fd;

	begin_lab(&lab, "pages");
	fd = open_client(&lab);
	message.request = 3;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_OPEN_PAGE;
	message.open_page = &open;
	open.page = (char *)"live";
	good = record_of(&message);
	open.page = (char *)"attic";
	bad = record_of(&message);
	send_bytes(&lab, fd, good->record, good->size_bytes);
	answer = read_answer(fd);
	check(answer && answer->body_case == UXREC__SERVER_MESSAGE__BODY_PAGE_LINK);
	expect(strcmp(answer->page_link->link, "http://localhost/live#ticket") == 0);
	send_bytes(&lab, fd, bad->record, bad->size_bytes);
	expect(failed(fd, 3) == EINVAL && asked == 0);
	close(fd);
	end_lab(&lab);
}

static void links_are_listed_and_revoked_without_their_keys(void)
{
	_message_free_ Uxrec__ServerMessage *answer = NULL;
	_packet_unref_ struct packet *revoke = NULL, *unknown = NULL;
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__RevokeLinks which = UXREC__REVOKE_LINKS__INIT;
	unsigned revoked = 0;
	struct lab lab;
	int fd;

	begin_lab(&lab, "links");
	fd = open_client(&lab);
	message.request = 4;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_REVOKE_LINKS;
	message.revoke_links = &which;
	which.which = (char *)"observer";
	revoke = record_of(&message);
	which.which = (char *)"nobody";
	unknown = record_of(&message);
	send_bytes(&lab, fd, revoke->record, revoke->size_bytes);
	answer = read_answer(fd);
	check(answer && answer->body_case == UXREC__SERVER_MESSAGE__BODY_LINK_LIST);
	expect(answer->request == 4 && answer->link_list->n_links == 4);
	for (size_t i = 0; i < answer->link_list->n_links; i++)
		revoked += answer->link_list->links[i]->revoked_ns != 0;
	expect(revoked == 1);
	send_bytes(&lab, fd, unknown->record, unknown->size_bytes);
	expect(failed(fd, 4) != 0 && asked == 0);
	close(fd);
	end_lab(&lab);
}

/* ---- the socket's file ---- */

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

static void a_second_recorder_is_refused_and_a_killed_ones_socket_replaced(void)
{
	_destroy_(control) struct control *second = NULL;
	struct sockaddr_un address;
	struct error error = {""};
	struct lab lab;
	int fd;

	begin_lab(&lab, "stale");
	expect(listen_in(&lab, &second, &error) == -EADDRINUSE && !second);
	expect(strstr(error.text, lab.path) && exists(lab.path));
	control_destroy(lab.control);
	lab.control = NULL;
	expect(!exists(lab.path));
	/* a socket on which nobody listens */
	fd = new_socket();
	check(local_address(&address, lab.path, NULL) == 0);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
	expect(listen_in(&lab, &lab.control, NULL) == 0);
	end_lab(&lab);
}

static void a_file_in_its_place_is_left_alone(void)
{
	struct control *second = NULL;
	struct error error = {""};
	struct lab lab;
	int fd;

	begin_lab(&lab, "file");
	control_destroy(lab.control);
	lab.control = NULL;
	fd = open(lab.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0);
	close(fd);
	expect(listen_in(&lab, &second, &error) == -EEXIST && exists(lab.path));
	expect(strstr(error.text, "is not a socket"));
	end_lab(&lab);
}

static const struct test tests[] = {
	{"a message may come byte by byte", a_message_may_come_byte_by_byte},
	{"messages in one write are answered in order",
		messages_in_one_write_are_answered_in_order},
	{"a request that waits holds up its own connection alone",
		a_request_that_waits_holds_up_its_own_connection_alone},
	{"a request outlives its connection", a_request_outlives_its_connection},
	{"garbage and too large frames close their connection alone",
		what_is_no_message_closes_its_connection_alone},
	{"a text that is not UTF-8 is refused, and the connection stays",
		a_text_that_is_not_utf_8_is_refused_and_the_connection_stays},
	{"a name with control characters is refused", a_name_with_control_characters_is_refused},
	{"a connection that is gone within a message disturbs no other",
		a_connection_that_goes_in_a_message_disturbs_no_other},
	{"beyond 32 connections the oldest is closed",
		beyond_its_limit_the_oldest_connection_is_closed},
	{"a command is answered without free descriptors",
		without_free_descriptors_a_command_is_still_answered},
	{"a change of the station's state is announced, and no other request",
		a_change_of_the_station_is_announced},
	{"links to pages are made without the station",
		links_to_pages_are_made_without_the_station},
	{"links are listed and revoked, without their keys",
		links_are_listed_and_revoked_without_their_keys},
	{"a second recorder is refused, and a killed one's socket replaced",
		a_second_recorder_is_refused_and_a_killed_ones_socket_replaced},
	{"a file in the socket's place is left alone", a_file_in_its_place_is_left_alone},
};

int main(void)
{
	return RUN_TESTS("control socket", tests);
}

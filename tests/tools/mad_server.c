/*
 * Stands in for uxrec-server. Its fault is the first of the hosts in its setup; the second one is a key. After its fault
 * it waits for the end, unless that is the fault.
 */

#include "protocol/feed.pb-c.h"
#include "protocol/os/io.h"
#include "protocol/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t first; /* the number before that of the first connection */

static void say(Uxrec__FromServer__BodyCase body, void *content)
{
	Uxrec__FromServer message = UXREC__FROM_SERVER__INIT;

	message.body_case = body;
	message.alive = content;
	if (wire_send(0, &message.base) < 0)
		_exit(9);
}

static void say_alive(void)
{
	Uxrec__FromServer__Alive alive = UXREC__FROM_SERVER__ALIVE__INIT;

	say(UXREC__FROM_SERVER__BODY_ALIVE, &alive);
}

static void ask_admission(uint64_t connection, const char *key)
{
	Uxrec__FromServer__Admit admit = UXREC__FROM_SERVER__ADMIT__INIT;
	Uxrec__Hello hello = UXREC__HELLO__INIT;

	hello.token = (char *)key;
	hello.name = (char *)"Ana";
	admit.connection = first + connection;
	admit.hello = &hello;
	say(UXREC__FROM_SERVER__BODY_ADMIT, &admit);
}

static void request(uint64_t connection, Uxrec__ClientMessage__BodyCase body)
{
	Uxrec__FromServer__Request request = UXREC__FROM_SERVER__REQUEST__INIT;
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__GetStatus status = UXREC__GET_STATUS__INIT;
	Uxrec__Stop stop = UXREC__STOP__INIT;

	message.request = 7;
	message.body_case = body;
	if (body == UXREC__CLIENT_MESSAGE__BODY_STOP)
		message.stop = &stop;
	else
		message.get_status = &status;
	request.connection = first + connection;
	request.message = &message;
	say(UXREC__FROM_SERVER__BODY_REQUEST, &request);
}

static void watch(uint64_t connection)
{
	Uxrec__FromServer__Watch watch = UXREC__FROM_SERVER__WATCH__INIT;

	watch.connection = first + connection;
	watch.epoch = 1;
	watch.keyframe = true;
	say(UXREC__FROM_SERVER__BODY_WATCH, &watch);
}

static void end_process(pid_t process)
{
	Uxrec__FromServer__EndWorker end = UXREC__FROM_SERVER__END_WORKER__INIT;

	end.pid = (uint32_t)process;
	say(UXREC__FROM_SERVER__BODY_END_WORKER, &end);
}

static void write_bytes(const void *bytes, size_t size)
{
	if (io_write_all(0, bytes, size) < 0)
		_exit(9);
}

static void read_all(void)
{
	char bytes[4096];

	while (read(0, bytes, sizeof(bytes)) > 0)
		;
	_exit(0);
}

static void fail(const char *fault, const char *key)
{
	static const unsigned char long_record[9] = {0x80, 255, 255, 255, 255, 0, 0, 0, 0};
	static const unsigned char half_record[12] = {0x80, 200, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3};

	if (strcmp(fault, "ends") == 0)
		_exit(3);
	if (strcmp(fault, "never-serves") == 0)
		read_all();
	say_alive();
	if (strcmp(fault, "crashes") == 0)
		raise(SIGSEGV);
	if (strcmp(fault, "nonsense") == 0)
		write_bytes("nonsense, and more of it", 24);
	if (strcmp(fault, "too-long") == 0)
		write_bytes(long_record, sizeof(long_record));
	if (strcmp(fault, "half") == 0) {
		write_bytes(half_record, sizeof(half_record));
		_exit(0);
	}
	for (uint64_t i = 1; strcmp(fault, "floods") == 0; i++)
		say_alive();
	for (uint64_t i = 1; strcmp(fault, "admits") == 0; i++)
		ask_admission(i, key);
	if (strcmp(fault, "admits-others") == 0) {
		first = 0;
		ask_admission(1, key);
	}
	if (strcmp(fault, "admits-twice") == 0) {
		ask_admission(1, key);
		ask_admission(1, key);
	}
	if (strcmp(fault, "deaf") == 0)
		for (;;)
			pause();
	if (strcmp(fault, "guesses") == 0)
		for (uint64_t i = 1; i <= 50; i++) {
			ask_admission(i, "00112233445566778899aabbccddeeff");
			request(i, UXREC__CLIENT_MESSAGE__BODY_STOP);
			watch(i);
		}
	if (strcmp(fault, "steers") == 0) {
		ask_admission(1, key);
		request(1, UXREC__CLIENT_MESSAGE__BODY_STOP);
		request(2, UXREC__CLIENT_MESSAGE__BODY_STOP);
		request(1, UXREC__CLIENT_MESSAGE__BODY_GET_STATUS);
	}
	if (strcmp(fault, "insists") == 0) {
		ask_admission(1, key);
		for (unsigned i = 0; i < 200; i++)
			request(1, UXREC__CLIENT_MESSAGE__BODY_STOP);
		request(1, UXREC__CLIENT_MESSAGE__BODY_GET_STATUS);
	}
	if (strcmp(fault, "kills") == 0) {
		ask_admission(1, key);
		end_process(1);
		end_process(getppid());
		end_process(getpid());
		request(1, UXREC__CLIENT_MESSAGE__BODY_GET_STATUS);
	}
	read_all();
}

int main(void)
{
	char bytes[65536];
	ssize_t n = read(0, bytes, sizeof(bytes));
	Uxrec__ToServer *message = n > 9
		? uxrec__to_server__unpack(NULL, (size_t)n - 9, (unsigned char *)bytes + 9)
		: NULL;

	if (!message || message->body_case != UXREC__TO_SERVER__BODY_SETUP ||
		message->setup->n_hosts != 2)
		return 8;
	first = message->setup->connections;
	fail(message->setup->hosts[0], message->setup->hosts[1]);
	return 0;
}

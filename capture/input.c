#include "capture/input.h"

#include "capture/inputd_protocol.h"
#include "capture/layout.h"
#include "protocol/base/clock.h"
#include "protocol/base/local.h"
#include "protocol/base/log.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define START_TIMEOUT_MS 5000

/* Room for what is said while the recorder is busy: half a second of an 8 kHz mouse. */
#define SOCKET_BYTES (1024 * 1024)

struct input_source {
	struct source base;
	struct source_context context;
	enum key_policy keys;
	bool shortcuts;
	pthread_t thread;
	int fd;
	pid_t child;
	_Atomic bool stop;
	char description[128];
};

static struct input_source *input(struct source *source)
{
	return (struct input_source *)source;
}

/* A channel that the policy does not allow is a fault of the helper: nothing of it is taken. */
static bool channel_is_allowed(const struct input_source *source, uint32_t channel)
{
	switch (channel) {
	case CHANNEL_INPUT_DEVICES:
	case CHANNEL_CONTROLS:
	case CHANNEL_KEY_POLICY:
	case CHANNEL_GAPS: return true;
	case CHANNEL_KEY_COUNTS: return source->keys >= KEY_POLICY_COUNTS;
	case CHANNEL_KEY_CLASSES: return source->keys >= KEY_POLICY_CLASSES;
	case CHANNEL_SHORTCUTS: return source->shortcuts;
	case CHANNEL_KEYS: return source->keys == KEY_POLICY_FULL;
	default: return false;
	}
}

/* Gaps hold times in their body; the helper knows only CLOCK_MONOTONIC. */
static int create_gap(struct packet **ret, struct input_source *source,
	const struct packet_info *info, const void *data, size_t size_bytes)
{
	Uxrec__Gap *gap = uxrec__gap__unpack(NULL, size_bytes, data);
	int r;

	if (!gap)
		return -EBADMSG;
	gap->from_ns = session_clock_at(source->context.clock, gap->from_ns);
	gap->to_ns = session_clock_at(source->context.clock, gap->to_ns);
	r = packet_create(ret, source->context.clock, info, &gap->base);
	uxrec__gap__free_unpacked(gap, NULL);
	return r;
}

/* @return 0, or -EPROTO when the helper does what it must not */
static int take_packet(struct input_source *source, const struct inputd_header *header,
	const unsigned char *data, size_t size_bytes)
{
	struct packet_info info = {(uint16_t)header->channel, 0, header->time_ns, clock_now_ns()};
	struct packet *packet;
	int r;

	if (!channel_is_allowed(source, header->channel))
		return -EPROTO;
	r = header->channel == CHANNEL_GAPS
		? create_gap(&packet, source, &info, data, size_bytes)
		: packet_create_data(&packet, source->context.clock, &info, data, size_bytes);
	if (r == 0)
		source->context.sink->push(source->context.sink, packet);
	return r;
}

static void copy_text(char *to, size_t room, const unsigned char *data, size_t size_bytes)
{
	size_t n = size_bytes < room - 1 ? size_bytes : room - 1;

	memcpy(to, data, n);
	to[n] = '\0';
}

/* @return 1 for a message, 0 when the helper has ended, or a negative errno */
static int receive(struct input_source *source, unsigned char *data, size_t *ret_size,
	struct inputd_header *ret_header)
{
	struct iovec parts[2] = {
		{ret_header, sizeof(*ret_header)},
		{data, INPUTD_MESSAGE_LIMIT_BYTES},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;

	do
		n = recvmsg(source->fd, &message, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if ((size_t)n < sizeof(*ret_header) || (message.msg_flags & MSG_TRUNC))
		return -EPROTO;
	*ret_size = (size_t)n - sizeof(*ret_header);
	return 1;
}

static void *input_thread(void *user)
{
	struct input_source *source = user;
	unsigned char *data = malloc(INPUTD_MESSAGE_LIMIT_BYTES);
	char reason[sizeof(((struct error *)0)->text)] = "uxrec-inputd has ended";
	int r = data ? 1 : -ENOMEM;

	pthread_setname_np(pthread_self(), "uxrec-input");
	while (r > 0) {
		struct inputd_header header;
		size_t size;

		r = receive(source, data, &size, &header);
		if (r > 0 && header.kind == INPUTD_FAILED)
			copy_text(reason, sizeof(reason), data, size);
		else if (r > 0 && header.kind == INPUTD_PACKET &&
			take_packet(source, &header, data, size) < 0)
			r = -EPROTO;
	}
	if (r < 0)
		snprintf(reason, sizeof(reason), "uxrec-inputd: %s", strerror(-r));
	if (!source->stop)
		source->context.lost(source->context.user, &source->base, reason);
	free(data);
	return NULL;
}

static int spawn(struct input_source *source, const struct input_options *options, int child_fd,
	struct error *reterr)
{
	char *arguments[] = {(char *)options->helper, (char *)"--source", (char *)options->source,
		options->display ? (char *)"--display" : NULL, (char *)options->display, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, child_fd, INPUTD_SOCKET_FD);
	posix_spawnattr_init(&attributes);
	/* a group of its own: Ctrl-C in the terminal must reach it through us, after the stop */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	r = posix_spawn(&source->child, options->helper, &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r != 0) {
		source->child = 0;
		return error_set(reterr, -r, "cannot start %s: %s", options->helper, strerror(r));
	}
	return 0;
}

/* ---- what is asked ---- */

static int ask(struct input_source *source, const struct inputd_request *request)
{
	ssize_t n;

	do
		n = send(source->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int ask_start(struct input_source *source, const struct input_options *options)
{
	struct inputd_request request = {
		.version = INPUTD_VERSION,
		.ask = INPUTD_START,
		.keys = options->keys,
		.flags = (options->shortcuts ? INPUTD_SHORTCUTS : 0) |
			(options->passwords_watched ? INPUTD_HOLD : 0),
	};

	if (strlen(options->consent_id) >= sizeof(request.consent) ||
		(options->devices && strlen(options->devices) >= sizeof(request.devices)))
		return -EINVAL;
	strcpy(request.consent, options->consent_id);
	if (options->devices)
		strcpy(request.devices, options->devices);
	return ask(source, &request);
}

void input_source_set_keys(
	struct source *base, enum key_policy keys, Uxrec__KeyPolicy__Reason reason)
{
	struct input_source *source = input(base);
	const struct inputd_request request = {
		.version = INPUTD_VERSION,
		.ask = INPUTD_KEYS,
		.keys = keys,
		.reason = reason,
	};
	int r = ask(source, &request);

	/* a helper that does not hear this must not go on: it would say what it must not */
	if (r < 0 && keys < source->keys)
		shutdown(source->fd, SHUT_RDWR);
}

/* Take messages until the helper has said that it reads, or that it cannot. */
static int await_ready(struct input_source *source, struct error *reterr)
{
	_autofree_ unsigned char *data = malloc(INPUTD_MESSAGE_LIMIT_BYTES);
	int64_t deadline_ns = clock_now_ns() + START_TIMEOUT_MS * NS_PER_MS;

	if (!data)
		return -ENOMEM;
	for (;;) {
		struct pollfd readable = {.fd = source->fd, .events = POLLIN};
		int64_t left_ms = (deadline_ns - clock_now_ns()) / NS_PER_MS;
		struct inputd_header header;
		size_t size;
		int r;

		if (left_ms <= 0 || poll(&readable, 1, (int)left_ms) <= 0)
			return error_set(reterr, -ETIMEDOUT, "uxrec-inputd does not answer");
		r = receive(source, data, &size, &header);
		if (r == 0)
			return error_set(
				reterr, -EPIPE, "uxrec-inputd ended before it could read anything");
		if (r < 0)
			return error_set(reterr, r, "uxrec-inputd: %s", strerror(-r));
		if (header.kind == INPUTD_READY) {
			copy_text(source->description, sizeof(source->description), data, size);
			return 0;
		}
		if (header.kind == INPUTD_FAILED) {
			char text[sizeof(reterr->text)];

			copy_text(text, sizeof(text), data, size);
			return error_set(
				reterr, header.error < 0 ? header.error : -EIO, "%s", text);
		}
		r = take_packet(source, &header, data, size);
		if (r < 0)
			return error_set(reterr, r, "uxrec-inputd: %s", strerror(-r));
	}
}

static void cut_off(void *user)
{
	struct input_source *source = user;

	if (source->child > 0)
		kill(source->child, SIGKILL);
	else
		shutdown(source->fd, SHUT_RDWR);
}

static void input_destroy(struct source *base)
{
	struct input_source *source = input(base);

	source->stop = true;
	/* the helper sees its socket close for reading, sends what it holds, and ends */
	if (source->fd >= 0)
		shutdown(source->fd, SHUT_WR);
	if (source->thread)
		source_join(source->thread, cut_off, source);
	if (source->fd >= 0)
		close(source->fd);
	if (source->child > 0) {
		int status;

		for (int tries = 0; waitpid(source->child, &status, WNOHANG) == 0; tries++) {
			if (tries == 100)
				kill(source->child, SIGKILL);
			clock_nanosleep(CLOCK_MONOTONIC, 0,
				&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
		}
	}
	free(source);
}

static const struct source_ops input_source_ops = {
	.name = "input",
	.destroy = input_destroy,
};

const char *input_source_describe(const struct source *source)
{
	return ((const struct input_source *)source)->description;
}

/* ---- where uxrec-inputd is ---- */

static int connect_service(struct input_source *source, const char *path, struct error *reterr)
{
	struct error why;

	source->fd = local_connect(path, SOCK_SEQPACKET, &why);
	if (source->fd == -EPERM)
		return error_set(reterr, -EPERM, "the uxrec-inputd service is not trusted (%s: %s)",
			path, why.text);
	if (source->fd < 0)
		return error_set(reterr, source->fd,
			"the uxrec-inputd service is not there (%s: %s): install it, and say "
			"systemctl start uxrec-inputd.socket",
			path, why.text);
	return 0;
}

static int start_child(
	struct input_source *source, const struct input_options *options, struct error *reterr)
{
	int pair[2], room = SOCKET_BYTES, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(reterr, -errno, "no socket: %s", strerror(errno));
	source->fd = pair[0];
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	r = spawn(source, options, pair[1], reterr);
	close(pair[1]);
	return r;
}

/* @param service  path of its socket; NULL: a child */
static int create(struct source **ret, const struct source_context *context,
	const struct input_options *options, const char *service, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct input_source));
	struct input_source *source = input(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &input_source_ops;
	source->context = *context;
	source->keys = options->keys;
	source->shortcuts = options->shortcuts;
	source->fd = -1;
	r = service ? connect_service(source, service, reterr)
		    : start_child(source, options, reterr);
	if (r == 0) {
		r = ask_start(source, options);
		/* who has closed already has said why */
		if (r == -EPIPE || r == -ECONNRESET)
			r = 0;
		if (r < 0)
			error_set(reterr, r, "cannot talk to uxrec-inputd: %s", strerror(-r));
	}
	if (r == 0)
		r = await_ready(source, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&source->thread, NULL, input_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = steal_ptr(base);
	return 0;
}

int input_source_create(struct source **ret, const struct source_context *context,
	const struct input_options *options, struct error *reterr)
{
	const char *wanted = options->source;
	int64_t from_ns = clock_now_ns(); /* keys are named by what is there before them */
	struct error refusal;
	int r;

	if (options->keys == KEY_POLICY_FULL && !*options->consent_id)
		return error_set(reterr, -EACCES,
			"recording which keys are pressed needs a consent act for it");
	if (strncmp(wanted, "service", 7) == 0)
		r = create(
			ret, context, options, wanted[7] ? wanted + 8 : INPUTD_SOCKET_PATH, reterr);
	else if (strcmp(wanted, "auto") != 0 || access(INPUTD_SOCKET_PATH, F_OK) < 0)
		r = create(ret, context, options, NULL, reterr);
	else if ((r = create(ret, context, options, INPUTD_SOCKET_PATH, &refusal)) < 0) {
		log_warning("the uxrec-inputd service: %s", refusal.text);
		r = create(ret, context, options, NULL, reterr);
	}
	if (r == 0)
		layout_record(context, options->display,
			options->keys == KEY_POLICY_FULL ||
				(options->shortcuts && options->keys == KEY_POLICY_CLASSES),
			from_ns);
	return r;
}

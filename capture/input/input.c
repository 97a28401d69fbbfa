#include "capture/input/input.h"

#include "capture/input/helper.h"
#include "capture/input/layout.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/session.pb-c.h"
#include "protocol/base/utf8.h"
#include "protocol/schema.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Generous, for a machine short of everything: a failed start is worse than a slow one. */
#define START_TIMEOUT_MS 15000

/* Heartbeat interval for a silent helper, and the answer timeout after which it counts as hung. */
#define PING_NS NS_PER_S
#define HANG_NS (5 * NS_PER_S)

/* Restarts of the helper. One that has lived for a minute resets the count of tries; after RESTART_TRIES without that
 * it is not restarted any more. */
static const struct backoff restarts = {NS_PER_S / 4, 15 * NS_PER_S};
#define RESTART_TRIES 20
#define LIVED_NS      (60 * NS_PER_S)

struct input_source {
	struct source base;
	struct source_context context;
	struct input_options options;
	char *service; /* path of the service's socket; NULL: a child */
	struct layout *layout;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop;
	char description[128];

	pthread_mutex_t lock; /* guards the fields below, which other threads use as well */
	struct input_helper helper;
	bool keys_set; /* input_source_set_keys() was called */
	enum key_policy keys;
	Uxrec__KeyPolicy__Reason reason;
	uint32_t level_keys;

	/* input thread only */
	int64_t alive_ns;   /* last message from the helper */
	int64_t pinged_ns;  /* since when an answer is pending; 0: none */
	int64_t started_ns; /* start of reading */
	bool hangs;         /* the hang has been warned of */
	unsigned tries;     /* restarts since a helper lived for LIVED_NS */
};

static struct input_source *input(struct source *source)
{
	return (struct input_source *)source;
}

/* A channel that the policy does not allow is a fault of the helper: the packet is refused. */
static bool channel_is_allowed(const struct input_source *source, uint32_t channel)
{
	switch (channel) {
	case CHANNEL_INPUT_DEVICES:
	case CHANNEL_CONTROLS:
	case CHANNEL_KEY_POLICY:
	case CHANNEL_GAPS: return true;
	case CHANNEL_KEY_COUNTS: return source->options.keys >= KEY_POLICY_COUNTS;
	case CHANNEL_KEY_CLASSES: return source->options.keys >= KEY_POLICY_CLASSES;
	case CHANNEL_SHORTCUTS: return source->options.shortcuts;
	case CHANNEL_KEYS: return source->options.keys == KEY_POLICY_FULL;
	default: return false;
	}
}

/* Gaps carry timestamps in their body; the helper knows only CLOCK_MONOTONIC. */
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

/* Device and layout names are untrusted, and the helper passes them on unchanged: packet_create() cleans them. */
static int create_named(struct packet **ret, struct input_source *source,
	const struct packet_info *info, const void *data, size_t size_bytes)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
		schema_message(channel_kind_get(info->channel)->schema), NULL, size_bytes, data);
	int r;

	if (!message)
		return -EBADMSG;
	r = packet_create(ret, source->context.clock, info, message);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

/* @return 0, or -EPROTO when the helper violates the policy */
static int handle_packet(struct input_source *source, const struct inputd_header *header,
	const unsigned char *data, size_t size_bytes)
{
	struct packet_info info = {(uint16_t)header->channel, 0, header->time_ns, clock_now_ns()};
	struct packet *packet;
	int r;

	if (!channel_is_allowed(source, header->channel))
		return -EPROTO;
	if (header->channel == CHANNEL_GAPS)
		r = create_gap(&packet, source, &info, data, size_bytes);
	else if (header->channel == CHANNEL_INPUT_DEVICES ||
		header->channel == CHANNEL_KEYBOARD_LAYOUT)
		r = create_named(&packet, source, &info, data, size_bytes);
	else
		r = packet_create_data(&packet, source->context.clock, &info, data, size_bytes);
	if (r == 0)
		source->context.sink->push(source->context.sink, packet);
	return r;
}

static void copy_text(char *to, size_t room, const unsigned char *data, size_t size_bytes)
{
	size_t n = size_bytes < room - 1 ? size_bytes : room - 1;

	memcpy(to, data, n);
	to[n] = '\0';
	if (n < size_bytes)
		utf8_trim(to);
	utf8_clean(to, true);
}

static void handle_ready(struct input_source *source, const unsigned char *data, size_t size_bytes)
{
	copy_text(source->description, sizeof(source->description), data, size_bytes);
	source->started_ns = source->alive_ns = clock_now_ns();
}

/*
 * Receive messages until the helper is ready or has failed.
 *
 * @param stop  NULL: not interruptible
 */
static int await_ready(struct input_source *source, unsigned char *data, const _Atomic bool *stop,
	struct error *reterr)
{
	int64_t deadline_ns = clock_now_ns() + START_TIMEOUT_MS * NS_PER_MS;

	for (;;) {
		struct pollfd fds[2] = {
			{.fd = source->helper.fd, .events = POLLIN},
			{.fd = stop ? source->wake_fd : -1, .events = POLLIN},
		};
		int64_t left_ms = (deadline_ns - clock_now_ns()) / NS_PER_MS;
		struct inputd_header header;
		size_t size;
		int r;

		if (left_ms <= 0 || poll(fds, 2, (int)left_ms) <= 0)
			return error_set(reterr, -ETIMEDOUT, "uxrec-inputd does not answer");
		if (stop && *stop)
			return -ECANCELED;
		if (!fds[0].revents)
			continue;
		r = input_helper_receive(&source->helper, data, &size, &header);
		if (r == 0)
			return error_set(
				reterr, -EPIPE, "uxrec-inputd exited before it could read input");
		if (r < 0)
			return error_set(reterr, r, "uxrec-inputd: %s", strerror(-r));
		if (header.kind == INPUTD_READY) {
			handle_ready(source, data, size);
			return 0;
		}
		if (header.kind == INPUTD_FAILED) {
			char text[sizeof(reterr->text)];

			copy_text(text, sizeof(text), data, size);
			return error_set(
				reterr, header.error < 0 ? header.error : -EIO, "%s", text);
		}
		r = header.kind == INPUTD_PACKET ? handle_packet(source, &header, data, size) : 0;
		if (r < 0)
			return error_set(reterr, r, "uxrec-inputd: %s", strerror(-r));
	}
}

/* ---- gaps and warnings ---- */

static void push_gap(struct input_source *source, int64_t from_ns, const char *detail)
{
	static const char *const topics[] = {"/input"};

	source_push_gap(&source->context,
		&(struct source_gap){
			.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST,
			.from_ns = from_ns,
			.to_ns = clock_now_ns(),
			.topics = topics,
			.topic_count = ARRAY_SIZE(topics),
			.detail = detail,
		});
}

/* @param reason  NULL: recording again, or given up */
static void warn(struct input_source *source, const char *reason)
{
	if (source->context.disconnected)
		source->context.disconnected(source->context.user, &source->base, reason);
}

static void end_hang(struct input_source *source)
{
	if (!source->hangs)
		return;
	source->hangs = false;
	push_gap(source, source->alive_ns,
		"uxrec-inputd did not answer; the input that it could read afterwards is recorded");
	warn(source, NULL);
}

/* ---- lifetime of the helper ---- */

static int send_request(struct input_source *source, enum inputd_request_type what)
{
	struct inputd_request request = {.version = INPUTD_VERSION, .type = what};
	int r;

	pthread_mutex_lock(&source->lock);
	request.keys = source->keys;
	request.reason = source->reason;
	request.level_keys = source->level_keys;
	r = input_helper_send(&source->helper, &request);
	pthread_mutex_unlock(&source->lock);
	return r;
}

static void note_alive(struct input_source *source)
{
	end_hang(source);
	source->alive_ns = clock_now_ns();
	source->pinged_ns = 0;
}

/* No message for PING_NS. */
static void ping(struct input_source *source)
{
	int64_t now_ns = clock_now_ns();

	if (!source->pinged_ns) {
		send_request(source, INPUTD_PING);
		source->pinged_ns = now_ns;
	}
	if (source->hangs || now_ns - source->pinged_ns < HANG_NS)
		return;
	source->hangs = true;
	warn(source, "uxrec-inputd does not answer: pause and resume to restart it");
}

/*
 * Receive messages until the helper ends or the source is to stop.
 *
 * @param ret_reason  set when the helper has given a reason: then do not restart it
 * @return 0 when the helper has ended, 1 when it has ended with a reason, or a negative errno
 */
static int receive_messages(
	struct input_source *source, unsigned char *data, struct error *ret_reason)
{
	/* while stopping, the helper still sends its pending packets */
	for (;;) {
		struct pollfd readable = {.fd = source->helper.fd, .events = POLLIN};
		struct inputd_header header;
		size_t size;
		int r = poll(&readable, 1, source->stop ? -1 : (int)(PING_NS / NS_PER_MS));

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			ping(source);
		if (r <= 0)
			continue;
		r = input_helper_receive(&source->helper, data, &size, &header);
		if (r <= 0)
			return r;
		note_alive(source);
		if (header.kind == INPUTD_FAILED) {
			copy_text(ret_reason->text, sizeof(ret_reason->text), data, size);
			return 1;
		}
		if (header.kind == INPUTD_PACKET && handle_packet(source, &header, data, size) < 0)
			return -EPROTO;
	}
}

/* @return 0 when the helper reads again, under the current policy */
static int start_helper(struct input_source *source, unsigned char *data)
{
	struct input_helper fresh;
	struct error error = {"uxrec-inputd could not be restarted"};
	uint32_t level_keys;
	bool keys_set;
	int r;

	pthread_mutex_lock(&source->lock);
	level_keys = source->level_keys;
	pthread_mutex_unlock(&source->lock);
	r = input_helper_start(&fresh, &source->options, source->service, level_keys, &error);
	if (r < 0)
		return r;
	pthread_mutex_lock(&source->lock);
	source->helper = fresh;
	keys_set = source->keys_set;
	pthread_mutex_unlock(&source->lock);
	r = await_ready(source, data, &source->stop, &error);
	/* the helper reports no keys before this request; without focus tracking, at the session's policy */
	if (r == 0 && keys_set)
		r = send_request(source, INPUTD_KEYS);
	if (r < 0 && r != -ECANCELED)
		log_warning("input: %s", error.text);
	return r;
}

static void end_helper(struct input_source *source)
{
	struct input_helper gone;

	pthread_mutex_lock(&source->lock);
	gone = source->helper;
	source->helper = (struct input_helper){.fd = -1};
	pthread_mutex_unlock(&source->lock);
	input_helper_end(&gone);
}

/* The helper has died. @return true when a new one reads */
static bool restart(struct input_source *source, unsigned char *data)
{
	int64_t from_ns = source->alive_ns;
	bool again = false;

	/* one warning and one gap cover both the hang and the end */
	if (source->hangs)
		warn(source, NULL);
	source->hangs = false;
	warn(source, "uxrec-inputd has exited; restarting it");
	if (clock_now_ns() - source->started_ns > LIVED_NS)
		source->tries = 0;
	while (!again && !source->stop && source->tries < RESTART_TRIES) {
		end_helper(source);
		source_sleep(source->wake_fd, &source->stop,
			clock_now_ns() + backoff_ns(&restarts, source->tries));
		source->tries++;
		again = !source->stop && start_helper(source, data) == 0;
	}
	if (!again && !source->stop) {
		warn(source, NULL);
		warn(source, "uxrec-inputd exits repeatedly and is not restarted");
		while (!source->stop)
			source_sleep(source->wake_fd, &source->stop, INT64_MAX);
	}
	push_gap(source, from_ns,
		again ? "uxrec-inputd exited and was restarted" : "uxrec-inputd exited");
	source->pinged_ns = 0;
	warn(source, NULL);
	return again;
}

static void *input_thread(void *user)
{
	struct input_source *source = user;
	unsigned char *data = malloc(INPUTD_MESSAGE_LIMIT_BYTES);
	struct error reason = {"uxrec-inputd has exited"};
	bool ended = false;
	int r = data ? 0 : -ENOMEM;

	pthread_setname_np(pthread_self(), "uxrec-input");
	while (r == 0 && !ended) {
		r = receive_messages(source, data, &reason);
		if (r == -ECONNRESET || r == -EPIPE)
			r = 0;
		if (r == 0)
			ended = source->stop || !restart(source, data);
	}
	if (r < 0)
		snprintf(reason.text, sizeof(reason.text), "uxrec-inputd: %s", strerror(-r));
	end_hang(source);
	if (!source->stop)
		source->context.failed(source->context.user, &source->base, reason.text);
	free(data);
	return NULL;
}

/* ---- requests ---- */

void input_source_set_keys(
	struct source *base, enum key_policy keys, Uxrec__KeyPolicy__Reason reason)
{
	struct input_source *source = input(base);
	bool stricter;

	pthread_mutex_lock(&source->lock);
	stricter = keys < (source->keys_set ? source->keys : source->options.keys);
	source->keys_set = true;
	source->keys = keys;
	source->reason = reason;
	pthread_mutex_unlock(&source->lock);
	if (source->layout)
		layout_set_muted(source->layout, keys == KEY_POLICY_NONE);
	/* a helper that cannot receive this must not go on: it would record forbidden keys */
	if (send_request(source, INPUTD_KEYS) < 0 && stricter) {
		pthread_mutex_lock(&source->lock);
		input_helper_abort(&source->helper);
		pthread_mutex_unlock(&source->lock);
	}
}

static void abort_helper(void *user)
{
	struct input_source *source = user;

	pthread_mutex_lock(&source->lock);
	input_helper_abort(&source->helper);
	pthread_mutex_unlock(&source->lock);
}

static void input_destroy(struct source *base)
{
	struct input_source *source = input(base);

	source->stop = true;
	layout_destroy(source->layout);
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	/* the helper sees its socket close for reading, sends its pending packets, and ends */
	pthread_mutex_lock(&source->lock);
	if (source->helper.fd >= 0)
		shutdown(source->helper.fd, SHUT_WR);
	pthread_mutex_unlock(&source->lock);
	if (source->thread)
		source_join(source->thread, abort_helper, source);
	input_helper_end(&source->helper);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	pthread_mutex_destroy(&source->lock);
	free(source->service);
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

/* ---- choice of the helper ---- */

static int start(struct input_source *source, struct error *reterr)
{
	_autofree_ unsigned char *data = malloc(INPUTD_MESSAGE_LIMIT_BYTES);
	int r;

	if (!data)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = input_helper_start(
		&source->helper, &source->options, source->service, source->level_keys, reterr);
	if (r == 0)
		r = await_ready(source, data, NULL, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&source->thread, NULL, input_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	return 0;
}

/* @param service  path of the service's socket; NULL: a child */
static int create(struct source **ret, const struct source_context *context,
	const struct input_options *options, const char *service, uint32_t level_keys,
	struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct input_source));
	struct input_source *source = input(base);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "out of memory");
	base->ops = &input_source_ops;
	source->context = *context;
	source->options = *options;
	source->helper.fd = -1;
	source->level_keys = level_keys;
	pthread_mutex_init(&source->lock, NULL);
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "cannot create an eventfd: %s", strerror(errno));
	if (service && !(source->service = strdup(service)))
		return error_set(reterr, -ENOMEM, "out of memory");
	r = start(source, reterr);
	if (r == 0)
		*ret = steal_ptr(base);
	return r;
}

/* Use the system service, or a child when there is no service or it refuses. */
static int create_wanted(struct source **ret, const struct source_context *context,
	const struct input_options *options, uint32_t level_keys, struct error *reterr)
{
	const char *wanted = options->source;
	struct error refusal;
	int r;

	if (strncmp(wanted, "service", 7) == 0)
		return create(ret, context, options, wanted[7] ? wanted + 8 : INPUTD_SOCKET_PATH,
			level_keys, reterr);
	if (strcmp(wanted, "auto") != 0 || access(INPUTD_SOCKET_PATH, F_OK) < 0)
		return create(ret, context, options, NULL, level_keys, reterr);
	r = create(ret, context, options, INPUTD_SOCKET_PATH, level_keys, &refusal);
	if (r == 0)
		return 0;
	log_warning("the uxrec-inputd service: %s", refusal.text);
	return create(ret, context, options, NULL, level_keys, reterr);
}

static void levels_changed(void *user, uint32_t level_keys)
{
	struct input_source *source = user;
	bool changed;

	pthread_mutex_lock(&source->lock);
	changed = source->level_keys != level_keys;
	source->level_keys = level_keys;
	pthread_mutex_unlock(&source->lock);
	if (changed)
		send_request(source, INPUTD_LEVELS);
}

int input_source_create(struct source **ret, const struct source_context *context,
	const struct input_options *options, struct error *reterr)
{
	int64_t from_ns = clock_now_ns(); /* the layout's timestamp: must precede the first key */
	const struct layout_options wanted = {.display = options->display,
		.labels = options->keys == KEY_POLICY_FULL ||
			(options->shortcuts && options->keys == KEY_POLICY_CLASSES),
		.keys = options->keys};
	_destroy_(layout) struct layout *layout = NULL;
	int r;

	if (options->keys == KEY_POLICY_FULL && !*options->consent_id)
		return error_set(reterr, -EACCES,
			"recording key codes requires a consent act that allows it");
	layout_create(&layout, context, &wanted);
	r = create_wanted(ret, context, options, layout_level_keys(layout), reterr);
	if (r < 0 || !layout)
		return r;
	layout_start(layout, from_ns, levels_changed, *ret);
	layout_set_muted(layout, options->passwords_watched);
	input(*ret)->layout = steal_ptr(layout);
	return 0;
}

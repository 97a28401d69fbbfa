/* uxrecd: records sessions, streams them, serves the pages and the library. See uxrecd.8.scd. */

#include "capture/a11y/accessible.h"
#include "capture/screen/grabber.h"
#include "daemon/access/access.h"
#include "daemon/access/links.h"
#include "daemon/access/requests.h"
#include "daemon/acts/changes.h"
#include "daemon/front/front.h"
#include "daemon/options.h"
#include "daemon/peers/worker.h"
#include "daemon/station/control.h"
#include "daemon/station/station.h"
#include "protocol/base/clock.h"
#include "protocol/os/descriptors.h"
#include "protocol/os/folder.h"
#include "protocol/os/io.h"
#include "protocol/base/log.h"
#include "protocol/os/paths.h"
#include "protocol/base/queue.h"
#include "protocol/os/signals.h"
#include "protocol/base/terminal.h"
#include "protocol/constants.h"
#include "protocol/mcap.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#define STATUS_US (2 * 1000 * 1000)

/* request to stop a session */
struct stop {
	unsigned session;
	char reason[160];
};

/* a peer's request to the station */
struct request {
	struct station_request base;
	struct daemon *daemon;
	struct job *job;
};

struct daemon {
	struct options options;
	struct access access;
	struct hosts hosts;
	struct identity identity;
	struct principal user; /* of the control socket: this user */
	char page_marker[16];  /* in the titles of the moderator's pages */
	struct live live;
	struct changes *changes;
	struct front *front;
	struct station *station;
	struct control *control;
	struct jobs *requests; /* of peers */
	struct queue *stops;
	sd_event *event;
	struct accessible_announcement *announcement; /* NULL: no input recording */
	sd_event_source *requested, *stopped, *endings[SIGNALS_TERMINATION_COUNT], *status_timer,
		*watchdog_timer;
	sigset_t signals; /* termination signals */
	uint64_t watchdog_us;
	bool links_given;
	bool refused; /* the desktop denied access to the screen */
};

/* Bound on the delay of the exit by a file that hangs. */
#define CHANGES_STOP_NS NS_PER_S

/* ---- callbacks on other threads ---- */

static void handle_message(void *user, struct peer *peer, Uxrec__ClientMessage *message)
{
	struct daemon *daemon = user;

	if (request_kind(message->body_case)->owner == REQUEST_OF_WRITER)
		changes_handle(daemon->changes, peer, message);
	else
		jobs_submit(daemon->requests, front_outlet(daemon->front), peer, message);
}

static void must_stop(void *user, unsigned session, const char *reason)
{
	struct daemon *daemon = user;
	struct stop *stop = calloc(1, sizeof(*stop));

	if (!stop)
		return;
	stop->session = session;
	utf8_copy(stop->reason, sizeof(stop->reason), reason);
	if (queue_push(daemon->stops, stop, 1, true) < 0)
		free(stop);
}

/* Session number 0 stands for none: requests station_tick(). */
static void request_tick(void *user)
{
	must_stop(user, 0, "");
}

static void published(void *user)
{
	struct daemon *daemon = user;

	if (daemon->front)
		front_wake(daemon->front);
}

static void forget(void *user, const char *session)
{
	struct daemon *daemon = user;

	front_forget(daemon->front, session);
}

static unsigned count_observers(void *user)
{
	struct daemon *daemon = user;

	return daemon->live.watchers;
}

/* ---- the main thread ---- */

static void broadcast_status(struct daemon *daemon)
{
	const struct outlet *outlet = front_outlet(daemon->front);
	struct packet *packet = station_status(daemon->station, 0);

	if (packet)
		outlet->broadcast(outlet->user, &(struct audience){0}, packet, OUTLET_KIND_STATUS);
	sd_notifyf(0, "STATUS=%s", station_is_busy(daemon->station) ? "recording" : "ready");
}

static Uxrec__Conducted__Deed deed_of(const Uxrec__ClientMessage *message)
{
	switch (message->body_case) {
	case UXREC__CLIENT_MESSAGE__BODY_START: return UXREC__CONDUCTED__DEED__DEED_START;
	case UXREC__CLIENT_MESSAGE__BODY_STOP: return UXREC__CONDUCTED__DEED__DEED_STOP;
	case UXREC__CLIENT_MESSAGE__BODY_PAUSE: return UXREC__CONDUCTED__DEED__DEED_PAUSE;
	case UXREC__CLIENT_MESSAGE__BODY_RESUME: return UXREC__CONDUCTED__DEED__DEED_RESUME;
	case UXREC__CLIENT_MESSAGE__BODY_TASK_START: return UXREC__CONDUCTED__DEED__DEED_TASK_START;
	case UXREC__CLIENT_MESSAGE__BODY_TASK_READY: return UXREC__CONDUCTED__DEED__DEED_TASK_READY;
	case UXREC__CLIENT_MESSAGE__BODY_TASK_END: return UXREC__CONDUCTED__DEED__DEED_TASK_END;
	case UXREC__CLIENT_MESSAGE__BODY_INTERRUPTION_BEGIN:
		return UXREC__CONDUCTED__DEED__DEED_INTERRUPTION_BEGIN;
	case UXREC__CLIENT_MESSAGE__BODY_INTERRUPTION_END:
		return UXREC__CONDUCTED__DEED__DEED_INTERRUPTION_END;
	case UXREC__CLIENT_MESSAGE__BODY_PHASE_BEGIN: return UXREC__CONDUCTED__DEED__DEED_PHASE;
	case UXREC__CLIENT_MESSAGE__BODY_MUTE_OBSERVERS:
		return message->mute_observers->muted ? UXREC__CONDUCTED__DEED__DEED_MUTE
						      : UXREC__CONDUCTED__DEED__DEED_UNMUTE;
	default: return UXREC__CONDUCTED__DEED__DEED_UNSPECIFIED;
	}
}

/* Notify moderators of each other's actions. */
static void announce(struct daemon *daemon, const Uxrec__ClientMessage *done, const char *name,
	const char *principal)
{
	Uxrec__Conducted conducted = UXREC__CONDUCTED__INIT;

	conducted.deed = deed_of(done);
	conducted.name = (char *)name;
	conducted.principal = (char *)principal;
	if (done->body_case == UXREC__CLIENT_MESSAGE__BODY_TASK_START)
		conducted.task = done->task_start->task;
	if (conducted.deed != UXREC__CONDUCTED__DEED__DEED_UNSPECIFIED)
		outlet_broadcast(front_outlet(daemon->front),
			&(struct audience){.roles = 1u << UXREC__ROLE__ROLE_MODERATOR},
			&conducted.base);
}

static void on_answered(struct station_request *base, struct packet *answer, bool changed)
{
	struct request *request = (struct request *)base;
	struct daemon *daemon = request->daemon;
	const struct outlet *outlet = front_outlet(daemon->front);
	struct job *job = request->job;

	if (answer)
		outlet->send(outlet->user, job->peer, answer,
			request_kind(job->message->body_case)->newest ? job->message->body_case
								      : 0);
	if (changed) {
		announce(daemon, job->message, job->peer->principal.name, job->peer->principal.id);
		broadcast_status(daemon);
	}
	job_free(job);
	free(request);
}

/* One request per iteration of the loop, so that the control socket and the signals get their turn. */
static int on_request(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct daemon *daemon = user;
	struct job *job = jobs_pop(daemon->requests, false);
	struct request *request = job ? calloc(1, sizeof(*request)) : NULL;

	(void)source;
	(void)fd;
	(void)events;
	/* serve a closed peer too: after a click on "stop" the page may close at once */
	if (!request) {
		job_free(job);
		return 0;
	}
	*request = (struct request){
		.base = {.message = job->message,
			.principal = &job->peer->principal,
			.answered = on_answered},
		.daemon = daemon,
		.job = job,
	};
	station_handle(daemon->station, &request->base);
	return 0;
}

static void on_command(void *user, const Uxrec__ClientMessage *message)
{
	struct daemon *daemon = user;

	announce(daemon, message, "", daemon->identity.user);
	broadcast_status(daemon);
}

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct daemon *daemon = user;
	struct stop *stop;

	(void)source;
	(void)fd;
	(void)events;
	while ((stop = queue_pop(daemon->stops, 0))) {
		if (stop->session == 0)
			station_tick(daemon->station);
		else
			station_stop_session(daemon->station, stop->session, stop->reason);
		free(stop);
		broadcast_status(daemon);
	}
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
	struct daemon *daemon = user;

	(void)source;
	if (!signals_is_termination((int)info->ssi_signo))
		return 0;
	sd_notify(0, "STOPPING=1");
	station_stop_now(daemon->station, signals_name((int)info->ssi_signo));
	/* first: an exiting loop waits for its buses */
	accessible_announcement_destroy(steal_ptr(daemon->announcement));
	return sd_event_exit(daemon->event, 0);
}

static int on_status(sd_event_source *source, uint64_t now_us, void *user)
{
	struct daemon *daemon = user;

	station_tick(daemon->station);
	if (front_peers(daemon->front) > 0)
		broadcast_status(daemon);
	sd_event_source_set_time(source, now_us + STATUS_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* the watchdog is fed only while the recorder's thread is alive */
static int on_watchdog(sd_event_source *source, uint64_t now_us, void *user)
{
	struct daemon *daemon = user;

	if (station_is_alive(daemon->station))
		sd_notify(0, "WATCHDOG=1");
	sd_event_source_set_time(source, now_us + daemon->watchdog_us / 2);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_event_sources(struct daemon *daemon)
{
	uint64_t now_us;
	int r = sd_event_now(daemon->event, CLOCK_MONOTONIC, &now_us);

	if (r >= 0)
		r = sd_event_add_io(daemon->event, &daemon->requested, jobs_fd(daemon->requests),
			EPOLLIN, on_request, daemon);
	if (r >= 0)
		r = sd_event_add_io(daemon->event, &daemon->stopped, queue_fd(daemon->stops),
			EPOLLIN, on_stop, daemon);
	for (int number = 1, i = 0; number < SIGRTMIN && r >= 0; number++)
		if (sigismember(&daemon->signals, number) == 1)
			r = sd_event_add_signal(
				daemon->event, &daemon->endings[i++], number, on_signal, daemon);
	if (r >= 0)
		r = sd_event_add_time(daemon->event, &daemon->status_timer, CLOCK_MONOTONIC,
			now_us + STATUS_US, 500000, on_status, daemon);
	if (r >= 0 && sd_watchdog_enabled(0, &daemon->watchdog_us) > 0)
		r = sd_event_add_time(daemon->event, &daemon->watchdog_timer, CLOCK_MONOTONIC,
			now_us, 0, on_watchdog, daemon);
	return r < 0 ? r : 0;
}

/* for a browser on this machine */
static int make_link(
	void *user, const char *page, char ret[CONTROL_LINK_BYTES], struct error *reterr)
{
	static const struct {
		const char *page;
		Uxrec__Role role;
	} pages[] = {
		{PAGE_MODERATE, UXREC__ROLE__ROLE_MODERATOR},
		{PAGE_LIVE, UXREC__ROLE__ROLE_OBSERVER},
		{PAGE_LIBRARY, UXREC__ROLE__ROLE_REVIEWER},
	};
	struct daemon *daemon = user;
	char ticket[TICKET_BYTES];
	size_t i = 0;

	while (i < ARRAY_SIZE(pages) && strcmp(pages[i].page, page) != 0)
		i++;
	if (i == ARRAY_SIZE(pages))
		return error_set(reterr, -EINVAL,
			"page '%s': must be one of moderate, live, library", text_quote(page).text);
	if (!daemon->front || tickets_make(&daemon->access.tickets, pages[i].role, ticket) < 0)
		return error_set(reterr, -EAGAIN, "the pages are not available yet: try again");
	snprintf(ret, CONTROL_LINK_BYTES, "http://%s:%d/%s#%s", daemon->options.address,
		front_port(daemon->front), page, ticket);
	return 0;
}

/* Any thread. Rewrites the links, since those given out before are invalid. */
static void revoked(void *user)
{
	struct daemon *daemon = user;
	const struct options *options = &daemon->options;
	struct error error;

	tickets_revoke(&daemon->access.tickets);
	front_check_links(daemon->front);
	if (links_write(options->links, options->address, front_port(daemon->front),
		    daemon->access.keyring, &error) < 0)
		log_warning("%s", error.text);
}

/* ---- starting ---- */

/* Without a usable links file, or without a persistent secret, links are valid for this run only. */
static int open_links(struct daemon *daemon, bool has_identity, struct error *reterr)
{
	struct error why = {""};
	int r = access_init(&daemon->access, daemon->options.library,
		has_identity ? daemon->identity.secret : NULL, daemon->identity.secret, NULL, &why);

	if (r < 0)
		return error_set(reterr, r, "%s", why.text);
	if (r > 0)
		log_error(
			"links: %s; it is not used, and the links of this run are new and end "
			"with it. "
			"To have lasting ones, remove it and start again",
			why.text);
	for (unsigned i = 0; i < daemon->options.allowed_host_count; i++)
		hosts_allow(&daemon->hosts, daemon->options.allowed_hosts[i]);
	return 0;
}

/* Report errors that would fail every session now, rather than with a participant present. */
static int probe_screen(struct daemon *daemon, struct error *reterr)
{
	_destroy_(grabber) struct grabber *grabber = NULL;
	const struct options *options = &daemon->options;
	const struct grabber_ops *ops = grabber_find(options->screen);
	const struct grabber_target target = {options->display, options->output, NULL};
	int r;

	if (!ops)
		return 0;
	r = ops->create(&grabber, &target, reterr);
	daemon->refused = ops == &grabber_portal && (r == -EACCES || r == -ETIMEDOUT);
	if (r == 0 && grabber_limitation(grabber))
		log_warning("screen: %s", grabber_limitation(grabber));
	return r;
}

static int prepare_library(const struct options *options, struct error *reterr)
{
	_folder_unref_ struct folder *library = NULL;
	struct error why = {""};
	int r = io_make_directories(options->library, 0700);

	if (r == 0 && access(options->library, R_OK | W_OK | X_OK) < 0)
		r = -errno;
	if (r == 0)
		r = folder_open_linked(&library, options->library, NULL);
	/* access() passes root even where writing fails: try a write */
	if (r == 0)
		r = folder_is_private(library, &why);
	if (r == 0)
		log_warning("%s", why.text);
	if (r < 0)
		return error_set(reterr, r,
			"the library %s cannot be written: %s; choose a folder with --library",
			options->library, strerror(-r));
	return 0;
}

static int create_front(struct daemon *daemon, struct error *reterr)
{
	const struct options *options = &daemon->options;
	const struct front_options wanted = {
		.server = options->server,
		.service = options->service,
		.program = "uxrecd",
		.address = options->address,
		.port = options->port,
		.web = options->web,
		.library = options->library,
		.studies = options->studies,
		.examples = options->examples,
		.worker = options->worker,
		.hosts = &daemon->hosts,
		.access = &daemon->access,
		.page_marker = daemon->page_marker,
		.live = &daemon->live,
		.handle_message = handle_message,
		.user = daemon,
	};

	return front_create(&daemon->front, &wanted, reterr);
}

static int start_changes(struct daemon *daemon, struct error *reterr)
{
	const struct changes_options wanted = {
		daemon->options.library, &daemon->live, forget, daemon};
	int r = changes_create(&daemon->changes, &wanted, reterr);

	if (r < 0)
		return r;
	changes_set_outlet(daemon->changes, front_outlet(daemon->front));
	return 0;
}

static int start_station(struct daemon *daemon, struct error *reterr)
{
	const struct options *options = &daemon->options;
	const struct station_options wanted = {
		.library = options->library,
		.display = options->display,
		.output = options->output,
		.screen = options->screen,
		.input = options->input,
		.devices = options->devices,
		.sound = options->sound,
		.monitor = options->monitor,
		.helper = options->helper,
		.max_fps = options->max_fps,
		.encoder = options->encoder,
		.chroma = options->chroma,
		.priority = options->priority,
		.sync_every_ns = options->sync_every_ns,
		.identity = &daemon->identity,
		.page_marker = daemon->page_marker,
		.live = &daemon->live,
		.studies = {options->studies, options->examples},
		.acts = changes_acts(daemon->changes),
		.must_stop = must_stop,
		.wake = request_tick,
		.observers = count_observers,
		.user = daemon,
	};
	int r = station_create(&daemon->station, &wanted);

	return r < 0 ? error_set(reterr, r, "out of memory") : 0;
}

static int start_control(struct daemon *daemon, struct error *reterr)
{
	const struct control_options wanted = {
		.path = daemon->options.control,
		.station = daemon->station,
		.principal = &daemon->user,
		.keyring = daemon->access.keyring,
		.changed = on_command,
		.make_link = make_link,
		.user = daemon,
	};

	return control_create(&daemon->control, daemon->event, &wanted, reterr);
}

/* random word that is in no other window's title */
static int make_marker(struct daemon *daemon)
{
	char digits[9];
	int r = io_random_hex(digits, 4);

	snprintf(daemon->page_marker, sizeof(daemon->page_marker), "uxrec-%s", digits);
	return r;
}

static int start(struct daemon *daemon, struct error *reterr)
{
	const struct options *options = &daemon->options;
	struct error error = {"no reason given"};
	int r = prepare_library(options, reterr);
	bool has_identity = identity_load(&daemon->identity, &error) == 0;

	daemon->user = (struct principal){
		.role = UXREC__ROLE__ROLE_MODERATOR, .name = "moderator", .identified = true};
	memcpy(daemon->user.id, daemon->identity.user, sizeof(daemon->user.id));
	if (!has_identity)
		log_warning("ids of this station: %s; this run uses new ids", error.text);
	if (r == 0)
		r = probe_screen(daemon, reterr);
	if (r == 0)
		r = open_links(daemon, has_identity, reterr);
	if (r < 0)
		return r;
	if (make_marker(daemon) < 0 || live_init(&daemon->live) < 0 ||
		jobs_create(&daemon->requests, true) < 0 ||
		queue_create(&daemon->stops, SIZE_MAX, true) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	queue_set_drop(daemon->stops, free);
	daemon->live.request_tick = request_tick;
	daemon->live.published = published;
	daemon->live.owner = daemon;
	r = sd_event_new(&daemon->event);
	if (r < 0)
		return error_set(reterr, r, "cannot create an event loop: %s", strerror(-r));
	r = create_front(daemon, reterr);
	if (r == 0)
		r = start_changes(daemon, reterr);
	if (r == 0)
		r = start_station(daemon, reterr);
	if (r == 0)
		r = start_control(daemon, reterr);
	if (r == 0)
		r = front_start(daemon->front, reterr);
	if (r < 0)
		return r;
	keyring_on_revoked(daemon->access.keyring, revoked, daemon);
	r = add_event_sources(daemon);
	if (r < 0)
		return error_set(reterr, r, "event loop: %s", strerror(-r));
	if (*options->screen_why.text)
		log_info("screen: %s", options->screen_why.text);
	if (strcmp(options->input, "none") != 0)
		accessible_announcement_create(&daemon->announcement, daemon->event);
	if (station_recover(daemon->station, &error) < 0)
		log_error("the session of the killed recorder cannot be resumed: %s", error.text);
	return 0;
}

static void print_summary(const struct daemon *daemon)
{
	const struct station_summary *last = station_last(daemon->station);
	struct losses_text lost;
	int64_t seconds;

	if (!last)
		return;
	seconds = last->duration_ns / NS_PER_S;
	lost = losses_describe(last->lost);
	printf("recorded %s: %lld:%02lld min, %llu events, %llu pictures, %.2f MB, %llu gaps%s%s "
	       "(%s)\n",
		last->session, (long long)seconds / 60, (long long)seconds % 60,
		(unsigned long long)last->totals.events, (unsigned long long)last->totals.pictures,
		(double)last->totals.bytes / 1e6, (unsigned long long)last->totals.gaps,
		*lost.text ? ", lost: " : "", lost.text, last->reason);
	printf("session %s/%s\n", daemon->options.library, last->session);
	fflush(stdout);
}

/* @param status  exit status, if it must exit here */
static void finish(struct daemon *daemon, int status)
{
	accessible_announcement_destroy(steal_ptr(daemon->announcement));
	if (daemon->station && daemon->front &&
		station_stop_now(daemon->station, "the recorder was ended") == -EBUSY)
		_exit(status);
	control_destroy(daemon->control);
	/* changes answer by the front, the front calls the changes: first stop the calls */
	if (daemon->access.keyring)
		keyring_on_revoked(daemon->access.keyring, NULL, NULL);
	front_stop(daemon->front);
	if (changes_stop(daemon->changes, clock_now_ns() + CHANGES_STOP_NS) < 0) {
		log_warning("a file of the library hangs: ending without waiting for it");
		_exit(status);
	}
	changes_destroy(daemon->changes);
	station_destroy(daemon->station);
	front_destroy(daemon->front);
	access_finish(&daemon->access);
	sd_event_source_unref(daemon->requested);
	sd_event_source_unref(daemon->stopped);
	for (size_t i = 0; i < ARRAY_SIZE(daemon->endings); i++)
		sd_event_source_unref(daemon->endings[i]);
	sd_event_source_unref(daemon->status_timer);
	sd_event_source_unref(daemon->watchdog_timer);
	sd_event_unref(daemon->event);
	jobs_destroy(daemon->requests);
	queue_destroy(daemon->stops);
	live_finish(&daemon->live);
	if (daemon->links_given && daemon->options.links)
		unlink(daemon->options.links);
	options_finish(&daemon->options);
}

int main(int argc, char **argv)
{
	struct daemon daemon = {0};
	struct error error = {"no reason given"};
	int r, status;

	umask(077);
	/* the process stays dumpable: portals and sound servers read /proc/PID/root of their clients, and deny
	 * the screen and the microphone to one whose root is unreadable */
	signals_disable_core_dumps();
	descriptors_raise();
	signals_ignore_unused();
	terminal_is_utf8(); /* while single-threaded */
	r = options_parse(&daemon.options, argc, argv);
	if (r != 0)
		return r < 0 ? 0 : r;
	daemon.signals = signals_block_termination();
	r = start(&daemon, &error);
	if (r == 0)
		r = links_write(daemon.options.links, daemon.options.address,
			front_port(daemon.front), daemon.access.keyring, &error);
	daemon.links_given = r == 0;
	if (r < 0) {
		log_error("%s", error.text);
	} else {
		sd_notify(0, "READY=1");
		r = sd_event_loop(daemon.event);
		print_summary(&daemon);
	}
	status = r < 0 ? daemon.refused ? 4 : 3 : 0;
	finish(&daemon, status);
	return status;
}

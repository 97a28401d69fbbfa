#include "capture/a11y/click_internal.h"

#include "protocol/base/clock.h"
#include "protocol/input.pb-c.h"
#include "protocol/session.pb-c.h"

#include <errno.h>
#include <stdio.h>

/* Deadline of the whole description. */
#define ANSWER_NS (500 * NS_PER_MS)

/* Maximum nesting of objects. */
#define DEPTH 32

/* Tolerances of a toolkit's window in position and size against the X window: borders, shadows. */
#define OFF_PX  64
#define SIZE_PX 128

static void next_application(struct job *job);
static void next_window(struct job *job);
static void next_part(struct job *job);
static void next_layer(struct job *job);
static int on_layers(sd_bus_message *message, void *user, sd_bus_error *error);
static int on_at_point(sd_bus_message *message, void *user, sd_bus_error *error);

/* ---- messages ---- */

static void push(struct clicks *clicks, int64_t time_ns, const ProtobufCMessage *message)
{
	const struct source_context *context = clicks->context;
	struct packet *packet;

	if (packet_create(&packet, context->clock,
		    &(struct packet_info){CHANNEL_CLICKED, 0, time_ns, 0}, message) == 0)
		context->sink->push(context->sink, packet);
}

void clicks_missed(struct clicks *clicks, int64_t time_ns)
{
	if (clicks->missed++ == 0)
		clicks->missed_from_ns = clicks->missed_to_ns = time_ns;
	if (time_ns > clicks->missed_to_ns)
		clicks->missed_to_ns = time_ns;
}

/* One gap for each run of missed clicks: at the next described one, or at the end. */
static void push_missed(struct clicks *clicks)
{
	const char *topics[] = {channel_kind_get(CHANNEL_CLICKED)->topic};

	if (clicks->missed == 0)
		return;
	source_push_gap(clicks->context,
		&(struct source_gap){
			.reason = UXREC__GAP__REASON__REASON_SOURCE_LOST,
			.from_ns = clicks->missed_from_ns,
			.to_ns = clicks->missed_to_ns,
			.topics = topics,
			.topic_count = 1,
			.count = clicks->missed,
			.detail = "the application did not answer which object was clicked",
		});
	clicks->missed = 0;
}

static void push_object(struct job *job)
{
	Uxrec__ClickedObject object = UXREC__CLICKED_OBJECT__INIT;

	object.x_px = job->click.x;
	object.y_px = job->click.y;
	object.role = (char *)a11y_role_name(job->role);
	object.name = job->name;
	object.application = job->application_name;
	if (job->place_known && job->place.width > 0 && job->place.height > 0) {
		object.left_px = job->place.left + job->origin_x;
		object.top_px = job->place.top + job->origin_y;
		object.width_px = (uint32_t)job->place.width;
		object.height_px = (uint32_t)job->place.height;
	}
	push_missed(job->clicks);
	push(job->clicks, job->click.time_ns, &object.base);
}

/* ---- jobs ---- */

void click_end(struct job *job)
{
	sd_bus_slot_unref(job->slot);
	sd_event_source_disable_unref(job->deadline);
	a11y_popup_destroy(job->popup);
	memset(job, 0, sizeof(*job));
}

void click_finish(struct job *job)
{
	push_object(job);
	click_end(job);
}

/* Keep the properties known by then. */
static void give_up(struct job *job)
{
	if (job->role_known)
		push_object(job);
	else
		clicks_missed(job->clicks, job->click.time_ns);
	click_end(job);
}

static int on_deadline(sd_event_source *timer, uint64_t at_us, void *user)
{
	(void)timer;
	(void)at_us;
	give_up(user);
	return 0;
}

void click_query_of(struct job *job, enum a11y_method method, const struct a11y_object *of,
	sd_bus_message_handler_t answer)
{
	job->slot = sd_bus_slot_unref(job->slot);
	/* the deadline is the job's */
	if (a11y_query(job->clicks->bus, &job->slot, method, of, INT64_MAX, answer, job) < 0)
		give_up(job);
}

void click_query(struct job *job, enum a11y_method method, sd_bus_message_handler_t answer)
{
	click_query_of(job, method, &job->at, answer);
}

void click_query_extents(struct job *job, const struct a11y_object *of, unsigned coordinates,
	sd_bus_message_handler_t answer)
{
	job->slot = sd_bus_slot_unref(job->slot);
	if (a11y_query(job->clicks->bus, &job->slot, METHOD_EXTENTS, of, INT64_MAX, answer, job,
		    coordinates) < 0)
		give_up(job);
}

static void query_at_point(struct job *job)
{
	job->slot = sd_bus_slot_unref(job->slot);
	if (a11y_query(job->clicks->bus, &job->slot, METHOD_AT_POINT, &job->at, INT64_MAX,
		    on_at_point, job, job->click.x - job->origin_x, job->click.y - job->origin_y,
		    job->coordinates) < 0)
		give_up(job);
}

/* ---- the application that owns the window ---- */

static struct known *find_known(struct clicks *clicks, const char *name)
{
	for (size_t i = 0; i < LIST; i++)
		if (strcmp(clicks->known[i].name, name) == 0)
			return &clicks->known[i];
	return NULL;
}

static int on_process(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	struct known *known = &job->clicks->known[job->clicks->next_known++ % LIST];

	(void)error;
	snprintf(known->name, sizeof(known->name), "%s", job->list[job->next].name);
	if (click_is_error(message) || sd_bus_message_read(message, "u", &known->process) <= 0)
		known->process = 0;
	next_application(job);
	return 0;
}

static int on_windows(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	job->count = click_is_error(message) ? 0 : a11y_read_objects(message, job->list, LIST);
	job->next = 0;
	job->fit = INT32_MAX;
	next_window(job);
	return 0;
}

static void query_windows(struct job *job)
{
	click_query_of(job, METHOD_CHILDREN, &job->application, on_windows);
}

static void on_popup(void *user, const struct a11y_where *where)
{
	struct job *job = user;

	if (!where) {
		query_windows(job);
		return;
	}
	job->at = where->object;
	job->coordinates = where->coordinates;
	job->origin_x = where->origin_x;
	job->origin_y = where->origin_y;
	/* GetAccessibleAtPoint may return the object below the popup unless called on the whole
	 * popup */
	if (where->whole)
		query_at_point(job);
	else
		click_query_object(job);
}

static struct a11y_object *find_focused(struct clicks *clicks, const char *name)
{
	for (size_t i = 0; i < APPLICATIONS; i++)
		if (strcmp(clicks->focused[i].name, name) == 0)
			return &clicks->focused[i];
	return NULL;
}

static void search_application(struct job *job)
{
	struct clicks *clicks = job->clicks;
	const struct a11y_object *focused = find_focused(clicks, job->application.name);

	if (!job->click.popup || !focused ||
		a11y_popup_create(&job->popup, clicks->bus, &job->click, focused, on_popup, job) <
			0)
		query_windows(job);
}

static void next_application(struct job *job)
{
	for (; job->next < job->count; job->next++) {
		const struct a11y_object *application = &job->list[job->next];
		const struct known *known = find_known(job->clicks, application->name);

		if (!known) {
			click_query_of(job, METHOD_PROCESS, application, on_process);
			return;
		}
		if (known->process == job->click.process) {
			job->application = *application;
			search_application(job);
			return;
		}
	}
	click_end(job); /* not on the bus */
}

static int on_applications(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	job->count = click_is_error(message) ? 0 : a11y_read_objects(message, job->list, LIST);
	job->next = 0;
	next_application(job);
	return 0;
}

/* ---- the matching window ---- */

/* Some toolkits cannot know the positions of their windows, and place the origin of the screen at
 * the window's corner. */
static void match_window(struct job *job, const struct a11y_rectangle *extents)
{
	const struct a11y_click *click = &job->click;
	int screen = abs(extents->left - click->left) + abs(extents->top - click->top);
	int window = abs(extents->left) + abs(extents->top);
	int off = screen <= window ? screen : window;
	int sizes = abs(extents->width - click->width) + abs(extents->height - click->height);
	bool moved = off > OFF_PX; /* moved, and not yet known to the toolkit: match by size */
	int fit = moved ? SIZE_PX + off : off + sizes;

	/* a popup may belong to none of the windows: match only at its position */
	if (click->popup && (moved || screen > window))
		return;
	if (sizes > SIZE_PX || fit >= job->fit)
		return;
	job->fit = fit;
	job->at = job->list[job->next];
	job->coordinates =
		moved || screen <= window ? A11Y_COORDINATES_SCREEN : A11Y_COORDINATES_WINDOW;
	job->origin_x = job->origin_y = 0;
	if (moved) {
		job->origin_x = click->left - extents->left;
		job->origin_y = click->top - extents->top;
	} else if (screen > window) {
		job->origin_x = click->left + click->inset_left;
		job->origin_y = click->top + click->inset_top;
	}
}

static int on_window_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	struct a11y_rectangle extents;

	(void)error;
	if (a11y_read_rectangle(message, &extents))
		match_window(job, &extents);
	job->next++;
	next_window(job);
	return 0;
}

static void next_window(struct job *job)
{
	if (job->next < job->count)
		click_query_extents(
			job, &job->list[job->next], A11Y_COORDINATES_SCREEN, on_window_extents);
	else if (job->fit == INT32_MAX)
		click_end(job);
	else
		click_query(job, METHOD_CHILDREN, on_layers);
}

/* ---- layers above the others in the window: GTK 3's popovers ---- */

static int on_layers(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	job->next = click_is_error(message) ? 0 : a11y_read_objects(message, job->list, LIST);
	next_layer(job);
	return 0;
}

static int on_layer_state(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	uint64_t states;

	(void)error;
	if (!click_is_error(message) && a11y_read_states(message, &states) &&
		states >> A11Y_STATE_VISIBLE & 1) {
		job->at = job->list[job->next];
		query_at_point(job);
	} else {
		next_layer(job);
	}
	return 0;
}

static int on_layer_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	struct a11y_rectangle extents;

	(void)error;
	if (a11y_read_rectangle(message, &extents) &&
		a11y_contains(&extents, job->click.x - job->origin_x, job->click.y - job->origin_y))
		click_query_of(job, METHOD_STATE, &job->list[job->next], on_layer_state);
	else
		next_layer(job);
	return 0;
}

/* GetAccessibleAtPoint returns the first child at the point, as if that were on top. */
static void next_layer(struct job *job)
{
	if (job->next <= 1) {
		query_at_point(job);
		return;
	}
	job->next--;
	click_query_extents(job, &job->list[job->next], job->coordinates, on_layer_extents);
}

/* ---- the object at the point ---- */

static int on_parts(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;

	(void)error;
	job->count = job->next =
		click_is_error(message) ? 0 : a11y_read_objects(message, job->list, LIST);
	next_part(job);
	return 0;
}

static int on_at_point(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	struct a11y_object object;

	(void)error;
	if (!click_is_error(message) && a11y_read_object(message, &object) &&
		!a11y_object_is(&job->at, object.name, object.path) && job->depth++ < DEPTH) {
		job->at = object;
		query_at_point(job);
	} else if (job->depth == 0) {
		/* some GTK 4 widgets do not support GetAccessibleAtPoint */
		click_query(job, METHOD_CHILDREN, on_parts);
	} else {
		click_query_object(job);
	}
	return 0;
}

static int on_part_state(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	uint64_t states;

	(void)error;
	if (!click_is_error(message) && a11y_read_states(message, &states) &&
		states >> A11Y_STATE_VISIBLE & 1 && job->depth++ < DEPTH) {
		job->at = job->list[job->next];
		click_query(job, METHOD_CHILDREN, on_parts);
	} else {
		next_part(job);
	}
	return 0;
}

static int on_part_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct job *job = user;
	struct a11y_rectangle extents;

	(void)error;
	if (a11y_read_rectangle(message, &extents) &&
		a11y_contains(&extents, job->click.x - job->origin_x, job->click.y - job->origin_y))
		click_query_of(job, METHOD_STATE, &job->list[job->next], on_part_state);
	else
		next_part(job);
	return 0;
}

/* the last drawn is on top */
static void next_part(struct job *job)
{
	if (job->next == 0) {
		click_query_object(job);
		return;
	}
	job->next--;
	click_query_extents(job, &job->list[job->next], job->coordinates, on_part_extents);
}

/* ---- lifecycle ---- */

void clicks_focused(struct clicks *clicks, const char *name, const char *path)
{
	struct a11y_object *focused = find_focused(clicks, name);

	if (!focused)
		focused = &clicks->focused[clicks->next_focused++ % APPLICATIONS];
	focused->name[0] = '\0';
	if (strlen(name) >= sizeof(focused->name) || strlen(path) >= sizeof(focused->path))
		return;
	snprintf(focused->name, sizeof(focused->name), "%s", name);
	snprintf(focused->path, sizeof(focused->path), "%s", path);
}

void clicks_describe(struct clicks *clicks, const struct a11y_click *click)
{
	struct job *job = NULL;

	for (size_t i = 0; i < JOBS && !job; i++)
		if (!clicks->jobs[i].clicks)
			job = &clicks->jobs[i];
	if (!job || !clicks->bus) {
		clicks_missed(clicks, click->time_ns);
		return;
	}
	job->clicks = clicks;
	job->click = *click;
	if (a11y_timer(clicks->event, &job->deadline, ANSWER_NS, on_deadline, job) < 0)
		click_end(job);
	else
		click_query_of(job, METHOD_CHILDREN, &a11y_desktop, on_applications);
}

void clicks_set_bus(struct clicks *clicks, struct a11y_bus *bus)
{
	clicks->bus = bus;
	for (size_t i = 0; i < JOBS; i++)
		if (clicks->jobs[i].clicks)
			give_up(&clicks->jobs[i]);
	memset(clicks->known, 0, sizeof(clicks->known));
	memset(clicks->focused, 0, sizeof(clicks->focused));
}

int clicks_create(struct clicks **ret, sd_event *event, const struct source_context *context,
	enum name_policy names)
{
	struct clicks *clicks = calloc(1, sizeof(*clicks));

	if (!clicks)
		return -ENOMEM;
	clicks->event = sd_event_ref(event);
	clicks->context = context;
	clicks->names = names;
	*ret = clicks;
	return 0;
}

void clicks_destroy(struct clicks *clicks)
{
	if (!clicks)
		return;
	clicks_set_bus(clicks, NULL);
	push_missed(clicks);
	sd_event_unref(clicks->event);
	free(clicks);
}

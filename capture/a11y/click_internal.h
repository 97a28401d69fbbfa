#pragma once

#include "capture/a11y/internal.h"

/* Shared by the files that describe a click: click.c finds the object, click_object.c queries its
 * properties. */

/* Concurrent jobs; objects in one list. */
#define JOBS 16
#define LIST 64

/* A background application may report focus too. */
#define APPLICATIONS 8

/*
 * Steps of a click: the applications, the one that owns the window, its windows, the matching one,
 * the object at the point, ever deeper; then up again to the object that it is a part of (a button,
 * not the label on it); then role, extents, name. The search in a popup starts at the focused
 * object, if it can, instead of at the windows.
 */
struct job {
	struct clicks *clicks; /* NULL: free */
	struct a11y_click click;
	sd_bus_slot *slot;
	sd_event_source *deadline;
	struct a11y_popup *popup;

	struct a11y_object list[LIST]; /* applications, windows, children */
	size_t count, next;
	struct a11y_object application, at, label;
	unsigned depth, climbed;

	/* the window's coordinate system: which, and its origin on the screen */
	unsigned coordinates;
	int origin_x, origin_y, fit;

	bool role_known, place_known;
	uint32_t role;
	struct a11y_object part; /* found first; kept with its role while ancestors are tried */
	uint32_t part_role;
	uint64_t states;
	struct a11y_rectangle place;
	char name[A11Y_NAME_BYTES], application_name[A11Y_NAME_BYTES];
};

struct clicks {
	sd_event *event;
	struct a11y_bus *bus;
	const struct source_context *context;
	enum name_policy names;
	struct job jobs[JOBS];
	struct a11y_object focused[APPLICATIONS]; /* last gain of focus, per application */
	size_t next_focused;

	struct known { /* process ids of connections; bus names are never reused */
		char name[64];
		uint32_t process;
	} known[LIST];
	size_t next_known;

	/* clicks not described since the last described one */
	uint64_t missed;
	int64_t missed_from_ns, missed_to_ns;
};

static inline bool click_is_error(sd_bus_message *message)
{
	return sd_bus_message_is_method_error(message, NULL);
}

/* Make the job's next call, to its current object or another one; the job is given up when that
 * fails. */
void click_query(struct job *job, enum a11y_method method, sd_bus_message_handler_t answer);
void click_query_of(struct job *job, enum a11y_method method, const struct a11y_object *of,
	sd_bus_message_handler_t answer);
void click_query_extents(struct job *job, const struct a11y_object *of, unsigned coordinates,
	sd_bus_message_handler_t answer);

/* The object is found: query its properties, up to the end of the job. */
void click_query_object(struct job *job);

/* End the job, recording the known properties or nothing. */
void click_finish(struct job *job);
void click_end(struct job *job);

#pragma once

#include "capture/a11y/internal.h"

/* What the files of a click's description share: accessible_click.c, which finds the object, and
 * accessible_click_what.c, which asks it what it is. */

/* Clicks that are described at once; objects of one list. */
#define JOBS 16
#define LIST 64

/* One in the background may say too that something of it has the focus. */
#define APPLICATIONS 8

/*
 * The way of a click: the applications, whose it is, its windows, which one it is, what lies at the point, ever
 * deeper; then up again to what it is a part of (a button, not the label on it); then role, place, name. A
 * popup's comes from what has the focus, if it can, instead of from the windows.
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

	/* the coordinates that the window speaks: which, and where their origin is on the screen */
	unsigned coordinates;
	int origin_x, origin_y, fit;

	bool role_known, place_known;
	uint32_t role;
	struct a11y_object
		part; /* what was found first, and its role, while something above it is tried */
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
	struct a11y_object focused[APPLICATIONS]; /* what got the focus last, of each */
	size_t next_focused;

	struct known { /* whose connections are; a name is never given twice */
		char name[64];
		uint32_t process;
	} known[LIST];
	size_t next_known;

	/* clicks that were not described since the last one that was */
	uint64_t missed;
	int64_t missed_from_ns, missed_to_ns;
};

static inline bool click_is_error(sd_bus_message *message)
{
	return sd_bus_message_is_method_error(message, NULL);
}

/* Put the job's next question, to the object it is at or another one; without memory it is given up. */
void click_ask(struct job *job, enum a11y_question question, sd_bus_message_handler_t answer);
void click_ask_of(struct job *job, enum a11y_question question, const struct a11y_object *of,
	sd_bus_message_handler_t answer);
void click_ask_extents(struct job *job, const struct a11y_object *of, unsigned coordinates,
	sd_bus_message_handler_t answer);

/* The object is found: ask it what it is, up to the end of the job. */
void click_ask_what(struct job *job);

/* Record what is known, and end; or end without a word. */
void click_finish(struct job *job);
void click_end(struct job *job);

#pragma once

#include "capture/a11y/accessible.h"
#include "protocol/base/queue.h"

#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/*
 * What the files of the accessible source share. All of it lives in one thread with one sd-event loop, and
 * every call is asynchronous:
 *
 *   accessible.c         the source, its thread
 *   accessible_bus.c     the two buses, and the only methods that are ever called
 *   accessible_focus.c   what has the focus
 *   accessible_search.c  which object that is when no event has said so
 *   accessible_click.c   what was clicked; accessible_click_what.c  what that is
 *   accessible_popup.c   where in a menu's window that is
 *   accessible_window.c  which X window that was: a thread of its own, for X calls wait
 *   accessible_role.c    names of roles, and what may be kept of objects
 */

#define A11Y_NAME_BYTES (120 * 4 + 1)

/** Room for what the bus calls an object; one that does not fit is passed over. */
struct a11y_object {
	char name[64], path[192];
};

static inline bool a11y_object_is(
	const struct a11y_object *object, const char *name, const char *path)
{
	return name && path && strcmp(object->name, name) == 0 && strcmp(object->path, path) == 0;
}

struct a11y_rectangle {
	int32_t left, top, width, height;
};

static inline bool a11y_contains(const struct a11y_rectangle *rectangle, int x, int y)
{
	return x >= rectangle->left && y >= rectangle->top &&
		x < rectangle->left + rectangle->width && y < rectangle->top + rectangle->height;
}

/** The desktop, whose children are the applications. */
extern const struct a11y_object a11y_desktop;

/** Numbers of the AT-SPI standard (atspi-constants.h) that are needed by name. */
enum a11y_number {
	A11Y_STATE_ACTIVE = 1,
	A11Y_STATE_EDITABLE = 7,
	A11Y_STATE_FOCUSED = 12,
	A11Y_STATE_SHOWING = 25,
	A11Y_STATE_SINGLE_LINE = 26,
	A11Y_STATE_VISIBLE = 30,
	A11Y_RELATION_LABELLED_BY = 2,
	A11Y_COORDINATES_SCREEN = 0,
	A11Y_COORDINATES_WINDOW = 1,
	A11Y_ROLE_PASSWORD_TEXT = 40,
};

/* ---- accessible_bus.c ---- */

/** Every question that is ever put to an application. */
enum a11y_question {
	ASK_CHILDREN,  /* a(so) */
	ASK_ROLE,      /* u */
	ASK_STATE,     /* au */
	ASK_RELATIONS, /* a(ua(so)) */
	ASK_NAME,      /* v, a string */
	ASK_PARENT,    /* v, (so) */
	ASK_AT_POINT,  /* x, y, coordinates → (so) */
	ASK_EXTENTS,   /* coordinates → (iiii) */
	ASK_MATCHES,   /* the focused one below → a(so) */
	ASK_PROCESS,   /* u; of the bus */
};

struct a11y_bus;

struct a11y_listener {
	void (*up)(void *user);   /* events come from now on */
	void (*down)(void *user); /* no question that is open is answered any more: drop them */
	/* a focus event: the object has got it, or lost it */
	void (*focused)(void *user, const char *name, const char *path, bool gained);
	/* a window is no longer the active one */
	void (*deactivated)(void *user, const char *name);
	/* once: 0 when the bus is there, or why it is not; later where it does not answer */
	void (*first)(void *user, int r);
	void *user;
};

/** @param follow_focus  otherwise nothing but up, down and first is ever called */
int a11y_bus_create(struct a11y_bus **ret, sd_event *event, bool follow_focus,
	const struct a11y_listener *listener);
void a11y_bus_destroy(struct a11y_bus *bus);
DEFINE_DESTROY(a11y_bus);

/**
 * Put a question.
 *
 * @param slot        set on success; unref'ing it drops the question
 * @param timeout_ns  INT64_MAX: wait for as long as the application is there
 * @param ...         ASK_AT_POINT: int x, int y, unsigned coordinates; ASK_EXTENTS: unsigned coordinates
 * @return 0 or a negative errno: then there is no answer
 */
int a11y_ask(struct a11y_bus *bus, sd_bus_slot **slot, enum a11y_question question,
	const struct a11y_object *of, int64_t timeout_ns, sd_bus_message_handler_t answer,
	void *user, ...);

/** Read an (so). @return false when there is none, or it is the null object, or it does not fit */
bool a11y_take_object(sd_bus_message *message, struct a11y_object *ret);

/** Read the answer to ASK_PARENT. @return false when there is none */
bool a11y_take_parent(sd_bus_message *message, struct a11y_object *ret);

/** Read an a(so). @return how many there were that fit */
size_t a11y_take_objects(sd_bus_message *message, struct a11y_object *objects, size_t limit);

/** Read an (iiii). @return false when there is none, or it is no place that could be on a screen */
bool a11y_take_rectangle(sd_bus_message *message, struct a11y_rectangle *ret);

/** Read the states, as bits. @return false when they are not */
bool a11y_take_states(sd_bus_message *message, uint64_t *ret);

/** Start a timer that goes off once, or start it anew. */
int a11y_timer(sd_event *event, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user);
void a11y_timer_stop(sd_event_source *timer);

/* ---- accessible_focus.c ---- */

struct focus;
struct a11y_search;

int focus_create(struct focus **ret, sd_event *event,
	void (*tell)(void *user, enum accessible_focus), void *user);
void focus_destroy(struct focus *focus);
DEFINE_DESTROY(focus);

void focus_up(struct focus *focus, struct a11y_bus *bus);
void focus_down(struct focus *focus);
void focus_event(struct focus *focus, const char *name, const char *path, bool gained);
void focus_deactivated(struct focus *focus, const char *name);
/** Something was clicked: whether what has the focus still answers is to be known soon. */
void focus_hurry(struct focus *focus);

/* ---- accessible_search.c ---- */

/**
 * @param found  called once for each search. Without an object nothing has the focus: @p seen tells whether
 *               there is something that could have it, an active window or one that did not answer
 */
int a11y_search_create(struct a11y_search **ret,
	void (*found)(void *user, const struct a11y_object *object, bool seen), void *user);
void a11y_search_destroy(struct a11y_search *search);
DEFINE_DESTROY(a11y_search);

/** Look through all applications; a search that is under way is dropped. */
void a11y_search_begin(struct a11y_search *search, struct a11y_bus *bus);
void a11y_search_stop(struct a11y_search *search);

/* ---- accessible_window.c ---- */

/** A click, and the X window it went to. */
struct a11y_click {
	int64_t time_ns;
	int x, y;
	/* the application's own window: without the window manager's frame */
	int left, top, width, height;
	uint32_t process;
	int inset_left, inset_top; /* of what is the window for its toolkit (_GTK_FRAME_EXTENTS) */
	bool popup;                /* no window manager has a say in it: a menu, most likely */
};

struct windows;

/** @return 0 or a negative errno: -ENOENT when there is no X display */
int windows_create(struct windows **ret, const char *display);
void windows_destroy(struct windows *windows);
DEFINE_DESTROY(windows);

/** Find the window of a click; any thread. @return false when too many wait already */
bool windows_find(struct windows *windows, const struct a11y_click *click);

/** Readable while windows_take() has something. */
int windows_fd(const struct windows *windows);
bool windows_take(struct windows *windows, struct a11y_click *ret);

/* ---- accessible_popup.c ---- */

/** Something in a popup's window, and how it speaks of places. */
struct a11y_where {
	struct a11y_object object;
	unsigned coordinates;
	int origin_x, origin_y; /* of the coordinates, on the screen */
	bool whole; /* what was clicked lies in it; otherwise this is what was clicked */
};

struct a11y_popup;

/**
 * Find out what was clicked in a popup's window. Of many toolkits' it is no window on the bus: it is looked
 * for from what has the focus, which is in the popup or opened it.
 *
 * @param click  outlives it
 * @param from   what has the focus; of the application whose the window is
 * @param found  called once, unless destroyed before; NULL when it is not known. May destroy it
 */
int a11y_popup_create(struct a11y_popup **ret, struct a11y_bus *bus, const struct a11y_click *click,
	const struct a11y_object *from, void (*found)(void *user, const struct a11y_where *where),
	void *user);
void a11y_popup_destroy(struct a11y_popup *popup);
DEFINE_DESTROY(a11y_popup);

/** @return whether a place on the screen is in the popup's window, and where the click was, or nearly so */
bool a11y_popup_holds(
	const struct a11y_click *click, const struct a11y_rectangle *place, int nearly_px);

/* ---- accessible_click.c ---- */

struct clicks;

int clicks_create(struct clicks **ret, sd_event *event, const struct source_context *context,
	enum name_policy names);
void clicks_destroy(struct clicks *clicks);
DEFINE_DESTROY(clicks);

void clicks_set_bus(struct clicks *clicks, struct a11y_bus *bus); /* NULL: it is gone */
/** What got the focus last: a menu that is open is looked for from there. */
void clicks_focused(struct clicks *clicks, const char *name, const char *path);
void clicks_describe(struct clicks *clicks, const struct a11y_click *click);
/** One was dropped before it could be described. */
void clicks_missed(struct clicks *clicks, int64_t time_ns);

/* ---- accessible_role.c ---- */

/** @return "push button"; "unknown" for a number that is none */
const char *a11y_role_name(uint32_t role);

/** Such an object does something when it is clicked; what lies in it is a part of it. */
bool a11y_role_acts(uint32_t role);

/** A menu, a list that pops up, or what is in one. */
bool a11y_role_is_of_menu(uint32_t role);

/** Such an object is only there for what it lies in. */
bool a11y_role_is_part(uint32_t role);

/** What may be kept as an object's name. */
enum a11y_naming {
	NAMING_NONE,  /* nothing: its name may be what it holds */
	NAMING_LABEL, /* its label's, which is another object */
	NAMING_BOTH,  /* its own, or its label's when it has none */
};

enum a11y_naming a11y_role_naming(uint32_t role, uint64_t states);

/** Make a foreign name fit: at most 120 characters of UTF-8 in one line, without what toolkits put where none
 *  was given. */
void a11y_name_copy(char ret[A11Y_NAME_BYTES], const char *name);

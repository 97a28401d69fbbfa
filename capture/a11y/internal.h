#pragma once

#include "capture/a11y/accessible.h"
#include "protocol/base/queue.h"

#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/*
 * Shared by the files of the accessible source. All of it runs in one thread with one sd-event
 * loop, and every call is asynchronous:
 *
 *   accessible.c    the source, its thread
 *   bus.c           the two buses, and the only methods that are ever called
 *   focus.c         the focus state machine
 *   search.c        search for the focused object without an event
 *   click.c         the object under a click; click_object.c  its description
 *   popup.c         the object under a click in a menu's window
 *   window.c        the X window of a click: in a thread of its own, because X calls block
 *   role.c          role names, and the recording policy for names
 */

#define A11Y_NAME_BYTES (120 * 4 + 1)

/** Bus name and object path; longer ones are skipped. */
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

/** The desktop; its children are the applications. */
extern const struct a11y_object a11y_desktop;

/** Constants of the AT-SPI standard (atspi-constants.h). */
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

/* ---- bus.c ---- */

/** Every call that is ever made to an application. */
enum a11y_method {
	METHOD_CHILDREN,  /* a(so) */
	METHOD_ROLE,      /* u */
	METHOD_STATE,     /* au */
	METHOD_RELATIONS, /* a(ua(so)) */
	METHOD_NAME,      /* v, a string */
	METHOD_PARENT,    /* v, (so) */
	METHOD_AT_POINT,  /* x, y, coordinates → (so) */
	METHOD_EXTENTS,   /* coordinates → (iiii) */
	METHOD_MATCHES,   /* the focused one below → a(so) */
	METHOD_PROCESS,   /* u; of the bus */
};

struct a11y_bus;

struct a11y_listener {
	void (*up)(void *user);   /* events arrive from now on */
	void (*down)(void *user); /* pending calls get no reply any more: drop them */
	/* a focus event: the object has gained or lost it */
	void (*focused)(void *user, const char *name, const char *path, bool gained);
	/* a window is no longer the active one */
	void (*deactivated)(void *user, const char *name);
	/* once: 0 when the bus is up, or a negative errno; later when it does not reply */
	void (*first)(void *user, int r);
	void *user;
};

/** @param follow_focus  otherwise only up, down and first are ever called */
int a11y_bus_create(struct a11y_bus **ret, sd_event *event, bool follow_focus,
	const struct a11y_listener *listener);
void a11y_bus_destroy(struct a11y_bus *bus);
DEFINE_DESTROY(a11y_bus);

/**
 * Make a call.
 *
 * @param slot        set on success; unref'ing it drops the call
 * @param timeout_ns  INT64_MAX: wait for the lifetime of the application
 * @param ...         METHOD_AT_POINT: int x, int y, unsigned coordinates; METHOD_EXTENTS: unsigned
 *                    coordinates
 * @return 0, or a negative errno: then there is no reply
 */
int a11y_query(struct a11y_bus *bus, sd_bus_slot **slot, enum a11y_method method,
	const struct a11y_object *of, int64_t timeout_ns, sd_bus_message_handler_t answer,
	void *user, ...);

/** Read an (so). @return false when missing, the null object or too long */
bool a11y_read_object(sd_bus_message *message, struct a11y_object *ret);

/** Read the reply to METHOD_PARENT. @return false when there is none */
bool a11y_read_parent(sd_bus_message *message, struct a11y_object *ret);

/** Read an a(so). @return the number of objects that fit */
size_t a11y_read_objects(sd_bus_message *message, struct a11y_object *objects, size_t limit);

/** Read an (iiii). @return false when missing or out of range for any screen */
bool a11y_read_rectangle(sd_bus_message *message, struct a11y_rectangle *ret);

/** Read the states, as bits. @return false when invalid */
bool a11y_read_states(sd_bus_message *message, uint64_t *ret);

/** Start or restart a one-shot timer. */
int a11y_timer(sd_event *event, sd_event_source **timer, int64_t in_ns,
	sd_event_time_handler_t handler, void *user);
void a11y_timer_stop(sd_event_source *timer);

/* ---- focus.c ---- */

struct focus;
struct a11y_search;

int focus_create(struct focus **ret, sd_event *event,
	void (*report)(void *user, enum accessible_focus), void *user);
void focus_destroy(struct focus *focus);
DEFINE_DESTROY(focus);

void focus_up(struct focus *focus, struct a11y_bus *bus);
void focus_down(struct focus *focus);
void focus_event(struct focus *focus, const char *name, const char *path, bool gained);
void focus_deactivated(struct focus *focus, const char *name);
/** After a click: check soon that the focused object still replies. */
void focus_hurry(struct focus *focus);

/* ---- search.c ---- */

/**
 * @param found  called once for each search. Without an object nothing has the focus: @p seen is
 *               true when something could have it, an active window or one that did not reply
 */
int a11y_search_create(struct a11y_search **ret,
	void (*found)(void *user, const struct a11y_object *object, bool seen), void *user);
void a11y_search_destroy(struct a11y_search *search);
DEFINE_DESTROY(a11y_search);

/** Search all applications; a search in progress is dropped. */
void a11y_search_begin(struct a11y_search *search, struct a11y_bus *bus);
void a11y_search_stop(struct a11y_search *search);

/* ---- window.c ---- */

/** A click, and the X window that received it. */
struct a11y_click {
	int64_t time_ns;
	int x, y;
	/* the application's own window: without the window manager's frame */
	int left, top, width, height;
	uint32_t process;
	int inset_left, inset_top; /* of the toolkit's window (_GTK_FRAME_EXTENTS) */
	bool popup;                /* override-redirect: a menu, most likely */
};

struct windows;

/** @return 0 or a negative errno: -ENOENT when there is no X display */
int windows_create(struct windows **ret, const char *display);
void windows_destroy(struct windows *windows);
DEFINE_DESTROY(windows);

/** Find the window of a click; any thread. @return false when the queue is full */
bool windows_find(struct windows *windows, const struct a11y_click *click);

/** Readable while windows_pop() has a result. */
int windows_fd(const struct windows *windows);
bool windows_pop(struct windows *windows, struct a11y_click *ret);

/* ---- popup.c ---- */

/** An object in a popup's window, and its coordinate system. */
struct a11y_where {
	struct a11y_object object;
	unsigned coordinates;
	int origin_x, origin_y; /* origin of the coordinates, on the screen */
	bool whole;             /* contains the clicked object; otherwise is the clicked object */
};

struct a11y_popup;

/**
 * Find the clicked object in a popup's window. With many toolkits the popup is no window on the
 * bus: the search starts at the focused object, which is in the popup or opened it.
 *
 * @param click  outlives the popup
 * @param from   the focused object, of the application that owns the window
 * @param found  called once, unless destroyed before; NULL when not found. May destroy the popup
 */
int a11y_popup_create(struct a11y_popup **ret, struct a11y_bus *bus, const struct a11y_click *click,
	const struct a11y_object *from, void (*found)(void *user, const struct a11y_where *where),
	void *user);
void a11y_popup_destroy(struct a11y_popup *popup);
DEFINE_DESTROY(a11y_popup);

/** @return true when a rectangle on the screen lies in the popup's window and contains the click,
 *  within @p nearly_px */
bool a11y_popup_contains(
	const struct a11y_click *click, const struct a11y_rectangle *place, int nearly_px);

/* ---- click.c ---- */

struct clicks;

int clicks_create(struct clicks **ret, sd_event *event, const struct source_context *context,
	enum name_policy names);
void clicks_destroy(struct clicks *clicks);
DEFINE_DESTROY(clicks);

void clicks_set_bus(struct clicks *clicks, struct a11y_bus *bus); /* NULL: the bus is gone */
/** The last object that gained the focus: the search for an open menu starts there. */
void clicks_focused(struct clicks *clicks, const char *name, const char *path);
void clicks_describe(struct clicks *clicks, const struct a11y_click *click);
/** A click was dropped before it could be described. */
void clicks_missed(struct clicks *clicks, int64_t time_ns);

/* ---- role.c ---- */

/** @return e.g. "push button"; "unknown" for an invalid number */
const char *a11y_role_name(uint32_t role);

/** True for an object that acts on a click; objects in it are parts of it. */
bool a11y_role_acts(uint32_t role);

/** True for a menu, a popup list and their contents. */
bool a11y_role_is_of_menu(uint32_t role);

/** True for an object that exists only as a part of its container. */
bool a11y_role_is_part(uint32_t role);

/** Recording policy for an object's name. */
enum a11y_naming {
	NAMING_NONE,  /* none: the name may be the content */
	NAMING_LABEL, /* the name of the label, another object */
	NAMING_BOTH,  /* its own name, or the label's when it is empty */
};

enum a11y_naming a11y_role_naming(uint32_t role, uint64_t states);

/** Sanitise a foreign name: at most 120 characters of UTF-8 on one line, without the placeholders
 *  of toolkits. */
void a11y_name_copy(char ret[A11Y_NAME_BYTES], const char *name);

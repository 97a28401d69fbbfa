#include "capture/a11y/internal.h"

#include "capture/x11/x11.h"

#include <errno.h>
#include <pthread.h>

#define WAITING 32
#define DEPTH   16

struct windows {
	pthread_t thread;
	struct queue *asked, *found;
	xcb_connection_t *connection;
	xcb_window_t root;
	xcb_atom_t process, insets;
};

static xcb_atom_t atom(xcb_connection_t *connection, const char *name)
{
	_autofree_ xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(
		connection, xcb_intern_atom(connection, 0, (uint16_t)strlen(name), name), NULL);

	return reply ? reply->atom : XCB_ATOM_NONE;
}

/* @return number of values read */
static size_t cardinals(struct windows *windows, xcb_window_t window, xcb_atom_t property,
	uint32_t *ret, size_t limit)
{
	_autofree_ xcb_get_property_reply_t *reply = xcb_get_property_reply(windows->connection,
		xcb_get_property(windows->connection, 0, window, property, XCB_ATOM_CARDINAL, 0,
			(uint32_t)limit),
		NULL);
	size_t count;

	if (!reply || reply->format != 32)
		return 0;
	count = (size_t)xcb_get_property_value_length(reply) / sizeof(*ret);
	if (count > limit)
		count = limit;
	memcpy(ret, xcb_get_property_value(reply), count * sizeof(*ret));
	return count;
}

static bool measure(struct windows *windows, xcb_window_t window, struct a11y_click *click)
{
	_autofree_ xcb_get_geometry_reply_t *reply = xcb_get_geometry_reply(
		windows->connection, xcb_get_geometry(windows->connection, window), NULL);
	_autofree_ xcb_get_window_attributes_reply_t *attributes = xcb_get_window_attributes_reply(
		windows->connection, xcb_get_window_attributes(windows->connection, window), NULL);
	uint32_t insets[4]; /* left, right, top, bottom */

	if (!reply || !attributes)
		return false;
	click->width = reply->width;
	click->height = reply->height;
	click->popup = attributes->override_redirect;
	click->inset_left = click->inset_top = 0;
	if (cardinals(windows, window, windows->insets, insets, 4) == 4) {
		click->inset_left = (int)(insets[0] & 0xffff);
		click->inset_top = (int)(insets[2] & 0xffff);
	}
	return true;
}

/* The innermost window with a process id: its ancestors are the window manager's. */
static bool find(struct windows *windows, struct a11y_click *click)
{
	xcb_window_t window = windows->root;
	bool found = false;

	for (int depth = 0; depth < DEPTH && window; depth++) {
		_autofree_ xcb_translate_coordinates_reply_t *reply =
			xcb_translate_coordinates_reply(windows->connection,
				xcb_translate_coordinates(windows->connection, windows->root,
					window, (int16_t)click->x, (int16_t)click->y),
				NULL);
		uint32_t process;

		if (!reply)
			break;
		if (window != windows->root &&
			cardinals(windows, window, windows->process, &process, 1) == 1 &&
			measure(windows, window, click)) {
			found = true;
			click->process = process;
			click->left = click->x - reply->dst_x;
			click->top = click->y - reply->dst_y;
		}
		window = reply->child;
	}
	return found;
}

static void *windows_thread(void *user)
{
	struct windows *windows = user;

	pthread_setname_np(pthread_self(), "uxrec-windows");
	while (!queue_ended(windows->asked)) {
		struct a11y_click *click = queue_pop(windows->asked, INT64_MAX);

		if (!click)
			continue;
		if (!find(windows, click) || queue_push(windows->found, click, 1, false) < 0)
			free(click);
	}
	return NULL;
}

bool windows_find(struct windows *windows, const struct a11y_click *click)
{
	struct a11y_click *copy = malloc(sizeof(*copy));

	if (!copy)
		return false;
	*copy = *click;
	if (queue_push(windows->asked, copy, 1, false) == 0)
		return true;
	free(copy);
	return false;
}

int windows_fd(const struct windows *windows)
{
	return queue_fd(windows->found);
}

bool windows_pop(struct windows *windows, struct a11y_click *ret)
{
	_autofree_ struct a11y_click *click = queue_pop(windows->found, 0);

	if (click)
		*ret = *click;
	return click != NULL;
}

int windows_create(struct windows **ret, const char *display)
{
	_destroy_(windows) struct windows *windows = calloc(1, sizeof(*windows));
	xcb_screen_t *screen;
	int r;

	if (!windows)
		return -ENOMEM;
	r = queue_create(&windows->asked, WAITING, false);
	if (r == 0)
		r = queue_create(&windows->found, WAITING, true);
	if (r < 0)
		return r;
	queue_set_drop(windows->asked, free);
	queue_set_drop(windows->found, free);
	windows->connection = x11_connect(display, &screen, NULL);
	if (!windows->connection)
		return -ENOENT;
	windows->root = screen->root;
	windows->process = atom(windows->connection, "_NET_WM_PID");
	windows->insets = atom(windows->connection, "_GTK_FRAME_EXTENTS");
	r = pthread_create(&windows->thread, NULL, windows_thread, windows);
	if (r != 0) {
		windows->thread = 0;
		return -r;
	}
	*ret = steal_ptr(windows);
	return 0;
}

void windows_destroy(struct windows *windows)
{
	if (!windows)
		return;
	if (windows->asked)
		queue_close(windows->asked);
	if (windows->thread)
		source_join(windows->thread, x11_abort, windows->connection);
	if (windows->connection)
		xcb_disconnect(windows->connection);
	if (windows->asked)
		queue_destroy(windows->asked);
	if (windows->found)
		queue_destroy(windows->found);
	free(windows);
}

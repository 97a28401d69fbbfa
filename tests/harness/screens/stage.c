#include "tests/harness/screens/stage.h"

#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>

/* of WM_NORMAL_HINTS: position given by the program */
#define HINT_POSITION (1 << 2)

#define SHOWN_NS (20 * NS_PER_S)

void stage_open(struct stage *stage, bool managed)
{
	*stage = (struct stage){.connection = xcb_connect(NULL, NULL), .managed = managed};
	check(!xcb_connection_has_error(stage->connection));
	stage->screen = xcb_setup_roots_iterator(xcb_get_setup(stage->connection)).data;
	font_load(&stage->mono, "mono");
	font_load(&stage->sans, "sans");
}

void stage_close(struct stage *stage)
{
	for (int i = 0; i < stage->count; i++)
		if (stage->windows[i]->segment)
			shmdt(stage->windows[i]->image.pixels);
		else
			image_free(&stage->windows[i]->image);
	xcb_disconnect(stage->connection);
	font_free(&stage->mono);
	font_free(&stage->sans);
}

bool stage_has_manager(const struct stage *stage)
{
	static const char name[] = "_NET_SUPPORTING_WM_CHECK";
	xcb_connection_t *c = stage->connection;
	_autofree_ xcb_intern_atom_reply_t *atom = xcb_intern_atom_reply(
		c, xcb_intern_atom(c, false, (uint16_t)strlen(name), name), NULL);
	_autofree_ xcb_get_property_reply_t *property = xcb_get_property_reply(c,
		xcb_get_property(c, false, stage->screen->root, atom ? atom->atom : XCB_NONE,
			XCB_GET_PROPERTY_TYPE_ANY, 0, 1),
		NULL);

	return property && property->type != XCB_NONE;
}

static void share_image(struct window *window, int width, int height)
{
	xcb_connection_t *c = window->stage->connection;
	int id = shmget(IPC_PRIVATE, (size_t)width * height * 4, IPC_CREAT | 0600);

	check(id >= 0);
	window->image = (struct image){width, height, shmat(id, NULL, 0)};
	check(window->image.pixels != (void *)-1);
	window->segment = xcb_generate_id(c);
	check(xcb_request_check(c, xcb_shm_attach_checked(c, window->segment, id, 0)) == NULL);
	shmctl(id, IPC_RMID, NULL);
}

/* a window manager takes its time, and one that is just starting forgets requests */
static void wait_until_viewable(struct window *window)
{
	xcb_connection_t *c = window->stage->connection;
	int64_t until_ns = clock_now_ns() + SHOWN_NS;

	for (;;) {
		_autofree_ xcb_get_window_attributes_reply_t *attributes =
			xcb_get_window_attributes_reply(
				c, xcb_get_window_attributes(c, window->id), NULL);

		check(attributes && clock_now_ns() < until_ns);
		if (attributes->map_state == XCB_MAP_STATE_VIEWABLE)
			return;
		xcb_map_window(c, window->id);
		stage_wait(window->stage, clock_now_ns() + 100 * NS_PER_MS);
	}
}

void stage_window(struct stage *stage, struct window *window, const char *title, int x, int y,
	int width, int height, bool shared)
{
	const uint32_t values[] = {!stage->managed, XCB_EVENT_MASK_EXPOSURE};
	const uint32_t hints[18] = {HINT_POSITION, x, y, width, height};
	const uint32_t no_exposures = 0;
	xcb_connection_t *c = stage->connection;

	check(stage->count < STAGE_WINDOWS);
	*window = (struct window){.stage = stage, .id = xcb_generate_id(c), .x = x, .y = y};
	if (shared)
		share_image(window, width, height);
	else
		image_create(&window->image, width, height);
	xcb_create_window(c, XCB_COPY_FROM_PARENT, window->id, stage->screen->root, (int16_t)x,
		(int16_t)y, (uint16_t)width, (uint16_t)height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT,
		XCB_COPY_FROM_PARENT, XCB_CW_OVERRIDE_REDIRECT | XCB_CW_EVENT_MASK, values);
	xcb_change_property(c, XCB_PROP_MODE_REPLACE, window->id, XCB_ATOM_WM_NAME, XCB_ATOM_STRING,
		8, (uint32_t)strlen(title), title);
	xcb_change_property(c, XCB_PROP_MODE_REPLACE, window->id, XCB_ATOM_WM_NORMAL_HINTS,
		XCB_ATOM_WM_SIZE_HINTS, 32, 18, hints);
	window->gc = xcb_generate_id(c);
	xcb_create_gc(c, window->gc, window->id, XCB_GC_GRAPHICS_EXPOSURES, &no_exposures);
	xcb_map_window(c, window->id);
	stage->windows[stage->count++] = window;
	wait_until_viewable(window);
}

static void send_part(struct window *window, int x, int y, int width, int height)
{
	const struct image *image = &window->image;
	size_t row_bytes = (size_t)width * 4;
	uint8_t *part = malloc(row_bytes * height);

	check(part != NULL);
	for (int row = 0; row < height; row++)
		memcpy(part + row * row_bytes, image->pixels + (y + row) * image->width + x,
			row_bytes);
	xcb_put_image(window->stage->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, window->id, window->gc,
		(uint16_t)width, (uint16_t)height, (int16_t)x, (int16_t)y, 0,
		window->stage->screen->root_depth, (uint32_t)(row_bytes * height), part);
	free(part);
}

void window_show(struct window *window, int x, int y, int width, int height)
{
	const struct image *image = &window->image;

	if (x + width > image->width)
		width = image->width - x;
	if (y + height > image->height)
		height = image->height - y;
	if (width <= 0 || height <= 0)
		return;
	if (window->segment)
		xcb_shm_put_image(window->stage->connection, window->id, window->gc,
			(uint16_t)image->width, (uint16_t)image->height, (uint16_t)x, (uint16_t)y,
			(uint16_t)width, (uint16_t)height, (int16_t)x, (int16_t)y,
			window->stage->screen->root_depth, XCB_IMAGE_FORMAT_Z_PIXMAP, 0,
			window->segment, 0);
	else
		send_part(window, x, y, width, height);
}

void window_scroll(struct window *window, int x, int y, int width, int height, int by)
{
	struct image *image = &window->image;

	for (int row = y; row < y + height - by; row++)
		memmove(image->pixels + row * image->width + x,
			image->pixels + (row + by) * image->width + x, (size_t)width * 4);
	xcb_copy_area(window->stage->connection, window->id, window->id, window->gc, (int16_t)x,
		(int16_t)(y + by), (int16_t)x, (int16_t)y, (uint16_t)width,
		(uint16_t)(height - by));
}

void window_move(struct window *window, int x, int y)
{
	const uint32_t values[] = {x, y};

	window->x = x;
	window->y = y;
	xcb_configure_window(window->stage->connection, window->id,
		XCB_CONFIG_WINDOW_X | XCB_CONFIG_WINDOW_Y, values);
	xcb_flush(window->stage->connection);
}

static void restack(struct window *window, uint32_t mode)
{
	xcb_configure_window(
		window->stage->connection, window->id, XCB_CONFIG_WINDOW_STACK_MODE, &mode);
}

void window_raise(struct window *window)
{
	restack(window, XCB_STACK_MODE_ABOVE);
}

void window_lower(struct window *window)
{
	restack(window, XCB_STACK_MODE_BELOW);
}

static void answer(struct stage *stage, xcb_generic_event_t *event)
{
	xcb_expose_event_t *expose = (xcb_expose_event_t *)event;

	if ((event->response_type & 127) == XCB_EXPOSE)
		for (int i = 0; i < stage->count; i++)
			if (stage->windows[i]->id == expose->window)
				window_show(stage->windows[i], expose->x, expose->y, expose->width,
					expose->height);
	free(event);
}

static void answer_all(struct stage *stage)
{
	xcb_generic_event_t *event;

	while ((event = xcb_poll_for_event(stage->connection)))
		answer(stage, event);
	check(!xcb_connection_has_error(stage->connection));
	xcb_flush(stage->connection);
}

void stage_sync(struct stage *stage)
{
	xcb_connection_t *c = stage->connection;

	free(xcb_get_input_focus_reply(c, xcb_get_input_focus(c), NULL));
	answer_all(stage);
}

void stage_wait(struct stage *stage, int64_t until_ns)
{
	struct pollfd readable = {xcb_get_file_descriptor(stage->connection), POLLIN, 0};

	for (;;) {
		int64_t left_ns;
		struct timespec timeout;

		answer_all(stage);
		left_ns = until_ns - clock_now_ns();
		if (left_ns <= 0)
			return;
		timeout = (struct timespec){left_ns / NS_PER_S, left_ns % NS_PER_S};
		ppoll(&readable, 1, &timeout, NULL);
	}
}

uint32_t *window_grab(
	struct window *window, int x, int y, int width, int height, int *ret_x, int *ret_y)
{
	xcb_connection_t *c = window->stage->connection;
	size_t size = (size_t)width * height * 4;
	_autofree_ xcb_translate_coordinates_reply_t *at = xcb_translate_coordinates_reply(c,
		xcb_translate_coordinates(
			c, window->id, window->stage->screen->root, (int16_t)x, (int16_t)y),
		NULL);
	_autofree_ xcb_get_image_reply_t *image = xcb_get_image_reply(c,
		xcb_get_image(c, XCB_IMAGE_FORMAT_Z_PIXMAP, window->id, (int16_t)x, (int16_t)y,
			(uint16_t)width, (uint16_t)height, UINT32_MAX),
		NULL);
	uint32_t *pixels = malloc(size);

	check(at && image && pixels && (size_t)xcb_get_image_data_length(image) >= size);
	memcpy(pixels, xcb_get_image_data(image), size);
	*ret_x = at->dst_x;
	*ret_y = at->dst_y;
	return pixels;
}

#include "capture/x11/copy.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xcb/shm.h>

/* Size limit of a reply over the connection, and number of replies in flight: the server handles other clients between
 * them, and a connection with high latency is still used fully. */
#define BAND_BYTES (256 * 1024)
#define BAND_AHEAD 4

struct x11_copy {
	xcb_connection_t *connection;
	xcb_window_t root;
	const struct pixel_layout *layout;
	int pad_bits; /* rows are padded to a multiple */
	bool may_share;
	xcb_shm_seg_t segment;
	uint8_t *pixels; /* copied rectangles, one after the other */
	size_t pixels_bytes;
	bool shared;        /* written by the server */
	uint8_t *converted; /* one converted band; NULL: no conversion */
	int width, height;  /* of the screen */
};

/* ---- pixels ---- */

static const xcb_visualtype_t *root_visual(const xcb_screen_t *screen)
{
	for (xcb_depth_iterator_t d = xcb_screen_allowed_depths_iterator(screen); d.rem;
		xcb_depth_next(&d))
		for (xcb_visualtype_iterator_t v = xcb_depth_visuals_iterator(d.data); v.rem;
			xcb_visualtype_next(&v))
			if (v.data->visual_id == screen->root_visual)
				return v.data;
	return NULL;
}

static int find_layout(struct x11_copy *copy, const xcb_screen_t *screen, struct error *reterr)
{
	const xcb_setup_t *setup = xcb_get_setup(copy->connection);
	const xcb_visualtype_t *visual = root_visual(screen);
	int bits = 0;

	for (xcb_format_iterator_t i = xcb_setup_pixmap_formats_iterator(setup); i.rem;
		xcb_format_next(&i))
		if (i.data->depth == screen->root_depth) {
			bits = i.data->bits_per_pixel;
			copy->pad_bits = i.data->scanline_pad;
		}
	if (setup->image_byte_order != XCB_IMAGE_ORDER_LSB_FIRST)
		return error_set(reterr, -EOPNOTSUPP,
			"the X server is big-endian, which is not supported: record a display of "
			"a little-endian machine");
	if (!visual || visual->_class != XCB_VISUAL_CLASS_TRUE_COLOR)
		return error_set(reterr, -EOPNOTSUPP,
			"the screen has a colour map of %u bits, which cannot be recorded: set "
			"the X server to depth 24",
			screen->root_depth);
	copy->layout =
		pixel_layout_find(bits, visual->red_mask, visual->green_mask, visual->blue_mask);
	if (!copy->layout || copy->pad_bits < 8)
		return error_set(reterr, -EOPNOTSUPP,
			"the screen has a pixel format of %u bits in %d (red %x, green %x, blue "
			"%x), which cannot be recorded: set the X server to depth 24",
			screen->root_depth, bits, visual->red_mask, visual->green_mask,
			visual->blue_mask);
	return 0;
}

static int stride_of(const struct x11_copy *copy, int width)
{
	int bits = width * copy->layout->bits;

	return (bits + copy->pad_bits - 1) / copy->pad_bits * copy->pad_bits / 8;
}

/* rows per band at this width */
static int band_rows(const struct x11_copy *copy, int width, int height)
{
	int rows = BAND_BYTES /
		(stride_of(copy, width) > width * 4 ? stride_of(copy, width) : width * 4);

	rows = rows > 0 ? rows : 1;
	return rows < height ? rows : height;
}

static void put(struct x11_copy *copy, struct canvas *canvas, const struct rect *rect,
	const uint8_t *pixels)
{
	int stride = stride_of(copy, rect->width), rows = rect->height;

	if (copy->converted)
		rows = band_rows(copy, rect->width, rect->height);
	for (int y = 0; y < rect->height; y += rows) {
		struct rect band = {rect->x, rect->y + y, rect->width,
			rows < rect->height - y ? rows : rect->height - y};
		const uint8_t *from = pixels + (ptrdiff_t)y * stride;

		if (copy->converted)
			pixel_layout_convert(copy->layout, from, stride, copy->converted,
				band.width * 4, band.width, band.height);
		canvas_put(canvas, &band, copy->converted ? copy->converted : from,
			copy->converted ? band.width * 4 : stride);
	}
}

/* ---- shared memory ---- */

static void unmap_pixels(struct x11_copy *copy)
{
	if (copy->shared)
		xcb_shm_detach(copy->connection, copy->segment);
	if (copy->pixels)
		munmap(copy->pixels, copy->pixels_bytes);
	copy->shared = false;
	copy->pixels = NULL;
}

/* attaching a file descriptor needs 1.2 */
static bool has_shared_memory(xcb_connection_t *c)
{
	const xcb_query_extension_reply_t *extension = xcb_get_extension_data(c, &xcb_shm_id);
	_autofree_ xcb_shm_query_version_reply_t *version = NULL;

	if (!extension || !extension->present)
		return false;
	version = xcb_shm_query_version_reply(c, xcb_shm_query_version(c), NULL);
	return version &&
		(version->major_version > 1 ||
			(version->major_version == 1 && version->minor_version >= 2));
}

/* File descriptors cannot be sent over TCP: xcb would shut down the connection instead of returning an error. */
static bool is_local(xcb_connection_t *c)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	return getsockname(xcb_get_file_descriptor(c), (struct sockaddr *)&address, &size) == 0 &&
		address.ss_family == AF_UNIX;
}

/* @return 0 or a negative errno; success of the attachment is in copy->shared */
static int share(struct x11_copy *copy, int fd, struct error *reterr)
{
	_autofree_ xcb_generic_error_t *refused = NULL;

	copy->segment = xcb_generate_id(copy->connection);
	refused = xcb_request_check(copy->connection,
		xcb_shm_attach_fd_checked(copy->connection, copy->segment, fd, false));
	if (xcb_connection_has_error(copy->connection))
		return error_set(reterr, -EPIPE, "the connection to the display was lost");
	/* a server in another container has the extension, but the attachment fails */
	copy->may_share = copy->shared = !refused;
	return 0;
}

static int map_pixels(struct x11_copy *copy, struct error *reterr)
{
	size_t size = (size_t)stride_of(copy, copy->width) * (size_t)copy->height +
		(size_t)copy->height * X11_COPY_RECTS * 4; /* padding of rows */
	_autoclose_ int fd = memfd_create("uxrec-screen", MFD_CLOEXEC);
	void *pixels;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return error_set(reterr, -errno, "cannot allocate shared memory for the screen: %s",
			strerror(errno));
	pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pixels == MAP_FAILED)
		return error_set(reterr, -errno, "cannot allocate shared memory for the screen: %s",
			strerror(errno));
	copy->pixels = pixels;
	copy->pixels_bytes = size;
	return copy->may_share ? share(copy, steal_fd(&fd), reterr) : 0;
}

static size_t bytes_of(const struct x11_copy *copy, const struct rect *rect)
{
	return (size_t)stride_of(copy, rect->width) * (size_t)rect->height;
}

static int fetch_shared(struct x11_copy *copy, const struct rect *rects, int count)
{
	xcb_connection_t *c = copy->connection;
	xcb_shm_get_image_cookie_t cookies[X11_COPY_RECTS];
	size_t offset = 0;
	int r = 0;

	for (int i = 0; i < count; i++) {
		cookies[i] = xcb_shm_get_image(c, copy->root, (int16_t)rects[i].x,
			(int16_t)rects[i].y, (uint16_t)rects[i].width, (uint16_t)rects[i].height,
			UINT32_MAX, XCB_IMAGE_FORMAT_Z_PIXMAP, copy->segment, (uint32_t)offset);
		offset += bytes_of(copy, &rects[i]);
	}
	for (int i = 0; i < count; i++) {
		_autofree_ xcb_generic_error_t *refused = NULL;
		_autofree_ xcb_shm_get_image_reply_t *reply =
			xcb_shm_get_image_reply(c, cookies[i], &refused);

		/* the screen may have become smaller before the server handled the request */
		if (!reply && r == 0)
			r = xcb_connection_has_error(c) ? -EPIPE : -EAGAIN;
	}
	return r;
}

/* ---- over the connection ---- */

struct band {
	struct rect rect;
	size_t offset; /* offset of its pixels in the buffer */
	xcb_get_image_cookie_t cookie;
};

static struct band request_band(struct x11_copy *copy, const struct rect *rect, int from_row)
{
	int rows = band_rows(copy, rect->width, rect->height - from_row);
	struct band band = {{rect->x, rect->y + from_row, rect->width, rows}, 0, {0}};

	band.cookie = xcb_get_image(copy->connection, XCB_IMAGE_FORMAT_Z_PIXMAP, copy->root,
		(int16_t)band.rect.x, (int16_t)band.rect.y, (uint16_t)band.rect.width,
		(uint16_t)rows, UINT32_MAX);
	return band;
}

static int receive_band(struct x11_copy *copy, const struct band *band)
{
	_autofree_ xcb_generic_error_t *refused = NULL;
	_autofree_ xcb_get_image_reply_t *reply =
		xcb_get_image_reply(copy->connection, band->cookie, &refused);
	size_t bytes = bytes_of(copy, &band->rect);

	if (!reply)
		return xcb_connection_has_error(copy->connection) ? -EPIPE : -EAGAIN;
	if ((size_t)xcb_get_image_data_length(reply) < bytes ||
		band->offset + bytes > copy->pixels_bytes)
		return -EPIPE;
	memcpy(copy->pixels + band->offset, xcb_get_image_data(reply), bytes);
	return 0;
}

static int fetch_unshared(struct x11_copy *copy, const struct rect *rects, int count)
{
	struct band bands[BAND_AHEAD];
	unsigned requested = 0, received = 0;
	size_t offset = 0;
	int r = 0, row = 0;

	for (int i = 0; i < count || received < requested;) {
		while (i < count && requested - received < BAND_AHEAD) {
			struct band *band = &bands[requested++ % BAND_AHEAD];

			*band = request_band(copy, &rects[i], row);
			band->offset = offset;
			offset += bytes_of(copy, &band->rect);
			row += band->rect.height;
			if (row < rects[i].height)
				continue;
			row = 0;
			i++;
		}
		/* read every reply, also after an error */
		if (received < requested) {
			int received_r = receive_band(copy, &bands[received++ % BAND_AHEAD]);

			r = r == 0 ? received_r : r;
		}
	}
	return r;
}

int x11_copy_fetch(struct x11_copy *copy, const struct rect *rects, int count)
{
	return copy->shared ? fetch_shared(copy, rects, count) : fetch_unshared(copy, rects, count);
}

void x11_copy_put(struct x11_copy *copy, const struct rect *rects, int count, struct canvas *canvas)
{
	const uint8_t *from = copy->pixels;

	for (int i = 0; i < count; i++) {
		put(copy, canvas, &rects[i], from);
		from += bytes_of(copy, &rects[i]);
	}
}

/* ---- lifecycle ---- */

bool x11_copy_is_shared(const struct x11_copy *copy)
{
	return copy->shared;
}

int x11_copy_resize(struct x11_copy *copy, int width, int height, struct error *reterr)
{
	unmap_pixels(copy);
	free(steal_ptr(copy->converted));
	copy->width = width;
	copy->height = height;
	if (copy->layout->convert) {
		copy->converted = malloc(BAND_BYTES + (size_t)width * 4);
		if (!copy->converted)
			return error_set(reterr, -ENOMEM, "out of memory");
	}
	return map_pixels(copy, reterr);
}

int x11_copy_create(struct x11_copy **ret, xcb_connection_t *connection, const xcb_screen_t *screen,
	struct error *reterr)
{
	_destroy_(x11_copy) struct x11_copy *copy = calloc(1, sizeof(*copy));
	int r;

	if (!copy)
		return error_set(reterr, -ENOMEM, "out of memory");
	copy->connection = connection;
	copy->root = screen->root;
	r = find_layout(copy, screen, reterr);
	if (r < 0)
		return r;
	copy->may_share = has_shared_memory(connection) && is_local(connection);
	r = x11_copy_resize(copy, screen->width_in_pixels, screen->height_in_pixels, reterr);
	if (r == 0)
		*ret = steal_ptr(copy);
	return r;
}

void x11_copy_destroy(struct x11_copy *copy)
{
	if (!copy)
		return;
	unmap_pixels(copy);
	free(copy->converted);
	free(copy);
}

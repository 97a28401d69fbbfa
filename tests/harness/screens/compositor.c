#include "tests/harness/screens/compositor.h"

#include "capture/wayland/wlr-screencopy-server.h"
#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <wayland-server.h>

struct fake {
	struct compositor base; /* must be first */
	pthread_t thread;
	struct wl_display *display;
	struct wl_event_source *wakes;
	struct wl_global *output;
	struct wl_resource *output_resource;
	struct wl_resource *waiting, *waiting_buffer; /* a frame that waits for damage */
	int wake_fd;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct compositor_script script;
	struct compositor_counts counts;
	enum { ACT_NONE, ACT_CHANGE, ACT_REMOVE, ACT_END } act;
};

uint32_t compositor_pixel(uint32_t seed, int x, int y)
{
	return ((uint32_t)x * 0x010305 ^ (uint32_t)y * 0x070b0d ^ seed * 0x9e3779b1) & 0xffffff;
}

static uint32_t in_format(uint32_t rgb, uint32_t format)
{
	if (format == WL_SHM_FORMAT_XBGR8888 || format == WL_SHM_FORMAT_ABGR8888)
		return (rgb & 0xff) << 16 | (rgb & 0xff00) | rgb >> 16;
	return rgb;
}

static void fill(const struct compositor_script *script, struct wl_resource *buffer)
{
	struct wl_shm_buffer *shm = wl_shm_buffer_get(buffer);
	int width = wl_shm_buffer_get_width(shm), height = wl_shm_buffer_get_height(shm);
	uint8_t *pixels = wl_shm_buffer_get_data(shm);

	wl_shm_buffer_begin_access(shm);
	for (int y = 0; y < height; y++) {
		int from = script->bottom_first ? height - 1 - y : y;
		uint8_t *row = pixels + (ptrdiff_t)y * wl_shm_buffer_get_stride(shm);

		for (int x = 0; x < width; x++) {
			uint32_t value =
				in_format(compositor_pixel(script->seed, x, from), script->format);

			memcpy(row + 4 * (ptrdiff_t)x, &value, 4);
		}
	}
	wl_shm_buffer_end_access(shm);
}

static void answer(struct fake *fake, struct wl_resource *frame, struct wl_resource *buffer)
{
	const struct compositor_script *script = &fake->script;
	int64_t at_ns = clock_now_ns() - script->age_ns;

	if (script->fails) {
		zwlr_screencopy_frame_v1_send_failed(frame);
		return;
	}
	fill(script, buffer);
	zwlr_screencopy_frame_v1_send_flags(
		frame, script->bottom_first ? ZWLR_SCREENCOPY_FRAME_V1_FLAGS_Y_INVERT : 0);
	for (int i = 0; i < script->damages; i++)
		zwlr_screencopy_frame_v1_send_damage(frame, script->damage[i][0],
			script->damage[i][1], script->damage[i][2], script->damage[i][3]);
	zwlr_screencopy_frame_v1_send_ready(frame, (uint32_t)((at_ns / NS_PER_S) >> 32),
		(uint32_t)(at_ns / NS_PER_S), (uint32_t)(at_ns % NS_PER_S));
	fake->script.damages = 0;
}

static void frame_copy(
	struct wl_client *client, struct wl_resource *resource, struct wl_resource *buffer)
{
	struct fake *fake = wl_resource_get_user_data(resource);

	(void)client;
	pthread_mutex_lock(&fake->lock);
	fake->counts.copies++;
	answer(fake, resource, buffer);
	pthread_mutex_unlock(&fake->lock);
}

static void frame_copy_with_damage(
	struct wl_client *client, struct wl_resource *resource, struct wl_resource *buffer)
{
	struct fake *fake = wl_resource_get_user_data(resource);

	(void)client;
	pthread_mutex_lock(&fake->lock);
	fake->counts.copies_with_damage++;
	if (fake->script.damages > 0 || fake->script.fails) {
		answer(fake, resource, buffer);
	} else {
		fake->waiting = resource;
		fake->waiting_buffer = buffer;
	}
	pthread_mutex_unlock(&fake->lock);
}

static void destroy_resource(struct wl_client *client, struct wl_resource *resource)
{
	(void)client;
	wl_resource_destroy(resource);
}

static const struct zwlr_screencopy_frame_v1_interface frame_requests = {
	.copy = frame_copy,
	.destroy = destroy_resource,
	.copy_with_damage = frame_copy_with_damage,
};

static void frame_gone(struct wl_resource *resource)
{
	struct fake *fake = wl_resource_get_user_data(resource);

	if (fake->waiting == resource)
		fake->waiting = NULL;
}

static void capture_output(struct wl_client *client, struct wl_resource *manager, uint32_t id,
	int32_t overlay_cursor, struct wl_resource *output)
{
	struct fake *fake = wl_resource_get_user_data(manager);
	const struct compositor_script *script = &fake->script;
	struct wl_resource *frame = wl_resource_create(
		client, &zwlr_screencopy_frame_v1_interface, wl_resource_get_version(manager), id);

	(void)overlay_cursor;
	(void)output;
	wl_resource_set_implementation(frame, &frame_requests, fake, frame_gone);
	pthread_mutex_lock(&fake->lock);
	fake->counts.frames++;
	if (script->ends_connection)
		wl_resource_post_error(frame, 7, "no %%s for you\n");
	else if (script->width && script->fails)
		zwlr_screencopy_frame_v1_send_failed(frame);
	else if (script->width)
		zwlr_screencopy_frame_v1_send_buffer(
			frame, script->format, script->width, script->height, script->stride);
	if (script->width && !script->fails && wl_resource_get_version(frame) >= 3) {
		zwlr_screencopy_frame_v1_send_linux_dmabuf(
			frame, 0x34325258, script->width, script->height);
		zwlr_screencopy_frame_v1_send_buffer_done(frame);
	}
	pthread_mutex_unlock(&fake->lock);
}

static const struct zwlr_screencopy_manager_v1_interface manager_requests = {
	.capture_output = capture_output,
	.destroy = destroy_resource,
};

static void bind_manager(struct wl_client *client, void *user, uint32_t version, uint32_t id)
{
	struct wl_resource *resource =
		wl_resource_create(client, &zwlr_screencopy_manager_v1_interface, (int)version, id);

	wl_resource_set_implementation(resource, &manager_requests, user, NULL);
}

static void tell_output(struct fake *fake)
{
	struct wl_resource *output = fake->output_resource;

	if (!output)
		return;
	wl_output_send_geometry(output, 0, 0, 300, 200, 0, "", "", fake->script.transform);
	wl_output_send_mode(output, WL_OUTPUT_MODE_CURRENT, (int32_t)fake->script.width,
		(int32_t)fake->script.height, 60000);
	wl_output_send_done(output);
}

static const struct wl_output_interface output_requests = {.release = destroy_resource};

static void output_gone(struct wl_resource *resource)
{
	struct fake *fake = wl_resource_get_user_data(resource);

	fake->output_resource = NULL;
}

static void bind_output(struct wl_client *client, void *user, uint32_t version, uint32_t id)
{
	struct fake *fake = user;

	fake->output_resource = wl_resource_create(client, &wl_output_interface, (int)version, id);
	wl_resource_set_implementation(fake->output_resource, &output_requests, fake, output_gone);
	pthread_mutex_lock(&fake->lock);
	tell_output(fake);
	pthread_mutex_unlock(&fake->lock);
}

static int on_act(int fd, uint32_t mask, void *user)
{
	struct fake *fake = user;
	eventfd_t ignored;

	(void)mask;
	eventfd_read(fd, &ignored);
	pthread_mutex_lock(&fake->lock);
	if (fake->act == ACT_REMOVE)
		wl_global_destroy(steal_ptr(fake->output));
	if (fake->act == ACT_END)
		wl_display_terminate(fake->display);
	if (fake->act == ACT_CHANGE) {
		tell_output(fake);
		if (fake->waiting && (fake->script.damages > 0 || fake->script.fails))
			answer(fake, steal_ptr(fake->waiting), fake->waiting_buffer);
	}
	wl_display_flush_clients(fake->display);
	fake->act = ACT_NONE;
	pthread_cond_signal(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static void act(struct fake *fake, int what, const struct compositor_script *script)
{
	pthread_mutex_lock(&fake->lock);
	if (script)
		fake->script = *script;
	fake->act = what;
	eventfd_write(fake->wake_fd, 1);
	while (fake->act != ACT_NONE)
		pthread_cond_wait(&fake->changed, &fake->lock);
	pthread_mutex_unlock(&fake->lock);
}

static void *compositor_thread(void *user)
{
	struct fake *fake = user;

	wl_display_run(fake->display);
	wl_event_source_remove(fake->wakes);
	wl_display_destroy_clients(fake->display);
	wl_display_destroy(fake->display);
	return NULL;
}

struct compositor *compositor_start(const struct compositor_script *script)
{
	static int number;
	struct fake *fake = calloc(1, sizeof(*fake));

	check(fake != NULL);
	fake->script = *script;
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
	fake->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fake->display = wl_display_create();
	check(fake->display && fake->wake_fd >= 0);
	setenv("XDG_RUNTIME_DIR", temporary_folder(), 1);
	snprintf(fake->base.socket, sizeof(fake->base.socket), "wayland-test-%d", ++number);
	check(wl_display_add_socket(fake->display, fake->base.socket) == 0);
	snprintf(fake->base.socket, sizeof(fake->base.socket), "%s/wayland-test-%d",
		temporary_folder(), number);
	if (!script->no_shm)
		wl_display_init_shm(fake->display);
	wl_display_add_shm_format(fake->display, WL_SHM_FORMAT_XBGR8888);
	if (!script->no_output)
		fake->output =
			wl_global_create(fake->display, &wl_output_interface, 3, fake, bind_output);
	if (!script->no_screencopy)
		wl_global_create(fake->display, &zwlr_screencopy_manager_v1_interface,
			(int)script->version, fake, bind_manager);
	fake->wakes = wl_event_loop_add_fd(wl_display_get_event_loop(fake->display), fake->wake_fd,
		WL_EVENT_READABLE, on_act, fake);
	check(pthread_create(&fake->thread, NULL, compositor_thread, fake) == 0);
	return &fake->base;
}

void compositor_change(struct compositor *compositor, const struct compositor_script *script)
{
	act((struct fake *)compositor, ACT_CHANGE, script);
}

void compositor_remove_output(struct compositor *compositor)
{
	act((struct fake *)compositor, ACT_REMOVE, NULL);
}

struct compositor_counts compositor_counts(struct compositor *compositor)
{
	struct fake *fake = (struct fake *)compositor;
	struct compositor_counts counts;

	pthread_mutex_lock(&fake->lock);
	counts = fake->counts;
	pthread_mutex_unlock(&fake->lock);
	return counts;
}

void compositor_end(struct compositor *compositor)
{
	struct fake *fake = (struct fake *)compositor;

	act(fake, ACT_END, NULL);
	pthread_join(fake->thread, NULL);
	close(fake->wake_fd);
	free(fake);
}

#include "tests/harness/labs/wayland.h"

#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "tests/harness/helpers.h"
#include "tests/xdg-shell.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <wayland-client.h>

#define ACCOUNT 10001 /* sway does not run as root; the account need not exist */
#define WIDTH   300
#define HEIGHT  200

static const char configuration[] =
	"output HEADLESS-1 resolution 1280x720 position 0 0\n"
	"output * bg #204060 solid_color\n"
	"default_border none\ndefault_floating_border none\n"
	"for_window [app_id=\"uxrec-test\"] floating enable, move absolute position 100 50\n"
	"xwayland disable\n";

struct lab_window {
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct wl_shm *shm;
	struct xdg_wm_base *base;
	struct wl_surface *surface;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	struct wl_buffer *buffer;
	uint32_t *pixels;
	bool configured;
};

/* ---- sway ---- */

static void write_configuration(const struct lab_wayland *lab)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/config", lab->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	/* regardless of the umask: another account reads it */
	check(fd >= 0 && fchmod(fd, 0644) == 0 &&
		io_write_all(fd, configuration, strlen(configuration)) == 0);
	close(fd);
}

static struct child start_sway(const struct lab_wayland *lab)
{
	static char account[16], home[160], runtime[160], ipc[160], config[160];
	const char *arguments[] = {"--reuid", account, "--regid", account, "--clear-groups",
		"--pdeathsig", "KILL", "env", "-u", "WAYLAND_DISPLAY", "-u", "DISPLAY", home,
		runtime, ipc, "WLR_BACKENDS=headless", "WLR_LIBINPUT_NO_DEVICES=1",
		"WLR_RENDERER=pixman", "sway", "-c", config, NULL};

	snprintf(account, sizeof(account), "%d", ACCOUNT);
	snprintf(home, sizeof(home), "HOME=%s", lab->folder);
	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s", lab->folder);
	snprintf(ipc, sizeof(ipc), "SWAYSOCK=%s", lab->ipc);
	snprintf(config, sizeof(config), "%s/config", lab->folder);
	/* only root can change the account */
	return geteuid() == 0 ? start_child("setpriv", arguments)
			      : start_child("env", arguments + 8);
}

/* @return false if it has exited, or after a minute: a test skipped on a busy machine proves nothing */
static bool answers(struct lab_wayland *lab)
{
	int64_t until_ns = clock_now_ns() + 60 * NS_PER_S;

	while (clock_now_ns() < until_ns && wait_child(&lab->sway, 0) < 0) {
		if (access(lab->ipc, F_OK) == 0 && access(lab->socket, F_OK) == 0 &&
			run_child(NULL, "swaymsg", "-s", lab->ipc, "-t", "get_outputs", NULL) == 0)
			return true;
		sleep_ms(25);
	}
	return false;
}

const char *lab_wayland_start(struct lab_wayland *lab)
{
	static const char *const programs[] = {"sway", "swaymsg", "swaybg", "grim", "setpriv"};
	static const char *const missing[] = {
		"no sway", "no swaymsg", "no swaybg", "no grim", "no setpriv"};
	static int number;

	*lab = (struct lab_wayland){.window = NULL};
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!has_program(programs[i]))
			return missing[i];
	snprintf(lab->folder, sizeof(lab->folder), "%s/sway-%d", temporary_folder(), ++number);
	snprintf(lab->socket, sizeof(lab->socket), "%s/wayland-1", lab->folder);
	snprintf(lab->ipc, sizeof(lab->ipc), "%s/ipc", lab->folder);
	check(mkdir(lab->folder, 0700) == 0);
	if (geteuid() == 0)
		check(chmod(temporary_folder(), 0711) == 0 &&
			chown(lab->folder, ACCOUNT, ACCOUNT) == 0);
	write_configuration(lab);
	lab->sway = start_sway(lab);
	if (!answers(lab)) {
		_autofree_ char *output = child_output(&lab->sway);

		printf("# sway: %s\n", output);
		lab_wayland_end(lab);
		return "sway does not start here";
	}
	setenv("WAYLAND_DISPLAY", lab->socket, 1);
	return NULL;
}

bool lab_wayland_say(const struct lab_wayland *lab, const char *command)
{
	return run_child(NULL, "swaymsg", "-s", lab->ipc, "-q", "--", command, NULL) == 0;
}

void lab_wayland_kill(struct lab_wayland *lab)
{
	end_child(&lab->sway, SIGKILL);
	unlink(lab->socket);
	unlink(lab->ipc);
}

void lab_wayland_renew(struct lab_wayland *lab)
{
	lab->sway = start_sway(lab);
	check(answers(lab));
}

/* ---- screenshots ---- */

uint8_t *lab_wayland_screenshot(
	const struct lab_wayland *lab, const char *output, int *ret_width, int *ret_height)
{
	_autofree_ char *path = temporary_path("grim.ppm"), *text = NULL;
	int64_t size;
	int start = 0;

	(void)lab;
	if (run_child(NULL, "grim", "-t", "ppm", "-o", output, path, NULL) != 0)
		return NULL;
	size = io_read_file(path, 1 << 26, &text);
	check(size > 0 && sscanf(text, "P6 %d %d 255%n", ret_width, ret_height, &start) == 2 &&
		start > 0);
	start++; /* one white space */
	check(size == start + (int64_t)*ret_width * *ret_height * 3);
	memmove(text, text + start, (size_t)(size - start));
	return (uint8_t *)steal_ptr(text);
}

/* ---- the window ---- */

static void on_ping(void *user, struct xdg_wm_base *base, uint32_t serial)
{
	(void)user;
	xdg_wm_base_pong(base, serial);
}

static const struct xdg_wm_base_listener base_listener = {.ping = on_ping};

static void on_global(void *user, struct wl_registry *registry, uint32_t id, const char *interface,
	uint32_t version)
{
	struct lab_window *window = user;

	if (strcmp(interface, "wl_compositor") == 0 && version >= 4)
		window->compositor = wl_registry_bind(registry, id, &wl_compositor_interface, 4);
	else if (strcmp(interface, "wl_shm") == 0)
		window->shm = wl_registry_bind(registry, id, &wl_shm_interface, 1);
	else if (strcmp(interface, "xdg_wm_base") == 0)
		window->base = wl_registry_bind(registry, id, &xdg_wm_base_interface, 1);
}

static void on_global_remove(void *user, struct wl_registry *registry, uint32_t id)
{
	(void)user;
	(void)registry;
	(void)id;
}

static const struct wl_registry_listener registry_listener = {on_global, on_global_remove};

static void on_surface(void *user, struct xdg_surface *surface, uint32_t serial)
{
	xdg_surface_ack_configure(surface, serial);
	((struct lab_window *)user)->configured = true;
}

static const struct xdg_surface_listener surface_listener = {on_surface};

static void on_toplevel(void *user, struct xdg_toplevel *toplevel, int32_t width, int32_t height,
	struct wl_array *states)
{
	(void)user;
	(void)toplevel;
	(void)width;
	(void)height;
	(void)states;
}

static void on_close(void *user, struct xdg_toplevel *toplevel)
{
	(void)user;
	(void)toplevel;
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = on_toplevel, .close = on_close};

static void make_buffer(struct lab_window *window)
{
	const int size = WIDTH * HEIGHT * 4;
	_autoclose_ int fd = memfd_create("uxrec-test-window", MFD_CLOEXEC);
	struct wl_shm_pool *pool;

	check(fd >= 0 && ftruncate(fd, size) == 0);
	window->pixels = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(window->pixels != MAP_FAILED);
	pool = wl_shm_create_pool(window->shm, fd, size);
	window->buffer = wl_shm_pool_create_buffer(
		pool, 0, WIDTH, HEIGHT, WIDTH * 4, WL_SHM_FORMAT_XRGB8888);
	wl_shm_pool_destroy(pool);
}

void lab_window_open(struct lab_wayland *lab)
{
	struct lab_window *window = calloc(1, sizeof(*window));

	check(window != NULL);
	lab->window = window;
	window->display = wl_display_connect(lab->socket);
	check(window->display != NULL);
	window->registry = wl_display_get_registry(window->display);
	wl_registry_add_listener(window->registry, &registry_listener, window);
	wl_display_roundtrip(window->display);
	check(window->compositor && window->shm && window->base);
	xdg_wm_base_add_listener(window->base, &base_listener, window);
	window->surface = wl_compositor_create_surface(window->compositor);
	window->xdg_surface = xdg_wm_base_get_xdg_surface(window->base, window->surface);
	xdg_surface_add_listener(window->xdg_surface, &surface_listener, window);
	window->toplevel = xdg_surface_get_toplevel(window->xdg_surface);
	xdg_toplevel_add_listener(window->toplevel, &toplevel_listener, window);
	xdg_toplevel_set_app_id(window->toplevel, "uxrec-test");
	xdg_toplevel_set_min_size(window->toplevel, WIDTH, HEIGHT);
	xdg_toplevel_set_max_size(window->toplevel, WIDTH, HEIGHT);
	wl_surface_commit(window->surface);
	while (!window->configured)
		check(wl_display_roundtrip(window->display) >= 0);
	make_buffer(window);
	lab_window_paint(lab, 1, 0, 0, WIDTH, HEIGHT);
}

void lab_window_paint(struct lab_wayland *lab, uint32_t seed, int x, int y, int width, int height)
{
	struct lab_window *window = lab->window;
	uint64_t random = seed;

	for (int row = y; row < y + height; row++)
		for (int column = x; column < x + width; column++)
			window->pixels[row * WIDTH + column] = (uint32_t)next_random(&random);
	wl_surface_attach(window->surface, window->buffer, 0, 0);
	wl_surface_damage_buffer(window->surface, x, y, width, height);
	wl_surface_commit(window->surface);
	check(wl_display_roundtrip(window->display) >= 0);
}

static void close_window(struct lab_window *window)
{
	if (!window)
		return;
	if (window->toplevel)
		xdg_toplevel_destroy(window->toplevel);
	if (window->xdg_surface)
		xdg_surface_destroy(window->xdg_surface);
	if (window->surface)
		wl_surface_destroy(window->surface);
	if (window->buffer)
		wl_buffer_destroy(window->buffer);
	if (window->pixels)
		munmap(window->pixels, WIDTH * HEIGHT * 4);
	if (window->base)
		xdg_wm_base_destroy(window->base);
	if (window->shm)
		wl_shm_destroy(window->shm);
	if (window->compositor)
		wl_compositor_destroy(window->compositor);
	if (window->registry)
		wl_registry_destroy(window->registry);
	if (window->display)
		wl_display_disconnect(window->display);
	free(window);
}

void lab_wayland_end(struct lab_wayland *lab)
{
	close_window(steal_ptr(lab->window));
	end_child(&lab->sway, SIGTERM);
	unsetenv("WAYLAND_DISPLAY");
}

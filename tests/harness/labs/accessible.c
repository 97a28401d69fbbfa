#include "tests/harness/labs/accessible.h"

#include "capture/screen/pointer.h"
#include "protocol/base/clock.h"
#include "protocol/session.pb-c.h"
#include "tests/harness/helpers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xcb/xtest.h>

#define LAUNCHER "/usr/libexec/at-spi-bus-launcher"
#define PYTHON   "/usr/bin/python3"

#define KEY_SHIFT 50 /* keycode of a PC keyboard */

static const char gtk_program[] =
	"import sys, gi\n"
	"gi.require_version('Gtk', sys.argv[1])\n"
	"from gi.repository import Gtk, GLib\n"
	"four = sys.argv[1] == '4.0'\n"
	"box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, homogeneous=True)\n"
	"entry = Gtk.Entry()\n"
	"password = Gtk.PasswordEntry() if four else Gtk.Entry(visibility=False)\n"
	"button = Gtk.Button(label='Save')\n"
	"text = Gtk.TextView()\n"
	"text.get_buffer().set_text('typed secret text')\n"
	"label = Gtk.Label(label='Your name')\n"
	"label.set_mnemonic_widget(entry)\n"
	"for widget in (entry, password, button, text):\n"
	"    widget.set_vexpand(True)\n"
	"    (box.append if four else box.add)(widget)\n"
	"entry.set_text('typed secret name')\n"
	"(password.set_text)('typed secret word')\n"
	"window = Gtk.Window(title='Window')\n"
	"window.set_default_size(400, 400)\n"
	"(window.set_child if four else window.add)(box)\n"
	"entry.grab_focus()\n"
	"window.present() if four else window.show_all()\n"
	"print('ready', flush=True)\n"
	"GLib.MainLoop().run()\n";

static const char gtk_menus[] =
	"import sys, gi\n"
	"gi.require_version('Gtk', sys.argv[1])\n"
	"from gi.repository import Gtk, Gdk, Gio, GLib\n"
	"four = sys.argv[1] == '4.0'\n"
	"file, context, pop = ['New', 'Open', 'Recent'], ['Back', 'Reload'], ['Apple', 'Pear']\n"
	"actions = Gio.SimpleActionGroup()\n"
	"def model(names):\n"
	"    menu = Gio.Menu()\n"
	"    for name in names:\n"
	"        if name == 'Recent':\n"
	"            menu.append_submenu(name, model(['One', 'Two']))\n"
	"            continue\n"
	"        actions.add_action(Gio.SimpleAction.new(name.lower(), None))\n"
	"        menu.append(name, 'a.' + name.lower())\n"
	"    return menu\n"
	"bar = Gio.Menu()\n"
	"bar.append_submenu('File', model(file))\n"
	"area = Gtk.Label(label='area')\n"
	"popover = Gtk.MenuButton(label='More')\n"
	"window = Gtk.Window(title='Window')\n"
	"window.insert_action_group('a', actions)\n"
	"window.set_default_size(400, 400)\n"
	"box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, homogeneous=True)\n"
	"if four:\n"
	"    menu_bar = Gtk.PopoverMenuBar.new_from_model(bar)\n"
	"    choice = Gtk.DropDown.new_from_strings(['Red', 'Green', 'Blue'])\n"
	"    menu = Gtk.PopoverMenu.new_from_model(model(context))\n"
	"    menu.set_parent(area)\n"
	"    click = Gtk.GestureClick(button=3)\n"
	"    click.connect('pressed', lambda *a: menu.popup())\n"
	"    area.add_controller(click)\n"
	"    popover.set_menu_model(model(pop))\n"
	"else:\n"
	"    menu_bar = Gtk.MenuBar.new_from_model(bar)\n"
	"    choice = Gtk.ComboBoxText()\n"
	"    for name in ('Red', 'Green', 'Blue'):\n"
	"        choice.append_text(name)\n"
	"    choice.set_active(0)\n"
	"    menu = Gtk.Menu.new_from_model(model(context))\n"
	"    label, area = area, Gtk.EventBox()\n"
	"    area.add(label)\n"
	"    menu.attach_to_widget(area)\n"
	"    area.connect('button-press-event',\n"
	"        lambda w, e: e.button == 3 and menu.popup_at_pointer(e))\n"
	"    inside = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)\n"
	"    for name in pop:\n"
	"        item = Gtk.ModelButton(text=name)\n"
	"        item.set_size_request(100, 40)\n"
	"        inside.add(item)\n"
	"    inside.show_all()\n"
	"    over = Gtk.Popover()\n"
	"    over.add(inside)\n"
	"    popover.set_popover(over)\n"
	"for widget in (menu_bar, choice, area, popover):\n"
	"    widget.set_vexpand(True)\n"
	"    (box.append if four else box.add)(widget)\n"
	"(window.set_child if four else window.add)(box)\n"
	"popover.grab_focus()\n"
	"window.present() if four else window.show_all()\n"
	"GLib.MainLoop().run()\n";

static const char page[] =
	"data:text/html,<title>Page</title><style>*{box-sizing:border-box;margin:0;padding:0}"
	"body>*{display:block;width:100vw;height:25vh;overflow:hidden}label{display:none}</style>"
	"<input aria-label='Your name' value='typed secret name' autofocus>"
	"<input type=password aria-label=Password value='typed secret word'>"
	"<button>Save</button><div contenteditable>typed secret text</div>";

static const char page_of_menus[] =
	"data:text/html,<title>Page</title><style>*{box-sizing:border-box;margin:0;padding:0}"
	"body>*{display:block;width:100vw;height:25vh}</style><input aria-label='Your name' autofocus>"
	"<select aria-label=Colour><option>A long one of these<option>Another one, longer"
	"<option>The third of them</select>";

static struct child session_bus;

/* ---- buses ---- */

/* The launcher's own bus outlives it: end both when this program exits, in any way. */
static void guard(pid_t group)
{
	static int pipe_fds[2] = {-1, -1};
	char byte;

	if (pipe_fds[0] < 0)
		check(pipe2(pipe_fds, O_CLOEXEC) == 0);
	if (fork() != 0)
		return;
	setsid();
	close(pipe_fds[1]);
	while (read(pipe_fds[0], &byte, 1) > 0)
		;
	kill(-group, SIGKILL);
	_exit(0);
}

void accessible_lab_run_bus(struct accessible_lab *lab)
{
	lab->launcher = start_child(LAUNCHER, (const char *const[]){"--launch-immediately", NULL});
	guard(lab->launcher.pid);
}

void accessible_lab_kill_bus(struct accessible_lab *lab)
{
	if (lab->launcher.pid > 0)
		kill(-lab->launcher.pid, SIGKILL);
	end_child(&lab->launcher, SIGKILL);
}

char *accessible_lab_address(void)
{
	char *output = NULL, *from, *to;
	int64_t until_ns = clock_now_ns() + 30 * NS_PER_S;

	for (;;) {
		run_child(&output, "busctl", "--user", "call", "org.a11y.Bus", "/org/a11y/bus",
			"org.a11y.Bus", "GetAddress", NULL);
		from = strchr(output, '"');
		to = from ? strchr(from + 1, '"') : NULL;
		if (to && to > from + 1)
			break;
		free(steal_ptr(output));
		check(clock_now_ns() < until_ns);
		sleep_ms(100);
	}
	*to = '\0';
	memmove(output, from + 1, (size_t)(to - from));
	return output;
}

static bool is_installed(void)
{
	static const char *const programs[] = {
		LAUNCHER, PYTHON, "dbus-daemon", "openbox", "busctl"};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!has_program(programs[i]))
			return false;
	return run_child(NULL, PYTHON, "-c",
		       "import gi\ngi.require_version('Gtk', '3.0')\n"
		       "from gi.repository import Gtk",
		       NULL) == 0;
}

bool accessible_lab_start(struct accessible_lab *lab)
{
	_autofree_ char *folder = temporary_path("run"), *address = NULL;

	if (lab->desktop.connection)
		accessible_lab_end(lab);
	*lab = (struct accessible_lab){.focus = FOCUS_UNKNOWN};
	pthread_mutex_init(&lab->lock, NULL);
	if (!is_installed()) {
		skip_test("no at-spi2-core, openbox, or GTK for Python");
		return false;
	}
	mkdir(folder, 0700);
	check(asprintf(&address, "unix:path=%s/bus", folder) > 0);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	setenv("XDG_CONFIG_HOME", folder, 1);
	setenv("DBUS_SESSION_BUS_ADDRESS", address, 1);
	setenv("GSETTINGS_BACKEND", "memory", 1);
	setenv("GDK_BACKEND", "x11", 1);
	setenv("GSK_RENDERER", "cairo", 1);
	unsetenv("AT_SPI_BUS_ADDRESS");
	unsetenv("NO_AT_BRIDGE");
	unsetenv("WAYLAND_DISPLAY");
	if (!desktop_start(&lab->desktop, 800, 600))
		return false;
	/* one at a time: a failed test leaves its own behind */
	end_child(&session_bus, SIGKILL);
	lab->bus = session_bus = start_child("dbus-daemon",
		(const char *const[]){"--session", "--nofork", "--nopidfile", "--print-address",
			"--address", address, NULL});
	check(child_says(&lab->bus, "unix:", 30));
	accessible_lab_run_bus(lab);
	free(accessible_lab_address());
	lab->manager = start_child("openbox", (const char *const[]){"--sm-disable", NULL});
	return true;
}

void accessible_lab_end(struct accessible_lab *lab)
{
	accessible_lab_stop_listening(lab);
	end_child(&lab->manager, SIGKILL);
	accessible_lab_kill_bus(lab);
	end_child(&lab->bus, SIGKILL);
	session_bus.pid = 0;
	if (lab->desktop.connection)
		desktop_end(&lab->desktop);
	for (size_t i = 0; i < lab->clicked_count; i++)
		uxrec__clicked_object__free_unpacked(lab->clicked[i].object, NULL);
	lab->clicked_count = 0;
}

/* ---- applications ---- */

bool application_has(const char *name)
{
	if (strncmp(name, "Chromium", 8) == 0)
		return has_program("chromium");
	return run_child(NULL, PYTHON, "-c",
		       "import gi,sys\ngi.require_version('Gtk', sys.argv[1])\n"
		       "from gi.repository import Gtk",
		       strncmp(name, "GTK 4", 5) == 0 ? "4.0" : "3.0", NULL) == 0;
}

static xcb_atom_t atom(xcb_connection_t *c, const char *name)
{
	_autofree_ xcb_intern_atom_reply_t *reply =
		xcb_intern_atom_reply(c, xcb_intern_atom(c, 0, (uint16_t)strlen(name), name), NULL);

	check(reply != NULL);
	return reply->atom;
}

static bool is_window_of(xcb_connection_t *c, xcb_window_t window, pid_t pid)
{
	_autofree_ xcb_get_property_reply_t *reply = xcb_get_property_reply(c,
		xcb_get_property(c, 0, window, atom(c, "_NET_WM_PID"), XCB_ATOM_CARDINAL, 0, 1),
		NULL);
	_autofree_ xcb_get_window_attributes_reply_t *attributes =
		xcb_get_window_attributes_reply(c, xcb_get_window_attributes(c, window), NULL);

	return reply && attributes && attributes->map_state == XCB_MAP_STATE_VIEWABLE &&
		xcb_get_property_value_length(reply) == 4 &&
		*(uint32_t *)xcb_get_property_value(reply) == (uint32_t)pid;
}

static xcb_window_t find_window(xcb_connection_t *c, xcb_window_t under, pid_t pid)
{
	_autofree_ xcb_query_tree_reply_t *tree =
		xcb_query_tree_reply(c, xcb_query_tree(c, under), NULL);
	xcb_window_t found = is_window_of(c, under, pid) ? under : XCB_NONE;

	for (int i = 0; tree && !found && i < xcb_query_tree_children_length(tree); i++)
		found = find_window(c, xcb_query_tree_children(tree)[i], pid);
	return found;
}

static bool place_window(struct accessible_lab *lab, struct application *application)
{
	xcb_connection_t *c = lab->desktop.connection;
	xcb_window_t root = lab->desktop.screen->root;
	xcb_window_t window = find_window(c, root, application->child.pid);
	_autofree_ xcb_translate_coordinates_reply_t *at = NULL;
	_autofree_ xcb_get_geometry_reply_t *size = NULL;
	bool still;

	if (!window)
		return false;
	at = xcb_translate_coordinates_reply(
		c, xcb_translate_coordinates(c, window, root, 0, 0), NULL);
	size = xcb_get_geometry_reply(c, xcb_get_geometry(c, window), NULL);
	if (!at || !size || size->height < 300)
		return false;
	still = application->left == at->dst_x && application->top == at->dst_y &&
		application->width == size->width && application->height == size->height;
	application->window = window;
	application->left = at->dst_x;
	application->top = at->dst_y;
	application->width = size->width;
	application->height = size->height;
	return still;
}

static struct child start_chromium(const char *address)
{
	static int number;
	_autofree_ char *folder = NULL;

	check(asprintf(&folder, "--user-data-dir=%s/chromium-%d", temporary_folder(), ++number) >
		0);
	return start_child("chromium",
		(const char *const[]){"--no-sandbox", "--disable-gpu", "--disable-quic",
			"--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
			"--password-store=basic", "--force-renderer-accessibility", "--kiosk",
			folder, address, NULL});
}

/* @return false without a window after @p seconds */
static bool try_to_start(
	struct accessible_lab *lab, struct application *application, const char *name, int seconds)
{
	int64_t until_ns = clock_now_ns() + seconds * NS_PER_S;
	bool menus = strstr(name, "menus") != NULL;

	*application = (struct application){.name = name};
	application->child = strncmp(name, "Chromium", 8) == 0
		? start_chromium(menus ? page_of_menus : page)
		: start_child(PYTHON,
			  (const char *const[]){"-c", menus ? gtk_menus : gtk_program,
				  strncmp(name, "GTK 4", 5) == 0 ? "4.0" : "3.0", NULL});
	/* the window manager moves it at first */
	while (!place_window(lab, application)) {
		if (clock_now_ns() > until_ns) {
			_autofree_ char *output = child_output(&application->child);

			printf("# %s has no window (%#x, %dx%d): %s\n", name, application->window,
				application->width, application->height, output);
			return false;
		}
		sleep_ms(300);
	}
	return true;
}

/* Rarely a freshly started toolkit hangs: then start it once more. */
void application_start(
	struct accessible_lab *lab, struct application *application, const char *name)
{
	if (try_to_start(lab, application, name, 30))
		return;
	application_end(application);
	check(try_to_start(lab, application, name, 60));
}

void application_end(struct application *application)
{
	if (application->child.pid > 0)
		kill(-application->child.pid, SIGKILL);
	end_child(&application->child, SIGKILL);
}

/* True for a mapped window of its own that is no invisible helper. */
static bool is_menu(xcb_connection_t *c, xcb_window_t window, pid_t pid, int place[4])
{
	_autofree_ xcb_get_window_attributes_reply_t *attributes =
		xcb_get_window_attributes_reply(c, xcb_get_window_attributes(c, window), NULL);
	_autofree_ xcb_get_geometry_reply_t *size =
		xcb_get_geometry_reply(c, xcb_get_geometry(c, window), NULL);

	if (!attributes || !size || !attributes->override_redirect || size->width < 30 ||
		size->height < 30 || !is_window_of(c, window, pid))
		return false;
	place[0] = size->x;
	place[1] = size->y;
	place[2] = size->width;
	place[3] = size->height;
	return true;
}

bool application_menu(struct accessible_lab *lab, const struct application *application,
	int *ret_left, int *ret_top, int *ret_width, int *ret_height)
{
	xcb_connection_t *c = lab->desktop.connection;
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;
	int place[4];

	for (; clock_now_ns() < until_ns; sleep_ms(50)) {
		_autofree_ xcb_query_tree_reply_t *tree =
			xcb_query_tree_reply(c, xcb_query_tree(c, lab->desktop.screen->root), NULL);

		for (int i = tree ? xcb_query_tree_children_length(tree) : 0; i-- > 0;)
			if (is_menu(c, xcb_query_tree_children(tree)[i], application->child.pid,
				    place)) {
				*ret_left = place[0];
				*ret_top = place[1];
				*ret_width = place[2];
				*ret_height = place[3];
				return true;
			}
	}
	return false;
}

void application_point(const struct application *application, enum row row, int *ret_x, int *ret_y)
{
	*ret_x = application->left + application->width / 2;
	*ret_y = application->top + (2 * (int)row + 1) * application->height / (2 * ROW_COUNT);
}

/* ---- listening ---- */

static void on_focus(void *user, enum accessible_focus focus)
{
	struct accessible_lab *lab = user;

	pthread_mutex_lock(&lab->lock);
	lab->focus = focus;
	lab->focus_ns = clock_now_ns();
	lab->focus_count++;
	pthread_mutex_unlock(&lab->lock);
}

static void on_pressed(void *user, int64_t time_ns, int x_px, int y_px)
{
	struct accessible_lab *lab = user;

	accessible_source_click(lab->source, time_ns, x_px, y_px);
}

static void on_lost(void *user, struct source *source, const char *reason)
{
	(void)user;
	(void)source;
	(void)reason;
}

static void take(struct packet_sink *sink, struct packet *packet)
{
	struct accessible_lab *lab =
		(struct accessible_lab *)((char *)sink - offsetof(struct accessible_lab, sink));
	const unsigned char *data = packet_data(packet);
	size_t size = packet_data_size(packet);

	pthread_mutex_lock(&lab->lock);
	if (packet->channel == CHANNEL_CLICKED && lab->clicked_count < ARRAY_SIZE(lab->clicked)) {
		lab->clicked[lab->clicked_count++] =
			(struct clicked){packet->time_ns - lab->clock.utc_offset_ns, clock_now_ns(),
				uxrec__clicked_object__unpack(NULL, size, data)};
	} else if (packet->channel == CHANNEL_GAPS) {
		Uxrec__Gap *gap = uxrec__gap__unpack(NULL, size, data);

		lab->gaps++;
		lab->gap_clicks += gap->count;
		uxrec__gap__free_unpacked(gap, NULL);
	}
	pthread_mutex_unlock(&lab->lock);
	packet_unref(packet);
}

void accessible_lab_listen(struct accessible_lab *lab, enum name_policy names)
{
	const struct source_context context = {
		.clock = &lab->clock, .sink = &lab->sink, .failed = on_lost, .user = lab};
	const struct accessible_options options = {.names = names, .focus = on_focus, .user = lab};
	const struct pointer_options pointer = {.pressed = on_pressed, .user = lab};
	struct error error = {""};
	int r;

	session_clock_init(&lab->clock);
	lab->sink.push = take;
	r = accessible_source_create(&lab->source, &context, &options, &error);
	if (r < 0)
		printf("# %s\n", error.text);
	check(r == 0);
	check(pointer_source_create(&lab->pointer, &context, &pointer, &error) == 0);
}

void accessible_lab_stop_listening(struct accessible_lab *lab)
{
	source_destroy(steal_ptr(lab->pointer));
	source_destroy(steal_ptr(lab->source));
}

int64_t accessible_lab_waits(
	struct accessible_lab *lab, enum accessible_focus focus, int64_t from_ns)
{
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	do {
		int64_t at_ns = 0;

		pthread_mutex_lock(&lab->lock);
		if (lab->focus_count > 0 && lab->focus == focus)
			at_ns = lab->focus_ns > from_ns ? lab->focus_ns : from_ns;
		pthread_mutex_unlock(&lab->lock);
		if (at_ns)
			return at_ns;
		sleep_ms(1);
	} while (clock_now_ns() < until_ns);
	return 0;
}

void accessible_lab_key(struct accessible_lab *lab, uint8_t keycode, bool shift)
{
	if (shift)
		desktop_fake(&lab->desktop, XCB_KEY_PRESS, KEY_SHIFT, 0, 0);
	desktop_fake(&lab->desktop, XCB_KEY_PRESS, keycode, 0, 0);
	desktop_fake(&lab->desktop, XCB_KEY_RELEASE, keycode, 0, 0);
	if (shift)
		desktop_fake(&lab->desktop, XCB_KEY_RELEASE, KEY_SHIFT, 0, 0);
}

static int64_t press(struct accessible_lab *lab, uint8_t button, int x, int y, int for_ms)
{
	int64_t now_ns;

	desktop_fake(&lab->desktop, XCB_MOTION_NOTIFY, 0, x, y);
	now_ns = clock_now_ns();
	desktop_fake(&lab->desktop, XCB_BUTTON_PRESS, button, 0, 0);
	sleep_ms(for_ms);
	desktop_fake(&lab->desktop, XCB_BUTTON_RELEASE, button, 0, 0);
	return now_ns;
}

int64_t accessible_lab_click(struct accessible_lab *lab, int x, int y)
{
	return press(lab, 1, x, y, 30);
}

int64_t accessible_lab_press(struct accessible_lab *lab, uint8_t button, int x, int y)
{
	return press(lab, button, x, y, 80);
}

bool accessible_lab_has_focus(struct accessible_lab *lab, enum accessible_focus focus)
{
	bool has;

	pthread_mutex_lock(&lab->lock);
	has = lab->focus == focus;
	pthread_mutex_unlock(&lab->lock);
	return has;
}

bool accessible_lab_focus_row(struct accessible_lab *lab, const struct application *application,
	enum row row, enum accessible_focus focus)
{
	int x, y;

	application_point(application, row, &x, &y);
	for (int i = 0; i < 30; i++) {
		accessible_lab_click(lab, x, y);
		sleep_ms(1000);
		if (accessible_lab_has_focus(lab, focus))
			return true;
	}
	return false;
}

const struct clicked *accessible_lab_clicked(struct accessible_lab *lab, size_t number, int seconds)
{
	int64_t until_ns = clock_now_ns() + seconds * NS_PER_S;

	do {
		bool there;

		pthread_mutex_lock(&lab->lock);
		there = lab->clicked_count > number;
		pthread_mutex_unlock(&lab->lock);
		if (there)
			return &lab->clicked[number];
		sleep_ms(1);
	} while (clock_now_ns() < until_ns);
	return NULL;
}

/* ---- queries of tests ---- */

bool toolkits_are_told(void)
{
	_autofree_ char *output = NULL;

	run_child(&output, "busctl", "--user", "get-property", "org.a11y.Bus", "/org/a11y/bus",
		"org.a11y.Status", "IsEnabled", NULL);
	return strstr(output, "true") != NULL;
}

bool toolkits_become(bool told)
{
	int64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (toolkits_are_told() != told) {
		if (clock_now_ns() > until_ns)
			return false;
		sleep_ms(20);
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void print_times(const char *what, const char *name, double *ms, size_t count)
{
	qsort(ms, count, sizeof(*ms), compare);
	printf("# %s: %s in %.1f ms (median of %zu), at most %.1f ms\n", name, what, ms[count / 2],
		count, ms[count - 1]);
}

bool clicked_contains(const Uxrec__ClickedObject *object)
{
	return object->x_px >= object->left_px && object->y_px >= object->top_px &&
		object->x_px < object->left_px + (int)object->width_px &&
		object->y_px < object->top_px + (int)object->height_px;
}

const Uxrec__ClickedObject *accessible_lab_click_row(struct accessible_lab *lab,
	const struct application *application, enum row row, double *ret_ms)
{
	const struct clicked *clicked = NULL;
	int64_t at_ns = 0;
	int x, y;

	application_point(application, row, &x, &y);
	for (int i = 0; i < 3 && !clicked; i++) {
		size_t number = lab->clicked_count;

		lab->undescribed += i > 0;
		at_ns = accessible_lab_click(lab, x, y);
		clicked = accessible_lab_clicked(lab, number, i < 2 ? 3 : 20);
	}
	check(clicked && clicked->object);
	expect(clicked->at_ns <= clicked->told_ns && clicked->told_ns - clicked->at_ns < NS_PER_S);
	expect(clicked->object->x_px == x && clicked->object->y_px == y);
	if (ret_ms)
		*ret_ms = (double)(clicked->told_ns - at_ns) / 1e6;
	return clicked->object;
}

void clicked_print(const char *name, const Uxrec__ClickedObject *object)
{
	printf("# %s: %s '%s' of '%s' at %d,%d %ux%u, clicked at %d,%d\n", name, object->role,
		object->name, object->application, object->left_px, object->top_px,
		object->width_px, object->height_px, object->x_px, object->y_px);
}

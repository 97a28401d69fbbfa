#pragma once

#include "capture/a11y/accessible.h"
#include "protocol/input.pb-c.h"
#include "tests/harness/screens/desktop.h"

#include <pthread.h>

/*
 * A desktop with a session bus and an accessibility bus of its own, applications of real toolkits on it, and the
 * accessible source and the pointer source that listen to them.
 */

/** One application: a window of four rows of equal height, an entry with the label "Your name", a password field, a
 *  button "Save", and a text area. The entry has the focus. */
struct application {
	struct child child;
	const char *name; /* "GTK 3", "GTK 4", "Chromium" */
	xcb_window_t window;
	int left, top, width, height;
};

enum row {
	ROW_ENTRY,
	ROW_PASSWORD,
	ROW_BUTTON,
	ROW_TEXT,
	ROW_COUNT,

	/* of the other window: a menu bar with the menu "File" (New, Open, Recent (One, Two)), a list (Red, Green,
	 * Blue), an area with a context menu (Back, Reload), a button that opens a popover (Apple, Pear) */
	ROW_MENU_BAR = ROW_ENTRY,
	ROW_LIST,
	ROW_AREA,
	ROW_POPOVER,
};

struct accessible_lab {
	struct desktop desktop;
	struct child bus, launcher, manager;

	/* listeners */
	struct session_clock clock;
	struct packet_sink sink;
	struct source *source, *pointer;
	pthread_mutex_t lock;
	enum accessible_focus focus;
	int64_t focus_ns;     /* time of its report */
	unsigned focus_count; /* number of reports */
	struct clicked {
		int64_t at_ns, told_ns; /* CLOCK_MONOTONIC */
		Uxrec__ClickedObject *object;
	} clicked[64];
	_Atomic size_t clicked_count;
	unsigned gaps;
	uint64_t gap_clicks;
	unsigned undescribed; /* clicks of accessible_lab_click_row(); counted in gap_clicks */
};

/** @return false if a program is missing: the test is skipped */
bool accessible_lab_start(struct accessible_lab *lab);
void accessible_lab_end(struct accessible_lab *lab);

void accessible_lab_run_bus(struct accessible_lab *lab);
void accessible_lab_kill_bus(struct accessible_lab *lab);

/** Address of the accessibility bus, allocated. */
char *accessible_lab_address(void);

bool application_has(const char *name);
void application_start(
	struct accessible_lab *lab, struct application *application, const char *name);
/** The other window, "GTK 3 menus", "GTK 4 menus" or "Chromium menus"; its rows depend on the toolkit. */
void application_end(struct application *application);

/** Place of an application's open menu. @return false if none appears in time */
bool application_menu(struct accessible_lab *lab, const struct application *application,
	int *ret_left, int *ret_top, int *ret_width, int *ret_height);

/** Centre of a row in screen coordinates. */
void application_point(const struct application *application, enum row row, int *ret_x, int *ret_y);

/** Listen with both sources. */
void accessible_lab_listen(struct accessible_lab *lab, enum name_policy names);
void accessible_lab_stop_listening(struct accessible_lab *lab);

/** Wait until a focus is reported, at or after a time. @return the time of its report, 0 if never */
int64_t accessible_lab_waits(
	struct accessible_lab *lab, enum accessible_focus focus, int64_t from_ns);

void accessible_lab_key(struct accessible_lab *lab, uint8_t keycode, bool shift);
/** Press and release the first button there. @return the time */
int64_t accessible_lab_click(struct accessible_lab *lab, int x, int y);
/** Same with any button, held as long as by hand. */
int64_t accessible_lab_press(struct accessible_lab *lab, uint8_t button, int x, int y);

/** True if this is the focus reported last. */
bool accessible_lab_has_focus(struct accessible_lab *lab, enum accessible_focus focus);

/** Click until the row has the focus: a freshly started page takes clicks and keys only some time after its window is
 *  shown. @return false if it never gets it */
bool accessible_lab_focus_row(struct accessible_lab *lab, const struct application *application,
	enum row row, enum accessible_focus focus);

/** Wait for the last click's object. @return NULL if none comes */
const struct clicked *accessible_lab_clicked(
	struct accessible_lab *lab, size_t number, int seconds);

/** True if accessibility is announced to toolkits as enabled. */
bool toolkits_are_told(void);
/** Wait until it is announced as enabled, or disabled. @return false after 20 s */
bool toolkits_become(bool told);

/** Print the median and the maximum of times; sorts them. */
void print_times(const char *what, const char *name, double *ms, size_t count);

/**
 * Click a row, and wait for its object. If an application on a busy machine misses its half second, the click is
 * repeated and counted as undescribed.
 *
 * @param ret_ms  latency of the object; may be NULL
 * @return owned by the lab
 */
const Uxrec__ClickedObject *accessible_lab_click_row(struct accessible_lab *lab,
	const struct application *application, enum row row, double *ret_ms);

/** True if an object contains the clicked point. */
bool clicked_contains(const Uxrec__ClickedObject *object);
void clicked_print(const char *name, const Uxrec__ClickedObject *object);

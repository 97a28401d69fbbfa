#pragma once

#include "capture/accessible.h"
#include "protocol/input.pb-c.h"
#include "tests/harness/desktop.h"

#include <pthread.h>

/*
 * A desktop with a session bus and an accessibility bus of its own, applications of real toolkits on it, and the
 * accessible source with the pointer that listen to them.
 */

/** One application: a window of four rows of equal height, an entry with the label "Your name", a password
 *  field, a button "Save", and text that can be written on. The entry has the focus. */
struct application {
	struct child child;
	const char *name; /* "GTK 3", "GTK 4", "Chromium" */
	int left, top, width, height;
};

enum row {
	ROW_ENTRY,
	ROW_PASSWORD,
	ROW_BUTTON,
	ROW_TEXT,
	ROW_COUNT,
};

struct accessible_lab {
	struct desktop desktop;
	struct child bus, launcher, manager;

	/* what listens */
	struct session_clock clock;
	struct packet_sink sink;
	struct source *source, *pointer;
	pthread_mutex_t lock;
	enum accessible_focus focus;
	int64_t focus_ns;     /* when that was told */
	unsigned focus_count; /* how often */
	struct clicked {
		int64_t at_ns, told_ns; /* CLOCK_MONOTONIC */
		Uxrec__ClickedObject *object;
	} clicked[64];
	size_t clicked_count;
	unsigned gaps;
	uint64_t gap_clicks;
};

/** @return false: something is not installed, and the test counts as skipped */
bool accessible_lab_start(struct accessible_lab *lab);
void accessible_lab_end(struct accessible_lab *lab);

void accessible_lab_run_bus(struct accessible_lab *lab);
void accessible_lab_kill_bus(struct accessible_lab *lab);

/** The accessibility bus's address, allocated. */
char *accessible_lab_address(void);

bool application_has(const char *name);
void application_start(
	struct accessible_lab *lab, struct application *application, const char *name);
void application_end(struct application *application);

/** The middle of a row on the screen. */
void application_point(const struct application *application, enum row row, int *ret_x, int *ret_y);

/** Listen with both sources. */
void accessible_lab_listen(struct accessible_lab *lab, enum name_policy names);
void accessible_lab_stop_listening(struct accessible_lab *lab);

/** Wait until that is what has the focus, told at or after a time. @return when it was told, 0 if never */
int64_t accessible_lab_waits(
	struct accessible_lab *lab, enum accessible_focus focus, int64_t from_ns);

void accessible_lab_key(struct accessible_lab *lab, uint8_t keycode, bool shift);
/** Press and release a button there. @return when */
int64_t accessible_lab_click(struct accessible_lab *lab, int x, int y);

/** Wait for what was clicked last. @return NULL when nothing comes */
const struct clicked *accessible_lab_clicked(
	struct accessible_lab *lab, size_t number, int seconds);

#pragma once

#include "capture/source.h"

#include <systemd/sd-event.h>

/*
 * The participant's applications by AT-SPI, the accessibility bus: the kind of the focused object,
 * and the object under a click. Text is never requested: one table, in bus.c, lists all methods
 * that are ever called.
 */

/** Recording policy for clicked accessible objects. */
enum name_policy {
	NAMES_NONE,
	NAMES_ROLES, /* role and extents */
	NAMES_FULL,  /* also the object's name and the application's */
};

/** @return 0, or -EINVAL when @p name is not "none", "roles" or "full" */
int name_policy_parse(const char *name, enum name_policy *ret);
const char *name_policy_name(enum name_policy policy);

/** Kind of the focused object. */
enum accessible_focus {
	/* The bus or an application does not reply; or the active window exposes no focused object,
	 * e.g. of a browser that does not expose its pages. */
	FOCUS_UNKNOWN,
	/* No window on the bus is active: keys go to an application that is not on the bus (xterm),
	 * or to none. Whether it asks for a password can never be determined. */
	FOCUS_UNSEEN,
	FOCUS_PASSWORD, /* a password field */
	FOCUS_OTHER,
	/* The session has no accessibility bus, detected after the source began: password fields
	 * cannot be distinguished from others. */
	FOCUS_ABSENT,
};

struct accessible_options {
	enum name_policy names;
	const char *display; /* X display of the clicks; NULL: the environment's */
	/**
	 * Called from the source's thread on every change, and once soon after the start: later
	 * when the bus does not reply, and then a gap covers the interval in which keys could not
	 * be recorded. Must not block. May be NULL: then the focus is not followed.
	 *
	 * When the focus moves, the old state holds until the new one is known, for at most
	 * ACCESSIBLE_ANSWER_MS; then it is FOCUS_UNKNOWN until the application replies. While
	 * nothing moves the object is polled every half second, so that a hanging application is
	 * detected within ACCESSIBLE_HANG_MS.
	 */
	void (*focus)(void *user, enum accessible_focus focus);
	void *user;
};

#define ACCESSIBLE_ANSWER_MS 80
#define ACCESSIBLE_HANG_MS   750

/**
 * Follow the focus, and push clicked objects on CHANNEL_CLICKED. Nothing waits for an application:
 * one that hangs is FOCUS_UNKNOWN while it has the focus, and its clicks are one Gap for each hang.
 * The bus may go and come back.
 *
 * Announces an accessibility client to toolkits (org.a11y.Status, IsEnabled) for the lifetime of
 * the source; see also accessible_announcement_create().
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason and the remedy: -ENOENT when there is no
 *         accessibility bus
 */
int accessible_source_create(struct source **ret, const struct source_context *context,
	const struct accessible_options *options, struct error *reterr);

/** True while the bus has not replied since the source began and is no longer waited for. Any
 *  thread. */
bool accessible_source_waits(struct source *source);

/**
 * Announces an accessibility client to toolkits: some check for one only when they start, and their
 * password fields would remain undetected. Sends no queries and receives no events.
 */
struct accessible_announcement;

/** @return 0 (ended by accessible_announcement_destroy()) or a negative errno */
int accessible_announcement_create(struct accessible_announcement **ret, sd_event *event);
void accessible_announcement_destroy(struct accessible_announcement *announcement);
DEFINE_DESTROY(accessible_announcement);

/**
 * Find the object under a button press. Returns at once; any thread. Does nothing under NAMES_NONE
 * or without an X display.
 *
 * @param time_ns  CLOCK_MONOTONIC
 * @param x_px, y_px  screen coordinates
 */
void accessible_source_click(struct source *source, int64_t time_ns, int x_px, int y_px);

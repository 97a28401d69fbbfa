#pragma once

#include "capture/source.h"

#include <systemd/sd-event.h>

/*
 * What the participant's applications say of themselves by AT-SPI, the accessibility bus: which kind of
 * object has the focus, and what is under a click. Text is never asked for: which methods are ever called
 * stands in one table, in accessible_bus.c.
 */

/** What may be kept of objects that are clicked. */
enum name_policy {
	NAMES_NONE,
	NAMES_ROLES, /* what kind of object, and where */
	NAMES_FULL,  /* also its name and its application's */
};

/** @return 0, or -EINVAL when @p name is not "none", "roles" or "full" */
int name_policy_parse(const char *name, enum name_policy *ret);
const char *name_policy_name(enum name_policy policy);

/** What is known of the object that has the focus. */
enum accessible_focus {
	/* The bus or an application does not answer; or a window that is active does not say what in it has the
	 * focus, as that of a browser which does not tell of its pages. */
	FOCUS_UNKNOWN,
	/* No window on the bus is active: keys go to an application that says nothing of itself (xterm), or to
	 * none. Whether it asks for a password cannot be judged, ever. */
	FOCUS_UNSEEN,
	FOCUS_PASSWORD, /* a password field */
	FOCUS_OTHER,
	/* The session has no accessibility bus, found out after the source began: password fields cannot be
	 * distinguished from others. */
	FOCUS_ABSENT,
};

struct accessible_options {
	enum name_policy names;
	const char *display; /* where clicks are, an X display; NULL: the environment's */
	/**
	 * Called from the source's thread whenever the answer changes, and once soon after the start: later where the
	 * bus does not answer, and then a gap tells from when to when keys could not be recorded.
	 * Must not block. May be NULL: then the focus is not followed.
	 *
	 * When the focus moves, the old answer holds until the new one is known, for at most
	 * ACCESSIBLE_ANSWER_MS; then it is FOCUS_UNKNOWN until the application answers. While nothing moves it is
	 * asked again every half second, so that one which hangs is noticed within ACCESSIBLE_HANG_MS.
	 */
	void (*focus)(void *user, enum accessible_focus focus);
	void *user;
};

#define ACCESSIBLE_ANSWER_MS 80
#define ACCESSIBLE_HANG_MS   750

/**
 * Follow the focus, and describe what is clicked as CHANNEL_CLICKED. Nothing waits for an application: one
 * that hangs is FOCUS_UNKNOWN while it has the focus, and its clicks are one Gap each time that it hangs. The
 * bus may go and come back.
 *
 * Toolkits are told that somebody listens (org.a11y.Status, IsEnabled) for as long as the source lives; see
 * also accessible_announcement_create().
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason and what mends it: -ENOENT when there is no
 *         accessibility bus
 */
int accessible_source_create(struct source **ret, const struct source_context *context,
	const struct accessible_options *options, struct error *reterr);

/** Whether the bus has not answered since the source began, which then did not wait longer. Any thread. */
bool accessible_source_waits(struct source *source);

/**
 * Tell toolkits that somebody listens, from now on: some look for that only when they start, and their
 * password fields could not be known otherwise. Nothing is asked, and nothing is taken in.
 */
struct accessible_announcement;

/** @return 0 (ended by accessible_announcement_destroy()) or a negative errno */
int accessible_announcement_create(struct accessible_announcement **ret, sd_event *event);
void accessible_announcement_destroy(struct accessible_announcement *announcement);
DEFINE_DESTROY(accessible_announcement);

/**
 * A button was pressed: find out what was there. Returns at once; any thread. Does nothing under NAMES_NONE or
 * without an X display.
 *
 * @param time_ns  CLOCK_MONOTONIC
 * @param x_px, y_px  screen coordinates
 */
void accessible_source_click(struct source *source, int64_t time_ns, int x_px, int y_px);

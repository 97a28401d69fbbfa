#pragma once

#include "capture/source.h"

/*
 * What the participant's applications say of themselves by AT-SPI, the accessibility bus: which kind of
 * object has the focus, and what is under a click. Text is never asked for.
 */

/** What may be kept of objects that are clicked. */
enum name_policy {
	NAMES_NONE,
	NAMES_ROLES, /* what kind of object, and where */
	NAMES_FULL,  /* also its name and its application's */
};

/** @return 0, or -EINVAL when @p name is not "none", "roles" or "full" */
int name_policy_parse(const char *name, enum name_policy *ret);

/** What is known of the object that has the focus. */
enum accessible_focus {
	FOCUS_UNKNOWN,  /* the bus, or the application, does not answer */
	FOCUS_PASSWORD, /* a password field */
	FOCUS_OTHER,
};

struct accessible_options {
	enum name_policy names;
	/**
	 * Called from the source's thread whenever the answer changes, and once soon after the start.
	 * Must not block.
	 */
	void (*focus)(void *user, enum accessible_focus focus);
	void *user;
};

/**
 * Follow the focus, and describe what is clicked as CHANNEL_CLICKED.
 *
 * @param ret  set on success; freed by source_destroy()
 * @return 0, or a negative errno with the reason and what mends it: -ENOENT when there is no
 *         accessibility bus
 */
int accessible_source_create(struct source **ret, const struct source_context *context,
	const struct accessible_options *options, struct error *reterr);

/**
 * A button was pressed: find out what was there. Returns at once; any thread.
 *
 * @param time_ns  CLOCK_MONOTONIC
 * @param x_px, y_px  screen coordinates
 */
void accessible_source_click(struct source *source, int64_t time_ns, int x_px, int y_px);

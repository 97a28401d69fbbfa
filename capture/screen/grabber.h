#pragma once

#include "capture/screen/canvas.h"
#include "capture/screen/hide.h"
#include "capture/screen/monitors.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Copies damaged parts of a screen onto a canvas. Used by one thread. Damage is *pulled*: it accumulates until the
 * caller collects it, so no damage is ever lost.
 */
struct grabber;

struct grabber_size {
	int width, height; /* pixels */
};

#define OUTPUT_NAME_BYTES 96

/** Pointer state, which some grabbers report beside the pictures. */
struct grabber_pointer {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	int x, y;        /* on the screen, pixels */
	/* height rows of 4 * width bytes, premultiplied; NULL: shape unchanged */
	const uint8_t *rgba;
	int width, height; /* 0: invisible */
	int hot_x, hot_y;  /* hotspot: the shape's pixel at x, y */
};

/** Argument of create(). */
struct grabber_target {
	const char *display; /* NULL: from the environment */
	/* the only output to capture, "HDMI-A-1"; NULL: the grabber's choice, or all. Supported by grabber_wlr
	 * only, see grabber_check_output() */
	const char *output;
	const _Atomic bool *cancelled; /* true: stop waiting for the user. NULL: never */
};

/** Implementation: each exports one constant object. */
struct grabber_ops {
	const char *name; /* "x11", "wlr", "portal", "test" */

	/**
	 * Connect. A portal waits for the user's permission.
	 *
	 * @return 0 or -errno with the reason: -EINVAL for an unknown output, -ECANCELED when cancelled
	 */
	int (*create)(
		struct grabber **ret, const struct grabber_target *target, struct error *reterr);

	/**
	 * Wait for damage. A new or resized screen is fully damaged.
	 *
	 * @param wake_fd        returns early when readable
	 * @param deadline_ns    CLOCK_MONOTONIC; INT64_MAX: none
	 * @param ret_damage_ns  report time of the first damage since the last grab
	 * @return 1 damaged, 0 not (wake_fd or deadline), -EPIPE the screen is gone
	 */
	int (*wait)(
		struct grabber *grabber, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns);

	/** Size of the next grab. */
	struct grabber_size (*size)(const struct grabber *grabber);

	/**
	 * Copy the damage onto a canvas of the current size.
	 *
	 * @param ret_copied_ns  end time of the copy
	 * @return 0 done, -EAGAIN the size has changed: check size() and retry, -EPIPE gone
	 */
	int (*grab)(struct grabber *grabber, struct canvas *canvas, int64_t *ret_copied_ns);

	/** Monitors of the screen, as of the last grab. NULL: always unknown. */
	const struct monitors *(*monitors)(const struct grabber *grabber);

	/**
	 * Limitations in this session, with the reason.
	 *
	 * @return text owned by the grabber, or NULL: none. A NULL function: never any
	 */
	const char *(*limitation)(const struct grabber *grabber);

	/** Mark the whole screen as damaged, for a fresh canvas. */
	void (*damage_all)(struct grabber *grabber);

	/**
	 * Start hiding windows, by MASK_WINDOWS of the canvas; call before the first grab. NULL: unsupported, no
	 * window positions available.
	 *
	 * @param rules    outlives the grabber, like @p focused
	 * @param focused  true to hide the focused window; a change ends wait()
	 */
	int (*hide)(struct grabber *grabber, const struct hide_rules *rules,
		const _Atomic bool *focused, struct error *reterr);

	/** Make pending and later calls that block on the screen return -EPIPE. Any thread. NULL: none of the
	 *  calls ever blocks on another process. */
	void (*abort)(struct grabber *grabber);

	/**
	 * Report the pointer's current state and every change. NULL: unsupported.
	 *
	 * @param report  called from a thread of the grabber, never after destroy()
	 */
	void (*track_pointer)(struct grabber *grabber,
		void (*report)(void *user, const struct grabber_pointer *pointer), void *user);

	/** Reason for -EPIPE, user-facing. NULL: the display is gone. */
	const char *(*failure_reason)(struct grabber *grabber);

	/** Name of the only captured output, for create(): foreign text, shorter than OUTPUT_NAME_BYTES. NULL,
	 *  or NULL returned: none. */
	const char *(*output)(const struct grabber *grabber);

	/** Captured object, user-facing: "output HEADLESS-1". NULL: no description. */
	const char *(*describe)(const struct grabber *grabber);

	void (*destroy)(struct grabber *grabber);
};

struct grabber {
	const struct grabber_ops *ops;
};

extern const struct grabber_ops grabber_x11;
extern const struct grabber_ops grabber_wlr;    /* a Wayland output, through wlr-screencopy */
extern const struct grabber_ops grabber_portal; /* a desktop portal's screen, mostly Wayland */
extern const struct grabber_ops grabber_test;   /* moving bar and counter, 10 pictures a second */

/** @return the grabber named @p name, or NULL */
const struct grabber_ops *grabber_find(const char *name);

static inline const char *grabber_limitation(const struct grabber *grabber)
{
	return grabber->ops->limitation ? grabber->ops->limitation(grabber) : NULL;
}

/**
 * Choose the grabber that sees the user's whole session: a Wayland compositor is tried first, because an X display
 * beside it has only some of the windows.
 *
 * @param display  an explicit X display, or NULL
 * @param output   the output to capture, or NULL
 * @param ret_why  the choice and its reason, or the reason for failure
 * @return NULL when no grabber is usable
 */
const struct grabber_ops *grabber_choose(
	const char *display, const char *output, struct error *ret_why);

/**
 * Check for the grabber's support of a single output.
 *
 * @param name  of the grabber, or "none"
 * @return 0, or -EOPNOTSUPP with advice
 */
int grabber_check_output(const char *name, struct error *reterr);

static inline void grabber_destroy(struct grabber *grabber)
{
	if (grabber)
		grabber->ops->destroy(grabber);
}
DEFINE_DESTROY(grabber);

#pragma once

#include "capture/screen/canvas.h"
#include "capture/screen/hide.h"
#include "capture/screen/monitors.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Copies a screen onto a canvas when it has changed. Used by one thread. Damage is *pulled*: it
 * accumulates until the caller comes for it, so that nothing damaged is ever forgotten.
 */
struct grabber;

struct grabber_size {
	int width, height; /* pixels */
};

#define OUTPUT_NAME_BYTES 96

/** The pointer, of which some grabbers learn beside the pictures. */
struct grabber_pointer {
	int64_t time_ns; /* CLOCK_MONOTONIC */
	int x, y;        /* on the screen, pixels */
	const uint8_t *
		rgba; /* height rows of 4 * width bytes, premultiplied; NULL: its shape is as before */
	int width, height; /* 0: it is not to be seen */
	int hot_x, hot_y;  /* the pixel of the shape that lies at x, y */
};

/** One implementation: each exports one constant object. */
struct grabber_ops {
	const char *name; /* "x11", "wlr", "portal", "test" */

	/**
	 * Connect.
	 *
	 * @param display  NULL: the environment's
	 * @param output   the one that alone is captured, "HDMI-A-1"; NULL: its choice, or all. Only grabber_wlr
	 *                 knows of such, see grabber_check_output()
	 * @return 0 or -errno with the reason: -EINVAL there is no such output
	 */
	int (*create)(struct grabber **ret, const char *display, const char *output,
		struct error *reterr);

	/**
	 * Wait for damage. All of a fresh or resized screen is damaged.
	 *
	 * @param wake_fd        returns early when it becomes readable
	 * @param deadline_ns    CLOCK_MONOTONIC; INT64_MAX: none
	 * @param ret_damage_ns  when the first damage since the last grab was reported
	 * @return 1 damaged, 0 not (wake_fd or deadline), -EPIPE the screen is gone
	 */
	int (*wait)(
		struct grabber *grabber, int wake_fd, int64_t deadline_ns, int64_t *ret_damage_ns);

	/** The size that the next grab will have. */
	struct grabber_size (*size)(const struct grabber *grabber);

	/**
	 * Copy what is damaged onto a canvas of the present size.
	 *
	 * @param ret_copied_ns  when the copy was done
	 * @return 0 done, -EAGAIN the size has changed: look at size() and come again, -EPIPE gone
	 */
	int (*grab)(struct grabber *grabber, struct canvas *canvas, int64_t *ret_copied_ns);

	/** What shows the screen, as of the last grab. NULL: that is never known. */
	const struct monitors *(*monitors)(const struct grabber *grabber);

	/**
	 * What it can do less well here than elsewhere, and why.
	 *
	 * @return text that lives as long as the grabber, or NULL: nothing. NULL instead: never anything
	 */
	const char *(*caveat)(const struct grabber *grabber);

	/** All of the screen counts as damaged, for a fresh canvas. */
	void (*damage_all)(struct grabber *grabber);

	/**
	 * Hide windows from now on, by MASK_WINDOWS of the canvas; before the first grab. NULL: it cannot know
	 * where windows are.
	 *
	 * @param rules    lives longer than the grabber, as @p focused does
	 * @param focused  whether the window that has the focus is hidden; when it changes, wait() ends
	 */
	int (*hide)(struct grabber *grabber, const struct hide_rules *rules,
		const _Atomic bool *focused, struct error *reterr);

	/** Make what waits for the screen return -EPIPE, now and later. Any thread. NULL: nothing
	 *  ever waits for anybody else. */
	void (*cut)(struct grabber *grabber);

	/**
	 * Tell of the pointer, as it is and whenever that changes. NULL: it knows nothing of it.
	 *
	 * @param told  called from a thread of the grabber's, and not after destroy()
	 */
	void (*follow)(struct grabber *grabber,
		void (*told)(void *user, const struct grabber_pointer *pointer), void *user);

	/** Why it has returned -EPIPE, for a person. NULL: because the display is gone. */
	const char *(*why)(struct grabber *grabber);

	/** The name of the output that alone is captured, for create(): foreign text, below OUTPUT_NAME_BYTES long. NULL, or
	 *  NULL returned: there is none. */
	const char *(*output)(const struct grabber *grabber);

	/** What it looks at, for a person: "output HEADLESS-1". NULL: there is nothing to say. */
	const char *(*describe)(const struct grabber *grabber);

	void (*destroy)(struct grabber *grabber);
};

struct grabber {
	const struct grabber_ops *ops;
};

extern const struct grabber_ops grabber_x11;
extern const struct grabber_ops grabber_wlr; /* a Wayland output, where wlr-screencopy is offered */
extern const struct grabber_ops grabber_portal; /* what a desktop lets us see, mostly of Wayland */
extern const struct grabber_ops grabber_test; /* a moving bar and a counter, 10 pictures a second */

/** @return the grabber of that name, or NULL */
const struct grabber_ops *grabber_find(const char *name);

static inline const char *grabber_caveat(const struct grabber *grabber)
{
	return grabber->ops->caveat ? grabber->ops->caveat(grabber) : NULL;
}

/**
 * Choose the grabber that sees what a person sees in this session: a Wayland compositor is asked
 * first, because an X display beside it has only some of the windows.
 *
 * @param display  an X display that somebody named, or NULL
 * @param output   the output that is to be captured, or NULL
 * @param ret_why  what was chosen and why, or why nothing can be
 * @return NULL when there is none
 */
const struct grabber_ops *grabber_choose(
	const char *display, const char *output, struct error *ret_why);

/**
 * Can one output be chosen of what this grabber captures?
 *
 * @param name  of the grabber, or "none"
 * @return 0, or -EOPNOTSUPP with what to do instead
 */
int grabber_check_output(const char *name, struct error *reterr);

static inline void grabber_destroy(struct grabber *grabber)
{
	if (grabber)
		grabber->ops->destroy(grabber);
}
DEFINE_DESTROY(grabber);

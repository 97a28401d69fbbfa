#pragma once

#include "capture/screen/grabber.h"

/* The outputs of a Wayland compositor: all are bound until one is chosen to be recorded. */

struct wl_output;
struct wl_registry;

/* more than any desk has */
#define WLR_OUTPUTS_LIMIT 16

struct wlr_output {
	const struct wlr_outputs *outputs;
	struct wl_output *proxy;
	uint32_t id;                  /* in the registry */
	int transform;                /* enum wl_output_transform */
	char name[OUTPUT_NAME_BYTES]; /* from the compositor: foreign text; "": not reported */
};

/** Changes of the chosen output. */
struct wlr_output_events {
	void (*transform_changed)(void *user);

	/* The current mode in pixels, before the transform. Not always another one: a compositor
	 * also repeats it for a screen that was off. */
	void (*mode_reported)(void *user, int32_t width, int32_t height);
};

/**
 * Zero-initialised: without outputs. It stays at its address from the first wlr_outputs_add() on.
 * Used by one thread; its fields are read by the caller and written here.
 */
struct wlr_outputs {
	struct wlr_output output[WLR_OUTPUTS_LIMIT]; /* bound; later only the chosen one */
	int count;
	struct wlr_output *chosen; /* NULL: none yet */
	bool chosen_removed;       /* by the compositor */
	const struct wlr_output_events *events;
	void *user;
};

/**
 * Bind an output that the registry announces. Ignored at the limit, and once one is chosen.
 *
 * Its name and transform arrive with the next round trip.
 */
void wlr_outputs_add(
	struct wlr_outputs *outputs, struct wl_registry *registry, uint32_t id, uint32_t version);

/** Note that the registry no longer has the global @p id, of any interface. */
void wlr_outputs_remove(struct wlr_outputs *outputs, uint32_t id);

/**
 * Choose the output of that name, and unbind the others.
 *
 * @param outputs  at least one
 * @param name     NULL: the first
 * @return 0, or -EINVAL with the names that there are
 */
int wlr_outputs_choose(struct wlr_outputs *outputs, const char *name, struct error *reterr);

/** Report changes of the chosen output from now on, while events are dispatched. */
void wlr_outputs_listen(
	struct wlr_outputs *outputs, const struct wlr_output_events *events, void *user);

/**
 * Describe the choice for a person: "output HEADLESS-1, the first of 2".
 *
 * @param by_name  it was chosen by its name
 * @param room     bytes of @p text, at least 1; a longer text is cut
 */
void wlr_outputs_describe(const struct wlr_outputs *outputs, bool by_name, char *text, size_t room);

/** Unbind all. */
void wlr_outputs_finish(struct wlr_outputs *outputs);

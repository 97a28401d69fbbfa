/* Outputs of a Wayland compositor, by wl_output. */

#include "capture/wayland/wlr_outputs.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/terminal.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wayland-client.h>

/* ---- events ---- */

static void output_geometry(void *user, struct wl_output *proxy, int32_t x, int32_t y,
	int32_t width_mm, int32_t height_mm, int32_t subpixel, const char *make, const char *model,
	int32_t transform)
{
	struct wlr_output *output = user;
	const struct wlr_outputs *outputs = output->outputs;
	bool is_changed;

	(void)proxy, (void)x, (void)y, (void)width_mm, (void)height_mm, (void)subpixel;
	(void)make, (void)model;
	transform &= 7;
	is_changed = transform != output->transform;
	output->transform = transform;
	if (is_changed && outputs->events)
		outputs->events->transform_changed(outputs->user);
}

static void output_mode(void *user, struct wl_output *proxy, uint32_t flags, int32_t width,
	int32_t height, int32_t refresh)
{
	const struct wlr_outputs *outputs = ((struct wlr_output *)user)->outputs;

	(void)proxy, (void)refresh;
	if (outputs->events && flags & WL_OUTPUT_MODE_CURRENT)
		outputs->events->mode_reported(outputs->user, width, height);
}

static void output_done(void *user, struct wl_output *proxy)
{
	(void)user, (void)proxy;
}

static void output_scale(void *user, struct wl_output *proxy, int32_t scale)
{
	(void)user, (void)proxy, (void)scale;
}

static void output_name(void *user, struct wl_output *proxy, const char *name)
{
	struct wlr_output *output = user;

	(void)proxy;
	utf8_copy(output->name, sizeof(output->name), name);
}

static void output_description(void *user, struct wl_output *proxy, const char *description)
{
	(void)user, (void)proxy, (void)description;
}

static const struct wl_output_listener output_listener = {
	.geometry = output_geometry,
	.mode = output_mode,
	.done = output_done,
	.scale = output_scale,
	.name = output_name,
	.description = output_description,
};

/* ---- the list ---- */

void wlr_outputs_add(
	struct wlr_outputs *outputs, struct wl_registry *registry, uint32_t id, uint32_t version)
{
	struct wlr_output *output = &outputs->output[outputs->count];

	/* outputs added later are ignored */
	if (outputs->chosen || outputs->count == WLR_OUTPUTS_LIMIT)
		return;
	output->proxy =
		wl_registry_bind(registry, id, &wl_output_interface, version < 4 ? version : 4);
	if (!output->proxy)
		return;
	output->outputs = outputs;
	output->id = id;
	outputs->count++;
	wl_output_add_listener(output->proxy, &output_listener, output);
}

void wlr_outputs_remove(struct wlr_outputs *outputs, uint32_t id)
{
	if (outputs->chosen && id == outputs->chosen->id)
		outputs->chosen_removed = true;
}

/* "HEADLESS-1, HEADLESS-2" */
static void list_names(const struct wlr_outputs *outputs, char *text, size_t room)
{
	size_t at = 0;

	*text = '\0';
	for (int i = 0; i < outputs->count && at < room; i++)
		if (*outputs->output[i].name)
			at += (size_t)snprintf(text + at, room - at, "%s%s", at ? ", " : "",
				text_quote(outputs->output[i].name).text);
}

static int no_such_output(const struct wlr_outputs *outputs, const char *name, struct error *reterr)
{
	char known[256];

	list_names(outputs, known, sizeof(known));
	if (!*known)
		return error_set(reterr, -EINVAL,
			"the Wayland compositor does not report the names of its outputs: omit "
			"--output to record the first");
	return error_set(reterr, -EINVAL, "the Wayland session has no output '%s'; it has: %s",
		text_quote(name).text, known);
}

int wlr_outputs_choose(struct wlr_outputs *outputs, const char *name, struct error *reterr)
{
	int chosen = 0;

	while (name && chosen < outputs->count && strcmp(outputs->output[chosen].name, name) != 0)
		chosen++;
	if (chosen == outputs->count)
		return no_such_output(outputs, name, reterr);
	outputs->chosen = &outputs->output[chosen];
	for (int i = 0; i < outputs->count; i++)
		if (i != chosen)
			wl_output_destroy(steal_ptr(outputs->output[i].proxy));
	return 0;
}

void wlr_outputs_listen(
	struct wlr_outputs *outputs, const struct wlr_output_events *events, void *user)
{
	outputs->events = events;
	outputs->user = user;
}

void wlr_outputs_describe(const struct wlr_outputs *outputs, bool by_name, char *text, size_t room)
{
	const char *name = outputs->chosen->name;
	int n = snprintf(text, room, "output %s", *name ? text_quote(name).text : "without a name");

	if (outputs->count > 1 && (size_t)n < room)
		snprintf(text + n, room - (size_t)n, ", %s of %d", by_name ? "one" : "the first",
			outputs->count);
}

void wlr_outputs_finish(struct wlr_outputs *outputs)
{
	for (int i = 0; i < outputs->count; i++)
		if (outputs->output[i].proxy)
			wl_output_destroy(outputs->output[i].proxy);
}

#include "capture/screen/grabber.h"

#include "capture/screen/canvas.h"

#include <errno.h>
#include <string.h>

const struct grabber_ops *grabber_find(const char *name)
{
	static const struct grabber_ops *const grabbers[] = {
		&grabber_x11, &grabber_wlr, &grabber_portal, &grabber_test};

	for (size_t i = 0; i < ARRAY_SIZE(grabbers); i++)
		if (strcmp(grabbers[i]->name, name) == 0)
			return grabbers[i];
	return NULL;
}

int grabber_check_output(const char *name, struct error *reterr)
{
	if (strcmp(name, grabber_wlr.name) == 0)
		return 0;
	if (strcmp(name, grabber_x11.name) == 0)
		return error_set(reterr, -EOPNOTSUPP,
			"with an X display all monitors are recorded, with their positions: omit "
			"--output");
	if (strcmp(name, grabber_portal.name) == 0)
		return error_set(reterr, -EOPNOTSUPP,
			"the screen of the desktop's portal is chosen in its dialog: omit "
			"--output");
	return error_set(reterr, -EOPNOTSUPP, "this screen source has no outputs: omit --output");
}

static bool has(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static const struct grabber_ops *set_reason(
	const struct grabber_ops *chosen, struct error *ret_why, const char *why, const char *more)
{
	error_set(ret_why, 0, "%s%s", why, more);
	return chosen;
}

/* Wayland session; its X display has only the programs that still use X. */
static const struct grabber_ops *choose_wayland(const char *output, struct error *ret_why)
{
	_destroy_(grabber) struct grabber *grabber = NULL;
	struct error error = {"out of memory"};
	int r = grabber_wlr.create(&grabber, &(struct grabber_target){.output = output}, &error);

	if (r == 0)
		return set_reason(&grabber_wlr, ret_why, "the Wayland session's ",
			grabber_wlr.describe(grabber));
	if (r == -ECONNREFUSED && has("DISPLAY"))
		return set_reason(&grabber_x11, ret_why, "the X display, because ", error.text);
	/* portal support shows only on a request, which prompts the user */
	if (r == -EOPNOTSUPP)
		return set_reason(
			&grabber_portal, ret_why, "the desktop's portal, because ", error.text);
	return set_reason(NULL, ret_why, error.text, "");
}

/* Choice for the session, without a check of the options. */
static const struct grabber_ops *choose(
	const char *display, const char *output, struct error *ret_why)
{
	if (display)
		return set_reason(&grabber_x11, ret_why, "the X display of --display: ", display);
	if (has("WAYLAND_DISPLAY"))
		return choose_wayland(output, ret_why);
	if (has("DISPLAY"))
		return set_reason(
			&grabber_x11, ret_why, "the X display of DISPLAY: ", getenv("DISPLAY"));
	return set_reason(NULL, ret_why,
		"no display: start uxrecd in a graphical session, or name one with --display :N "
		"(--screen none records input only)",
		"");
}

const struct grabber_ops *grabber_choose(
	const char *display, const char *output, struct error *ret_why)
{
	const struct grabber_ops *chosen = choose(display, output, ret_why);

	return chosen && output && grabber_check_output(chosen->name, ret_why) < 0 ? NULL : chosen;
}

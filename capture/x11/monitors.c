#include "capture/x11/monitors.h"

#include <stdio.h>
#include <string.h>
#include <xcb/randr.h>

uint8_t x11_monitors_watch(xcb_connection_t *c, xcb_window_t root)
{
	const xcb_query_extension_reply_t *randr = xcb_get_extension_data(c, &xcb_randr_id);
	_autofree_ xcb_randr_query_version_reply_t *version = NULL;

	if (!randr || !randr->present)
		return 0;
	version = xcb_randr_query_version_reply(c, xcb_randr_query_version(c, 1, 5), NULL);
	if (!version || version->major_version < 1 ||
		(version->major_version == 1 && version->minor_version < 5))
		return 0;
	xcb_randr_select_input(c, root,
		XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE | XCB_RANDR_NOTIFY_MASK_CRTC_CHANGE |
			XCB_RANDR_NOTIFY_MASK_OUTPUT_CHANGE);
	return randr->first_event;
}

/* Use the output's name: a monitor's may be user-chosen, and the output's identifies nobody. */
static void read_name(
	xcb_connection_t *c, const xcb_randr_monitor_info_t *info, char name[MONITOR_NAME_BYTES])
{
	_autofree_ xcb_randr_get_output_info_reply_t *output = NULL;

	name[0] = '\0';
	if (xcb_randr_monitor_info_outputs_length(info) == 0)
		return;
	output = xcb_randr_get_output_info_reply(c,
		xcb_randr_get_output_info(
			c, xcb_randr_monitor_info_outputs(info)[0], XCB_CURRENT_TIME),
		NULL);
	if (output)
		snprintf(name, MONITOR_NAME_BYTES, "%.*s",
			xcb_randr_get_output_info_name_length(output),
			(const char *)xcb_randr_get_output_info_name(output));
	for (char *c_name = name; *c_name; c_name++)
		if (*c_name < ' ' || *c_name > '~')
			*c_name = '?';
}

void x11_monitors_read(xcb_connection_t *c, xcb_window_t root, struct monitors *ret)
{
	_autofree_ xcb_randr_get_monitors_reply_t *reply =
		xcb_randr_get_monitors_reply(c, xcb_randr_get_monitors(c, root, true), NULL);

	memset(ret, 0, sizeof(*ret));
	if (!reply)
		return;
	for (xcb_randr_monitor_info_iterator_t i = xcb_randr_get_monitors_monitors_iterator(reply);
		i.rem && ret->count < MONITORS_LIMIT; xcb_randr_monitor_info_next(&i)) {
		struct monitor *monitor = &ret->monitor[ret->count++];

		monitor->area = (struct rect){i.data->x, i.data->y, i.data->width, i.data->height};
		read_name(c, i.data, monitor->name);
	}
}

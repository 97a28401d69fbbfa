#include "daemon/station/internal.h"

#include "capture/a11y/accessible.h"
#include "capture/input/input.h"
#include "protocol/base/log.h"

#include <string.h>

/*
 * Key policy under the present focus. Until the focus is known it counts as a password field. For an
 * application that is not on the bus it stays unknown: then the session's policy applies, except that keys are
 * never identified.
 */
static enum key_policy keys_under(enum accessible_focus focus, enum key_policy allowed)
{
	switch (focus) {
	case FOCUS_OTHER:
	case FOCUS_ABSENT: return allowed; /* like a bus known to be absent at the start */
	case FOCUS_UNSEEN: return allowed == KEY_POLICY_FULL ? KEY_POLICY_CLASSES : allowed;
	default: return KEY_POLICY_NONE;
	}
}

static void apply_focus(struct station *station)
{
	static const Uxrec__KeyPolicy__Reason reasons[] = {
		[FOCUS_UNKNOWN] = UXREC__KEY_POLICY__REASON__REASON_UNWATCHED,
		[FOCUS_UNSEEN] = UXREC__KEY_POLICY__REASON__REASON_UNWATCHED,
		[FOCUS_PASSWORD] = UXREC__KEY_POLICY__REASON__REASON_PASSWORD,
		[FOCUS_OTHER] = UXREC__KEY_POLICY__REASON__REASON_NO_PASSWORD,
		[FOCUS_ABSENT] = UXREC__KEY_POLICY__REASON__REASON_UNWATCHED,
	};
	enum accessible_focus focus = station->recording.focus;
	Uxrec__KeyPolicy__Reason reason = reasons[focus];

	if (!station->recording.input || !station->recording.focus_known ||
		station->recording.keys == KEY_POLICY_NONE)
		return;
	if (focus == FOCUS_OTHER && station->recording.focus_reported != FOCUS_PASSWORD)
		reason = UXREC__KEY_POLICY__REASON__REASON_WATCHED;
	station->recording.focus_reported = focus;
	input_source_set_keys(
		station->recording.input, keys_under(focus, station->recording.keys), reason);
}

static void focus_changed(void *user, enum accessible_focus focus)
{
	struct station *station = user;

	pthread_mutex_lock(&station->sources_lock);
	station->recording.focus = focus;
	station->recording.focus_known = true;
	apply_focus(station);
	station_hide_focused(station);
	pthread_mutex_unlock(&station->sources_lock);
}

bool station_keys_wait(const struct station *station)
{
	return !station->background.run && station->recording.input &&
		station->recording.accessible && station->recording.keys != KEY_POLICY_NONE &&
		accessible_source_waits(station->recording.accessible);
}

void station_set_input(struct station *station, struct source *input)
{
	pthread_mutex_lock(&station->sources_lock);
	station->recording.input = input;
	if (input && station->recording.accessible)
		apply_focus(station);
	pthread_mutex_unlock(&station->sources_lock);
}

void station_clicked(void *user, int64_t time_ns, int x_px, int y_px)
{
	struct station *station = user;

	if (station->recording.accessible && !station_hides_click(station, x_px, y_px))
		accessible_source_click(station->recording.accessible, time_ns, x_px, y_px);
}

/* Object names are visible on the screen: consent to the screen covers them. */
static enum name_policy names_of(const struct station *station)
{
	const bool has_screen = station_may_record(station, MODALITY_SCREEN) &&
		station_may_record(station, MODALITY_INPUT) &&
		strcmp(station->options.input, "none") != 0 &&
		strcmp(station->options.screen, "x11") == 0;
	enum name_policy names = has_screen ? NAMES_FULL : NAMES_ROLES;

	if (*station->recording.study->names)
		name_policy_parse(station->recording.study->names, &names);
	/* clicks are located by the pointer source, which belongs to the screen */
	return has_screen ? names : NAMES_NONE;
}

void station_start_accessible(struct station *station, const struct source_context *context)
{
	const struct accessible_options wanted = {
		.names = names_of(station),
		.display = station->options.display,
		.focus = station->recording.keys == KEY_POLICY_NONE &&
				!station_hides_passwords(station)
			? NULL
			: focus_changed,
		.user = station,
	};
	struct error error;

	station->recording.focus = station->recording.focus_reported = FOCUS_UNKNOWN;
	station->recording.focus_known = false;
	if (!wanted.focus && wanted.names == NAMES_NONE)
		return;
	if (accessible_source_create(&station->recording.accessible, context, &wanted, &error) < 0)
		log_warning(
			"session %s: %s; password fields are not detected, and clicked objects "
			"have no names",
			station->recording.session, error.text);
}

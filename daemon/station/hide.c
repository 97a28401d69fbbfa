#include "daemon/station/internal.h"

#include "capture/screen/screen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void add_rule(struct hide_rules *rules, const Uxrec__Study__Hide *hide)
{
	const struct rect area = {
		(int)hide->x_px, (int)hide->y_px, (int)hide->width_px, (int)hide->height_px};

	areas_add(&rules->fixed, &area);
	if ((*hide->window_class || *hide->window_title) && rules->window_count < HIDE_WINDOWS)
		rules->windows[rules->window_count++] =
			(struct hide_window){hide->window_class, hide->window_title};
	rules->passwords |= hide->password_fields;
}

void station_choose_hidden(struct station *station)
{
	snprintf(station->recording.own_title, sizeof(station->recording.own_title), "*%s*",
		station->options.page_marker);
	station->recording.hide = (struct hide_rules){
		.own_title = station->recording.own_title, .own = &station->recording.own_pages};
	for (size_t i = 0; i < station->recording.study->n_hide; i++)
		add_rule(&station->recording.hide, station->recording.study->hide[i]);
}

bool station_hides_passwords(const struct station *station)
{
	return station->recording.hide.passwords && station_may_record(station, MODALITY_SCREEN) &&
		strcmp(station->options.screen, "none") != 0;
}

int station_check_hidden(const struct station *station, struct error *reterr)
{
	if (station_hides_passwords(station) && !station->recording.accessible)
		return error_set(reterr, -EOPNOTSUPP,
			"the study hides password windows, which needs an accessibility bus: "
			"install at-spi2-core; nothing is recorded");
	return 0;
}

void station_hide_focused(struct station *station)
{
	if (station->recording.screen)
		screen_source_hide_focused(station->recording.screen,
			!station->recording.focus_known || station->recording.focus != FOCUS_OTHER);
}

bool station_hides_click(struct station *station, int x_px, int y_px)
{
	bool hides;

	pthread_mutex_lock(&station->sources_lock);
	hides = !station->recording.screen ||
		screen_source_hides(station->recording.screen, x_px, y_px);
	pthread_mutex_unlock(&station->sources_lock);
	return hides;
}

#include "daemon/station/internal.h"

#include "capture/input/input.h"
#include "capture/screen/pointer.h"
#include "capture/screen/screen.h"
#include "capture/sound/sound.h"
#include "capture/stall.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- callbacks on the sources' threads ---- */

static void source_failed(void *user, struct source *source, const char *reason)
{
	struct station *station = user;
	char text[400];

	utf8_format(text, sizeof(text), "%s: %s", source_name(source), reason);
	station->options.must_stop(station->options.user, station->number, text);
}

static void source_disconnected(void *user, struct source *source, const char *reason)
{
	struct station *station = user;

	pthread_mutex_lock(&station->sources_lock);
	if (reason)
		utf8_format(station->recording.disconnected,
			sizeof(station->recording.disconnected), "%s: %s", source_name(source),
			reason);
	station->recording.disconnected_count += reason ? 1u : -1u;
	pthread_mutex_unlock(&station->sources_lock);
	if (reason)
		log_warning("%s: %s; reconnecting", source_name(source), reason);
	else
		log_info("%s: no longer reconnecting", source_name(source));
}

void station_get_disconnected(struct station *station, char text[ERROR_TEXT_BYTES])
{
	pthread_mutex_lock(&station->sources_lock);
	snprintf(text, ERROR_TEXT_BYTES, "%s",
		station->recording.disconnected_count > 0 ? station->recording.disconnected : "");
	pthread_mutex_unlock(&station->sources_lock);
}

/* ---- starting and stopping ---- */

int station_stop_sources(struct station *station, struct error *reterr)
{
	struct source *screen;

	(void)reterr;
	pthread_mutex_lock(&station->sources_lock);
	screen = steal_ptr(station->recording.screen);
	pthread_mutex_unlock(&station->sources_lock);
	live_set_keyframes(station->options.live, false);
	source_destroy(steal_ptr(station->recording.stall));
	source_destroy(screen);
	/* in order of dependency: the pointer reports clicks to the accessible source, which reports the focus
	 * to the input source */
	source_destroy(steal_ptr(station->recording.pointer));
	source_destroy(steal_ptr(station->recording.accessible));
	source_destroy(steal_ptr(station->recording.input));
	source_destroy(steal_ptr(station->recording.sound));
	source_destroy(steal_ptr(station->recording.monitor));
	return 0;
}

static int start_screen(
	struct station *station, const struct source_context *context, struct error *reterr)
{
	const struct station_options *options = &station->options;
	const struct screen_options wanted = {.grabber = options->screen,
		.display = options->display,
		/* after a pause, never switch to another output either */
		.output = *station->recording.output ? station->recording.output : options->output,
		.encoder = options->encoder,
		.chroma = options->chroma,
		.priority = options->priority,
		.max_fps = options->max_fps,
		.hide = &station->recording.hide};
	const struct pointer_options pointer = {
		.display = options->display, .pressed = station_clicked, .user = station};
	struct source *screen;
	const char *output;
	int r;

	if (!station_may_record(station, MODALITY_SCREEN) || strcmp(options->screen, "none") == 0)
		return 0;
	r = screen_source_create(&screen, context, &wanted, reterr);
	if (r < 0)
		return r;
	output = screen_source_output(screen);
	if (output)
		utf8_copy(station->recording.output, sizeof(station->recording.output), output);
	pthread_mutex_lock(&station->sources_lock);
	station->recording.screen = screen;
	station_hide_focused(station);
	pthread_mutex_unlock(&station->sources_lock);
	if (strcmp(options->screen, "x11") != 0)
		return 0;
	return pointer_source_create(&station->recording.pointer, context, &pointer, reterr);
}

static int start_sound(
	struct station *station, const struct source_context *context, struct error *reterr)
{
	const struct station_options *options = &station->options;
	/* the device is a microphone: monitor the default output */
	const struct audio_config played = {.name = options->sound.name, .monitor = true};
	int r;

	if (!station_may_record(station, MODALITY_SOUND) ||
		strcmp(options->sound.name, "none") == 0)
		return 0;
	r = sound_source_create(&station->recording.sound, context, &options->sound, reterr);
	if (r < 0 || !options->monitor)
		return r;
	return sound_source_create(&station->recording.monitor, context, &played, reterr);
}

/* Stall detection of screen and clicks only: the helper captures all other input, and sound devices count their
 * own losses. */
static int start_stall(
	struct station *station, const struct source_context *context, struct error *reterr)
{
	static const char *const topics[] = {"/screen", "/pointer", "/input/clicked"};
	bool screen = station->recording.screen != NULL,
	     input = station->recording.accessible != NULL;

	if (!screen && !input)
		return 0;
	return stall_source_create(&station->recording.stall, context, topics + (screen ? 0 : 2),
		2u * screen + input, reterr);
}

/* A cancelled start takes no further pictures, and asks for no further permission. */
static int check_cancelled(const struct station *station, struct error *reterr)
{
	return station->background.cancelled
		? error_set(reterr, -ECANCELED, "the start of the capture was cancelled")
		: 0;
}

int station_start_sources(struct station *station, struct error *reterr)
{
	const struct station_options *options = &station->options;
	const struct source_context context = {&station->recording.clock,
		recorder_sink(station->recording.recorder), source_failed, station,
		source_disconnected, &station->background.cancelled};
	struct input_options input = {.source = options->input,
		.display = options->display,
		.helper = options->helper,
		.devices = options->devices,
		.keys = station->recording.keys,
		.consent_id = station->recording.consent_id,
		.shortcuts = station->recording.study->shortcuts};
	bool has_input =
		station_may_record(station, MODALITY_INPUT) && strcmp(options->input, "none") != 0;
	struct source *source = NULL;
	int r;

	station->background.is_starting = true;
	station_choose_hidden(station);
	if (has_input || station_hides_passwords(station))
		station_start_accessible(station, &context);
	input.passwords_watched =
		station->recording.accessible && station->recording.keys != KEY_POLICY_NONE;
	/* input first: its helper may refuse, and then no picture has been taken */
	r = station_check_hidden(station, reterr);
	if (r == 0 && has_input)
		r = input_source_create(&source, &context, &input, reterr);
	if (r == 0)
		station_set_input(station, source);
	if (r == 0)
		r = check_cancelled(station, reterr);
	if (r == 0)
		r = start_screen(station, &context, reterr);
	if (r == 0)
		r = check_cancelled(station, reterr);
	if (r == 0)
		r = start_sound(station, &context, reterr);
	if (r == 0)
		r = start_stall(station, &context, reterr);
	live_set_keyframes(options->live, r == 0);
	if (r < 0)
		station_stop_sources(station, NULL);
	station->background.is_starting = false;
	return r;
}

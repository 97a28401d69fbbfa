#pragma once

#include "capture/sound/pulse_clock.h"
#include "tests/harness/screens/desktop.h"
#include "tests/harness/voice.h"

#include <pulse/pulseaudio.h>

/*
 * A real PulseAudio server without a sound card. Its sinks "room", "other", "eight" (channels) and "narrow"
 * (8 kHz) play to nobody; this process plays a voice on one, so early that it sounds when it should, and the
 * sink's monitor is the microphone.
 */

struct pulse_lab {
	const struct voice *voice;
	const char *sink; /* NULL: "room" */

	/* what plays: under the loop's lock */
	pa_threaded_mainloop *loop;
	pa_context *context;
	pa_stream *stream;
	pa_time_event *timer;
	struct ear_anchor anchor;
	int64_t written;
};

/**
 * Start the server in a folder of its own, and what plays.
 *
 * @return false: it is not installed, and the test counts as skipped
 */
bool pulse_lab_start(struct pulse_lab *lab, const struct voice *voice);

/** Start it (again), with what plays. */
void pulse_lab_run(struct pulse_lab *lab);

/** Kill it; it can run again. */
void pulse_lab_kill(struct pulse_lab *lab);

/** Play on a sink of a server that runs. */
void pulse_voice_start(struct pulse_lab *lab);
void pulse_voice_end(struct pulse_lab *lab);

/** Make the server stand still, or go on. */
void pulse_lab_stall(bool stalled);

void pulse_lab_mute(struct pulse_lab *lab, bool muted);

/** Which sink, or its monitor, one hears that asks for none. */
void pulse_lab_set_default(struct pulse_lab *lab, const char *sink);

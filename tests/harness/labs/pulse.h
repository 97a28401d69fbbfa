#pragma once

#include "capture/sound/pulse_clock.h"
#include "tests/harness/screens/desktop.h"
#include "tests/harness/voice.h"

#include <pulse/pulseaudio.h>

/*
 * A real PulseAudio server without a sound card. Its sinks "room", "other", "eight" (channels) and "narrow" (8 kHz) are
 * not audible; this process plays a voice on one, ahead by the sink's latency, and the sink's monitor is the
 * microphone.
 */

struct pulse_lab {
	const struct voice *voice;
	const char *sink; /* NULL: "room" */

	/* player: under the loop's lock */
	pa_threaded_mainloop *loop;
	pa_context *context;
	pa_stream *stream;
	pa_time_event *timer;
	struct pulse_clock clock;
	int64_t written;
};

/**
 * Start the server in a folder of its own, and the player.
 *
 * @return false if it is not installed: the test is skipped
 */
bool pulse_lab_start(struct pulse_lab *lab, const struct voice *voice);

/** Start it (again), with the player. */
void pulse_lab_run(struct pulse_lab *lab);

/** Kill it; it can run again. */
void pulse_lab_kill(struct pulse_lab *lab);

/** Play on a sink of a running server. */
void pulse_voice_start(struct pulse_lab *lab);
void pulse_voice_end(struct pulse_lab *lab);

/** Stop the server's execution, or continue it. */
void pulse_lab_stall(bool stalled);

void pulse_lab_mute(struct pulse_lab *lab, bool muted);

/** Set the default sink; its monitor is the default source. */
void pulse_lab_set_default(struct pulse_lab *lab, const char *sink);

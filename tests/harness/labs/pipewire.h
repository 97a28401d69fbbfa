#pragma once

#include "tests/harness/screens/desktop.h"
#include "tests/harness/voice.h"

#include <spa/utils/hook.h>

/* A real PipeWire server without a sound card, a session manager that links its nodes, and a microphone in this
 * process. */

struct pipewire_lab {
	const struct voice *voice;
	unsigned rate_hz, channels; /* of the microphone; 0: the audio backend's format */
	bool plays;                 /* no microphone: a program that plays the voice */
	unsigned quantum; /* maximum; 0: short, so that many cycles may get lost; 2048: usual */
	struct pw_thread_loop *loop;
	struct pw_context *context;
	struct pw_stream *stream;
	struct spa_hook hook;
};

/**
 * Start the server, without state of earlier runs, and the microphone.
 *
 * @return false if a program is missing: the test is skipped
 */
bool pipewire_lab_start(struct pipewire_lab *lab, const struct voice *voice);

/** Start it (again), with the microphone. */
void pipewire_lab_run(struct pipewire_lab *lab);

/** Kill it; it can run again. */
void pipewire_lab_kill(struct pipewire_lab *lab);

/** The microphone alone, on a running server. */
void pipewire_microphone_start(struct pipewire_lab *lab);
void pipewire_microphone_end(struct pipewire_lab *lab);
void pipewire_microphone_mute(struct pipewire_lab *lab, bool muted);

#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A desktop portal on a session bus of the test's own, and a scripted person who answers its dialog. The shared screen
 * is a node of the PipeWire server of lab_pipewire.
 */

enum portal_answer {
	PORTAL_YES,
	PORTAL_YES_AND_REMEMBER, /* with a new token each time */
	PORTAL_NO,
	PORTAL_END,   /* the dialog is ended otherwise */
	PORTAL_QUIET, /* no answer */
};

struct portal_lab {
	/* set by the test, also between sessions */
	enum portal_answer answer;
	uint32_t version;      /* 0: 4 */
	uint32_t cursor_modes; /* 0: all */
	uint32_t node;
	bool no_streams, no_remote; /* omitted from its replies */

	/* last request */
	char token[64]; /* "": none */
	uint32_t types, cursor_mode, persist_mode;
	unsigned dialogs;    /* number of dialogs to answer */
	_Atomic bool closed; /* the session, by its client */

	/* of its thread */
	struct sd_bus *bus;
	pthread_t thread;
	_Atomic bool stop, must_close;
	char session[160];
	unsigned tokens;
	char given[64]; /* the valid restore token */
};

void portal_lab_start(struct portal_lab *lab);
/** Release its bus name. */
void portal_lab_end(struct portal_lab *lab);
/** The desktop ends the sharing. */
void portal_lab_close_session(struct portal_lab *lab);

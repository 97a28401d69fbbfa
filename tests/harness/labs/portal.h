#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A desktop portal on the session bus that a test has to itself, and a person who answers its dialog as the
 * test says. What it shows is a node of the PipeWire server of lab_pipewire.
 */

enum portal_answer {
	PORTAL_YES,
	PORTAL_YES_AND_REMEMBER, /* with a token, another one each time */
	PORTAL_NO,
	PORTAL_END,   /* the dialog is ended by something else */
	PORTAL_QUIET, /* there is no answer */
};

struct portal_lab {
	/* set by the test, also between sessions */
	enum portal_answer answer;
	uint32_t version;      /* 0: 4 */
	uint32_t cursor_modes; /* 0: all */
	uint32_t node;
	bool no_streams, no_remote; /* it says nothing of them */

	/* what it was asked, last */
	char token[64]; /* "": none */
	uint32_t types, cursor_mode, persist_mode;
	unsigned dialogs;    /* how often a person had to answer */
	_Atomic bool closed; /* the session, by whoever asked for it */

	/* of its thread */
	struct sd_bus *bus;
	pthread_t thread;
	_Atomic bool stop, must_close;
	char session[160];
	unsigned tokens;
	char given[64]; /* the token that is good now */
};

void portal_lab_start(struct portal_lab *lab);
/** Its name goes from the bus. */
void portal_lab_end(struct portal_lab *lab);
/** The desktop ends the sharing. */
void portal_lab_close_session(struct portal_lab *lab);

#pragma once

/*
 * Real programs for integration tests: an X server of its own, uxrecd, the uxrec command. All that is
 * started is ended by its pid when the test ends, passed or not.
 */

#include "protocol/session.pb-c.h"
#include "replay/session/info.h"
#include "replay/session/session.h"

#include <xcb/xcb.h>

/** @return the folder of the programs under test: $UXREC_BUILD or "build" */
const char *build_folder(void);

struct child {
	pid_t pid;
	char log[128]; /* path of what it prints */
};

/**
 * Start a program, found on PATH or given with a "/"; its output goes to a file.
 *
 * @param arguments  ends with NULL
 */
struct child start_child(const char *name, const char *const *arguments);

/** Send a signal and wait for the end. @return the exit status, or 128 + the signal it died of */
int end_child(struct child *child, int signal_number);

/** Wait for a child that ends by itself. @return as end_child(); -1 after @p seconds */
int wait_child(struct child *child, int seconds);

/** What a child has printed so far; the caller frees it. */
char *child_output(const struct child *child);

/** Wait until the child has printed a text. @return false after @p seconds; above 1, after four times that */
bool child_says(const struct child *child, const char *text, int seconds);

/** Run a program to its end. @param ret_output  may be NULL; the caller frees it */
int run_child(char **ret_output, const char *name, ...) __attribute__((sentinel));

/** Whether a program is installed. */
bool has_program(const char *name);

/** An X server without hardware; sets DISPLAY. @return false when there is no Xvfb: the test is skipped */
struct desktop {
	struct child xvfb;
	char display[16];
	xcb_connection_t *connection;
	xcb_screen_t *screen;
};

bool desktop_start(struct desktop *desktop, int width, int height);

/** @return a display's number that is no other test's, for servers that go before the test does */
int desktop_own_number(void);

/**
 * The same of another kind.
 *
 * @param display  its number; -1: one that is free, and somebody else's as soon as this server is gone
 * @param screen   WIDTHxHEIGHTxDEPTH
 * @param extra    further options of Xvfb, ends with NULL; may be NULL
 */
bool desktop_start_with(
	struct desktop *desktop, int display, const char *screen, const char *const *extra);
void desktop_end(struct desktop *desktop);

/** Give the screen another size, up to that of the start. @return false when the server refuses */
bool desktop_resize(struct desktop *desktop, int width, int height);

/** Turn the first monitor; @p rotation is of enum xcb_randr_rotation_t. @return false: the server does not */
bool desktop_turn(struct desktop *desktop, uint16_t rotation);

/**
 * Say that a part of the screen is a monitor; by that, Xvfb's own is none any more.
 *
 * @param name      what somebody calls it
 * @param on_output  on Xvfb's one output, "screen"; else on none
 */
void desktop_add_monitor(struct desktop *desktop, const char *name, bool on_output, int x, int y,
	int width, int height);

/**
 * What the screen shows now.
 *
 * @return as the server has it, of 32 bits a pixel: width * height, top row first; the caller frees it
 */
uint32_t *desktop_picture(struct desktop *desktop, int *ret_width, int *ret_height);

/** Fill a rectangle of the root window and wait until the server has done it. */
void desktop_paint(struct desktop *desktop, uint32_t rgb, int x, int y, int width, int height);

/** Likewise sixty of them, at random, on a screen of 1280 × 720 pixels. */
void desktop_paint_noise(struct desktop *desktop, uint64_t *random);

/** Send one XTest event and wait until the server has it. */
void desktop_fake(struct desktop *desktop, uint8_t type, uint8_t detail, int x, int y);

/** A running uxrecd with a library and a control socket of its own. */
struct daemon_child {
	struct child child;
	char library[128], control[128];
};

/** @param extra  further options, ends with NULL; may be NULL */
void daemon_start(struct daemon_child *daemon, const char *library, const char *const *extra);

/** Run `uxrec --control … COMMAND`. @return the exit status */
int daemon_command(const struct daemon_child *daemon, char **ret_output, const char *command, ...)
	__attribute__((sentinel));

/**
 * Start a session of a small study.
 *
 * @param consent      as uxrec start takes it: "paper", "paper:sound"
 * @param ret_session  its id
 */
void daemon_record_agreed(const struct daemon_child *daemon, const char *consent, const char *keys,
	char ret_session[21]);

/** The same with consent for screen and input, on paper. */
void daemon_record(const struct daemon_child *daemon, const char *keys, char ret_session[21]);

/** Open a session of the daemon's library. */
struct session *daemon_session(const struct daemon_child *daemon, const char *session);

/**
 * The gap of a session that a test has made: on a busy machine there may be others, of pictures that were left out and
 * of a recorder that did not run for a while.
 *
 * @return NULL when there is none, or there are several
 */
const Uxrec__Gap *session_gap(const struct session_facts *facts);

/** Whether a finding of the session has a reason in its text. */
bool reason_is_said(const struct session *session, const char *reason);

/** What its session times are later than CLOCK_MONOTONIC. */
int64_t session_offset_ns(const struct session *session);

void sleep_ms(int ms);

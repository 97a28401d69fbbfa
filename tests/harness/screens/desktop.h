#pragma once

/*
 * Real programs for integration tests: an X server of its own, uxrecd, the uxrec command. All started processes are
 * ended by pid at the end of the test, passed or not.
 */

#include "protocol/session.pb-c.h"
#include "replay/session/info.h"
#include "replay/session/session.h"

#include <xcb/xcb.h>

/** @return the folder of the programs under test: $UXREC_BUILD or "build" */
const char *build_folder(void);

struct child {
	pid_t pid;
	char log[128]; /* path of its output */
};

/**
 * Start a program, found on PATH or given with a "/"; its output goes to a file.
 *
 * @param arguments  NULL-terminated
 */
struct child start_child(const char *name, const char *const *arguments);

/** Send a signal and wait for the exit. @return the exit status, or 128 + the fatal signal */
int end_child(struct child *child, int signal_number);

/** Wait for a child to exit by itself. @return as end_child(); -1 after @p seconds */
int wait_child(struct child *child, int seconds);

/** Output of a child so far; the caller frees it. */
char *child_output(const struct child *child);

/** Wait until the child has printed a text. @return false after @p seconds; if above 1, after four times that */
bool child_says(const struct child *child, const char *text, int seconds);

/** Run a program to its exit. @param ret_output  may be NULL; the caller frees it */
int run_child(char **ret_output, const char *name, ...) __attribute__((sentinel));

/** True if a program is installed. */
bool has_program(const char *name);

/** An X server without hardware; sets DISPLAY. @return false without Xvfb: the test is skipped */
struct desktop {
	struct child xvfb;
	char display[16];
	xcb_connection_t *connection;
	xcb_screen_t *screen;
};

bool desktop_start(struct desktop *desktop, int width, int height);

/** @return a display number that no other test uses, for servers that exit before the test does */
int desktop_own_number(void);

/**
 * Same, with other options.
 *
 * @param display  its number; -1: a free one, which others may take as soon as this server has exited
 * @param screen   WIDTHxHEIGHTxDEPTH
 * @param extra    further Xvfb options, NULL-terminated; may be NULL
 */
bool desktop_start_with(
	struct desktop *desktop, int display, const char *screen, const char *const *extra);
void desktop_end(struct desktop *desktop);

/** Resize the screen, up to its initial size. @return false if the server refuses */
bool desktop_resize(struct desktop *desktop, int width, int height);

/** Rotate the first monitor; @p rotation is of enum xcb_randr_rotation_t. @return false if the server refuses */
bool desktop_turn(struct desktop *desktop, uint16_t rotation);

/**
 * Declare a part of the screen a monitor; Xvfb's own monitor is none from then on.
 *
 * @param name       its display name
 * @param on_output  on Xvfb's one output, "screen"; else on none
 */
void desktop_add_monitor(struct desktop *desktop, const char *name, bool on_output, int x, int y,
	int width, int height);

/**
 * Current content of the screen.
 *
 * @return in the server's format, 32 bits per pixel: width * height, top row first; the caller frees it
 */
uint32_t *desktop_picture(struct desktop *desktop, int *ret_width, int *ret_height);

/** Fill a rectangle of the root window and wait for the server. */
void desktop_paint(struct desktop *desktop, uint32_t rgb, int x, int y, int width, int height);

/** Same for sixty random rectangles, on a screen of 1280 × 720 pixels. */
void desktop_paint_noise(struct desktop *desktop, uint64_t *random);

/** Send one XTest event and wait until the server has processed it. */
void desktop_fake(struct desktop *desktop, uint8_t type, uint8_t detail, int x, int y);

/** A running uxrecd with a library and a control socket of its own. */
struct daemon_child {
	struct child child;
	char library[128], control[128];
};

/** @param extra  further options, NULL-terminated; may be NULL */
void daemon_start(struct daemon_child *daemon, const char *library, const char *const *extra);

/** Run `uxrec --control … COMMAND`. @return the exit status */
int daemon_command(const struct daemon_child *daemon, char **ret_output, const char *command, ...)
	__attribute__((sentinel));

/**
 * Start a session of a small study.
 *
 * @param consent      as for uxrec start: "paper", "paper:sound"
 * @param ret_session  its id
 */
void daemon_record_agreed(const struct daemon_child *daemon, const char *consent, const char *keys,
	char ret_session[21]);

/** Same with consent for screen and input, on paper. */
void daemon_record(const struct daemon_child *daemon, const char *keys, char ret_session[21]);

/** Open a session of the daemon's library. */
struct session *daemon_session(const struct daemon_child *daemon, const char *session);

/**
 * The session's gap that the test caused: on a busy machine there may be others, of dropped pictures and of a recorder
 * that was not scheduled for a while.
 *
 * @return NULL without one, or with several
 */
const Uxrec__Gap *session_gap(const struct session_facts *facts);

/** True if a finding of the session has a reason in its text. */
bool reason_is_said(const struct session *session, const char *reason);

/** Offset of session time from CLOCK_MONOTONIC. */
int64_t session_offset_ns(const struct session *session);

void sleep_ms(int ms);

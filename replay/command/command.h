#pragma once

/*
 * The uxrec command: one function per subcommand. argv[0] is the subcommand's name. Each returns the exit status: 0
 * success, 1 negative answer, 2 wrong usage, 3 failure.
 */

#include "protocol/file/reader.h"
#include "protocol/os/identity.h"
#include "replay/export/extract.h"
#include "replay/export/way_out.h"
#include "replay/session/bleeps.h"
#include "replay/session/session.h"
#include "replay/session/vtt.h"

#include <stdbool.h>

enum {
	EXIT_OK = 0,
	EXIT_NO = 1,
	EXIT_USAGE = 2,
	EXIT_FAILED = 3,
};

/** Global options, and those shared by several subcommands. */
struct command_options {
	const char *control; /* socket */
	const char *library;
};

/* Control of a running recorder, over its control socket. */
int command_start(const struct command_options *options, int argc, char **argv);
int command_stop(const struct command_options *options, int argc, char **argv);
int command_pause(const struct command_options *options, int argc, char **argv);
int command_resume(const struct command_options *options, int argc, char **argv);
int command_mute(const struct command_options *options, int argc, char **argv);
int command_unmute(const struct command_options *options, int argc, char **argv);
int command_status(const struct command_options *options, int argc, char **argv);
int command_task(const struct command_options *options, int argc, char **argv);
int command_interruption(const struct command_options *options, int argc, char **argv);
int command_phase(const struct command_options *options, int argc, char **argv);
int command_tag(const struct command_options *options, int argc, char **argv);
int command_open_page(const struct command_options *options, int argc, char **argv);
int command_links(const struct command_options *options, int argc, char **argv);

/* Commands for files. */
int command_list(const struct command_options *options, int argc, char **argv);
int command_info(const struct command_options *options, int argc, char **argv);
int command_verify(const struct command_options *options, int argc, char **argv);
int command_metrics(const struct command_options *options, int argc, char **argv);
int command_recover(const struct command_options *options, int argc, char **argv);
int command_dump(const struct command_options *options, int argc, char **argv);
int command_erase(const struct command_options *options, int argc, char **argv);
int command_merge(const struct command_options *options, int argc, char **argv);
int command_export(const struct command_options *options, int argc, char **argv);
int command_cut(const struct command_options *options, int argc, char **argv);
int command_amend(const struct command_options *options, int argc, char **argv);
int command_delete(const struct command_options *options, int argc, char **argv);
int command_bleep(const struct command_options *options, int argc, char **argv);
int command_withdraw(const struct command_options *options, int argc, char **argv);
int command_transcript(const struct command_options *options, int argc, char **argv);
int command_transcribe(const struct command_options *options, int argc, char **argv);
int command_study_layer(int argc, char **argv);
int command_study_new(int argc, char **argv);
int command_study(const struct command_options *options, int argc, char **argv);

/** Validate a text to be stored; NULL is valid. @return EXIT_OK, or EXIT_USAGE with the reason logged */
int command_check_text(const char *option, const char *text);

/**
 * Normalise and validate a person's name.
 *
 * @param ret  set on success: freed by the caller
 * @return EXIT_OK, or EXIT_USAGE with the reason logged
 */
int command_normalise_name(char **ret, const char *option, const char *text);

/**
 * Set the author of an act: this user's principal, and in a coder's layer also layer_principal.
 *
 * @param identity  filled in; must outlive the act, which refers to its strings
 */
void command_sign(Uxrec__Act *act, struct identity *identity);

/**
 * Take "--layer LAYER" out of the arguments, and normalise the name in it.
 *
 * @param ret  set to the layer, freed by the caller, or to NULL without the option
 * @return EXIT_OK, or EXIT_USAGE with the reason logged
 */
int command_pop_layer(char **ret, int *argc, char **argv);

/**
 * Send a request to the recorder.
 *
 * @param ret  set to the answer unless it is a failure; freed by the caller
 * @return EXIT_OK, or EXIT_USAGE or EXIT_FAILED with the reason logged
 */
int command_request(const struct command_options *options, Uxrec__ClientMessage *message,
	Uxrec__ServerMessage **ret);

/**
 * Send a request to the recorder that is only acknowledged.
 *
 * @param print_session  print the session's id on standard output
 * @return as command_request()
 */
int command_send(
	const struct command_options *options, Uxrec__ClientMessage *message, bool print_session);

/** Log a usage error. @return EXIT_USAGE */
int command_usage(const char *usage);

/** Take a flag, such as "--json", out of the arguments. @return true when present */
bool command_pop_flag(int *argc, char **argv, const char *flag);

/**
 * Take "--name VALUE" or "--name=VALUE" out of the arguments. @return VALUE, NULL when absent, "" when the value is
 * missing
 */
const char *command_pop_value(int *argc, char **argv, const char *name);

/** Log an error for an unknown option or too many arguments. @return true when there is one */
bool command_has_leftovers(int argc, char **argv, int most_arguments);

/**
 * Parse a time relative to the session's start: "90", "1:30" or "1:02:03.5". A time after the end is refused, with the
 * length of the session; the next whole second after the end counts as the end.
 *
 * @return 0, or EXIT_USAGE or, for a session without messages, EXIT_FAILED; with the reason logged
 */
int command_parse_moment(const char *text, const struct session_reader *reader, int64_t *ret);

/**
 * Parse a span of two such times. Each may be NULL, which leaves its result unchanged. Spans that lie after the end,
 * are empty or end before they begin are refused.
 *
 * @return as command_parse_moment()
 */
int command_parse_span(const struct session_reader *reader, const char *from, const char *to,
	int64_t *ret_from_ns, int64_t *ret_to_ns);

/** Progress of a long command, displayed on a terminal. */
struct command_progress {
	int64_t begin_ns, length_ns; /* span to process */
	int64_t shown_ns;            /* clock_now_ns() of the last display; initialise it */
};

/** Show the progress on standard error, a few times a second. @param user  a struct command_progress */
void command_show_progress(void *user, int64_t at_ns);

/** Print the damages of a session. @return true when there are any */
bool command_print_damages(const struct session_reader *reader);

/**
 * Collect the muted spans, before any output.
 *
 * @return 0, or EXIT_FAILED with the reason logged
 */
int command_collect_bleeps(struct bleeps *ret, const struct session *session);

/** Open a typed path read-only. @return 0, or EXIT_FAILED with the reason logged */
int command_open(struct session **ret, const char *path);

/** The same for modifying commands: the path must be a session's folder. */
int command_open_folder(struct session **ret, const char *path);

/** Log the faults of a transcript. @return EXIT_OK without faults, or EXIT_FAILED */
int command_log_faults(const struct vtt_faults *faults, const char *name);

/** Check that a session may leave by a way, as way_out_open(). @return 0, or EXIT_FAILED with the reason logged */
int command_open_way_out(struct session *session, enum way_out way, enum consent_use use);

/**
 * Extract a part of a session, gated by its consent, with a warning for each kind of omitted content.
 *
 * @return EXIT_OK, EXIT_NO when the session has no such part, or EXIT_FAILED; with the reason logged
 */
int command_extract(struct buf *out, struct session *session, enum extract part,
	struct extract_notes *ret_notes);

#define COMMAND_TIME_BYTES 64

/** Format local time with the zone's offset: "2026-10-25 02:30:00 +01:00". @return @p text */
const char *command_local_time(char text[COMMAND_TIME_BYTES], int64_t ns);

/**
 * Create a file readable by this user only; fails if it exists. @return EXIT_OK, or EXIT_FAILED with the reason
 * logged
 */
int command_write_file(const char *out, const struct buf *text);

/** Warn of recorded modalities (bits) withheld by consent, one line each on standard error. */
void command_warn_withheld(const struct session *session, uint32_t modalities);

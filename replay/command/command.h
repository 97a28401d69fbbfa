#pragma once

/*
 * The uxrec command: one function a subcommand. argv[0] is the subcommand's name. Each returns the
 * exit status: 0 good, 1 the answer is no, 2 wrong usage, 3 could not.
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
	EXIT_GOOD = 0,
	EXIT_NO = 1,
	EXIT_USAGE = 2,
	EXIT_COULD_NOT = 3,
};

/** Options before the subcommand, and those that several have. */
struct command_options {
	const char *control; /* socket */
	const char *library;
};

/* with a running recorder, over its control socket */
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

/* with files */
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

/** Check a text that will be stored; NULL is none. @return EXIT_GOOD, or EXIT_USAGE with the reason logged */
int command_check_text(const char *option, const char *text);

/**
 * Bring a person's name into its one spelling and check it.
 *
 * @param ret  set on success: freed by the caller
 * @return EXIT_GOOD, or EXIT_USAGE with the reason logged
 */
int command_take_name(char **ret, const char *option, const char *text);

/**
 * Set whose act it is: principal and, of a coder's layer, layer_principal are this user's.
 *
 * @param identity  filled in; the act has its texts
 */
void command_sign(Uxrec__Act *act, struct identity *identity);

/**
 * Take "--layer LAYER" out of the arguments, with the name in it in its one spelling.
 *
 * @param ret  set to the layer, freed by the caller, or to NULL without the option
 * @return EXIT_GOOD, or EXIT_USAGE with the reason logged
 */
int command_take_layer(char **ret, int *argc, char **argv);

/**
 * Ask the recorder.
 *
 * @param ret  set when the answer is no failure; freed by the caller
 * @return EXIT_GOOD, or EXIT_USAGE or EXIT_COULD_NOT after logging the reason
 */
int command_ask(const struct command_options *options, Uxrec__ClientMessage *message,
	Uxrec__ServerMessage **ret);

/**
 * Ask the recorder for something that has no answer but that it was done.
 *
 * @param print_session  the session's id goes to standard output
 * @return as command_ask()
 */
int command_send(
	const struct command_options *options, Uxrec__ClientMessage *message, bool print_session);

/** Log that the usage is wrong. @return EXIT_USAGE */
int command_usage(const char *usage);

/** Take "--json" out of the arguments. @return whether it was there */
bool command_take_flag(int *argc, char **argv, const char *flag);

/** Take "--name VALUE" or "--name=VALUE" out of the arguments. @return VALUE, or NULL when it was not
 *  there; with the name but without a value "" */
const char *command_take_value(int *argc, char **argv, const char *name);

/** Say what is wrong with a left-over option or too many arguments. @return true when there is one */
bool command_has_leftovers(int argc, char **argv, int most_arguments);

/**
 * Parse one moment of a session, counted from its begin: "90", "1:30" or "1:02:03.5". One behind the end
 * is refused with the length of the session; only the next whole second after the end stands for the end.
 *
 * @return 0, or EXIT_USAGE or, of a session without messages, EXIT_COULD_NOT after a message
 */
int command_parse_moment(const char *text, const struct session_reader *reader, int64_t *ret);

/**
 * Parse a span of a session, of two such moments. Each may be NULL, and its result stays as it was then.
 * Spans that lie behind the end, are empty or end before they begin are refused.
 *
 * @return as command_parse_moment()
 */
int command_parse_span(const struct session_reader *reader, const char *from, const char *to,
	int64_t *ret_from_ns, int64_t *ret_to_ns);

/** How far a long command has come, for a terminal. */
struct command_progress {
	int64_t begin_ns, length_ns; /* of what is gone through */
	int64_t told_ns;             /* begin with the present time */
};

/** Show it on standard error, a few times a second. @param user  a struct command_progress */
void command_show_progress(void *user, int64_t at_ns);

/** Say what of a session could not be read. @return true when there is something */
bool command_tell_damages(const struct session_reader *reader);

/**
 * Collect what must not be heard: that has to be known before anything is given out.
 *
 * @return 0, or EXIT_COULD_NOT after saying why
 */
int command_collect_bleeps(struct bleeps *ret, const struct session *session);

/** Open what somebody typed for reading, and say what is wrong. @return 0 or EXIT_COULD_NOT */
int command_open(struct session **ret, const char *path);

/** The same for what changes something in it: it must be a session's folder. */
int command_open_folder(struct session **ret, const char *path);

/** Name what of a transcript could not be read. @return EXIT_GOOD without faults, or EXIT_COULD_NOT */
int command_tell_faults(const struct vtt_faults *faults, const char *name);

/** Check that a session may leave by a way, as way_out_open(). @return 0, or EXIT_COULD_NOT with a logged reason */
int command_leave(struct session *session, enum way_out way, enum consent_use use);

/**
 * Make a file of a session, behind the gate of its consent, with a warning for each thing that is left out.
 *
 * @return EXIT_GOOD, EXIT_NO when the session has no such part, or EXIT_COULD_NOT; with a logged reason
 */
int command_extract(struct buf *out, struct session *session, enum extract part,
	struct extract_notes *ret_notes);

#define COMMAND_TIME_BYTES 64

/** The time of day here, with the zone's offset: "2026-10-25 02:30:00 +01:00". @return @p text */
const char *command_local_time(char text[COMMAND_TIME_BYTES], int64_t ns);

/** Write a file that is not there yet, for this user alone. @return EXIT_GOOD, or EXIT_COULD_NOT with a logged reason */
int command_write_file(const char *out, const struct buf *text);

/** Warn of modalities (bits) of the recording that consent keeps back, a line each on standard error. */
void command_tell_kept_back(const struct session *session, uint32_t modalities);

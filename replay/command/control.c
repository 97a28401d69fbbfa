#include "protocol/base/terminal.h"
#include "replay/command/command.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/utf8.h"
#include "protocol/gap.h"
#include "protocol/limits.h"
#include "protocol/message_text.h"
#include "protocol/os/folder.h"
#include "protocol/os/local.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"
#include "replay/base/enum_text.h"
#include "replay/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The largest answer is a status with its study. */
#define ANSWER_LIMIT_BYTES (4 * 1024 * 1024)

int command_request(const struct command_options *options, Uxrec__ClientMessage *message,
	Uxrec__ServerMessage **ret)
{
	struct error error = {"out of memory"};
	_autoclose_ int fd = -1;
	ProtobufCMessage *answer;
	int r;

	if (message_check_texts(&message->base, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_USAGE;
	}
	fd = options->control ? local_connect(options->control, SOCK_STREAM, &error) : -ENOMEM;
	if (fd == -EPERM) {
		log_error(
			"did not connect to the recorder at %s: %s", options->control, error.text);
		return EXIT_FAILED;
	}
	if (fd < 0) {
		log_error("no recorder at %s (%s): start uxrecd, or name its socket with --control",
			options->control, error.text);
		return EXIT_FAILED;
	}
	message->request = 1;
	r = wire_send(fd, &message->base);
	if (r == 0)
		r = wire_receive(
			fd, &uxrec__server_message__descriptor, ANSWER_LIMIT_BYTES, &answer);
	if (r < 0) {
		log_errno(r, "the recorder at %s did not answer", options->control);
		return EXIT_FAILED;
	}
	*ret = (Uxrec__ServerMessage *)answer;
	if ((*ret)->body_case != UXREC__SERVER_MESSAGE__BODY_FAILURE)
		return EXIT_OK;
	log_error("%s", (*ret)->failure->text);
	uxrec__server_message__free_unpacked(*ret, NULL);
	return EXIT_FAILED;
}

int command_send(
	const struct command_options *options, Uxrec__ClientMessage *message, bool print_session)
{
	Uxrec__ServerMessage *answer;
	int r = command_request(options, message, &answer);

	if (r != EXIT_OK)
		return r;
	if (print_session && answer->body_case == UXREC__SERVER_MESSAGE__BODY_DONE)
		puts(answer->done->session);
	uxrec__server_message__free_unpacked(answer, NULL);
	return EXIT_OK;
}

/* ---- start ---- */

static const struct {
	const char *name;
	int value;
} consent_methods[] = {
	{"page", UXREC__CONSENT__METHOD__METHOD_PAGE},
	{"paper", UXREC__CONSENT__METHOD__METHOD_PAPER},
	{"guardian", UXREC__CONSENT__METHOD__METHOD_GUARDIAN},
	{"demo", UXREC__CONSENT__METHOD__METHOD_DEMO},
};

/* Modalities and uses of a consent; a longer list has duplicates. */
#define CONSENT_WORDS 16

/* "paper", "paper:screen", "demo:screen,input,full-keys", "page:sound,analysis"; splits @p text in place. */
static int parse_consent(char *text, Uxrec__Consent *consent, char **modalities, char **uses)
{
	char *what = strchr(text, ':');

	if (what)
		*what++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(consent_methods); i++)
		if (strcmp(consent_methods[i].name, text) == 0)
			consent->method = (Uxrec__Consent__Method)consent_methods[i].value;
	if (consent->method == UXREC__CONSENT__METHOD__METHOD_UNSPECIFIED) {
		log_error("--consent '%s': must be one of page, paper, guardian, demo",
			text_quote(text).text);
		return EXIT_USAGE;
	}
	consent->modalities = modalities;
	consent->uses = uses;
	for (char *rest, *part = what ? strtok_r(what, ",", &rest) : NULL; part;
		part = strtok_r(NULL, ",", &rest)) {
		if (strcmp(part, "full-keys") == 0)
			consent->full_keys = true;
		else if (consent_use_find(part) >= 0 && consent->n_uses < CONSENT_WORDS)
			uses[consent->n_uses++] = part;
		else if (consent->n_modalities < CONSENT_WORDS)
			modalities[consent->n_modalities++] = part;
	}
	if (!what || (consent->n_modalities == 0 && consent->n_uses > 0)) {
		modalities[consent->n_modalities++] = (char *)"screen";
		modalities[consent->n_modalities++] = (char *)"input";
	}
	return EXIT_OK;
}

/* A study is given as a file or as a name in the library. @param ret_yaml  freed by the caller */
static int read_study(const char *study, Uxrec__Start *start, char **ret_yaml)
{
	struct error error = {"no reason given"};
	size_t length = strlen(study), valid;
	ssize_t size;

	if (!strchr(study, '/') && (length < 5 || strcmp(study + length - 5, ".yaml") != 0)) {
		start->study = (char *)study;
		return EXIT_OK;
	}
	size = file_read_whole(study, STUDY_LIMIT_BYTES, ret_yaml, &error);
	if (size < 0) {
		log_error("study file %s", error.text);
		return EXIT_FAILED;
	}
	if (size == 0 || strlen(*ret_yaml) != (size_t)size) {
		log_error("study file %s: %s", text_quote(study).text,
			size ? "it contains a 0 byte" : "it is empty");
		return EXIT_FAILED;
	}
	valid = utf8_valid_bytes(*ret_yaml, (size_t)size);
	if (valid < (size_t)size) {
		log_error(
			"study file %s: byte %zu is not UTF-8", text_quote(study).text, valid + 1);
		return EXIT_FAILED;
	}
	start->study_yaml = *ret_yaml;
	/* for messages only: a path may have any bytes */
	start->study_file = utf8_is_valid(study) ? (char *)study : (char *)"study";
	return EXIT_OK;
}

int command_start(const struct command_options *options, int argc, char **argv)
{
	static const char text[] =
		"start --study FILE|NAME --participant ID --consent METHOD[:WHAT,...] "
		"[--keys none|counts|classes|full] [--pilot]";
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Start start = UXREC__START__INIT;
	Uxrec__Consent consent = UXREC__CONSENT__INIT;
	const char *study = command_pop_value(&argc, argv, "--study");
	const char *participant = command_pop_value(&argc, argv, "--participant");
	const char *agreed = command_pop_value(&argc, argv, "--consent");
	const char *keys = command_pop_value(&argc, argv, "--keys");
	_autofree_ char *yaml = NULL;
	_autofree_ char *agreed_copy = agreed ? strdup(agreed) : NULL;
	char *modalities[CONSENT_WORDS], *uses[CONSENT_WORDS];
	int r;

	start.pilot = command_pop_flag(&argc, argv, "--pilot");
	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	if (!study || !participant || !agreed_copy)
		return command_usage(text);
	if (command_check_text("--participant", participant) != EXIT_OK ||
		command_check_text("--consent", agreed) != EXIT_OK)
		return EXIT_USAGE;
	r = parse_consent(agreed_copy, &consent, modalities, uses);
	if (r == EXIT_OK)
		r = read_study(study, &start, &yaml);
	if (r != EXIT_OK)
		return r;
	/* full keys with an unrestricted consent imply consent to them */
	if (keys && strcmp(keys, "full") == 0 && !strchr(agreed, ':'))
		consent.full_keys = true;
	start.participant = (char *)participant;
	start.consent = &consent;
	start.keys = (char *)(keys ? keys : "");
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_START;
	message.start = &start;
	return command_send(options, &message, true);
}

/* ---- simple requests ---- */

int command_pause(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Pause pause = UXREC__PAUSE__INIT;

	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_PAUSE;
	message.pause = &pause;
	return command_send(options, &message, false);
}

int command_resume(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Resume resume = UXREC__RESUME__INIT;

	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_RESUME;
	message.resume = &resume;
	return command_send(options, &message, false);
}

static int mute_observers(const struct command_options *options, int argc, char **argv, bool muted)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__MuteObservers mute = UXREC__MUTE_OBSERVERS__INIT;

	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	mute.muted = muted;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_MUTE_OBSERVERS;
	message.mute_observers = &mute;
	return command_send(options, &message, false);
}

int command_mute(const struct command_options *options, int argc, char **argv)
{
	return mute_observers(options, argc, argv, true);
}

int command_unmute(const struct command_options *options, int argc, char **argv)
{
	return mute_observers(options, argc, argv, false);
}

static void print_since(const char *what, const char *name, int64_t ns, const char *more)
{
	int64_t seconds = ns / NS_PER_S;

	printf("%s: %s, %lld:%02lld min%s\n", what, name, (long long)seconds / 60,
		(long long)seconds % 60, more);
}

static void print_course(const Uxrec__Status *status)
{
	if (status->phase)
		print_since("phase",
			enum_text(&uxrec__phase__kind__descriptor, (int)status->phase).text,
			status->now_ns - status->phase_from_ns, "");
	if (*status->task)
		print_since("task", text_quote(status->task).text, status->attempt_time_ns,
			status->attempt_clock_stopped ? ", the clock is stopped" : "");
	if (*status->interruption)
		print_since("interruption",
			status->interruption_kind
				? enum_text(&uxrec__interruption__kind__descriptor,
					  (int)status->interruption_kind)
					  .text
				: "kind not stated",
			status->now_ns - status->interruption_from_ns,
			status->interruption_keeps_clock ? ", the task's clock runs on" : "");
}

static void print_status(const Uxrec__Status *status)
{
	struct losses_text lost = losses_of_message(status->lost, status->n_lost);
	int64_t elapsed_s = (status->now_ns - status->started_ns) / NS_PER_S;

	if (status->state == UXREC__STATUS__STATE__STATE_STARTING) {
		printf("starting: %s\n", text_quote(status->warning).text);
		return;
	}
	if (status->state == UXREC__STATUS__STATE__STATE_IDLE) {
		puts("idle: nothing is recorded");
		if (*status->last_session)
			printf("last session: %s (%s)\n", status->last_session,
				text_quote(status->last_reason).text);
		return;
	}
	printf("%s session %s: study '%s', participant '%s', %lld:%02lld min\n",
		status->state == UXREC__STATUS__STATE__STATE_PAUSED           ? "paused"
			: status->state == UXREC__STATUS__STATE__STATE_ENDING ? "ending"
									      : "recording",
		status->session, text_quote(status->study_name).text,
		text_quote(status->participant).text, (long long)elapsed_s / 60,
		(long long)elapsed_s % 60);
	print_course(status);
	printf("%llu events, %llu pictures, %.2f MB, %u gaps, keys: %s, %u observers\n",
		(unsigned long long)status->events, (unsigned long long)status->pictures,
		(double)status->bytes / 1e6, status->gaps, status->keys, status->observers);
	if (*lost.text)
		printf("lost: %s\n", lost.text);
	if (status->observers_muted)
		puts("the observers do not hear the sound");
	if (*status->warning)
		printf("warning: %s\n", text_quote(status->warning).text);
}

int command_status(const struct command_options *options, int argc, char **argv)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__GetStatus get = UXREC__GET_STATUS__INIT;
	bool json = command_pop_flag(&argc, argv, "--json");
	Uxrec__ServerMessage *answer;
	int r;

	if (command_has_leftovers(argc, argv, 0))
		return EXIT_USAGE;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_GET_STATUS;
	message.get_status = &get;
	r = command_request(options, &message, &answer);
	if (r != EXIT_OK)
		return r;
	if (answer->body_case != UXREC__SERVER_MESSAGE__BODY_STATUS)
		r = EXIT_FAILED;
	else if (json)
		json_print(json_of_message(&answer->status->base));
	else
		print_status(answer->status);
	uxrec__server_message__free_unpacked(answer, NULL);
	return r;
}

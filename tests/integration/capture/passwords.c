/* A thousand secrets are typed into the password fields of real toolkits, and searched for afterwards. */

#include "tests/harness/helpers.h"
#include "tests/harness/labs/accessible.h"

#include "protocol/base/clock.h"
#include "protocol/session.pb-c.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT "1000"
#define SEED  "11"

static struct accessible_lab lab;

/* Key counts of the session, before and since a password field got the focus. */
struct told {
	unsigned passwords;
	bool hidden; /* now */
	size_t keys_hidden, keys;
};

static int take(void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct told *told = user;

	if (message->channel->known == CHANNEL_KEY_POLICY) {
		const Uxrec__KeyPolicy *policy = (const void *)unpacked;

		told->hidden = policy->level == UXREC__KEY_POLICY__LEVEL__LEVEL_NONE;
		told->passwords += policy->reason == UXREC__KEY_POLICY__REASON__REASON_PASSWORD;
	} else {
		const Uxrec__KeyClassBatch *batch = (const void *)unpacked;

		for (size_t i = 0; i < batch->n_action; i++)
			if (batch->action[i] == UXREC__KEY_ACTION__KEY_ACTION_PRESS)
				(*(told->hidden ? &told->keys_hidden : &told->keys))++;
	}
	return 0;
}

static void secrets(const char *what, const char *seed, const char *count, const char *us)
{
	char program[256];

	snprintf(program, sizeof(program), "%s/tests/tools/secrets", build_folder());
	check(run_child(NULL, program, what, seed, count, us, NULL) == 0);
}

/* @return the number of secrets found in the session, and in the recorder's memory */
static int search(const char *session, const char *memory)
{
	_autofree_ char *output = NULL;
	char program[256];
	int found = -1;

	snprintf(program, sizeof(program), "%s/tests/tools/secrets", build_folder());
	check(run_child(&output, program, "search", SEED, COUNT, session, memory, NULL) == 0);
	check(sscanf(output, "{\"secrets\": %*d, \"found\": %d", &found) == 1);
	if (found)
		printf("# %s", output);
	return found;
}

static void type_into(const char *name)
{
	static const char *const options[] = {"--screen", "none", "--input", "x11", NULL};
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *library = temporary_path("library"), *memory = temporary_path("memory");
	_autofree_ char *folder = NULL;
	struct daemon_child daemon = {0};
	struct application application;
	struct told told = {0};
	char id[21], program[256], pid[16];

#ifdef __SANITIZE_THREAD__
	skip_test("what ThreadSanitizer keeps is too much to be searched");
	return;
#endif
	if (!accessible_lab_start(&lab))
		return;
	if (!application_has(name)) {
		skip_test("the toolkit is not installed");
		accessible_lab_end(&lab);
		return;
	}
	mkdir(library, 0700);
	/* some check for listeners only at their start: the recorder listens before there is a session */
	daemon_start(&daemon, library, options);
	sleep_ms(1000);
	application_start(&lab, &application, name);
	accessible_lab_listen(&lab, NAMES_NONE);
	daemon_record(&daemon, "classes", id);
	check(accessible_lab_focus_row(&lab, &application, ROW_ENTRY, FOCUS_OTHER));
	sleep_ms(500);
	secrets("type", "12", "1", "5000"); /* a name is 24 keys */
	sleep_ms(500);
	check(accessible_lab_focus_row(&lab, &application, ROW_PASSWORD, FOCUS_PASSWORD));
	sleep_ms(500);
	secrets("retype", SEED, COUNT, "150");
	sleep_ms(500);
	snprintf(pid, sizeof(pid), "%d", (int)daemon.child.pid);
	snprintf(program, sizeof(program), "%s/tests/tools/secrets", build_folder());
	check(run_child(NULL, program, "memory", pid, memory, NULL) == 0);
	check(daemon_command(&daemon, NULL, "stop", NULL) == 0);
	check(asprintf(&folder, "%s/%s", library, id) > 0);
	session = daemon_session(&daemon, id);
	check(session_each(session, INT64_MIN, INT64_MAX,
		      UINT64_C(1) << CHANNEL_KEY_CLASSES | UINT64_C(1) << CHANNEL_KEY_POLICY, take,
		      &told) == 0);
	printf("# %s: %zu keys of a name are told, %zu while keys are hidden\n", name, told.keys,
		told.keys_hidden);
	expect(told.passwords >= 1 && told.keys == 24 && told.keys_hidden == 0);
	expect(search(folder, memory) == 0);
	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	expect(run_child(NULL, program, "verify", "--redaction", folder, NULL) == 0);
	end_child(&daemon.child, SIGTERM);
	accessible_lab_stop_listening(&lab);
	application_end(&application);
	accessible_lab_end(&lab);
}

static void secrets_in_gtk_3(void)
{
	type_into("GTK 3");
}

static void secrets_in_gtk_4(void)
{
	type_into("GTK 4");
}

static void secrets_in_chromium(void)
{
	type_into("Chromium");
}

static const struct test tests[] = {
	{COUNT " secrets in GTK 3's password field leave nothing", secrets_in_gtk_3},
	{COUNT " secrets in GTK 4's password field leave nothing", secrets_in_gtk_4},
	{COUNT " secrets in Chromium's password field leave nothing", secrets_in_chromium},
};

int main(void)
{
	return RUN_TESTS("passwords", tests);
}

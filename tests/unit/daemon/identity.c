/* Ids of stations and sessions, and principals of peers. */

#include "tests/harness/helpers.h"

#include "daemon/acts/act_policy.h"
#include "daemon/record/live.h"
#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ONE "00000000000000000000000000000001"
#define TWO "00000000000000000000000000000002"

/* ---- of stations ---- */

/* A state folder of the test's own. @return the folder `uxrec` in it */
static char *use_state(const char *name)
{
	_autofree_ char *state = temporary_path(name);
	char *folder = NULL;

	check(mkdir(state, 0700) == 0 && setenv("XDG_STATE_HOME", state, 1) == 0);
	check(asprintf(&folder, "%s/uxrec", state) > 0);
	return folder;
}

static void write_file(const char *folder, const char *name, const char *text)
{
	_autofree_ char *path = NULL;
	_autoclose_ int fd = -1;

	check(asprintf(&path, "%s/%s", folder, name) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

static bool is_same(const struct identity *a, const struct identity *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_valid(const struct identity *identity)
{
	return identity_id_is_valid(identity->station) && identity_id_is_valid(identity->user) &&
		identity_id_is_valid(identity->recorder) && identity_id_is_valid(identity->secret);
}

static void ids_are_made_once_and_kept(void)
{
	_autofree_ char *folder = use_state("kept"), *path = NULL;
	struct identity first, again;
	struct stat status;

	check(identity_load(&first, NULL) == 0 && identity_load(&again, NULL) == 0);
	expect(is_valid(&first) && is_same(&first, &again));
	expect(strcmp(first.station, first.user) != 0 && strcmp(first.user, first.recorder) != 0);
	check(asprintf(&path, "%s/identity", folder) > 0 && stat(path, &status) == 0);
	expect((status.st_mode & 0777) == 0600);
	/* another station has other ids */
	free(use_state("other"));
	check(identity_load(&again, NULL) == 0);
	expect(strcmp(first.station, again.station) != 0);
}

static void load_and_exit(const char *path)
{
	struct identity identity;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	_exit(identity_load(&identity, NULL) == 0 && io_write_all(fd, identity.station, 32) == 0
			? 0
			: 1);
}

static void programs_that_start_at_once_get_the_same_ids(void)
{
	_autofree_ char *path = temporary_path("stations"), *text = NULL;
	pid_t children[8];

	free(use_state("race"));
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			load_and_exit(path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		check(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	check(io_read_file(path, 4096, &text) == 32 * (ssize_t)ARRAY_SIZE(children));
	for (size_t i = 1; i < ARRAY_SIZE(children); i++)
		expect(memcmp(text, text + 32 * i, 32) == 0);
}

static void a_damaged_file_of_ids_is_left_as_it_is(void)
{
	_autofree_ char *folder = use_state("damaged"), *path = NULL, *text = NULL;
	struct identity identity;
	struct error error = {""};

	check(mkdir(folder, 0700) == 0);
	write_file(folder, "identity", "station " ONE "\nuser nonsense\n");
	expect(identity_load(&identity, &error) == -EBADMSG);
	expect(strstr(error.text, "does not contain the ids") != NULL);
	/* ids for this run only, so that a recorder starts */
	expect(is_valid(&identity) && strcmp(identity.station, ONE) != 0);
	check(asprintf(&path, "%s/identity", folder) > 0);
	check(io_read_file(path, 4096, &text) > 0);
	expect(strstr(text, "nonsense") != NULL);
	/* a later version's line is skipped */
	write_file(folder, "identity",
		"later x\nstation " ONE "\nuser " TWO "\nrecorder " ONE "\nsecret " TWO "\n");
	expect(identity_load(&identity, NULL) == 0 && strcmp(identity.station, ONE) == 0);
}

static void a_link_in_the_place_of_the_file_is_not_followed(void)
{
	_autofree_ char *folder = use_state("linked"), *path = NULL, *other = NULL;
	struct identity identity;

	check(mkdir(folder, 0700) == 0);
	other = temporary_path("elsewhere");
	check(asprintf(&path, "%s/identity", folder) > 0 && symlink(other, path) == 0);
	expect(identity_load(&identity, NULL) == -ELOOP && is_valid(&identity));
	expect(access(other, F_OK) < 0);
}

/* ---- of sessions ---- */

static struct annotations *open_log(const char *name, const char *session)
{
	_autofree_ char *path = temporary_path(name);
	struct annotations *log = NULL;

	check(annotations_open(&log, path, true, NULL) == 0);
	annotations_set_session(log, session);
	return log;
}

static void append_note(struct annotations *log)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Note note = UXREC__NOTE__INIT;
	char id[33];

	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)"Ann";
	act.layer = (char *)"live";
	act.body_case = UXREC__ACT__BODY_NOTE;
	act.note = &note;
	note.media_ns = 1000000000;
	note.text = (char *)"a note";
	check(annotations_append(log, &act, NULL, NULL) == 0);
}

static int merge(struct annotations *log, const char *name, struct error *reterr)
{
	_autofree_ char *path = temporary_path(name);
	struct annotations_merged merged;

	return annotations_merge(log, path, &merged, reterr);
}

static void acts_have_their_session_and_no_other_is_merged(void)
{
	_destroy_(annotations) struct annotations *one = open_log("one.mcap", ONE);
	_destroy_(annotations) struct annotations *copy = open_log("copy.mcap", ONE);
	_destroy_(annotations) struct annotations *two = open_log("two.mcap", TWO);
	_destroy_(annotations) struct annotations *old = open_log("old.mcap", "");
	_destroy_(annotations) struct annotations *again = NULL;
	struct error error = {""};

	append_note(one);
	append_note(copy);
	append_note(two);
	append_note(old);
	expect(strcmp(annotations_get(one, 0)->session_uuid, ONE) == 0);
	expect(strcmp(annotations_get(old, 0)->session_uuid, "") == 0);
	expect(merge(one, "copy.mcap", NULL) == 0 && annotations_count(one) == 2);
	expect(merge(one, "two.mcap", &error) == -EXDEV && annotations_count(one) == 2);
	expect(strstr(error.text, "another session: " TWO) != NULL);
	/* format 1: session unknown */
	expect(merge(one, "old.mcap", NULL) == 0 && annotations_count(one) == 3);
	/* a log opened alone belongs to the session of its acts */
	again = open_log("copy.mcap", "");
	annotations_destroy(steal_ptr(again));
	check(annotations_open(&again, "/dev/null", true, NULL) < 0);
	{
		_autofree_ char *path = temporary_path("copy.mcap");

		check(annotations_open(&again, path, true, NULL) == 0);
	}
	expect(strcmp(annotations_session(again), ONE) == 0);
	append_note(again);
	expect(strcmp(annotations_get(again, 1)->session_uuid, ONE) == 0);
	expect(merge(again, "two.mcap", NULL) == -EXDEV);
}

/* ---- of peers ---- */

static Uxrec__Act removal(const char *id, const char *layer)
{
	Uxrec__Act act = UXREC__ACT__INIT;

	act.id = (char *)id;
	act.kind = UXREC__ACT__KIND__KIND_REMOVE;
	act.layer = (char *)layer;
	return act;
}

static void add_bleep(
	struct annotations *log, const struct principal *principal, char *id, const char *layer)
{
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;

	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.layer = (char *)layer;
	/* a client's own values are ignored */
	act.author = (char *)"moderator";
	act.principal = act.layer_principal = act.session_uuid = act.act_id = (char *)TWO;
	act.body_case = UXREC__ACT__BODY_BLEEP;
	act.bleep = &bleep;
	bleep.from_ns = 1000000000;
	bleep.to_ns = 2000000000;
	act_policy_sign(principal, &act);
	check(annotations_append(log, &act, NULL, NULL) == 0);
}

static void rights_belong_to_principals(void)
{
	_destroy_(annotations) struct annotations *log = open_log("rights.mcap", ONE);
	const struct principal ann = {UXREC__ROLE__ROLE_REVIEWER, "Reviewer", ONE, true, ""};
	const struct principal ben = {UXREC__ROLE__ROLE_REVIEWER, "Reviewer", TWO, true, ""};
	const struct principal renamed = {UXREC__ROLE__ROLE_REVIEWER, "Anna", ONE, true, ""};
	const struct principal plain = {UXREC__ROLE__ROLE_REVIEWER, "Cat", TWO, false, ""};
	Uxrec__Study study = UXREC__STUDY__INIT;
	const struct act_context context = {.log = log, .study = &study};
	const Uxrec__Act *bleep;
	Uxrec__Act act;
	char id[33], plain_id[33];

	add_bleep(log, &ann, id, "coder:Reviewer");
	bleep = annotations_find(log, id);
	expect(strcmp(bleep->author, "Reviewer") == 0 && strcmp(bleep->principal, ONE) == 0);
	expect(strcmp(bleep->layer_principal, ONE) == 0);
	expect(strcmp(bleep->session_uuid, ONE) == 0 && strcmp(bleep->act_id, TWO) != 0);
	/* another principal of the same name has no access; a renamed one keeps it */
	act = removal(id, "coder:Reviewer");
	expect(act_policy_check_against(&ben, &act, &context, NULL) == -EACCES);
	expect(act_policy_check_against(&renamed, &act, &context, NULL) == 0);
	act = removal(id, "coder:Anna");
	expect(act_policy_check_against(&renamed, &act, &context, NULL) == 0);
	expect(act_policy_check_against(&ben, &act, &context, NULL) == -EINVAL);
	/* clients without an identity have layers by name */
	add_bleep(log, &plain, plain_id, "coder:Cat");
	expect(strcmp(annotations_find(log, plain_id)->layer_principal, "") == 0);
	expect(strcmp(annotations_find(log, plain_id)->principal, TWO) == 0);
}

static void acts_of_format_1_stay_changeable_by_their_author(void)
{
	_destroy_(annotations) struct annotations *log = open_log("format1.mcap", "");
	const struct principal ann = {UXREC__ROLE__ROLE_REVIEWER, "Ann", ONE, true, ""};
	const struct principal ben = {UXREC__ROLE__ROLE_REVIEWER, "Ben", TWO, true, ""};
	Uxrec__Study study = UXREC__STUDY__INIT;
	const struct act_context context = {.log = log, .study = &study};
	Uxrec__Act act = UXREC__ACT__INIT;
	Uxrec__Bleep bleep = UXREC__BLEEP__INIT;
	char id[33];

	check(act_new_id(id) == 0);
	act.id = id;
	act.kind = UXREC__ACT__KIND__KIND_ADD;
	act.author = (char *)"Ann";
	act.layer = (char *)"coder:Ann";
	act.body_case = UXREC__ACT__BODY_BLEEP;
	act.bleep = &bleep;
	bleep.from_ns = 1000000000;
	bleep.to_ns = 2000000000;
	check(annotations_append(log, &act, NULL, NULL) == 0);
	act = removal(id, "coder:Ann");
	expect(act_policy_check_against(&ben, &act, &context, NULL) == -EACCES);
	expect(act_policy_check_against(&ann, &act, &context, NULL) == 0);
}

/* ---- after the end of a session ---- */

static void begin_live(struct live *live, const char *session)
{
	live_open(live, session, NULL, 1, NULL, NULL, NULL, NULL);
}

static void those_who_watched_add_notes_for_five_minutes(void)
{
	struct live *live = calloc(1, sizeof(*live));

	check(live && live_init(live) == 0);
	live_watch(live, TWO); /* no session */
	begin_live(live, "a");
	live_watch(live, ONE);
	live_watch(live, ONE);
	expect(live->audiences[0].count == 1);
	expect(!live_accepts_notes(live, "a", ONE));
	live_close(live);
	expect(live_accepts_notes(live, "a", ONE) && !live_accepts_notes(live, "a", TWO));
	expect(!live_accepts_notes(live, "b", ONE) && !live_accepts_notes(live, "", ONE));
	/* failed starts and the next session do not change it */
	for (int i = 0; i < 2 * LIVE_AUDIENCES; i++) {
		begin_live(live, "failed");
		live_close(live);
	}
	begin_live(live, "b");
	live_watch(live, TWO);
	expect(live_accepts_notes(live, "a", ONE) && !live_accepts_notes(live, "b", TWO));
	live_close(live);
	expect(live_accepts_notes(live, "a", ONE) && live_accepts_notes(live, "b", TWO));
	live->audiences[1].ended_ns -= LIVE_NOTES_NS;
	expect(!live_accepts_notes(live, "a", ONE) && live_accepts_notes(live, "b", TWO));
	live_finish(live);
	free(live);
}

static void many_watchers_forget_the_first_ones(void)
{
	struct live *live = calloc(1, sizeof(*live));
	char principal[33];

	check(live && live_init(live) == 0);
	begin_live(live, "a");
	for (int i = 0; i <= LIVE_WATCHERS; i++) {
		snprintf(principal, sizeof(principal), "%032x", (unsigned)i);
		live_watch(live, principal);
	}
	live_close(live);
	expect(live_accepts_notes(live, "a", principal) && live_accepts_notes(live, "a", ONE));
	expect(!live_accepts_notes(live, "a", "00000000000000000000000000000000"));
	live_finish(live);
	free(live);
}

static const struct test tests[] = {
	{"the ids of a station are made once and kept", ids_are_made_once_and_kept},
	{"programs that start at once get the same ids",
		programs_that_start_at_once_get_the_same_ids},
	{"a damaged file of ids is left as it is, and a recorder starts",
		a_damaged_file_of_ids_is_left_as_it_is},
	{"a link in the place of the file of ids is not followed",
		a_link_in_the_place_of_the_file_is_not_followed},
	{"acts have their session, and those of another are not merged",
		acts_have_their_session_and_no_other_is_merged},
	{"rights belong to principals, not to names", rights_belong_to_principals},
	{"watchers of a session add notes for five minutes after its end",
		those_who_watched_add_notes_for_five_minutes},
	{"beyond the limit the first watchers are forgotten", many_watchers_forget_the_first_ones},
	{"acts of format 1 stay changeable by their author",
		acts_of_format_1_stay_changeable_by_their_author},
};

int main(void)
{
	return RUN_TESTS("identity", tests);
}

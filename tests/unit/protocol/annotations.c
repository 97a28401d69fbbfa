#include "tests/harness/helpers.h"

#include "protocol/acts/act.h"
#include "protocol/acts/annotations.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void fill_tag(Uxrec__Act *act, Uxrec__Tag *tag, char *id, const char *code)
{
	uxrec__act__init(act);
	uxrec__tag__init(tag);
	act->id = id;
	act->kind = UXREC__ACT__KIND__KIND_ADD;
	act->author = (char *)"Ana";
	act->layer = (char *)"live";
	act->body_case = UXREC__ACT__BODY_TAG;
	act->tag = tag;
	tag->code = (char *)code;
	tag->media_ns = 1000000000;
}

static struct annotations *open_log(const char *path)
{
	struct annotations *log = NULL;
	struct error error;

	check(annotations_open(&log, path, true, &error) == 0);
	return log;
}

static void acts_fold(void)
{
	_autofree_ char *path = temporary_path("fold.mcap");
	_destroy_(annotations) struct annotations *log = open_log(path), *again = NULL;
	const Uxrec__Act *stored;
	Uxrec__Act act;
	Uxrec__Tag tag;
	char one[33], two[33];

	check(act_new_id(one) == 0 && act_new_id(two) == 0);
	fill_tag(&act, &tag, one, "slip");
	check(annotations_append(log, &act, &stored, NULL) == 0);
	expect(stored->counter == 1 && stored->wall_ns > 0);
	fill_tag(&act, &tag, two, "mistake");
	check(annotations_append(log, &act, NULL, NULL) == 0);
	fill_tag(&act, &tag, one, "omission");
	act.kind = UXREC__ACT__KIND__KIND_CHANGE;
	check(annotations_append(log, &act, NULL, NULL) == 0);
	expect(annotations_count(log) == 2);
	expect(strcmp(annotations_find(log, one)->tag->code, "omission") == 0);
	act.kind = UXREC__ACT__KIND__KIND_REMOVE;
	act.body_case = UXREC__ACT__BODY__NOT_SET;
	check(annotations_append(log, &act, NULL, NULL) == 0);
	expect(annotations_count(log) == 1 && !annotations_find(log, one));
	check(annotations_open(&again, path, false, NULL) == 0);
	expect(annotations_count(again) == 1);
	expect(strcmp(annotations_get(again, 0)->id, two) == 0);
	expect(annotations_damaged(again) == 0);
}

static void bad_acts_are_refused(void)
{
	_autofree_ char *path = temporary_path("refused.mcap");
	_destroy_(annotations) struct annotations *log = open_log(path);
	struct error error = {""};
	Uxrec__Act act;
	Uxrec__Tag tag;
	char id[33];

	check(act_new_id(id) == 0);
	fill_tag(&act, &tag, id, "slip");
	act.id = (char *)"../../etc/passwd";
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	fill_tag(&act, &tag, id, "a/b");
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	fill_tag(&act, &tag, id, "slip");
	act.layer = (char *)"coder:<script>";
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	fill_tag(&act, &tag, id, "slip");
	act.author = (char *)"";
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	fill_tag(&act, &tag, id, "slip");
	tag.impact = (Uxrec__Impact)9;
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	fill_tag(&act, &tag, id, "slip");
	tag.media_ns = 0;
	expect(annotations_append(log, &act, NULL, &error) == -EINVAL);
	expect(*error.text);
	expect(access(path, F_OK) < 0); /* the first valid act creates the file */
}

/* @return -1 if missing */
static off_t size_of(const char *path)
{
	struct stat status;

	return stat(path, &status) < 0 ? -1 : status.st_size;
}

static void torn_end_is_set_aside(void)
{
	_autofree_ char *path = temporary_path("torn.mcap"), *torn = NULL, *data = NULL;
	struct annotations *log = open_log(path);
	struct stat whole;
	Uxrec__Act act;
	Uxrec__Tag tag;
	char id[33];
	ssize_t size;

	check(act_new_id(id) == 0);
	fill_tag(&act, &tag, id, "slip");
	check(annotations_append(log, &act, NULL, NULL) == 0);
	check(stat(path, &whole) == 0);
	check(asprintf(&torn, "%s.torn-%lld", path, (long long)whole.st_size) > 0);
	check(act_new_id(id) == 0);
	check(annotations_append(log, &act, NULL, NULL) == 0);
	annotations_destroy(log);
	size = io_read_file(path, 1 << 20, &data);
	/* the writer was killed at every byte of the second act in turn */
	for (off_t cut = whole.st_size + 1; cut < size; cut++) {
		_autoclose_ int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);

		check(io_write_all(fd, data, (size_t)cut) == 0);
		log = open_log(path);
		check(annotations_count(log) == 1);
		/* reading changes nothing; the next act moves the torn end aside */
		check(size_of(path) == cut && size_of(torn) < 0);
		check(act_new_id(id) == 0);
		check(annotations_append(log, &act, NULL, NULL) == 0);
		check(size_of(torn) == cut - whole.st_size);
		unlink(torn);
		annotations_destroy(log);
		log = open_log(path);
		check(annotations_count(log) == 2 && annotations_damaged(log) == 0);
		annotations_destroy(log);
	}
}

static void a_log_that_is_full_takes_no_act(void)
{
	_autofree_ char *path = temporary_path("full.mcap");
	_destroy_(annotations) struct annotations *log = NULL;
	const uint64_t filler_bytes = ANNOTATIONS_LIMIT_BYTES - 1000;
	unsigned char head[MCAP_RECORD_HEADER_BYTES];
	struct error error = {""};
	Uxrec__Act act;
	Uxrec__Tag tag;
	char id[33], note[2000];
	off_t before;
	int fd;

	log = open_log(path);
	check(act_new_id(id) == 0);
	fill_tag(&act, &tag, id, "slip");
	check(annotations_append(log, &act, NULL, NULL) == 0);
	/* a private record of zeros that has no blocks on the disk */
	before = (off_t)annotations_size_bytes(log);
	annotations_destroy(steal_ptr(log));
	mcap_store_record_header(head, 0x90, filler_bytes - (size_t)before);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	check(fd >= 0 && io_write_all(fd, head, sizeof(head)) == 0);
	check(ftruncate(fd, (off_t)filler_bytes) == 0 && close(fd) == 0);
	log = open_log(path);
	check(annotations_size_bytes(log) == filler_bytes);
	memset(note, 'x', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	check(act_new_id(id) == 0);
	fill_tag(&act, &tag, id, "slip");
	tag.note = note;
	before = size_of(path);
	expect(annotations_append(log, &act, NULL, &error) == -EFBIG);
	expect(strstr(error.text, "256 MiB") != NULL && size_of(path) == before);
	tag.note = (char *)"";
	expect(annotations_append(log, &act, NULL, NULL) == 0);
	annotations_destroy(steal_ptr(log));
	log = open_log(path);
	expect(annotations_count(log) == 2);
}

static void damage_costs_one_act(void)
{
	_autofree_ char *path = temporary_path("act-damage.mcap"), *data = NULL;
	struct annotations *log = open_log(path);
	Uxrec__Act act;
	Uxrec__Tag tag;
	char ids[3][33];
	ssize_t size;

	for (int i = 0; i < 3; i++) {
		check(act_new_id(ids[i]) == 0);
		fill_tag(&act, &tag, ids[i], "slip");
		check(annotations_append(log, &act, NULL, NULL) == 0);
	}
	annotations_destroy(log);
	size = io_read_file(path, 1 << 20, &data);
	for (char *at = data; at < data + size - 32; at++)
		if (memcmp(at, ids[1], 32) == 0) {
			*at = 'x';
			break;
		}
	{
		_autoclose_ int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);

		check(io_write_all(fd, data, (size_t)size) == 0);
	}
	log = open_log(path);
	expect(annotations_count(log) == 2 && annotations_damaged(log) == 1);
	expect(annotations_find(log, ids[0]) && annotations_find(log, ids[2]));
	annotations_destroy(log);
}

static void write_many(const char *path, int count)
{
	struct annotations *log = NULL;
	Uxrec__Act act;
	Uxrec__Tag tag;
	char id[33];

	if (annotations_open(&log, path, true, NULL) < 0)
		_exit(1);
	for (int i = 0; i < count; i++) {
		if (act_new_id(id) < 0)
			_exit(1);
		fill_tag(&act, &tag, id, "slip");
		if (annotations_append(log, &act, NULL, NULL) < 0)
			_exit(1);
	}
	annotations_destroy(log);
	_exit(0);
}

static void several_write_at_once(void)
{
	_autofree_ char *path = temporary_path("several.mcap");
	_destroy_(annotations) struct annotations *log = open_log(path);
	pid_t children[4];
	uint64_t last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			write_many(path, 25);
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		check(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	check(annotations_refresh(log) == 0);
	expect(annotations_count(log) == 100 && annotations_damaged(log) == 0);
	for (size_t i = 0; i < annotations_count(log); i++) {
		check(annotations_get(log, i)->counter > last);
		last = annotations_get(log, i)->counter;
	}
}

static const struct test tests[] = {
	{"acts about one thing fold to the last of them", acts_fold},
	{"bad acts are refused and leave no byte", bad_acts_are_refused},
	{"a torn end is set aside and appending goes on", torn_end_is_set_aside},
	{"a full log refuses acts and stays readable", a_log_that_is_full_takes_no_act},
	{"damage loses only its own act", damage_costs_one_act},
	{"several writers append without loss, counters grow", several_write_at_once},
};

int main(void)
{
	return RUN_TESTS("annotations", tests);
}

#include "tests/harness/helpers.h"

#include "capture/inputd/conf.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int parse(struct inputd_conf *conf, const char *text, struct error *error)
{
	*conf = (struct inputd_conf){.keys = KEY_POLICY_CLASSES};
	return inputd_conf_parse(conf, text, strlen(text), "conf", error);
}

static void what_is_said_is_taken(void)
{
	struct inputd_conf conf;
	struct error error;

	check(parse(&conf,
		      "# limits\n\n  keys=none\n\tshortcuts =  yes \ndevices = keyboard,-name:Yubi\n",
		      &error) == 0);
	expect(conf.keys == KEY_POLICY_NONE && conf.shortcuts);
	expect(conf.has_devices && conf.devices.count == 2);
	check(parse(&conf, "keys = full", &error) == 0);
	expect(conf.keys == KEY_POLICY_FULL && !conf.shortcuts && !conf.has_devices);
	check(parse(&conf, "", &error) == 0);
	expect(conf.keys == KEY_POLICY_CLASSES);
	check(parse(&conf, "shortcuts = no\n#", &error) == 0);
	expect(!conf.shortcuts);
}

static void what_is_wrong_is_refused_with_its_line(void)
{
	static const struct {
		const char *text, *error;
	} table[] = {
		{"keys = all", "conf:1: keys 'all': must be one of none, counts, classes, full"},
		{"# ok\nkeys = Full\n",
			"conf:2: keys 'Full': must be one of none, counts, classes, full"},
		{"keys =\n", "conf:1: keys '': must be one of none, counts, classes, full"},
		{"keys = none # note",
			"conf:1: keys 'none # note': must be one of none, counts, classes, full"},
		{"keys = \"none\"",
			"conf:1: keys '\"none\"': must be one of none, counts, classes, full"},
		{"keys = none\nkeys = full\n", "conf:2: 'keys' is set twice"},
		{"\n\nKeys = none", "conf:3: unknown key 'Keys'"},
		{"key = none", "conf:1: unknown key 'key'"},
		{"= none", "conf:1: unknown key ''"},
		{"keys none", "conf:1: 'keys none' is not of the form key = value"},
		{"[inputd]", "conf:1: '[inputd]' is not of the form key = value"},
		{"shortcuts = true", "conf:1: shortcuts 'true': must be yes or no"},
		{"devices =", "conf:1: devices: the list is empty"},
		{"keys = none\r\n", "conf:1: a control character"},
		{"keys = none\x1b[2K\n", "conf:1: a control character"},
		{"\xef\xbb\xbfkeys = none", "conf:1: unknown key '?keys'"},
	};
	struct inputd_conf conf;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error error = {""};

		expect(parse(&conf, table[i].text, &error) == -EINVAL);
		expect(strcmp(error.text, table[i].error) == 0);
		/* an invalid file has no effect, not even its valid lines */
		expect(conf.keys == KEY_POLICY_CLASSES && !conf.shortcuts);
	}
}

static void zero_bytes_are_refused(void)
{
	static const char zero[] = "keys = none\0keys = full\n";
	struct inputd_conf conf = {.keys = KEY_POLICY_CLASSES};
	struct error error;

	expect(inputd_conf_parse(&conf, zero, sizeof(zero) - 1, "conf", &error) == -EINVAL);
	expect(strcmp(error.text, "conf: not a text file") == 0);
}

static void wrong_devices_are_refused_with_their_line(void)
{
	struct inputd_conf conf;
	struct error error = {""};
	char text[2000];

	expect(parse(&conf, "\ndevices = keyboards", &error) == -EINVAL);
	expect(strncmp(error.text, "conf:2: ", 8) == 0 && strstr(error.text, "keyboards"));
	expect(!conf.has_devices);
	snprintf(text, sizeof(text), "devices = name:%01500d", 1);
	expect(parse(&conf, text, &error) == -EINVAL);
}

static void more_than_is_allowed_is_refused(void)
{
	struct inputd_conf conf = {.keys = KEY_POLICY_COUNTS};
	struct error error = {""};

	for (int keys = 0; keys <= KEY_POLICY_FULL; keys++)
		expect((inputd_conf_allows(&conf, (enum key_policy)keys, false, &error) == 0) ==
			(keys == KEY_POLICY_NONE || keys == KEY_POLICY_COUNTS));
	expect(strcmp(error.text,
		       "the administrator of this machine allows the key policy counts at most, not "
		       "full (/etc/uxrec/inputd.conf)") == 0);
	expect(inputd_conf_allows(&conf, KEY_POLICY_NONE, true, &error) == -EACCES);
	conf.shortcuts = true;
	expect(inputd_conf_allows(&conf, KEY_POLICY_NONE, true, &error) == 0);
}

static void random_bytes_never_widen(void)
{
	uint64_t state = 23;

	for (int i = 0; i < 20000; i++) {
		char text[40];
		struct inputd_conf conf = {.keys = KEY_POLICY_NONE};
		struct error error;

		for (size_t j = 0; j < sizeof(text); j++)
			text[j] = " \t\n=#keysfulno\x80\0"[next_random(&state) % 17];
		if (inputd_conf_parse(&conf, text, sizeof(text), "conf", &error) < 0)
			expect(conf.keys == KEY_POLICY_NONE && !conf.shortcuts);
	}
}

/* ---- the file ---- */

static char *write_conf(const char *name, const char *text, mode_t mode)
{
	char *path = temporary_path(name);
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
	check(fchmod(fd, mode) == 0);
	return path;
}

static int read_conf(const char *path, struct error *error)
{
	struct inputd_conf conf;

	return inputd_conf_read(&conf, path, true, error);
}

static void without_the_file_a_service_has_limits_and_a_child_has_none(void)
{
	_autofree_ char *path = temporary_path("none");
	struct inputd_conf conf;
	struct error error;

	check(inputd_conf_read(&conf, path, true, &error) == 0);
	expect(conf.keys == KEY_POLICY_CLASSES && !conf.shortcuts);
	/* the holder of seat0 is refused the devices of another seat */
	expect(conf.has_devices && strcmp(conf.devices.seat, "seat0") == 0);
	check(inputd_conf_read(&conf, path, false, &error) == 0);
	expect(conf.keys == KEY_POLICY_FULL && conf.shortcuts && !conf.has_devices);
}

static void file_of_root_holds_for_both(void)
{
	_autofree_ char *path = write_conf("good", "keys = none\n", 0644);
	struct inputd_conf conf;
	struct error error;

	if (getuid() != 0) {
		skip_test("only root can make a file of root");
		return;
	}
	for (int service = 0; service < 2; service++) {
		check(inputd_conf_read(&conf, path, service, &error) == 0);
		expect(conf.keys == KEY_POLICY_NONE && !conf.shortcuts);
	}
}

static void file_that_others_may_change_is_refused(void)
{
	_autofree_ char *group = write_conf("group", "keys = none\n", 0664);
	_autofree_ char *others = write_conf("others", "keys = none\n", 0646);
	_autofree_ char *foreign = write_conf("foreign", "keys = none\n", 0644);
	struct error error = {""};

	if (getuid() != 0) {
		expect(read_conf(foreign, &error) == -EPERM);
		expect(strstr(error.text, "not to root") != NULL);
		return;
	}
	expect(read_conf(group, &error) == -EPERM);
	expect(strstr(error.text, "writable by users other than root") != NULL);
	expect(read_conf(others, &error) == -EPERM);
	check(chown(foreign, 1000, 0) == 0);
	expect(read_conf(foreign, &error) == -EPERM);
	expect(strstr(error.text, "belongs to user 1000 and not to root") != NULL);
}

static void what_is_no_plain_file_is_refused(void)
{
	_autofree_ char *good = write_conf("target", "keys = full\n", 0644);
	_autofree_ char *link = temporary_path("link"), *fifo = temporary_path("fifo");
	_autofree_ char *folder = temporary_path("folder");
	struct error error = {""};

	check(symlink(good, link) == 0 && mkfifo(fifo, 0600) == 0 && mkdir(folder, 0755) == 0);
	expect(read_conf(link, &error) == -ELOOP);
	expect(strstr(error.text, "it is a symbolic link; links are not followed") != NULL);
	expect(read_conf(fifo, &error) == -EPERM);
	expect(strstr(error.text, "is not a regular file") != NULL);
	expect(read_conf(folder, &error) == -EPERM);
}

static void file_that_is_too_large_is_refused(void)
{
	_autofree_ char *path = write_conf("large", "keys = none\n", 0644);
	struct error error = {""};

	if (getuid() != 0) {
		skip_test("only root can make a file of root");
		return;
	}
	check(truncate(path, INPUTD_CONF_LIMIT_BYTES + 1) == 0);
	expect(read_conf(path, &error) == -EFBIG);
	expect(strstr(error.text, "is larger than 65536 bytes") != NULL);
}

static const struct test tests[] = {
	{"settings are applied", what_is_said_is_taken},
	{"invalid settings are refused with their line", what_is_wrong_is_refused_with_its_line},
	{"zero bytes are refused", zero_bytes_are_refused},
	{"wrong devices are refused with their line", wrong_devices_are_refused_with_their_line},
	{"requests beyond the limits are refused", more_than_is_allowed_is_refused},
	{"random bytes never widen the limits", random_bytes_never_widen},
	{"without the file a service has limits and a child has none",
		without_the_file_a_service_has_limits_and_a_child_has_none},
	{"a file of root holds for both", file_of_root_holds_for_both},
	{"a file that others may change is refused", file_that_others_may_change_is_refused},
	{"non-regular files are refused", what_is_no_plain_file_is_refused},
	{"a file that is too large is refused", file_that_is_too_large_is_refused},
};

int main(void)
{
	return RUN_TESTS("inputd_conf", tests);
}

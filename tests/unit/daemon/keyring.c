/* Keys of links: stored with the library until they are revoked. */

#include "tests/harness/helpers.h"

#include "daemon/access/keyring.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "00112233445566778899aabbccddeeff"
#define OTHER  "ffeeddccbbaa99887766554433221100"

/* ---- keys ---- */

static char *library_of(const char *name)
{
	char *path = temporary_path(name);

	check(mkdir(path, 0700) == 0);
	return path;
}

static char *file_of(const char *library)
{
	char *path;

	check(asprintf(&path, "%s/links", library) > 0);
	return path;
}

static void expect_status(struct keyring *keyring, const char *key, enum keyring_status status)
{
	Uxrec__Role role;
	char id[LINK_ID_BYTES];

	expect(keyring_find(keyring, key, &role, id) == status);
}

static void keys_outlast_the_recorder(void)
{
	_autofree_ char *library = library_of("keys"), *path = file_of(library), *text = NULL;
	char keys[UXREC__ROLE__ROLE_MODERATOR + 1][KEY_BYTES], again[KEY_BYTES], id[LINK_ID_BYTES];
	struct stat status;

	for (int run = 0; run < 3; run++) {
		_destroy_(keyring) struct keyring *keyring = NULL;

		check(keyring_create(&keyring, library, SECRET, NULL) == 0);
		for (Uxrec__Role role = UXREC__ROLE__ROLE_OBSERVER;
			role <= UXREC__ROLE__ROLE_MODERATOR; role++) {
			Uxrec__Role found = UXREC__ROLE__ROLE_UNSPECIFIED;

			keyring_present(keyring, role, again, NULL);
			expect(strlen(again) == KEY_BYTES - 1);
			if (run == 0)
				memcpy(keys[role], again, KEY_BYTES);
			expect(strcmp(keys[role], again) == 0);
			expect(keyring_find(keyring, again, &found, id) == KEYRING_VALID &&
				found == role);
			again[31] = again[31] == '0' ? '1' : '0';
			expect_status(keyring, again, KEYRING_UNKNOWN);
		}
		expect_status(keyring, "", KEYRING_UNKNOWN);
		expect(strcmp(keys[UXREC__ROLE__ROLE_MODERATOR],
			       keys[UXREC__ROLE__ROLE_OBSERVER]) != 0);
	}
	expect(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
	check(io_read_file(path, 65536, &text) > 0);
	for (Uxrec__Role role = UXREC__ROLE__ROLE_OBSERVER; role <= UXREC__ROLE__ROLE_MODERATOR;
		role++)
		expect(!strstr(text, keys[role]));
}

static void keys_of_another_station_stay_valid_in_a_copied_library(void)
{
	_autofree_ char *library = library_of("copied");
	char before[KEY_BYTES], after[KEY_BYTES];

	for (int station = 0; station < 2; station++) {
		_destroy_(keyring) struct keyring *keyring = NULL;

		check(keyring_create(&keyring, library, station ? OTHER : SECRET, NULL) == 0);
		keyring_present(
			keyring, UXREC__ROLE__ROLE_OBSERVER, station ? after : before, NULL);
		expect_status(keyring, before, KEYRING_VALID);
	}
	expect(strcmp(before, after) != 0);
}

static void count_call(void *user)
{
	++*(unsigned *)user;
}

static void a_revoked_key_is_known_as_revoked_for_good(void)
{
	_autofree_ char *library = library_of("revoked");
	char old[KEY_BYTES], new[KEY_BYTES], reviewer[KEY_BYTES], id[LINK_ID_BYTES];
	struct error error;
	unsigned calls = 0;

	for (int run = 0; run < 2; run++) {
		_destroy_(keyring) struct keyring *keyring = NULL;

		check(keyring_create(&keyring, library, SECRET, NULL) == 0);
		if (run == 0) {
			keyring_on_revoked(keyring, count_call, &calls);
			keyring_present(keyring, UXREC__ROLE__ROLE_OBSERVER, old, id);
			keyring_present(keyring, UXREC__ROLE__ROLE_REVIEWER, reviewer, NULL);
			expect(keyring_is_valid(keyring, id));
			expect(keyring_revoke(keyring, "observer", &error) == 1);
			expect(calls == 1 && !keyring_is_valid(keyring, id));
			expect(keyring_revoke(keyring, id, &error) == 0 && calls == 1);
			keyring_present(keyring, UXREC__ROLE__ROLE_OBSERVER, new, NULL);
			expect(strcmp(old, new) != 0);
		}
		expect_status(keyring, old, KEYRING_REVOKED);
		expect_status(keyring, new, KEYRING_VALID);
		expect_status(keyring, reviewer, KEYRING_VALID);
	}
}

static void links_are_revoked_by_role_id_or_all_of_them(void)
{
	_autofree_ char *library = library_of("which");
	_destroy_(keyring) struct keyring *keyring = NULL;
	char key[KEY_BYTES], id[LINK_ID_BYTES], prefix[9];
	static const char *const wrong[] = {
		"", "abc", "nobody", "0123456789abcdef0123456789abcdef0", "OBSERVER", "%s"};
	struct error error;

	check(keyring_create(&keyring, library, SECRET, NULL) == 0);
	keyring_present(keyring, UXREC__ROLE__ROLE_MODERATOR, key, id);
	snprintf(prefix, sizeof(prefix), "%.8s", id);
	expect(keyring_revoke(keyring, prefix, &error) == 1);
	expect_status(keyring, key, KEYRING_REVOKED);
	expect(keyring_revoke(keyring, "all", &error) == 3);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		expect(keyring_revoke(keyring, wrong[i], &error) == -EINVAL);
	expect(keyring_revoke(keyring, "0000000000000000", &error) == -ENOENT);
}

/* Two recorders of one library: each reads the other's revocations. */
static void a_revocation_by_another_recorder_holds_here_too(void)
{
	_autofree_ char *library = library_of("two");
	_destroy_(keyring) struct keyring *one = NULL, *two = NULL;
	char key[KEY_BYTES], id[LINK_ID_BYTES];
	struct error error;

	check(keyring_create(&one, library, SECRET, NULL) == 0);
	check(keyring_create(&two, library, SECRET, NULL) == 0);
	keyring_present(one, UXREC__ROLE__ROLE_OBSERVER, key, id);
	expect_status(two, key, KEYRING_VALID);
	expect(keyring_revoke(one, "observer", &error) == 1);
	for (int i = 0; i < 600 && keyring_is_valid(two, id); i++)
		usleep(50000);
	expect_status(two, key, KEYRING_REVOKED);
}

/* Otherwise two recorders would rewrite it for each other without end. */
static void a_list_that_has_nothing_new_is_not_written(void)
{
	_autofree_ char *library = library_of("rest");
	_folder_unref_ struct folder *folder = NULL;
	static struct links one, two;
	uint64_t first, second, third, last;
	struct error error;

	check(folder_open_linked(&folder, library, &error) == 0);
	links_add(&one, "00000000000000000000000000000001", UXREC__ROLE__ROLE_OBSERVER)->made_ns =
		1;
	links_add(&two, "00000000000000000000000000000002", UXREC__ROLE__ROLE_REVIEWER)->made_ns =
		2;
	check(links_update(folder, &one, &first, &error) == 0);
	check(links_update(folder, &two, &second, &error) == 0);
	expect(second != first && two.count == 2);
	check(links_update(folder, &one, &third, &error) == 0);
	check(links_update(folder, &two, &last, &error) == 0);
	expect(third == second && last == second && one.count == 2);
	two.link[0].revoked_ns = 3;
	check(links_update(folder, &two, &last, &error) == 0);
	expect(last != second);
	check(links_update(folder, &one, &third, &error) == 0);
	expect(third == last && links_find(&one, two.link[0].id)->revoked_ns == 3);
	check(links_stamp(folder, &first) == 0);
	expect(first == last);
}

static void lists_have_no_keys(void)
{
	_autofree_ char *library = library_of("list");
	_destroy_(keyring) struct keyring *keyring = NULL;
	char key[KEY_BYTES], id[LINK_ID_BYTES];
	Uxrec__LinkList *list;

	check(keyring_create(&keyring, library, SECRET, NULL) == 0);
	keyring_present(keyring, UXREC__ROLE__ROLE_OBSERVER, key, id);
	keyring_used(keyring, id);
	check(keyring_list(keyring, &list) == 0);
	expect(list->n_links == 3 && !*list->trouble);
	for (size_t i = 0; i < list->n_links; i++) {
		const Uxrec__Link *link = list->links[i];

		expect(link->present && link->made_ns > 0 && !link->revoked_ns &&
			!link->of_this_run);
		expect((strcmp(link->id, id) == 0) == (link->used_ns > 0));
		expect(strcmp(link->id, key) != 0);
	}
	uxrec__link_list__free_unpacked(list, NULL);
}

/* ---- hostile files ---- */

static void write_links(const char *library, const char *text, size_t size, mode_t mode)
{
	_autofree_ char *path = file_of(library);
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && io_write_all(fd, text, size) == 0 && fchmod(fd, mode) == 0);
}

/* The file stays unchanged, and links are valid for this run only. */
static void expect_refused(const char *library, const char *why)
{
	_destroy_(keyring) struct keyring *keyring = NULL;
	struct error error = {""};
	char key[KEY_BYTES];

	expect(keyring_create(&keyring, library, SECRET, &error) == 1);
	check(keyring != NULL);
	if (!strstr(error.text, why))
		CU_FAIL(error.text);
	expect(strstr(error.text, "/links") != NULL);
	keyring_present(keyring, UXREC__ROLE__ROLE_MODERATOR, key, NULL);
	expect_status(keyring, key, KEYRING_VALID);
	expect(keyring_revoke(keyring, "moderator", &error) == 1);
	expect_status(keyring, key, KEYRING_REVOKED);
}

#define ID     "0123456789abcdef0123456789abcdef"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define GOOD   ID " moderator " DIGEST " 1 2 0\n"

static void files_that_are_no_list_are_refused(void)
{
	static const struct {
		const char *text;
		size_t size;
	} texts[] = {
#define TEXT(text) {text, sizeof(text) - 1}
		TEXT(""),
		TEXT("\n"),
		TEXT("uxrec links 2\n"),
		TEXT("uxrec links 1\n\n"),
		TEXT("uxrec links 1\n" ID "\n"),
		TEXT("uxrec links 1\n" GOOD GOOD),
		TEXT("uxrec links 1\n" GOOD "x"),
		TEXT("uxrec links 1\n\0" GOOD),
		TEXT("uxrec links 1\n" ID " owner " DIGEST " 1 2 0\n"),
		TEXT("uxrec links 1\n" ID " moderator " DIGEST "0 1 2 0\n"),
		TEXT("uxrec links 1\n" ID " moderator " DIGEST " -1 2 0\n"),
		TEXT("uxrec links 1\n" ID " moderator " DIGEST " 1 2 0 0\n"),
		TEXT("uxrec links 1\n" ID " moderator " DIGEST " 99999999999999999999 2 0\n"),
		TEXT("uxrec links 1\n0123456789ABCDEF0123456789abcdef moderator " DIGEST
		     " 1 2 0\n"),
	};
	_autofree_ char *library = library_of("content"), *path = file_of(library), *large = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_autofree_ char *after = NULL;

		write_links(library, texts[i].text, texts[i].size, 0600);
		expect_refused(library, texts[i].size ? "line" : "empty");
		expect(io_read_file(path, 65536, &after) == (ssize_t)texts[i].size);
	}
	large = calloc(1, 1 << 20);
	check(large != NULL);
	write_links(library, large, 1 << 20, 0600);
	expect_refused(library, "large");
}

static void files_of_others_and_no_files_are_refused(void)
{
	_autofree_ char *library = library_of("kinds"), *path = file_of(library), *target = NULL;
	struct stat status;

	write_links(library, "uxrec links 1\n" GOOD, strlen("uxrec links 1\n" GOOD), 0620);
	expect_refused(library, "other users can write it");
	if (geteuid() == 0) {
		check(chmod(path, 0600) == 0 && chown(path, 12345, 12345) == 0);
		expect_refused(library, "belongs to user 12345");
	}
	check(rename(path, target = temporary_path("target")) == 0 && symlink(target, path) == 0);
	expect_refused(library, "symbolic link");
	expect(lstat(path, &status) == 0 && S_ISLNK(status.st_mode));
	check(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	expect_refused(library, "FIFO");
	check(unlink(path) == 0 && mkdir(path, 0700) == 0);
	expect_refused(library, "folder");
}

/* A file of many links stays bounded, and valid links stay. */
static void revoked_links_go_first_when_there_are_many(void)
{
	_autofree_ char *library = library_of("many");
	char kept[KEY_BYTES], id[LINK_ID_BYTES];
	struct error error;

	for (int run = 0; run < 2; run++) {
		_destroy_(keyring) struct keyring *keyring = NULL;

		check(keyring_create(&keyring, library, SECRET, NULL) == 0);
		if (run == 0)
			keyring_present(keyring, UXREC__ROLE__ROLE_MODERATOR, kept, id);
		for (int i = 0; i < 2 * LINKS_LIMIT && run == 0; i++)
			expect(keyring_revoke(keyring, "observer", &error) == 1);
		expect_status(keyring, kept, KEYRING_VALID);
	}
}

static void links_of_a_read_only_library_hold_for_the_run(void)
{
	_autofree_ char *library = library_of("readonly");
	_destroy_(keyring) struct keyring *keyring = NULL;
	Uxrec__LinkList *list;
	char key[KEY_BYTES];

	if (geteuid() == 0) {
		skip_test("root writes everywhere");
		return;
	}
	check(chmod(library, 0500) == 0);
	check(keyring_create(&keyring, library, SECRET, NULL) == 0);
	keyring_present(keyring, UXREC__ROLE__ROLE_OBSERVER, key, NULL);
	expect_status(keyring, key, KEYRING_VALID);
	check(keyring_list(keyring, &list) == 0);
	expect(list->unwritten && strstr(list->trouble, "cannot be written"));
	uxrec__link_list__free_unpacked(list, NULL);
	check(chmod(library, 0700) == 0);
}

static const struct test tests[] = {
	{"keys outlast the recorder, and the disk has none", keys_outlast_the_recorder},
	{"keys of another station stay valid in a copied library",
		keys_of_another_station_stay_valid_in_a_copied_library},
	{"a revoked key is known as revoked for good", a_revoked_key_is_known_as_revoked_for_good},
	{"links are revoked by role, id, or all of them",
		links_are_revoked_by_role_id_or_all_of_them},
	{"a revocation by another recorder holds here too",
		a_revocation_by_another_recorder_holds_here_too},
	{"an unchanged list is not written", a_list_that_has_nothing_new_is_not_written},
	{"lists have no keys", lists_have_no_keys},
	{"files that are no list of links are refused", files_that_are_no_list_are_refused},
	{"links of other users, symbolic links, FIFOs and folders are refused",
		files_of_others_and_no_files_are_refused},
	{"revoked links go first when there are many", revoked_links_go_first_when_there_are_many},
	{"links of a read-only library hold for the run",
		links_of_a_read_only_library_hold_for_the_run},
};

int main(void)
{
	return RUN_TESTS("keyring", tests);
}

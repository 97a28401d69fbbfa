#include "tests/harness/helpers.h"

#include <CUnit/TestRun.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skipped;
static int number;
static char folder[64];

void skip_test(const char *why)
{
	skipped = why;
}

static void print_failures(const CU_pFailureRecord failures)
{
	for (CU_pFailureRecord failure = failures; failure; failure = failure->pNext)
		printf("#   %s:%u: %s\n", failure->strFileName, failure->uiLineNumber,
			failure->strCondition);
}

static void test_complete(
	const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failures)
{
	number++;
	if (failures)
		printf("not ok %d - %s: %s\n", number, suite->pName, test->pName);
	else if (skipped)
		printf("ok %d - %s: %s # SKIP %s\n", number, suite->pName, test->pName, skipped);
	else
		printf("ok %d - %s: %s\n", number, suite->pName, test->pName);
	print_failures(failures);
	fflush(stdout);
	skipped = NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static void remove_folder(void)
{
	if (*folder)
		nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temporary_folder(void)
{
	if (!*folder) {
		const char *base = getenv("TMPDIR");

		snprintf(folder, sizeof(folder), "%s/uxrec-test-XXXXXX", base ? base : "/tmp");
		if (!mkdtemp(folder))
			abort();
		atexit(remove_folder);
	}
	return folder;
}

char *temporary_path(const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", temporary_folder(), name) < 0 ? NULL : path;
}

int run_tests(const char *name, const struct test *tests, size_t count)
{
	CU_pSuite suite;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite(name, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		CU_add_test(suite, tests[i].sentence, tests[i].run);
	CU_set_test_complete_handler(test_complete);
	CU_run_all_tests();
	printf("1..%d\n", number);
	count = CU_get_number_of_failures();
	CU_cleanup_registry();
	return count > 100 ? 100 : (int)count;
}

uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

int first_child(int pid)
{
	char path[64];
	int child = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	check(file != NULL);
	if (fscanf(file, "%d", &child) != 1)
		child = 0;
	fclose(file);
	return child;
}

struct folder *open_folder(const char *path)
{
	struct folder *opened = NULL;

	check(folder_open(&opened, path, NULL) == 0);
	return opened;
}

struct packet *make_packet(
	struct session_clock *clock, uint16_t channel, int64_t time_ns, size_t size_bytes)
{
	_autofree_ unsigned char *data = malloc(size_bytes + 1);
	uint64_t state = (uint64_t)time_ns * 31 + channel + 1;
	struct packet *packet;

	for (size_t i = 0; i < size_bytes; i++)
		data[i] = (unsigned char)next_random(&state);
	if (packet_create_data(&packet, clock, &(struct packet_info){channel, 0, time_ns, 0}, data,
		    size_bytes) < 0)
		abort();
	return packet;
}

void write_message(struct session_writer *writer, struct session_clock *clock, uint16_t channel,
	int64_t time_ns, const ProtobufCMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;

	check(packet_create(
		      &packet, clock, &(struct packet_info){channel, 0, time_ns, 0}, message) == 0);
	check(session_writer_append(writer, packet) == 0);
}

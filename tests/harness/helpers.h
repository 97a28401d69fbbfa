#pragma once

/*
 * Shared by all test programs. A test's name is a sentence about behaviour. Results are printed as TAP, which tests/run
 * adds up; main() returns the number of failures.
 */

#include "protocol/file/writer.h"
#include "protocol/os/folder.h"
#include "protocol/packet.h"

#include <CUnit/CUnit.h>

struct test {
	const char *sentence;
	void (*run)(void);
};

/** Run all tests of a program. @return the number of failed ones, for main() */
int run_tests(const char *suite, const struct test *tests, size_t count);

#define RUN_TESTS(suite, tests) run_tests(suite, tests, ARRAY_SIZE(tests))

/** Mark the running test as skipped, with the reason. Return right after it. */
void skip_test(const char *why);

/** Ends the test if false: the code after it may rely on the condition. */
#define check(condition)                                                                           \
	CU_assertImplementation((condition) != 0, __LINE__, #condition, __FILE__, "", CU_TRUE)

/** Goes on if false. */
#define expect(condition)                                                                          \
	CU_assertImplementation((condition) != 0, __LINE__, #condition, __FILE__, "", CU_FALSE)

/** Two numbers agree to six decimals. */
#define expect_near(actual, wanted)                                                                \
	expect((actual) - (wanted) < 0.0000006 && (wanted) - (actual) < 0.0000006)

/** A fresh folder under TMPDIR, removed with its content when the program ends. */
const char *temporary_folder(void);

/** A path in temporary_folder(), allocated; the caller frees it. */
char *temporary_path(const char *name);

/** Open an existing folder. @return the caller's, freed with folder_unref() */
struct folder *open_folder(const char *path);

/** A packet with `size_bytes` bytes of a pattern that depends on its time and channel. */
struct packet *make_packet(
	struct session_clock *clock, uint16_t channel, int64_t time_ns, size_t size_bytes);

/** Append a message to an open file. @param time_ns  CLOCK_MONOTONIC, as in packet_info */
void write_message(struct session_writer *writer, struct session_clock *clock, uint16_t channel,
	int64_t time_ns, const ProtobufCMessage *message);

/** Deterministic random numbers (xorshift64*): the same sequence from the same seed everywhere. */
uint64_t next_random(uint64_t *state);

/** @return the first child of a process, or 0 */
int first_child(int pid);

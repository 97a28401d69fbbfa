#include "tests/fuzz/target.h"

#include "protocol/file/copy.h"
#include "protocol/file/verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The output of recover is whole for any input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_copy_options all = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct session_copy_result result;
	struct verify_result verified;
	char out[160];
	int fd;

	if (session_reader_open(&reader, fuzz_file(".mcap", data, size), NULL) < 0)
		return 0;
	snprintf(out, sizeof(out), "%s.out", fuzz_file(".mcap", data, size));
	unlink(out);
	if (session_copy(reader, out, &all, &result, NULL) < 0)
		return 0;
	fd = open(out, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || session_verify(fd, NULL, NULL, &verified, NULL) < 0 || !verified.finished ||
		verified.messages != result.messages)
		abort();
	close(fd);
	return 0;
}

#include "tests/fuzz/target.h"

#include "protocol/channel.h"
#include "protocol/file/reader.h"
#include "protocol/file/verify.h"
#include "protocol/os/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The input is a recording; its write-ahead log follows the mark "WALS". */
static size_t split_log(const uint8_t *data, size_t size)
{
	const uint8_t *mark = size > 4 ? memmem(data, size, "WALS", 4) : NULL;
	const uint8_t *log = mark ? mark + 4 : NULL;

	fuzz_file(".mcap.wal-a", log ? log : data, log ? (size_t)(data + size - log) : 0);
	return mark ? (size_t)(mark - data) : size;
}

static void read_all(struct session_reader *reader)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int64_t first_ns = 0, last_ns = 0;
	unsigned sum = 0;

	if (session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) < 0)
		return;
	while (session_cursor_next(cursor, &message) > 0)
		for (size_t i = 0; i < message.data.size_bytes; i += 64)
			sum += message.data.data[i];
	session_reader_span(reader, &first_ns, &last_ns);
	for (size_t i = 0; i < 8; i++) {
		const struct reader_channel *channel = session_reader_channel(reader, i);

		if (channel)
			session_reader_latest(
				reader, channel, first_ns + (last_ns - first_ns) / 2, &message);
	}
	for (size_t i = 0; i < 20; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		uint8_t opcode;

		if (session_reader_aux_record(reader, i, &opcode, &content) == 0)
			break;
	}
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	size_t recording = split_log(data, size);
	const char *path = fuzz_file(".mcap", data, recording);
	struct verify_result result;
	int fd;

	if (session_reader_open(&reader, path, NULL) == 0) {
		read_all(reader);
		session_reader_refresh(reader);
		read_all(reader);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		session_verify(fd, NULL, NULL, &result, NULL);
		close(fd);
	}
	return 0;
}

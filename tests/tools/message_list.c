/* Prints a line for every message of a session file, from our reader: topic, schema, sequence, log time, publish time,
 * size and CRC-32 of the data. Another reader must print the same. */

#include "protocol/file/reader.h"
#include "protocol/mcap.h"

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	struct error error;
	int r;

	if (argc != 2 || session_reader_open(&reader, argv[1], &error) < 0 ||
		session_cursor_create(&cursor, reader, INT64_MIN, INT64_MAX, 0) < 0)
		return 1;
	while ((r = session_cursor_next(cursor, &message)) > 0)
		printf("%s %s %" PRIu32 " %" PRId64 " %" PRId64 " %zu %08" PRIx32 "\n",
			message.channel->topic, message.channel->schema, message.sequence,
			message.time_ns, message.publish_ns, message.data.size_bytes,
			mcap_crc(0, message.data.data, message.data.size_bytes));
	return r < 0 || session_reader_damages(reader, NULL) > 0;
}

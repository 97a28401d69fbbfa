#include "protocol/file/copy_identity.h"

#include "protocol/base/buf.h"
#include "protocol/base/cleanup.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* More than the messages of all latched channels, batches at an end, shapes, gaps and consents
 * together. */
#define RANGE (UINT32_C(1) << 20)

static bool overlaps(uint32_t first, const struct mcap_metadata *metadata)
{
	char text[16];
	unsigned long other;

	if (!mcap_find_pair(metadata->pairs, "first_sequence", text, sizeof(text)))
		return false;
	other = strtoul(text, NULL, 10);
	return other < (uint64_t)first + RANGE && first < other + RANGE;
}

/* @return 1 when no earlier copy has declared any of the range, 0, or a negative errno */
static int is_free(uint32_t first, struct session_reader *reader)
{
	for (size_t i = 0;; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		struct mcap_metadata metadata;
		uint8_t opcode;
		int r = session_reader_aux_record(reader, i, &opcode, &content);

		if (r == 0)
			return 1;
		if (r < 0 && r != -EBADMSG)
			return r;
		if (r > 0 && opcode == MCAP_METADATA &&
			mcap_parse_metadata((struct view){content.data, content.size_bytes, 0},
				&metadata) == 0 &&
			mcap_string_is(metadata.name, SESSION_COPY_METADATA) &&
			overlaps(first, &metadata))
			return 0;
	}
}

int copy_identity_init(struct copy_identity *identity, struct session_reader *reader)
{
	uint32_t random;
	int r = 0;

	*identity = (struct copy_identity){0};
	/* after a thousand successive copies three quarters of the positions are still free */
	for (unsigned i = 0; i < 100 && r == 0; i++) {
		r = io_random(&random, sizeof(random));
		if (r < 0)
			return r;
		identity->first = COPY_SEQUENCES + random % (COPY_SEQUENCES - RANGE);
		r = is_free(identity->first, reader);
	}
	return r > 0 ? 0 : r < 0 ? r : -ENOSPC;
}

uint32_t copy_identity_next(struct copy_identity *identity)
{
	return identity->first + identity->count++ % RANGE;
}

void copy_identity_stamp(struct copy_identity *identity, unsigned char *record)
{
	/* channel id, then sequence */
	le_store(record + MCAP_RECORD_HEADER_BYTES + 2, copy_identity_next(identity), 4);
}

static void put_pair(struct buf *pairs, const char *key, const char *value)
{
	buf_put_string(pairs, key);
	buf_put_string(pairs, value);
}

int copy_identity_write(const struct copy_identity *identity, struct session_writer *writer)
{
	_cleanup_(buf_finish) struct buf pairs = {0};
	char uuid[33], first[16], count[16];
	int r = identity->count ? io_random_hex(uuid, 16) : 0;

	if (r < 0 || identity->count == 0)
		return r;
	if (identity->count > RANGE)
		return -EOVERFLOW;
	snprintf(first, sizeof(first), "%u", identity->first);
	snprintf(count, sizeof(count), "%u", identity->count);
	put_pair(&pairs, "uuid", uuid);
	put_pair(&pairs, "first_sequence", first);
	put_pair(&pairs, "count", count);
	return buf_error(&pairs) < 0
		? -ENOMEM
		: session_writer_put_metadata(writer,
			  &(struct mcap_metadata){mcap_text(SESSION_COPY_METADATA),
				  {pairs.data, pairs.size_bytes, 0}});
}

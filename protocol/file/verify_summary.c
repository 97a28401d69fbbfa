/* Checks of the summary section: indexes, statistics, offsets and CRC agree with the data. */

#include "protocol/file/verify_internal.h"

#include "protocol/base/bisect.h"
#include "protocol/base/cleanup.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <stdlib.h>

static void check_data_end(struct verify *verify, struct view content)
{
	uint32_t crc = (uint32_t)view_get(&content, 4);

	if (content.failed || (crc && crc != verify->data_crc))
		verify_problem(verify, verify->offset, "the CRC of all data is wrong");
	verify->summary_start = verify->offset + MCAP_RECORD_HEADER_BYTES + 4;
}

/* sorted by offset */
static struct chunk_state *find_chunk(struct verify *verify, uint64_t offset)
{
	size_t at = bisect(verify->chunk_count, i, verify->chunks[i].offset < offset);

	if (at == verify->chunk_count || verify->chunks[at].offset != offset)
		return NULL;
	return &verify->chunks[at];
}

/* message index offsets in a chunk index; they may be omitted */
static bool offsets_agree(
	const struct verify *verify, const struct chunk_state *chunk, struct view offsets)
{
	const struct index_state *indexes = (const void *)verify->indexes.data;

	if (offsets.size_bytes == 0)
		return chunk->index_count == 0;
	if (offsets.size_bytes / 10 != chunk->index_count)
		return false;
	while (offsets.size_bytes > 0) {
		uint16_t channel_id = (uint16_t)view_get(&offsets, 2);
		uint64_t offset = view_get(&offsets, 8);
		bool found = false;

		for (size_t i = 0; i < chunk->index_count && !found; i++)
			found = indexes[chunk->first_index + i].offset == offset &&
				indexes[chunk->first_index + i].channel_id == channel_id;
		if (!found)
			return false;
	}
	return true;
}

static void check_chunk_index(struct verify *verify, struct view content)
{
	struct mcap_chunk_index index;
	struct chunk_state *chunk;

	if (mcap_parse_chunk_index(content, &index) < 0) {
		verify_problem(verify, verify->offset, "a chunk index that cannot be parsed");
		return;
	}
	chunk = find_chunk(verify, index.chunk_offset);
	if (!chunk || chunk->summarised || chunk->length != index.chunk_length ||
		chunk->start_time != index.start_time || chunk->end_time != index.end_time ||
		chunk->index_length != index.message_index_length ||
		!offsets_agree(verify, chunk, index.message_index_offsets)) {
		verify_problem(
			verify, verify->offset, "a chunk index that does not agree with the data");
		return;
	}
	chunk->summarised = true;
}

/* @return the number of records of a kind */
static size_t count_aux_records(const struct verify *verify, uint8_t opcode)
{
	const struct aux_record_state *aux_records = (const void *)verify->aux_records.data;
	size_t count = 0;

	for (size_t i = 0; i < verify->aux_records.size_bytes / sizeof(*aux_records); i++)
		count += aux_records[i].opcode == opcode;
	return count;
}

static int aux_record_compare(const void *a, const void *b)
{
	const struct aux_record_state *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void check_aux_index(struct verify *verify, uint8_t opcode, struct view content)
{
	const struct aux_record_state key = {.offset = view_get(&content, 8)};
	uint64_t length = view_get(&content, 8);
	size_t count = verify->aux_records.size_bytes / sizeof(key);
	struct aux_record_state *aux_record = count > 0
		? bsearch(&key, verify->aux_records.data, count, sizeof(key), aux_record_compare)
		: NULL;

	if (aux_record && aux_record->opcode == opcode && aux_record->length == length &&
		!aux_record->summarised)
		aux_record->summarised = true;
	else
		verify_problem(verify, verify->offset,
			"an index of %s that does not agree with the data",
			opcode == MCAP_METADATA ? "metadata" : "an attachment");
}

static void check_statistics(struct verify *verify, struct view content)
{
	struct mcap_statistics statistics;
	bool agree;

	if (mcap_parse_statistics(content, &statistics) < 0) {
		verify_problem(verify, verify->offset, "statistics that cannot be parsed");
		return;
	}
	agree = statistics.message_count == verify->result.messages &&
		statistics.chunk_count == verify->chunk_count &&
		statistics.schema_count == verify->schema_count &&
		statistics.channel_count == verify->channel_count &&
		statistics.attachment_count == count_aux_records(verify, MCAP_ATTACHMENT) &&
		statistics.metadata_count == count_aux_records(verify, MCAP_METADATA);
	if (verify->result.messages > 0)
		agree = agree && statistics.start_time == verify->start_time &&
			statistics.end_time == verify->end_time;
	while (statistics.channel_counts.size_bytes > 0) {
		uint16_t id = (uint16_t)view_get(&statistics.channel_counts, 2);

		agree = view_get(&statistics.channel_counts, 8) == verify->channels[id].messages &&
			agree;
	}
	if (!agree)
		verify_problem(verify, verify->offset, "the statistics do not agree with the data");
}

static void note_group(struct verify *verify, const struct mcap_record *record)
{
	struct group *group = record->opcode < ARRAY_SIZE(verify->groups)
		? &verify->groups[record->opcode]
		: NULL;

	if (!group || verify->summary_start == 0)
		return;
	if (group->begin == 0)
		group->begin = verify->offset;
	group->end = verify->offset + MCAP_RECORD_HEADER_BYTES + record->content.size_bytes;
}

static void check_summary_offset(struct verify *verify, struct view content)
{
	uint8_t opcode = (uint8_t)view_get(&content, 1);
	uint64_t begin = view_get(&content, 8), length = view_get(&content, 8);
	const struct group *group =
		opcode < ARRAY_SIZE(verify->groups) ? &verify->groups[opcode] : NULL;

	if (content.failed || !group || group->begin != begin || group->end - begin != length)
		verify_problem(verify, verify->offset,
			"a summary offset that does not agree with the summary");
}

static int check_footer(struct verify *verify, struct view content)
{
	_autofree_ unsigned char *summary = NULL;
	struct mcap_footer footer;
	uint64_t size;
	uint32_t crc;
	ssize_t n;

	verify->result.finished = true;
	if (mcap_parse_footer(content, &footer) < 0) {
		verify_problem(verify, verify->offset, "a footer that is too short");
		return 0;
	}
	if (footer.summary_start == 0)
		return 0;
	size = verify->offset - footer.summary_start;
	if (footer.summary_start != verify->summary_start || size > READER_SUMMARY_LIMIT_BYTES) {
		verify_problem(verify, verify->offset, "the footer does not point to the summary");
		return 0;
	}
	size += MCAP_RECORD_HEADER_BYTES + MCAP_FOOTER_BYTES - 4;
	summary = malloc(size);
	if (!summary)
		return -ENOMEM;
	n = io_pread_full(verify->fd, summary, size, (off_t)footer.summary_start);
	if (n < 0)
		return (int)n;
	crc = mcap_crc(0, summary, (size_t)n);
	if (footer.summary_crc && footer.summary_crc != crc)
		verify_problem(verify, verify->offset, "the summary's CRC is wrong");
	/* a summary has either no chunk indexes or all */
	for (size_t i = 0; i < verify->chunk_count; i++)
		if (verify->groups[MCAP_CHUNK_INDEX].begin && !verify->chunks[i].summarised) {
			verify_problem(verify, verify->chunks[i].offset,
				"a chunk that the summary does not name");
			break;
		}
	return 0;
}

int verify_check_summary(struct verify *verify, const struct mcap_record *record)
{
	note_group(verify, record);
	switch (record->opcode) {
	case MCAP_DATA_END: check_data_end(verify, record->content); return 0;
	case MCAP_STATISTICS: check_statistics(verify, record->content); return 0;
	case MCAP_CHUNK_INDEX: check_chunk_index(verify, record->content); return 0;
	case MCAP_METADATA_INDEX: check_aux_index(verify, MCAP_METADATA, record->content); return 0;
	case MCAP_ATTACHMENT_INDEX:
		check_aux_index(verify, MCAP_ATTACHMENT, record->content);
		return 0;
	case MCAP_SUMMARY_OFFSET: check_summary_offset(verify, record->content); return 0;
	case MCAP_FOOTER: return check_footer(verify, record->content);
	default: return 0;
	}
}

#include "protocol/file/reader_internal.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"
#include "protocol/channel.h"
#include "protocol/limits.h"
#include "protocol/mcap.h"
#include "protocol/base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void reader_damage(struct session_reader *reader, unsigned file, uint64_t offset, const char *text)
{
	struct reader_damage *damage = &reader->damages[reader->damage_count];

	if (reader->damage_count >= READER_DAMAGES_LIMIT)
		return;
	for (size_t i = 0; i < reader->damage_count; i++)
		if (reader->damages[i].offset == offset && reader->damages[i].segment == file)
			return; /* read twice, listed once */
	damage->segment = file;
	damage->offset = offset;
	utf8_copy(damage->text, sizeof(damage->text), text);
	reader->damage_count++;
}

int reader_handle_failure(
	struct session_reader *reader, unsigned file, uint64_t offset, int r, const char *text)
{
	if (r == -EBADMSG) {
		reader_damage(reader, file, offset, text);
		return 0;
	}
	if (r != -EIO)
		return r;
	reader_damage(reader, file, offset, "the disk cannot read this");
	reader->disk_failed = true;
	return 0;
}

bool session_reader_disk_failed(const struct session_reader *reader)
{
	return reader->disk_failed;
}

size_t session_reader_damages(const struct session_reader *reader, const struct reader_damage **ret)
{
	if (ret)
		*ret = reader->damages;
	return reader->damage_count;
}

static char *copy_text(struct view view)
{
	if (view.size_bytes > READER_TEXT_LIMIT_BYTES)
		view.size_bytes = READER_TEXT_LIMIT_BYTES;
	return view.size_bytes ? strndup((const char *)view.data, view.size_bytes) : strdup("");
}

static const struct reader_schema *schema_by_id(const struct session_reader *reader, uint16_t id)
{
	for (size_t i = 0; i < reader->schema_count; i++)
		if (reader->schemas[i]->id == id)
			return reader->schemas[i];
	return NULL;
}

static int declare_schema(
	struct session_reader *reader, unsigned file, struct view content, uint64_t offset)
{
	struct mcap_schema parsed;
	struct reader_schema *schema;

	if (mcap_parse_schema(content, &parsed) < 0 ||
		parsed.data.size_bytes > READER_SCHEMA_LIMIT_BYTES) {
		reader_damage(reader, file, offset, "a schema record that cannot be read");
		return 0;
	}
	if (schema_by_id(reader, parsed.id) || reader->schema_count >= READER_CHANNELS_LIMIT)
		return 0; /* repeated, as in the summary */
	if (!array_grow(reader->schemas, reader->schema_count))
		return -ENOMEM;
	schema = reader->schemas[reader->schema_count] = malloc(sizeof(*schema));
	if (!schema)
		return -ENOMEM;
	*schema = (struct reader_schema){
		.id = parsed.id,
		.name = copy_text(parsed.name),
		.encoding = copy_text(parsed.encoding),
		.data = malloc(parsed.data.size_bytes + 1),
		.size_bytes = parsed.data.size_bytes,
	};
	reader->schema_count++;
	if (!schema->name || !schema->encoding || !schema->data)
		return -ENOMEM;
	if (parsed.data.size_bytes)
		memcpy(schema->data, parsed.data.data, parsed.data.size_bytes);
	return 0;
}

static uint16_t known_channel(const char *topic, const char *schema)
{
	uint16_t id = channel_find(topic);

	return id && strcmp(channel_kind_get(id)->schema, schema) == 0 ? id : 0;
}

static int copy_metadata(struct reader_channel *channel, struct view metadata)
{
	unsigned char *copy;

	if (metadata.size_bytes > READER_TEXT_LIMIT_BYTES)
		return 0;
	copy = malloc(metadata.size_bytes + 1);
	if (!copy)
		return -ENOMEM;
	if (metadata.size_bytes)
		memcpy(copy, metadata.data, metadata.size_bytes);
	channel->metadata = (struct view){copy, metadata.size_bytes, 0};
	return 0;
}

static int declare_channel(
	struct session_reader *reader, unsigned file, struct view content, uint64_t offset)
{
	struct mcap_channel parsed;
	struct reader_channel **channels, *channel;
	const struct reader_schema *schema;
	const struct reader_channel *before;
	size_t at = reader->channel_count;

	if (mcap_parse_channel(content, &parsed) < 0) {
		reader_damage(reader, file, offset, "a channel record that cannot be read");
		return 0;
	}
	before = reader_channel_by_id(reader, parsed.id);
	if (before && !mcap_string_is(parsed.topic, before->topic))
		reader_damage(
			reader, file, offset, "a channel id that is declared twice, differently");
	if (before || reader->channel_count >= READER_CHANNELS_LIMIT)
		return 0;
	schema = schema_by_id(reader, parsed.schema_id);
	if (!schema && parsed.schema_id != 0) {
		reader_damage(reader, file, offset, "a channel whose schema is not declared");
		return 0;
	}
	if (!array_grow(reader->channels, reader->channel_count))
		return -ENOMEM;
	channels = reader->channels;
	channel = malloc(sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	while (at > 0 && channels[at - 1]->id > parsed.id)
		at--;
	memmove(channels + at + 1, channels + at, (reader->channel_count - at) * sizeof(*channels));
	channels[at] = channel;
	*channel = (struct reader_channel){
		.id = parsed.id,
		.topic = copy_text(parsed.topic),
		.message_encoding = copy_text(parsed.message_encoding),
		.schema = schema ? schema->name : "",
		.schema_encoding = schema ? schema->encoding : "",
		.schema_data = {schema ? schema->data : NULL, schema ? schema->size_bytes : 0, 0},
		.schema_id = schema ? schema->id : 0,
	};
	reader->channel_count++;
	if (!channel->topic || !channel->message_encoding ||
		copy_metadata(channel, parsed.metadata) < 0)
		return -ENOMEM;
	channel->known = known_channel(channel->topic, channel->schema);
	return 0;
}

int reader_declare(struct session_reader *reader, unsigned file, uint8_t opcode,
	struct view content, uint64_t offset)
{
	if (opcode == MCAP_SCHEMA)
		return declare_schema(reader, file, content, offset);
	if (opcode == MCAP_CHANNEL)
		return declare_channel(reader, file, content, offset);
	return 0;
}

const struct reader_channel *reader_channel_by_id(const struct session_reader *reader, uint16_t id)
{
	size_t at = bisect(reader->channel_count, i, reader->channels[i]->id < id);

	if (at == reader->channel_count || reader->channels[at]->id != id)
		return NULL;
	return reader->channels[at];
}

/* ---- segments ---- */

/* "first_sequence/CHANNEL" = "N": from N on, this segment supersedes the earlier ones */
static void parse_superseding(struct session_reader *reader, unsigned number, struct view pairs)
{
	while (pairs.size_bytes > 0 && !pairs.failed) {
		struct view key = view_read_string(&pairs), value = view_read_string(&pairs);
		char text[64];
		unsigned channel;
		unsigned long first;

		if (key.size_bytes + value.size_bytes + 2 > sizeof(text))
			continue;
		snprintf(text, sizeof(text), "%.*s=%.*s", (int)key.size_bytes, key.data,
			(int)value.size_bytes, value.data);
		if (sscanf(text, "first_sequence/%u=%lu", &channel, &first) != 2 ||
			channel >= CHANNEL_END || first > UINT32_MAX)
			continue;
		for (unsigned i = 0; i < number; i++)
			if (first < reader->files[i].superseded_from[channel])
				reader->files[i].superseded_from[channel] = (uint32_t)first;
	}
}

/* @return 0, or -EBADMSG when the file belongs to another session than the earlier ones */
static int parse_identity(struct session_reader *reader, struct view pairs)
{
	char uuid[33];

	if (!mcap_find_pair(pairs, "session_uuid", uuid, sizeof(uuid)) ||
		!identity_id_is_valid(uuid))
		return 0;
	if (*reader->uuid)
		return strcmp(reader->uuid, uuid) == 0 ? 0 : -EBADMSG;
	memcpy(reader->uuid, uuid, sizeof(uuid));
	return 0;
}

static int read_segment_metadata(struct session_reader *reader, unsigned number)
{
	for (size_t i = 0; i < reader->aux_record_count; i++) {
		_cleanup_(buf_finish) struct buf content = {0};
		struct mcap_metadata metadata;
		uint8_t opcode;
		int r;

		if (reader->aux_records[i].file != number ||
			reader->aux_records[i].opcode != MCAP_METADATA ||
			reader->aux_records[i].length > READER_TEXT_LIMIT_BYTES)
			continue;
		r = session_reader_aux_record(reader, i, &opcode, &content);
		if (r < 0) {
			r = reader_handle_failure(
				reader, number, reader->aux_records[i].offset, r, "a torn record");
			if (r < 0)
				return r;
			continue;
		}
		if (mcap_parse_metadata(
			    (struct view){content.data, content.size_bytes, 0}, &metadata) < 0)
			continue;
		if (mcap_string_is(metadata.name, SESSION_SEGMENT_METADATA))
			parse_superseding(reader, number, metadata.pairs);
		else if (mcap_string_is(metadata.name, SESSION_IDENTITY_METADATA) &&
			parse_identity(reader, metadata.pairs) < 0)
			reader_damage(reader, number, reader->aux_records[i].offset,
				"a file of another session");
	}
	return 0;
}

static int check_magic(const struct reader_file *file, struct error *reterr)
{
	unsigned char magic[MCAP_MAGIC_BYTES];
	ssize_t n = io_pread_full(file->fd, magic, sizeof(magic), 0);

	if (n < 0)
		return error_set(reterr, (int)n, "%s/%s: cannot read: %s",
			folder_path(file->folder), file->name, strerror((int)-n));
	if ((size_t)n < sizeof(magic))
		return error_set(reterr, -EBADMSG,
			"%s/%s: not a session file: it has only %zd bytes, fewer than its first "
			"mark",
			folder_path(file->folder), file->name, n);
	if (memcmp(magic, MCAP_MAGIC, 5) == 0 && magic[5] != '0' &&
		memcmp(magic + 6, "\r\n", 2) == 0)
		return error_set(reterr, -EPROTO,
			"%s/%s: an MCAP file of version '%c'; this program reads version 0",
			folder_path(file->folder), file->name, magic[5]);
	if (memcmp(magic, MCAP_MAGIC, sizeof(magic)) != 0)
		return error_set(reterr, -EBADMSG,
			"%s/%s: not a session file: it does not begin as MCAP",
			folder_path(file->folder), file->name);
	return 0;
}

static int open_file(
	struct reader_file *file, struct folder *folder, const char *name, struct error *reterr)
{
	struct stat status;
	int fd;

	*file = (struct reader_file){.fd = -1, .wal_fds = {-1, -1}};
	for (size_t i = 0; i < CHANNEL_END; i++)
		file->superseded_from[i] = UINT32_MAX;
	file->folder = folder_ref(folder);
	file->name = strdup(name);
	if (!file->name)
		return error_set(reterr, -ENOMEM, "out of memory");
	fd = folder_read(folder, name, reterr);
	if (fd < 0)
		return fd;
	file->fd = fd;
	if (fstat(fd, &status) < 0)
		return error_set(
			reterr, -errno, "%s/%s: %s", folder_path(folder), name, strerror(errno));
	file->size_bytes = (uint64_t)status.st_size;
	file->whole_bytes = MCAP_MAGIC_BYTES;
	return check_magic(file, reterr);
}

static void close_log(struct reader_file *file)
{
	for (unsigned i = 0; i < 2; i++)
		if (file->wal_fds[i] >= 0)
			close(steal_fd(&file->wal_fds[i]));
	for (size_t i = 0; i < file->group_count; i++)
		free(file->groups[i].wanted);
	free(steal_ptr(file->groups));
	file->group_count = 0;
}

static void close_file(struct reader_file *file)
{
	close_log(file);
	if (file->fd >= 0)
		close(file->fd);
	folder_unref(file->folder);
	free(file->name);
}

static int read_file_parts(struct session_reader *reader, unsigned number)
{
	int r = reader_find_chunks(reader, number);

	if (r == 0)
		r = read_segment_metadata(reader, number);
	return r < 0 ? r : reader_sort_chunks(reader);
}

static int add_segment(struct session_reader *reader, struct folder *folder, const char *name,
	struct error *reterr)
{
	size_t chunks = reader->chunk_count, aux_records = reader->aux_record_count;
	unsigned number = reader->file_count;
	int r;

	if (!array_grow(reader->files, reader->file_count))
		return error_set(reterr, -ENOMEM, "out of memory");
	if (number >= READER_SEGMENTS_LIMIT)
		return error_set(reterr, -EFBIG, "%s/%s: more than %d segments",
			folder_path(folder), name, READER_SEGMENTS_LIMIT);
	r = open_file(&reader->files[number], folder, name, reterr);
	if (r == 0) {
		reader->file_count++;
		reader->chunk_is_last = false;
		r = read_file_parts(reader, number);
		if (r < 0)
			error_set(reterr, r, "%s/%s: cannot read: %s", folder_path(folder), name,
				strerror(-r));
	}
	if (r < 0) {
		close_file(&reader->files[number]);
		reader->file_count = number;
		/* the chunks of others keep their order */
		for (size_t i = chunks = 0; i < reader->chunk_count; i++)
			if (reader->chunks[i].file != number)
				reader->chunks[chunks++] = reader->chunks[i];
		reader_truncate_index(reader, chunks, aux_records);
		reader_sort_chunks(reader);
	}
	return r;
}

int session_reader_open_below(
	struct session_reader **ret, struct folder *folder, const char *name, struct error *reterr)
{
	_destroy_(session_reader) struct session_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return error_set(reterr, -ENOMEM, "out of memory");
	reader->cached.chunk = SIZE_MAX;
	r = add_segment(reader, folder, name, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(reader);
	return 0;
}

int session_reader_open(struct session_reader **ret, const char *path, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	const char *name;
	int r = folder_open_of(&folder, path, &name, reterr);

	return r < 0 ? r : session_reader_open_below(ret, folder, name, reterr);
}

const char *reader_base_of(const struct error *error, const struct folder *folder)
{
	size_t length = strlen(folder_path(folder));

	return strncmp(error->text, folder_path(folder), length) == 0 && error->text[length] == '/'
		? error->text + length + 1
		: error->text;
}

/* The recorder was killed before the segment's first bytes were written, or it is not a regular
 * file. */
static bool is_damaged_segment(struct session_reader *reader, int r, const struct error *error,
	struct folder *folder, unsigned number)
{
	if (!reader || (r != -EBADMSG && r != -ELOOP))
		return false;
	reader_damage(reader, number - 1, 0, reader_base_of(error, folder));
	return true;
}

int session_reader_open_session(
	struct session_reader **ret, struct folder *folder, struct error *reterr)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct error error = {""};
	/* replaces all segments, whatever its type: these may contain the erased data */
	int r = folder_has(folder, SESSION_ERASED_NAME);

	if (r != 0)
		return r < 0 ? error_set(reterr, r, "%s/" SESSION_ERASED_NAME ": %s",
				       folder_path(folder), strerror(-r))
			     : session_reader_open_below(ret, folder, SESSION_ERASED_NAME, reterr);
	for (unsigned number = 1; r == 0; number++) {
		char name[40];

		snprintf(name, sizeof(name), SESSION_SEGMENT_NAME, number);
		if (number > 1 && folder_has(folder, name) <= 0)
			break;
		r = reader ? add_segment(reader, folder, name, &error)
			   : session_reader_open_below(&reader, folder, name, &error);
		if (is_damaged_segment(reader, r, &error, folder, number))
			r = 0;
	}
	if (r < 0)
		return error_set(reterr, r, "%s", error.text);
	*ret = steal_ptr(reader);
	return 0;
}

int session_reader_open_folder(struct session_reader **ret, const char *path, struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	int r = folder_open(&folder, path, reterr);

	return r < 0 ? r : session_reader_open_session(ret, folder, reterr);
}

/* Probe with a shared lock, so that concurrent probes are not mistaken for the recorder. */
bool session_reader_is_recorded(const struct session_reader *reader)
{
	int fd = reader->files[reader->file_count - 1].fd;

	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	flock(fd, LOCK_UN);
	return false;
}

int session_reader_refresh(struct session_reader *reader)
{
	unsigned number = reader->file_count - 1;
	struct reader_file *file = &reader->files[number];
	struct stat status;
	size_t kept = 0;
	int r;

	if (file->complete)
		return 0;
	if (fstat(file->fd, &status) < 0)
		return -errno;
	file->size_bytes = (uint64_t)status.st_size;
	close_log(file);
	for (size_t i = 0; i < reader->chunk_count; i++)
		if (reader->chunks[i].file != number || reader->chunks[i].source != CHUNK_WAL)
			reader->chunks[kept++] = reader->chunks[i];
	reader->chunk_count = kept;
	reader->chunk_is_last = false;
	/* the end of a finished recording has no chunks: scanning finds it as well */
	r = reader_find_more_chunks(reader, number);
	return r < 0 ? r : reader_sort_chunks(reader);
}

void session_reader_destroy(struct session_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->channel_count; i++) {
		free((char *)reader->channels[i]->topic);
		free((char *)reader->channels[i]->message_encoding);
		free((void *)reader->channels[i]->metadata.data);
		free(reader->channels[i]);
	}
	for (size_t i = 0; i < reader->schema_count; i++) {
		free(reader->schemas[i]->name);
		free(reader->schemas[i]->encoding);
		free(reader->schemas[i]->data);
		free(reader->schemas[i]);
	}
	for (unsigned i = 0; i < reader->file_count; i++)
		close_file(&reader->files[i]);
	free(reader->files);
	free(reader->channels);
	free(reader->schemas);
	free(reader->chunks);
	free(reader->latest_end_ns);
	free(reader->aux_records);
	buf_finish(&reader->chunk_channels);
	loaded_chunk_finish(&reader->cached);
	free(reader);
}

/* ---- properties ---- */

bool session_reader_is_complete(const struct session_reader *reader)
{
	return reader->files[reader->file_count - 1].complete;
}

bool session_reader_span(
	const struct session_reader *reader, int64_t *ret_first_ns, int64_t *ret_last_ns)
{
	if (reader->chunk_count == 0)
		return false;
	*ret_first_ns = reader->chunks[0].start_ns;
	*ret_last_ns = reader->latest_end_ns[reader->chunk_count - 1];
	return true;
}

const char *session_reader_uuid(const struct session_reader *reader)
{
	return reader->uuid;
}

unsigned session_reader_segments(const struct session_reader *reader)
{
	return reader->file_count;
}

uint64_t session_reader_size(const struct session_reader *reader)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < reader->file_count; i++)
		size += reader->files[i].size_bytes;
	return size;
}

uint64_t session_reader_whole_bytes(const struct session_reader *reader)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < reader->file_count; i++)
		size += reader->files[i].whole_bytes;
	return size;
}

uint64_t session_reader_logged(const struct session_reader *reader)
{
	uint64_t messages = 0;

	for (size_t i = 0; i < reader->chunk_count; i++)
		if (reader->chunks[i].source == CHUNK_WAL)
			messages += reader->files[reader->chunks[i].file]
					    .groups[reader->chunks[i].offset]
					    .wanted_count;
	return messages;
}

int session_reader_aux_record(
	struct session_reader *reader, size_t i, uint8_t *ret_opcode, struct buf *ret_content)
{
	const struct reader_aux_record *aux_record;
	const struct reader_file *file;
	unsigned char *at;
	uint64_t size;
	ssize_t n;

	if (i >= reader->aux_record_count)
		return 0;
	aux_record = &reader->aux_records[i];
	file = &reader->files[aux_record->file];
	size = aux_record->length - MCAP_RECORD_HEADER_BYTES;
	if (size > READER_CHUNK_LIMIT_BYTES)
		return -EBADMSG;
	at = buf_reserve(ret_content, size + 1);
	if (!at)
		return -ENOMEM;
	n = io_pread_full(
		file->fd, at, size, (off_t)(aux_record->offset + MCAP_RECORD_HEADER_BYTES));
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != size)
		return -EBADMSG;
	ret_content->size_bytes += size;
	*ret_opcode = aux_record->opcode;
	return 1;
}

const struct reader_channel *session_reader_channel(const struct session_reader *reader, size_t i)
{
	return i < reader->channel_count ? reader->channels[i] : NULL;
}

const struct reader_channel *session_reader_find(
	const struct session_reader *reader, uint16_t known)
{
	for (size_t i = 0; i < reader->channel_count; i++)
		if (reader->channels[i]->known == known)
			return reader->channels[i];
	return NULL;
}

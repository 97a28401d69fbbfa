#include "daemon/library/summaries.h"

#include "protocol/base/array.h"
#include "protocol/base/bisect.h"
#include "protocol/base/clock.h"
#include "protocol/os/folder.h"

#include <errno.h>
#include <stdio.h>

#define SUM_BYTES_LIMIT (8 * 1024 * 1024)
#define FILES_LIMIT     1000
#define SETTLED_NS      (2 * NS_PER_S)

struct entry {
	char id[21];
	uint64_t stamp;
	void *data;
	size_t size_bytes;
};

struct summaries {
	struct entry *entries; /* newest session first, as in session_ids */
	size_t count;
	size_t size_bytes;
};

int summaries_create(struct summaries **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void summaries_destroy(struct summaries *summaries)
{
	if (!summaries)
		return;
	for (size_t i = 0; i < summaries->count; i++)
		free(summaries->entries[i].data);
	free(summaries->entries);
	free(summaries);
}

bool summaries_stamp(const char *library, const char *id, uint64_t *ret)
{
	_autofree_ char *path = NULL;
	_folder_unref_ struct folder *folder = NULL;
	int64_t changed_ns;

	if (asprintf(&path, "%s/%s", library, id) < 0) {
		path = NULL;
		return false;
	}
	return folder_open(&folder, path, NULL) == 0 &&
		folder_stamp(folder, FILES_LIMIT, ret, &changed_ns) == 0 &&
		changed_ns < clock_read_ns(CLOCK_REALTIME) - SETTLED_NS;
}

/* ---- entries ---- */

/* @return index of the session, or its insertion point */
static size_t position(const struct summaries *summaries, const char *id)
{
	return bisect(summaries->count, i, strcmp(summaries->entries[i].id, id) > 0);
}

static bool is_at(const struct summaries *summaries, size_t at, const char *id)
{
	return at < summaries->count && strcmp(summaries->entries[at].id, id) == 0;
}

struct view summaries_get(const struct summaries *summaries, const char *id, uint64_t stamp)
{
	size_t at = position(summaries, id);

	if (!is_at(summaries, at, id) || summaries->entries[at].stamp != stamp)
		return (struct view){0};
	return (struct view){summaries->entries[at].data, summaries->entries[at].size_bytes, 0};
}

static size_t cost(const struct entry *entry)
{
	return sizeof(*entry) + entry->size_bytes;
}

static void clear(struct summaries *summaries, struct entry *entry)
{
	summaries->size_bytes -= cost(entry);
	free(entry->data);
}

void summaries_put(struct summaries *summaries, const char *id, uint64_t stamp, struct view packed)
{
	size_t at = position(summaries, id);
	struct entry entry = {.stamp = stamp, .size_bytes = packed.size_bytes};

	if (is_at(summaries, at, id)) {
		clear(summaries, &summaries->entries[at]);
		memmove(summaries->entries + at, summaries->entries + at + 1,
			(--summaries->count - at) * sizeof(entry));
	}
	if (summaries->size_bytes + cost(&entry) > SUM_BYTES_LIMIT ||
		!array_grow(summaries->entries, summaries->count))
		return;
	entry.data = malloc(packed.size_bytes + 1);
	if (!entry.data)
		return;
	memcpy(entry.data, packed.data, packed.size_bytes);
	snprintf(entry.id, sizeof(entry.id), "%s", id);
	memmove(summaries->entries + at + 1, summaries->entries + at,
		(summaries->count++ - at) * sizeof(entry));
	summaries->entries[at] = entry;
	summaries->size_bytes += cost(&entry);
}

void summaries_keep(struct summaries *summaries, const struct session_ids *ids)
{
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < summaries->count; i++) {
		struct entry *entry = &summaries->entries[i];

		while (k < ids->count && strcmp(ids->ids[k], entry->id) > 0)
			k++;
		if (k < ids->count && strcmp(ids->ids[k], entry->id) == 0)
			summaries->entries[kept++] = *entry;
		else
			clear(summaries, entry);
	}
	summaries->count = kept;
}

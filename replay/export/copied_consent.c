#include "replay/export/copied_consent.h"

#include "protocol/base/cleanup.h"
#include "protocol/packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct adding {
	struct session_writer *writer;
	struct copy_identity *made;
	struct session_clock clock;
	int64_t from_ns, to_ns; /* range of messages and gaps in the copy */
	bool *has;              /* per consent act: true when recorded in the copied span */
};

static bool is_act(const Uxrec__Act *act, struct view data)
{
	_cleanup_(buf_finish) struct buf packed = {0};
	size_t size = uxrec__act__get_packed_size(act);
	unsigned char *at = size == data.size_bytes ? buf_reserve(&packed, size) : NULL;

	return at && uxrec__act__pack(act, at) == size && memcmp(at, data.data, size) == 0;
}

static void find_act(
	struct adding *adding, const struct consent *consent, const struct reader_message *message)
{
	if (message->channel->known != CHANNEL_ACTS || message->time_ns < adding->from_ns ||
		message->time_ns >= adding->to_ns)
		return;
	for (size_t i = 0; i < consent_act_count(consent); i++)
		adding->has[i] |= is_act(consent_act(consent, i), message->data);
}

/* Find the consent acts that are in the copied span. */
static int find_present(
	struct adding *adding, struct session_reader *reader, const struct consent *consent)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r = session_cursor_create(
		&cursor, reader, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_ACTS);

	while (r == 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		find_act(adding, consent, &message);
		r = 0;
	}
	return r;
}

static int add(
	struct adding *adding, uint16_t channel, int64_t time_ns, const ProtobufCMessage *message)
{
	_packet_unref_ struct packet *packet = NULL;
	int r;

	adding->clock.sequence[channel] = copy_identity_next(adding->made);
	r = packet_create(
		&packet, &adding->clock, &(struct packet_info){channel, 0, time_ns, 0}, message);
	return r < 0 ? r
		     : session_writer_append_record(adding->writer,
			       (struct view){packet->record, packet->size_bytes, 0});
}

static int add_gap(void *user, const Uxrec__Gap *gap)
{
	struct adding *adding = user;
	Uxrec__Gap part = *gap;

	if (gap->from_ns >= adding->to_ns || (gap->to_ns && gap->to_ns <= adding->from_ns))
		return 0;
	if (part.from_ns < adding->from_ns)
		part.from_ns = adding->from_ns;
	return add(adding, CHANNEL_GAPS, part.from_ns, &part.base);
}

int copied_consent_add(void *user, struct session_writer *writer, struct copy_identity *made)
{
	const struct copied_consent *copied = user;
	const struct consent *consent = copied->session->consent;
	struct session_reader *reader = copied->session->reader;
	_autofree_ bool *has = calloc(consent_act_count(consent) + 1, sizeof(*has));
	struct adding adding = {.writer = writer, .made = made, .has = has};
	int64_t last_ns;
	int r;

	if (!has)
		return -ENOMEM;
	if (consent_act_count(consent) == 0 ||
		!session_reader_span(reader, &adding.from_ns, &last_ns))
		return 0;
	if (copied->from_ns > adding.from_ns)
		adding.from_ns = copied->from_ns;
	adding.to_ns = copied->to_ns < last_ns ? copied->to_ns : last_ns + 1;
	r = find_present(&adding, reader, consent);
	for (size_t i = 0; r == 0 && i < consent_act_count(consent); i++)
		if (!has[i])
			r = add(&adding, CHANNEL_ACTS, adding.from_ns,
				&consent_act(consent, i)->base);
	return r == 0 ? session_reader_each_withheld(reader, add_gap, &adding) : r;
}

#include "tests/harness/helpers.h"

#include "protocol/base/array.h"
#include "protocol/base/av_error.h"
#include "protocol/base/backoff.h"
#include "protocol/base/bisect.h"
#include "protocol/base/buf.h"
#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "protocol/base/log.h"
#include "protocol/base/queue.h"
#include "protocol/base/ring.h"
#include "protocol/base/terminal.h"
#include "protocol/limits.h"
#include "protocol/message_text.h"
#include "protocol/name.h"
#include "protocol/packet.h"
#include "protocol/mcap.h"
#include "protocol/wire.h"
#include "protocol/wire.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void views_never_read_past(void)
{
	static const unsigned char bytes[] = {1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 'a'};
	struct view view = {bytes, sizeof(bytes), 0}, taken;

	expect(view_get(&view, 4) == 0x04030201);
	taken = view_read_string(&view);
	expect(taken.failed && taken.size_bytes == 0 && view.failed);
	expect(view_get(&view, 1) == 0);
	view = (struct view){bytes, sizeof(bytes), 0};
	taken = view_read_bytes(&view, UINT64_MAX);
	expect(taken.failed);
}

#define ITEMS 1025

struct grown {
	uint32_t *items;
	size_t count;
};

static void append(struct grown *grown, uint32_t item)
{
	check(array_grow(grown->items, grown->count));
	grown->items[grown->count++] = item;
}

static bool counts_up(const struct grown *grown)
{
	for (size_t i = 0; i < grown->count; i++)
		if (grown->items[i] != i)
			return false;
	return true;
}

static void arrays_grow_at_powers_of_two(void)
{
	struct grown grown = {0};

	while (grown.count < ITEMS) {
		append(&grown, (uint32_t)grown.count);
		expect(counts_up(&grown));
		expect(malloc_usable_size(grown.items) >= grown.count * sizeof(*grown.items));
	}
	expect(malloc_usable_size(grown.items) < 4 * ITEMS * sizeof(*grown.items));
	free(grown.items);
}

/* The least count lies before, at and after each capacity. */
static void arrays_shrink_and_grow_again(void)
{
	for (size_t least = 0; least < 70; least++) {
		struct grown grown = {0};

		for (int round = 0; round < 3; round++) {
			while (grown.count < 130)
				append(&grown, (uint32_t)grown.count);
			expect(counts_up(&grown));
			grown.count = least;
			expect(counts_up(&grown));
		}
		while (grown.count-- > 0) {
			check(array_grow(grown.items, grown.count));
			check(array_grow(grown.items, grown.count)); /* room not used before */
			expect(counts_up(&grown));
		}
		free(grown.items);
	}
}

static void sizes_of_arrays_do_not_overflow(void)
{
	uint32_t *items = NULL, *before;

	check(array_grow(items, 0));
	items[0] = 7;
	before = items;
	expect(!array_grow(items, SIZE_MAX / 2 + 1)); /* the capacity overflows */
	expect(!array_grow(items, SIZE_MAX / 4 + 1)); /* its size does */
	expect(items == before && items[0] == 7);
	free(items);
}

/* Every count of items, of which every number satisfies the condition. */
static void searches_find_the_first_item(void)
{
	for (size_t count = 0; count < 70; count++)
		for (size_t below = 0; below <= count; below++) {
			unsigned examined = 0;

			expect(bisect(count, i, (examined++, check(i < count), i < below)) ==
				below);
			expect(count == 0 ? examined == 0 : examined <= 7);
		}
}

static void searches_find_the_first_of_equal_items(void)
{
	static const int items[] = {1, 3, 3, 3, 8};

	expect(bisect(ARRAY_SIZE(items), i, items[i] < 3) == 1);
	expect(bisect(ARRAY_SIZE(items), i, items[i] <= 3) == 4);
	expect(bisect(ARRAY_SIZE(items), i, items[i] < 9) == ARRAY_SIZE(items));
}

struct ringed {
	uint32_t *items;
	struct ring ring;
	uint32_t next; /* the oldest is next - count */
};

static void ringed_push(struct ringed *ringed)
{
	check(ring_grow(&ringed->ring, ringed->items));
	ringed->items[ring_push(&ringed->ring)] = ringed->next++;
}

static bool ringed_in_order(const struct ringed *ringed)
{
	uint32_t oldest = ringed->next - (uint32_t)ringed->ring.count;

	for (size_t i = 0; i < ringed->ring.count; i++)
		if (ringed->items[ring_at(&ringed->ring, i)] != oldest + i)
			return false;
	return true;
}

/* The oldest item is at every place of the array when that grows. */
static void rings_grow_in_order(void)
{
	for (size_t popped = 0; popped <= 33; popped++) {
		struct ringed ringed = {0};

		for (size_t i = 0; i < popped; i++) {
			ringed_push(&ringed);
			expect(ringed.items[ring_pop(&ringed.ring)] == i);
		}
		while (ringed.ring.count < 130) {
			ringed_push(&ringed);
			check(ringed_in_order(&ringed));
		}
		expect(ringed.ring.capacity == 256);
		while (ringed.ring.count > 0) {
			ring_pop(&ringed.ring);
			check(ringed_in_order(&ringed));
		}
		free(ringed.items);
	}
}

static void rings_of_fixed_size_overwrite_the_oldest(void)
{
	uint32_t items[3];
	struct ringed ringed = {.items = items, .ring = {.capacity = ARRAY_SIZE(items)}};

	for (size_t i = 0; i < 10; i++) {
		expect(ring_is_full(&ringed.ring) == (i >= ARRAY_SIZE(items)));
		if (ring_is_full(&ringed.ring))
			expect(items[ring_pop(&ringed.ring)] == i - ARRAY_SIZE(items));
		items[ring_push(&ringed.ring)] = ringed.next++;
		expect(ringed_in_order(&ringed));
	}
	expect(ringed.items == items && ringed.ring.count == ARRAY_SIZE(items));
}

static void sizes_of_rings_do_not_overflow(void)
{
	uint32_t item, *items = &item;
	struct ring ring = {.capacity = SIZE_MAX / 2 + 1, .count = SIZE_MAX / 2 + 1};

	expect(!ring_grow(&ring, items)); /* the capacity overflows */
	ring.capacity = ring.count = SIZE_MAX / 4 + 1;
	expect(!ring_grow(&ring, items)); /* its size does */
	expect(items == &item && ring.capacity == SIZE_MAX / 4 + 1);
}

static void waits_double_up_to_the_last(void)
{
	static const struct backoff even = {1, 8}, odd = {3, 10}, constant = {5, 5};

	for (unsigned i = 0; i < 4; i++)
		expect(backoff_ns(&even, i) == 1 << i);
	expect(backoff_ns(&even, 4) == 8 && backoff_ns(&even, UINT32_MAX) == 8);
	expect(backoff_ns(&odd, 0) == 3 && backoff_ns(&odd, 1) == 6);
	expect(backoff_ns(&odd, 2) == 10 && backoff_ns(&odd, 3) == 10);
	expect(backoff_ns(&constant, 0) == 5 && backoff_ns(&constant, 1) == 5);
}

/* AVERROR(EINVAL), and AVERROR_INVALIDDATA: the tag "INDA" */
static void errors_of_libav_are_errnos(void)
{
	expect(from_av(0) == 0 && from_av(7) == 7);
	expect(from_av(-EINVAL) == -EINVAL && from_av(-4095) == -4095);
	expect(from_av(-('I' | 'N' << 8 | 'D' << 16 | 'A' << 24)) == -EIO);
}

static void queue_keeps_order_and_limit(void)
{
	struct queue *queue = NULL;
	int a, b, c;

	check(queue_create(&queue, 10, true) == 0);
	expect(queue_pop(queue, 0) == NULL);
	expect(queue_push(queue, &a, 6, false) == 0);
	expect(queue_push(queue, &b, 6, false) == -ENOBUFS);
	expect(queue_push(queue, &b, 6, true) == 0);
	expect(queue_pop(queue, 0) == &a);
	expect(queue_push(queue, &c, SIZE_MAX, false) == -ENOBUFS);
	expect(queue_push(queue, &c, 4, false) == 0);
	queue_close(queue);
	expect(queue_push(queue, &a, 1, true) == -EPIPE);
	expect(!queue_ended(queue));
	expect(queue_pop(queue, INT64_MAX) == &b && queue_pop(queue, INT64_MAX) == &c);
	expect(queue_pop(queue, INT64_MAX) == NULL && queue_ended(queue));
	queue_destroy(queue);
}

#define PUSHES 20000

static void *push_many(void *user)
{
	for (uintptr_t i = 1; i <= PUSHES; i++)
		while (queue_push(user, (void *)i, 1, false) == -ENOBUFS)
			;
	return NULL;
}

static void queue_loses_nothing_between_threads(void)
{
	struct queue *queue = NULL;
	pthread_t threads[3];
	uint64_t sum = 0, count = 0;

	check(queue_create(&queue, 100, false) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		check(pthread_create(&threads[i], NULL, push_many, queue) == 0);
	while (count < PUSHES * ARRAY_SIZE(threads)) {
		uintptr_t item = (uintptr_t)queue_pop(queue, clock_now_ns() + 20 * NS_PER_S);

		check(item > 0);
		sum += item;
		count++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	expect(sum == ARRAY_SIZE(threads) * (uint64_t)PUSHES * (PUSHES + 1) / 2);
	queue_destroy(queue);
}

static void waiting_ends_at_its_deadline(void)
{
	struct queue *queue = NULL;
	int64_t begin_ns = clock_now_ns();

	check(queue_create(&queue, 1, false) == 0);
	expect(queue_pop(queue, begin_ns + 30 * NS_PER_MS) == NULL);
	expect(clock_now_ns() - begin_ns >= 30 * NS_PER_MS);
	queue_wake(queue);
	expect(queue_pop(queue, INT64_MAX) == NULL);
	queue_destroy(queue);
}

static void names_are_checked(void)
{
	static const char *const good[] = {
		"P07", "Checkout study", "Zoë K.", "研究 1", "a-b_c (2)", "R&D: round 3, day 1"};
	static const char *const bad[] = {"", "../x", "a/b", "<script>", "a\nb", " lead", ".hidden",
		"a\\b", "\"x\"", "\xff\xfe", "\xc0\xaf", "a\x1b[31m", "x\xe2\x80\xaey", "$(id)",
		"a;b"};
	char longest[NAME_LIMIT_BYTES + 2];
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		expect(name_check("participant", good[i], NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		*error.text = '\0';
		expect(name_check("participant", bad[i], &error) == -EINVAL);
		expect(strncmp(error.text, "participant", 11) == 0);
		expect(!strpbrk(error.text, "\n\x1b"));
	}
	memset(longest, 'a', sizeof(longest));
	longest[NAME_LIMIT_BYTES + 1] = '\0';
	expect(name_check("study", longest, NULL) == -EINVAL);
	longest[NAME_LIMIT_BYTES] = '\0';
	expect(name_check("study", longest, NULL) == 0);
	expect(identifier_check("task", "find_invoice-2", NULL) == 0);
	expect(identifier_check("task", "a b", NULL) == -EINVAL);
	expect(identifier_check("task", "", NULL) == -EINVAL);
}

static void names_have_one_spelling(void)
{
	static const struct {
		const char *given, *normal; /* NULL: refused */
	} table[] = {
		{"P01", "P01"},
		{" P01 ", "P01"},
		{"P01\n", "P01"},
		{"\t P01\r\n", "P01"},
		{"P01\xc2\xa0", "P01"},                 /* no-break space */
		{"\xe3\x80\x80P01\xe2\x80\x83", "P01"}, /* ideographic space, em space */
		{"\xef\xbb\xbfP01\xe2\x80\x8b", "P01"}, /* byte order mark, zero width space */
		{"Ana  Maria", "Ana Maria"},
		{"Ana\xe2\x80\x89\xc2\xa0Maria", "Ana Maria"},
		{"Zoe\xcc\x88", "Zo\xc3\xab"}, /* NFD */
		{"Zo\xc3\xab", "Zo\xc3\xab"},
		{"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, /* Hangul */
		{"\xe2\x84\xab", "\xc3\x85"},                             /* angstrom sign */
		{"\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae", "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae"},
		{"", ""},
		{" \xe2\x80\xa8", ""},
		{"P\xe2\x80\x8b"
		 "01",
			NULL}, /* inside: zero width space, joiner, byte order mark */
		{"P\xe2\x80\x8d"
		 "01",
			NULL},
		{"P\xef\xbb\xbf"
		 "01",
			NULL},
		{"P01\xef\xb8\x8f", NULL}, /* variation selector */
		{"P\n01", NULL},
		{"P\xe2\x80\xa8"
		 "01",
			"P 01"},
		{"x\xe2\x80\xaey", NULL},    /* right-to-left override */
		{"x\xe2\x80\x8fy", NULL},    /* right-to-left mark */
		{"x\xcd\xb8", NULL},         /* U+0378, not assigned */
		{"x\xee\x80\x80", NULL},     /* private use */
		{"x\xf3\xa0\x81\x81", NULL}, /* tag */
		{"x\xff", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct error error = {""};
		_autofree_ char *name = NULL;
		int r = name_normalise(&name, "participant", table[i].given, &error);

		expect(r == (table[i].normal ? 0 : -EINVAL));
		if (name && table[i].normal && strcmp(name, table[i].normal) != 0)
			printf("# row %zu: '%s'\n", i, name);
		expect(!table[i].normal || (name && strcmp(name, table[i].normal) == 0));
		expect(table[i].normal || strncmp(error.text, "participant", 11) == 0);
	}
}

static void names_of_old_files_are_compared_by_their_spelling(void)
{
	expect(name_is_same("P01", "P01 ") && name_is_same("Zoe\xcc\x88", "Zo\xc3\xab"));
	expect(!name_is_same("Zo\xc3\xab", "Zo\xc3\xa9"));
	/* invalid names equal only themselves */
	expect(name_is_same("a\x1b", "a\x1b") && !name_is_same("a\x1b", "a"));
	expect(name_is_same("", " "));
}

static void names_in_messages_have_one_spelling(void)
{
	char *names[] = {strdup("P01 "), strdup("Zoe\xcc\x88")};
	Uxrec__SessionInfo info = UXREC__SESSION_INFO__INIT;
	Uxrec__Act act = UXREC__ACT__INIT;
	struct error error = {""};

	info.participants = names;
	info.n_participants = ARRAY_SIZE(names);
	info.excluded_reason = strdup(" a laptop ");
	act.author = strdup(" Ben");
	act.layer = strdup("coder: Ben ");
	act.body_case = UXREC__ACT__BODY_SESSION_INFO;
	act.session_info = &info;
	expect(names_normalise(&act.base, &error) == 0);
	expect(strcmp(names[0], "P01") == 0 && strcmp(names[1], "Zo\xc3\xab") == 0);
	expect(strcmp(act.author, "Ben") == 0 && strcmp(act.layer, "coder:Ben") == 0);
	expect(strcmp(info.excluded_reason, " a laptop ") == 0);
	free(names[1]);
	names[1] = strdup("a\x1b");
	expect(names_normalise(&act.base, &error) == -EINVAL);
	expect(strncmp(error.text, "participants '", 14) == 0);
	free(names[0]);
	free(names[1]);
	free(info.excluded_reason);
	free(act.author);
	free(act.layer);
}

static void quoted_text_is_harmless(void)
{
	char text[500];

	expect(strcmp(text_quote("a\x1b[31m\nb").text, "a?[31m?b") == 0);
	expect(strcmp(text_quote("Zo\xc3\xab \xe7\x99\xba").text, "Zo\xc3\xab \xe7\x99\xba") == 0);
	/* C1's CSI, override, isolate, mark, line separator, byte order mark, a lone byte, a truncated sequence */
	expect(strcmp(text_quote("\xc2\x9b"
				 "31m")
			       .text,
		       "?31m") == 0);
	expect(strcmp(text_quote("a\xe2\x80\xae"
				 "b\xe2\x81\xa6"
				 "c\xe2\x80\x8f"
				 "d\xe2\x80\xa8"
				 "e")
			       .text,
		       "a?b?c?d?e") == 0);
	expect(strcmp(text_quote("\xef\xbb\xbf\xff\xe7\x99").text, "????") == 0);
	expect(strcmp(text_quote(NULL).text, "") == 0);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	expect(strlen(text_quote(text).text) < sizeof(struct text_quoted));
	expect(strstr(text_quote(text).text, "..."));
	/* cut between two characters */
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe7\x99\xba", 4);
	expect(utf8_is_valid(text_quote(text).text));
}

static void cells_are_as_wide_as_they_look(void)
{
	char ascii[32];

	expect(terminal_columns("Zo\xc3\xab") == 3);
	expect(terminal_columns("\xe7\x99\xba\xe6\xb3\xa8") == 4); /* East Asian: wide */
	expect(terminal_columns("e\xcc\x81") == 1);                /* combining */
	expect(strcmp(terminal_cell("\xe7\x99\xba", 4).text, "\xe7\x99\xba  ") == 0);
	expect(strcmp(terminal_cell("Zo\xc3\xab", 5).text, "Zo\xc3\xab  ") == 0);
	expect(strcmp(terminal_cell("long enough", 4).text, "long enough") == 0);
	expect(terminal_copy(ascii, sizeof(ascii), "Zo\xc3\xab\t\xe7\x99\xba!", true) == 9);
	expect(strcmp(ascii,
		       "Zo??"
		       "?!") == 0);
	expect(terminal_copy(ascii, 3,
		       "a\xc3\xab"
		       "b",
		       false) == 1);
	expect(strcmp(ascii, "a") == 0);
}

static struct packet *hello_packet(void)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__Hello hello = UXREC__HELLO__INIT;
	struct packet *packet;

	hello.token = (char *)"0123456789abcdef0123456789abcdef";
	hello.name = (char *)"Ana";
	message.request = 7;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	check(packet_create_record_message(&packet, MCAP_PRIVATE, &message.base) == 0);
	return packet;
}

static void wire_messages_round_trip(void)
{
	_packet_unref_ struct packet *packet = hello_packet();
	struct view frame = {packet->record, packet->size_bytes, 0};
	Uxrec__ClientMessage *message;

	check(wire_parse(frame, &uxrec__client_message__descriptor, (ProtobufCMessage **)&message,
		      NULL) == 0);
	expect(message->request == 7);
	expect(message->body_case == UXREC__CLIENT_MESSAGE__BODY_HELLO);
	expect(strcmp(message->hello->name, "Ana") == 0);
	uxrec__client_message__free_unpacked(message, NULL);
}

static void broken_frames_are_refused(void)
{
	_packet_unref_ struct packet *packet = hello_packet();
	unsigned char longer[200];
	ProtobufCMessage *message;
	uint64_t random = 5;

	/* truncated at every offset, and one byte too long */
	for (size_t size = 0; size < packet->size_bytes; size++)
		expect(wire_parse((struct view){packet->record, size, 0},
			       &uxrec__client_message__descriptor, &message, NULL) == -EBADMSG);
	memcpy(longer, packet->record, packet->size_bytes);
	longer[packet->size_bytes] = 0;
	expect(wire_parse((struct view){longer, packet->size_bytes + 1, 0},
		       &uxrec__client_message__descriptor, &message, NULL) == -EBADMSG);
	/* any byte changed: refused or parsed, never a fault */
	for (int i = 0; i < 20000; i++) {
		size_t at = next_random(&random) % packet->size_bytes;
		unsigned char before = longer[at];

		longer[at] = (unsigned char)next_random(&random);
		if (wire_parse((struct view){longer, packet->size_bytes, 0},
			    &uxrec__client_message__descriptor, &message, NULL) == 0)
			protobuf_c_message_free_unpacked(message, NULL);
		longer[at] = before;
	}
}

/* TagNow{code "s", note} as request 7 */
static struct packet *tag_packet(const char *note, size_t size_bytes)
{
	_cleanup_(buf_finish) struct buf tag = {0}, all = {0};
	struct packet *packet;

	buf_put(&tag, "\x0a\x01s\x12", 4);
	buf_put_u8(&tag, (uint8_t)size_bytes);
	buf_put(&tag, note, size_bytes);
	buf_put(&tag, "\xf2\x01\x03?\xff?", 6); /* field 30, unknown */
	buf_put(&all, "\x08\x07\x92\x01", 4);
	buf_put_u8(&all, (uint8_t)tag.size_bytes);
	buf_put(&all, tag.data, tag.size_bytes);
	check(packet_create_record(&packet, MCAP_PRIVATE, all.data, all.size_bytes) == 0);
	return packet;
}

static void texts_are_utf8_without_zeros_and_unknown_fields_are_dropped(void)
{
	static const struct {
		const char *note;
		size_t size_bytes;
		int r;
		const char *reason;
	} cases[] = {
		{"", 0, 0, NULL},
		{"caf\xc3\xa9 \xf0\x9f\x98\x80", 10, 0, NULL},
		{"caf\xe9", 4, -EILSEQ, "note: byte 4 (0xe9) is not UTF-8"},
		{"caf\xc3", 4, -EILSEQ, "note: byte 4 (0xc3) is not UTF-8"},       /* truncated */
		{"\xc0\xaf", 2, -EILSEQ, "note: byte 1 (0xc0) is not UTF-8"},      /* overlong */
		{"a\xed\xa0\x80", 4, -EILSEQ, "note: byte 2 (0xed) is not UTF-8"}, /* surrogate */
		{"a\0b", 3, -EILSEQ, "note: byte 2 (0x00) is not allowed in a text"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_packet_unref_ struct packet *packet =
			tag_packet(cases[i].note, cases[i].size_bytes);
		struct view frame = {packet->record, packet->size_bytes, 0};
		Uxrec__ClientMessage *message;
		struct error error;
		int r = wire_parse(frame, &uxrec__client_message__descriptor,
			(ProtobufCMessage **)&message, &error);

		check(r == cases[i].r);
		expect(wire_request(frame) == 7);
		if (r < 0) {
			expect(strcmp(error.text, cases[i].reason) == 0);
			continue;
		}
		expect(strlen(message->tag_now->note) == cases[i].size_bytes);
		expect(message->tag_now->base.n_unknown_fields == 0);
		uxrec__client_message__free_unpacked(message, NULL);
	}
}

static void typed_texts_have_no_control_characters(void)
{
	struct error error;

	expect(text_check_typed(
		       "--note", "two\nlines\tand \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", &error) == 0);
	expect(text_check_typed("--note", "caf\xe9", &error) == -EILSEQ);
	expect(strcmp(error.text, "--note: byte 4 (0xe9) is not UTF-8") == 0);
	expect(text_check_typed("--note", "red \x1b[31m", &error) == -EINVAL);
	expect(strcmp(error.text, "--note: byte 5 is a control character (U+001B)") == 0);
	expect(text_check_typed("--note", "a\x7f", &error) == -EINVAL);
	expect(text_check_typed("--note",
		       "\xc2\x9b"
		       "31m",
		       &error) == -EINVAL); /* the same in C1 */
	expect(text_check_typed("--note", "a\rb", &error) == -EINVAL);
}

static void streams_are_framed(void)
{
	_packet_unref_ struct packet *packet = hello_packet();
	unsigned char lie[9] = {0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};

	for (size_t size = 0; size < packet->size_bytes; size++)
		expect(wire_frame_size((struct view){packet->record, size, 0}, 1000) == 0);
	expect(wire_frame_size((struct view){packet->record, packet->size_bytes, 0}, 1000) ==
		(int64_t)packet->size_bytes);
	expect(wire_frame_size((struct view){lie, sizeof(lie), 0}, 1000) == -EMSGSIZE);
}

static void closed_peers_are_told(void)
{
	ProtobufCMessage *message;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	close(pair[0]);
	expect(wire_receive(pair[1], &uxrec__server_message__descriptor, 1000, &message) == -EPIPE);
	close(pair[1]);
}

static void packets_are_records(void)
{
	struct session_clock clock = {.utc_offset_ns = 5};
	_packet_unref_ struct packet *first = make_packet(&clock, CHANNEL_CLOCK, 100, 3);
	_packet_unref_ struct packet *second = make_packet(&clock, CHANNEL_CLOCK, 200, 0);
	struct view rest = {first->record, first->size_bytes, 0};
	struct mcap_record record;
	struct mcap_message message;

	check(mcap_next_record(&rest, &record) == 1 && rest.size_bytes == 0);
	check(record.opcode == MCAP_MESSAGE && mcap_parse_message(record.content, &message) == 0);
	expect(message.channel_id == CHANNEL_CLOCK && message.sequence == 0);
	expect(message.log_time == 105 && message.publish_time == 105);
	expect(message.data.size_bytes == 3 && packet_data_size(first) == 3);
	expect(first->time_ns == 105 && second->time_ns == 205);
	expect(le_load(second->record + 9 + 2, 4) == 1);
}

/* @return the text of an error on a standard error that is a file, made by the journal or not */
static char *logged_error(bool journal)
{
	_autofree_ char *path = temporary_path(journal ? "journal" : "terminal"), *stream = NULL;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), before = dup(STDERR_FILENO);
	struct stat status;
	char *text = NULL;

	check(fd >= 0 && before >= 0 && fstat(fd, &status) == 0);
	check(asprintf(&stream, "%ju:%ju", (uintmax_t)status.st_dev,
		      (uintmax_t)status.st_ino + !journal) > 0);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(fd, STDERR_FILENO);
	log_error("it broke");
	dup2(before, STDERR_FILENO);
	close(before);
	close(fd);
	unsetenv("JOURNAL_STREAM");
	check(io_read_file(path, 100, &text) > 0);
	return text;
}

/* Terminals started by a service inherit the variable. */
static void levels_are_for_the_journal_alone(void)
{
	_autofree_ char *journal = logged_error(true), *terminal = logged_error(false);

	expect(strcmp(journal, "<3>it broke\n") == 0);
	expect(strcmp(terminal, "error: it broke\n") == 0);
}

static const struct test tests[] = {
	{"views never read past their end", views_never_read_past},
	{"an array grows at powers of two", arrays_grow_at_powers_of_two},
	{"an array shrinks and grows again", arrays_shrink_and_grow_again},
	{"an array whose size would overflow is unchanged", sizes_of_arrays_do_not_overflow},
	{"a search finds the first item after those that satisfy it", searches_find_the_first_item},
	{"a search finds the first of equal items", searches_find_the_first_of_equal_items},
	{"a ring grows in order, wherever its oldest item is", rings_grow_in_order},
	{"a ring of fixed size overwrites its oldest item",
		rings_of_fixed_size_overwrite_the_oldest},
	{"a ring whose size would overflow is unchanged", sizes_of_rings_do_not_overflow},
	{"waits double up to the last", waits_double_up_to_the_last},
	{"errors of libav are errnos", errors_of_libav_are_errnos},
	{"a queue keeps order and limit, and accepts forced items", queue_keeps_order_and_limit},
	{"a queue loses nothing between threads", queue_loses_nothing_between_threads},
	{"waiting ends at its deadline and when woken", waiting_ends_at_its_deadline},
	{"names are letters and no paths, markup or commands", names_are_checked},
	{"names that look the same are the same", names_have_one_spelling},
	{"names of old files are compared by their spelling",
		names_of_old_files_are_compared_by_their_spelling},
	{"names in messages have one spelling", names_in_messages_have_one_spelling},
	{"foreign text in messages is harmless", quoted_text_is_harmless},
	{"cells of a table are as wide as they look", cells_are_as_wide_as_they_look},
	{"only the journal itself gets levels as numbers", levels_are_for_the_journal_alone},
	{"a packet is one MCAP message record in session time", packets_are_records},
	{"wire messages round trip", wire_messages_round_trip},
	{"broken frames are refused at every offset", broken_frames_are_refused},
	{"texts are UTF-8 without 0 bytes, and unknown fields are dropped",
		texts_are_utf8_without_zeros_and_unknown_fields_are_dropped},
	{"typed texts have no control characters", typed_texts_have_no_control_characters},
	{"a stream is framed, and wrong lengths are refused", streams_are_framed},
	{"a closed peer is reported", closed_peers_are_told},
};

int main(void)
{
	return RUN_TESTS("base", tests);
}

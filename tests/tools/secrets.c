/*
 * The canary of the redaction policy: random secrets, typed and then searched for.
 *
 *   secrets type SEED COUNT [PAUSE-US [DEVICE]]   type them on $DISPLAY, or by a uinput keyboard of that name
 *   secrets retype SEED COUNT PAUSE-US            likewise on $DISPLAY, each replacing the previous one
 *   secrets list SEED COUNT                       print them
 *   secrets memory PID FILE                       dump all memory of a process that a core dump would have
 *   secrets search SEED COUNT PATH...             search for them; a folder is a session and is expanded, too
 *
 * A secret is 24 letters and digits. The search is for its thirds, of eight characters each, so that any 15 characters
 * of it in a row are found: as text (UTF-8, UTF-16, UTF-32), as Linux key codes, X keycodes and HID usages in 8, 16 and
 * 32 bits, each once or twice (press and release), all of these in hex and base64, as decimal numbers, and each
 * reversed.
 */

#include "tests/harness/helpers.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/file/reader.h"
#include "protocol/os/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xcb/xcb.h>
#include <xcb/xtest.h>

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			exit(3);                                                                   \
		}                                                                                  \
	} while (0)

#define SECRET   24
#define WINDOW   8
#define ALPHABET "abcdefghijklmnopqrstuvwxyz0123456789"

/* ---- the secrets ---- */

static void make_secret(uint64_t *state, char secret[SECRET + 1])
{
	for (int i = 0; i < SECRET; i++)
		secret[i] = ALPHABET[next_random(state) % (sizeof(ALPHABET) - 1)];
	secret[SECRET] = '\0';
}

static uint8_t code_of(char c)
{
	static const uint8_t letters[] = {KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G, KEY_H,
		KEY_I, KEY_J, KEY_K, KEY_L, KEY_M, KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S, KEY_T,
		KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z};

	if (c >= 'a')
		return letters[c - 'a'];
	return c == '0' ? KEY_0 : (uint8_t)(KEY_1 + c - '1');
}

/* HID Usage Tables, keyboard page */
static uint8_t usage_of(char c)
{
	if (c >= 'a')
		return (uint8_t)(0x04 + c - 'a');
	return c == '0' ? 0x27 : (uint8_t)(0x1e + c - '1');
}

/* ---- typing ---- */

static void pause_us(long us)
{
	if (us > 0)
		clock_nanosleep(CLOCK_MONOTONIC, 0,
			&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

static void fake_key(xcb_connection_t *connection, uint8_t type, uint16_t code)
{
	xcb_test_fake_input(connection, type, (uint8_t)(code + 8), 0, XCB_NONE, 0, 0, 0);
}

/* @param replace  Ctrl+A before each selects the field's content */
static int type_by_xtest(uint64_t seed, int count, long us, bool replace)
{
	xcb_connection_t *connection = xcb_connect(NULL, NULL);
	char secret[SECRET + 1];

	if (xcb_connection_has_error(connection))
		return 1;
	for (int i = 0; i < count; i++) {
		make_secret(&seed, secret);
		if (replace) {
			fake_key(connection, XCB_KEY_PRESS, KEY_LEFTCTRL);
			fake_key(connection, XCB_KEY_PRESS, KEY_A);
			fake_key(connection, XCB_KEY_RELEASE, KEY_A);
			fake_key(connection, XCB_KEY_RELEASE, KEY_LEFTCTRL);
		}
		for (int at = 0; at < SECRET; at++) {
			fake_key(connection, XCB_KEY_PRESS, code_of(secret[at]));
			fake_key(connection, XCB_KEY_RELEASE, code_of(secret[at]));
			xcb_flush(connection);
			pause_us(us);
		}
		/* keep the server at most one secret behind */
		free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
	}
	xcb_disconnect(connection);
	return 0;
}

static void send_key(struct libevdev_uinput *uinput, char c, int value)
{
	libevdev_uinput_write_event(uinput, EV_MSC, MSC_SCAN, 0x70000 | usage_of(c));
	libevdev_uinput_write_event(uinput, EV_KEY, code_of(c), value);
	libevdev_uinput_write_event(uinput, EV_SYN, SYN_REPORT, 0);
}

static int type_by_uinput(uint64_t seed, int count, long us, const char *name)
{
	struct libevdev *evdev = libevdev_new();
	struct libevdev_uinput *uinput;
	char secret[SECRET + 1];

	libevdev_set_name(evdev, name);
	for (unsigned code = KEY_ESC; code <= KEY_SPACE; code++)
		libevdev_enable_event_code(evdev, EV_KEY, code, NULL);
	libevdev_enable_event_code(evdev, EV_MSC, MSC_SCAN, NULL);
	if (libevdev_uinput_create_from_device(evdev, LIBEVDEV_UINPUT_OPEN_MANAGED, &uinput) < 0)
		return 1;
	pause_us(5000000); /* udev names the node, and watchers open it, in time */
	for (int i = 0; i < count; i++) {
		make_secret(&seed, secret);
		for (int at = 0; at < SECRET; at++) {
			send_key(uinput, secret[at], 1);
			send_key(uinput, secret[at], 0);
			pause_us(us);
		}
	}
	pause_us(500000);
	libevdev_uinput_destroy(uinput);
	libevdev_free(evdev);
	return 0;
}

static int list(uint64_t seed, int count)
{
	char secret[SECRET + 1];

	for (int i = 0; i < count; i++) {
		make_secret(&seed, secret);
		puts(secret);
	}
	return 0;
}

/* ---- search patterns ---- */

#define NEEDLE_BYTES 96

struct needle {
	uint8_t size;
	uint32_t secret;
	const char *form;
	uint8_t bytes[NEEDLE_BYTES];
};

struct haystack {
	struct needle *needles;
	size_t count, capacity;
	uint32_t *table; /* needle number + 1, by the hash of its first eight bytes */
	uint64_t table_mask;
	uint64_t *bits;
	bool *found; /* per secret */
	uint64_t bytes, hits;
	const char *first_path, *first_form;
};

static uint64_t first_eight(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word * 0x9e3779b97f4a7c15;
}

static void add_needle(struct haystack *haystack, uint32_t secret, const char *form,
	const void *bytes, size_t size)
{
	struct needle *needle;

	must(size >= 8 && size <= NEEDLE_BYTES);
	if (haystack->count == haystack->capacity) {
		haystack->capacity = haystack->capacity ? haystack->capacity * 2 : 4096;
		haystack->needles =
			realloc(haystack->needles, haystack->capacity * sizeof(*needle));
		must(haystack->needles);
	}
	needle = &haystack->needles[haystack->count++];
	*needle = (struct needle){.size = (uint8_t)size, .secret = secret, .form = form};
	memcpy(needle->bytes, bytes, size);
}

static void add_hex(struct haystack *haystack, uint32_t secret, const uint8_t *bytes)
{
	static const char *const digits[] = {"0123456789abcdef", "0123456789ABCDEF"};

	for (int upper = 0; upper < 2; upper++) {
		char hex[2 * WINDOW], reversed[2 * WINDOW];

		for (int i = 0; i < WINDOW; i++) {
			hex[2 * i] = digits[upper][bytes[i] >> 4];
			hex[2 * i + 1] = digits[upper][bytes[i] & 15];
		}
		for (int i = 0; i < 2 * WINDOW; i++)
			reversed[i] = hex[2 * WINDOW - 1 - i];
		add_needle(haystack, secret, "hex", hex, sizeof(hex));
		add_needle(haystack, secret, "hex reversed", reversed, sizeof(reversed));
	}
}

/* The characters that do not depend on the neighbouring bytes, for each alignment of the first byte. */
static void add_base64(struct haystack *haystack, uint32_t secret, const uint8_t *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (int before = 0; before < 3; before++) {
		int first = (before * 8 + 5) / 6, last = (before + WINDOW) * 8 / 6;
		char text[16];
		size_t size = 0;

		for (int digit = first; digit < last; digit++) {
			unsigned value = 0;

			for (int bit = digit * 6; bit < digit * 6 + 6; bit++) {
				int at = bit - before * 8;

				value = value << 1 | (bytes[at / 8] >> (7 - at % 8) & 1);
			}
			text[size++] = digits[value];
		}
		add_needle(haystack, secret, "base64", text, size);
	}
}

/* Numbers in 8, 16 and 32 bits, each repeated as a press and a release do. */
static void add_numbers(
	struct haystack *haystack, uint32_t secret, const char *form, const uint32_t *numbers)
{
	for (size_t width = 1; width <= 4; width *= 2)
		for (int times = 1; times <= 2; times++) {
			uint8_t bytes[WINDOW * 4 * 2] = {0};
			uint8_t *to = bytes;

			if (width < 4 && numbers[0] >> (8 * width))
				continue;
			for (int i = 0; i < WINDOW * times; i++, to += width)
				memcpy(to, &numbers[i / times], width); /* little endian */
			add_needle(haystack, secret, form, bytes, (size_t)(to - bytes));
		}
}

static void add_decimals(struct haystack *haystack, uint32_t secret, const uint8_t *codes)
{
	for (int times = 1; times <= 2; times++) {
		char text[NEEDLE_BYTES] = "";
		size_t size = 0;

		for (int i = 0; i < WINDOW * times; i++)
			size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%u",
				i ? "," : "", codes[i / times]);
		add_needle(haystack, secret, "decimal", text, size);
	}
}

static void add_window(struct haystack *haystack, uint32_t secret, const char *window)
{
	uint8_t codes[WINDOW], usages[WINDOW], keycodes[WINDOW];
	uint32_t numbers[5][WINDOW];

	for (int i = 0; i < WINDOW; i++) {
		codes[i] = code_of(window[i]);
		usages[i] = usage_of(window[i]);
		keycodes[i] = (uint8_t)(codes[i] + 8);
		numbers[0][i] = (uint8_t)window[i];
		numbers[1][i] = codes[i];
		numbers[2][i] = usages[i];
		numbers[3][i] = 0x70000u | usages[i];
		numbers[4][i] = keycodes[i];
	}
	add_numbers(haystack, secret, "text", numbers[0]);
	add_numbers(haystack, secret, "key codes", numbers[1]);
	add_numbers(haystack, secret, "usages", numbers[2]);
	add_numbers(haystack, secret, "usages with page", numbers[3]);
	add_numbers(haystack, secret, "keycodes", numbers[4]);
	add_hex(haystack, secret, (const uint8_t *)window);
	add_hex(haystack, secret, codes);
	add_hex(haystack, secret, usages);
	add_base64(haystack, secret, (const uint8_t *)window);
	add_base64(haystack, secret, codes);
	add_base64(haystack, secret, usages);
	add_decimals(haystack, secret, codes);
	add_decimals(haystack, secret, usages);
}

static void index_needles(struct haystack *haystack)
{
	haystack->table_mask = 1;
	while (haystack->table_mask < haystack->count * 3)
		haystack->table_mask *= 2;
	haystack->table = calloc(haystack->table_mask, sizeof(*haystack->table));
	haystack->bits = calloc(1 << 18, sizeof(*haystack->bits)); /* 2^24 bits */
	must(haystack->table && haystack->bits);
	haystack->table_mask--;
	for (size_t i = 0; i < haystack->count; i++) {
		uint64_t hash = first_eight(haystack->needles[i].bytes);
		uint64_t at = hash >> 20 & haystack->table_mask;

		haystack->bits[hash >> 46] |= UINT64_C(1) << (hash >> 40 & 63);
		while (haystack->table[at])
			at = (at + 1) & haystack->table_mask;
		haystack->table[at] = (uint32_t)i + 1;
	}
}

static struct haystack *make_haystack(uint64_t seed, int count)
{
	struct haystack *haystack = calloc(1, sizeof(*haystack));

	must(haystack && count > 0);
	haystack->found = calloc((size_t)count, sizeof(*haystack->found));
	must(haystack->found);
	for (int i = 0; i < count; i++) {
		char secret[SECRET + 1], reversed[SECRET + 1] = "";

		make_secret(&seed, secret);
		for (int at = 0; at < SECRET; at++)
			reversed[at] = secret[SECRET - 1 - at];
		for (int at = 0; at < SECRET; at += WINDOW) {
			add_window(haystack, (uint32_t)i, secret + at);
			add_window(haystack, (uint32_t)i, reversed + at);
		}
	}
	index_needles(haystack);
	return haystack;
}

/* ---- searching ---- */

static void hit(struct haystack *haystack, const struct needle *needle, const char *path)
{
	if (haystack->hits++ == 0) {
		haystack->first_path = strdup(path);
		haystack->first_form = needle->form;
	}
	haystack->found[needle->secret] = true;
}

static void search_bytes(
	struct haystack *haystack, const uint8_t *bytes, size_t size, const char *path)
{
	haystack->bytes += size;
	for (size_t i = 0; i + 8 <= size; i++) {
		uint64_t hash = first_eight(bytes + i);

		if (!(haystack->bits[hash >> 46] >> (hash >> 40 & 63) & 1))
			continue;
		for (uint64_t at = hash >> 20 & haystack->table_mask; haystack->table[at];
			at = (at + 1) & haystack->table_mask) {
			const struct needle *needle = &haystack->needles[haystack->table[at] - 1];

			if (needle->size <= size - i &&
				memcmp(bytes + i, needle->bytes, needle->size) == 0)
				hit(haystack, needle, path);
		}
	}
}

static void search_file(struct haystack *haystack, const char *path)
{
	_autofree_ char *bytes = NULL;
	ssize_t size = io_read_file(path, (size_t)1 << 32, &bytes);

	must(size >= 0);
	search_bytes(haystack, (const uint8_t *)bytes, (size_t)size, path);
}

/*
 * A session, expanded: the packed messages of a channel concatenated; and per field all its numbers from all messages,
 * so that data in columns and across packets are contiguous.
 */
#define FIELDS 32

struct expanded {
	struct buf messages;
	struct buf numbers[FIELDS]; /* uint32_t each */
	struct buf halves[FIELDS];  /* the same as of sint32, zigzag */
};

static uint64_t take_varint(struct view *view)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = view_get(view, 1);

		value |= (byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	return value;
}

static void put_number(struct expanded *expanded, uint64_t field, uint64_t value)
{
	uint32_t number = (uint32_t)value, half = (uint32_t)(value >> 1);

	if (field >= FIELDS)
		return;
	buf_put(&expanded->numbers[field], &number, sizeof(number));
	buf_put(&expanded->halves[field], &half, sizeof(half));
}

static void expand_message(struct expanded *expanded, struct view data)
{
	buf_put(&expanded->messages, data.data, data.size_bytes);
	while (data.size_bytes > 0 && !data.failed) {
		uint64_t tag = take_varint(&data);
		struct view inside;

		switch (tag & 7) {
		case 0: put_number(expanded, tag >> 3, take_varint(&data)); break;
		case 1: view_get(&data, 8); break;
		case 5: view_get(&data, 4); break;
		case 2:
			inside = view_read_bytes(&data, take_varint(&data));
			while (inside.size_bytes > 0 && !inside.failed && !data.failed)
				put_number(expanded, tag >> 3, take_varint(&inside));
			break;
		default: data.failed = 1;
		}
	}
}

static void search_expanded(struct haystack *haystack, struct expanded *expanded, const char *topic)
{
	search_bytes(haystack, expanded->messages.data, expanded->messages.size_bytes, topic);
	buf_finish(&expanded->messages);
	for (int i = 0; i < FIELDS; i++) {
		search_bytes(haystack, expanded->numbers[i].data, expanded->numbers[i].size_bytes,
			topic);
		search_bytes(
			haystack, expanded->halves[i].data, expanded->halves[i].size_bytes, topic);
		buf_finish(&expanded->numbers[i]);
		buf_finish(&expanded->halves[i]);
	}
}

static void search_session(struct haystack *haystack, const char *folder)
{
	_destroy_(session_reader) struct session_reader *reader = NULL;
	struct error error = {""};
	DIR *files = opendir(folder);
	struct dirent *entry;

	must(files);
	while ((entry = readdir(files))) {
		_autofree_ char *path = NULL;

		must(asprintf(&path, "%s/%s", folder, entry->d_name) > 0);
		if (entry->d_name[0] != '.')
			search_file(haystack, path);
	}
	closedir(files);
	must(session_reader_open_folder(&reader, folder, &error) == 0);
	for (uint16_t id = 1; id < CHANNEL_END; id++) {
		_destroy_(session_cursor) struct session_cursor *cursor = NULL;
		struct expanded expanded = {0};
		struct reader_message message;

		must(session_cursor_create(
			     &cursor, reader, INT64_MIN, INT64_MAX, UINT64_C(1) << id) == 0);
		while (session_cursor_next(cursor, &message) > 0)
			expand_message(&expanded, message.data);
		search_expanded(haystack, &expanded, channel_kind_get(id)->topic);
	}
	must(session_reader_damages(reader, NULL) == 0);
}

static int search(uint64_t seed, int count, char **paths)
{
	static struct haystack *haystack; /* for the process's lifetime */
	int found = 0;

	haystack = make_haystack(seed, count);
	for (; *paths; paths++) {
		struct stat status;

		must(stat(*paths, &status) == 0);
		if (S_ISDIR(status.st_mode))
			search_session(haystack, *paths);
		else
			search_file(haystack, *paths);
	}
	for (int i = 0; i < count; i++)
		found += haystack->found[i];
	printf("{\"secrets\": %d, \"found\": %d, \"hits\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"needles\": %zu, \"first\": \"%s%s%s\"}\n",
		count, found, haystack->hits, haystack->bytes, haystack->count,
		haystack->hits ? haystack->first_form : "", haystack->hits ? " in " : "",
		haystack->hits ? haystack->first_path : "");
	return 0;
}

/* ---- memory ---- */

/* Larger mappings are a sanitizer's shadow memory: no data. */
#define SHADOW_BYTES (1ul << 36)

static int dump_memory(const char *pid, const char *to)
{
	char path[64], line[512];
	_autoclose_ int memory = -1, out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	static char piece[1 << 20];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	memory = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	must(memory >= 0 && out >= 0 && maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;
		char mode[5];

		if (sscanf(line, "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[1] != 'w' ||
			end - begin > SHADOW_BYTES)
			continue;
		for (unsigned long at = begin; at < end;) {
			size_t wanted = end - at < sizeof(piece) ? end - at : sizeof(piece);
			ssize_t n = pread(memory, piece, wanted, (off_t)at);

			if (n <= 0)
				break;
			must(write(out, piece, (size_t)n) == n);
			at += (unsigned long)n;
		}
	}
	fclose(maps);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	int count = argc > 3 ? atoi(argv[3]) : 0;

	if (argc > 3 && strcmp(argv[1], "type") == 0)
		return argc > 5 ? type_by_uinput(seed, count, atol(argv[4]), argv[5])
				: type_by_xtest(seed, count, argc > 4 ? atol(argv[4]) : 0, false);
	if (argc == 5 && strcmp(argv[1], "retype") == 0)
		return type_by_xtest(seed, count, atol(argv[4]), true);
	if (argc > 3 && strcmp(argv[1], "list") == 0)
		return list(seed, count);
	if (argc > 4 && strcmp(argv[1], "search") == 0)
		return search(seed, count, argv + 4);
	if (argc == 4 && strcmp(argv[1], "memory") == 0)
		return dump_memory(argv[2], argv[3]);
	return 2;
}

#include "tests/fuzz/png.h"
#include "tests/fuzz/target.h"

#include "replay/decode/overlay.h"

#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Patches over the video, and the PNG files in them. The first byte is the kind of the rest: 'M' a message as in a
 * file, 'P' one patch: x, y, and a PNG file to the end, 'N' the same, taken 100 times. In each of them PNG chunks get
 * valid checksums, without which decoders reject any mutation.
 *
 * patches --seeds FOLDER writes the seeds, and exits.
 */

enum { WIDTH = 61, HEIGHT = 47, PIXELS = WIDTH * HEIGHT, AGAIN = 100 };

/* ---- invariants ---- */

static void check_area(const struct overlay_area *area)
{
	if (area->x < 0 || area->y < 0 || area->width < 0 || area->height < 0 ||
		area->x + area->width > WIDTH || area->y + area->height > HEIGHT)
		abort();
}

static bool is_in(const struct overlay_area *area, int x, int y)
{
	return x >= area->x && y >= area->y && x < area->x + area->width &&
		y < area->y + area->height;
}

/* Nothing is outside the reported areas, and everything in them is opaque. */
static void check_overlay(const struct overlay *overlay)
{
	const struct overlay_area covered = overlay_covered(overlay);
	uint8_t *pixels = malloc(PIXELS * 4); /* exact size, for the sanitizer */

	if (!pixels)
		return;
	check_area(&covered);
	memset(pixels, 7, PIXELS * 4);
	overlay_compose(overlay, (struct overlay_area){0, 0, WIDTH, HEIGHT}, pixels);
	for (int i = 0; i < PIXELS; i++) {
		const uint8_t *at = pixels + 4 * (ptrdiff_t)i;
		bool is_there = at[3] == 255;

		if (!is_there && (at[0] != 7 || at[1] != 7 || at[2] != 7 || at[3] != 7))
			abort();
		if (is_there && !is_in(&covered, i % WIDTH, i / WIDTH))
			abort();
	}
	free(pixels);
}

static void take(struct overlay *overlay, const Uxrec__ScreenPatches *message)
{
	const uint64_t faults = overlay_faults(overlay);
	struct overlay_area patched;
	bool cleared;

	for (size_t i = 0; i < message->n_patches; i++)
		png_mend_checksums(message->patches[i]->png.data, message->patches[i]->png.len);
	if (overlay_apply(overlay, message, &patched, &cleared) < 0)
		abort(); /* memory suffices for a screen as small as this */
	check_area(&patched);
	if (message->n_patches > 0 && patched.width == 0 && overlay_faults(overlay) == faults)
		abort(); /* omitted patches are counted */
	check_overlay(overlay);
}

/* ---- input ---- */

static void take_message(struct overlay *overlay, const uint8_t *data, size_t size)
{
	Uxrec__ScreenPatches *message = uxrec__screen_patches__unpack(NULL, size, data);

	if (message)
		take(overlay, message);
	uxrec__screen_patches__free_unpacked(message, NULL);
}

static void take_file(struct overlay *overlay, const uint8_t *data, size_t size, size_t times)
{
	Uxrec__ScreenPatches message = UXREC__SCREEN_PATCHES__INIT;
	Uxrec__ScreenPatch patch = UXREC__SCREEN_PATCH__INIT;
	Uxrec__ScreenPatch *patches[AGAIN];

	if (size < 2)
		return;
	patch.x_px = data[0];
	patch.y_px = data[1];
	patch.png.len = size - 2;
	patch.png.data = malloc(size - 2);
	if (!patch.png.data && size > 2)
		return;
	memcpy(patch.png.data, data + 2, size - 2);
	for (size_t i = 0; i < times; i++)
		patches[i] = &patch;
	message.n_patches = times;
	message.patches = patches;
	take(overlay, &message);
	free(patch.png.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_destroy_(overlay) struct overlay *overlay = NULL;

	if (size < 1 || overlay_create(&overlay, WIDTH, HEIGHT) < 0)
		return 0;
	if (*data == 'M')
		take_message(overlay, data + 1, size - 1);
	else if (*data == 'P' || *data == 'N')
		take_file(overlay, data + 1, size - 1, *data == 'P' ? 1 : AGAIN);
	overlay_empty(overlay);
	check_overlay(overlay);
	return 0;
}

/* ---- seeds ---- */

static void write_seed(const char *folder, const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		abort();
}

/* A picture of each PNG format. @return the file, which the caller frees, or NULL for an invalid combination */
static uint8_t *encode(int type, int depth, bool interlaced, bool said_more, size_t *ret_size)
{
	struct spng_ihdr header = {19, 13, (uint8_t)depth, (uint8_t)type, 0, 0, interlaced};
	struct spng_plte palette = {.n_entries = depth <= 8 ? 1u << depth : 0};
	struct spng_trns clear = {.n_type3_entries = 2};
	struct spng_text text = {.text = (char *)"said", .length = 4, .type = SPNG_ZTXT};
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	uint8_t pixels[19 * 13 * 8], *file = NULL;
	int r;

	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * i >> 3);
	for (uint32_t i = 0; i < palette.n_entries; i++)
		palette.entries[i] = (struct spng_plte_entry){(uint8_t)i, (uint8_t)(i * 3), 9, 255};
	snprintf(text.keyword, sizeof(text.keyword), "Comment");
	if (!png)
		abort();
	spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
	r = spng_set_ihdr(png, &header);
	if (r == 0 && type == SPNG_COLOR_TYPE_INDEXED)
		r = spng_set_plte(png, &palette);
	if (r == 0 && said_more && (type & 4) == 0)
		r = spng_set_trns(png, &clear);
	if (r == 0 && said_more)
		r = spng_set_text(png, &text, 1) || spng_set_gama(png, 0.45);
	if (r == 0) {
		const int samples = type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
		const size_t row = ((size_t)(samples * depth) * 19 + 7) / 8;

		r = spng_encode_image(png, pixels, row * 13, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
	}
	if (r == 0)
		file = spng_get_png_buffer(png, ret_size, &r);
	spng_ctx_free(png);
	return file;
}

static void write_message(const char *folder, uint8_t *file, size_t size)
{
	Uxrec__ScreenPatches message = UXREC__SCREEN_PATCHES__INIT;
	Uxrec__ScreenPatch a = UXREC__SCREEN_PATCH__INIT, b = UXREC__SCREEN_PATCH__INIT;
	uint32_t cleared[] = {0, 0, 8, 8, 30, 20, 4000000000, 4000000000, 5, 5, 5};
	uint8_t bytes[4096] = {'M'};

	a.x_px = 3;
	a.png = b.png = (ProtobufCBinaryData){size, file};
	b.x_px = WIDTH - 19;
	b.y_px = HEIGHT - 13;
	message.n_cleared_px = sizeof(cleared) / sizeof(*cleared);
	message.cleared_px = cleared;
	message.n_patches = 2;
	message.patches = (Uxrec__ScreenPatch *[]){&a, &b};
	if (1 + uxrec__screen_patches__get_packed_size(&message) > sizeof(bytes))
		abort();
	write_seed(folder, "message", bytes, 1 + uxrec__screen_patches__pack(&message, bytes + 1));
}

static void write_seeds(const char *folder)
{
	for (int kind = 0; kind < 7 * 5 * 4; kind++) {
		const int type = kind / 20, depth = 1 << kind / 4 % 5;
		/* most are taken once, for speed */
		uint8_t bytes[4096] = {kind < 1 ? 'N' : 'P', 2, 1};
		_destroy_(overlay) struct overlay *overlay = NULL;
		char name[40];
		size_t size;
		uint8_t *file = encode(type, depth, kind & 1, kind & 2, &size);

		if (!file)
			continue;
		if (size > sizeof(bytes) - 3)
			abort();
		memcpy(bytes + 3, file, size);
		if (overlay_create(&overlay, WIDTH, HEIGHT) < 0)
			abort();
		take_file(overlay, bytes + 1, 2 + size, 1);
		if (overlay_faults(overlay) > 0)
			abort(); /* seeds must be valid */
		snprintf(name, sizeof(name), "kind-%d", kind);
		write_seed(folder, name, bytes, 3 + size);
		if (type == SPNG_COLOR_TYPE_INDEXED && depth == 2)
			write_message(folder, file, size);
		free(file);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (*argc != 3 || strcmp((*argv)[1], "--seeds") != 0)
		return 0;
	write_seeds((*argv)[2]);
	exit(EXIT_SUCCESS);
}

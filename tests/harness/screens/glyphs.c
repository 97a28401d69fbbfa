#include "tests/harness/screens/glyphs.h"

#include "tests/harness/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void font_load(struct font *font, const char *name)
{
	char path[64];
	int rows = 0;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "tests/data/fonts/%s.pgm", name);
	file = fopen(path, "re");
	check(file != NULL);
	check(fscanf(file, "P5 #%*[^;]; advances") == 0);
	for (int i = 0; i < GLYPHS; i++)
		check(fscanf(file, "%d", &font->advance[i]) == 1);
	check(fscanf(file, "%d %d 255", &font->width, &rows) == 2 && fgetc(file) == '\n');
	check(font->width > 0 && font->width < 100 && rows > 0 && rows < 10000);
	font->height = rows / GLYPHS;
	size = (size_t)font->width * rows;
	font->alpha = malloc(size);
	check(font->alpha && fread(font->alpha, 1, size, file) == size);
	fclose(file);
}

void font_free(struct font *font)
{
	free(steal_ptr(font->alpha));
}

void image_create(struct image *image, int width, int height)
{
	*image = (struct image){width, height, calloc((size_t)width * height, 4)};
	check(image->pixels != NULL);
}

void image_free(struct image *image)
{
	free(steal_ptr(image->pixels));
}

void image_fill(struct image *image, int x, int y, int width, int height, uint32_t rgb)
{
	for (int row = y; row < y + height && row < image->height; row++)
		for (int column = x; column < x + width && column < image->width; column++)
			image->pixels[row * image->width + column] = rgb;
}

static uint32_t mix(uint32_t under, uint32_t over, uint32_t alpha)
{
	uint32_t mixed = 0;

	for (int shift = 0; shift < 24; shift += 8) {
		uint32_t a = under >> shift & 255, b = over >> shift & 255;

		mixed |= (a * (255 - alpha) + b * alpha + 127) / 255 << shift;
	}
	return mixed;
}

static void draw_glyph(
	struct image *image, const struct font *font, int x, int y, uint32_t rgb, int glyph)
{
	const uint8_t *alpha = font->alpha + (size_t)glyph * font->height * font->width;

	for (int row = 0; row < font->height && y + row < image->height; row++)
		for (int column = 0; column < font->width && x + column < image->width; column++) {
			uint32_t *pixel = &image->pixels[(y + row) * image->width + x + column];

			*pixel = mix(*pixel, rgb, alpha[row * font->width + column]);
		}
}

int image_text(
	struct image *image, const struct font *font, int x, int y, uint32_t rgb, const char *text)
{
	for (; *text; text++) {
		int glyph = *text < ' ' || *text > '~' ? 0 : *text - ' ';

		draw_glyph(image, font, x, y, rgb, glyph);
		x += font->advance[glyph];
	}
	return x;
}

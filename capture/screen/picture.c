#include "capture/screen/picture.h"

#include <errno.h>
#include <libyuv.h>
#include <string.h>

const char *const chroma_names[] = {"420", "444", NULL};

bool chroma_parse(const char *name, enum chroma *ret)
{
	for (enum chroma chroma = 0; chroma < CHROMA_COUNT; chroma++) {
		if (strcmp(chroma_names[chroma], name) != 0)
			continue;
		*ret = chroma;
		return true;
	}
	return false;
}

/* both use the same matrix, so that one colour tag fits both */
static const struct {
	int shift; /* right shift from luma to chroma coordinates */
	int (*convert)(const uint8_t *from, int from_stride, uint8_t *y, int stride_y, uint8_t *u,
		int stride_u, uint8_t *v, int stride_v, int width, int height);
	int (*scale)(const uint8_t *from_y, int from_stride_y, const uint8_t *from_u,
		int from_stride_u, const uint8_t *from_v, int from_stride_v, int from_width,
		int from_height, uint8_t *y, int stride_y, uint8_t *u, int stride_u, uint8_t *v,
		int stride_v, int width, int height, enum FilterMode filter);
} chromas[CHROMA_COUNT] = {
	[CHROMA_420] = {1, ARGBToI420, I420Scale},
	[CHROMA_444] = {0, ARGBToI444, I444Scale},
};

int picture_create(struct picture **ret, int screen_width, int screen_height, enum chroma kind)
{
	int shift = chromas[kind].shift;
	_destroy_(picture) struct picture *picture = calloc(1, sizeof(*picture));
	size_t luma, chroma;

	if (!picture)
		return -ENOMEM;
	picture->width = (screen_width + 1) & ~1;
	picture->height = (screen_height + 1) & ~1;
	picture->chroma = kind;
	picture->stride_y = (picture->width + 63) & ~63;
	picture->stride_uv = picture->stride_y >> shift;
	luma = (size_t)picture->stride_y * (size_t)picture->height;
	chroma = luma >> 2 * shift;
	picture->size_bytes = luma + 2 * chroma;
	/* the encoder may read a vector past the end */
	if (posix_memalign((void **)&picture->memory, 64, picture->size_bytes + 64) != 0)
		return -ENOMEM;
	picture->y = picture->memory;
	picture->u = picture->y + luma;
	picture->v = picture->u + chroma;
	memset(picture->y, 16, luma);
	memset(picture->u, 128, 2 * chroma + 64);
	*ret = steal_ptr(picture);
	return 0;
}

void picture_destroy(struct picture *picture)
{
	if (!picture)
		return;
	free(picture->memory);
	free(picture);
}

/* Double an odd edge, so that the padding compresses to nothing. */
static void double_edges(uint8_t *plane, int stride, const struct rect *rect)
{
	uint8_t *at = plane + (ptrdiff_t)rect->y * stride + rect->x;

	if (rect->width & 1)
		for (int row = 0; row < rect->height; row++)
			at[(ptrdiff_t)row * stride + rect->width] =
				at[(ptrdiff_t)row * stride + rect->width - 1];
	if (rect->height & 1)
		memcpy(at + (ptrdiff_t)rect->height * stride,
			at + (ptrdiff_t)(rect->height - 1) * stride,
			(size_t)((rect->width + 1) & ~1));
}

void picture_put(
	struct picture *picture, const struct rect *rect, const uint8_t *pixels, int stride_bytes)
{
	int shift = chromas[picture->chroma].shift;
	ptrdiff_t y = (ptrdiff_t)rect->y * picture->stride_y + rect->x;
	ptrdiff_t uv = (ptrdiff_t)(rect->y >> shift) * picture->stride_uv + (rect->x >> shift);

	chromas[picture->chroma].convert(pixels, stride_bytes, picture->y + y, picture->stride_y,
		picture->u + uv, picture->stride_uv, picture->v + uv, picture->stride_uv,
		rect->width, rect->height);
	double_edges(picture->y, picture->stride_y, rect);
	if (shift == 0) {
		double_edges(picture->u, picture->stride_uv, rect);
		double_edges(picture->v, picture->stride_uv, rect);
	}
}

void picture_interleave(
	const struct picture *picture, uint8_t *y, int stride_y, uint8_t *uv, int stride_uv)
{
	I420ToNV12(picture->y, picture->stride_y, picture->u, picture->stride_uv, picture->v,
		picture->stride_uv, y, stride_y, uv, stride_uv, picture->width, picture->height);
}

/* libyuv names words from the most significant byte on */
static const struct pixel_layout pixel_layouts[] = {
	{32, 0xff0000, 0xff00, 0xff, NULL},
	{32, 0xff, 0xff00, 0xff0000, ABGRToARGB},
	{32, 0x3ff00000, 0xffc00, 0x3ff, AR30ToARGB},
	{32, 0x3ff, 0xffc00, 0x3ff00000, AB30ToARGB},
	{24, 0xff0000, 0xff00, 0xff, RGB24ToARGB},
	{16, 0xf800, 0x7e0, 0x1f, RGB565ToARGB},
	{16, 0x7c00, 0x3e0, 0x1f, ARGB1555ToARGB},
};

const struct pixel_layout *pixel_layout_find(int bits, uint32_t red, uint32_t green, uint32_t blue)
{
	for (size_t i = 0; i < ARRAY_SIZE(pixel_layouts); i++) {
		const struct pixel_layout *layout = &pixel_layouts[i];

		if (layout->bits == bits && layout->red == red && layout->green == green &&
			layout->blue == blue)
			return layout;
	}
	return NULL;
}

void pixel_layout_convert(const struct pixel_layout *layout, const uint8_t *from, int from_stride,
	uint8_t *to, int to_stride, int width, int height)
{
	layout->convert(from, from_stride, to, to_stride, width, height);
}

int picture_scale(struct picture **ret, const struct picture *picture, int width)
{
	_destroy_(picture) struct picture *small = NULL;
	int height = (int)((int64_t)picture->height * width / picture->width);
	int r = picture_create(&small, width, height > 0 ? height : 2, picture->chroma);

	if (r < 0)
		return r;
	r = chromas[picture->chroma].scale(picture->y, picture->stride_y, picture->u,
		picture->stride_uv, picture->v, picture->stride_uv, picture->width, picture->height,
		small->y, small->stride_y, small->u, small->stride_uv, small->v, small->stride_uv,
		small->width, small->height, kFilterBox);
	if (r != 0)
		return -EINVAL;
	*ret = steal_ptr(small);
	return 0;
}

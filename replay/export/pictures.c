#include "replay/export/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/os/io.h"
#include "replay/export/unfinished.h"

#include <errno.h>
#include <spng.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pictures {
	const struct export_pictures *options;
	const char *path; /* temporary path */
	int64_t begin_ns; /* start of the session */
	struct frames *frames;
	struct drawing *drawing;
	struct exported_pictures made;
};

static void pictures_finish(struct pictures *pictures)
{
	drawing_destroy(pictures->drawing);
	frames_destroy(pictures->frames);
}

/* ---- files ---- */

/* "00-01-30.500.png": sorts by time, and is valid on every file system. */
static void name_of(const struct pictures *pictures, int64_t at_ns, char name[40])
{
	int64_t ms = (at_ns - pictures->begin_ns) / NS_PER_MS;

	if (ms < 0)
		ms = 0;
	snprintf(name, 40, "%02lld-%02d-%02d.%03d.png", (long long)(ms / 3600000),
		(int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

static char *path_of(const struct pictures *pictures, int64_t at_ns)
{
	char name[40], *path;

	if (!pictures->options->folder)
		return strdup(pictures->path);
	name_of(pictures, at_ns, name);
	return asprintf(&path, "%s/%s", pictures->path, name) < 0 ? NULL : path;
}

static int write_whole(const char *path, const unsigned char *data, size_t size)
{
	_autoclose_ int fd = io_create(path);
	int r;

	if (fd < 0)
		return steal_fd(&fd);
	r = io_write_all(fd, data, size);
	if (r < 0)
		unlink(path);
	return r;
}

/* Convert B G R X with a stride to packed R G B. */
static uint8_t *to_rgb(const struct frame *frame, size_t *ret_size)
{
	size_t size = (size_t)frame->width * (size_t)frame->height * 3;
	uint8_t *rgb = malloc(size), *to = rgb;

	if (!rgb)
		return NULL;
	for (int row = 0; row < frame->height; row++) {
		const uint8_t *from = frame->pixels + (ptrdiff_t)row * frame->stride_bytes;

		for (int i = 0; i < frame->width; i++, from += 4, to += 3) {
			to[0] = from[2];
			to[1] = from[1];
			to[2] = from[0];
		}
	}
	*ret_size = size;
	return rgb;
}

/* @return 0 or a negative errno; the caller frees ret_data */
static int encode(spng_ctx *png, const struct frame *frame, void **ret_data, size_t *ret_size)
{
	struct spng_ihdr header = {.width = (uint32_t)frame->width,
		.height = (uint32_t)frame->height,
		.bit_depth = 8,
		.color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	size_t size = 0;
	_autofree_ uint8_t *rgb = to_rgb(frame, &size);
	int r;

	if (!rgb)
		return -ENOMEM;
	if (spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1) != 0 ||
		spng_set_option(png, SPNG_IMG_COMPRESSION_LEVEL, 3) != 0 ||
		spng_set_ihdr(png, &header) != 0 ||
		spng_encode_image(png, rgb, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) != 0)
		return -EIO;
	*ret_data = spng_get_png_buffer(png, ret_size, &r);
	return *ret_data ? 0 : -ENOMEM;
}

static int write_png(const char *path, const struct frame *frame)
{
	spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
	_autofree_ void *data = NULL;
	size_t size;
	int r = png ? encode(png, frame, &data, &size) : -ENOMEM;

	spng_ctx_free(png);
	return r < 0 ? r : write_whole(path, data, size);
}

/* ---- pictures ---- */

static void count_gap(struct pictures *pictures)
{
	const struct screen_gap *gap = frames_gap(pictures->frames);

	if (gap && pictures->made.in_gaps++ == 0)
		pictures->made.first_gap = screen_gap_describe(gap, pictures->begin_ns);
}

static int write_moment(struct pictures *pictures, int64_t at_ns)
{
	_autofree_ char *path = NULL;
	struct frame frame;
	int r = frames_seek(pictures->frames, at_ns, &frame);

	if (r == 0)
		count_gap(pictures);
	if (r <= 0)
		return r;
	r = drawing_draw(pictures->drawing, &frame, frame.width, frame.height, at_ns, &frame);
	if (r < 0)
		return r;
	path = path_of(pictures, at_ns);
	r = path ? write_png(path, &frame) : -ENOMEM;
	if (r == -EEXIST && pictures->options->folder)
		return 0; /* duplicate millisecond */
	if (r == 0)
		pictures->made.count++;
	return r;
}

static void remove_all(const struct pictures *pictures)
{
	const struct export_pictures *options = pictures->options;

	if (!options->folder) {
		unlink(pictures->path);
		return;
	}
	for (size_t i = 0; i < options->count; i++) {
		_autofree_ char *path = path_of(pictures, options->at_ns[i]);

		if (path)
			unlink(path);
	}
	rmdir(pictures->path);
}

static int write_all(struct pictures *pictures)
{
	const struct export_pictures *options = pictures->options;
	int r = options->folder && mkdir(pictures->path, 0700) < 0 ? -errno : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < options->count && r >= 0; i++) {
		r = write_moment(pictures, options->at_ns[i]);
		if (r >= 0 && options->cut && *options->cut)
			r = -EINTR;
		if (options->progress)
			options->progress(options->user, options->at_ns[i]);
	}
	return r >= 0 && pictures->made.count == 0 ? -ENODATA : r;
}

int session_export_pictures(const struct session *session, const char *path,
	const struct export_pictures *options, struct exported_pictures *ret, struct error *reterr)
{
	_cleanup_(pictures_finish) struct pictures pictures = {.options = options};
	_cleanup_(unfinished_free) struct unfinished made = {0};
	struct error why = {""};
	int64_t end_ns;
	int r;

	if (!session_reader_span(session->reader, &pictures.begin_ns, &end_ns))
		return error_set(reterr, -ENODATA, "the session is empty");
	r = unfinished_begin(&made, path);
	if (r < 0)
		return error_set(reterr, r, "%s: %s", path, export_reason(r, NULL));
	pictures.path = made.made;
	r = frames_create(&pictures.frames, session->reader, reterr);
	if (r == 0)
		r = drawing_create(&pictures.drawing, session, options->draw, reterr);
	if (r < 0)
		return r;
	r = write_all(&pictures);
	if (r >= 0)
		r = unfinished_keep(&made);
	if (r < 0)
		remove_all(&pictures);
	if (r == -ENODATA)
		return error_set(reterr, r, "the session has no pictures there%s%s",
			pictures.made.in_gaps ? ": " : "", pictures.made.first_gap.text);
	export_decoder_error(session, pictures.frames, r, &why);
	if (r < 0)
		return error_set(reterr, r, "%s: %s", path, export_reason(r, &why));
	*ret = pictures.made;
	ret->faults = frames_faults(pictures.frames);
	return 0;
}

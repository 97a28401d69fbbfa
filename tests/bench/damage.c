/*
 * Cost of a small change of a desktop of 1920x1080: as a whole picture, as patches over the video, as stripes with an
 * encoder each, coded only if changed, and by libx264 with a map of the unchanged macroblocks. Every change goes all
 * ways, each first in its turn, so that other load on the machine affects all equally. Patches are exact; the decoded
 * pictures of the other ways are compared with the screen.
 *
 *   damage [--changes N] [--stripes N] [--json]
 *
 * Stripes have no decoder here: they are separate streams, which no player shows as one.
 */

#include "capture/screen/encoder.h"
#include "capture/screen/patcher.h"
#include "protocol/base/clock.h"
#include "tests/harness/helpers.h"
#include "tests/harness/screens/editor.h"

#include <getopt.h>
#include <libavcodec/avcodec.h>
#include <math.h>
#include <spng.h>
#include <stdio.h>
#include <string.h>
#include <x264.h>

#define WIDTH   EDITOR_WIDTH
#define HEIGHT  EDITOR_HEIGHT
#define BLOCK   16 /* a macroblock's side */
#define COLUMNS ((WIDTH + BLOCK - 1) / BLOCK)
#define ROWS    ((HEIGHT + BLOCK - 1) / BLOCK)
#define MAX_FPS 30

#define STRIPES_LIMIT (HEIGHT / BLOCK)

static struct {
	int changes, stripes;
	bool json;
} wish = {.changes = 200, .stripes = 8};

static struct editor editor;
static struct canvas *canvas; /* owned by the editor */

/* ---- with the project's own code ---- */

static struct encoder *whole, *stripe[STRIPES_LIMIT];
static struct patcher *patcher;
static int64_t time_ns; /* one second on with every change: the patcher's budgets are full */
static bool keyframe;   /* wanted */

/* Output of a way for one change. */
struct made {
	int64_t bytes; /* -1: change not supported */
	const uint8_t *data;
	const Uxrec__ScreenPatches *patches;
};

static struct encoder *open_encoder(int height)
{
	struct encoder *encoder = NULL;
	struct error error;

	check(encoder_create(&encoder, WIDTH, height,
		      &(struct encoder_options){ENCODER_FALLBACK, MAX_FPS, CHROMA_420},
		      &error) == 0);
	return encoder;
}

static struct made encode(struct encoder *encoder, const struct picture *picture)
{
	struct encoded encoded = {0};

	check(encoder_encode(encoder, picture, time_ns, keyframe, &encoded) == 0);
	return (struct made){(int64_t)encoded.size_bytes, encoded.data, NULL};
}

static struct made make_whole(void *user)
{
	(void)user;
	return encode(whole, canvas->picture);
}

static struct made make_patches(void *user)
{
	struct made made = {-1, NULL, patcher_apply(patcher, &canvas->changed, time_ns)};

	(void)user;
	if (!made.patches) {
		patcher_clear(patcher, &canvas->changed, time_ns);
		return made;
	}
	made.bytes = (int64_t)uxrec__screen_patches__get_packed_size(made.patches);
	return made;
}

/* in whole macroblocks */
static int stripe_height(void)
{
	return (HEIGHT / wish.stripes + BLOCK - 1) / BLOCK * BLOCK;
}

static bool is_touched(int top, int bottom)
{
	for (int i = 0; i < canvas->changed.count; i++) {
		const struct rect *area = &canvas->changed.area[i];

		if (area->y < bottom && area->y + area->height > top)
			return true;
	}
	return false;
}

static struct made make_stripes(void *user)
{
	struct made made = {0};

	(void)user;
	for (int i = 0, top = 0; top < HEIGHT; i++, top += stripe_height()) {
		struct picture part = *canvas->picture;

		if (!is_touched(top, top + stripe_height()))
			continue;
		part.height = top + stripe_height() < HEIGHT ? stripe_height() : HEIGHT - top;
		part.memory = part.y += (ptrdiff_t)top * part.stride_y;
		part.u += (ptrdiff_t)(top / 2) * part.stride_uv;
		part.v += (ptrdiff_t)(top / 2) * part.stride_uv;
		if (!stripe[i])
			stripe[i] = open_encoder(part.height);
		made.bytes += encode(stripe[i], &part).bytes;
	}
	return made;
}

/* ---- with libx264 itself ---- */

struct direct {
	bool told;  /* with a map of the constant macroblocks */
	bool rated; /* by CRF: every picture is analysed before it is coded */
	x264_t *x264;
	uint8_t constant[COLUMNS * ROWS];
};

static struct direct plain, rated = {.rated = true}, told = {.told = true};

static void find_setting(const char *name, char *to, size_t size)
{
	const char *at = strstr(encoder_describe(whole), name);

	check(at != NULL);
	at += strlen(name);
	snprintf(to, size, "%.*s", (int)strcspn(at, ":"), at);
}

/* The settings that the project's encoder reports. */
static void set_up(x264_param_t *param, bool by_rate)
{
	char settings[320], preset[16], tune[16], *rest = settings, *value;

	find_setting("preset=", preset, sizeof(preset));
	find_setting("tune=", tune, sizeof(tune));
	check(x264_param_default_preset(param, preset, tune) == 0);
	snprintf(settings, sizeof(settings), "%s", strchr(encoder_describe(whole), ' ') + 1);
	while ((value = strsep(&rest, ":"))) {
		const char *key = strsep(&value, "=");

		if (by_rate && strcmp(key, "qp") == 0)
			key = "crf";
		if (strcmp(key, "preset") != 0 && strcmp(key, "tune") != 0 &&
			strcmp(key, "chroma") != 0)
			check(x264_param_parse(param, key, value) == 0);
	}
}

static void open_direct(struct direct *direct)
{
	x264_param_t param;

	set_up(&param, direct->rated);
	param.i_width = WIDTH;
	param.i_height = HEIGHT;
	param.i_csp = X264_CSP_I420;
	param.i_threads = 1;
	param.i_fps_num = MAX_FPS;
	param.i_fps_den = 1;
	param.i_timebase_num = 1;
	param.i_timebase_den = 1000000;
	param.i_log_level = X264_LOG_ERROR;
	/* SMPTE 170M in ITU-T H.264, tables E-3 to E-5 */
	param.vui.b_fullrange = 0;
	param.vui.i_colorprim = param.vui.i_transfer = param.vui.i_colmatrix = 6;
	param.analyse.b_mb_info = param.analyse.b_mb_info_update = direct->told;
	direct->x264 = x264_encoder_open(&param);
	check(direct->x264 != NULL);
}

static void note_constant(uint8_t *constant)
{
	memset(constant, X264_MBINFO_CONSTANT, COLUMNS * ROWS);
	for (int i = 0; i < canvas->changed.count; i++) {
		const struct rect *area = &canvas->changed.area[i];
		int left = area->x / BLOCK, right = (area->x + area->width - 1) / BLOCK;

		for (int row = area->y / BLOCK; row <= (area->y + area->height - 1) / BLOCK; row++)
			memset(constant + row * COLUMNS + left, 0, (size_t)(right - left + 1));
	}
}

static struct made make_direct(void *user)
{
	struct direct *direct = user;
	const struct picture *picture = canvas->picture;
	x264_picture_t in, out;
	x264_nal_t *nals;
	int count, size;

	x264_picture_init(&in);
	in.i_pts = time_ns / NS_PER_US;
	in.i_type = keyframe ? X264_TYPE_IDR : X264_TYPE_AUTO;
	in.img = (x264_image_t){X264_CSP_I420, 3,
		{picture->stride_y, picture->stride_uv, picture->stride_uv},
		{picture->y, picture->u, picture->v}};
	if (direct->told) {
		note_constant(direct->constant);
		in.prop.mb_info = direct->constant;
	}
	size = x264_encoder_encode(direct->x264, &nals, &count, &in, &out);
	check(size > 0);
	return (struct made){size, nals[0].p_payload, NULL};
}

/* ---- decoding ---- */

struct player {
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *frame;
};

static void open_player(struct player *player)
{
	player->codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	player->packet = av_packet_alloc();
	player->frame = av_frame_alloc();
	check(player->codec && player->packet && player->frame);
	player->codec->thread_count = 1;
	player->codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
	check(avcodec_open2(player->codec, NULL, NULL) == 0);
}

static void play(struct player *player, const struct made *made)
{
	check(av_new_packet(player->packet, (int)made->bytes) == 0);
	memcpy(player->packet->data, made->data, (size_t)made->bytes);
	check(avcodec_send_packet(player->codec, player->packet) == 0);
	check(avcodec_receive_frame(player->codec, player->frame) == 0);
	av_packet_unref(player->packet);
}

/* @return the sum of squared luma errors in an area */
static double off_in(const AVFrame *frame, const struct rect *area)
{
	const struct picture *picture = canvas->picture;
	int64_t sum = 0;

	for (int y = area->y; y < area->y + area->height; y++)
		for (int x = area->x; x < area->x + area->width; x++) {
			int off = frame->data[0][y * frame->linesize[0] + x] -
				picture->y[y * picture->stride_y + x];

			sum += off * off;
		}
	return (double)sum;
}

static double psnr(double squares, double pixels)
{
	return squares > 0 ? 10 * log10(255 * 255 * pixels / squares) : INFINITY;
}

/* Patches are exact, by another library's decoder. */
static void check_patches(const Uxrec__ScreenPatches *patches)
{
	for (size_t i = 0; i < patches->n_patches; i++) {
		const Uxrec__ScreenPatch *patch = patches->patches[i];
		spng_ctx *context = spng_ctx_new(0);
		_autofree_ uint8_t *shown = NULL;
		struct spng_ihdr header;
		size_t size;

		check(context &&
			spng_set_png_buffer(context, patch->png.data, patch->png.len) == 0);
		check(spng_get_ihdr(context, &header) == 0);
		check(spng_decoded_image_size(context, SPNG_FMT_RGB8, &size) == 0);
		shown = malloc(size);
		check(shown && spng_decode_image(context, shown, size, SPNG_FMT_RGB8, 0) == 0);
		spng_ctx_free(context);
		for (size_t at = 0; at < size / 3; at++) {
			uint32_t pixel =
				editor.screen.pixels[(patch->y_px + at / header.width) * WIDTH +
					patch->x_px + at % header.width];

			check(pixel ==
				((uint32_t)shown[3 * at] << 16 | (uint32_t)shown[3 * at + 1] << 8 |
					shown[3 * at + 2]));
		}
	}
}

/* ---- the ways ---- */

enum { WHOLE = 0, PLAIN = 3, WAYS = 6 };

static struct way {
	const char *name, *sentence;
	struct made (*make)(void *user);
	void *user;
	bool played;
	struct player player;
} ways[WAYS] = {
	{"whole", "a whole picture", make_whole, NULL, true, {0}},
	{"patches", "patches, exact", make_patches, NULL, false, {0}},
	{"stripes", "stripes", make_stripes, NULL, false, {0}},
	{"x264", "libx264 itself", make_direct, &plain, false, {0}},
	{"x264_crf", "  by CRF instead of QP", make_direct, &rated, true, {0}},
	{"x264_mb_info", "  told what is constant", make_direct, &told, true, {0}},
};

static struct figures {
	int64_t *cpu_ns, *took_ns; /* per change */
	int count;
	double bytes, squares, picture_psnr;
} figures[EDITOR_CHANGES][WAYS];

static struct sums {
	double pixels, blocks; /* changed pixels, and macroblocks that contain some */
	double coded;          /* macroblocks not skipped by libx264 */
	int same;              /* libx264 pictures that equal the encoder's byte by byte */
} sums[EDITOR_CHANGES];

static void make(struct way *way, struct figures *figure, struct made *ret)
{
	int64_t begun_ns = clock_now_ns(), cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);

	*ret = way->make(way->user);
	if (!figure || ret->bytes < 0)
		return;
	figure->cpu_ns[figure->count] = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
	figure->took_ns[figure->count++] = clock_now_ns() - begun_ns;
	figure->bytes += (double)ret->bytes;
}

static int count_changing(const uint8_t *constant)
{
	int count = 0;

	for (int i = 0; i < COLUMNS * ROWS; i++)
		count += !(constant[i] & X264_MBINFO_CONSTANT);
	return count;
}

static void judge(int kind, bool last, const struct made made[WAYS])
{
	static uint8_t constant[COLUMNS * ROWS];
	const struct rect all = {0, 0, WIDTH, HEIGHT};

	for (int w = 0; w < WAYS; w++) {
		struct figures *figure = &figures[kind][w];

		if (made[w].patches)
			check_patches(made[w].patches);
		if (!ways[w].played)
			continue;
		play(&ways[w].player, &made[w]);
		for (int i = 0; i < canvas->changed.count; i++)
			figure->squares += off_in(ways[w].player.frame, &canvas->changed.area[i]);
		if (last)
			figure->picture_psnr =
				psnr(off_in(ways[w].player.frame, &all), WIDTH * HEIGHT);
	}
	note_constant(constant);
	sums[kind].pixels += (double)areas_pixels(&canvas->changed);
	sums[kind].blocks += count_changing(constant);
	sums[kind].coded += count_changing(told.constant);
	sums[kind].same += made[PLAIN].bytes == made[WHOLE].bytes &&
		memcmp(made[PLAIN].data, made[WHOLE].data, (size_t)made[WHOLE].bytes) == 0;
}

static void measure(int kind, int number)
{
	struct made made[WAYS];

	editor_change(&editor, kind, number);
	time_ns += NS_PER_S;
	for (int i = 0; i < WAYS; i++) {
		int w = (number + i) % WAYS;

		make(&ways[w], &figures[kind][w], &made[w]);
	}
	judge(kind, number == wish.changes - 1, made);
}

/* ---- output ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double quantile_us(const int64_t *ns, int count, double share)
{
	return (double)ns[(int)((count - 1) * share)] / 1e3;
}

static void print_number(const char *name, double value)
{
	if (wish.json && isfinite(value))
		printf(", \"%s\": %.4f", name, value);
	else if (wish.json)
		printf(", \"%s\": null", name);
}

static void print_way(int kind, int w)
{
	struct figures *figure = &figures[kind][w], *first = &figures[kind][WHOLE];
	const int n = figure->count;
	double cpu = quantile_us(figure->cpu_ns, n, 0.5), bytes = figure->bytes / n;
	double cpu_share = cpu / quantile_us(first->cpu_ns, first->count, 0.5);
	double bytes_share = bytes / (first->bytes / first->count);
	double cpu_p99 = quantile_us(figure->cpu_ns, n, 0.99);
	double took = quantile_us(figure->took_ns, n, 0.5);
	double took_p99 = quantile_us(figure->took_ns, n, 0.99);
	double likeness = psnr(figure->squares, sums[kind].pixels);

	if (!wish.json) {
		printf("  %-24s %7.0f %7.0f %7.3f %9.0f %7.0f %9.0f %7.3f", ways[w].sentence, cpu,
			cpu_p99, cpu_share, took, took_p99, bytes, bytes_share);
		if (ways[w].played)
			printf(" %8.2f %8.2f", likeness, figure->picture_psnr);
		printf("\n");
		return;
	}
	printf(", \"%s\": {\"changes\": %d", ways[w].name, n);
	print_number("cpu_us_p50", cpu);
	print_number("cpu_us_p99", cpu_p99);
	print_number("cpu_ratio", cpu_share);
	print_number("took_us_p50", took);
	print_number("took_us_p99", took_p99);
	print_number("bytes", bytes);
	print_number("bytes_ratio", bytes_share);
	if (ways[w].played) {
		print_number("psnr_of_change_db", likeness);
		print_number("psnr_of_picture_db", figure->picture_psnr);
	}
	printf("}");
}

static void print_kind(int kind)
{
	const struct sums *sum = &sums[kind];

	if (wish.json)
		printf("%s\"%s\": {\"pixels\": %.0f, \"macroblocks\": %.1f, \"coded_by_mb_info\": "
		       "%.1f, \"same_bytes\": %d",
			kind ? ", " : "{", editor_changes[kind].name, sum->pixels / wish.changes,
			sum->blocks / wish.changes, sum->coded / wish.changes, sum->same);
	else
		printf("\n%s: %.0f pixels in %.1f of %d macroblocks; told, libx264 codes %.1f\n"
		       "  %-24s %7s %7s %7s %9s %7s %9s %7s %8s %8s\n",
			editor_changes[kind].sentence, sum->pixels / wish.changes,
			sum->blocks / wish.changes, COLUMNS * ROWS, sum->coded / wish.changes, "",
			"CPU us", "p99", "ratio", "took us", "p99", "bytes", "ratio", "PSNR dB",
			"picture");
	for (int w = 0; w < WAYS; w++) {
		struct figures *figure = &figures[kind][w];

		qsort(figure->cpu_ns, (size_t)figure->count, sizeof(int64_t), by_size);
		qsort(figure->took_ns, (size_t)figure->count, sizeof(int64_t), by_size);
		if (figure->count > 0)
			print_way(kind, w);
		else if (!wish.json)
			printf("  %-24s left to the video\n", ways[w].sentence);
	}
	if (wish.json)
		printf("}");
	else if (sum->same < wish.changes)
		printf("  libx264 itself made other bytes than the encoder of %d changes\n",
			wish.changes - sum->same);
}

/* ---- the run ---- */

static void open_all(void)
{
	editor_create(&editor, 1);
	canvas = editor.canvas;
	whole = open_encoder(HEIGHT);
	check(patcher_create(&patcher, canvas) == 0);
	for (int w = 0; w < WAYS; w++) {
		if (ways[w].user)
			open_direct(ways[w].user);
		if (ways[w].played)
			open_player(&ways[w].player);
		for (int kind = 0; kind < EDITOR_CHANGES; kind++) {
			struct figures *figure = &figures[kind][w];

			figure->cpu_ns = calloc((size_t)wish.changes, sizeof(int64_t));
			figure->took_ns = calloc((size_t)wish.changes, sizeof(int64_t));
			check(figure->cpu_ns && figure->took_ns);
		}
	}
}

/* Up to a second keyframe: x264 gives the first one fewer bits. */
static void begin(void)
{
	struct made made;

	for (int i = 0; i < 4; i++) {
		keyframe = i % 3 == 0;
		time_ns += NS_PER_S;
		for (int w = 0; w < WAYS; w++) {
			make(&ways[w], NULL, &made);
			if (ways[w].played)
				play(&ways[w].player, &made);
		}
	}
	keyframe = false;
}

static void close_all(void)
{
	for (int w = 0; w < WAYS; w++) {
		struct direct *direct = ways[w].user;

		if (direct)
			x264_encoder_close(direct->x264);
		avcodec_free_context(&ways[w].player.codec);
		av_packet_free(&ways[w].player.packet);
		av_frame_free(&ways[w].player.frame);
		for (int kind = 0; kind < EDITOR_CHANGES; kind++) {
			free(figures[kind][w].cpu_ns);
			free(figures[kind][w].took_ns);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(stripe); i++)
		encoder_destroy(stripe[i]);
	encoder_destroy(whole);
	patcher_destroy(patcher);
	editor_destroy(&editor);
}

static void run(void)
{
	open_all();
	begin();
	if (!wish.json)
		printf("%d changes of each kind; the calling thread's CPU and the time of the call, "
		       "medians and p99;\nbytes on average; luma of what has changed, and of the "
		       "picture after the last change\n",
			wish.changes);
	for (int kind = 0; kind < EDITOR_CHANGES; kind++) {
		for (int number = 0; number < wish.changes; number++)
			measure(kind, number);
		print_kind(kind);
	}
	printf(wish.json ? "}\n" : "\n");
	close_all();
}

static const struct test tests[] = {{"small changes are coded in all ways", run}};

int main(int argc, char **argv)
{
	static const struct option options[] = {{"changes", required_argument, NULL, 'c'},
		{"stripes", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c': wish.changes = atoi(optarg); break;
		case 's': wish.stripes = atoi(optarg); break;
		case 'j': wish.json = true; break;
		default: return 2;
		}
	}
	if (wish.changes < 1 || wish.stripes < 1 || wish.stripes > STRIPES_LIMIT || optind < argc) {
		fprintf(stderr, "error: --changes is 1 or more, --stripes 1 to %d\n",
			STRIPES_LIMIT);
		return 2;
	}
	return RUN_TESTS("bench-damage", tests);
}

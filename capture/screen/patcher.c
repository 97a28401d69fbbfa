#include "capture/screen/patcher.h"

#include "capture/screen/png.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <string.h>

#define TILE 64 /* pixels */

/* A larger change, in pixels or coded bytes, is cheaper as a picture of the video. */
#define PATCHED_PIXELS_LIMIT 65536
#define PATCHED_BYTES_LIMIT  (24 * 1024)

/*
 * A place changed by the video within this time is in motion and stays with the video; a letter's worth of pixels
 * is always patched.
 */
#define MOVING_NS     (500 * NS_PER_MS)
#define LETTER_PIXELS 1024

/*
 * A tile unchanged for REFINE_NS is at rest and laid in steps; between two steps the screen is checked for changes.
 */
#define REFINE_NS    (500 * NS_PER_MS)
#define REFINE_TILES 4 /* side by side, in one file */
#define REFINE_STEP  8 /* of REFINE_TILES */

/* A photograph is sharp enough in the video: above this density, in bytes per pixel, an area at rest is left to
 * it. Text with coloured edges takes 0.4, over gradients 0.9 to 1.3. */
#define REFINE_DENSITY 1.5
/* A file's overhead: chunks, a palette. At the edge of a screen a tile may be a few pixels. */
#define REFINE_FILE_BYTES 200

/* Limit of files kept from areas at rest, to be laid again after the next keyframe. */
#define KEPT_BYTES (4 * 1024 * 1024)

/* Byte budgets: burst, and bytes per second. */
#define PATCH_BUDGET  (96 * 1024)
#define PATCH_RATE    (48 * 1024)
#define REFINE_BUDGET (512 * 1024)
#define REFINE_RATE   (32 * 1024)

struct tile {
	int64_t changed_ns;
	bool patched;    /* covered by a patch, at least in part */
	bool exact;      /* covered completely */
	bool moved;      /* last change shown by the video */
	bool video_only; /* too dense for a patch, until it changes */
	bool stale;      /* patched since the last picture */
	bool known;      /* `sum` is valid: the checksum as last encoded */
	uint32_t sum;
	struct buf kept; /* the file laid from this tile on */
	int kept_count;  /* number of tiles in it */
	int64_t kept_ns; /* time of their contents */
};

/* token bucket */
struct budget {
	int64_t bytes, at_ns;
	int64_t burst, rate; /* bytes, bytes a second */
};

struct patcher {
	const struct canvas *canvas;
	struct png *png;
	int columns, rows;
	struct tile *tiles;
	int next; /* first tile to check for rest */
	struct budget patch_budget, refine_budget;
	size_t kept_bytes; /* of all tiles */

	struct buf files;
	Uxrec__ScreenPatches message;
	Uxrec__ScreenPatch patch[CANVAS_AREAS];
	Uxrec__ScreenPatch *patches[CANVAS_AREAS];
	size_t offset[CANVAS_AREAS]; /* of each file */
	uint32_t *cleared;           /* room for all tiles */
};

int patcher_create(struct patcher **ret, const struct canvas *canvas)
{
	_destroy_(patcher) struct patcher *patcher = calloc(1, sizeof(*patcher));
	size_t count;

	if (!patcher)
		return -ENOMEM;
	patcher->canvas = canvas;
	patcher->columns = (canvas->width + TILE - 1) / TILE;
	patcher->rows = (canvas->height + TILE - 1) / TILE;
	patcher->patch_budget =
		(struct budget){.bytes = PATCH_BUDGET, .burst = PATCH_BUDGET, .rate = PATCH_RATE};
	patcher->refine_budget = (struct budget){
		.bytes = REFINE_BUDGET, .burst = REFINE_BUDGET, .rate = REFINE_RATE};
	count = (size_t)patcher->columns * (size_t)patcher->rows;
	patcher->tiles = calloc(count, sizeof(*patcher->tiles));
	patcher->cleared = calloc(count, 4 * sizeof(*patcher->cleared));
	if (!patcher->tiles || !patcher->cleared || png_create(&patcher->png) < 0)
		return -ENOMEM;
	*ret = steal_ptr(patcher);
	return 0;
}

void patcher_destroy(struct patcher *patcher)
{
	if (!patcher)
		return;
	png_destroy(patcher->png);
	buf_finish(&patcher->files);
	for (int i = 0; patcher->tiles && i < patcher->columns * patcher->rows; i++)
		buf_finish(&patcher->tiles[i].kept);
	free(patcher->tiles);
	free(patcher->cleared);
	free(patcher);
}

/* ---- budgets ---- */

static int64_t budget_at(struct budget *budget, int64_t now_ns)
{
	int64_t gained = (now_ns - budget->at_ns) / NS_PER_MS * budget->rate / 1000;

	if (gained > budget->burst || budget->at_ns == 0)
		gained = budget->burst;
	if (gained > 0) {
		budget->bytes += gained;
		budget->at_ns = now_ns;
	}
	if (budget->bytes > budget->burst)
		budget->bytes = budget->burst;
	return budget->bytes;
}

/* ---- tiles ---- */

/* range of tiles, end exclusive */
struct range {
	int left, top, right, bottom;
};

static struct range tiles_of(const struct rect *area)
{
	return (struct range){area->x / TILE, area->y / TILE,
		(area->x + area->width + TILE - 1) / TILE,
		(area->y + area->height + TILE - 1) / TILE};
}

static struct tile *tile_at(struct patcher *patcher, int column, int row)
{
	return &patcher->tiles[row * patcher->columns + column];
}

static struct rect rect_of(const struct patcher *patcher, int column, int row, int count)
{
	struct rect rect = {column * TILE, row * TILE, count * TILE, TILE};

	if (rect.x + rect.width > patcher->canvas->width)
		rect.width = patcher->canvas->width - rect.x;
	if (rect.y + rect.height > patcher->canvas->height)
		rect.height = patcher->canvas->height - rect.y;
	return rect;
}

static void each_tile(struct patcher *patcher, const struct areas *areas,
	void (*visit)(struct patcher *patcher, struct tile *tile, void *user), void *user)
{
	for (int i = 0; i < areas->count; i++) {
		struct range range = tiles_of(&areas->area[i]);

		for (int row = range.top; row < range.bottom; row++)
			for (int column = range.left; column < range.right; column++)
				visit(patcher, tile_at(patcher, column, row), user);
	}
}

/* ---- the message ---- */

static void begin_message(struct patcher *patcher)
{
	uxrec__screen_patches__init(&patcher->message);
	patcher->message.patches = patcher->patches;
	patcher->message.cleared_px = patcher->cleared;
	buf_clear(&patcher->files);
}

/* Add the last written file, of `size` bytes, as the area's patch. */
static void append_patch(struct patcher *patcher, const struct rect *area, size_t size)
{
	size_t at = patcher->message.n_patches, offset = patcher->files.size_bytes - size;

	uxrec__screen_patch__init(&patcher->patch[at]);
	patcher->patch[at].x_px = (uint32_t)area->x;
	patcher->patch[at].y_px = (uint32_t)area->y;
	patcher->patch[at].png.len = size;
	patcher->patches[at] = &patcher->patch[at];
	patcher->offset[at] = offset;
	patcher->message.n_patches++;
}

/* @return the size of the area's file, or 0 when out of memory */
static size_t add_patch(struct patcher *patcher, const struct rect *area)
{
	const struct canvas *canvas = patcher->canvas;
	size_t size = png_put(patcher->png, &patcher->files,
		canvas->pixels + (ptrdiff_t)area->y * canvas->stride + 4 * (ptrdiff_t)area->x,
		canvas->stride, area->width, area->height);

	if (size > 0)
		append_patch(patcher, area, size);
	return size;
}

static void remove_patch(struct patcher *patcher)
{
	buf_cut(&patcher->files, patcher->offset[--patcher->message.n_patches]);
}

/* @return the message, or NULL when empty */
static const Uxrec__ScreenPatches *end_message(struct patcher *patcher)
{
	/* the buffer no longer moves */
	for (size_t i = 0; i < patcher->message.n_patches; i++)
		patcher->patch[i].png.data = patcher->files.data + patcher->offset[i];
	return patcher->message.n_patches || patcher->message.n_cleared_px ||
			patcher->message.unchanged
		? &patcher->message
		: NULL;
}

/* ---- changes ---- */

struct motion_check {
	int64_t now_ns;
	bool moving;
};

static void check_motion(struct patcher *patcher, struct tile *tile, void *user)
{
	struct motion_check *check = user;

	(void)patcher;
	check->moving |= tile->moved && check->now_ns - tile->changed_ns < MOVING_NS;
}

static bool is_small(struct patcher *patcher, const struct areas *changed, int64_t now_ns)
{
	int64_t pixels = areas_pixels(changed);
	struct motion_check check = {.now_ns = now_ns};

	if (pixels > PATCHED_PIXELS_LIMIT || budget_at(&patcher->patch_budget, now_ns) <= 0)
		return false;
	if (pixels > LETTER_PIXELS)
		each_tile(patcher, changed, check_motion, &check);
	return !check.moving;
}

static void mark_patched(struct patcher *patcher, struct tile *tile, void *user)
{
	(void)patcher;
	tile->changed_ns = *(int64_t *)user;
	tile->patched = tile->stale = true;
	tile->moved = tile->video_only = false;
}

const Uxrec__ScreenPatches *patcher_apply(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns)
{
	if (!is_small(patcher, changed, now_ns))
		return NULL;
	begin_message(patcher);
	for (int i = 0; i < changed->count; i++)
		if (add_patch(patcher, &changed->area[i]) == 0 ||
			patcher->files.size_bytes > PATCHED_BYTES_LIMIT)
			return NULL;
	patcher->patch_budget.bytes -= (int64_t)patcher->files.size_bytes;
	each_tile(patcher, changed, mark_patched, &now_ns);
	return end_message(patcher);
}

static void clear(struct patcher *patcher, struct tile *tile, void *user)
{
	int number = (int)(tile - patcher->tiles);
	struct rect rect =
		rect_of(patcher, number % patcher->columns, number / patcher->columns, 1);
	uint32_t *to = patcher->cleared + patcher->message.n_cleared_px;

	tile->changed_ns = *(int64_t *)user;
	tile->moved = true;
	tile->exact = tile->video_only = tile->known = false;
	if (!tile->patched)
		return;
	tile->patched = false;
	to[0] = (uint32_t)rect.x;
	to[1] = (uint32_t)rect.y;
	to[2] = (uint32_t)rect.width;
	to[3] = (uint32_t)rect.height;
	patcher->message.n_cleared_px += 4;
}

const Uxrec__ScreenPatches *patcher_clear(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns)
{
	begin_message(patcher);
	patcher->message.unchanged = changed->count == 0;
	each_tile(patcher, changed, clear, &now_ns);
	return end_message(patcher);
}

/* A checksum collision is rare, and leaves the old content in the video until its next picture. */
static uint32_t sum_of(const struct patcher *patcher, const struct tile *tile)
{
	const struct canvas *canvas = patcher->canvas;
	int number = (int)(tile - patcher->tiles);
	struct rect rect =
		rect_of(patcher, number % patcher->columns, number / patcher->columns, 1);
	uint32_t sum = 0;

	for (int y = rect.y; y < rect.y + rect.height; y++)
		sum = png_crc32(sum,
			canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)rect.x,
			(size_t)rect.width * 4);
	return sum;
}

bool patcher_is_stale(struct patcher *patcher)
{
	bool any_stale = false;

	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		struct tile *tile = &patcher->tiles[i];

		if (tile->stale)
			tile->stale = !tile->known || sum_of(patcher, tile) != tile->sum;
		any_stale |= tile->stale;
	}
	return any_stale;
}

void patcher_refreshed(struct patcher *patcher)
{
	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		struct tile *tile = &patcher->tiles[i];

		if (!tile->stale)
			continue;
		tile->stale = false;
		tile->known = true;
		tile->sum = sum_of(patcher, tile);
	}
}

/* ---- areas at rest ---- */

static bool needs_refinement(const struct tile *tile, int64_t now_ns)
{
	return !tile->exact && !tile->video_only && now_ns - tile->changed_ns >= REFINE_NS;
}

/* @return the number of tiles side by side to lay from this one on */
static int refinable_run(struct patcher *patcher, int column, int row, int64_t now_ns)
{
	int count = 0;

	while (count < REFINE_TILES && column + count < patcher->columns &&
		needs_refinement(tile_at(patcher, column + count, row), now_ns))
		count++;
	return count;
}

static void forget(struct patcher *patcher, struct tile *tile)
{
	patcher->kept_bytes -= tile->kept.size_bytes;
	buf_finish(&tile->kept);
	tile->kept_count = 0;
}

/* Keep the last written file for its tiles. */
static void keep(struct patcher *patcher, struct tile *tile, int count, size_t size, int64_t now_ns)
{
	forget(patcher, tile);
	if (patcher->kept_bytes + size > KEPT_BYTES)
		return;
	buf_put(&tile->kept, patcher->files.data + patcher->files.size_bytes - size, size);
	if (buf_error(&tile->kept) < 0)
		return;
	patcher->kept_bytes += size;
	tile->kept_count = count;
	tile->kept_ns = now_ns;
}

/* @return true when the file kept from this tile on is up to date */
static bool is_current(const struct tile *tile)
{
	for (int i = 0; i < tile->kept_count; i++)
		if (tile[i].changed_ns >= tile->kept_ns)
			return false;
	return tile->kept_count > 0;
}

void patcher_reset(struct patcher *patcher)
{
	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		struct tile *tile = &patcher->tiles[i];

		tile->patched = tile->exact = false;
		if (!is_current(tile))
			forget(patcher, tile);
	}
	patcher->next = 0;
}

/* Lay the kept file of these tiles. @return false when missing, stale or out of memory */
static bool apply_kept(struct patcher *patcher, int column, int row, int count)
{
	const struct tile *tile = tile_at(patcher, column, row);
	struct rect rect = rect_of(patcher, column, row, count);

	if (tile->kept_count != count || !is_current(tile))
		return false;
	buf_put(&patcher->files, tile->kept.data, tile->kept.size_bytes);
	if (buf_error(&patcher->files) < 0)
		return false;
	append_patch(patcher, &rect, tile->kept.size_bytes);
	for (int i = 0; i < count; i++) {
		struct tile *shown = tile_at(patcher, column + i, row);

		shown->patched = shown->exact = true;
	}
	return true;
}

static void refine_run(struct patcher *patcher, int column, int row, int count, int64_t now_ns)
{
	struct rect rect = rect_of(patcher, column, row, count);
	size_t size = add_patch(patcher, &rect);
	/* out of memory: leave the area to the video as well */
	bool video_only = size == 0 ||
		(double)size > REFINE_DENSITY * rect.width * rect.height + REFINE_FILE_BYTES;

	if (video_only && size > 0)
		remove_patch(patcher);
	/* perhaps only one of them is a photograph */
	if (video_only && count > 1) {
		for (int i = 0; i < count; i++)
			refine_run(patcher, column + i, row, 1, now_ns);
		return;
	}
	if (!video_only)
		keep(patcher, tile_at(patcher, column, row), count, size, now_ns);
	for (int i = 0; i < count; i++) {
		struct tile *tile = tile_at(patcher, column + i, row);

		tile->video_only = video_only;
		tile->patched |= !video_only;
		tile->exact = !video_only;
	}
}

const Uxrec__ScreenPatches *patcher_refine(struct patcher *patcher, int64_t now_ns)
{
	int total = patcher->columns * patcher->rows;

	if (budget_at(&patcher->refine_budget, now_ns) <= 0)
		return NULL;
	begin_message(patcher);
	for (int looked = 0, runs = 0; looked < total && runs < REFINE_STEP;) {
		int column = patcher->next % patcher->columns,
		    row = patcher->next / patcher->columns;
		int count = refinable_run(patcher, column, row, now_ns);

		if (count > 0 && !apply_kept(patcher, column, row, count))
			refine_run(patcher, column, row, count, now_ns);
		runs += count > 0;
		looked += count ? count : 1;
		patcher->next = (patcher->next + (count ? count : 1)) % total;
	}
	patcher->refine_budget.bytes -= (int64_t)patcher->files.size_bytes;
	patcher->message.unchanged = patcher->message.n_patches > 0;
	return end_message(patcher);
}

int64_t patcher_refine_ns(struct patcher *patcher, int64_t now_ns)
{
	int64_t due_ns = INT64_MAX, bytes = budget_at(&patcher->refine_budget, now_ns);

	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		const struct tile *tile = &patcher->tiles[i];

		if (!tile->exact && !tile->video_only && tile->changed_ns + REFINE_NS < due_ns)
			due_ns = tile->changed_ns + REFINE_NS;
	}
	if (due_ns != INT64_MAX && bytes <= 0) {
		int64_t filled_ns =
			now_ns + (1 - bytes) * NS_PER_S / patcher->refine_budget.rate + NS_PER_MS;

		due_ns = due_ns > filled_ns ? due_ns : filled_ns;
	}
	return due_ns;
}

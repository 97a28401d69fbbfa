#include "capture/screen/patcher.h"

#include "capture/screen/png.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <string.h>

#define TILE 64 /* pixels */

/* A larger change, in pixels or coded bytes, is cheaper as a picture of the video. */
#define LAID_PIXELS_LIMIT 65536
#define LAID_BYTES_LIMIT  (24 * 1024)

/*
 * A place changed by the video within this time is in motion and stays with the video; a letter's worth of pixels
 * is always patched.
 */
#define MOVING_NS     (500 * NS_PER_MS)
#define LETTER_PIXELS 1024

/*
 * A tile unchanged for REST_NS is at rest and laid in steps; between two steps the screen is checked for changes.
 */
#define REST_NS    (500 * NS_PER_MS)
#define REST_TILES 4 /* side by side, in one file */
#define REST_STEP  8 /* of REST_TILES */

/* A photograph is sharp enough in the video: above this density, in bytes per pixel, an area at rest is left to
 * it. Text with coloured edges takes 0.4, over gradients 0.9 to 1.3. */
#define REST_DENSITY 1.5
/* A file's overhead: chunks, a palette. At the edge of a screen a tile may be a few pixels. */
#define REST_FILE_BYTES 200

/* Limit of files kept from areas at rest, to be laid again after the next keyframe. */
#define KEPT_BYTES (4 * 1024 * 1024)

/* Byte budgets: burst, and bytes per second. */
#define LAID_BUDGET (96 * 1024)
#define LAID_RATE   (48 * 1024)
#define REST_BUDGET (512 * 1024)
#define REST_RATE   (32 * 1024)

struct tile {
	int64_t changed_ns;
	bool laid;  /* covered by a patch, at least in part */
	bool exact; /* covered completely */
	bool moved; /* last change shown by the video */
	bool photo; /* too dense for a patch, until it changes */
	bool owed;  /* patched since the last picture */
	bool known; /* `sum` is valid: the checksum as last encoded */
	uint32_t sum;
	struct buf kept; /* the file laid from this tile on */
	int kept_count;  /* number of tiles in it */
	int64_t kept_ns; /* time of their contents */
};

/* token bucket */
struct budget {
	int64_t bytes, at_ns;
	int64_t most, rate; /* bytes, bytes a second */
};

struct patcher {
	const struct canvas *canvas;
	struct png *png;
	int columns, rows;
	struct tile *tiles;
	int next; /* first tile to check for rest */
	struct budget laying, resting;
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
	patcher->laying =
		(struct budget){.bytes = LAID_BUDGET, .most = LAID_BUDGET, .rate = LAID_RATE};
	patcher->resting =
		(struct budget){.bytes = REST_BUDGET, .most = REST_BUDGET, .rate = REST_RATE};
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

	if (gained > budget->most || budget->at_ns == 0)
		gained = budget->most;
	if (gained > 0) {
		budget->bytes += gained;
		budget->at_ns = now_ns;
	}
	if (budget->bytes > budget->most)
		budget->bytes = budget->most;
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
static void take_patch(struct patcher *patcher, const struct rect *area, size_t size)
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
		take_patch(patcher, area, size);
	return size;
}

static void take_back_patch(struct patcher *patcher)
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

struct look {
	int64_t now_ns;
	bool moving;
};

static void look_at(struct patcher *patcher, struct tile *tile, void *user)
{
	struct look *look = user;

	(void)patcher;
	look->moving |= tile->moved && look->now_ns - tile->changed_ns < MOVING_NS;
}

static bool is_little(struct patcher *patcher, const struct areas *changed, int64_t now_ns)
{
	int64_t pixels = areas_pixels(changed);
	struct look look = {.now_ns = now_ns};

	if (pixels > LAID_PIXELS_LIMIT || budget_at(&patcher->laying, now_ns) <= 0)
		return false;
	if (pixels > LETTER_PIXELS)
		each_tile(patcher, changed, look_at, &look);
	return !look.moving;
}

static void note_laid(struct patcher *patcher, struct tile *tile, void *user)
{
	(void)patcher;
	tile->changed_ns = *(int64_t *)user;
	tile->laid = tile->owed = true;
	tile->moved = tile->photo = false;
}

const Uxrec__ScreenPatches *patcher_lay(
	struct patcher *patcher, const struct areas *changed, int64_t now_ns)
{
	if (!is_little(patcher, changed, now_ns))
		return NULL;
	begin_message(patcher);
	for (int i = 0; i < changed->count; i++)
		if (add_patch(patcher, &changed->area[i]) == 0 ||
			patcher->files.size_bytes > LAID_BYTES_LIMIT)
			return NULL;
	patcher->laying.bytes -= (int64_t)patcher->files.size_bytes;
	each_tile(patcher, changed, note_laid, &now_ns);
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
	tile->exact = tile->photo = tile->known = false;
	if (!tile->laid)
		return;
	tile->laid = false;
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
		sum = png_sum(sum,
			canvas->pixels + (ptrdiff_t)y * canvas->stride + 4 * (ptrdiff_t)rect.x,
			(size_t)rect.width * 4);
	return sum;
}

bool patcher_owes(struct patcher *patcher)
{
	bool owes = false;

	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		struct tile *tile = &patcher->tiles[i];

		if (tile->owed)
			tile->owed = !tile->known || sum_of(patcher, tile) != tile->sum;
		owes |= tile->owed;
	}
	return owes;
}

void patcher_paid(struct patcher *patcher)
{
	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		struct tile *tile = &patcher->tiles[i];

		if (!tile->owed)
			continue;
		tile->owed = false;
		tile->known = true;
		tile->sum = sum_of(patcher, tile);
	}
}

/* ---- areas at rest ---- */

static bool is_wanted(const struct tile *tile, int64_t now_ns)
{
	return !tile->exact && !tile->photo && now_ns - tile->changed_ns >= REST_NS;
}

/* @return the number of tiles side by side to lay from this one on */
static int rest_run(struct patcher *patcher, int column, int row, int64_t now_ns)
{
	int count = 0;

	while (count < REST_TILES && column + count < patcher->columns &&
		is_wanted(tile_at(patcher, column + count, row), now_ns))
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
static bool is_true(const struct tile *tile)
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

		tile->laid = tile->exact = false;
		if (!is_true(tile))
			forget(patcher, tile);
	}
	patcher->next = 0;
}

/* Lay the kept file of these tiles. @return false when missing, stale or out of memory */
static bool lay_kept(struct patcher *patcher, int column, int row, int count)
{
	const struct tile *tile = tile_at(patcher, column, row);
	struct rect rect = rect_of(patcher, column, row, count);

	if (tile->kept_count != count || !is_true(tile))
		return false;
	buf_put(&patcher->files, tile->kept.data, tile->kept.size_bytes);
	if (buf_error(&patcher->files) < 0)
		return false;
	take_patch(patcher, &rect, tile->kept.size_bytes);
	for (int i = 0; i < count; i++) {
		struct tile *shown = tile_at(patcher, column + i, row);

		shown->laid = shown->exact = true;
	}
	return true;
}

static void lay_run(struct patcher *patcher, int column, int row, int count, int64_t now_ns)
{
	struct rect rect = rect_of(patcher, column, row, count);
	size_t size = add_patch(patcher, &rect);
	/* out of memory: leave the area to the video as well */
	bool photo = size == 0 ||
		(double)size > REST_DENSITY * rect.width * rect.height + REST_FILE_BYTES;

	if (photo && size > 0)
		take_back_patch(patcher);
	/* perhaps only one of them is a photograph */
	if (photo && count > 1) {
		for (int i = 0; i < count; i++)
			lay_run(patcher, column + i, row, 1, now_ns);
		return;
	}
	if (!photo)
		keep(patcher, tile_at(patcher, column, row), count, size, now_ns);
	for (int i = 0; i < count; i++) {
		struct tile *tile = tile_at(patcher, column + i, row);

		tile->photo = photo;
		tile->laid |= !photo;
		tile->exact = !photo;
	}
}

const Uxrec__ScreenPatches *patcher_rest(struct patcher *patcher, int64_t now_ns)
{
	int total = patcher->columns * patcher->rows;

	if (budget_at(&patcher->resting, now_ns) <= 0)
		return NULL;
	begin_message(patcher);
	for (int looked = 0, runs = 0; looked < total && runs < REST_STEP;) {
		int column = patcher->next % patcher->columns,
		    row = patcher->next / patcher->columns;
		int count = rest_run(patcher, column, row, now_ns);

		if (count > 0 && !lay_kept(patcher, column, row, count))
			lay_run(patcher, column, row, count, now_ns);
		runs += count > 0;
		looked += count ? count : 1;
		patcher->next = (patcher->next + (count ? count : 1)) % total;
	}
	patcher->resting.bytes -= (int64_t)patcher->files.size_bytes;
	patcher->message.unchanged = patcher->message.n_patches > 0;
	return end_message(patcher);
}

int64_t patcher_rest_ns(struct patcher *patcher, int64_t now_ns)
{
	int64_t due_ns = INT64_MAX, bytes = budget_at(&patcher->resting, now_ns);

	for (int i = 0; i < patcher->columns * patcher->rows; i++) {
		const struct tile *tile = &patcher->tiles[i];

		if (!tile->exact && !tile->photo && tile->changed_ns + REST_NS < due_ns)
			due_ns = tile->changed_ns + REST_NS;
	}
	if (due_ns != INT64_MAX && bytes <= 0) {
		int64_t filled_ns =
			now_ns + (1 - bytes) * NS_PER_S / patcher->resting.rate + NS_PER_MS;

		due_ns = due_ns > filled_ns ? due_ns : filled_ns;
	}
	return due_ns;
}

#include "capture/x11/mask.h"

#include "capture/screen/monitors.h"
#include "capture/x11/mask_internal.h"
#include "protocol/base/array.h"
#include "protocol/base/clock.h"

#include <errno.h>
#include <string.h>

/* Time for which a place stays hidden after a window has left it. */
#define LINGER_NS (500 * NS_PER_MS)

/* Retry interval while the focus cannot be found; no event reports its return. */
#define SEARCH_NS (50 * NS_PER_MS)

/*
 * A window showing less of itself has no room for a field: a program has put the focus there for its own purposes.
 */
#define FIELD_PX 8

/* ---- recently hidden areas ---- */

static struct rect bounding_box(const struct rect *a, const struct rect *b)
{
	int x = a->x < b->x ? a->x : b->x, y = a->y < b->y ? a->y : b->y;
	int right = a->x + a->width > b->x + b->width ? a->x + a->width : b->x + b->width;
	int bottom = a->y + a->height > b->y + b->height ? a->y + a->height : b->y + b->height;

	return (struct rect){x, y, right - x, bottom - y};
}

static void leave_trace(struct mask_x11 *mask, const struct rect *rect, int64_t until_ns)
{
	struct trace *trace = NULL;

	for (int i = 0; i < mask->trace_count && !trace; i++)
		if (memcmp(&mask->traces[i].rect, rect, sizeof(*rect)) == 0)
			trace = &mask->traces[i];
	if (!trace && mask->trace_count < TRACES) {
		trace = &mask->traces[mask->trace_count++];
		*trace = (struct trace){*rect, until_ns};
	}
	if (!trace) {
		/* more than a screen can show in that time: hide the bounding box */
		trace = &mask->traces[TRACES - 1];
		trace->rect = bounding_box(&trace->rect, rect);
	}
	if (trace->until_ns < until_ns)
		trace->until_ns = until_ns;
}

/* Note that a window is about to move, change or vanish. An unknown one may be in the copy in progress. */
static void leave(struct mask_x11 *mask, const struct top *top)
{
	if (!top->mapped || top->blank || !top->measured)
		return;
	if (!top->hidden && (top->known || !mask_x11_is_strict(mask)))
		return;
	mask->changed = true;
	leave_trace(mask, &top->rect, top->hidden ? clock_now_ns() + LINGER_NS : 0);
}

static void forget_traces(struct mask_x11 *mask, int64_t now_ns)
{
	int kept = 0;

	for (int i = 0; i < mask->trace_count; i++)
		if (mask->traces[i].until_ns > now_ns)
			mask->traces[kept++] = mask->traces[i];
	mask->trace_count = kept;
}

/* ---- window events ---- */

static struct top *find(struct mask_x11 *mask, xcb_window_t window)
{
	for (size_t i = 0; i < mask->count; i++)
		if (mask->tops[i].id == window)
			return &mask->tops[i];
	return NULL;
}

/* the window itself, or the one that contains it */
static struct top *find_around(struct mask_x11 *mask, xcb_window_t window)
{
	for (size_t i = 0; i < mask->count; i++)
		if (top_has(&mask->tops[i], window))
			return &mask->tops[i];
	return NULL;
}

static void invalidate(struct mask_x11 *mask, struct top *top)
{
	top->known = false;
	mask->changed |= top->mapped;
}

struct top *mask_x11_add(struct mask_x11 *mask, xcb_window_t window)
{
	struct top *top = find(mask, window);

	if (top)
		return top;
	if (!array_grow(mask->tops, mask->count)) {
		mask->out_of_memory = true; /* from now on everything is hidden */
		return NULL;
	}
	top = &mask->tops[mask->count++];
	*top = (struct top){.id = window};
	return top;
}

static void drop(struct mask_x11 *mask, xcb_window_t window)
{
	struct top *top = find(mask, window);

	if (!top)
		return;
	leave(mask, top);
	*top = mask->tops[--mask->count];
}

static void on_create(struct mask_x11 *mask, const xcb_create_notify_event_t *event)
{
	struct top *top;

	if (event->parent != mask->root)
		return;
	top = mask_x11_add(mask, event->window);
	if (top)
		top_place(
			top, event->x, event->y, event->width, event->height, event->border_width);
}

static void on_map(struct mask_x11 *mask, xcb_window_t window, bool mapped)
{
	struct top *top = find(mask, window);

	if (!top || top->mapped == mapped)
		return;
	if (!mapped)
		leave(mask, top);
	top->mapped = mapped;
	if (mapped)
		invalidate(mask, top);
}

static void on_configure(struct mask_x11 *mask, const xcb_configure_notify_event_t *event)
{
	struct top *top = find(mask, event->window), before;

	if (!top)
		return;
	before = *top;
	top_place(top, event->x, event->y, event->width, event->height, event->border_width);
	if (memcmp(&before.rect, &top->rect, sizeof(before.rect)) != 0)
		leave(mask, &before);
}

static void on_gravity(struct mask_x11 *mask, const xcb_gravity_notify_event_t *event)
{
	struct top *top = find(mask, event->window);

	if (!top)
		return;
	leave(mask, top);
	top->rect.x = event->x;
	top->rect.y = event->y;
}

/* Into, out of or between frames. */
static void on_reparent(struct mask_x11 *mask, const xcb_reparent_notify_event_t *event)
{
	struct top *around_it = find_around(mask, event->event);

	if (event->event != mask->root) {
		if (around_it)
			invalidate(mask, around_it);
		return;
	}
	if (event->parent != mask->root)
		drop(mask, event->window);
	else
		mask_x11_add(mask, event->window);
}

static void on_inside(struct mask_x11 *mask, xcb_window_t window)
{
	struct top *top = find_around(mask, window);

	if (top)
		invalidate(mask, top);
}

/* Handle events of the root's children and their descendants: an event of both arrives twice, which is harmless.
 * Synthetic events sent by clients are ignored as untrusted. */
void mask_x11_event(struct mask_x11 *mask, const xcb_generic_event_t *event)
{
	if (event->response_type & 0x80)
		return;
	/* any window may now occlude one of the recorder's own, or no longer */
	mask->changed |= mask->own.count > 0 || mask_x11_has_own(mask);
	switch (event->response_type & 0x7f) {
	case XCB_CREATE_NOTIFY: {
		const xcb_create_notify_event_t *create = (const void *)event;

		on_create(mask, create);
		if (create->parent != mask->root)
			on_inside(mask, create->parent);
		break;
	}
	case XCB_DESTROY_NOTIFY:
		drop(mask, ((const xcb_destroy_notify_event_t *)event)->window);
		break;
	case XCB_MAP_NOTIFY:
		on_map(mask, ((const xcb_map_notify_event_t *)event)->window, true);
		break;
	case XCB_UNMAP_NOTIFY:
		on_map(mask, ((const xcb_unmap_notify_event_t *)event)->window, false);
		break;
	case XCB_CONFIGURE_NOTIFY: on_configure(mask, (const void *)event); break;
	case XCB_GRAVITY_NOTIFY: on_gravity(mask, (const void *)event); break;
	case XCB_REPARENT_NOTIFY: on_reparent(mask, (const void *)event); break;
	case XCB_PROPERTY_NOTIFY: {
		const xcb_property_notify_event_t *property = (const void *)event;

		if (mask_x11_is_watched(mask, property->atom))
			on_inside(mask, property->window);
		break;
	}
	default: break;
	}
}

/* ---- hidden windows ---- */

/* A program's menu or tooltip, outside the window manager's control. */
static bool is_popup(const struct top *top)
{
	return top->override && !top->managed;
}

/* True for windows opened by a hidden window, or together with it. */
static bool is_related(const struct mask_x11 *mask, const struct top *top, const struct top *hidden)
{
	uint32_t programs = ~mask->id_mask;

	if (top == hidden || top->hidden)
		return false;
	if (top->transient_for && top_has(hidden, top->transient_for))
		return true;
	if (!is_popup(top) || !hidden->mapped)
		return false;
	return (top->client & programs) == (hidden->client & programs) ||
		(top->leader && top->leader == hidden->leader) ||
		(top->process && top->process == hidden->process);
}

static bool hide_related(struct mask_x11 *mask)
{
	bool more = false;

	for (size_t h = 0; h < mask->count; h++)
		for (size_t i = 0; i < mask->count && mask->tops[h].hidden; i++)
			if (is_related(mask, &mask->tops[i], &mask->tops[h]))
				mask->tops[i].hidden = more = true;
	return more;
}

static bool may_have_fields(const struct mask_x11 *mask, const struct top *top)
{
	struct rect shown = rect_intersection(&top->rect, &mask->screen);

	return top->mapped && top->measured && !top->blank && shown.width >= FIELD_PX &&
		shown.height >= FIELD_PX;
}

/* Hide everything: the focus is on no window that could be hidden, yet the field is somewhere. */
static void lose_focus(struct mask_x11 *mask)
{
	mask->focus = XCB_NONE;
	mask->focus_lost = true;
	leave_trace(mask, &mask->screen, clock_now_ns() + LINGER_NS);
}

/* Poll the focus; no event reports a change to another window. */
static int update_focus(struct mask_x11 *mask)
{
	int r = -EAGAIN;

	mask->focus = XCB_NONE;
	mask->focus_lost = false;
	if (!mask->rules->passwords || !*mask->focused)
		return 0;
	for (int tries = 0; tries < 3 && r == -EAGAIN; tries++)
		r = mask_x11_find_focus(mask, &mask->focus);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r < 0 || !mask->focus || !find(mask, mask->focus) ||
		!may_have_fields(mask, find(mask, mask->focus)))
		lose_focus(mask);
	return 0;
}

static void judge(struct mask_x11 *mask)
{
	for (size_t i = 0; i < mask->count; i++) {
		struct top *top = &mask->tops[i];

		top->was_hidden = top->hidden;
		top->hidden = top->matches || (mask->focus && top->id == mask->focus);
	}
	while (hide_related(mask))
		;
	for (size_t i = 0; i < mask->count; i++) {
		struct top *top = &mask->tops[i];
		bool hidden = top->hidden;

		mask->changed |= hidden != top->was_hidden;
		top->hidden = top->was_hidden;
		if (!hidden && top->was_hidden)
			leave(mask, top);
		top->hidden = hidden;
	}
}

/*
 * An empty frame shows its client's last picture until the frame is destroyed too, and whose
 * picture it is cannot be known.
 */
static int inspect(struct mask_x11 *mask, struct top *top)
{
	int r = mask_x11_inspect(mask, top);

	if (top->emptied && top->measured && mask_x11_is_strict(mask))
		leave_trace(mask, &top->rect, clock_now_ns() + LINGER_NS);
	return r;
}

/* A place lingers as hidden after part of an own window was visible there. */
static int update_own(struct mask_x11 *mask)
{
	const struct areas before = mask->own;
	int r;

	mask->own.count = 0;
	r = mask_x11_add_own(mask);
	if (before.count == mask->own.count &&
		memcmp(before.area, mask->own.area, (size_t)before.count * sizeof(*before.area)) ==
			0)
		return r;
	for (int i = 0; i < before.count; i++)
		leave_trace(mask, &before.area[i], mask->updated_ns + LINGER_NS);
	return r;
}

int mask_x11_update(struct mask_x11 *mask, const struct rect *screen)
{
	int r = 0;

	mask->screen = *screen;
	mask->updated_ns = clock_now_ns();
	/* unknown windows are queried before the next copy */
	forget_traces(mask, mask->updated_ns);
	mask->focused_seen = *mask->focused;
	for (size_t i = 0; i < mask->count && r == 0; i++)
		if (mask->tops[i].mapped && !mask->tops[i].known)
			r = inspect(mask, &mask->tops[i]);
	if (r == 0)
		r = update_focus(mask);
	judge(mask);
	return r < 0 ? r : update_own(mask);
}

static bool is_unsure(const struct mask_x11 *mask)
{
	for (size_t i = 0; i < mask->count; i++)
		if (mask->tops[i].mapped && !mask->tops[i].known)
			return true;
	return false;
}

int mask_x11_settle(struct mask_x11 *mask)
{
	int r;

	if (is_unsure(mask) && mask_x11_is_strict(mask))
		return 0;
	r = update_focus(mask);
	judge(mask);
	/* in the copy the windows may have the stacking before it or after it */
	if (r == 0)
		r = mask_x11_add_own(mask);
	return r < 0 ? r : 1;
}

static unsigned hidden_reason(const struct mask_x11 *mask, const struct top *top)
{
	struct rect shown = rect_intersection(&top->rect, &mask->screen);

	if (!top->hidden || !top->measured || shown.width <= 0 || shown.height <= 0)
		return 0;
	return mask->focus && top->id == mask->focus && !top->matches ? HIDDEN_PASSWORD
								      : HIDDEN_WINDOW;
}

void mask_x11_get_areas(struct mask_x11 *mask, struct areas *ret, unsigned *ret_reasons)
{
	unsigned reasons = (mask->focus_lost ? HIDDEN_PASSWORD : 0u) |
		(mask->own.count > 0 ? HIDDEN_OWN_PAGE : 0u);

	ret->count = 0;
	if ((mask->out_of_memory && mask_x11_is_strict(mask)) || mask->focus_lost)
		areas_add(ret, &mask->screen);
	for (size_t i = 0; i < mask->count; i++) {
		const struct top *top = &mask->tops[i];

		if (!top->mapped || top->blank ||
			!(top->hidden || (!top->known && mask_x11_is_strict(mask))))
			continue;
		areas_add(ret, top->measured ? &top->rect : &mask->screen);
		reasons |= hidden_reason(mask, top);
	}
	for (int i = 0; i < mask->trace_count; i++)
		areas_add(ret, &mask->traces[i].rect);
	for (int i = 0; i < mask->own.count; i++)
		areas_add(ret, &mask->own.area[i]);
	if (mask->rules->own)
		*mask->rules->own = mask->own.count > 0 ? HIDE_OWN_VISIBLE : HIDE_OWN_NONE;
	mask->changed = is_unsure(mask);
	*ret_reasons = reasons;
}

int64_t mask_x11_due_ns(const struct mask_x11 *mask)
{
	int64_t due_ns = mask->focus_lost ? mask->updated_ns + SEARCH_NS : INT64_MAX;

	if (mask->changed || (mask->rules->passwords && *mask->focused != mask->focused_seen))
		return 0;
	for (int i = 0; i < mask->trace_count; i++)
		if (mask->traces[i].until_ns < due_ns)
			due_ns = mask->traces[i].until_ns;
	return due_ns;
}

/* ---- lifecycle ---- */

int mask_x11_create(struct mask_x11 **ret, xcb_connection_t *connection, xcb_window_t root,
	const struct hide_rules *rules, const _Atomic bool *focused)
{
	_destroy_(mask_x11) struct mask_x11 *mask = calloc(1, sizeof(*mask));
	int r;

	if (!mask)
		return -ENOMEM;
	mask->connection = connection;
	mask->root = root;
	mask->rules = rules;
	mask->focused = focused;
	mask->id_mask = xcb_get_setup(connection)->resource_id_mask;
	mask->changed = true;
	mask->locale = unicode_locale();
	if (!mask->locale)
		return -errno;
	r = mask_x11_begin(mask);
	if (r < 0)
		return r;
	if (rules->own)
		*rules->own = HIDE_OWN_NONE;
	*ret = steal_ptr(mask);
	return 0;
}

void mask_x11_destroy(struct mask_x11 *mask)
{
	if (!mask)
		return;
	if (mask->locale)
		freelocale(mask->locale);
	free(mask->tops);
	free(mask);
}

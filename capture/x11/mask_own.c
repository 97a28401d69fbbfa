#include "capture/x11/mask_internal.h"

#include "capture/screen/monitors.h"
#include "protocol/base/cleanup.h"

#include <errno.h>
#include <string.h>

static struct top *find(struct mask_x11 *mask, xcb_window_t window)
{
	for (size_t i = 0; i < mask->count; i++)
		if (mask->tops[i].id == window)
			return &mask->tops[i];
	return NULL;
}

static bool is_shown(const struct top *top)
{
	return top->mapped && !top->blank && top->measured;
}

static bool is_related_to_own(const struct mask_x11 *mask, const struct top *top)
{
	for (size_t i = 0; i < mask->count && top->transient_for; i++)
		if (mask->tops[i].own && top_has(&mask->tops[i], top->transient_for))
			return true;
	return top->own;
}

/* A frame, or a window of a display without a window manager. */
static bool occludes(const struct top *top)
{
	return is_shown(top) && (top->managed || !top->override);
}

bool mask_x11_has_own(const struct mask_x11 *mask)
{
	for (size_t i = 0; i < mask->count; i++)
		if (mask->tops[i].own && is_shown(&mask->tops[i]))
			return true;
	return false;
}

int mask_x11_add_own(struct mask_x11 *mask)
{
	_autofree_ xcb_query_tree_reply_t *tree = NULL;
	const xcb_window_t *order; /* bottom to top */

	if (!mask_x11_has_own(mask))
		return 0;
	tree = xcb_query_tree_reply(
		mask->connection, xcb_query_tree(mask->connection, mask->root), NULL);
	if (!tree)
		return -EPIPE;
	order = xcb_query_tree_children(tree);
	for (int i = 0; i < tree->children_len; i++) {
		const struct top *top = find(mask, order[i]), *over;
		struct pieces pieces = {.count = 1};

		if (!top || !is_shown(top) || !is_related_to_own(mask, top))
			continue;
		pieces.piece[0] = rect_intersection(&top->rect, &mask->screen);
		for (int j = i + 1; j < tree->children_len; j++)
			if ((over = find(mask, order[j])) && occludes(over) &&
				!is_related_to_own(mask, over))
				/* on overflow the last pieces stay too large */
				pieces_subtract(&pieces, &over->rect);
		for (int p = 0; p < pieces.count; p++)
			areas_add(&mask->own, &pieces.piece[p]);
	}
	return 0;
}

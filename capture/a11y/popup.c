#include "capture/a11y/internal.h"

#include <errno.h>

/* Maximum distance of the popup above the focused object, and of the menu above an item. */
#define LEVELS      24
#define MENU_LEVELS 6

/* Items of a menu that are checked. */
#define LIST 64

/* Top margin of GTK 4's menus: in the window but not in the object. */
#define MARGIN_PX 8

/* An object may exceed its popup by the borders. */
#define BORDER_PX 2

/*
 * There are three kinds of popups:
 *
 *   an ancestor of the focused object is as large as the window. It lies at the window (GTK 3's
 *   context menus and combo boxes), or it reports another position, then the window's position
 *   counts (GTK 4's popovers)
 *   there is no such object, but the focused one was clicked: toolkits focus the item under the
 *   pointer (menus of GTK 3's menu bar)
 *   otherwise it is an item of a menu that contains the focused object, or was opened by it
 *   (Chromium's lists)
 */
struct a11y_popup {
	struct a11y_bus *bus;
	const struct a11y_click *click;
	void (*found)(void *user, const struct a11y_where *where);
	void *user;
	sd_bus_slot *slot, *parent_slot;
	struct a11y_object from, at, parent; /* parent: name "" when there is none */
	unsigned open;               /* pending calls: climbing makes both at once to save time */
	struct a11y_rectangle place; /* of at */
	unsigned levels;
	struct a11y_object item; /* "" or the first apparent hit */
	struct a11y_object list[LIST];
	size_t count;
	bool listed; /* the complete list of children, not the object at the point */
};

static int query_level(struct a11y_popup *popup);
static int on_role(sd_bus_message *message, void *user, sd_bus_error *error);
static void next_item(struct a11y_popup *popup);

bool a11y_popup_contains(
	const struct a11y_click *click, const struct a11y_rectangle *place, int nearly_px)
{
	const struct a11y_rectangle near = {place->left - nearly_px, place->top - nearly_px,
		place->width + 2 * nearly_px, place->height + 2 * nearly_px};

	return a11y_contains(&near, click->x, click->y) && place->left >= click->left - BORDER_PX &&
		place->top >= click->top - BORDER_PX &&
		place->left + place->width <= click->left + click->width + BORDER_PX &&
		place->top + place->height <= click->top + click->height + BORDER_PX;
}

static void drop(struct a11y_popup *popup)
{
	popup->slot = sd_bus_slot_unref(popup->slot);
	popup->parent_slot = sd_bus_slot_unref(popup->parent_slot);
	popup->open = 0;
}

static void finish(struct a11y_popup *popup, const struct a11y_object *object, bool whole)
{
	struct a11y_where where = {.coordinates = A11Y_COORDINATES_SCREEN, .whole = whole};

	drop(popup);
	if (object)
		where.object = *object;
	popup->found(popup->user, object ? &where : NULL);
}

static void query(struct a11y_popup *popup, enum a11y_method method, const struct a11y_object *of,
	sd_bus_message_handler_t answer)
{
	popup->slot = sd_bus_slot_unref(popup->slot);
	if (a11y_query(popup->bus, &popup->slot, method, of, INT64_MAX, answer, popup) < 0)
		finish(popup, NULL, false);
}

static void query_extents(struct a11y_popup *popup, const struct a11y_object *of,
	unsigned coordinates, sd_bus_message_handler_t answer)
{
	popup->slot = sd_bus_slot_unref(popup->slot);
	if (a11y_query(popup->bus, &popup->slot, METHOD_EXTENTS, of, INT64_MAX, answer, popup,
		    coordinates) < 0)
		finish(popup, NULL, false);
}

static int on_item_state(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;
	uint64_t states;
	bool good = !sd_bus_message_is_method_error(message, NULL) &&
		a11y_read_states(message, &states) && states >> A11Y_STATE_SHOWING & 1;

	(void)error;
	finish(popup, good ? &popup->at : NULL, false);
	return 0;
}

/* GTK 4, which does not know the positions of its popups, reports nothing in them as showing. */
static void finish_item(struct a11y_popup *popup, const struct a11y_object *item)
{
	popup->at = *item;
	query(popup, METHOD_STATE, &popup->at, on_item_state);
}

/* ---- by menu ---- */

static int on_menu_parent(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;

	(void)error;
	if (a11y_read_parent(message, &popup->at))
		query(popup, METHOD_ROLE, &popup->at, on_role);
	else
		finish(popup, NULL, false);
	return 0;
}

static int on_item_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;
	struct a11y_rectangle place;

	(void)error;
	if (a11y_read_rectangle(message, &place) && a11y_popup_contains(popup->click, &place, 0))
		finish_item(popup, &popup->list[popup->count]);
	else
		next_item(popup);
	return 0;
}

static int on_items(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;

	(void)error;
	popup->listed = true;
	popup->count = sd_bus_message_is_method_error(message, NULL)
		? 0
		: a11y_read_objects(message, popup->list, LIST);
	next_item(popup);
	return 0;
}

static void next_item(struct a11y_popup *popup)
{
	if (popup->count > 0)
		query_extents(popup, &popup->list[--popup->count], A11Y_COORDINATES_SCREEN,
			on_item_extents);
	else if (!popup->listed)
		query(popup, METHOD_CHILDREN, &popup->at, on_items);
	else if (popup->levels++ < MENU_LEVELS)
		query(popup, METHOD_PARENT, &popup->at, on_menu_parent);
	else
		finish(popup, NULL, false);
}

static int on_at_point(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;

	(void)error;
	popup->listed = false;
	popup->count = !sd_bus_message_is_method_error(message, NULL) &&
		a11y_read_object(message, &popup->list[0]);
	next_item(popup);
	return 0;
}

static int on_role(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;
	uint32_t role;

	(void)error;
	if (sd_bus_message_is_method_error(message, NULL) ||
		sd_bus_message_read(message, "u", &role) <= 0 || !a11y_role_is_of_menu(role)) {
		finish(popup, NULL, false);
		return 0;
	}
	popup->slot = sd_bus_slot_unref(popup->slot);
	if (a11y_query(popup->bus, &popup->slot, METHOD_AT_POINT, &popup->at, INT64_MAX,
		    on_at_point, popup, popup->click->x, popup->click->y,
		    A11Y_COORDINATES_SCREEN) < 0)
		finish(popup, NULL, false);
	return 0;
}

/* ---- by size ---- */

static void search_menu(struct a11y_popup *popup)
{
	drop(popup);
	if (*popup->item.name) {
		finish_item(popup, &popup->item);
		return;
	}
	popup->at = popup->from;
	popup->levels = 0;
	query(popup, METHOD_ROLE, &popup->at, on_role);
}

/* Equal extents in both coordinate systems: the toolkit does not know its position. */
static int on_window_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;
	const struct a11y_click *click = popup->click;
	struct a11y_rectangle place;
	struct a11y_where where;

	(void)error;
	if (!a11y_read_rectangle(message, &place) ||
		memcmp(&place, &popup->place, sizeof(place)) != 0) {
		search_menu(popup);
		return 0;
	}
	where = (struct a11y_where){
		.object = popup->at,
		.coordinates = A11Y_COORDINATES_WINDOW,
		.origin_x = click->left - place.left,
		.origin_y = click->top + click->height - place.height - place.top,
		.whole = true,
	};
	drop(popup);
	popup->found(popup->user, &where);
	return 0;
}

static bool is_as_large(const struct a11y_click *click, const struct a11y_rectangle *place)
{
	return place->width == click->width && place->height <= click->height &&
		place->height >= click->height - MARGIN_PX;
}

static bool is_larger(const struct a11y_click *click, const struct a11y_rectangle *place)
{
	return place->width > click->width + BORDER_PX && place->height > click->height + BORDER_PX;
}

/* Both replies are in. */
static void check_level(struct a11y_popup *popup)
{
	const struct a11y_click *click = popup->click;
	bool holds = a11y_popup_contains(click, &popup->place, 0);

	if (is_as_large(click, &popup->place)) {
		if (holds)
			finish(popup, &popup->at, true);
		else
			query_extents(
				popup, &popup->at, A11Y_COORDINATES_WINDOW, on_window_extents);
		return;
	}
	if (holds && !*popup->item.name)
		popup->item = popup->at;
	if (is_larger(click, &popup->place) || !*popup->parent.name || popup->levels++ >= LEVELS) {
		search_menu(popup);
		return;
	}
	popup->at = popup->parent;
	if (query_level(popup) < 0)
		finish(popup, NULL, false);
}

static int on_extents(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;

	(void)error;
	if (!a11y_read_rectangle(message, &popup->place))
		memset(&popup->place, 0, sizeof(popup->place));
	if (--popup->open == 0)
		check_level(popup);
	return 0;
}

static int on_parent(sd_bus_message *message, void *user, sd_bus_error *error)
{
	struct a11y_popup *popup = user;

	(void)error;
	if (!a11y_read_parent(message, &popup->parent))
		popup->parent.name[0] = '\0';
	if (--popup->open == 0)
		check_level(popup);
	return 0;
}

static int query_level(struct a11y_popup *popup)
{
	int r;

	drop(popup);
	r = a11y_query(popup->bus, &popup->slot, METHOD_EXTENTS, &popup->at, INT64_MAX, on_extents,
		popup, A11Y_COORDINATES_SCREEN);
	if (r < 0)
		return r;
	popup->open = 2;
	return a11y_query(popup->bus, &popup->parent_slot, METHOD_PARENT, &popup->at, INT64_MAX,
		on_parent, popup);
}

/* ---- lifecycle ---- */

int a11y_popup_create(struct a11y_popup **ret, struct a11y_bus *bus, const struct a11y_click *click,
	const struct a11y_object *from, void (*found)(void *user, const struct a11y_where *where),
	void *user)
{
	struct a11y_popup *popup = calloc(1, sizeof(*popup));
	int r;

	if (!popup)
		return -ENOMEM;
	popup->bus = bus;
	popup->click = click;
	popup->from = popup->at = *from;
	popup->found = found;
	popup->user = user;
	r = query_level(popup);
	if (r < 0) {
		a11y_popup_destroy(popup);
		return r;
	}
	*ret = popup;
	return 0;
}

void a11y_popup_destroy(struct a11y_popup *popup)
{
	if (!popup)
		return;
	drop(popup);
	free(popup);
}

#include "capture/x11/mask_internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/utf8.h"

#include <errno.h>
#include <string.h>

#define CLIMB 32 /* depth of nested windows */

/* A longer text counts as a match. */
#define TEXT_BYTES 1024

enum {
	PROPERTY_CLASS,
	PROPERTY_NAME,
	PROPERTY_TITLE,
	PROPERTY_TRANSIENT,
	PROPERTY_LEADER,
	PROPERTY_PROCESS,
	PROPERTY_STATE
};

bool mask_x11_is_watched(const struct mask_x11 *mask, xcb_atom_t atom)
{
	for (size_t i = 0; i < WATCHED; i++)
		if (mask->watched[i] == atom)
			return true;
	return false;
}

/* ---- properties of one window ---- */

struct property_cookies {
	xcb_get_property_cookie_t property[WATCHED];
	xcb_query_tree_cookie_t tree;
};

struct property_replies {
	xcb_get_property_reply_t *reply[WATCHED];
	xcb_query_tree_reply_t *tree;
};

static void property_replies_finish(struct property_replies *replies)
{
	for (size_t i = 0; i < WATCHED; i++)
		free(replies->reply[i]);
	free(replies->tree);
}

static void watch(struct mask_x11 *mask, xcb_window_t window, uint32_t events)
{
	xcb_change_window_attributes(mask->connection, window, XCB_CW_EVENT_MASK, &events);
}

static void send_requests(struct mask_x11 *mask, xcb_window_t window, struct property_cookies *ret)
{
	/* first, so that any change after the reply comes as an event */
	watch(mask, window, XCB_EVENT_MASK_PROPERTY_CHANGE | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY);
	for (size_t i = 0; i < WATCHED; i++)
		ret->property[i] = xcb_get_property(mask->connection, 0, window, mask->watched[i],
			XCB_GET_PROPERTY_TYPE_ANY, 0, TEXT_BYTES / 4);
	ret->tree = xcb_query_tree(mask->connection, window);
}

/* @return false for a destroyed window */
static bool receive_replies(
	struct mask_x11 *mask, const struct property_cookies *cookies, struct property_replies *ret)
{
	bool there;

	for (size_t i = 0; i < WATCHED; i++)
		ret->reply[i] =
			xcb_get_property_reply(mask->connection, cookies->property[i], NULL);
	ret->tree = xcb_query_tree_reply(mask->connection, cookies->tree, NULL);
	there = ret->tree != NULL;
	for (size_t i = 0; i < WATCHED; i++)
		there &= ret->reply[i] != NULL;
	return there;
}

static uint32_t number(const struct property_replies *replies, int which)
{
	const xcb_get_property_reply_t *reply = replies->reply[which];

	if (reply->format != 32 || xcb_get_property_value_length(reply) < 4)
		return 0;
	return *(const uint32_t *)xcb_get_property_value(reply);
}

/* ---- properties against rules ---- */

/* Compound Text is Latin-1 as long as ESC or CSI switch nothing; of other types only ASCII is readable. */
static bool is_readable(const struct mask_x11 *mask, const xcb_get_property_reply_t *reply)
{
	const uint8_t *bytes = xcb_get_property_value(reply);
	int size = xcb_get_property_value_length(reply);

	if (reply->type == mask->utf8_string || reply->type == XCB_ATOM_STRING)
		return true;
	for (int i = 0; i < size; i++)
		if (bytes[i] == 0x1b || bytes[i] == 0x9b ||
			(bytes[i] >= 0x80 && reply->type != mask->compound_text))
			return false;
	return true;
}

static bool piece_matches(
	const struct mask_x11 *mask, xcb_atom_t type, const char *piece, const char *pattern)
{
	char latin1[2 * TEXT_BYTES + 1];

	if (type == mask->utf8_string)
		return unicode_match(mask->locale, pattern, piece);
	/* some clients put UTF-8 into STRING: try both */
	unicode_from_latin1(latin1, piece);
	return unicode_match(mask->locale, pattern, latin1) ||
		(utf8_is_valid(piece) && unicode_match(mask->locale, pattern, piece));
}

/* Match any of the texts in a property, separated by 0 bytes. Unreadable or too long texts match. */
static bool text_matches(
	const struct mask_x11 *mask, const xcb_get_property_reply_t *reply, const char *pattern)
{
	char text[TEXT_BYTES + 1] = "";
	size_t size = (size_t)xcb_get_property_value_length(reply);

	if (size == 0 || reply->bytes_after > 0 || reply->format != 8 || !is_readable(mask, reply))
		return size > 0;
	memcpy(text, xcb_get_property_value(reply), size);
	for (const char *piece = text; piece < text + size; piece += strlen(piece) + 1)
		if (*piece && piece_matches(mask, reply->type, piece, pattern))
			return true;
	return false;
}

/* Match the title. Desktops show the UTF-8 one if present (EWMH), which also stands for the other if that is
 * unreadable. Otherwise each counts. */
static bool title_matches(
	const struct mask_x11 *mask, const struct property_replies *replies, const char *pattern)
{
	const xcb_get_property_reply_t *name = replies->reply[PROPERTY_NAME],
				       *title = replies->reply[PROPERTY_TITLE];
	bool shown = title->type == mask->utf8_string && title->value_len > 0;

	return text_matches(mask, title, pattern) ||
		((!shown || is_readable(mask, name)) && text_matches(mask, name, pattern));
}

/* Not own on doubt: the recorder's titles are readable. */
static bool is_own(const struct mask_x11 *mask, const struct property_replies *replies)
{
	const xcb_get_property_reply_t *title = replies->reply[PROPERTY_TITLE];
	char text[TEXT_BYTES + 1] = "";

	if (!mask->rules->own_title || title->type != mask->utf8_string || title->format != 8 ||
		title->bytes_after > 0)
		return false;
	memcpy(text, xcb_get_property_value(title), (size_t)xcb_get_property_value_length(title));
	return utf8_is_valid(text) && unicode_match(mask->locale, mask->rules->own_title, text);
}

static bool is_to_be_hidden(const struct mask_x11 *mask, const struct property_replies *replies)
{
	for (int i = 0; i < mask->rules->window_count; i++) {
		const struct hide_window *window = &mask->rules->windows[i];

		if ((!*window->class ||
			    text_matches(mask, replies->reply[PROPERTY_CLASS], window->class)) &&
			(!*window->title || title_matches(mask, replies, window->title)))
			return true;
	}
	return false;
}

/* ---- children of the root ---- */

static bool measure(struct mask_x11 *mask, struct top *top)
{
	xcb_get_geometry_cookie_t cookie = xcb_get_geometry(mask->connection, top->id);
	_autofree_ xcb_get_window_attributes_reply_t *attributes = xcb_get_window_attributes_reply(
		mask->connection, xcb_get_window_attributes(mask->connection, top->id), NULL);
	_autofree_ xcb_get_geometry_reply_t *place =
		xcb_get_geometry_reply(mask->connection, cookie, NULL);

	if (!attributes || !place)
		return false;
	/* later changes come as events; earlier ones have been passed already, or will be in their order */
	if (!top->measured)
		top_place(
			top, place->x, place->y, place->width, place->height, place->border_width);
	top->override = attributes->override_redirect;
	top->blank = attributes->_class == XCB_WINDOW_CLASS_INPUT_ONLY;
	return true;
}

static void add_children(struct top *top, const xcb_query_tree_reply_t *tree)
{
	const xcb_window_t *children = xcb_query_tree_children(tree);

	for (int i = 0; i < tree->children_len; i++) {
		if (top->inside_count == INSPECTED) {
			top->crowded = true;
			return;
		}
		top->inside[top->inside_count++] = children[i];
	}
}

static void apply_replies(struct mask_x11 *mask, struct top *top, xcb_window_t window,
	const struct property_replies *replies)
{
	bool is_client = replies->reply[PROPERTY_STATE]->value_len > 0;

	if (is_client && !top->managed)
		top->client = window;
	top->managed |= is_client;
	top->matches |= is_to_be_hidden(mask, replies);
	top->own |= is_own(mask, replies);
	if (!top->transient_for)
		top->transient_for = number(replies, PROPERTY_TRANSIENT);
	if (!top->leader)
		top->leader = number(replies, PROPERTY_LEADER);
	if (!top->process)
		top->process = number(replies, PROPERTY_PROCESS);
	/* managers put clients into frames, some into nested frames; a client's own subwindows do not matter */
	if (is_client)
		watch(mask, window, XCB_EVENT_MASK_PROPERTY_CHANGE);
	else
		add_children(top, replies->tree);
}

/* Query windows of one level, all at once. @return false when the first is gone */
static bool inspect_level(struct mask_x11 *mask, struct top *top, int from, int to)
{
	struct property_cookies cookies[INSPECTED];
	bool there = true;

	for (int i = from; i < to; i++)
		send_requests(mask, top->inside[i], &cookies[i]);
	for (int i = from; i < to; i++) {
		_cleanup_(property_replies_finish) struct property_replies replies = {{NULL}, NULL};

		if (receive_replies(mask, &cookies[i], &replies))
			apply_replies(mask, top, top->inside[i], &replies);
		else if (i == 0)
			there = false;
	}
	return there;
}

/* A window of the window manager itself, like a frame, with child windows but no client. */
static bool is_empty_frame(struct mask_x11 *mask, const struct top *top)
{
	_autofree_ xcb_get_property_reply_t *reply = NULL;

	if (top->managed || top->inside_count < 2)
		return false;
	reply = xcb_get_property_reply(mask->connection,
		xcb_get_property(
			mask->connection, 0, mask->root, mask->manager, XCB_ATOM_WINDOW, 0, 1),
		NULL);
	if (!reply || xcb_get_property_value_length(reply) != 4)
		return false;
	return ((*(const uint32_t *)xcb_get_property_value(reply) ^ top->id) & ~mask->id_mask) == 0;
}

int mask_x11_inspect(struct mask_x11 *mask, struct top *top)
{
	bool there = measure(mask, top);
	int from = 0, to;

	top->managed = top->matches = top->own = top->crowded = false;
	top->transient_for = top->leader = XCB_NONE;
	top->process = 0;
	top->client = top->inside[0] = top->id;
	for (top->inside_count = to = 1; from < to && there; from = to, to = top->inside_count)
		there = inspect_level(mask, top, from, to);
	/* it may contain a client beyond the limit */
	top->matches |= top->crowded && !top->managed && mask_x11_is_strict(mask);
	top->known = there;
	top->emptied = is_empty_frame(mask, top);
	return xcb_connection_has_error(mask->connection) ? -EPIPE : 0;
}

/* ---- the focus ---- */

/* Without a window manager the pointer decides the keyboard focus. */
static int find_pointed_at(struct mask_x11 *mask, xcb_window_t *ret)
{
	_autofree_ xcb_query_pointer_reply_t *pointer = xcb_query_pointer_reply(
		mask->connection, xcb_query_pointer(mask->connection, mask->root), NULL);

	if (!pointer)
		return -EPIPE;
	*ret = pointer->child;
	return 0;
}

int mask_x11_find_focus(struct mask_x11 *mask, xcb_window_t *ret)
{
	_autofree_ xcb_get_input_focus_reply_t *focus = xcb_get_input_focus_reply(
		mask->connection, xcb_get_input_focus(mask->connection), NULL);
	xcb_window_t window;

	if (!focus)
		return -EPIPE;
	window = focus->focus;
	*ret = XCB_NONE;
	if (window == XCB_NONE)
		return 0;
	if (window == XCB_INPUT_FOCUS_POINTER_ROOT || window == mask->root)
		return find_pointed_at(mask, ret);
	for (int depth = 0; depth < CLIMB; depth++) {
		_autofree_ xcb_query_tree_reply_t *tree = xcb_query_tree_reply(
			mask->connection, xcb_query_tree(mask->connection, window), NULL);

		if (!tree)
			return xcb_connection_has_error(mask->connection) ? -EPIPE : -EAGAIN;
		if (tree->parent == mask->root) {
			*ret = window;
			return 0;
		}
		window = tree->parent;
	}
	return -EAGAIN;
}

/* ---- setup ---- */

static int intern_atom(struct mask_x11 *mask, const char *name, xcb_atom_t *ret)
{
	_autofree_ xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(mask->connection,
		xcb_intern_atom(mask->connection, 0, (uint16_t)strlen(name), name), NULL);

	if (!reply)
		return -EPIPE;
	*ret = reply->atom;
	return 0;
}

static int intern_atoms(struct mask_x11 *mask)
{
	const struct {
		const char *name;
		xcb_atom_t *atom;
	} wanted[] = {
		{"_NET_WM_NAME", &mask->watched[PROPERTY_TITLE]},
		{"WM_CLIENT_LEADER", &mask->watched[PROPERTY_LEADER]},
		{"_NET_WM_PID", &mask->watched[PROPERTY_PROCESS]},
		{"WM_STATE", &mask->watched[PROPERTY_STATE]},
		{"UTF8_STRING", &mask->utf8_string},
		{"COMPOUND_TEXT", &mask->compound_text},
		{"_NET_SUPPORTING_WM_CHECK", &mask->manager},
	};
	int r = 0;

	mask->watched[PROPERTY_CLASS] = XCB_ATOM_WM_CLASS;
	mask->watched[PROPERTY_NAME] = XCB_ATOM_WM_NAME;
	mask->watched[PROPERTY_TRANSIENT] = XCB_ATOM_WM_TRANSIENT_FOR;
	for (size_t i = 0; i < ARRAY_SIZE(wanted) && r == 0; i++)
		r = intern_atom(mask, wanted[i].name, wanted[i].atom);
	return r;
}

int mask_x11_begin(struct mask_x11 *mask)
{
	const uint32_t events =
		XCB_EVENT_MASK_STRUCTURE_NOTIFY | XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY;
	_autofree_ xcb_query_tree_reply_t *tree = NULL;
	int r = intern_atoms(mask);

	if (r < 0)
		return r;
	xcb_change_window_attributes(mask->connection, mask->root, XCB_CW_EVENT_MASK, &events);
	tree = xcb_query_tree_reply(
		mask->connection, xcb_query_tree(mask->connection, mask->root), NULL);
	if (!tree)
		return -EPIPE;
	for (int i = 0; i < tree->children_len; i++) {
		xcb_window_t window = xcb_query_tree_children(tree)[i];
		_autofree_ xcb_get_window_attributes_reply_t *attributes =
			xcb_get_window_attributes_reply(mask->connection,
				xcb_get_window_attributes(mask->connection, window), NULL);
		struct top *top = attributes ? mask_x11_add(mask, window) : NULL;

		if (top)
			top->mapped = attributes->map_state != XCB_MAP_STATE_UNMAPPED;
	}
	return xcb_connection_has_error(mask->connection) ? -EPIPE : 0;
}

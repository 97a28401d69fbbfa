#include "capture/a11y/internal.h"

#include "protocol/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define NAME_LIMIT_CHARACTERS 120

/* by number; AT-SPI 2.46 */
static const char *const role_names[] = {
	"invalid",
	"accelerator label",
	"alert",
	"animation",
	"arrow",
	"calendar",
	"canvas",
	"check box",
	"check menu item",
	"color chooser",
	"column header",
	"combo box",
	"date editor",
	"desktop icon",
	"desktop frame",
	"dial",
	"dialog",
	"directory pane",
	"drawing area",
	"file chooser",
	"filler",
	"focus traversable",
	"font chooser",
	"frame",
	"glass pane",
	"html container",
	"icon",
	"image",
	"internal frame",
	"label",
	"layered pane",
	"list",
	"list item",
	"menu",
	"menu bar",
	"menu item",
	"option pane",
	"page tab",
	"page tab list",
	"panel",
	"password text",
	"popup menu",
	"progress bar",
	"push button",
	"radio button",
	"radio menu item",
	"root pane",
	"row header",
	"scroll bar",
	"scroll pane",
	"separator",
	"slider",
	"spin button",
	"split pane",
	"status bar",
	"table",
	"table cell",
	"table column header",
	"table row header",
	"tearoff menu item",
	"terminal",
	"text",
	"toggle button",
	"tool bar",
	"tool tip",
	"tree",
	"tree table",
	"unknown",
	"viewport",
	"window",
	"extended",
	"header",
	"footer",
	"paragraph",
	"ruler",
	"application",
	"autocomplete",
	"editbar",
	"embedded",
	"entry",
	"chart",
	"caption",
	"document frame",
	"heading",
	"page",
	"section",
	"redundant object",
	"form",
	"link",
	"input method window",
	"table row",
	"tree item",
	"document spreadsheet",
	"document presentation",
	"document text",
	"document web",
	"document email",
	"comment",
	"list box",
	"grouping",
	"image map",
	"notification",
	"info bar",
	"level bar",
	"title bar",
	"block quote",
	"audio",
	"video",
	"definition",
	"article",
	"landmark",
	"log",
	"marquee",
	"math",
	"rating",
	"timer",
	"static",
	"math fraction",
	"math root",
	"subscript",
	"superscript",
	"description list",
	"description term",
	"description value",
	"footnote",
	"content deletion",
	"content insertion",
	"mark",
	"suggestion",
	"push button menu",
};

/* role numbers used below */
enum {
	CHECK_BOX = 7,
	CHECK_MENU_ITEM = 8,
	COLUMN_HEADER = 10,
	COMBO_BOX = 11,
	DIALOG = 16,
	FILLER = 20,
	FRAME = 23,
	ICON = 26,
	IMAGE = 27,
	INTERNAL_FRAME = 28,
	LABEL = 29,
	LIST = 31,
	LIST_ITEM = 32,
	MENU = 33,
	MENU_ITEM = 35,
	PAGE_TAB = 37,
	PANEL = 39,
	POPUP_MENU = 41,
	PUSH_BUTTON = 43,
	RADIO_BUTTON = 44,
	RADIO_MENU_ITEM = 45,
	SLIDER = 51,
	SPIN_BUTTON = 52,
	TABLE_CELL = 56,
	TEAROFF_MENU_ITEM = 59,
	TERMINAL = 60,
	TEXT = 61,
	TOGGLE_BUTTON = 62,
	WINDOW = 69,
	PARAGRAPH = 73,
	AUTOCOMPLETE = 76,
	EDITBAR = 77,
	ENTRY = 79,
	DOCUMENT_FRAME = 82,
	SECTION = 85,
	REDUNDANT_OBJECT = 86,
	LINK = 88,
	TREE_ITEM = 91,
	DOCUMENT_SPREADSHEET = 92,
	DOCUMENT_EMAIL = 96,
	LIST_BOX = 98,
	STATIC = 116,
	PUSH_BUTTON_MENU = 129,
};

const char *a11y_role_name(uint32_t role)
{
	return role > 0 && role < ARRAY_SIZE(role_names) ? role_names[role] : "unknown";
}

bool a11y_role_acts(uint32_t role)
{
	switch (role) {
	case CHECK_BOX:
	case CHECK_MENU_ITEM:
	case COLUMN_HEADER:
	case COMBO_BOX:
	case LIST_ITEM:
	case MENU:
	case MENU_ITEM:
	case PAGE_TAB:
	case A11Y_ROLE_PASSWORD_TEXT:
	case PUSH_BUTTON:
	case RADIO_BUTTON:
	case RADIO_MENU_ITEM:
	case SLIDER:
	case SPIN_BUTTON:
	case TABLE_CELL:
	case TEXT:
	case TOGGLE_BUTTON:
	case ENTRY:
	case LINK:
	case TREE_ITEM:
	case PUSH_BUTTON_MENU: return true;
	default: return false;
	}
}

bool a11y_role_is_part(uint32_t role)
{
	switch (role) {
	case FILLER:
	case ICON:
	case IMAGE:
	case LABEL:
	case PANEL:
	case SECTION:
	case REDUNDANT_OBJECT:
	case STATIC: return true;
	default: return false;
	}
}

bool a11y_role_is_of_menu(uint32_t role)
{
	switch (role) {
	case CHECK_MENU_ITEM:
	case LIST:
	case LIST_BOX:
	case LIST_ITEM:
	case MENU:
	case MENU_ITEM:
	case POPUP_MENU:
	case RADIO_MENU_ITEM:
	case TEAROFF_MENU_ITEM: return true;
	default: return false;
	}
}

enum a11y_naming a11y_role_naming(uint32_t role, uint64_t states)
{
	switch (role) {
	/* a window's name is its title */
	case DIALOG:
	case FRAME:
	case INTERNAL_FRAME:
	case WINDOW:
	case TERMINAL:
	case PARAGRAPH:
	case DOCUMENT_FRAME:
	case DOCUMENT_SPREADSHEET ... DOCUMENT_EMAIL: return NAMING_NONE;
	case A11Y_ROLE_PASSWORD_TEXT:
	case EDITBAR: return NAMING_LABEL;
	/* toolkits name a single-line text by the label beside it, or the placeholder while empty */
	case TEXT: return states >> A11Y_STATE_SINGLE_LINE & 1 ? NAMING_BOTH : NAMING_LABEL;
	case ENTRY:
	case SPIN_BUTTON:
	case AUTOCOMPLETE: return NAMING_BOTH;
	default: return states >> A11Y_STATE_EDITABLE & 1 ? NAMING_LABEL : NAMING_BOTH;
	}
}

/* GTK 4 uses the class name as a fallback: "GtkPasswordEntry" */
static bool is_class(const char *name)
{
	if (strncmp(name, "Gtk", 3) != 0 || !isupper((unsigned char)name[3]))
		return false;
	while (isalnum((unsigned char)*name))
		name++;
	return *name == '\0';
}

void a11y_name_copy(char ret[A11Y_NAME_BYTES], const char *name)
{
	size_t length = 0, characters = 0;

	ret[0] = '\0';
	if (is_class(name) || strcmp(name, "Unnamed") == 0)
		return;
	for (; *name; name++) {
		unsigned char byte = (unsigned char)*name;
		bool begins = (byte & 0xc0) != 0x80;

		if (begins && ++characters > NAME_LIMIT_CHARACTERS)
			break;
		if (byte <= ' ' || byte == 0x7f) {
			/* collapse white space and control characters into one space, none at the
			 * start */
			if (length == 0 || ret[length - 1] == ' ')
				continue;
			byte = ' ';
		}
		/* unreachable for valid UTF-8, and the bus passes nothing else */
		if (length + 1 >= A11Y_NAME_BYTES)
			break;
		ret[length++] = (char)byte;
	}
	while (length > 0 && ret[length - 1] == ' ')
		length--;
	ret[length] = '\0';
}

int name_policy_parse(const char *name, enum name_policy *ret)
{
	for (int policy = NAMES_NONE; policy <= NAMES_FULL; policy++)
		if (strcmp(name, name_policy_name((enum name_policy)policy)) == 0) {
			*ret = (enum name_policy)policy;
			return 0;
		}
	return -EINVAL;
}

const char *name_policy_name(enum name_policy policy)
{
	static const char *const names[] = {"none", "roles", "full"};

	return names[policy];
}

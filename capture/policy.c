#include "capture/policy.h"

#include "protocol/base/cleanup.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

static const char *const policy_names[] = {
	[KEY_POLICY_NONE] = "none",
	[KEY_POLICY_COUNTS] = "counts",
	[KEY_POLICY_CLASSES] = "classes",
	[KEY_POLICY_FULL] = "full",
};

int key_policy_parse(const char *name, enum key_policy *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(policy_names); i++)
		if (strcmp(policy_names[i], name) == 0) {
			*ret = (enum key_policy)i;
			return 0;
		}
	return -EINVAL;
}

const char *key_policy_name(enum key_policy policy)
{
	return policy_names[policy];
}

/* ---- what is no key ---- */

struct control_entry {
	uint16_t type, code;
	Uxrec__Control control;
};

#define REL(name, control)                                                                         \
	{                                                                                          \
		EV_REL, name, UXREC__CONTROL__CONTROL_##control                                    \
	}
#define ABS(name, control)                                                                         \
	{                                                                                          \
		EV_ABS, name, UXREC__CONTROL__CONTROL_##control                                    \
	}
#define BUTTON(name, control)                                                                      \
	{                                                                                          \
		EV_KEY, name, UXREC__CONTROL__CONTROL_##control                                    \
	}

#define SWITCH(name, control)                                                                      \
	{                                                                                          \
		EV_SW, name, UXREC__CONTROL__CONTROL_##control                                     \
	}

static const struct control_entry controls[] = {
	{EV_SYN, SYN_REPORT, UXREC__CONTROL__CONTROL_FRAME},
	REL(REL_X, REL_X),
	REL(REL_Y, REL_Y),
	REL(REL_WHEEL, WHEEL),
	REL(REL_HWHEEL, HWHEEL),
	REL(REL_WHEEL_HI_RES, WHEEL_HI_RES),
	REL(REL_HWHEEL_HI_RES, HWHEEL_HI_RES),
	ABS(ABS_X, ABS_X),
	ABS(ABS_Y, ABS_Y),
	ABS(ABS_PRESSURE, ABS_PRESSURE),
	ABS(ABS_DISTANCE, ABS_DISTANCE),
	ABS(ABS_TILT_X, ABS_TILT_X),
	ABS(ABS_TILT_Y, ABS_TILT_Y),
	ABS(ABS_WHEEL, ABS_WHEEL),
	ABS(ABS_MT_SLOT, MT_SLOT),
	ABS(ABS_MT_TRACKING_ID, MT_TRACKING_ID),
	ABS(ABS_MT_POSITION_X, MT_X),
	ABS(ABS_MT_POSITION_Y, MT_Y),
	ABS(ABS_MT_PRESSURE, MT_PRESSURE),
	ABS(ABS_MT_TOUCH_MAJOR, MT_TOUCH_MAJOR),
	ABS(ABS_MT_TOUCH_MINOR, MT_TOUCH_MINOR),
	ABS(ABS_MT_ORIENTATION, MT_ORIENTATION),
	BUTTON(BTN_LEFT, BUTTON_LEFT),
	BUTTON(BTN_RIGHT, BUTTON_RIGHT),
	BUTTON(BTN_MIDDLE, BUTTON_MIDDLE),
	BUTTON(BTN_SIDE, BUTTON_SIDE),
	BUTTON(BTN_EXTRA, BUTTON_EXTRA),
	BUTTON(BTN_FORWARD, BUTTON_FORWARD),
	BUTTON(BTN_BACK, BUTTON_BACK),
	BUTTON(BTN_TASK, BUTTON_TASK),
	BUTTON(BTN_TOUCH, TOUCH),
	BUTTON(BTN_TOOL_PEN, TOOL_PEN),
	BUTTON(BTN_TOOL_RUBBER, TOOL_RUBBER),
	BUTTON(BTN_TOOL_FINGER, TOOL_FINGER),
	BUTTON(BTN_TOOL_DOUBLETAP, TOOL_DOUBLETAP),
	BUTTON(BTN_TOOL_TRIPLETAP, TOOL_TRIPLETAP),
	BUTTON(BTN_STYLUS, STYLUS),
	BUTTON(BTN_STYLUS2, STYLUS2),
	BUTTON(BTN_STYLUS3, STYLUS3),
	BUTTON(BTN_TOOL_BRUSH, TOOL_BRUSH),
	BUTTON(BTN_TOOL_PENCIL, TOOL_PENCIL),
	BUTTON(BTN_TOOL_AIRBRUSH, TOOL_AIRBRUSH),
	BUTTON(BTN_TOOL_MOUSE, TOOL_MOUSE),
	BUTTON(BTN_TOOL_LENS, TOOL_LENS),
	BUTTON(BTN_TOOL_QUADTAP, TOOL_QUADTAP),
	BUTTON(BTN_TOOL_QUINTTAP, TOOL_QUINTTAP),
	SWITCH(SW_LID, SWITCH_LID),
	SWITCH(SW_TABLET_MODE, SWITCH_TABLET_MODE),
};

/* ---- classes of keys ---- */

#define CLASS(name) UXREC__KEY_CLASS__KEY_CLASS_##name

/* ranges of codes by their place on a PC keyboard; what is in none is FUNCTION */
static const struct {
	uint16_t first, last;
	Uxrec__KeyClass key_class;
} code_classes[] = {
	{KEY_Q, KEY_P, CLASS(LETTER)},
	{KEY_A, KEY_L, CLASS(LETTER)},
	{KEY_Z, KEY_M, CLASS(LETTER)},
	{KEY_1, KEY_0, CLASS(DIGIT)},
	{KEY_KP7, KEY_KP9, CLASS(DIGIT)},
	{KEY_KP4, KEY_KP6, CLASS(DIGIT)},
	{KEY_KP1, KEY_KP0, CLASS(DIGIT)},
	{KEY_SPACE, KEY_SPACE, CLASS(SPACE)},
	{KEY_MINUS, KEY_EQUAL, CLASS(PUNCTUATION)},
	{KEY_LEFTBRACE, KEY_RIGHTBRACE, CLASS(PUNCTUATION)},
	{KEY_SEMICOLON, KEY_GRAVE, CLASS(PUNCTUATION)},
	{KEY_BACKSLASH, KEY_BACKSLASH, CLASS(PUNCTUATION)},
	{KEY_COMMA, KEY_SLASH, CLASS(PUNCTUATION)},
	{KEY_102ND, KEY_102ND, CLASS(PUNCTUATION)},
	{KEY_KPASTERISK, KEY_KPASTERISK, CLASS(PUNCTUATION)},
	{KEY_KPMINUS, KEY_KPMINUS, CLASS(PUNCTUATION)},
	{KEY_KPPLUS, KEY_KPPLUS, CLASS(PUNCTUATION)},
	{KEY_KPDOT, KEY_KPDOT, CLASS(PUNCTUATION)},
	{KEY_KPSLASH, KEY_KPSLASH, CLASS(PUNCTUATION)},
	{KEY_KPEQUAL, KEY_KPEQUAL, CLASS(PUNCTUATION)},
	{KEY_KPCOMMA, KEY_KPCOMMA, CLASS(PUNCTUATION)},
	{KEY_TAB, KEY_TAB, CLASS(NAVIGATION)},
	{KEY_HOME, KEY_PAGEDOWN, CLASS(NAVIGATION)}, /* with all arrows and end between */
	{KEY_BACKSPACE, KEY_BACKSPACE, CLASS(EDITING)},
	{KEY_ENTER, KEY_ENTER, CLASS(EDITING)},
	{KEY_KPENTER, KEY_KPENTER, CLASS(EDITING)},
	{KEY_INSERT, KEY_DELETE, CLASS(EDITING)},
	{KEY_LEFTCTRL, KEY_LEFTCTRL, CLASS(MODIFIER)},
	{KEY_RIGHTCTRL, KEY_RIGHTCTRL, CLASS(MODIFIER)},
	{KEY_LEFTSHIFT, KEY_LEFTSHIFT, CLASS(MODIFIER)},
	{KEY_RIGHTSHIFT, KEY_RIGHTSHIFT, CLASS(MODIFIER)},
	{KEY_LEFTALT, KEY_LEFTALT, CLASS(MODIFIER)},
	{KEY_RIGHTALT, KEY_RIGHTALT, CLASS(MODIFIER)},
	{KEY_LEFTMETA, KEY_RIGHTMETA, CLASS(MODIFIER)},
	{KEY_CAPSLOCK, KEY_CAPSLOCK, CLASS(MODIFIER)},
	{KEY_NUMLOCK, KEY_SCROLLLOCK, CLASS(MODIFIER)},
	{KEY_MUTE, KEY_VOLUMEUP, CLASS(MEDIA)},
	{KEY_NEXTSONG, KEY_STOPCD, CLASS(MEDIA)},
	{KEY_BRIGHTNESSDOWN, KEY_BRIGHTNESSUP, CLASS(MEDIA)},
};

Uxrec__KeyClass key_class_of_code(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(code_classes); i++)
		if (code >= code_classes[i].first && code <= code_classes[i].last)
			return code_classes[i].key_class;
	return CLASS(FUNCTION);
}

/* ranges of keysyms (X11/keysymdef.h, XF86keysym.h); the first that fits counts */
static const struct {
	uint32_t first, last;
	Uxrec__KeyClass key_class;
} keysym_classes[] = {
	{0x20, 0x20, CLASS(SPACE)}, {0x30, 0x39, CLASS(DIGIT)}, {0x41, 0x5a, CLASS(LETTER)},
	{0x61, 0x7a, CLASS(LETTER)}, {0xaa, 0xaa, CLASS(LETTER)}, {0xb5, 0xb5, CLASS(LETTER)},
	{0xba, 0xba, CLASS(LETTER)}, {0xd7, 0xd7, CLASS(PUNCTUATION)},
	{0xf7, 0xf7, CLASS(PUNCTUATION)}, {0xc0, 0xff, CLASS(LETTER)},
	{0x21, 0xbf, CLASS(PUNCTUATION)}, {0x100, 0x13ff, CLASS(LETTER)}, /* the national sets */
	{0x20a0, 0x20cf, CLASS(PUNCTUATION)},                             /* currencies */
	{0xfe01, 0xfe13, CLASS(MODIFIER)},                                /* ISO level shifts */
	{0xfe20, 0xfe20, CLASS(NAVIGATION)},                              /* left tab */
	{0xfe50, 0xfe8f, CLASS(PUNCTUATION)},                             /* dead accents */
	{0xff08, 0xff08, CLASS(EDITING)},                                 /* backspace */
	{0xff09, 0xff09, CLASS(NAVIGATION)},                              /* tab */
	{0xff0a, 0xff0d, CLASS(EDITING)},        /* line feed, clear, return */
	{0xff50, 0xff58, CLASS(NAVIGATION)},     /* home, arrows, prior, next, end, begin */
	{0xff63, 0xff63, CLASS(EDITING)},        /* insert */
	{0xffff, 0xffff, CLASS(EDITING)},        /* delete */
	{0xff80, 0xff80, CLASS(SPACE)},          /* keypad space */
	{0xff89, 0xff89, CLASS(NAVIGATION)},     /* keypad tab */
	{0xff8d, 0xff8d, CLASS(EDITING)},        /* keypad enter */
	{0xff95, 0xff9f, CLASS(NAVIGATION)},     /* keypad home to delete */
	{0xffb0, 0xffb9, CLASS(DIGIT)},          /* keypad digits */
	{0xffaa, 0xffaf, CLASS(PUNCTUATION)},    /* keypad operators */
	{0xffbd, 0xffbd, CLASS(PUNCTUATION)},    /* keypad equal */
	{0xff7e, 0xff7f, CLASS(MODIFIER)},       /* mode switch, num lock */
	{0xff14, 0xff14, CLASS(MODIFIER)},       /* scroll lock */
	{0xffe1, 0xffee, CLASS(MODIFIER)},       /* shift to hyper */
	{0x1008ff02, 0x1008ff04, CLASS(MEDIA)},  /* brightness */
	{0x1008ff11, 0x1008ff17, CLASS(MEDIA)},  /* volume, play, stop, previous, next */
	{0x1008ff31, 0x1008ff31, CLASS(MEDIA)},  /* pause */
	{0x01000100, 0x01001fff, CLASS(LETTER)}, /* Unicode letters up to Greek extended */
	{0x01002000, 0x01002e7f, CLASS(PUNCTUATION)},
	{0x01002e80, 0x0110ffff, CLASS(LETTER)}, /* CJK and beyond */
};

Uxrec__KeyClass key_class_of_keysym(uint32_t keysym)
{
	for (size_t i = 0; i < ARRAY_SIZE(keysym_classes); i++)
		if (keysym >= keysym_classes[i].first && keysym <= keysym_classes[i].last)
			return keysym_classes[i].key_class;
	return CLASS(FUNCTION);
}

/* ---- modifiers ---- */

#define MODIFIER(name) UXREC__SHORTCUT_BATCH__MODIFIER__MODIFIER_##name

unsigned modifier_of_code(uint16_t code)
{
	switch (code) {
	case KEY_LEFTSHIFT:
	case KEY_RIGHTSHIFT: return MODIFIER(SHIFT);
	case KEY_LEFTCTRL:
	case KEY_RIGHTCTRL: return MODIFIER(CTRL);
	case KEY_LEFTALT: return MODIFIER(ALT); /* the right one makes letters */
	case KEY_LEFTMETA:
	case KEY_RIGHTMETA: return MODIFIER(SUPER);
	default: return 0;
	}
}

unsigned modifier_of_keysym(uint32_t keysym)
{
	switch (keysym) {
	case 0xffe1:
	case 0xffe2: return MODIFIER(SHIFT);
	case 0xffe3:
	case 0xffe4: return MODIFIER(CTRL);
	case 0xffe7: /* Meta_L */
	case 0xffe9: return MODIFIER(ALT);
	case 0xffeb:
	case 0xffec: return MODIFIER(SUPER);
	default: return 0;
	}
}

/* ---- the policy ---- */

struct told policy_tell(uint16_t type, uint16_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		if (controls[i].type == type && controls[i].code == code)
			return (struct told){TOLD_CONTROL, controls[i].control};
	/* the ranges in which input-event-codes.h has keys; between them lie buttons */
	if (type == EV_KEY && (code < BTN_MISC || (code >= KEY_OK && code < BTN_DPAD_UP)))
		return (struct told){.kind = TOLD_KEY};
	return (struct told){.kind = TOLD_NOTHING};
}

bool control_is_button(Uxrec__Control control)
{
	return control >= UXREC__CONTROL__CONTROL_BUTTON_LEFT &&
		control < UXREC__CONTROL__CONTROL_SWITCH_LID;
}

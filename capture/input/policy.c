#include "capture/input/policy.h"

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

/* ---- axes, buttons, switches ---- */

/*
 * Allow-list of codes other than keys: 0 stands for a code that is never reported. CONTROL_FRAME is 0 too,
 * and stands for SYN_REPORT alone.
 */
#define CONTROL(name) UXREC__CONTROL__CONTROL_##name

static const uint8_t relative[REL_CNT] = {
	[REL_X] = CONTROL(REL_X),
	[REL_Y] = CONTROL(REL_Y),
	[REL_WHEEL] = CONTROL(WHEEL),
	[REL_HWHEEL] = CONTROL(HWHEEL),
	[REL_WHEEL_HI_RES] = CONTROL(WHEEL_HI_RES),
	[REL_HWHEEL_HI_RES] = CONTROL(HWHEEL_HI_RES),
};

static const uint8_t absolute[ABS_CNT] = {
	[ABS_X] = CONTROL(ABS_X),
	[ABS_Y] = CONTROL(ABS_Y),
	[ABS_PRESSURE] = CONTROL(ABS_PRESSURE),
	[ABS_DISTANCE] = CONTROL(ABS_DISTANCE),
	[ABS_TILT_X] = CONTROL(ABS_TILT_X),
	[ABS_TILT_Y] = CONTROL(ABS_TILT_Y),
	[ABS_WHEEL] = CONTROL(ABS_WHEEL),
	[ABS_MT_SLOT] = CONTROL(MT_SLOT),
	[ABS_MT_TRACKING_ID] = CONTROL(MT_TRACKING_ID),
	[ABS_MT_POSITION_X] = CONTROL(MT_X),
	[ABS_MT_POSITION_Y] = CONTROL(MT_Y),
	[ABS_MT_PRESSURE] = CONTROL(MT_PRESSURE),
	[ABS_MT_TOUCH_MAJOR] = CONTROL(MT_TOUCH_MAJOR),
	[ABS_MT_TOUCH_MINOR] = CONTROL(MT_TOUCH_MINOR),
	[ABS_MT_ORIENTATION] = CONTROL(MT_ORIENTATION),
};

static const uint8_t buttons[KEY_CNT] = {
	[BTN_LEFT] = CONTROL(BUTTON_LEFT),
	[BTN_RIGHT] = CONTROL(BUTTON_RIGHT),
	[BTN_MIDDLE] = CONTROL(BUTTON_MIDDLE),
	[BTN_SIDE] = CONTROL(BUTTON_SIDE),
	[BTN_EXTRA] = CONTROL(BUTTON_EXTRA),
	[BTN_FORWARD] = CONTROL(BUTTON_FORWARD),
	[BTN_BACK] = CONTROL(BUTTON_BACK),
	[BTN_TASK] = CONTROL(BUTTON_TASK),
	[BTN_TOUCH] = CONTROL(TOUCH),
	[BTN_TOOL_PEN] = CONTROL(TOOL_PEN),
	[BTN_TOOL_RUBBER] = CONTROL(TOOL_RUBBER),
	[BTN_TOOL_FINGER] = CONTROL(TOOL_FINGER),
	[BTN_TOOL_DOUBLETAP] = CONTROL(TOOL_DOUBLETAP),
	[BTN_TOOL_TRIPLETAP] = CONTROL(TOOL_TRIPLETAP),
	[BTN_STYLUS] = CONTROL(STYLUS),
	[BTN_STYLUS2] = CONTROL(STYLUS2),
	[BTN_STYLUS3] = CONTROL(STYLUS3),
	[BTN_TOOL_BRUSH] = CONTROL(TOOL_BRUSH),
	[BTN_TOOL_PENCIL] = CONTROL(TOOL_PENCIL),
	[BTN_TOOL_AIRBRUSH] = CONTROL(TOOL_AIRBRUSH),
	[BTN_TOOL_MOUSE] = CONTROL(TOOL_MOUSE),
	[BTN_TOOL_LENS] = CONTROL(TOOL_LENS),
	[BTN_TOOL_QUADTAP] = CONTROL(TOOL_QUADTAP),
	[BTN_TOOL_QUINTTAP] = CONTROL(TOOL_QUINTTAP),
};

static const uint8_t switches[SW_CNT] = {
	[SW_LID] = CONTROL(SWITCH_LID),
	[SW_TABLET_MODE] = CONTROL(SWITCH_TABLET_MODE),
};

static const struct {
	const uint8_t *controls; /* indexed by code */
	size_t count;
} types[EV_CNT] = {
	[EV_REL] = {relative, ARRAY_SIZE(relative)},
	[EV_ABS] = {absolute, ARRAY_SIZE(absolute)},
	[EV_KEY] = {buttons, ARRAY_SIZE(buttons)},
	[EV_SW] = {switches, ARRAY_SIZE(switches)},
};

/* ---- key classes ---- */

#define CLASS(name) UXREC__KEY_CLASS__KEY_CLASS_##name

/* ranges of codes by their place on a PC keyboard; FUNCTION outside all of them */
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
	{KEY_HOME, KEY_PAGEDOWN, CLASS(NAVIGATION)}, /* includes all arrows and end */
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

/* ranges of keysyms (X11/keysymdef.h, XF86keysym.h); the first match counts */
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

const uint16_t modifier_keys[MODIFIER_KEYS] = {
	KEY_LEFTCTRL, KEY_RIGHTCTRL, KEY_LEFTALT, KEY_LEFTMETA, KEY_RIGHTMETA};

unsigned modifier_of_code(uint16_t code)
{
	switch (code) {
	case KEY_LEFTSHIFT:
	case KEY_RIGHTSHIFT: return MODIFIER(SHIFT);
	case KEY_LEFTCTRL:
	case KEY_RIGHTCTRL: return MODIFIER(CTRL);
	case KEY_LEFTALT: return MODIFIER(ALT);
	case KEY_RIGHTALT: return MODIFIER_LEVEL; /* AltGr */
	case KEY_LEFTMETA:
	case KEY_RIGHTMETA: return MODIFIER(SUPER);
	default: return 0;
	}
}

unsigned modifier_of_keysym(uint32_t keysym)
{
	/* ISO_Level2_Latch to ISO_Level5_Lock, except the groups in between; Mode_switch */
	if ((keysym >= 0xfe02 && keysym <= 0xfe05) || (keysym >= 0xfe11 && keysym <= 0xfe13) ||
		keysym == 0xff7e)
		return MODIFIER_LEVEL;
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

struct disposition policy_classify(uint16_t type, uint16_t code)
{
	uint8_t control =
		type < EV_CNT && code < types[type].count ? types[type].controls[code] : 0;

	if (control)
		return (struct disposition){DISPOSITION_CONTROL, (Uxrec__Control)control};
	if (type == EV_SYN && code == SYN_REPORT)
		return (struct disposition){DISPOSITION_CONTROL, CONTROL(FRAME)};
	/* the key ranges of input-event-codes.h; between them lie buttons */
	if (type == EV_KEY && (code < BTN_MISC || (code >= KEY_OK && code < BTN_DPAD_UP)))
		return (struct disposition){.kind = DISPOSITION_KEY};
	return (struct disposition){.kind = DISPOSITION_DROP};
}

bool control_is_button(Uxrec__Control control)
{
	return control >= CONTROL(BUTTON_LEFT) && control < CONTROL(SWITCH_LID);
}

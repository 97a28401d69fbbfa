/* Classes of keys, the events that may pass, names of policies. */

#include "tests/harness/helpers.h"

#include "capture/input/policy.h"

#include <errno.h>
#include <linux/input-event-codes.h>

static void letters_look_the_same(void)
{
	static const uint16_t letters[] = {KEY_Q, KEY_W, KEY_P, KEY_A, KEY_L, KEY_Z, KEY_M};

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		expect(key_class_of_code(letters[i]) == UXREC__KEY_CLASS__KEY_CLASS_LETTER);
	expect(key_class_of_code(KEY_5) == UXREC__KEY_CLASS__KEY_CLASS_DIGIT);
	expect(key_class_of_code(KEY_SPACE) == UXREC__KEY_CLASS__KEY_CLASS_SPACE);
	expect(key_class_of_code(KEY_BACKSPACE) == UXREC__KEY_CLASS__KEY_CLASS_EDITING);
	expect(key_class_of_code(KEY_LEFT) == UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION);
	expect(key_class_of_code(KEY_LEFTSHIFT) == UXREC__KEY_CLASS__KEY_CLASS_MODIFIER);
	expect(key_class_of_code(KEY_F5) == UXREC__KEY_CLASS__KEY_CLASS_FUNCTION);
}

static void nothing_but_the_allowed_passes(void)
{
	for (unsigned type = 0; type <= EV_MAX; type++)
		for (unsigned code = 0; code < 0x300; code++) {
			struct disposition disposition =
				policy_classify((uint16_t)type, (uint16_t)code);

			if (type == EV_KEY && code < BTN_MISC)
				check(disposition.kind == DISPOSITION_KEY);
			else if (type == EV_SW)
				check((disposition.kind == DISPOSITION_CONTROL) ==
					(code == SW_LID || code == SW_TABLET_MODE));
			else if (type == EV_KEY)
				check(disposition.kind != DISPOSITION_CONTROL ||
					control_is_button(disposition.control));
			else if (type != EV_REL && type != EV_ABS && type != EV_SYN)
				check(disposition.kind == DISPOSITION_DROP);
		}
	expect(policy_classify(EV_MSC, MSC_SCAN).kind == DISPOSITION_DROP);
	expect(policy_classify(EV_LED, LED_CAPSL).kind == DISPOSITION_DROP);
	expect(policy_classify(EV_KEY, BTN_LEFT).control == UXREC__CONTROL__CONTROL_BUTTON_LEFT);
	expect(policy_classify(EV_REL, REL_WHEEL).control == UXREC__CONTROL__CONTROL_WHEEL);
	expect(policy_classify(EV_SYN, SYN_REPORT).control == UXREC__CONTROL__CONTROL_FRAME);
	expect(policy_classify(EV_SYN, SYN_DROPPED).kind == DISPOSITION_DROP);
	/* no kernel has types or codes like these */
	for (unsigned type = 0; type <= EV_MAX; type++)
		expect(policy_classify((uint16_t)type, UINT16_MAX).kind == DISPOSITION_DROP);
	expect(policy_classify(EV_CNT, 0).kind == DISPOSITION_DROP);
	expect(policy_classify(UINT16_MAX, BTN_LEFT).kind == DISPOSITION_DROP);
}

static void keysyms_have_classes(void)
{
	static const struct {
		uint32_t keysym;
		int key_class;
	} table[] = {
		{'a', UXREC__KEY_CLASS__KEY_CLASS_LETTER},
		{'Z', UXREC__KEY_CLASS__KEY_CLASS_LETTER},
		{0xe9, UXREC__KEY_CLASS__KEY_CLASS_LETTER},         /* eacute */
		{0x6c1, UXREC__KEY_CLASS__KEY_CLASS_LETTER},        /* Cyrillic_a */
		{0x10004e2d, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION}, /* no Unicode keysym */
		{0x1004e2d, UXREC__KEY_CLASS__KEY_CLASS_LETTER},    /* U+4E2D */
		{'7', UXREC__KEY_CLASS__KEY_CLASS_DIGIT},
		{0xffb7, UXREC__KEY_CLASS__KEY_CLASS_DIGIT}, /* KP_7 */
		{' ', UXREC__KEY_CLASS__KEY_CLASS_SPACE},
		{'.', UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION},
		{0xfe51, UXREC__KEY_CLASS__KEY_CLASS_PUNCTUATION}, /* dead_acute */
		{0xff51, UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION},  /* Left */
		{0xff09, UXREC__KEY_CLASS__KEY_CLASS_NAVIGATION},  /* Tab */
		{0xff08, UXREC__KEY_CLASS__KEY_CLASS_EDITING},     /* BackSpace */
		{0xff0d, UXREC__KEY_CLASS__KEY_CLASS_EDITING},     /* Return */
		{0xffe3, UXREC__KEY_CLASS__KEY_CLASS_MODIFIER},    /* Control_L */
		{0xfe03, UXREC__KEY_CLASS__KEY_CLASS_MODIFIER},    /* ISO_Level3_Shift */
		{0xffbe, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION},    /* F1 */
		{0xff1b, UXREC__KEY_CLASS__KEY_CLASS_FUNCTION},    /* Escape */
		{0x1008ff13, UXREC__KEY_CLASS__KEY_CLASS_MEDIA},   /* AudioRaiseVolume */
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect((int)key_class_of_keysym(table[i].keysym) == table[i].key_class);
}

static void policies_have_names(void)
{
	enum key_policy policy;

	expect(key_policy_parse("full", &policy) == 0 && policy == KEY_POLICY_FULL);
	expect(key_policy_parse("none", &policy) == 0 && policy == KEY_POLICY_NONE);
	expect(key_policy_parse("counts", &policy) == 0 && policy == KEY_POLICY_COUNTS);
	expect(key_policy_parse("Full", &policy) == -EINVAL);
	expect(key_policy_parse("", &policy) == -EINVAL);
}

static const struct test tests[] = {
	{"letters look the same", letters_look_the_same},
	{"only axes, buttons, lid and tablet mode and keys pass", nothing_but_the_allowed_passes},
	{"keysyms have the classes of their meaning", keysyms_have_classes},
	{"policies are known by exact names", policies_have_names},
};

int main(void)
{
	return RUN_TESTS("policy", tests);
}

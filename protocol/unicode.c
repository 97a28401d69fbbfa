#include "protocol/unicode.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/utf8.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

locale_t unicode_locale(void)
{
	return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

wchar_t unicode_fold(locale_t locale, uint32_t point)
{
	if (point < 0x80 || !locale)
		return point >= 'A' && point <= 'Z' ? (wchar_t)(point + 32) : (wchar_t)point;
	/* via upper case: a letter may have two lower-case forms */
	return (wchar_t)towlower_l(towupper_l((wint_t)point, locale), locale);
}

void unicode_from_latin1(char *ret, const char *text)
{
	for (; *text; text++) {
		unsigned char point = (unsigned char)*text;

		if (point >= 0x80)
			*ret++ = (char)(0xc0 | point >> 6);
		*ret++ = (char)(point < 0x80 ? point : 0x80 | (point & 0x3f));
	}
	*ret = '\0';
}

/* @return a text with all letters folded, allocated; NULL when it is not UTF-8, or out of memory */
static char *fold_all(locale_t locale, const char *text)
{
	_autofree_ char *folded = malloc(MB_LEN_MAX * strlen(text) + 1);
	char *at = folded;

	while (folded && *text) {
		mbstate_t state = {0};
		uint32_t point;
		size_t taken = utf8_decode(text, &point), put;

		if (taken == 0)
			return NULL;
		put = wcrtomb(at, unicode_fold(locale, point), &state);
		if (put == (size_t)-1)
			return NULL;
		at += put;
		text += taken;
	}
	if (folded)
		*at = '\0';
	return steal_ptr(folded);
}

/* Match unfolded as well: [[:upper:]] matches letters that folding removes. */
static bool match_either(locale_t locale, const char *pattern, const char *text)
{
	_autofree_ char *folded_pattern = fold_all(locale, pattern),
			*folded = fold_all(locale, text);

	return !folded_pattern || !folded || fnmatch(folded_pattern, folded, 0) != FNM_NOMATCH ||
		fnmatch(pattern, text, FNM_CASEFOLD) != FNM_NOMATCH;
}

bool unicode_match(locale_t locale, const char *pattern, const char *text)
{
	locale_t before = uselocale(locale);
	bool matches = match_either(locale, pattern, text);

	uselocale(before);
	return matches;
}

#pragma once

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

/*
 * Letters of all scripts in UTF-8 and their case; independent of the environment, as programs stay
 * in the C locale.
 */

/** @return the locale, freed by freelocale(); (locale_t)0 with errno when unavailable */
locale_t unicode_locale(void);

/** @return the same value for all cases of a letter. @param locale  0: only ASCII has case */
wchar_t unicode_fold(locale_t locale, uint32_t point);

/** Convert Latin-1 to UTF-8. @param ret  2 * strlen(text) + 1 bytes */
void unicode_from_latin1(char *ret, const char *text);

/**
 * Compare a text with a pattern of fnmatch(3), ignoring case. Failure to compare counts as a match:
 * invalid UTF-8 in either, or out of memory.
 *
 * @param locale  of unicode_locale()
 */
bool unicode_match(locale_t locale, const char *pattern, const char *text);

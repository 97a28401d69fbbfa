#pragma once

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

/*
 * Letters of all scripts, in UTF-8 and with their cases: the same in every environment, as programs stay in the C
 * locale.
 */

/** @return the locale, freed by freelocale(); (locale_t)0 with errno when there is none */
locale_t letters_locale(void);

/** @return the same for all the cases of a letter. @param locale  0: only ASCII has cases */
wchar_t letters_fold(locale_t locale, uint32_t point);

/** Latin-1 as UTF-8. @param ret  2 * strlen(text) + 1 bytes */
void letters_from_latin1(char *ret, const char *text);

/**
 * Compare a text with a pattern of fnmatch(3), without case. What cannot be compared matches: when one of both is no
 * UTF-8, or there is no memory.
 *
 * @param locale  of letters_locale()
 */
bool letters_match(locale_t locale, const char *pattern, const char *text);

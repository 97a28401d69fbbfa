#pragma once

#include "protocol/base/error.h"
#include "protocol/base/utf8.h"

/*
 * Names that people give: participants, studies, layers, observers. They are shown, compared and
 * filed under, never used as a path, but they end up in exports, spreadsheets and shell commands.
 */

/**
 * Check a name: 1 to NAME_LIMIT_BYTES bytes of UTF-8, beginning with a letter or a digit, without
 * control characters and without any of  / \ < > " ` $ | ; * ?
 *
 * @param what  for the sentence: "participant"
 * @return 0, or -EINVAL with the reason
 */
int name_check(const char *what, const char *name, struct error *reterr);

/** Check an identifier: 1 to 64 of A-Z a-z 0-9 - _ . @return 0, or -EINVAL with the reason */
int identifier_check(const char *what, const char *identifier, struct error *reterr);

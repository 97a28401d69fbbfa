#pragma once

#include "protocol/base/error.h"
#include "protocol/base/utf8.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/*
 * User-supplied names: participants, studies, layers, observers. They are displayed, compared and
 * used as keys, never as a path, but they end up in exports, spreadsheets and shell commands.
 */

/**
 * Check a name: 1 to NAME_LIMIT_BYTES bytes of UTF-8, beginning with a letter or a digit, without
 * control characters and without any of / \ < > " ` $ | ; * ?
 *
 * @param what  for the error: "participant"
 * @return 0, or -EINVAL with the reason
 */
int name_check(const char *what, const char *name, struct error *reterr);

/** Check an identifier: 1 to 64 of A-Z a-z 0-9 - _ . @return 0, or -EINVAL with the reason */
int identifier_check(const char *what, const char *identifier, struct error *reterr);

/**
 * Normalise a name: no white space at its ends, one space for each run of spaces inside, Unicode
 * normal form C. The caller calls name_check().
 *
 * @param ret   set on success; freed by free()
 * @param what  for the error: "participant"
 * @return 0, -ENOMEM, or -EINVAL when it is not UTF-8, or has a control character inside, or a
 *         character that is invisible, private or not assigned; with the reason
 */
int name_normalise(char **ret, const char *what, const char *name, struct error *reterr);

/**
 * @return true when two names, one of which may be from an old file, normalise to the same spelling
 */
bool name_is_same(const char *a, const char *b);

/**
 * name_normalise() in place, for the rest of a text that begins with @p prefix.
 *
 * @param name  allocated by malloc(), or empty or NULL, which are left alone, as are texts without
 *              the prefix
 */
int name_normalise_in(char **name, const char *what, const char *prefix, struct error *reterr);

/**
 * Same for all fields of an unpacked message that hold names of participants, authors, layers and
 * studies, at any depth.
 *
 * @param message  unpacked with protobuf-c's own allocator, or with texts allocated by malloc()
 */
int names_normalise(ProtobufCMessage *message, struct error *reterr);

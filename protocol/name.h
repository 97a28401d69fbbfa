#pragma once

#include "protocol/base/error.h"
#include "protocol/base/utf8.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

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

/**
 * Bring a name into its one spelling: without white space at its ends, with one space for each run of
 * spaces in it, in Unicode's normal form C. name_check() is the caller's.
 *
 * @param ret   set on success: freed by free()
 * @param what  for the sentence: "participant"
 * @return 0, -ENOMEM, or -EINVAL when it is not UTF-8, or has a control character inside, or a character
 *         that is invisible, private or not assigned; with the reason
 */
int name_normalise(char **ret, const char *what, const char *name, struct error *reterr);

/** @return true when two names, of which one may be that of an old file, have the same spelling */
bool name_is_same(const char *a, const char *b);

/**
 * name_normalise() in place, for the rest of a text that begins with @p prefix.
 *
 * @param name  allocated by malloc(), or empty or NULL, which stay; other texts without the prefix stay too
 */
int name_normalise_in(char **name, const char *what, const char *prefix, struct error *reterr);

/**
 * The same for all fields of an unpacked message that hold names of participants, authors, layers and
 * studies, at any depth.
 *
 * @param message  unpacked with protobuf-c's own allocator, or made of texts by malloc()
 */
int names_normalise(ProtobufCMessage *message, struct error *reterr);

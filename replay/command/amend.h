#pragma once

/* Declarations shared by amend.c and amend_list.c. */

#include "replay/session/session.h"

#include <stdbool.h>

/** @return true for acts that 'uxrec amend' can correct */
bool amend_allows(Uxrec__Act__BodyCase body);

/** Display name of a kind of act: "session", "attempt", "tag". */
const char *amend_thing(Uxrec__Act__BodyCase body);

/** Print a session's correctable acts, with their ids. @return an exit status */
int amend_list(const struct session *session, bool json);

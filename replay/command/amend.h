#pragma once

/* Declarations shared by command_amend.c and amend_list.c. */

#include "replay/session/session.h"

#include <stdbool.h>

/** @return true for acts that 'uxrec amend' corrects */
bool amend_allows(Uxrec__Act__BodyCase body);

/** The name of a kind of thing: "session", "attempt", "tag". */
const char *amend_thing(Uxrec__Act__BodyCase body);

/** Print a session's correctable acts, with ids. @return an exit status */
int amend_list(const struct session *session, bool json);

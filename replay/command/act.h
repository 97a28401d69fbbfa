#pragma once

#include "replay/session/session.h"

struct json_object;

/** A kind of acts that a command adds, lists and removes. */
struct command_act {
	const char *noun; /* "bleep" */
	Uxrec__Act__BodyCase body;
	bool (*lists)(const Uxrec__Act *act);
	/* begin_ns: the session's start, origin of printed times */
	void (*print)(const Uxrec__Act *act, int64_t begin_ns);
	struct json_object *(*to_json)(const Uxrec__Act *act, int64_t begin_ns);
};

/** Print the acts of a kind. @return EXIT_OK, or EXIT_FAILED when the log is incomplete */
int command_act_list(const struct command_act *kind, const struct session *session, bool json);

/**
 * Sign and add an act whose body is set, and print it.
 *
 * @param ret_id  set to the id of the new object
 * @return EXIT_OK, or EXIT_FAILED with the reason logged
 */
int command_act_add(const struct command_act *kind, const struct session *session, Uxrec__Act *act,
	bool json, char ret_id[33]);

/** Remove an act of the kind. @return as command_act_add(), or EXIT_NO when the session has none with that id */
int command_act_remove(const struct command_act *kind, const struct session *session,
	const char *id, Uxrec__Act *act);

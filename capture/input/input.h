#pragma once

#include "capture/input/input_options.h"
#include "capture/source.h"

/**
 * Ask the uxrec-inputd of the system, or one that is started as a child, and take in what it says.
 * Returns when it has told that it reads, or why it cannot.
 *
 * @param ret  set on success; freed by source_destroy(), which ends the child
 * @return 0, or a negative errno with the reason: -EACCES for KEY_POLICY_FULL without consent
 */
int input_source_create(struct source **ret, const struct source_context *context,
	const struct input_options *options, struct error *reterr);

/**
 * From now on no more is said of keys than @p keys allows, and never more than was asked for at first;
 * KEY_POLICY_NONE also of those that are held back. Any thread; does not block.
 */
void input_source_set_keys(
	struct source *source, enum key_policy keys, Uxrec__KeyPolicy__Reason reason);

/** What is being read, in a few words: "evdev: 3 devices". */
const char *input_source_describe(const struct source *source);

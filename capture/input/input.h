#pragma once

#include "capture/input/input_options.h"
#include "capture/source.h"

/**
 * Start the input source: connect to the system's uxrec-inputd, or start one as a child, and receive its
 * packets. Blocks until the helper is ready or has failed.
 *
 * @param ret  set on success; freed by source_destroy(), which ends the child
 * @return 0, or a negative errno with the reason: -EACCES for KEY_POLICY_FULL without consent
 */
int input_source_create(struct source **ret, const struct source_context *context,
	const struct input_options *options, struct error *reterr);

/**
 * Restrict the recording of keys to @p keys from now on, never above the policy of the start. KEY_POLICY_NONE
 * also discards the keys that are held back. Any thread; does not block.
 */
void input_source_set_keys(
	struct source *source, enum key_policy keys, Uxrec__KeyPolicy__Reason reason);

/** @return a short description of the devices read: "evdev: 3 devices" */
const char *input_source_describe(const struct source *source);

#pragma once

#include "capture/policy.h"
#include "capture/source.h"

/** What the input source is asked for. */
struct input_options {
	const char *source;  /* "auto", "evdev", "x11" */
	const char *display; /* NULL: the environment's */
	const char *helper;  /* path of uxrec-inputd */
	enum key_policy keys;
	const char *consent_id; /* of the consent act that allows KEY_POLICY_FULL, else "" */
};

/**
 * Start uxrec-inputd as a child and take in what it says. Returns when the child has told that it
 * reads, or why it cannot.
 *
 * @param ret  set on success; freed by source_destroy(), which ends the child
 * @return 0, or a negative errno with the reason: -EACCES for KEY_POLICY_FULL without consent
 */
int input_source_create(struct source **ret, const struct source_context *context,
	const struct input_options *options, struct error *reterr);

/** What is being read, in a few words: "evdev: 3 devices". */
const char *input_source_describe(const struct source *source);

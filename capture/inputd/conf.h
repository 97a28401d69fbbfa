#pragma once

#include "capture/input/filter.h"
#include "capture/input/policy.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Inside uxrec-inputd: what the administrator of the machine allows at most. */

#define INPUTD_CONF_PATH "/etc/uxrec/inputd.conf"

/* More is no configuration. */
#define INPUTD_CONF_LIMIT_BYTES 65536

struct inputd_conf {
	enum key_policy keys; /* at most this is said of keys */
	bool shortcuts;       /* whether keys with Ctrl, Alt or Super may be kept whole */
	bool has_devices;
	struct input_filter devices; /* only these are read, when has_devices */
};

/**
 * Read the configuration. It must be a regular file, of root, that nobody else can write; no link is
 * followed to it.
 *
 * @param ret      set on success. Without the file: for a @p service classes, no shortcuts, the
 *                 devices of seat0; otherwise no limits, because the program has no more rights than who
 *                 started it
 * @return 0, or with the reason, and the line where there is one: -EPERM when it belongs to the wrong
 *         user, may be written or is no regular file, -EFBIG, -EINVAL when something in it is wrong, or
 *         what open(2) gave. Then nothing is to be read of any device
 */
int inputd_conf_read(struct inputd_conf *ret, const char *path, bool service, struct error *reterr);

/**
 * @param shortcuts  whether it is asked that keys with Ctrl, Alt or Super are kept whole
 * @return 0, or -EACCES with the reason when that is more than is allowed
 */
int inputd_conf_allows(
	const struct inputd_conf *conf, enum key_policy keys, bool shortcuts, struct error *reterr);

/** inputd_conf_read() of a text. @param name  of it in errors. Lines that say nothing leave @p conf as it is */
int inputd_conf_parse(struct inputd_conf *conf, const char *text, size_t size_bytes,
	const char *name, struct error *reterr);

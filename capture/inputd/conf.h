#pragma once

#include "capture/input/filter.h"
#include "capture/input/policy.h"
#include "protocol/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Inside uxrec-inputd: limits set by the administrator of the machine. */

#define INPUTD_CONF_PATH "/etc/uxrec/inputd.conf"

/* A larger file is refused. */
#define INPUTD_CONF_LIMIT_BYTES 65536

struct inputd_conf {
	enum key_policy keys; /* upper limit of the policy for keys */
	bool shortcuts;       /* recording keys with Ctrl, Alt or Super whole is allowed */
	bool has_devices;
	struct input_filter devices; /* read only these, when has_devices */
};

/**
 * Read the configuration. It must be a regular file, owned by root, that nobody else can write; symbolic
 * links are not followed.
 *
 * @param ret  set on success. Without the file: for a @p service classes, no shortcuts, the devices of seat0;
 *             otherwise no limits, because the program has no more rights than the user who started it
 * @return 0, or with the reason, and the line where there is one: -EPERM for a wrong owner, write permission
 *         for others or no regular file, -EFBIG, -EINVAL for a syntax error, or the errno of open(2). On
 *         error no device must be read
 */
int inputd_conf_read(struct inputd_conf *ret, const char *path, bool service, struct error *reterr);

/**
 * @param shortcuts  recording keys with Ctrl, Alt or Super whole is requested
 * @return 0, or -EACCES with the reason when the request exceeds the limits
 */
int inputd_conf_allows(
	const struct inputd_conf *conf, enum key_policy keys, bool shortcuts, struct error *reterr);

/**
 * Parse the text of a configuration, as inputd_conf_read(). Keys without a line keep their value in @p conf.
 *
 * @param name  name of the text in errors
 */
int inputd_conf_parse(struct inputd_conf *conf, const char *text, size_t size_bytes,
	const char *name, struct error *reterr);

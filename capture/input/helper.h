#pragma once

#include "capture/input/input_options.h"
#include "capture/input/inputd_protocol.h"
#include "protocol/base/error.h"

#include <sys/types.h>

/* Inside the input source: one connection to uxrec-inputd, either the system service or a child. */

struct input_helper {
	int fd;      /* -1: not connected */
	pid_t child; /* 0: connected to the service */
};

/**
 * Start a child, or connect to the service, and send INPUTD_START.
 *
 * @param service     path of the service's socket; NULL: start a child
 * @param level_keys  as in struct inputd_request
 * @param ret         its fd is -1 on failure
 * @return 0, or a negative errno with the reason
 */
int input_helper_start(struct input_helper *ret, const struct input_options *options,
	const char *service, uint32_t level_keys, struct error *reterr);

/** Send a request; does not block. @return 0 or a negative errno */
int input_helper_send(const struct input_helper *helper, const struct inputd_request *request);

/**
 * Receive the next message; blocks.
 *
 * @param data  INPUTD_MESSAGE_LIMIT_BYTES
 * @return 1 for a message, 0 when the helper has ended, or a negative errno
 */
int input_helper_receive(const struct input_helper *helper, unsigned char *data, size_t *ret_size,
	struct inputd_header *ret_header);

/** Make a call that blocks on the helper fail. */
void input_helper_abort(const struct input_helper *helper);

/** Close the connection; kill a child that does not end soon. */
void input_helper_end(struct input_helper *helper);

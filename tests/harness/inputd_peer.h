#pragma once

#include "capture/input/inputd_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Recorders of other users, for tests of the input service. */

/**
 * Connect as a user: who connected is what the service judges by.
 *
 * @return the socket, which the caller closes
 */
int peer_connect(uid_t uid, const struct sockaddr_un *address, socklen_t address_size);

/** One message of the service. */
struct peer_message {
	struct inputd_header header;
	unsigned char data[INPUTD_MESSAGE_LIMIT_BYTES + 1]; /* a 0 byte behind the last */
	size_t size_bytes;
};

/** @return true when there was one within @p timeout_ms; false at the end, too */
bool peer_receive(int fd, struct peer_message *ret, int timeout_ms);

/** The next message within ten seconds is of that kind, and has that text in it. */
bool peer_hears(int fd, enum inputd_kind kind, const char *text);

/** The connection ends within ten seconds, with nothing more said. */
bool peer_hears_end(int fd);

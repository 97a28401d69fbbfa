#pragma once

#include "capture/input/inputd_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* Recorders of other users, for tests of the input service. */

/**
 * Connect as a user: the service judges by the peer's credentials.
 *
 * @return the socket, which the caller closes
 */
int peer_connect(uid_t uid, const struct sockaddr_un *address, socklen_t address_size);

/** One message of the service. */
struct peer_message {
	struct inputd_header header;
	unsigned char data[INPUTD_MESSAGE_LIMIT_BYTES + 1]; /* NUL-terminated */
	size_t size_bytes;
};

/** @return true if one arrived within @p timeout_ms; false also at the connection's end */
bool peer_receive(int fd, struct peer_message *ret, int timeout_ms);

/** True if the next message comes within ten seconds, is of that kind and contains that text. */
bool peer_hears(int fd, enum inputd_kind kind, const char *text);

/** True if the connection ends within ten seconds, without another message. */
bool peer_hears_end(int fd);

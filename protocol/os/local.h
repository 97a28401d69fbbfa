#pragma once

#include "protocol/base/error.h"

#include <stdbool.h>
#include <sys/un.h>

/*
 * Unix sockets between programs of one user. Other users are kept out twice: by the folder of the socket,
 * which they cannot write, and by the peer credentials of the kernel (SO_PEERCRED), which are checked before
 * anything is sent or read.
 */

/** Fill in the address of a path. @return 0, or -ENAMETOOLONG with the reason */
int local_address(struct sockaddr_un *ret, const char *path, struct error *reterr);

/**
 * Check the folder of a socket. The folder of paths_control() must be a real directory (no link) of this
 * user, closed to all others (0700): in /tmp anybody may have created it first. A folder named by the user
 * must belong to the user or to root, and others must not be able to replace the socket: not writable by
 * them, or sticky like /tmp.
 *
 * @return 0, -ENOENT when it does not exist, or -EPERM, -ENOTDIR or the errno of lstat(2), with the reason
 */
int local_check_folder(const char *socket_path, struct error *reterr);

/**
 * Create the folder of a socket (0700) and its parents if missing, and check it.
 *
 * @return as local_check_folder()
 */
int local_make_folder(const char *socket_path, struct error *reterr);

/** @return 0 when the peer of a connected socket is this user or root, or -EPERM with the reason */
int local_check_peer(int fd, struct error *reterr);

/**
 * Check the folder, connect within five seconds, and check the peer.
 *
 * @param type  SOCK_STREAM or SOCK_SEQPACKET
 * @return a descriptor (close-on-exec), or a negative errno with the reason: -EPERM from a check, -EAGAIN
 *         when the listen queue stays full, otherwise the errno of connect(2)
 */
int local_connect(const char *path, int type, struct error *reterr);

#pragma once

#include "capture/inputd/conf.h"
#include "capture/inputd/seat.h"
#include "protocol/base/error.h"

/*
 * Inside uxrec-inputd as a system service: admission of peers. A peer is identified by the kernel
 * (SO_PEERCRED) and must have the seat now; one peer is served at a time. The holder of the seat takes over
 * from a peer that has lost it.
 */

/* Idle timeout: without a peer the service exits; its socket unit starts it again. */
#define INPUTD_IDLE_MS 30000

/**
 * Serve one peer until it or we close the link. The peer has the seat and has sent nothing yet; the
 * callback needs a timeout for the first request. May send INPUTD_FAILED; does not close @p fd.
 */
typedef void inputd_handle_peer_fn(
	int fd, struct seat *seat, const struct inputd_conf *conf, void *user);

struct inputd_service {
	const char *conf_path;
	int idle_ms;
	inputd_handle_peer_fn *handle_peer;
	void *user;
};

/**
 * Get the socket passed by systemd or systemd-socket-activate(1).
 *
 * @return the descriptor, or -ENOTCONN, -EPROTOTYPE with the reason
 */
int inputd_service_socket(struct error *reterr);

/**
 * Serve peers that connect to @p listen_fd, until none has for `idle_ms`. A refused peer gets the reason in
 * INPUTD_FAILED.
 *
 * @return 0, or a negative errno with the reason
 */
int inputd_service_run(int listen_fd, const struct inputd_service *service, struct error *reterr);

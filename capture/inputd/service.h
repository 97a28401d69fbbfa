#pragma once

#include "capture/inputd/conf.h"
#include "capture/inputd/seat.h"
#include "protocol/base/error.h"

/*
 * Inside uxrec-inputd as a system service: who may ask. A peer is known by the kernel (SO_PEERCRED),
 * and must have the seat now; one is served at a time. Who has the seat takes over from one who has lost it.
 */

/* Without a peer for so long the service ends; its socket starts it again. */
#define INPUTD_IDLE_MS 30000

/**
 * Serve one peer until it or we end it. It has the seat, and has said nothing yet: who never does must
 * not be waited for. May say INPUTD_FAILED; does not close @p fd.
 */
typedef void inputd_converse_fn(
	int fd, struct seat *seat, const struct inputd_conf *conf, void *user);

struct inputd_service {
	const char *conf_path;
	int idle_ms;
	inputd_converse_fn *converse;
	void *user;
};

/**
 * Take the socket that systemd, or systemd-socket-activate(1), gave.
 *
 * @return the descriptor, or -ENOTCONN, -EPROTOTYPE with the reason
 */
int inputd_service_socket(struct error *reterr);

/**
 * Serve who connects to @p listen_fd, until nobody has for `idle_ms`. Everyone who is not served is told
 * why, by INPUTD_FAILED.
 *
 * @return 0, or a negative errno with the reason
 */
int inputd_service_run(int listen_fd, const struct inputd_service *service, struct error *reterr);

#pragma once

#include "daemon/access/keyring.h"
#include "daemon/access/principal.h"
#include "daemon/access/tickets.h"

/**
 * Who may connect, and as whom. It is decided in the process that owns the sessions, uxrecd or uxrec-play, and never in
 * uxrec-server, which talks to browsers and is taken to be in the hands of the worst of them: it asserts nothing. A
 * connection is admitted by its secret, the key of a link or a ticket; the owner keeps its principal, and checks role
 * and rate of each of its requests. So a compromised server has the rights of the connections that it serves, and only
 * while it runs. It needs no secret after a hello and stores none (freed memory may hold some), writes no file of the
 * library, and cannot name a principal. All that it can read it can leak.
 */
struct access {
	struct keyring *keyring;
	struct tickets tickets;
	/* from which principals of clients without an identity are derived: 32 hex digits */
	char secret[33];
	/* principal of every client with an identity, for owners where all are this user's: browsers store an identity
	 * per port, and the port changes each time; "": derived from the identity */
	char user[33];
};

/** Answer to a hello. */
struct admission {
	unsigned close_code; /* 0: admitted; else the WebSocket's close code, with the reason */
	char reason[120];
	struct principal principal;
	char key[KEY_BYTES];  /* of its link, for a client that came with a ticket; else "" */
	char page_marker[24]; /* for moderators of a recorder, see wire.proto; else "" */
};

/* Application close codes: RFC 6455, section 7.4.2, reserves 4000 to 4999 for them. */
#define CLOSE_BAD_TOKEN  4401
#define CLOSE_BAD_RECORD 4400
#define CLOSE_REVOKED    4410
#define REVOKED_REASON   "the link was revoked: ask the moderator for another one"

/**
 * @param library, keys, reterr  as for keyring_create()
 * @param secret                 of principals
 * @param user                   NULL: clients have principals of their own
 * @return as for keyring_create()
 */
int access_init(struct access *access, const char *library, const char *keys, const char *secret,
	const char *user, struct error *reterr);

void access_finish(struct access *access);

/** Decide on a hello; a ticket is consumed. Any thread. */
void access_admit(struct access *access, const Uxrec__Hello *hello, struct admission *ret);

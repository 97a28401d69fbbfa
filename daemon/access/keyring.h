#pragma once

#include "daemon/access/links_file.h"
#include "protocol/base/error.h"

/**
 * The keys of the links to the pages. They are stored with the library, in its file `links`, and stay valid
 * until revoked, across restarts of the recorder. The file contains a SHA-256 digest of each key, and no key.
 *
 * For each role one link is the present one, which is printed and handed out. Its key is the HMAC of its id
 * under this station's secret (identity.h), so that it can be recomputed after a restart. When a library comes
 * from another station, its links stay valid; new present ones are made.
 *
 * Any thread. A separate thread reads and writes the file, so that a slow disk delays no caller.
 */
struct keyring;

#define KEY_BYTES 33 /* 128 bits as 32 lower-case hex digits, and a 0 byte */

/**
 * Read the links of a library, and make the present links of all roles without one.
 *
 * @param library  folder; NULL: keys valid for this run only
 * @param secret   of this station, 32 hex digits; NULL: no persistent one, and present keys are valid for this
 *                 run only
 * @param ret      set, even when the file is refused: then with keys valid for this run only. Free with
 *                 keyring_destroy()
 * @param reterr   written when a file is refused or cannot be written
 * @return 0; -ENOMEM or another negative errno when @p ret is not set; 1 when it is set and the file is
 *         refused: owned by another user, writable by others, not a regular file, or not a list of links
 */
int keyring_create(
	struct keyring **ret, const char *library, const char *secret, struct error *reterr);

/** Writes the times of use, and links not yet written, before freeing. */
void keyring_destroy(struct keyring *keyring);
DEFINE_DESTROY(keyring);

/** Result of keyring_find(). */
enum keyring_status {
	KEYRING_UNKNOWN,
	KEYRING_REVOKED,
	KEYRING_VALID,
};

/**
 * Find the link of a key; constant time for a given number of links.
 *
 * @param ret_role  set with KEYRING_VALID, as is the link's id
 */
enum keyring_status keyring_find(const struct keyring *keyring, const char *key,
	Uxrec__Role *ret_role, char ret_id[LINK_ID_BYTES]);

/** Record the use of a link, with the present time. */
void keyring_used(struct keyring *keyring, const char *id);

/** @return false when the link is revoked or unknown */
bool keyring_is_valid(const struct keyring *keyring, const char *id);

/** Get the key of a role's present link, and its id (or NULL). "" for ROLE_UNSPECIFIED. */
void keyring_present(const struct keyring *keyring, Uxrec__Role role, char ret_key[KEY_BYTES],
	char ret_id[LINK_ID_BYTES]);

/**
 * Revoke links, effective at once. A role whose present link is revoked gets a new one.
 *
 * @param which  "observer", "reviewer", "moderator": all links of that role; "all"; or a prefix of one id, at
 *               least four digits
 * @return the number of revoked links, or -ENOENT or -EINVAL with the reason
 */
int keyring_revoke(struct keyring *keyring, const char *which, struct error *reterr);

/**
 * Set the callback, run on any thread, for links revoked here or by another recorder of the library. On return
 * the previous callback is no longer running. Must not be called from the callback.
 */
void keyring_on_revoked(struct keyring *keyring, void (*revoked)(void *user), void *user);

/**
 * List the links, with the state of their file.
 *
 * @param ret  set; free with uxrec__link_list__free_unpacked()
 * @return 0 or -ENOMEM
 */
int keyring_list(const struct keyring *keyring, Uxrec__LinkList **ret);

/** The first 128 bits of the SHA-1 of a text, in hex digits. */
void keyring_digest(const char *text, char digits[33]);

#pragma once

#include "daemon/access/links_file.h"
#include "protocol/base/error.h"

/**
 * The keys of the links to the pages. They live with the library, in its file `links`, until they are revoked: a
 * restart of the recorder changes none. The file has a SHA-256 digest of each key, and no key.
 *
 * Of each role one link is the present one, which is printed and handed out. Its key is the HMAC of its id under
 * this station's secret (identity.h), so that it can be computed again after a restart. A library that comes from
 * another station keeps its links valid; the present ones are then new.
 *
 * Any thread. The file is read and written by a thread of its own, where a slow disk delays nobody.
 */
struct keyring;

#define KEY_BYTES 33 /* 128 bits as 32 lower-case hex digits, and a 0 byte */

/**
 * Read the links of a library, and make the present ones of all roles that have none.
 *
 * @param library  folder; NULL: keys of this run alone
 * @param secret   of this station, 32 hex digits; NULL: there is none that lasts, and present keys are of this run alone
 * @param ret      set, also when the file is refused: then to keys of this run alone. Freed by keyring_destroy()
 * @param reterr   written when a file is refused or cannot be written
 * @return 0; -ENOMEM or another negative errno when @p ret is not set; 1 when it is set and the file is refused: it
 *         belongs to another user, others can write it, it is no regular file, or no list of links
 */
int keyring_create(
	struct keyring **ret, const char *library, const char *secret, struct error *reterr);

/** Also writes the times of use, and links that are not written yet. */
void keyring_destroy(struct keyring *keyring);
DEFINE_DESTROY(keyring);

/** Result of keyring_find(). */
enum keyring_fate {
	KEYRING_UNKNOWN,
	KEYRING_REVOKED,
	KEYRING_VALID,
};

/**
 * Find the link of a key; takes constant time for a given number of links.
 *
 * @param ret_role  set with KEYRING_VALID, as is the link's id
 */
enum keyring_fate keyring_find(const struct keyring *keyring, const char *key,
	Uxrec__Role *ret_role, char ret_id[LINK_ID_BYTES]);

/** A link was used now. */
void keyring_used(struct keyring *keyring, const char *id);

/** @return false when a link was revoked, or is not there */
bool keyring_is_valid(const struct keyring *keyring, const char *id);

/** The key of a role's present link, and its id (or NULL). "" for ROLE_UNSPECIFIED. */
void keyring_present(const struct keyring *keyring, Uxrec__Role role, char ret_key[KEY_BYTES],
	char ret_id[LINK_ID_BYTES]);

/**
 * Revoke links: they are not valid from now on. A role whose present link is among them gets a new one.
 *
 * @param which  "observer", "reviewer", "moderator": all links of that role; "all"; or the begin of one id, of at
 *               least four digits
 * @return how many were revoked, or -ENOENT or -EINVAL with the reason
 */
int keyring_revoke(struct keyring *keyring, const char *which, struct error *reterr);

/**
 * Call back, from any thread, after links were revoked here or by another recorder of the library. On return the
 * function that was set before is not running any more. Not to be called by it.
 */
void keyring_on_revoked(struct keyring *keyring, void (*revoked)(void *user), void *user);

/**
 * List the links, with the state of their file.
 *
 * @param ret  set: freed by uxrec__link_list__free_unpacked()
 * @return 0 or -ENOMEM
 */
int keyring_list(const struct keyring *keyring, Uxrec__LinkList **ret);

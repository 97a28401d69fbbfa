#pragma once

#include "protocol/os/folder.h"
#include "protocol/wire.pb-c.h"

#define LINK_ID_BYTES     33 /* 128 bits as 32 lower-case hex digits, and a 0 byte */
#define LINK_DIGEST_BYTES 32 /* SHA-256 */
#define LINKS_LIMIT       128

/** A link to the pages, without its key. Times are CLOCK_REALTIME, 0: never. */
struct page_link {
	char id[LINK_ID_BYTES];
	Uxrec__Role role;
	unsigned char digest[LINK_DIGEST_BYTES]; /* of the key's 32 characters */
	int64_t made_ns, used_ns, revoked_ns;
	bool of_this_run; /* never written */
};

struct links {
	struct page_link link[LINKS_LIMIT];
	size_t count;
};

/** @return the link of an id, or NULL */
struct page_link *links_find(const struct links *links, const char *id);

/**
 * Add a link. A full list evicts one: the earliest revoked, else the longest unused.
 *
 * @return the added link, whose other fields are 0
 */
struct page_link *links_add(struct links *links, const char *id, Uxrec__Role role);

/**
 * Merge the links of another list: new links, latest uses, and revocations.
 *
 * @return the number of links valid in @p links that were revoked by the merge
 */
unsigned links_merge(struct links *links, const struct links *other);

/** @return the name of a role in the file and in commands, or NULL */
const char *links_role_name(Uxrec__Role role);

/**
 * Read the file `links` of a library. Its content and kind are untrusted.
 *
 * @param ret        written on success
 * @param ret_stamp  written on success: changes whenever the file does
 * @return 0, -ENOENT when there is none, or a negative errno with the reason: owned by another user (-EPERM),
 *         writable by others (-EPERM), not a regular file (-ELOOP, -EBADMSG), not a list of links (-EBADMSG)
 */
int links_read(
	const struct folder *library, struct links *ret, uint64_t *ret_stamp, struct error *reterr);

/** Get the stamp of the file, as from links_read(), without its content. @return 0 or a negative errno */
int links_stamp(const struct folder *library, uint64_t *ret);

/**
 * Synchronise a list and the file, holding the folder's lock: each gets the links that only the other has. The
 * file is written only when it changes, and atomically: complete on disk, or as before.
 *
 * @param links      merged even when the file cannot be written
 * @param ret_stamp  as for links_read()
 * @return 0, or a negative errno with the reason
 */
int links_update(const struct folder *library, struct links *links, uint64_t *ret_stamp,
	struct error *reterr);

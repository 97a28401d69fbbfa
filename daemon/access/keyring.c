#include "daemon/access/keyring.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/sha1.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Interval for writing times of use; revocations and new links are written at once, and retried after a
 * failure. In between, the file is polled for revocations by another recorder of the library. */
#define USES_EVERY_NS    (60 * NS_PER_S)
#define POLL_INTERVAL_NS (5 * NS_PER_S)

#define PREFIX_DIGITS 4 /* minimum prefix of an id */
#define ROLES         (UXREC__ROLE__ROLE_MODERATOR + 1)

struct present {
	char id[LINK_ID_BYTES];
	char key[KEY_BYTES];
};

struct keyring {
	struct folder *library; /* NULL: keys valid for this run only */
	const char *secret;     /* NULL: no persistent one */
	pthread_t thread;
	bool started;
	uint64_t stamp; /* of the file, as last read or written by the thread */

	pthread_mutex_t lock; /* protects all fields below */
	pthread_cond_t wanted;
	struct links links;
	struct present present[ROLES];
	bool changed; /* revocations or new links are unwritten */
	bool used;    /* times of use are unwritten */
	bool stop;
	int64_t used_due_ns;
	struct log_limit warnings;
	struct error trouble; /* why the file cannot be written; "": no error */
	void (*revoked)(void *user);
	void *revoked_user;
	unsigned calls; /* running calls of it */
	pthread_cond_t called;
};

/* ---- keys ---- */

static void to_hex(char *text, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void digest_of(const char *key, unsigned char ret[LINK_DIGEST_BYTES])
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, strlen(key), (const uint8_t *)key);
	sha256_digest(&context, LINK_DIGEST_BYTES, ret);
}

static void derive_key(const char *secret, const char *id, char ret_key[KEY_BYTES])
{
	struct hmac_sha256_ctx context;
	unsigned char code[SHA256_DIGEST_SIZE];
	char text[64 + LINK_ID_BYTES];

	snprintf(text, sizeof(text), "uxrec key of a link\n%s", id);
	hmac_sha256_set_key(&context, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&context, strlen(text), (const uint8_t *)text);
	hmac_sha256_digest(&context, sizeof(code), code);
	to_hex(ret_key, code, (KEY_BYTES - 1) / 2);
}

static bool is_key_of(const struct page_link *link, const char *key)
{
	unsigned char digest[LINK_DIGEST_BYTES];

	digest_of(key, digest);
	return io_secrets_equal(digest, link->digest, sizeof(digest));
}

static int make_present(struct keyring *keyring, Uxrec__Role role)
{
	struct present *present = &keyring->present[role];
	struct page_link *link;
	int r = io_random_hex(present->id, (LINK_ID_BYTES - 1) / 2);

	if (r == 0 && !keyring->secret)
		r = io_random_hex(present->key, (KEY_BYTES - 1) / 2);
	if (r < 0)
		return r;
	if (keyring->secret)
		derive_key(keyring->secret, present->id, present->key);
	link = links_add(&keyring->links, present->id, role);
	digest_of(present->key, link->digest);
	link->made_ns = clock_read_ns(CLOCK_REALTIME);
	link->of_this_run = !keyring->secret || !keyring->library;
	keyring->changed |= !link->of_this_run;
	return 0;
}

/* Find the newest valid link whose key is derived from this station's secret. */
static bool find_present(struct keyring *keyring, Uxrec__Role role)
{
	struct present *present = &keyring->present[role];
	char key[KEY_BYTES];
	int64_t newest_ns = -1;

	for (size_t i = 0; i < keyring->links.count && keyring->secret; i++) {
		const struct page_link *link = &keyring->links.link[i];

		if (link->role != role || link->revoked_ns || link->made_ns <= newest_ns)
			continue;
		derive_key(keyring->secret, link->id, key);
		if (!is_key_of(link, key))
			continue;
		newest_ns = link->made_ns;
		memcpy(present->id, link->id, sizeof(present->id));
		memcpy(present->key, key, sizeof(present->key));
	}
	return newest_ns >= 0;
}

static bool is_valid(const struct keyring *keyring, const char *id)
{
	const struct page_link *link = links_find(&keyring->links, id);

	return link && !link->revoked_ns;
}

/* Ensure that every role has a valid present link. */
static int renew_present(struct keyring *keyring)
{
	int r = 0;

	for (Uxrec__Role role = UXREC__ROLE__ROLE_OBSERVER; role < ROLES && r == 0; role++)
		if (!is_valid(keyring, keyring->present[role].id))
			r = make_present(keyring, role);
	return r;
}

/* ---- the file ---- */

/* Called with the lock held; releases it meanwhile. */
static void notify_revoked(struct keyring *keyring)
{
	void (*revoked)(void *user) = keyring->revoked;
	void *user = keyring->revoked_user;

	if (!revoked)
		return;
	keyring->calls++;
	pthread_mutex_unlock(&keyring->lock);
	revoked(user);
	pthread_mutex_lock(&keyring->lock);
	keyring->calls--;
	pthread_cond_broadcast(&keyring->called);
}

/* Called with the lock held; releases it meanwhile. */
static void save(struct keyring *keyring)
{
	_autofree_ struct links *links = malloc(sizeof(*links));
	struct error trouble = {""};
	bool changed = keyring->changed;
	int r;

	if (!links)
		return;
	*links = keyring->links;
	keyring->changed = keyring->used = false;
	pthread_mutex_unlock(&keyring->lock);
	r = links_update(keyring->library, links, &keyring->stamp, &trouble);
	if (r < 0)
		log_limited(&keyring->warnings, LOG_LEVEL_WARNING, "links: %s", trouble.text);
	pthread_mutex_lock(&keyring->lock);
	keyring->trouble = r < 0 ? trouble : (struct error){""};
	keyring->changed |= r < 0 && changed;
	if (links_merge(&keyring->links, links) == 0)
		return;
	renew_present(keyring);
	notify_revoked(keyring);
}

/* Called with the lock held; releases it meanwhile. @return true when another recorder has written the file */
static bool file_has_changed(struct keyring *keyring)
{
	uint64_t stamp;
	bool changed;

	pthread_mutex_unlock(&keyring->lock);
	changed = links_stamp(keyring->library, &stamp) == 0 && stamp != keyring->stamp;
	pthread_mutex_lock(&keyring->lock);
	return changed;
}

static void wait_for_work(struct keyring *keyring)
{
	int64_t until_ns = clock_now_ns() + POLL_INTERVAL_NS;
	struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};

	while (!keyring->stop && (!keyring->changed || *keyring->trouble.text) &&
		pthread_cond_timedwait(&keyring->wanted, &keyring->lock, &until) == 0)
		;
}

static void *keyring_thread(void *user)
{
	struct keyring *keyring = user;

	pthread_setname_np(pthread_self(), "uxrec-links");
	pthread_mutex_lock(&keyring->lock);
	do {
		wait_for_work(keyring);
		if (keyring->changed ||
			(keyring->used &&
				(keyring->stop || clock_now_ns() >= keyring->used_due_ns)) ||
			(!keyring->stop && file_has_changed(keyring)))
			save(keyring);
	} while (!keyring->stop);
	pthread_mutex_unlock(&keyring->lock);
	return NULL;
}

/* ---- lifecycle ---- */

static int open_library(struct keyring *keyring, const char *library, struct error *reterr)
{
	int r = folder_open_linked(&keyring->library, library, reterr);

	if (r == 0) {
		r = links_read(keyring->library, &keyring->links, &keyring->stamp, reterr);
		if (r == -ENOENT)
			return 0;
	}
	if (r < 0) {
		keyring->links.count = 0;
		folder_unref(steal_ptr(keyring->library));
	}
	return r;
}

int keyring_create(
	struct keyring **ret, const char *library, const char *secret, struct error *reterr)
{
	_destroy_(keyring) struct keyring *keyring = calloc(1, sizeof(*keyring));
	int refused = 0, r = 0;

	if (!keyring)
		return error_set(reterr, -ENOMEM, "out of memory");
	pthread_mutex_init(&keyring->lock, NULL);
	pthread_cond_init(&keyring->called, NULL);
	clock_init_condition(&keyring->wanted);
	if (library)
		refused = open_library(keyring, library, reterr) < 0;
	keyring->secret = secret;
	for (Uxrec__Role role = UXREC__ROLE__ROLE_OBSERVER; role < ROLES && r == 0; role++)
		if (!find_present(keyring, role))
			r = make_present(keyring, role);
	if (r < 0)
		return error_set(reterr, r, "cannot get random numbers");
	if (keyring->library) {
		/* before links are handed out, so that they are valid after the next start */
		if (keyring->changed) {
			pthread_mutex_lock(&keyring->lock);
			save(keyring);
			pthread_mutex_unlock(&keyring->lock);
		}
		r = pthread_create(&keyring->thread, NULL, keyring_thread, keyring);
		if (r != 0)
			return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
		keyring->started = true;
	}
	*ret = steal_ptr(keyring);
	return refused;
}

void keyring_destroy(struct keyring *keyring)
{
	if (!keyring)
		return;
	if (keyring->started) {
		pthread_mutex_lock(&keyring->lock);
		keyring->stop = true;
		pthread_cond_signal(&keyring->wanted);
		pthread_mutex_unlock(&keyring->lock);
		pthread_join(keyring->thread, NULL);
	}
	folder_unref(keyring->library);
	pthread_cond_destroy(&keyring->wanted);
	pthread_cond_destroy(&keyring->called);
	pthread_mutex_destroy(&keyring->lock);
	explicit_bzero(keyring->present, sizeof(keyring->present));
	free(keyring);
}

/* ---- queries ---- */

/* Lock a const keyring: queries modify nothing else. */
static struct keyring *lock(const struct keyring *keyring)
{
	struct keyring *locked = (struct keyring *)keyring;

	pthread_mutex_lock(&locked->lock);
	return locked;
}

enum keyring_status keyring_find(const struct keyring *keyring, const char *key,
	Uxrec__Role *ret_role, char ret_id[LINK_ID_BYTES])
{
	struct keyring *locked;
	enum keyring_status status = KEYRING_UNKNOWN;
	unsigned char digest[LINK_DIGEST_BYTES];

	if (!identity_id_is_valid(key))
		return status;
	digest_of(key, digest);
	locked = lock(keyring);
	for (size_t i = 0; i < locked->links.count; i++) {
		const struct page_link *link = &locked->links.link[i];

		if (!io_secrets_equal(digest, link->digest, sizeof(digest)))
			continue;
		status = link->revoked_ns ? KEYRING_REVOKED : KEYRING_VALID;
		*ret_role = link->role;
		memcpy(ret_id, link->id, LINK_ID_BYTES);
	}
	pthread_mutex_unlock(&locked->lock);
	return status;
}

void keyring_used(struct keyring *keyring, const char *id)
{
	struct page_link *link;

	pthread_mutex_lock(&keyring->lock);
	link = links_find(&keyring->links, id);
	if (link) {
		link->used_ns = clock_read_ns(CLOCK_REALTIME);
		if (!keyring->used)
			keyring->used_due_ns = clock_now_ns() + USES_EVERY_NS;
		keyring->used = true;
	}
	pthread_mutex_unlock(&keyring->lock);
}

bool keyring_is_valid(const struct keyring *keyring, const char *id)
{
	struct keyring *locked = lock(keyring);
	bool valid = is_valid(locked, id);

	pthread_mutex_unlock(&locked->lock);
	return valid;
}

void keyring_present(const struct keyring *keyring, Uxrec__Role role, char ret_key[KEY_BYTES],
	char ret_id[LINK_ID_BYTES])
{
	struct keyring *locked = lock(keyring);
	const struct present *present = &locked->present[(size_t)role < ROLES ? role : 0];

	memcpy(ret_key, present->key, KEY_BYTES);
	if (ret_id)
		memcpy(ret_id, present->id, LINK_ID_BYTES);
	pthread_mutex_unlock(&locked->lock);
}

/* ---- revocation ---- */

static bool is_meant(const struct page_link *link, const char *which)
{
	return strcmp(which, "all") == 0 || strcmp(which, links_role_name(link->role)) == 0 ||
		strncmp(link->id, which, strlen(which)) == 0;
}

static int check_which(const struct links *links, const char *which, struct error *reterr)
{
	size_t length = strlen(which);
	unsigned count = 0;

	if (strcmp(which, "all") == 0)
		return 0;
	for (Uxrec__Role role = UXREC__ROLE__ROLE_OBSERVER; role < ROLES; role++)
		if (strcmp(which, links_role_name(role)) == 0)
			return 0;
	if (length < PREFIX_DIGITS || length >= LINK_ID_BYTES ||
		strspn(which, "0123456789abcdef") != length)
		return error_set(reterr, -EINVAL,
			"'%s': must be a role (observer, reviewer, moderator), all, or the first "
			"characters of a link's id",
			text_quote(which).text);
	for (size_t i = 0; i < links->count; i++)
		count += strncmp(links->link[i].id, which, length) == 0;
	if (count == 1)
		return 0;
	return error_set(reterr, count ? -EINVAL : -ENOENT,
		count ? "the ids of several links begin with %s" : "no link's id begins with %s",
		which);
}

int keyring_revoke(struct keyring *keyring, const char *which, struct error *reterr)
{
	int count = 0, r;

	pthread_mutex_lock(&keyring->lock);
	r = check_which(&keyring->links, which, reterr);
	for (size_t i = 0; i < keyring->links.count && r == 0; i++) {
		struct page_link *link = &keyring->links.link[i];

		if (link->revoked_ns || !is_meant(link, which))
			continue;
		link->revoked_ns = clock_read_ns(CLOCK_REALTIME);
		count++;
	}
	if (count > 0) {
		keyring->changed = true;
		keyring->trouble = (struct error){""}; /* retry now */
		r = renew_present(keyring);
		pthread_cond_signal(&keyring->wanted);
		notify_revoked(keyring);
	}
	pthread_mutex_unlock(&keyring->lock);
	return r < 0 ? r : count;
}

void keyring_on_revoked(struct keyring *keyring, void (*revoked)(void *user), void *user)
{
	pthread_mutex_lock(&keyring->lock);
	keyring->revoked = revoked;
	keyring->revoked_user = user;
	while (keyring->calls > 0)
		pthread_cond_wait(&keyring->called, &keyring->lock);
	pthread_mutex_unlock(&keyring->lock);
}

/* ---- listing ---- */

static Uxrec__Link *list_one(const struct keyring *keyring, const struct page_link *from)
{
	Uxrec__Link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	uxrec__link__init(link);
	link->id = strdup(from->id);
	link->role = from->role;
	link->made_ns = from->made_ns;
	link->used_ns = from->used_ns;
	link->revoked_ns = from->revoked_ns;
	link->present = strcmp(keyring->present[from->role].id, from->id) == 0;
	link->of_this_run = from->of_this_run;
	return link;
}

int keyring_list(const struct keyring *keyring, Uxrec__LinkList **ret)
{
	Uxrec__LinkList *list = calloc(1, sizeof(*list));
	struct keyring *locked;

	if (!list)
		return -ENOMEM;
	uxrec__link_list__init(list);
	locked = lock(keyring);
	list->links = calloc(locked->links.count + 1, sizeof(Uxrec__Link *));
	for (size_t i = 0; i < locked->links.count && list->links; i++) {
		list->links[list->n_links] = list_one(locked, &locked->links.link[i]);
		if (list->links[list->n_links])
			list->n_links++;
	}
	list->unwritten = locked->changed;
	list->trouble = strdup(locked->trouble.text);
	pthread_mutex_unlock(&locked->lock);
	*ret = list;
	return 0;
}

void keyring_digest(const char *text, char digits[33])
{
	unsigned char bytes[SHA1_DIGEST_SIZE];
	struct sha1_ctx context;

	sha1_init(&context);
	sha1_update(&context, strlen(text), (const uint8_t *)text);
	sha1_digest(&context, sizeof(bytes), bytes);
	for (size_t i = 0; i < 16; i++)
		snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
}

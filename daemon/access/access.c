#include "daemon/access/access.h"

#include "protocol/name.h"
#include "protocol/os/identity.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int access_init(struct access *access, const char *library, const char *keys, const char *secret,
	const char *user, struct error *reterr)
{
	*access = (struct access){0};
	tickets_init(&access->tickets);
	snprintf(access->secret, sizeof(access->secret), "%s", secret);
	snprintf(access->user, sizeof(access->user), "%s", user ? user : "");
	return keyring_create(&access->keyring, library, keys, reterr);
}

void access_finish(struct access *access)
{
	keyring_destroy(steal_ptr(access->keyring));
	tickets_finish(&access->tickets);
}

/* Names of roles are reserved. */
static void set_name(struct principal *principal, const char *wanted)
{
	_autofree_ char *name = NULL;
	bool good = name_normalise(&name, "name", wanted, NULL) == 0 &&
		name_check("name", name, NULL) == 0 &&
		(principal->role == UXREC__ROLE__ROLE_MODERATOR ||
			(strcasecmp(name, "moderator") != 0 && strcasecmp(name, "uxrecd") != 0));

	snprintf(principal->name, sizeof(principal->name), "%s", good ? name : "observer");
}

/*
 * The prefixes of the digested text differ for identities and names, and a bare token is never digested: no
 * identity chosen by a client yields a principal of the other kind.
 */
static void set_id(const struct access *access, struct principal *principal, const char *identity)
{
	char text[300];

	principal->identified = *identity != '\0';
	if (principal->identified && *access->user) {
		memcpy(principal->id, access->user, sizeof(principal->id));
		return;
	}
	if (principal->identified)
		snprintf(text, sizeof(text), "uxrec principal of an identity\n%s", identity);
	else
		snprintf(text, sizeof(text), "uxrec principal of a name\n%s\n%d\n%s",
			access->secret, (int)principal->role, principal->name);
	keyring_digest(text, principal->id);
}

static void refuse(struct admission *ret, unsigned code, const char *reason)
{
	ret->close_code = code;
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
}

void access_admit(struct access *access, const Uxrec__Hello *hello, struct admission *ret)
{
	struct principal *principal = &ret->principal;
	enum keyring_status status;

	*ret = (struct admission){0};
	status = keyring_find(access->keyring, hello->token, &principal->role, principal->link);
	if (status == KEYRING_REVOKED) {
		refuse(ret, CLOSE_REVOKED, REVOKED_REASON);
		return;
	}
	if (status == KEYRING_UNKNOWN) {
		principal->role = tickets_redeem(&access->tickets, hello->token);
		keyring_present(access->keyring, principal->role, ret->key, principal->link);
	}
	if (principal->role == UXREC__ROLE__ROLE_UNSPECIFIED) {
		refuse(ret, CLOSE_BAD_TOKEN, "the link is not valid: ask for the current one");
	} else if (*hello->identity && !identity_id_is_valid(hello->identity)) {
		refuse(ret, CLOSE_BAD_RECORD, "an identity is 32 hex digits: 0-9 and a-f");
	} else {
		set_name(principal, hello->name);
		set_id(access, principal, hello->identity);
		keyring_used(access->keyring, principal->link);
	}
}

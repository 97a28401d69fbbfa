/* Hosts and origins that may reach the pages, and the table of requests. */

#include "tests/harness/helpers.h"

#include "daemon/access/hosts.h"
#include "daemon/access/requests.h"

#include <string.h>

/* ---- hosts and origins ---- */

static void foreign_hosts_are_refused(void)
{
	struct hosts hosts = {0};

	expect(hosts_include(&hosts, "127.0.0.1:7310"));
	expect(hosts_include(&hosts, "localhost:9"));
	expect(hosts_include(&hosts, "LOCALHOST"));
	expect(hosts_include(&hosts, "[::1]:80"));
	expect(!hosts_include(&hosts, NULL));
	expect(!hosts_include(&hosts, ""));
	expect(!hosts_include(&hosts, "evil.example:7310"));
	expect(!hosts_include(&hosts, "localhost.evil.example"));
	expect(!hosts_include(&hosts, "127.0.0.1.evil.example:7310"));
	expect(!hosts_include(&hosts, "127.0.0.1:7310@evil.example"));
	expect(!hosts_include(&hosts, "[::1"));
	expect(!hosts_include(&hosts,
		"localhost:"
		"x"));
	check(hosts_allow(&hosts, "lab.example") == 0);
	expect(hosts_include(&hosts, "lab.example:8443"));
}

static void foreign_origins_are_refused(void)
{
	struct hosts hosts = {0};

	check(hosts_allow(&hosts, "lab.example") == 0);
	expect(hosts_are_origin(&hosts, NULL, "localhost:7310"));
	expect(hosts_are_origin(&hosts, "http://localhost:7310", "localhost:7310"));
	/* the site under test, on the same machine */
	expect(!hosts_are_origin(&hosts, "http://localhost:3000", "localhost:7310"));
	expect(!hosts_are_origin(&hosts, "http://127.0.0.1:7310", "localhost:7310"));
	expect(!hosts_are_origin(&hosts, "https://localhost:7310", "localhost:7310"));
	expect(!hosts_are_origin(&hosts, "https://localhost", "localhost"));
	expect(!hosts_are_origin(&hosts, "null", "localhost:7310"));
	expect(!hosts_are_origin(&hosts, "http://localhost:7310", NULL));
}

static void an_allowed_host_may_be_behind_tls(void)
{
	struct hosts hosts = {0};

	check(hosts_allow(&hosts, "lab.example") == 0);
	expect(hosts_are_origin(&hosts, "https://lab.example", "lab.example"));
	expect(hosts_are_origin(&hosts, "https://LAB.example", "lab.example:443"));
	expect(hosts_are_origin(&hosts, "https://lab.example:8443", "lab.example:8443"));
	expect(hosts_are_origin(&hosts, "http://lab.example", "lab.example:80"));
	expect(!hosts_are_origin(&hosts, "https://lab.example:8443", "lab.example"));
	expect(!hosts_are_origin(&hosts, "https://lab.example", "lab.example:80"));
	expect(!hosts_are_origin(&hosts, "http://lab.example", "lab.example:443"));
	expect(!hosts_are_origin(&hosts, "https://evil.example", "lab.example"));
	expect(!hosts_are_origin(&hosts, "https://evil.example", "evil.example"));
	expect(!hosts_are_origin(&hosts, "https://lab.example.evil", "lab.example"));
	expect(!hosts_are_origin(&hosts, "https://", ""));
	expect(!hosts_are_origin(&hosts, "wss://lab.example", "lab.example"));
}

/* ---- the table of requests ---- */

static const struct request_kind *kind_of(const ProtobufCFieldDescriptor *field)
{
	return request_kind((Uxrec__ClientMessage__BodyCase)field->id);
}

static bool is_among(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

/* Written out once more: a row that gives too much is found here. */
static void roles_have_the_rights_of_this_list(void)
{
	static const char *const observer[] = {
		"hello", "ping", "cancel", "get_status", "watch_live", "put_act", NULL};
	static const char *const reviewer[] = {"hello", "ping", "cancel", "get_status", "put_act",
		"list_sessions", "open_session", "read", "get_timeline", "get_metrics",
		"get_transcript", "put_transcript", "export_session", NULL};
	static const char *const command[] = {"open_page", "list_links", "revoke_links", NULL};
	const ProtobufCMessageDescriptor *message = &uxrec__client_message__descriptor;

	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		const struct request_kind *kind = kind_of(field);

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		expect(request_allows(kind, UXREC__ROLE__ROLE_OBSERVER) ==
			is_among(field->name, observer));
		expect(request_allows(kind, UXREC__ROLE__ROLE_REVIEWER) ==
			is_among(field->name, reviewer));
		/* a kind without its row is nobody's */
		expect(request_allows(kind, UXREC__ROLE__ROLE_MODERATOR) ==
			!is_among(field->name, command));
		expect(!request_allows(kind, UXREC__ROLE__ROLE_UNSPECIFIED));
		expect((kind->owner == REQUEST_OF_COMMAND) == is_among(field->name, command));
	}
}

static void a_kind_that_does_not_exist_is_nobodys(void)
{
	static const int bodies[] = {0, 1, 31, 52, 1000, INT32_MAX, -1};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		expect(request_kind((Uxrec__ClientMessage__BodyCase)bodies[i])->roles == 0);
}

static void what_steers_or_works_has_a_limit(void)
{
	const ProtobufCMessageDescriptor *message = &uxrec__client_message__descriptor;

	expect(!request_rate_limit(REQUEST_OFTEN));
	for (unsigned i = 0; i < message->n_fields; i++) {
		const struct request_kind *kind = kind_of(&message->fields[i]);
		const struct rate_limit *limit = request_rate_limit(kind->rate);

		if (message->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		expect(!limit || (limit->per_second >= 1 && limit->burst >= limit->per_second));
		if (kind->owner == REQUEST_OF_WRITER ||
			(kind->owner == REQUEST_OF_RECORDER &&
				kind->roles == 1u << UXREC__ROLE__ROLE_MODERATOR))
			expect(limit != NULL);
	}
}

static const struct test tests[] = {
	{"foreign hosts are refused", foreign_hosts_are_refused},
	{"foreign origins are refused", foreign_origins_are_refused},
	{"an allowed host may be behind TLS", an_allowed_host_may_be_behind_tls},
	{"roles have the rights of this list, and no more", roles_have_the_rights_of_this_list},
	{"a kind of request that does not exist is nobody's",
		a_kind_that_does_not_exist_is_nobodys},
	{"requests that steer or work have a limit", what_steers_or_works_has_a_limit},
};

int main(void)
{
	return RUN_TESTS("access", tests);
}

#include "replay/command/command.h"

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/wire.pb-c.h"
#include "replay/base/enum_text.h"
#include "replay/base/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A revocation takes effect at once; wait until it is on the disk. */
#define TRIES        100
#define TRY_EVERY_US 50000

static const char *state_text(const Uxrec__Link *link)
{
	if (link->revoked_ns)
		return "revoked";
	if (link->of_this_run)
		return "until the recorder ends";
	return link->present ? "handed out" : "valid";
}

static void print_list(const Uxrec__LinkList *list)
{
	char made[COMMAND_TIME_BYTES], used[COMMAND_TIME_BYTES];

	printf("%-10s %-10s %-27s %-27s %s\n", "id", "role", "made", "last used", "state");
	for (size_t i = 0; i < list->n_links; i++) {
		const Uxrec__Link *link = list->links[i];

		printf("%-10.8s %-10s %-27s %-27s %s\n", link->id,
			enum_text(&uxrec__role__descriptor, (int)link->role).text,
			command_local_time(made, link->made_ns),
			link->used_ns ? command_local_time(used, link->used_ns) : "never",
			state_text(link));
	}
}

/* @return an exit status; with EXIT_OK the list, freed by the caller */
static int request(const struct command_options *options, Uxrec__ClientMessage *message,
	Uxrec__ServerMessage **ret)
{
	int r = command_request(options, message, ret);

	if (r != EXIT_OK)
		return r;
	if ((*ret)->body_case == UXREC__SERVER_MESSAGE__BODY_LINK_LIST)
		return EXIT_OK;
	uxrec__server_message__free_unpacked(*ret, NULL);
	return EXIT_FAILED;
}

static int request_list(const struct command_options *options, Uxrec__ServerMessage **ret)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__ListLinks list = UXREC__LIST_LINKS__INIT;

	message.body_case = UXREC__CLIENT_MESSAGE__BODY_LIST_LINKS;
	message.list_links = &list;
	return request(options, &message, ret);
}

static int request_revocation(
	const struct command_options *options, char *which, Uxrec__ServerMessage **ret)
{
	Uxrec__ClientMessage message = UXREC__CLIENT_MESSAGE__INIT;
	Uxrec__RevokeLinks body = UXREC__REVOKE_LINKS__INIT;
	int r;

	body.which = which;
	message.body_case = UXREC__CLIENT_MESSAGE__BODY_REVOKE_LINKS;
	message.revoke_links = &body;
	r = request(options, &message, ret);
	for (int i = 0; i < TRIES && r == EXIT_OK && (*ret)->link_list->unwritten; i++) {
		if (*(*ret)->link_list->trouble)
			return r;
		usleep(TRY_EVERY_US);
		uxrec__server_message__free_unpacked(*ret, NULL);
		r = request_list(options, ret);
	}
	return r;
}

int command_links(const struct command_options *options, int argc, char **argv)
{
	bool json = command_pop_flag(&argc, argv, "--json");
	bool revokes = argc > 1 && strcmp(argv[1], "revoke") == 0;
	Uxrec__ServerMessage *answer;
	const Uxrec__LinkList *list;
	int r;

	if (revokes ? argc != 3 : argc != 1)
		return command_usage("links [--json] | links revoke ROLE|ID|all [--json]");
	r = revokes ? request_revocation(options, argv[2], &answer)
		    : request_list(options, &answer);
	if (r != EXIT_OK)
		return r;
	list = answer->link_list;
	if (json)
		json_print(json_of_message(&list->base));
	else
		print_list(list);
	if (list->unwritten && (revokes || *list->trouble)) {
		log_error(
			"%s: the revocation is in effect, but not stored yet: it is lost when the "
			"recorder ends",
			*list->trouble ? list->trouble : "the disk is slow");
		r = EXIT_FAILED;
	}
	uxrec__server_message__free_unpacked(answer, NULL);
	return r;
}

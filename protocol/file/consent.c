#include "protocol/file/consent.h"

#include "protocol/limits.h"
#include "protocol/message_patch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* More statements than any session needs; the fold is cubic. */
#define STATEMENTS_LIMIT 100

#define ALL_MODALITIES ((1u << CONSENT_MODALITY_COUNT) - 1)
#define ALL_USES       ((1u << CONSENT_USE_COUNT) - 1)
#define FORMAT_1_USES  (1u << CONSENT_ANALYSIS | 1u << CONSENT_OBSERVERS | 1u << CONSENT_CLIPS)

/* a parsed act that grants or takes back */
struct statement {
	Uxrec__Act *act;
	bool is_withdrawal;
	uint32_t modalities, uses; /* bits */
	int64_t from_ns;           /* INT64_MIN: the start */
	const char *label, *id;    /* of the participant, the act's; both "": of everybody */
};

/* A participant, identified by the statements that name them. */
struct person {
	const char *label, *id;
};

struct consent {
	struct statement list[STATEMENTS_LIMIT];
	size_t count;
	struct person persons[STATEMENTS_LIMIT];
	size_t person_count;
	size_t participants; /* of the session, by its SessionInfo */
	bool stated;         /* a statement exists, even if removed since */
	bool closed;         /* nothing is covered, for the reason in `error` */
	char error[sizeof(((struct error *)0)->text)];
	struct {
		struct consent_span *list;
		size_t count;
	} spans[CONSENT_MODALITY_COUNT][CONSENT_USE_COUNT];
};

/* ---- names ---- */

static const char *const use_names[CONSENT_USE_COUNT] = {
	[CONSENT_ANALYSIS] = "analysis",
	[CONSENT_OBSERVERS] = "observers",
	[CONSENT_CLIPS] = "clips",
	[CONSENT_PUBLICATION] = "publication",
};

const char *consent_use_name(enum consent_use use)
{
	return use_names[use];
}

int consent_use_find(const char *name)
{
	for (int use = 0; use < CONSENT_USE_COUNT; use++)
		if (strcmp(use_names[use], name) == 0)
			return use;
	return -1;
}

const char *consent_modality_name(unsigned modality)
{
	return modality < MODALITY_COUNT     ? modality_name((enum modality)modality)
		: modality == CONSENT_CAMERA ? "camera"
					     : "other";
}

int consent_modality_find(const char *name)
{
	int modality = strcmp(name, "camera") == 0 ? CONSENT_CAMERA : modality_find(name);

	return modality == MODALITY_SESSION ? -1 : modality;
}

static bool view_is(struct view view, const char *text)
{
	return view.size_bytes == strlen(text) && memcmp(view.data, text, view.size_bytes) == 0;
}

unsigned consent_modality(const struct reader_channel *channel)
{
	const struct channel_kind *kind = channel_kind_get(channel->known);
	struct view pairs = channel->metadata;

	if (kind)
		return kind->modality;
	while (pairs.size_bytes > 0 && !pairs.failed) {
		struct view key = view_read_string(&pairs), value = view_read_string(&pairs);

		if (!view_is(key, "modality"))
			continue;
		for (unsigned m = 0; m < CONSENT_OTHER; m++)
			if (view_is(value, consent_modality_name(m)))
				return m;
		return CONSENT_OTHER;
	}
	return MODALITY_SESSION;
}

/* ---- statements ---- */

/* @return the bits of the names; *ret_unknown is set to true when a name is unknown */
static uint32_t bits_of(
	char *const *names, size_t count, int (*find)(const char *name), bool *ret_unknown)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < count; i++) {
		int bit = find(names[i]);

		if (bit >= 0)
			bits |= 1u << bit;
		else
			*ret_unknown = true;
	}
	return bits;
}

static int64_t begin_of(int64_t from_ns)
{
	return from_ns > 0 ? from_ns : INT64_MIN;
}

static void read_consent(struct statement *statement, const Uxrec__Consent *consent)
{
	bool unknown = false;

	statement->label = consent->participant;
	statement->id = consent->participant_id;
	statement->from_ns = begin_of(consent->from_ns);
	statement->modalities = bits_of(
		consent->modalities, consent->n_modalities, consent_modality_find, &unknown);
	statement->uses = consent->n_uses
		? bits_of(consent->uses, consent->n_uses, consent_use_find, &unknown)
		: FORMAT_1_USES;
	/* a later version may have limited it in an unknown way */
	if (consent->base.n_unknown_fields > 0 ||
		!protobuf_c_enum_descriptor_get_value(
			&uxrec__consent__method__descriptor, (int)consent->method))
		statement->modalities = 0;
	if (!consent->withdrawn)
		return;
	statement->is_withdrawal = true;
	statement->modalities = ALL_MODALITIES;
	statement->uses = ALL_USES;
	statement->from_ns = INT64_MIN;
}

static void read_withdrawal(struct statement *statement, const Uxrec__Withdrawal *withdrawal)
{
	bool unknown = withdrawal->base.n_unknown_fields > 0;

	statement->is_withdrawal = true;
	statement->label = withdrawal->participant;
	statement->id = withdrawal->participant_id;
	statement->from_ns = begin_of(withdrawal->from_ns);
	statement->modalities = withdrawal->n_modalities
		? bits_of(withdrawal->modalities, withdrawal->n_modalities, consent_modality_find,
			  &unknown)
		: ALL_MODALITIES;
	statement->uses = withdrawal->n_uses
		? bits_of(withdrawal->uses, withdrawal->n_uses, consent_use_find, &unknown)
		: ALL_USES;
	if (!unknown)
		return;
	statement->modalities = ALL_MODALITIES;
	statement->uses = ALL_USES;
	statement->from_ns = INT64_MIN;
}

static bool is_about_consent(const Uxrec__Act *act)
{
	return (act->body_case == UXREC__ACT__BODY_CONSENT && act->consent) ||
		(act->body_case == UXREC__ACT__BODY_WITHDRAWAL && act->withdrawal);
}

static void close_all(struct consent *consent, const char *reason)
{
	consent->closed = true;
	snprintf(consent->error, sizeof(consent->error), "%s", reason);
}

/* Take an act over; NULL when out of memory. */
static int add_statement(struct consent *consent, Uxrec__Act *act)
{
	struct statement *statement = &consent->list[consent->count];

	if (!act)
		return -ENOMEM;
	if (consent->count == STATEMENTS_LIMIT) {
		uxrec__act__free_unpacked(act, NULL);
		close_all(consent, "its log has more than 100 statements about consent");
		return 0;
	}
	*statement = (struct statement){.act = act};
	consent->stated = true;
	consent->count++;
	if (act->body_case == UXREC__ACT__BODY_CONSENT)
		read_consent(statement, act->consent);
	else
		read_withdrawal(statement, act->withdrawal);
	return 0;
}

/* ---- sources of statements ---- */

static void count_participants(struct consent *consent, const Uxrec__Act *act)
{
	if (act->body_case == UXREC__ACT__BODY_SESSION_INFO && act->session_info)
		consent->participants = act->session_info->n_participants;
}

static int add_log_acts(struct consent *consent, const struct annotations *log)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < annotations_count(log); i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		count_participants(consent, act);
		if (is_about_consent(act))
			r = add_statement(consent, (Uxrec__Act *)message_copy(&act->base));
	}
	return r;
}

static void remove_statement(struct consent *consent, size_t i)
{
	uxrec__act__free_unpacked(consent->list[i].act, NULL);
	memmove(&consent->list[i], &consent->list[i + 1],
		(consent->count - i - 1) * sizeof(*consent->list));
	consent->count--;
}

/* Fold an act of the recording's own channel; takes it over. */
static int fold_recorded(struct consent *consent, const struct annotations *log, Uxrec__Act *act)
{
	size_t i = 0;

	consent->stated |= is_about_consent(act);
	/* the log takes precedence, also with its removals */
	if (log && annotations_knows(log, act->id)) {
		uxrec__act__free_unpacked(act, NULL);
		return 0;
	}
	while (i < consent->count && strcmp(consent->list[i].act->id, act->id) != 0)
		i++;
	if (i < consent->count && consent->list[i].act->counter > act->counter) {
		uxrec__act__free_unpacked(act, NULL);
		return 0;
	}
	if (i < consent->count && act->kind == UXREC__ACT__KIND__KIND_PATCH) {
		/* its other fields are in the missing log */
		consent->list[i].modalities = consent->list[i].is_withdrawal ? ALL_MODALITIES : 0;
		uxrec__act__free_unpacked(act, NULL);
		return 0;
	}
	if (i < consent->count)
		remove_statement(consent, i);
	if (act->kind != UXREC__ACT__KIND__KIND_REMOVE && is_about_consent(act))
		return add_statement(consent, act);
	uxrec__act__free_unpacked(act, NULL);
	return 0;
}

/* The acts recorded with the session: the only ones in a copy of just the recording. */
static int add_recorded_acts(
	struct consent *consent, const struct annotations *log, struct session_reader *reader)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r;

	if (!session_reader_find(reader, CHANNEL_ACTS))
		return 0;
	r = session_cursor_create(
		&cursor, reader, INT64_MIN, INT64_MAX, UINT64_C(1) << CHANNEL_ACTS);
	while (r == 0 && !consent->closed && (r = session_cursor_next(cursor, &message)) > 0) {
		Uxrec__Act *act =
			uxrec__act__unpack(NULL, message.data.size_bytes, message.data.data);

		r = 0;
		if (!act)
			continue;
		if (!log)
			count_participants(consent, act);
		r = fold_recorded(consent, log, act);
	}
	return r;
}

/* ---- attribution ---- */

static bool is_of(const struct statement *statement, const struct person *person)
{
	if (*statement->id && *person->id)
		return strcmp(statement->id, person->id) == 0;
	return *statement->label && strcmp(statement->label, person->label) == 0;
}

static bool is_of_everybody(const struct statement *statement)
{
	return !*statement->id && !*statement->label;
}

static bool is_of_somebody(const struct consent *consent, const struct statement *statement)
{
	for (size_t i = 0; i < consent->person_count; i++)
		if (is_of(statement, &consent->persons[i]))
			return true;
	return false;
}

/* Everyone who has ever consented; a Withdrawal by any other name cannot be attributed. */
static void find_persons(struct consent *consent)
{
	for (size_t i = 0; i < consent->count; i++) {
		const struct statement *statement = &consent->list[i];

		if (statement->act->body_case == UXREC__ACT__BODY_CONSENT &&
			!is_of_everybody(statement) && !is_of_somebody(consent, statement))
			consent->persons[consent->person_count++] =
				(struct person){statement->label, statement->id};
	}
	if (consent->person_count == 0)
		consent->persons[consent->person_count++] = (struct person){"", ""};
}

/* True when fewer participants have agreed than took part. */
static bool somebody_lacks(const struct consent *consent)
{
	for (size_t i = 0; i < consent->count; i++)
		if (!consent->list[i].is_withdrawal && is_of_everybody(&consent->list[i]))
			return false;
	return consent->person_count < consent->participants;
}

static bool concerns(const struct consent *consent, const struct statement *statement,
	const struct person *person)
{
	return is_of_everybody(statement) || is_of(statement, person) ||
		(statement->is_withdrawal && !is_of_somebody(consent, statement));
}

/* ---- spans ---- */

struct question {
	unsigned modality;
	enum consent_use use;
	int64_t at_ns;
};

static bool covers(const struct statement *statement, const struct question *question)
{
	return statement->modalities >> question->modality & 1 &&
		statement->uses >> question->use & 1 && statement->from_ns <= question->at_ns;
}

static bool person_agrees(
	const struct consent *consent, const struct person *person, const struct question *question)
{
	uint64_t withdrawn_counter = 0;
	bool given = false;

	for (size_t i = 0; i < consent->count; i++) {
		const struct statement *statement = &consent->list[i];

		if (statement->is_withdrawal && covers(statement, question) &&
			concerns(consent, statement, person) &&
			statement->act->counter >= withdrawn_counter)
			withdrawn_counter = statement->act->counter + 1;
	}
	for (size_t i = 0; i < consent->count && !given; i++) {
		const struct statement *statement = &consent->list[i];

		given = !statement->is_withdrawal && covers(statement, question) &&
			concerns(consent, statement, person) &&
			statement->act->counter >= withdrawn_counter;
	}
	return given;
}

static bool all_agree(const struct consent *consent, const struct question *question)
{
	struct question one = *question;

	if (question->modality == MODALITY_SESSION) {
		for (one.modality = MODALITY_SESSION + 1; one.modality < CONSENT_OTHER;
			one.modality++)
			if (all_agree(consent, &one))
				return true;
		return false;
	}
	for (size_t i = 0; i < consent->person_count; i++)
		if (!person_agrees(consent, &consent->persons[i], question))
			return false;
	return true;
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Coverage changes only where a statement begins. */
static int find_spans(struct consent *consent, unsigned modality, enum consent_use use)
{
	int64_t times[STATEMENTS_LIMIT + 1] = {INT64_MIN};
	size_t count = 1, spans = 0;
	struct consent_span *list = calloc(STATEMENTS_LIMIT + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < consent->count; i++)
		times[count++] = consent->list[i].from_ns;
	qsort(times, count, sizeof(*times), compare_times);
	for (size_t i = 0; i < count; i++) {
		const struct question question = {modality, use, times[i]};
		int64_t to_ns = i + 1 < count ? times[i + 1] : INT64_MAX;

		if (to_ns == times[i] || !all_agree(consent, &question))
			continue;
		if (spans > 0 && list[spans - 1].to_ns == times[i])
			list[spans - 1].to_ns = to_ns;
		else
			list[spans++] = (struct consent_span){times[i], to_ns};
	}
	consent->spans[modality][use].list = list;
	consent->spans[modality][use].count = spans;
	return 0;
}

static int open_all(struct consent *consent, unsigned modality, enum consent_use use)
{
	struct consent_span *list = malloc(sizeof(*list));

	if (!list)
		return -ENOMEM;
	*list = (struct consent_span){INT64_MIN, INT64_MAX};
	consent->spans[modality][use].list = list;
	consent->spans[modality][use].count = 1;
	return 0;
}

static int find_all_spans(struct consent *consent)
{
	bool open = !consent->stated;
	int r = 0;

	for (unsigned m = 0; m < CONSENT_MODALITY_COUNT && !consent->closed; m++)
		for (unsigned use = 0; use < CONSENT_USE_COUNT && r == 0; use++)
			if (open)
				r = open_all(consent, m, (enum consent_use)use);
			else if (m != CONSENT_OTHER)
				r = find_spans(consent, m, (enum consent_use)use);
	return r;
}

/* ---- lifecycle ---- */

int consent_create(struct consent **ret, const struct annotations *log,
	struct session_reader *reader, const char *error)
{
	_destroy_(consent) struct consent *consent = calloc(1, sizeof(*consent));
	int r = 0;

	if (!consent)
		return -ENOMEM;
	if (log)
		r = add_log_acts(consent, log);
	if (r == 0 && reader && consent->count == 0 && !*error)
		r = add_recorded_acts(consent, log, reader);
	if (r < 0)
		return r;
	if (*error)
		close_all(consent, error);
	find_persons(consent);
	if (consent->count > 0 && somebody_lacks(consent) && !consent->closed)
		close_all(consent, "not every participant has given consent");
	r = find_all_spans(consent);
	if (r < 0)
		return r;
	*ret = steal_ptr(consent);
	return 0;
}

void consent_destroy(struct consent *consent)
{
	if (!consent)
		return;
	for (size_t i = 0; i < consent->count; i++)
		uxrec__act__free_unpacked(consent->list[i].act, NULL);
	for (unsigned m = 0; m < CONSENT_MODALITY_COUNT; m++)
		for (unsigned use = 0; use < CONSENT_USE_COUNT; use++)
			free(consent->spans[m][use].list);
	free(consent);
}

/* ---- queries ---- */

struct consent_spans consent_spans(
	const struct consent *consent, unsigned modality, enum consent_use use)
{
	return (struct consent_spans){
		consent->spans[modality][use].list, consent->spans[modality][use].count};
}

bool consent_allows(const struct consent *consent, unsigned modality, enum consent_use use,
	int64_t from_ns, int64_t to_ns)
{
	struct consent_spans spans = consent_spans(consent, modality, use);

	for (size_t i = 0; i < spans.count; i++)
		if (from_ns >= spans.list[i].from_ns && to_ns <= spans.list[i].to_ns)
			return true;
	return false;
}

bool consent_allows_some(const struct consent *consent, unsigned modality, enum consent_use use)
{
	return consent->spans[modality][use].count > 0;
}

bool consent_allows_recording(const struct consent *consent, unsigned modality, int64_t at_ns)
{
	for (unsigned use = 0; use < CONSENT_USE_COUNT; use++)
		if (consent_allows(consent, modality, (enum consent_use)use, at_ns, at_ns + 1))
			return true;
	return false;
}

bool consent_is_narrowed(const struct consent *consent)
{
	for (size_t i = 0; i < consent->count; i++)
		if (consent->list[i].is_withdrawal)
			return true;
	return false;
}

bool consent_is_known(const struct consent *consent)
{
	return !consent->closed;
}

bool consent_is_withdrawn(const struct consent *consent)
{
	for (unsigned use = 0; use < CONSENT_USE_COUNT; use++)
		if (consent_allows_some(consent, MODALITY_SESSION, (enum consent_use)use))
			return false;
	return consent_is_narrowed(consent);
}

struct consent_text consent_denial_reason(
	const struct consent *consent, unsigned modality, enum consent_use use)
{
	struct consent_text reason;

	if (consent->closed)
		snprintf(reason.text, sizeof(reason.text), "its consent is not known: %s",
			consent->error);
	else if (consent_is_withdrawn(consent))
		snprintf(reason.text, sizeof(reason.text),
			"the participant has withdrawn their consent");
	else if (modality == MODALITY_SESSION)
		snprintf(reason.text, sizeof(reason.text), "the consent does not cover %s",
			consent_use_name(use));
	else
		snprintf(reason.text, sizeof(reason.text), "the consent does not cover %s for %s",
			consent_modality_name(modality), consent_use_name(use));
	return reason;
}

size_t consent_act_count(const struct consent *consent)
{
	return consent->count;
}

const Uxrec__Act *consent_act(const struct consent *consent, size_t i)
{
	return i < consent->count ? consent->list[i].act : NULL;
}

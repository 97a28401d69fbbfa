#include "replay/export/extract.h"

#include "protocol/acts/layer.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/utf8.h"
#include "protocol/input.pb-c.h"
#include "replay/base/enum_text.h"
#include "replay/base/json.h"
#include "replay/metrics/internal.h"
#include "replay/session/timeline.h"
#include "replay/session/transcript.h"
#include "replay/study/study.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *table; /* NULL: none */
	const char *suffix, *type;
	enum way_out way;
} parts[EXTRACT_COUNT] = {
	[EXTRACT_TAGS] = {"tags", "-tags.csv", "text/csv", WAY_OUT_TABLE},
	[EXTRACT_NOTES] = {"notes", "-notes.csv", "text/csv", WAY_OUT_TABLE},
	[EXTRACT_EVENTS] = {"events", "-events.csv", "text/csv", WAY_OUT_EVENTS},
	[EXTRACT_ATTEMPTS] = {"attempts", "-attempts.csv", "text/csv", WAY_OUT_TABLE},
	[EXTRACT_TRANSCRIPT_VTT] = {NULL, "-transcript.vtt", "text/vtt", WAY_OUT_TRANSCRIPT},
	[EXTRACT_TRANSCRIPT_JSON] = {NULL, "-transcript.json", "application/json",
		WAY_OUT_TRANSCRIPT},
};

int extract_find_table(const char *name)
{
	for (int part = 0; part < EXTRACT_COUNT; part++)
		if (parts[part].table && strcmp(parts[part].table, name) == 0)
			return part;
	return -1;
}

enum way_out extract_way(enum extract part)
{
	return parts[part].way;
}

const char *extract_suffix(enum extract part, const char **ret_type)
{
	*ret_type = parts[part].type;
	return parts[part].suffix;
}

static void __attribute__((format(printf, 2, 3)))
add_note(struct extract_notes *notes, const char *format, ...)
{
	va_list args;

	if (notes->count == EXTRACT_NOTES_LIMIT)
		return;
	va_start(args, format);
	vsnprintf(notes->text[notes->count], sizeof(notes->text[0]), format, args);
	va_end(args);
	utf8_trim(notes->text[notes->count]);
	notes->count++;
}

/* ---- cells ---- */

/* A row being written: a comma precedes each cell but the first. */
struct row {
	FILE *out;
	unsigned cells;
};

static void begin_cell(struct row *row)
{
	if (row->cells++ > 0)
		putc(',', row->out);
}

static void put_text(struct row *row, const char *text)
{
	_autofree_ char *clean = utf8_is_valid(text) ? NULL : strdup(text);
	bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';

	if (clean) {
		utf8_clean(clean, false);
		text = clean;
	}
	begin_cell(row);
	if (quoted)
		putc('"', row->out);
	if (*text && strchr("=+-@\t\r", *text))
		putc('\'', row->out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', row->out);
		putc(*text, row->out);
	}
	if (quoted)
		putc('"', row->out);
}

/* @param known  false: the cell stays empty */
static void put_count(struct row *row, bool known, uint64_t value)
{
	begin_cell(row);
	if (known)
		fprintf(row->out, "%" PRIu64, value);
}

static void put_seconds(struct row *row, double seconds)
{
	begin_cell(row);
	if (isfinite(seconds))
		fprintf(row->out, "%.3f", seconds);
}

/* @param ns  session time; 0: none */
static void put_time(struct row *row, const struct session *session, int64_t ns)
{
	int64_t begin_ns = 0, end_ns;

	session_span(session, &begin_ns, &end_ns);
	put_seconds(row, ns ? (double)(ns - begin_ns) / 1e9 : NAN);
}

static void put_enum(struct row *row, const ProtobufCEnumDescriptor *descriptor, int value)
{
	put_text(row, value ? enum_text(descriptor, value).text : "");
}

static void end_row(struct row *row)
{
	fputs("\r\n", row->out);
	row->cells = 0;
}

/* ---- acts ---- */

/* Acts of one kind that consent covers, sorted by time. */
struct chosen {
	const Uxrec__Act **acts;
	size_t count;
	struct layers layers;
};

static void chosen_finish(struct chosen *chosen)
{
	free(chosen->acts);
	layers_finish(&chosen->layers);
}

static int64_t time_of(const Uxrec__Act *act)
{
	switch (act->body_case) {
	case UXREC__ACT__BODY_TAG: return act->tag->media_ns;
	case UXREC__ACT__BODY_NOTE: return act->note->media_ns;
	default:
		return act->attempt->begin_ns ? act->attempt->begin_ns
					      : act->attempt->live_begin_ns;
	}
}

static int compare_acts(const void *a, const void *b)
{
	const Uxrec__Act *x = *(const Uxrec__Act *const *)a, *y = *(const Uxrec__Act *const *)b;

	if (time_of(x) != time_of(y))
		return time_of(x) < time_of(y) ? -1 : 1;
	return x->counter != y->counter ? (x->counter < y->counter ? -1 : 1) : strcmp(x->id, y->id);
}

static bool is_allowed(const struct session *session, const Uxrec__Act *act)
{
	int64_t at_ns = time_of(act);

	if (act->body_case == UXREC__ACT__BODY_ATTEMPT)
		return session_allows_attempt(session, act->attempt);
	return consent_allows(session->consent, MODALITY_SESSION, session->use, at_ns, at_ns + 1);
}

static int choose(struct chosen *ret, const struct session *session, Uxrec__Act__BodyCase body,
	const char *things, struct extract_notes *notes)
{
	const struct annotations *log = session->annotations;
	size_t count = log ? annotations_count(log) : 0, left_out = 0;

	ret->acts = calloc(count + 1, sizeof(const Uxrec__Act *));
	if (!ret->acts)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const Uxrec__Act *act = annotations_get(log, i);

		if (act->body_case != body)
			continue;
		if (!is_allowed(session, act))
			left_out++;
		else if (layers_add(&ret->layers, act) == -ENOMEM)
			return -ENOMEM;
		else
			ret->acts[ret->count++] = act;
	}
	if (ret->count > 1)
		qsort(ret->acts, ret->count, sizeof(const Uxrec__Act *), compare_acts);
	if (left_out > 0)
		add_note(notes, "%zu %s are left out: the consent does not cover their time",
			left_out, things);
	return 0;
}

static void put_layer(struct row *row, const struct chosen *chosen, const Uxrec__Act *act)
{
	int layer = layers_index(&chosen->layers, act);

	put_text(row, layer < 0 ? act->layer : chosen->layers.entries[layer].label);
}

static const char *first_participant(const struct session *session)
{
	const Uxrec__SessionInfo *info = session_info(session);

	return info && info->n_participants > 0 ? info->participants[0] : "";
}

/* ---- tags and notes ---- */

static void write_tag(struct row *row, const struct session *session, const struct chosen *chosen,
	const Uxrec__Act *act)
{
	const Uxrec__Tag *tag = act->tag;
	const Uxrec__Act *found = annotations_find(session->annotations, tag->attempt);
	const Uxrec__Attempt *attempt =
		found && found->body_case == UXREC__ACT__BODY_ATTEMPT ? found->attempt : NULL;
	const Uxrec__Study__Code *code = study_code(session->study, tag->code);

	put_text(row, session->id);
	put_text(row,
		attempt && *attempt->participant ? attempt->participant
						 : first_participant(session));
	put_time(row, session, tag->media_ns);
	put_time(row, session, tag->end_ns);
	put_text(row, tag->code);
	put_text(row, code ? code->name : "");
	put_text(row,
		code ? enum_text(&uxrec__study__counts_as__descriptor, (int)code->counts_as).text
		     : "");
	put_text(row, attempt ? attempt->task : "");
	put_count(row, attempt, attempt ? attempt->number : 0);
	put_count(row, tag->impact > 0, tag->impact > 0 ? (uint64_t)tag->impact - 1 : 0);
	put_text(row,
		tag->recovery == UXREC__TAG__RECOVERY__RECOVERY_RECOVERED || tag->recovered ? "yes"
			: tag->recovery == UXREC__TAG__RECOVERY__RECOVERY_NOT_RECOVERED     ? "no"
											    : "");
	put_text(row, tag->opportunity);
	put_text(row, tag->note);
	put_text(row, act->author);
	put_layer(row, chosen, act);
	put_enum(row, &uxrec__tag__watching__descriptor, (int)tag->watching);
	end_row(row);
}

static int write_tags(FILE *out, const struct session *session, struct extract_notes *notes)
{
	_cleanup_(chosen_finish) struct chosen chosen = {0};
	struct row row = {.out = out};
	int r = choose(&chosen, session, UXREC__ACT__BODY_TAG, "tags", notes);

	fputs("session,participant,time_s,end_s,code,code_name,counts_as,task,attempt,impact,"
	      "recovered,opportunity,note,author,layer,watching\r\n",
		out);
	for (size_t i = 0; i < chosen.count && r == 0 && !ferror(out); i++)
		write_tag(&row, session, &chosen, chosen.acts[i]);
	return r;
}

static int write_notes(FILE *out, const struct session *session, struct extract_notes *notes)
{
	_cleanup_(chosen_finish) struct chosen chosen = {0};
	struct row row = {.out = out};
	int r = choose(&chosen, session, UXREC__ACT__BODY_NOTE, "notes", notes);

	fputs("session,participant,time_s,note,author,layer\r\n", out);
	for (size_t i = 0; i < chosen.count && r == 0 && !ferror(out); i++) {
		const Uxrec__Act *act = chosen.acts[i];

		put_text(&row, session->id);
		put_text(&row, first_participant(session));
		put_time(&row, session, act->note->media_ns);
		put_text(&row, act->note->text);
		put_text(&row, act->author);
		put_layer(&row, &chosen, act);
		end_row(&row);
	}
	return r;
}

/* ---- attempts ---- */

static int write_attempt(struct row *row, const struct session *session,
	const struct timeline *timeline, const struct chosen *chosen, const Uxrec__Act *act)
{
	const Uxrec__Attempt *attempt = act->attempt;
	const Uxrec__Study__Task *task = study_task(session->study, attempt->task);
	Uxrec__AttemptMetrics *numbers = malloc(sizeof(*numbers));
	bool ended = attempt->end_ns || attempt->live_end_ns;
	int r;

	if (!numbers)
		return -ENOMEM;
	uxrec__attempt_metrics__init(numbers);
	r = metrics_fill_row(numbers, session, timeline, act);
	if (r == 0) {
		put_text(row, session->id);
		put_text(row,
			*attempt->participant ? attempt->participant : first_participant(session));
		put_text(row, attempt->task);
		put_text(row, task ? task->title : "");
		put_count(row, true, attempt->number);
		put_enum(row, &uxrec__attempt__outcome__descriptor, (int)attempt->outcome);
		put_enum(row, &uxrec__attempt__failure__descriptor, (int)attempt->failure);
		put_time(row, session, attempt->reading_ns);
		put_time(row, session, numbers->begin_ns);
		put_time(row, session, ended ? numbers->end_ns : 0);
		put_time(row, session, attempt->live_begin_ns);
		put_time(row, session, attempt->live_end_ns);
		put_seconds(row, ended ? numbers->time_s : NAN);
		put_count(row, numbers->clicks_recorded, numbers->clicks);
		put_count(row, numbers->keys_recorded, numbers->keys);
		put_layer(row, chosen, act);
		end_row(row);
	}
	uxrec__attempt_metrics__free_unpacked(numbers, NULL);
	return r;
}

static int write_attempts(FILE *out, const struct session *session, struct extract_notes *notes)
{
	_cleanup_(chosen_finish) struct chosen chosen = {0};
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct row row = {.out = out};
	int r = choose(&chosen, session, UXREC__ACT__BODY_ATTEMPT, "attempts", notes);

	if (r == 0)
		r = timeline_create(&timeline, session);
	fputs("session,participant,task,title,attempt,outcome,failure,reading_s,begin_s,end_s,"
	      "live_begin_s,live_end_s,time_on_task_s,clicks,keys,layer\r\n",
		out);
	for (size_t i = 0; i < chosen.count && r == 0 && !ferror(out); i++)
		r = write_attempt(&row, session, timeline, &chosen, chosen.acts[i]);
	return r;
}

/* ---- events ---- */

/* "letter 3, digit 1" */
static void put_classes(struct row *row, const Uxrec__Timeline__Event *event)
{
	char text[512] = "";
	size_t length = 0;

	for (size_t i = 0; i < event->n_by_class && length < sizeof(text); i++)
		if (event->by_class[i] > 0)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %u",
				length ? ", " : "",
				enum_text(&uxrec__key_class__descriptor, (int)i).text,
				event->by_class[i]);
	put_text(row, text);
}

static void write_event(
	struct row *row, const struct session *session, const Uxrec__Timeline__Event *event)
{
	bool click = event->kind == UXREC__TIMELINE__EVENT__KIND__KIND_CLICK;
	bool placed = click && event->x_px >= 0 && event->y_px >= 0;

	put_text(row, session->id);
	put_time(row, session, event->at_ns);
	put_time(row, session, event->end_ns);
	put_enum(row, &uxrec__timeline__event__kind__descriptor, (int)event->kind);
	put_count(row, event->count > 0, event->count);
	put_count(row, click && event->button > 0, event->button);
	put_count(row, placed, placed ? (uint64_t)event->x_px : 0);
	put_count(row, placed, placed ? (uint64_t)event->y_px : 0);
	put_text(row, event->role);
	put_text(row, event->name);
	put_text(row, event->application);
	put_classes(row, event);
	put_text(row, event->text);
	end_row(row);
}

static int note_kept_back(void *user, const Uxrec__Gap *gap)
{
	struct extract_notes *notes = user;

	for (size_t i = 0; i < gap->n_topics; i++) {
		uint16_t known = channel_find(gap->topics[i]);

		if (!known || channel_kind_get(known)->modality != MODALITY_INPUT)
			continue;
		add_note(notes, "input of a part of the session is left out: %s", gap->detail);
		return 1;
	}
	return 0;
}

static int write_events(FILE *out, const struct session *session, struct extract_notes *notes)
{
	_destroy_(timeline) struct timeline *timeline = NULL;
	struct row row = {.out = out};
	Uxrec__Timeline *message;
	int r = timeline_create(&timeline, session);

	message = r == 0 ? timeline_to_message(timeline) : NULL;
	if (!message)
		return r < 0 ? r : -ENOMEM;
	fputs("session,time_s,end_s,kind,count,button,x_px,y_px,role,name,application,key_classes,"
	      "text\r\n",
		out);
	for (size_t i = 0; i < message->n_events && !ferror(out); i++)
		write_event(&row, session, message->events[i]);
	uxrec__timeline__free_unpacked(message, NULL);
	session_reader_each_withheld(session->reader, note_kept_back, notes);
	return 0;
}

/* ---- the transcript ---- */

static int write_transcript(FILE *out, const struct session *session, bool json,
	struct extract_notes *notes, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	_cleanup_(buf_finish) struct buf text = {0};
	struct vtt_faults faults = {0};
	Uxrec__Transcript *message;
	int64_t begin_ns = 0, end_ns;
	int r = transcript_show(&vtt, session, &faults, reterr);

	if (r == -ENOENT)
		return error_set(reterr, r, "the session has no transcript");
	if (r < 0)
		return r;
	for (size_t i = 0; i < faults.count && i < VTT_FAULTS_NAMED; i++)
		add_note(notes, "transcript, line %u: %s; left out", faults.named[i].line,
			faults.named[i].why);
	if (!json) {
		vtt_write(&text, vtt);
		fwrite(text.data, 1, text.size_bytes, out);
		return buf_error(&text);
	}
	session_span(session, &begin_ns, &end_ns);
	message = transcript_to_message(vtt, &faults, begin_ns);
	if (!message)
		return -ENOMEM;
	json_write(out, json_of_message(&message->base));
	uxrec__transcript__free_unpacked(message, NULL);
	return 0;
}

/* ---- all of them ---- */

static int write_part(FILE *out, const struct session *session, enum extract part,
	struct extract_notes *notes, struct error *reterr)
{
	switch (part) {
	case EXTRACT_TAGS: return write_tags(out, session, notes);
	case EXTRACT_NOTES: return write_notes(out, session, notes);
	case EXTRACT_EVENTS: return write_events(out, session, notes);
	case EXTRACT_ATTEMPTS: return write_attempts(out, session, notes);
	default:
		return write_transcript(
			out, session, part == EXTRACT_TRANSCRIPT_JSON, notes, reterr);
	}
}

/* Output stream to a buffer, with a size limit. */
struct sink {
	struct buf *out;
	size_t left_bytes;
	bool full;
};

static ssize_t put_bytes(void *user, const char *data, size_t size)
{
	struct sink *sink = user;

	sink->full |= size > sink->left_bytes;
	if (sink->full)
		return 0;
	sink->left_bytes -= size;
	buf_put(sink->out, data, size);
	return (ssize_t)size;
}

static int write_limited(struct sink *sink, const struct session *session, enum extract part,
	struct extract_notes *notes, struct error *reterr)
{
	FILE *stream = fopencookie(sink, "w", (cookie_io_functions_t){.write = put_bytes});
	int r;

	if (!stream)
		return -ENOMEM;
	r = write_part(stream, session, part, notes, reterr);
	fclose(stream);
	if (buf_error(sink->out) < 0)
		return -ENOMEM;
	return r == 0 && sink->full ? -EFBIG : r;
}

int extract_write(struct buf *out, size_t limit_bytes, const struct session *session,
	enum extract part, struct extract_notes *ret_notes, struct error *reterr)
{
	struct extract_notes notes = {0};
	struct sink sink = {out, limit_bytes, false};
	int r;

	if (!session->reader)
		return error_set(reterr, -EBADMSG, "%s", session->error.text);
	if (!session->annotations && *session->annotations_error.text)
		return error_set(reterr, -EBADMSG, "%s", session->annotations_error.text);
	if (*session->annotations_error.text)
		add_note(&notes, "%s", session->annotations_error.text);
	r = write_limited(&sink, session, part, &notes, reterr);
	if (r == -ENOMEM)
		return error_set(reterr, r, "out of memory");
	if (r == -EFBIG)
		return error_set(reterr, r, "the file has more than %zu MB", limit_bytes / 1000000);
	if (r < 0)
		return parts[part].table
			? error_set(reterr, r, "the session cannot be read: %s", strerror(-r))
			: r;
	*ret_notes = notes;
	return 0;
}

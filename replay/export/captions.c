#include "replay/export/captions.h"

#include "protocol/acts/layer.h"
#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "replay/study/study.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Display duration of a tag at a single moment. */
#define TAG_NS (3 * NS_PER_S)

struct captions {
	struct vtt *vtt;
	const struct session *session;
	int64_t zero_ns, to_ns;
};

static const struct {
	const char *name;
	unsigned part;
} parts[] = {
	{"transcript", CAPTION_TRANSCRIPT},
	{"tasks", CAPTION_TASKS},
	{"tags", CAPTION_TAGS},
};

unsigned caption_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcmp(parts[i].name, name) == 0)
			return parts[i].part;
	return 0;
}

static int64_t to_ms(int64_t time_ns)
{
	return time_ns / NS_PER_MS * NS_PER_MS;
}

/* Session times, clipped to the film. */
static int add(struct captions *captions, int64_t from_ns, int64_t to_ns, const char *speaker,
	const char *text)
{
	struct vtt_cue cue = {.speaker = (char *)speaker, .text = (char *)text};
	bool is_moment = from_ns == to_ns;

	if (from_ns < captions->zero_ns)
		from_ns = captions->zero_ns;
	if (to_ns > captions->to_ns)
		to_ns = captions->to_ns;
	if (from_ns >= captions->to_ns || to_ns < from_ns || (to_ns == from_ns && !is_moment) ||
		!*text)
		return 0;
	cue.from_ns = to_ms(from_ns - captions->zero_ns);
	cue.to_ns = to_ms(to_ns - captions->zero_ns);
	/* players never show a cue without duration */
	if (cue.to_ns <= cue.from_ns)
		cue.to_ns = cue.from_ns + NS_PER_MS;
	return vtt_add(captions->vtt, &cue);
}

static int add_transcript(struct captions *captions, struct error *reterr)
{
	_destroy_(vtt) struct vtt *said = NULL;
	int64_t begin_ns, end_ns;
	struct vtt_faults faults;
	int r = transcript_show(&said, captions->session, &faults, reterr);

	if (r == -ENOENT)
		return error_set(reterr, r, "the session has no transcript");
	if (r < 0 || !session_span(captions->session, &begin_ns, &end_ns))
		return r;
	for (size_t i = 0; i < said->count && r == 0; i++) {
		const struct vtt_cue *cue = &said->cues[i];

		r = add(captions, begin_ns + cue->from_ns, begin_ns + cue->to_ns, cue->speaker,
			cue->text);
	}
	return r;
}

/* ---- tasks ---- */

static const char *outcome_name(Uxrec__Attempt__Outcome outcome)
{
	switch (outcome) {
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED: return "completed";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_COMPLETED_WITH_ASSIST: return "completed with assist";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_FAILED: return "failed";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_ABANDONED: return "abandoned";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_VOID: return "void";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_SKIPPED: return "skipped";
	case UXREC__ATTEMPT__OUTCOME__OUTCOME_NOT_REACHED: return "not reached";
	default: return "no outcome";
	}
}

static int add_tasks(struct captions *captions)
{
	_cleanup_(chapters_finish) struct chapters chapters = {0};
	int r = chapters_collect(&chapters, captions->session);

	for (size_t i = 0; i < chapters.count && r == 0; i++) {
		const struct chapter *chapter = &chapters.list[i];
		_autofree_ char *text = NULL;

		if (asprintf(&text, "%s: %s", chapter->title,
			    outcome_name(chapter->attempt->outcome)) < 0)
			return -ENOMEM;
		r = add(captions, chapter->from_ns, chapter->to_ns, "", text);
	}
	return r;
}

/* ---- tags ---- */

static int collect_layers(const struct session *session, struct layers *layers)
{
	int r = 0;

	for (size_t i = 0; i < annotations_count(session->annotations) && r >= 0; i++)
		if (annotations_get(session->annotations, i)->body_case == UXREC__ACT__BODY_TAG)
			r = layers_add(layers, annotations_get(session->annotations, i));
	return r == -ENOMEM ? r : 0;
}

/* @param typed  NULL: the consensus, or else the live layer. @return -ENOENT when no tag is in it */
static int find_layer(const struct layers *layers, const char *typed, struct error *reterr)
{
	int found;

	if (typed)
		return layers_find(layers, typed, reterr);
	found = layers_find(layers, "consensus", NULL);
	return found >= 0 ? found : layers_find(layers, "live", NULL);
}

/* Name and note, each on one line, without controls and empty lines. */
static char *text_of(const struct session *session, const Uxrec__Tag *tag)
{
	const Uxrec__Study__Code *code = study_code(session->study, tag->code);
	char *text;

	if (asprintf(&text, *tag->note ? "%s: %s" : "%s",
		    code && *code->name ? code->name : tag->code, tag->note) < 0)
		return NULL;
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
	return text;
}

static int add_tag(struct captions *captions, const Uxrec__Act *act)
{
	const Uxrec__Tag *tag = act->tag;
	int64_t from_ns = tag->media_ns;
	_autofree_ char *text = text_of(captions->session, tag);

	if (!text)
		return -ENOMEM;
	return add(captions, from_ns, tag->end_ns > from_ns ? tag->end_ns : from_ns + TAG_NS,
		act->author, text);
}

static int add_tags(struct captions *captions, const char *typed, struct error *reterr)
{
	const struct session *session = captions->session;
	_cleanup_(layers_finish) struct layers layers = {0};
	int layer, r;

	if (!session->annotations)
		return 0;
	r = collect_layers(session, &layers);
	layer = r == 0 ? find_layer(&layers, typed, reterr) : r;
	if (layer < 0)
		return layer == -ENOENT ? 0 : layer;
	for (size_t i = 0; i < annotations_count(session->annotations) && r == 0; i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_TAG &&
			layer_has(&layers.entries[layer], act))
			r = add_tag(captions, act);
	}
	return r;
}

int captions_collect(struct vtt **ret, const struct session *session, unsigned wanted,
	const char *layer, int64_t zero_ns, int64_t to_ns, struct error *reterr)
{
	_destroy_(vtt) struct vtt *vtt = calloc(1, sizeof(*vtt));
	struct captions captions = {vtt, session, zero_ns, to_ns};
	int r = vtt ? 0 : -ENOMEM;

	if (r == 0 && wanted & CAPTION_TASKS)
		r = add_tasks(&captions);
	if (r == 0 && wanted & CAPTION_TAGS)
		r = add_tags(&captions, layer, reterr);
	if (r == -ENOMEM)
		return error_set(reterr, r, "out of memory");
	if (r == -EFBIG)
		return error_set(reterr, r, "there are more captions than WebVTT files have here");
	if (r == 0 && wanted & CAPTION_TRANSCRIPT)
		r = add_transcript(&captions, reterr);
	if (r < 0)
		return r;
	vtt_sort(vtt);
	*ret = steal_ptr(vtt);
	return 0;
}

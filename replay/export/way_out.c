#include "replay/export/way_out.h"

#include <errno.h>
#include <string.h>

#define SCREEN (1u << MODALITY_SCREEN)
#define INPUT  (1u << MODALITY_INPUT)
#define SOUND  (1u << MODALITY_SOUND)

/* The only table of required consent by way out; documented in uxrec(1), "CONSENT". */
static const struct way_out_needs table[WAY_OUT_COUNT] = {
	[WAY_OUT_LIVE_OBSERVER] = {"the live stream", .use = CONSENT_OBSERVERS},
	[WAY_OUT_LIVE_MODERATOR] = {"the live stream", .for_any = true},
	[WAY_OUT_REPLAY] = {"the replay", .use = CONSENT_ANALYSIS},
	[WAY_OUT_TIMELINE] = {"the timeline", .use = CONSENT_ANALYSIS},
	[WAY_OUT_TRANSCRIPT] = {"the transcript", .use = CONSENT_ANALYSIS, .modalities = SOUND},
	[WAY_OUT_TRANSCRIBE] = {"transcribing", .use = CONSENT_ANALYSIS, .modalities = SOUND},
	[WAY_OUT_METRICS] = {"metrics", .use = CONSENT_ANALYSIS},
	[WAY_OUT_DUMP] = {"a dump", .use = CONSENT_ANALYSIS},
	[WAY_OUT_COPY] = {"a copy", .use = CONSENT_ANALYSIS},
	[WAY_OUT_FILM] = {"a film", .use = CONSENT_CLIPS, .other_use = true, .modalities = SCREEN},
	[WAY_OUT_PICTURE] = {"pictures", .use = CONSENT_CLIPS, .other_use = true,
		.modalities = SCREEN},
	[WAY_OUT_SOUND] = {"sound", .use = CONSENT_CLIPS, .other_use = true, .modalities = SOUND},
	[WAY_OUT_CAPTIONS] = {"captions", .use = CONSENT_ANALYSIS},
	[WAY_OUT_TABLE] = {"a table", .use = CONSENT_ANALYSIS},
	[WAY_OUT_EVENTS] = {"the table of events", .use = CONSENT_ANALYSIS, .modalities = INPUT},
	[WAY_OUT_LABELS] = {"labels", .nothing = true},
	[WAY_OUT_KEEPING] = {"keeping", .nothing = true},
};

const struct way_out_needs *way_out_needs(enum way_out way)
{
	return &table[way];
}

/* @return the first required modality without consent, or MODALITY_SESSION */
static unsigned missing_modality(const struct session *session, const struct way_out_needs *needs)
{
	unsigned m = MODALITY_SESSION + 1;

	while (m < MODALITY_COUNT && (!(needs->modalities >> m & 1) || session_allows(session, m)))
		m++;
	return m < MODALITY_COUNT ? m : MODALITY_SESSION;
}

bool session_allows_way(const struct session *session, enum way_out way)
{
	const struct way_out_needs *needs = &table[way];

	return needs->nothing ||
		(session_allows(session, MODALITY_SESSION) &&
			missing_modality(session, needs) == MODALITY_SESSION);
}

struct consent_text way_out_refusal_reason(const struct session *session, enum way_out way)
{
	return session_refusal_reason(session, missing_modality(session, &table[way]));
}

int way_out_open(
	struct session *session, enum way_out way, enum consent_use use, struct error *reterr)
{
	const struct way_out_needs *needs = &table[way];
	int r;

	if (needs->nothing)
		return 0;
	r = session_set_use(session, needs->other_use ? use : needs->use);
	if (r < 0)
		return error_set(reterr, r, "%s: its consent cannot be read: %s", session->path,
			strerror(-r));
	if (session_allows_way(session, way))
		return 0;
	return error_set(reterr, -EACCES, "%s: %s is refused: %s", session->path, needs->name,
		way_out_refusal_reason(session, way).text);
}

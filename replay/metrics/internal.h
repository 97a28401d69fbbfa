#pragma once

/* Shared declarations of the metrics; the interface is metrics.h. */

#include "protocol/acts/layer.h"
#include "replay/metrics/metrics.h"
#include "replay/metrics/stats.h"
#include "replay/session/timeline.h"
#include "replay/study/study_log.h"

/** Marks of different observers up to this far apart are one event. */
#define METRICS_WINDOW_NS INT64_C(2000000000)

/** State of one layer in a session. */
struct coding {
	int layer; /* index in computing.layers */
	bool begun, finished;
};

/** Data of a session, kept between reads. */
struct coded {
	char *why; /* reason for leaving it out of all layers; NULL: it counts */
	struct coding *codings;
	size_t coding_count;
	/* identity shared by its copies */
	char id[21], uuid[33], first_act[33];
	int64_t begin_ns, end_ns;
};

/** State of a computation. */
struct computing {
	const struct metrics_request *request;
	Uxrec__Metrics *metrics;
	struct coded *coded;  /* per session */
	struct layers layers; /* of all counted sessions */
	Uxrec__Act shown;     /* an act in the layer used for the metrics; see metrics_shows() */
	char *shown_text, *shown_principal;
	struct task_of_study {
		char *id, *title;
		uint32_t limit_s;
	} * tasks; /* of all counted sessions, in order of appearance */
	size_t task_count;
	char *study_id;        /* of the study, "" in format 1 */
	struct study_log *log; /* of the study, NULL: none */
	size_t found;          /* readable sessions of the requested study */
	struct error *error;
};

/* ---- metrics.c ---- */

int metrics_append_text(char ***texts, size_t *count, const char *text);

/* ---- layers.c ---- */

/** Add the layers in which a counted session is coded. @return 0 or a negative errno */
int metrics_collect_layers(
	struct computing *computing, struct coded *coded, const struct session *session);

/** Choose the layer, with the reason. @return 0, or a negative errno with the reason */
int metrics_decide_layer(struct computing *computing);

/** True for acts in the shown layer. */
bool metrics_shows(const struct computing *computing, const Uxrec__Act *act);

/** True when a session is coded in the shown layer; the live layer covers every session. */
bool metrics_covers(const struct computing *computing, const struct coded *coded);

/* ---- rows.c ---- */

/** Add the rows of a session's attempts, with all counts. */
int metrics_add_rows(struct computing *computing, const struct session *session);

/** Fill in the attempt's own values: person, outcome, times, clicks, keys. @return 0 or -ENOMEM */
int metrics_fill_row(Uxrec__AttemptMetrics *row, const struct session *session,
	const struct timeline *timeline, const Uxrec__Act *act);

/** True when an attempt is in the denominators. */
bool metrics_row_counts(const Uxrec__AttemptMetrics *row);

/* ---- events.c ---- */

/** Attempts of one session with their rows. */
struct attempts {
	const struct session *session;
	const Uxrec__Act **acts;      /* attempts, one per row */
	Uxrec__AttemptMetrics **rows; /* `count` of them */
	size_t count;
	/* live attempts replaced by one of the shown layer: acts[in_place_of[i].row] */
	struct in_place_of {
		const Uxrec__Act *act;
		size_t row;
	} * replaced;
	size_t replaced_count;
};

/** Count errors, assists and scores of the shown layer in a session's rows; list the tags outside. */
int metrics_count_events(struct computing *computing, const struct attempts *attempts);

/* ---- sums.c ---- */

/** Add the estimates of one task. @param task  NULL: of all tasks */
int metrics_add_task(Uxrec__Metrics *metrics, const struct task_of_study *task);

#pragma once

/* Declarations shared by the files of the metrics; the interface is metrics.h. */

#include "protocol/acts/layer.h"
#include "replay/metrics/metrics.h"
#include "replay/metrics/stats.h"
#include "replay/session/timeline.h"
#include "replay/study/study_log.h"

/** Marks of different observers of one moment are one event up to this distance. */
#define METRICS_WINDOW_NS INT64_C(2000000000)

/** One layer's part in a session. */
struct coding {
	int layer; /* index in computing.layers */
	bool begun, finished;
};

/** A session's data kept between its readings. */
struct coded {
	char *why; /* the reason why it does not count, in any layer; NULL: it counts */
	struct coding *codings;
	size_t coding_count;
	/* the identity that its copies share */
	char id[21], uuid[33], first_act[33];
	int64_t begin_ns, end_ns;
};

/** A computation. */
struct computing {
	const struct metrics_request *request;
	Uxrec__Metrics *metrics;
	size_t row_capacity;
	struct coded *coded;  /* of each session */
	struct layers layers; /* of all sessions that count */
	Uxrec__Act shown;     /* in the layer that the numbers are of; see metrics_shows() */
	char *shown_text, *shown_principal;
	struct task_of_study {
		char *id, *title;
		uint32_t limit_s;
	} * tasks; /* of all sessions that count, in the order in which they come */
	size_t task_count;
	char *study_id;        /* of the study, "" for one of format 1 */
	struct study_log *log; /* of the study, NULL: none */
	size_t found; /* sessions that could be opened, and are of the study that was asked for */
	struct error *error;
};

/* ---- metrics.c ---- */

int metrics_append_text(char ***texts, size_t *count, const char *text);

/* ---- metrics_layers.c ---- */

/** Note the layers that a session that counts is coded in. @return 0 or a negative errno */
int metrics_collect_layers(
	struct computing *computing, struct coded *coded, const struct session *session);

/** Decide which layer's acts the numbers are of, and why. @return 0, or a negative errno with the reason */
int metrics_decide_layer(struct computing *computing);

/** Whether the numbers are of this act's layer. */
bool metrics_shows(const struct computing *computing, const Uxrec__Act *act);

/** Whether a session is coded in the shown layer: whoever watches live has begun with every session. */
bool metrics_covers(const struct computing *computing, const struct coded *coded);

/* ---- metrics_rows.c ---- */

/** Add the rows of a session's attempts, with all that is counted in them. */
int metrics_add_rows(struct computing *computing, const struct session *session);

/** Fill in what an attempt is by itself: person, outcome, times, clicks, keys. @return 0 or -ENOMEM */
int metrics_fill_row(Uxrec__AttemptMetrics *row, const struct session *session,
	const struct timeline *timeline, const Uxrec__Act *act);

/** Whether an attempt is in the denominators. */
bool metrics_row_counts(const Uxrec__AttemptMetrics *row);

/* ---- metrics_events.c ---- */

/** Attempts of one session and their rows of counts. */
struct attempts {
	const struct session *session;
	const Uxrec__Act **acts;      /* of the attempts, one for each row */
	Uxrec__AttemptMetrics **rows; /* count of them */
	size_t count;
	/* live attempts in whose place one of the shown layer stands: acts[in_place_of[i].row] */
	struct in_place_of {
		const Uxrec__Act *act;
		size_t row;
	} * replaced;
	size_t replaced_count;
};

/** Count the errors, assists and scores of the shown layer in a session's rows; list the tags left outside. */
int metrics_count_events(struct computing *computing, const struct attempts *attempts);

/* ---- metrics_sums.c ---- */

/** Add the estimates of one task. @param task  NULL: of all tasks */
int metrics_add_task(Uxrec__Metrics *metrics, const struct task_of_study *task);

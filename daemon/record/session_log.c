#include "daemon/record/session_log.h"

#include <errno.h>
#include <pthread.h>

struct session_log {
	_Atomic unsigned refs;
	struct annotations *annotations;
	Uxrec__Study *study;

	/* ticket lock: a plain mutex may be retaken again and again by the thread that just released it */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned next, serving;
};

int session_log_create(
	struct session_log **ret, struct annotations *annotations, Uxrec__Study *study)
{
	struct session_log *log = calloc(1, sizeof(*log));

	if (!log) {
		annotations_destroy(annotations);
		uxrec__study__free_unpacked(study, NULL);
		return -ENOMEM;
	}
	log->refs = 1;
	log->annotations = annotations;
	log->study = study;
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->changed, NULL);
	*ret = log;
	return 0;
}

struct session_log *session_log_ref(struct session_log *log)
{
	log->refs++;
	return log;
}

void session_log_unref(struct session_log *log)
{
	if (!log || --log->refs > 0)
		return;
	annotations_destroy(log->annotations);
	uxrec__study__free_unpacked(log->study, NULL);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

struct annotations *session_log_lock(struct session_log *log)
{
	unsigned ticket;

	pthread_mutex_lock(&log->lock);
	ticket = log->next++;
	while (log->serving != ticket)
		pthread_cond_wait(&log->changed, &log->lock);
	pthread_mutex_unlock(&log->lock);
	return log->annotations;
}

void session_log_unlock(struct session_log *log)
{
	pthread_mutex_lock(&log->lock);
	log->serving++;
	pthread_cond_broadcast(&log->changed);
	pthread_mutex_unlock(&log->lock);
}

const Uxrec__Study *session_log_study(const struct session_log *log)
{
	return log->study;
}

#include "replay/session/session.h"

#include "protocol/base/array.h"
#include "protocol/base/clock.h"
#include "protocol/os/identity.h"
#include "protocol/os/io.h"
#include "protocol/channel.h"
#include "protocol/acts/layer.h"
#include "protocol/limits.h"
#include "protocol/name.h"
#include "protocol/schema.h"
#include "protocol/session.pb-c.h"
#include "replay/study/study.h"
#include "protocol/message_text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* The start event is among the first messages. */
#define START_NS (10 * NS_PER_S)

bool session_id_is_valid(const char *id)
{
	static const char pattern[] = "dddddddd-dddddd-xxxx";

	if (strlen(id) != sizeof(pattern) - 1)
		return false;
	for (size_t i = 0; pattern[i]; i++) {
		bool fits = pattern[i] == 'd' ? isdigit((unsigned char)id[i])
			: pattern[i] == 'x'   ? strchr("0123456789abcdef", id[i]) != NULL
					      : id[i] == pattern[i];

		if (!fits)
			return false;
	}
	return true;
}

int session_id_create(char id[21])
{
	time_t now = time(NULL);
	struct tm local;

	localtime_r(&now, &local);
	if (strftime(id, 17, "%Y%m%d-%H%M%S-", &local) != 16)
		return -EINVAL;
	return io_random_hex(id + 16, 2);
}

/* ---- opening ---- */

/* The study is the session's first message; a damaged file may lack it. */
static Uxrec__Study *read_study(struct session_reader *reader)
{
	const struct reader_channel *channel =
		reader ? session_reader_find(reader, CHANNEL_STUDY) : NULL;
	struct reader_message message;
	Uxrec__Study *study = NULL;

	if (channel && session_reader_latest(reader, channel, INT64_MAX, &message) > 0)
		study = uxrec__study__unpack(NULL, message.data.size_bytes, message.data.data);
	if (study && !message_is_utf8(&study->base)) {
		uxrec__study__free_unpacked(study, NULL);
		study = NULL;
	}
	if (!study) {
		study = malloc(sizeof(*study));
		if (study)
			uxrec__study__init(study);
	}
	return study;
}

/* ---- consent ---- */

/* The annotation log is the source of the consent, and no recording of a person. */
static bool is_log(const struct session *session)
{
	return session->recording_name &&
		strcmp(session->recording_name, SESSION_ANNOTATIONS_NAME) == 0;
}

static int update_consent(struct session *session)
{
	struct consent *consent;
	bool log = is_log(session);
	int r;

	consent_gate_close(&session->gate, session->reader);
	r = consent_create(&consent, log ? NULL : session->annotations,
		log ? NULL : session->reader, log ? "" : session->annotations_error.text);
	if (r < 0)
		return r;
	consent_destroy(session->consent);
	session->consent = consent;
	return consent_gate_init(&session->gate, consent, session->use, session->reader);
}

/* ---- ids ---- */

static int handle_uuid(
	void *user, const struct reader_message *message, const ProtobufCMessage *unpacked)
{
	struct session *session = user;
	const Uxrec__SessionEvent *event = (const void *)unpacked;

	(void)message;
	if (!identity_id_is_valid(event->session_uuid))
		return 0;
	memcpy(session->uuid, event->session_uuid, sizeof(session->uuid));
	return 1;
}

/* From the files' own record, or, when that is damaged, from the start event. */
static void find_uuid(struct session *session)
{
	int64_t begin_ns, end_ns;

	if (session->reader)
		snprintf(session->uuid, sizeof(session->uuid), "%s",
			session_reader_uuid(session->reader));
	if (!*session->uuid && session_span(session, &begin_ns, &end_ns))
		session_each(session, begin_ns, begin_ns + START_NS, UINT64_C(1) << CHANNEL_EVENTS,
			handle_uuid, session);
	if (*session->uuid && session->annotations)
		annotations_set_session(session->annotations, session->uuid);
}

static int open_parts(struct session *session, bool writable, struct error *reterr)
{
	int r = session->recording_name
		? session_reader_open_below(&session->reader, session->folder,
			  session->recording_name, &session->error)
		: session_reader_open_session(&session->reader, session->folder, &session->error);

	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return error_set(reterr, r, "%s", session->error.text);
	r = annotations_open_below(
		&session->annotations, session->folder, writable, &session->annotations_error);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return error_set(reterr, r, "%s", session->annotations_error.text);
	if (r == -ENOENT)
		session->annotations_error = (struct error){0};
	if (session->annotations && annotations_damaged(session->annotations) > 0)
		error_set(&session->annotations_error, -EBADMSG,
			"%s/" SESSION_ANNOTATIONS_NAME ": %u acts are damaged and were left out",
			session->path, annotations_damaged(session->annotations));
	find_uuid(session);
	session->study = read_study(session->reader);
	r = update_consent(session);
	return session->study && r == 0
		? 0
		: error_set(reterr, r < 0 ? r : -ENOMEM, "%s: its consent cannot be read: %s",
			  session->path, strerror(r < 0 ? -r : ENOMEM));
}

int session_open_below(struct session **ret, const struct folder *library, const char *id,
	bool writable, struct error *reterr)
{
	_destroy_(session) struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session_id_is_valid(id))
		return error_set(reterr, -EINVAL, "not a session id");
	if (!session)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = folder_open_below(&session->folder, library, id, reterr);
	if (r == -ENOENT)
		error_set(reterr, r, "no session %s in this library", id);
	if (r < 0)
		return r;
	session->id = strdup(id);
	session->path = strdup(folder_path(session->folder));
	if (!session->id || !session->path)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = open_parts(session, writable, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(session);
	return 0;
}

int session_open(struct session **ret, const char *library, const char *id, bool writable,
	struct error *reterr)
{
	_folder_unref_ struct folder *folder = NULL;
	int r = folder_open_linked(&folder, library, reterr);

	return r < 0 ? r : session_open_below(ret, folder, id, writable, reterr);
}

/* The id is the folder's name, also for a path of ".". */
static int name_session(struct session *session)
{
	_autofree_ char *whole = realpath(folder_path(session->folder), NULL);
	const char *slash = whole ? strrchr(whole, '/') : NULL;

	session->id = strdup(slash ? slash + 1 : folder_path(session->folder));
	session->path = strdup(whole ? whole : folder_path(session->folder));
	return session->id && session->path ? 0 : -ENOMEM;
}

/* Resolve a folder or file path. Neither it nor a file's session folder may be a symbolic link. */
static int find_named(struct session *session, const char *path, struct error *reterr)
{
	_autofree_ char *parent = NULL;
	const char *name, *slash;
	int r = folder_open(&session->folder, path, reterr);

	if (r != -ENOTDIR)
		return r;
	r = folder_open_of(&session->folder, path, &name, reterr);
	if (r < 0)
		return r;
	session->recording_name = strdup(name);
	parent = strdup(folder_path(session->folder));
	if (!session->recording_name || !parent)
		return error_set(reterr, -ENOMEM, "out of memory");
	slash = strrchr(parent, '/');
	if (!session_id_is_valid(slash ? slash + 1 : parent))
		return 0;
	folder_unref(steal_ptr(session->folder));
	return folder_open(&session->folder, parent, reterr);
}

int session_open_path(struct session **ret, const char *path, struct error *reterr)
{
	_destroy_(session) struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = find_named(session, path, reterr);
	if (r < 0)
		return r;
	if (name_session(session) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = open_parts(session, false, reterr);
	if (r < 0)
		return r;
	if (!session->reader) {
		if (reterr)
			*reterr = session->error;
		return -EBADMSG;
	}
	*ret = steal_ptr(session);
	return 0;
}

void session_destroy(struct session *session)
{
	if (!session)
		return;
	consent_gate_finish(&session->gate);
	consent_destroy(session->consent);
	session_reader_destroy(session->reader);
	annotations_destroy(session->annotations);
	if (session->study)
		uxrec__study__free_unpacked(session->study, NULL);
	free(session->id);
	free(session->path);
	free(session->recording_name);
	folder_unref(session->folder);
	free(session);
}

/* ---- metadata ---- */

bool session_span(const struct session *session, int64_t *ret_begin_ns, int64_t *ret_end_ns)
{
	return session->reader && session_reader_span(session->reader, ret_begin_ns, ret_end_ns);
}

const Uxrec__SessionInfo *session_info(const struct session *session)
{
	const Uxrec__SessionInfo *info = NULL;

	for (size_t i = 0; session->annotations && i < annotations_count(session->annotations);
		i++) {
		const Uxrec__Act *act = annotations_get(session->annotations, i);

		if (act->body_case == UXREC__ACT__BODY_SESSION_INFO)
			info = act->session_info;
	}
	return info;
}

const char *session_study_id(const struct session *session)
{
	const Uxrec__SessionInfo *info = session_info(session);

	const char *id = info && *info->study_id ? info->study_id : session->study->study_id;

	return identity_id_is_valid(id) ? id : "";
}

/* ---- consent updates ---- */

int session_refresh(struct session *session)
{
	uint64_t before_bytes =
		session->annotations ? annotations_size_bytes(session->annotations) : 0;
	int r;

	if (!session->annotations)
		return 0;
	r = annotations_refresh(session->annotations);
	if (r < 0)
		error_set(&session->annotations_error, r, "%s/" SESSION_ANNOTATIONS_NAME ": %s",
			session->path, strerror(-r));
	if (r == 0 && annotations_size_bytes(session->annotations) == before_bytes)
		return 0;
	return update_consent(session);
}

int session_set_use(struct session *session, enum consent_use use)
{
	session->use = use;
	return consent_gate_init(&session->gate, session->consent, use, session->reader);
}

void session_ungate(struct session *session)
{
	consent_gate_finish(&session->gate);
}

void session_set_muted(struct session *session, struct consent_muted muted)
{
	session->gate.muted = muted;
}

bool session_allows(const struct session *session, unsigned modality)
{
	return consent_allows_some(session->consent, modality, session->use);
}

bool session_allows_attempt(const struct session *session, const Uxrec__Attempt *attempt)
{
	int64_t begin_ns = attempt->begin_ns ? attempt->begin_ns : attempt->live_begin_ns;
	int64_t end_ns = attempt->end_ns ? attempt->end_ns : attempt->live_end_ns;
	int64_t first_ns = 0, last_ns = 0;

	session_span(session, &first_ns, &last_ns);
	if (end_ns == 0)
		end_ns = last_ns;
	return consent_allows(session->consent, MODALITY_SESSION, session->use, begin_ns,
		end_ns > begin_ns ? end_ns : begin_ns + 1);
}

struct consent_text session_refusal_reason(const struct session *session, unsigned modality)
{
	return consent_denial_reason(session->consent, modality, session->use);
}

/* ---- gaps ---- */

/* @return true when the gap extends to the session's end */
static bool is_open_gap(const struct reader_message *message)
{
	Uxrec__Gap *gap = uxrec__gap__unpack(NULL, message->data.size_bytes, message->data.data);
	bool is_open = gap && gap->from_ns != 0 && gap->to_ns == 0;

	uxrec__gap__free_unpacked(gap, NULL);
	return is_open;
}

uint32_t session_count_gaps(const struct session *session, bool *ret_open)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	uint32_t count = 0;

	*ret_open = false;
	if (session_cursor_create(&cursor, session->reader, INT64_MIN, INT64_MAX,
		    UINT64_C(1) << CHANNEL_GAPS) < 0)
		return 0;
	while (session_cursor_next(cursor, &message) > 0) {
		count++;
		*ret_open |= is_open_gap(&message);
	}
	return count;
}

bool session_is_complete(const struct session *session)
{
	bool open;

	session_count_gaps(session, &open);
	return session_reader_is_complete(session->reader) && !open;
}

/* ---- a library ---- */

static int id_compare(const void *a, const void *b)
{
	return strcmp(b, a); /* ids begin with their local creation time */
}

int session_ids_list(struct session_ids *ret, const char *library)
{
	DIR *folder = opendir(library);
	struct session_ids ids = {0};
	struct dirent *entry;

	if (!folder)
		return -errno;
	while ((entry = readdir(folder))) {
		if (!session_id_is_valid(entry->d_name))
			continue;
		if (!array_grow(ids.ids, ids.count)) {
			closedir(folder);
			session_ids_finish(&ids);
			return -ENOMEM;
		}
		memcpy(ids.ids[ids.count++], entry->d_name, sizeof(*ids.ids));
	}
	closedir(folder);
	if (ids.count > 1)
		qsort(ids.ids, ids.count, sizeof(*ids.ids), id_compare);
	*ret = ids;
	return 0;
}

void session_ids_finish(struct session_ids *ids)
{
	free(ids->ids);
	*ids = (struct session_ids){0};
}

/* ---- messages ---- */

int session_each(const struct session *session, int64_t from_ns, int64_t to_ns, uint64_t known,
	int (*handle)(
		void *user, const struct reader_message *message, const ProtobufCMessage *unpacked),
	void *user)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	int r;

	if (!session->reader)
		return 0;
	r = session_cursor_create(&cursor, session->reader, from_ns, to_ns, known);
	if (r < 0)
		return r;
	while ((r = session_cursor_next(cursor, &message)) > 0) {
		const ProtobufCMessageDescriptor *descriptor =
			schema_message(message.channel->schema);
		ProtobufCMessage *unpacked = descriptor
			? protobuf_c_message_unpack(
				  descriptor, NULL, message.data.size_bytes, message.data.data)
			: NULL;

		if (!unpacked)
			continue; /* reported by verify; keep reading */
		r = handle(user, &message, unpacked);
		protobuf_c_message_free_unpacked(unpacked, NULL);
		if (r != 0)
			return r;
	}
	return r;
}

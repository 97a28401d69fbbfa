/* Files of a session for a page, identical to those of the commands. */

#include "daemon/worker/handlers.h"

#include "protocol/base/buf.h"
#include "protocol/reply.h"
#include "replay/export/extract.h"
#include "replay/export/way_out.h"
#include "replay/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page holds the whole file in memory, and so does its connection's queue. */
#define FILE_LIMIT_BYTES (16 * 1024 * 1024)

static int find_part(Uxrec__ExportSession__Part asked, enum extract *ret)
{
	static const enum extract parts[] = {
		[UXREC__EXPORT_SESSION__PART__PART_TAGS] = EXTRACT_TAGS,
		[UXREC__EXPORT_SESSION__PART__PART_NOTES] = EXTRACT_NOTES,
		[UXREC__EXPORT_SESSION__PART__PART_EVENTS] = EXTRACT_EVENTS,
		[UXREC__EXPORT_SESSION__PART__PART_ATTEMPTS] = EXTRACT_ATTEMPTS,
		[UXREC__EXPORT_SESSION__PART__PART_TRANSCRIPT_VTT] = EXTRACT_TRANSCRIPT_VTT,
		[UXREC__EXPORT_SESSION__PART__PART_TRANSCRIPT_JSON] = EXTRACT_TRANSCRIPT_JSON,
	};

	if (asked < UXREC__EXPORT_SESSION__PART__PART_TAGS ||
		asked > UXREC__EXPORT_SESSION__PART__PART_TRANSCRIPT_JSON)
		return -EINVAL;
	*ret = parts[asked];
	return 0;
}

/* Refusal text for a page: without the path on the recorder's machine. */
static int refuse(const struct session *session, enum way_out way, int r, struct error *reterr)
{
	return error_set(reterr, r, "%s is refused: %s", way_out_needs(way)->name,
		way_out_refusal_reason(session, way).text);
}

static int open_for(const struct work_context *context, const char *id, enum way_out way,
	enum consent_use use, struct session **ret, struct error *reterr)
{
	int r = session_open(ret, context->library, id, false, reterr);

	if (r < 0)
		return r;
	r = way_out_open(*ret, way, use, reterr);
	return r == -EACCES ? refuse(*ret, way, r, reterr) : r;
}

/* ---- films ---- */

/* Append a quoted shell word. */
static void put_quoted(struct buf *out, const char *text)
{
	buf_put_u8(out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			buf_put(out, "'\\''", 4);
		else
			buf_put_u8(out, (uint8_t)*text);
	buf_put_u8(out, '\'');
}

/* A film takes minutes and a player: the page only gets the command. */
static int offer_film(const struct work_context *context, const Uxrec__ClientMessage *message,
	struct packet **ret, struct error *reterr)
{
	const char *id = message->export_session->session;
	_destroy_(session) struct session *session = NULL;
	_cleanup_(buf_finish) struct buf command = {0};
	_autofree_ char *folder = NULL, *path = NULL;
	Uxrec__Exported exported = UXREC__EXPORTED__INIT;
	int r = open_for(context, id, WAY_OUT_FILM, CONSENT_CLIPS, &session, reterr);

	if (r < 0)
		return r;
	folder = realpath(context->library, NULL);
	if (asprintf(&path, "%s/%s", context->moderator && folder ? folder : "LIBRARY", id) < 0)
		path = NULL;
	buf_put(&command, "uxrec export ", 13);
	put_quoted(&command, path ? path : id);
	buf_put(&command, " --to mp4 -o ", 13);
	buf_put(&command, id, strlen(id));
	buf_put(&command, ".mp4", 5);
	if (!path || buf_error(&command) < 0)
		return error_set(reterr, -ENOMEM, "out of memory");
	exported.command = (char *)command.data;
	*ret = reply_packet(message->request, &exported.base);
	return *ret ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}

/* ---- files ---- */

static struct packet *pack_file(const Uxrec__ClientMessage *message, enum extract part,
	const struct buf *content, const struct extract_notes *notes)
{
	Uxrec__Exported exported = UXREC__EXPORTED__INIT;
	char *left_out[EXTRACT_NOTES_LIMIT], name[64];
	const char *type, *suffix = extract_suffix(part, &type);

	snprintf(name, sizeof(name), "%s%s", message->export_session->session, suffix);
	exported.name = name;
	exported.type = (char *)type;
	exported.content.data = content->data;
	exported.content.len = content->size_bytes;
	for (size_t i = 0; i < notes->count; i++)
		left_out[i] = (char *)notes->text[i];
	exported.left_out = left_out;
	exported.n_left_out = notes->count;
	return reply_packet(message->request, &exported.base);
}

int work_export(const struct work_context *context, const Uxrec__ClientMessage *message,
	struct packet **ret, struct error *reterr)
{
	const Uxrec__ExportSession *asked = message->export_session;
	_destroy_(session) struct session *session = NULL;
	_cleanup_(buf_finish) struct buf content = {0};
	struct extract_notes notes = {0};
	enum extract part;
	int r;

	if (asked->part == UXREC__EXPORT_SESSION__PART__PART_FILM)
		return offer_film(context, message, ret, reterr);
	if (find_part(asked->part, &part) < 0)
		return error_set(reterr, -EINVAL, "this recorder cannot export that");
	r = open_for(
		context, asked->session, extract_way(part), CONSENT_ANALYSIS, &session, reterr);
	if (r == 0)
		r = extract_write(&content, FILE_LIMIT_BYTES, session, part, &notes, reterr);
	if (r == -EFBIG)
		return error_set(reterr, r,
			"the file is too large for a page: make it with uxrec export on the "
			"recorder's machine");
	if (r < 0)
		return r;
	*ret = pack_file(message, part, &content, &notes);
	return *ret ? 0 : error_set(reterr, -ENOMEM, "out of memory");
}

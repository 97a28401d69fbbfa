#include "replay/session/delete.h"

#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "replay/session/session.h"

#include <errno.h>

int session_delete(const struct folder *library, const char *id, struct folder_removed *ret,
	struct error *reterr)
{
	_destroy_(session) struct session *session = NULL;
	int r;

	*ret = (struct folder_removed){0};
	if (!session_id_is_valid(id))
		return error_set(reterr, -EINVAL,
			"%s/%s: not a session name (YYYYMMDD-HHMMSS-xxxx); only sessions are "
			"deleted",
			folder_path(library), text_quote(id).text);
	/* A session that cannot be opened is deleted all the same, unless it is not a folder. */
	r = session_open_below(&session, library, id, false, reterr);
	if (r == -ENOENT || r == -ELOOP || r == -ENOTDIR)
		return r;
	if (r == 0 && session->reader && session_reader_is_recorded(session->reader))
		return error_set(reterr, -EBUSY, "session %s is being recorded: end it first", id);
	session_destroy(steal_ptr(session));
	return folder_remove_whole(library, id, ret, reterr);
}

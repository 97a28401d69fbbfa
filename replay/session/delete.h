#pragma once

#include "protocol/os/folder.h"

/**
 * Delete a session: its folder with everything in it. Nothing outside of it is touched: links are removed and not
 * followed (folder_remove_whole()).
 *
 * @param library  folder that the session lies in
 * @param id       session_id_is_valid(), or -EINVAL: only a folder that is named like a session is deleted
 * @param ret      written in any case
 * @return 0, -EBUSY when a recorder holds it, or as folder_remove_whole(); with the reason
 */
int session_delete(const struct folder *library, const char *id, struct folder_removed *ret,
	struct error *reterr);

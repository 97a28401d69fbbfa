#pragma once

#include "protocol/os/folder.h"

/**
 * Delete a session: its folder with all content. Links are removed, not followed (folder_remove_whole()).
 *
 * @param library  folder with the session
 * @param id       session_id_is_valid(), or -EINVAL: only folders named like a session are deleted
 * @param ret      written in any case
 * @return 0, -EBUSY while a recorder holds it, or as folder_remove_whole(); with the reason
 */
int session_delete(const struct folder *library, const char *id, struct folder_removed *ret,
	struct error *reterr);

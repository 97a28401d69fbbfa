#include "tests/fuzz/target.h"

#include "replay/session/transcript.h"

#include <stdlib.h>
#include <string.h>

/* A WebVTT file: its parsed content is written, and parses the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_destroy_(vtt) struct vtt *vtt = NULL, *again = NULL;
	_destroy_(search) struct search *search = NULL;
	struct vtt_faults faults;
	_cleanup_(buf_finish) struct buf text = {0}, copy = {0};

	/* exact size and a NUL byte, as from its readers */
	buf_put(&copy, data, size);
	buf_put_u8(&copy, 0);
	if (copy.failed ||
		vtt_parse(&vtt, (const char *)copy.data, size, "fuzz", &faults, NULL) < 0)
		return 0;
	vtt_write(&text, vtt);
	buf_put_u8(&text, 0);
	if (vtt_parse(&again, (const char *)text.data, text.size_bytes - 1, "again", NULL, NULL) <
			0 ||
		again->count != vtt->count || search_create(&search, "Ana") < 0)
		abort();
	for (size_t i = 0; i < vtt->count; i++) {
		const struct vtt_cue *cue = &vtt->cues[i], *other = &again->cues[i];

		if (cue->from_ns != other->from_ns || cue->to_ns != other->to_ns ||
			strcmp(cue->speaker, other->speaker) != 0 ||
			strcmp(cue->text, other->text) != 0 || !*cue->text ||
			search_finds(search, cue->text) < 0)
			abort();
	}
	transcript_shift(vtt, -1000000000);
	return 0;
}

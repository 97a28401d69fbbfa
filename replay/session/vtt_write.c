#include "replay/session/vtt.h"

#include "protocol/base/clock.h"
#include "protocol/base/utf8.h"

#include <stdio.h>
#include <string.h>

void vtt_format_time(char text[24], int64_t time_ns)
{
	int64_t ms = time_ns / NS_PER_MS;

	snprintf(text, 24, "%02lld:%02d:%02d.%03d", (long long)(ms / 3600000),
		(int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

/* @return the escape of a character, NULL for itself */
static const char *escape_of(uint32_t point, uint32_t before)
{
	switch (point) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case VTT_LRM: return "&lrm;";
	case VTT_RLM: return "&rlm;";
	/* a name with this ending would form an arrow with the end of its tag */
	case '-': return before == '-' ? "&#45;" : NULL;
	default: return NULL;
	}
}

static void put_escaped(struct buf *out, const char *text)
{
	uint32_t point = 0;

	while (*text) {
		uint32_t before = point;
		size_t taken = utf8_decode(text, &point);
		const char *escaped = escape_of(point, before);

		if (taken == 0)
			return; /* cues are UTF-8 */
		if (escaped)
			buf_put(out, escaped, strlen(escaped));
		else
			buf_put(out, text, taken);
		text += taken;
	}
}

void vtt_write(struct buf *out, const struct vtt *vtt)
{
	buf_put(out, "WEBVTT\n", 7);
	for (size_t i = 0; i < vtt->count; i++) {
		const struct vtt_cue *cue = &vtt->cues[i];
		char from[24], to[24], times[64];
		int length;

		vtt_format_time(from, cue->from_ns);
		vtt_format_time(to, cue->to_ns);
		length = snprintf(times, sizeof(times), "\n%s --> %s\n", from, to);
		buf_put(out, times, (size_t)length);
		if (*cue->speaker) {
			buf_put(out, "<v ", 3);
			put_escaped(out, cue->speaker);
			buf_put(out, ">", 1);
		}
		put_escaped(out, cue->text);
		buf_put(out, "\n", 1);
	}
}

#include "replay/decode/frames_internal.h"

#include "protocol/limits.h"
#include "replay/base/jail.h"

#include <errno.h>
#include <string.h>

/* A picture takes some milliseconds; one after a keyframe interval of hostile length may take seconds. */
#define CPU_S        60
#define WALL_S       300
#define MEMORY_BYTES (UINT64_C(2) << 30)
#define PIXELS_BYTES ((size_t)SCREEN_LIMIT_PIXELS * 4)

struct frames {
	struct decoder *decoder; /* used only in the jail */
	struct jail *jail;
	uint8_t *pixels; /* shared with the jail */

	/* from its newest answer */
	int64_t peek_ns;
	bool has_gap;
	struct screen_gap gap;
	struct frames_faults faults;
	struct error error;
};

struct request {
	enum {
		REQUEST_END,
		REQUEST_SEEK,
		REQUEST_NEXT,
	} what;
	int64_t at_ns;
};

struct answer {
	int32_t result;
	struct frame frame; /* without pixels */
	int64_t peek_ns;
	bool has_gap;
	struct screen_gap gap;
	struct frames_faults faults;
};

/* ---- jailed process ---- */

static void serve(void *user, const void *request_data, void *answer_data)
{
	struct decoder *decoder = user;
	const struct request *request = request_data;
	struct answer *answer = answer_data;
	const struct screen_gap *gap;

	switch (request->what) {
	case REQUEST_END: decoder_end(decoder, request->at_ns); break;
	case REQUEST_SEEK:
		answer->result = decoder_seek(decoder, request->at_ns, &answer->frame);
		break;
	case REQUEST_NEXT: answer->result = decoder_next(decoder, &answer->frame); break;
	}
	answer->peek_ns = decoder_peek(decoder);
	answer->faults = decoder_faults(decoder);
	gap = decoder_gap(decoder);
	answer->has_gap = gap != NULL;
	if (gap)
		answer->gap = *gap;
}

/* ---- requests ---- */

/* Validates an answer: the decoder may be compromised. */
static bool is_sound(const struct answer *answer)
{
	const struct frame *frame = &answer->frame;

	if (answer->result > 1 || answer->result < -4095)
		return false;
	return answer->result != 1 ||
		(frame->width > 0 && frame->height > 0 && frame->stride_bytes > 0 &&
			frame->width <= frame->stride_bytes / 4 &&
			(size_t)frame->height <= PIXELS_BYTES / (size_t)frame->stride_bytes);
}

static int call_decoder(struct frames *frames, struct request request, struct frame *ret)
{
	struct answer answer;
	int r = jail_call(frames->jail, &request, &answer, &frames->error);

	if (r < 0)
		return r;
	if (!is_sound(&answer))
		return error_set(&frames->error, -EBADMSG, "invalid answer of the video's decoder");
	frames->peek_ns = answer.peek_ns;
	frames->faults = answer.faults;
	frames->has_gap = answer.has_gap;
	frames->gap = answer.gap;
	if (answer.result == 1) {
		*ret = answer.frame;
		ret->pixels = frames->pixels;
	}
	return answer.result;
}

void frames_end(struct frames *frames, int64_t to_ns)
{
	call_decoder(frames, (struct request){REQUEST_END, to_ns}, NULL);
}

int frames_seek(struct frames *frames, int64_t at_ns, struct frame *ret)
{
	return call_decoder(frames, (struct request){REQUEST_SEEK, at_ns}, ret);
}

int frames_next(struct frames *frames, struct frame *ret)
{
	return call_decoder(frames, (struct request){REQUEST_NEXT, 0}, ret);
}

const struct screen_gap *frames_gap(const struct frames *frames)
{
	return frames->has_gap ? &frames->gap : NULL;
}

int64_t frames_peek(const struct frames *frames)
{
	return frames->peek_ns;
}

struct frames_faults frames_faults(const struct frames *frames)
{
	return frames->faults;
}

const char *frames_error(const struct frames *frames)
{
	return frames->error.text;
}

/* ---- create and destroy ---- */

static int start_jail(struct frames *frames, struct error *reterr)
{
	const struct jail_options options = {
		.name = "the video's decoder",
		.serve = serve,
		.user = frames->decoder,
		.request_bytes = sizeof(struct request),
		.answer_bytes = sizeof(struct answer),
		.memory_bytes = MEMORY_BYTES,
		.cpu_s = CPU_S,
		.wall_s = WALL_S,
	};

	_Static_assert(sizeof(struct answer) <= JAIL_MESSAGE_BYTES, "an answer has no room");
	return jail_create(&frames->jail, &options, reterr);
}

int frames_create(struct frames **ret, struct session_reader *reader, struct error *reterr)
{
	_destroy_(frames) struct frames *frames = calloc(1, sizeof(*frames));
	int r;

	if (frames)
		frames->pixels = jail_map(PIXELS_BYTES);
	if (!frames || !frames->pixels)
		return error_set(reterr, -ENOMEM, "out of memory");
	r = decoder_create(&frames->decoder, reader, frames->pixels, PIXELS_BYTES, reterr);
	if (r == 0)
		r = start_jail(frames, reterr);
	if (r < 0)
		return r;
	*ret = steal_ptr(frames);
	return 0;
}

void frames_destroy(struct frames *frames)
{
	if (!frames)
		return;
	jail_destroy(frames->jail);
	decoder_destroy(frames->decoder);
	jail_unmap(frames->pixels, PIXELS_BYTES);
	free(frames);
}

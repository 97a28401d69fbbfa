#include "capture/screen.h"

#include "capture/encoder.h"
#include "capture/grabber.h"
#include "protocol/base/clock.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/screen.pb-c.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

/* Keyframes come by work: a seek decodes at most this many pictures, and a decoder that begins here
 * is never more than ten seconds of change away from the next. */
#define KEYFRAME_PICTURES 60
#define KEYFRAME_NS       (10 * NS_PER_S)

/* One stroke of a program is often several requests: wait this long for the rest of it. */
#define COALESCE_NS (4 * NS_PER_MS)

/* How much later than its drawing a damage may reach us: nothing newer is called complete. */
#define REPORT_DELAY_NS (5 * NS_PER_MS)

/* A grabber that says "again" this often in a row is broken. */
#define RETRIES_LIMIT 100

struct screen_source {
	struct source base;
	struct source_context context;
	struct screen_options options;
	pthread_t thread;
	int wake_fd;
	_Atomic bool stop, keyframe_wanted;
	_Atomic int64_t busy_since_ns; /* 0: waiting for damage */

	/* of the thread */
	struct grabber *grabber;
	struct canvas *canvas;
	struct encoder *encoder;
	struct grabber_size size;
	int64_t next_ns; /* not before, for the ceiling of the picture rate */
	int64_t keyframe_ns, last_time_ns, copied_ns;
	uint32_t pictures_since_keyframe;
	bool keyframe_seen;
};

static struct screen_source *screen(struct source *source)
{
	return (struct screen_source *)source;
}

static int push(struct screen_source *source, const struct packet_info *info,
	const ProtobufCMessage *message)
{
	struct packet *packet;
	int r = packet_create(&packet, source->context.clock, info, message);

	if (r == 0)
		source->context.sink->push(source->context.sink, packet);
	return r;
}

static int push_info(struct screen_source *source, int64_t time_ns)
{
	Uxrec__Screen info = UXREC__SCREEN__INIT;

	info.width_px = (uint32_t)source->size.width;
	info.height_px = (uint32_t)source->size.height;
	info.grabber = (char *)source->grabber->ops->name;
	info.encoder = (char *)encoder_describe(source->encoder);
	info.max_fps = (uint32_t)source->options.max_fps;
	return push(source, &(struct packet_info){CHANNEL_SCREEN_INFO, 0, time_ns, 0}, &info.base);
}

/* A fresh picture and encoder for the grabber's present size. */
static int set_up(struct screen_source *source, struct error *reterr)
{
	struct grabber_size size = source->grabber->ops->size(source->grabber);
	int r;

	canvas_destroy(steal_ptr(source->canvas));
	encoder_destroy(steal_ptr(source->encoder));
	r = canvas_create(&source->canvas, size.width, size.height);
	if (r < 0)
		return error_set(
			reterr, r, "no memory for a picture of %dx%d", size.width, size.height);
	r = encoder_create(&source->encoder, source->canvas->picture->width,
		source->canvas->picture->height, source->options.max_fps, reterr);
	if (r < 0)
		return r;
	source->size = size;
	source->keyframe_seen = false;
	source->grabber->ops->damage_all(source->grabber);
	return 0;
}

static bool keyframe_is_due(struct screen_source *source, int64_t time_ns)
{
	return atomic_exchange(&source->keyframe_wanted, false) || !source->keyframe_seen ||
		source->pictures_since_keyframe + 1 >= KEYFRAME_PICTURES ||
		time_ns - source->keyframe_ns >= KEYFRAME_NS;
}

static int push_keyframe_mark(struct screen_source *source, int64_t time_ns)
{
	Uxrec__Keyframe mark = UXREC__KEYFRAME__INIT;

	mark.pictures_since = source->pictures_since_keyframe;
	source->pictures_since_keyframe = 0;
	source->keyframe_ns = time_ns;
	if (!source->keyframe_seen) {
		int r = push_info(source, time_ns);

		if (r < 0)
			return r;
	}
	source->keyframe_seen = true;
	return push(
		source, &(struct packet_info){CHANNEL_SCREEN_KEYFRAMES, 0, time_ns, 0}, &mark.base);
}

static int encode_and_push(struct screen_source *source, int64_t time_ns)
{
	Foxglove__CompressedVideo video = FOXGLOVE__COMPRESSED_VIDEO__INIT;
	Google__Protobuf__Timestamp timestamp = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	struct packet_info info = {CHANNEL_SCREEN, 0, time_ns, source->copied_ns};
	struct encoded encoded;
	int64_t session_ns;
	int r;

	if (time_ns <= source->last_time_ns)
		time_ns = source->last_time_ns + 1; /* two pictures never have one time */
	info.time_ns = source->last_time_ns = time_ns;
	r = encoder_encode(source->encoder, source->canvas->picture, time_ns,
		keyframe_is_due(source, time_ns), &encoded);
	if (r < 0)
		return r;
	if (encoded.keyframe) {
		r = push_keyframe_mark(source, time_ns);
		if (r < 0)
			return r;
		info.flags = PACKET_KEYFRAME;
	}
	source->pictures_since_keyframe++;
	session_ns = session_clock_at(source->context.clock, time_ns);
	timestamp.seconds = session_ns / NS_PER_S;
	timestamp.nanos = (int32_t)(session_ns % NS_PER_S);
	video.timestamp = &timestamp;
	video.frame_id = (char *)"screen0";
	video.format = (char *)"h264";
	video.data.data = (uint8_t *)encoded.data;
	video.data.len = encoded.size_bytes;
	return push(source, &info, &video.base);
}

/* @return 1 when a picture was pushed, 0 when the size changed, or a negative errno */
static int take_picture(struct screen_source *source, int64_t damage_ns)
{
	int r = source->grabber->ops->grab(source->grabber, source->canvas, &source->copied_ns);

	if (r == -EAGAIN) {
		struct grabber_size size = source->grabber->ops->size(source->grabber);

		if (size.width != source->size.width || size.height != source->size.height)
			r = set_up(source, NULL);
		return r == -EAGAIN ? 0 : r;
	}
	if (r < 0)
		return r;
	source->next_ns = source->copied_ns + NS_PER_S / source->options.max_fps;
	r = encode_and_push(source, damage_ns);
	return r < 0 ? r : 1;
}

/* Sleep until the rest of a stroke is there and the ceiling of the rate allows; the damage goes on
 * accumulating meanwhile. */
static void hold_back(struct screen_source *source, int64_t damage_ns)
{
	int64_t until_ns = damage_ns + COALESCE_NS;

	if (source->next_ns > until_ns)
		until_ns = source->next_ns;
	while (!source->stop && clock_now_ns() < until_ns) {
		struct timespec until = {until_ns / NS_PER_S, until_ns % NS_PER_S};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
}

static int run(struct screen_source *source)
{
	int retries = 0;

	while (!source->stop) {
		int64_t damage_ns = 0;
		int r = source->grabber->ops->wait(source->grabber, source->wake_fd, 0, &damage_ns);

		if (r == 0) {
			source->busy_since_ns = 0;
			r = source->grabber->ops->wait(
				source->grabber, source->wake_fd, INT64_MAX, &damage_ns);
		}
		if (r < 0)
			return r;
		if (r == 0) {
			eventfd_t ignored;

			eventfd_read(source->wake_fd, &ignored);
			if (!source->keyframe_wanted)
				continue;
			damage_ns = clock_now_ns(); /* a keyframe of what does not change */
		}
		source->busy_since_ns = damage_ns;
		hold_back(source, damage_ns);
		if (source->stop)
			break;
		r = take_picture(source, damage_ns);
		if (r == 0 && ++retries > RETRIES_LIMIT)
			return -EIO;
		if (r < 0)
			return r;
		if (r > 0) {
			retries = 0;
			/* up to the copy; what came while it was encoded may wait in the connection */
			source->busy_since_ns = source->copied_ns;
		}
	}
	return 0;
}

static void *screen_thread(void *user)
{
	struct screen_source *source = user;
	int r;

	pthread_setname_np(pthread_self(), "uxrec-screen");
	r = run(source);
	if (r < 0 && !source->stop)
		source->context.lost(source->context.user, &source->base,
			r == -EPIPE            ? "the display is gone"
				: r == -ENOMEM ? "no memory for pictures"
					       : "the screen could not be encoded any more");
	return NULL;
}

static int64_t screen_complete_until(struct source *base, int64_t now_ns)
{
	struct screen_source *source = screen(base);
	int64_t busy_since_ns = source->busy_since_ns;

	return busy_since_ns ? busy_since_ns - 1 : now_ns - REPORT_DELAY_NS;
}

static void screen_request_keyframe(struct source *base)
{
	screen(base)->keyframe_wanted = true;
	eventfd_write(screen(base)->wake_fd, 1);
}

static void cut_grabber(void *user)
{
	struct grabber *grabber = user;

	if (grabber->ops->cut)
		grabber->ops->cut(grabber);
}

static void screen_destroy(struct source *base)
{
	struct screen_source *source = screen(base);

	source->stop = true;
	if (source->wake_fd >= 0)
		eventfd_write(source->wake_fd, 1);
	if (source->thread)
		source_join(source->thread, cut_grabber, source->grabber);
	encoder_destroy(source->encoder);
	canvas_destroy(source->canvas);
	grabber_destroy(source->grabber);
	if (source->wake_fd >= 0)
		close(source->wake_fd);
	free(source);
}

static const struct source_ops screen_source_ops = {
	.name = "screen",
	.destroy = screen_destroy,
	.complete_until = screen_complete_until,
	.request_keyframe = screen_request_keyframe,
};

int screen_source_create(struct source **ret, const struct source_context *context,
	const struct screen_options *options, struct error *reterr)
{
	_destroy_(source) struct source *base = calloc(1, sizeof(struct screen_source));
	struct screen_source *source = screen(base);
	const struct grabber_ops *ops = grabber_find(options->grabber);
	int r;

	if (!base)
		return error_set(reterr, -ENOMEM, "no memory");
	base->ops = &screen_source_ops;
	source->context = *context;
	source->options = *options;
	source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (source->wake_fd < 0)
		return error_set(reterr, -errno, "no event descriptor: %s", strerror(errno));
	if (!ops)
		return error_set(reterr, -EINVAL, "no screen source '%s'", options->grabber);
	/* until the first picture has been pushed nothing is complete */
	source->busy_since_ns = clock_now_ns();
	r = ops->create(&source->grabber, options->display, reterr);
	if (r == 0)
		r = set_up(source, reterr);
	if (r < 0)
		return r;
	r = pthread_create(&source->thread, NULL, screen_thread, source);
	if (r != 0) {
		source->thread = 0;
		return error_set(reterr, -r, "cannot start a thread: %s", strerror(r));
	}
	*ret = steal_ptr(base);
	return 0;
}

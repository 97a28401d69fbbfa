#include "replay/export/internal.h"

#include "protocol/base/cleanup.h"
#include "protocol/base/clock.h"
#include "protocol/channel.h"
#include "protocol/foxglove/CompressedVideo.pb-c.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "protocol/screen.pb-c.h"
#include "replay/export/unfinished.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_PACKETS 4096

#define FILE_PROTOCOL "file:"

static const struct {
	const char *name, *muxer;
	bool pictures, sounds, film;
} formats[] = {
	[EXPORT_MKV] = {"mkv", "matroska", true, true, true},
	[EXPORT_MP4] = {"mp4", "mp4", true, true, true},
	[EXPORT_WEBM] = {"webm", "webm", true, true, true},
	[EXPORT_H264] = {"h264", "h264", true, false, false},
	[EXPORT_PNG] = {"png", NULL, true, false, false},
	[EXPORT_OPUS] = {"opus", "opus", false, true, false},
	[EXPORT_WAV] = {"wav", "wav", false, true, false},
};

int export_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool export_is_film(enum export_format format)
{
	return formats[format].film;
}

bool export_draws(enum export_format format)
{
	return formats[format].film || format == EXPORT_PNG;
}

static void export_finish(struct export *export)
{
	export_close_drawer(export);
	export_close_stills(export);
	if (export->out && export->out->pb)
		avio_closep(&export->out->pb);
	avformat_free_context(export->out);
	sound_decoder_destroy(export->decoder);
	av_packet_free(&export->packet);
	tone_destroy(export->tone);
}

/* ---- streams ---- */

int export_set_extradata(AVStream *stream, const void *data, size_t size)
{
	stream->codecpar->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!stream->codecpar->extradata)
		return -ENOMEM;
	memcpy(stream->codecpar->extradata, data, size);
	stream->codecpar->extradata_size = (int)size;
	return 0;
}

int export_decoder_error(
	const struct session *session, const struct frames *frames, int r, struct error *reterr)
{
	if (r < 0 && frames && *frames_error(frames))
		error_set(reterr, r, "its pictures cannot be decoded: %s: %s", session->path,
			frames_error(frames));
	return r;
}

/* MP4 players show the handler name as the title of a track. */
void export_set_title(AVStream *stream, const char *title)
{
	av_dict_set(&stream->metadata, "title", title, 0);
	av_dict_set(&stream->metadata, "handler_name", title, 0);
}

/* Part of an access unit. */
struct part {
	const unsigned char *data;
	size_t size;
};

/* SPS and PPS precede the first slice of a keyframe, in Annex B. */
static struct part parameter_sets(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i + 3 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 &&
			((data[i + 3] & 31) == 5 || (data[i + 3] & 31) == 1))
			return (struct part){data, i > 0 && data[i - 1] == 0 ? i - 1 : i};
	return (struct part){data, 0};
}

/* The sequence header of a keyframe, in the low-overhead format: AV1 specification, 5.3.2 and 4.10.5. */
static struct part sequence_header(const unsigned char *data, size_t size)
{
	size_t at = 0;

	while (at < size && data[at] & 2) { /* each OBU has its size */
		size_t begin = at, length = 0;
		unsigned shift = 0;

		at += data[at] & 4 ? 2 : 1;
		for (bool more = true; more && at < size && shift < 28; shift += 7) {
			length |= (size_t)(data[at] & 127) << shift;
			more = data[at++] & 128;
		}
		if (at > size || length > size - at)
			break;
		at += length;
		if ((data[begin] >> 3 & 15) == 1)
			return (struct part){data + begin, at - begin};
	}
	return (struct part){data, 0};
}

/* profile_idc of the SPS: 244 is High 4:4:4 Predictive (ITU-T H.264, A.2.11). */
static bool sps_is_444(struct part header)
{
	for (size_t i = 0; i + 4 < header.size; i++)
		if (memcmp(header.data + i, "\0\0\1", 3) == 0 && (header.data[i + 3] & 31) == 7)
			return header.data[i + 4] == 244;
	return false;
}

/* seq_profile of the sequence header: 1 is High, which is 4:4:4 (AV1 specification, 5.5.1 and 6.4.1). */
static bool sequence_is_444(struct part header)
{
	size_t at = header.size > 0 && header.data[0] & 4 ? 2 : 1;

	while (at < header.size && header.data[at] & 128) /* size field */
		at++;
	return at + 1 < header.size && header.data[at + 1] >> 5 == 1;
}

static const struct coding {
	const char *format, *name;
	enum AVCodecID id;
	struct part (*find_header)(const unsigned char *data, size_t size);
	bool (*is_444)(struct part header);
	bool webm, bare; /* supported in WebM, as a bare stream */
} codings[] = {
	{"h264", "H.264", AV_CODEC_ID_H264, parameter_sets, sps_is_444, .bare = true},
	{"av1", "AV1", AV_CODEC_ID_AV1, sequence_header, sequence_is_444, .webm = true},
};

static const struct coding *find_coding(const char *format)
{
	for (size_t i = 0; i < ARRAY_SIZE(codings); i++)
		if (strcmp(codings[i].format, format) == 0)
			return &codings[i];
	return NULL;
}

int export_find_message(const struct export *export, uint16_t known, struct reader_message *ret)
{
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct session_reader *reader = export->session->reader;
	const struct reader_channel *channel = session_reader_find(reader, known);
	int64_t found_ns;
	int r;

	if (!channel)
		return 0;
	r = session_reader_latest(reader, channel, export->options->from_ns, ret);
	if (r != 0)
		return r;
	r = session_cursor_create(&cursor, reader, export->options->from_ns, export->options->to_ns,
		UINT64_C(1) << known);
	if (r == 0)
		r = session_cursor_next(cursor, ret);
	found_ns = r > 0 ? ret->time_ns : 0;
	/* the message is valid only as long as its cursor */
	return r > 0 ? session_reader_latest(reader, channel, found_ns, ret) : r;
}

static void set_size(struct export *export, AVCodecParameters *codec)
{
	struct reader_message message;
	Uxrec__Screen *screen = NULL;

	if (export_find_message(export, CHANNEL_SCREEN_INFO, &message) > 0)
		screen = uxrec__screen__unpack(NULL, message.data.size_bytes, message.data.data);
	codec->width = screen ? (int)(screen->width_px + 1) & ~1 : 2;
	codec->height = screen ? (int)(screen->height_px + 1) & ~1 : 2;
	uxrec__screen__free_unpacked(screen, NULL);
}

/* Find a keyframe that has a picture. @return as export_find_message() */
static int find_keyframe(struct export *export, struct reader_message *ret)
{
	const struct reader_channel *pictures =
		session_reader_find(export->session->reader, CHANNEL_SCREEN);
	int r = export_find_message(export, CHANNEL_SCREEN_KEYFRAMES, ret);

	if (r <= 0 || !pictures)
		return r < 0 ? r : 0;
	if (ret->time_ns < export->begin_ns)
		export->begin_ns = ret->time_ns;
	return session_reader_latest(export->session->reader, pictures, ret->time_ns, ret);
}

/* True for a picture with content from after the end. */
static bool is_behind(const struct export *export, const struct reader_message *picture)
{
	return picture->publish_ns >= export->options->to_ns;
}

/* Find the start of the last picture, which lasts up to the end. */
static int find_newest(struct export *export)
{
	struct session_reader *reader = export->session->reader;
	const struct reader_channel *pictures = session_reader_find(reader, CHANNEL_SCREEN);
	struct reader_message message = {.time_ns = export->end_ns};
	int r;

	do
		r = session_reader_latest(reader, pictures, message.time_ns - 1, &message);
	while (r > 0 && is_behind(export, &message));
	export->newest_ns = r > 0 ? message.time_ns : INT64_MIN;
	return r < 0 ? r : 0;
}

/* Add the stream of copied pictures, with the parameters of the first one. */
static int add_stream(struct export *export, const Foxglove__CompressedVideo *first)
{
	const struct coding *coding = export->coding;
	struct part header = coding->find_header(first->data.data, first->data.len);
	int r = -ENOMEM;

	export->video = avformat_new_stream(export->out, NULL);
	if (export->video)
		r = export_set_extradata(export->video, header.data, header.size);
	if (r < 0)
		return r;
	set_size(export, export->video->codecpar);
	export->video->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
	export->video->codecpar->codec_id = coding->id;
	export->is_444 = coding->is_444(header);
	export->video->time_base = (AVRational){1, 1000};
	export_set_title(export->video, "screen");
	r = find_newest(export);
	if (r == 0 && formats[export->options->format].film)
		r = export_open_stills(export);
	return r;
}

/* Copy the video stream, or re-encode it when the format does not support it. */
static int add_video(struct export *export)
{
	enum export_format format = export->options->format;
	int64_t begin_ns = export->begin_ns;
	struct reader_message message;
	Foxglove__CompressedVideo *first;
	int r = find_keyframe(export, &message);

	if (r <= 0)
		return r;
	first = foxglove__compressed_video__unpack(
		NULL, message.data.size_bytes, message.data.data);
	export->coding = first ? find_coding(first->format) : NULL;
	if (format == EXPORT_WEBM && !(export->coding && export->coding->webm)) {
		export->begin_ns = begin_ns;
		r = export_open_drawer(export);
	} else if (!export->coding) {
		r = -EBADMSG;
	} else if (format == EXPORT_H264 && !export->coding->bare) {
		r = error_set(export->error, -EOPNOTSUPP,
			"the session's video is %s: export it as mkv, mp4 or webm, or as H.264 "
			"with "
			"--to mkv --draw patches",
			export->coding->name);
	} else {
		r = add_stream(export, first);
	}
	foxglove__compressed_video__free_unpacked(first, NULL);
	return r;
}

/* ---- chapters ---- */

static int add_chapter(struct export *export, int64_t from_ns, int64_t to_ns, const char *title)
{
	AVFormatContext *out = export->out;
	AVChapter **chapters, *added;

	chapters = av_realloc_array(out->chapters, out->nb_chapters + 1, sizeof(*chapters));
	if (!chapters)
		return -ENOMEM;
	out->chapters = chapters;
	added = av_mallocz(sizeof(*added));
	if (!added)
		return -ENOMEM;
	out->chapters[out->nb_chapters++] = added;
	added->id = out->nb_chapters;
	added->time_base = (AVRational){1, 1000};
	added->start = export_ms(export, from_ns);
	added->end = export_ms(export, to_ns);
	/* players ignore chapters without duration */
	if (added->end <= added->start)
		added->end = added->start + 1;
	return from_av(av_dict_set(&added->metadata, "title", title, 0));
}

static int add_all_chapters(struct export *export, const struct chapters *chapters)
{
	int r = 0;

	for (size_t i = 0; i < chapters->count && r >= 0; i++) {
		const struct chapter *chapter = &chapters->list[i];
		int64_t from_ns = chapter->from_ns, to_ns = chapter->to_ns;

		if (from_ns < export->begin_ns)
			from_ns = export->begin_ns;
		if (to_ns > export->end_ns)
			to_ns = export->end_ns;
		if (to_ns > from_ns)
			r = add_chapter(export, from_ns, to_ns, chapter->title);
	}
	return r;
}

/* In MP4 a chapter ends at the start of the next. */
static int add_chapters(struct export *export)
{
	const struct chapters *chapters = export->options->chapters;
	_cleanup_(chapters_finish) struct chapters flat = {0};
	int r;

	if (!chapters)
		return 0;
	if (export->options->format != EXPORT_MP4)
		return add_all_chapters(export, chapters);
	r = chapters_flatten(&flat, chapters, export->begin_ns, export->end_ns);
	return r < 0 ? r : add_all_chapters(export, &flat);
}

/* ---- packets ---- */

int export_write(struct export *export, AVStream *stream, int64_t pts, int64_t duration,
	const void *data, size_t size)
{
	AVRational base = stream == export->video ? (AVRational){1, 1000} : (AVRational){1, 48000};
	int r = size > INT32_MAX / 2 ? -EFBIG : av_new_packet(export->packet, (int)size);

	if (r < 0)
		return from_av(r);
	memcpy(export->packet->data, data, size);
	export->packet->stream_index = stream->index;
	export->packet->pts = export->packet->dts = pts;
	export->packet->duration = duration;
	if (stream != export->video || export->is_key)
		export->packet->flags |= AV_PKT_FLAG_KEY;
	av_packet_rescale_ts(export->packet, base, stream->time_base);
	r = av_write_frame(export->out, export->packet);
	av_packet_unref(export->packet);
	return from_av(r);
}

static int handle_picture(struct export *export, const struct reader_message *message)
{
	Foxglove__CompressedVideo *video = foxglove__compressed_video__unpack(
		NULL, message->data.size_bytes, message->data.data);
	int64_t pts = export_ms(export, message->time_ns), duration = 0;
	int r = video && !export_in_still(export, message->time_ns)
		? export_stills_until(export, message->time_ns)
		: 1;

	if (r != 0) { /* unpack errors are counted by the reader */
		foxglove__compressed_video__free_unpacked(video, NULL);
		return r < 0 ? r : 0;
	}
	if (find_coding(video->format) != export->coding) {
		foxglove__compressed_video__free_unpacked(video, NULL);
		return error_set(export->error, -EOPNOTSUPP,
			"the video is %s up to %.1f s and another format after it, because its "
			"encoder failed: export it with --draw patches",
			export->coding->name, (double)export_ms(export, message->time_ns) / 1000);
	}
	if (pts <= export->last_video)
		pts = export->last_video + 1;
	/* MP4 needs a duration above 0 */
	if (message->time_ns == export->newest_ns)
		duration = export_ms(export, export->end_ns) > pts
			? export_ms(export, export->end_ns) - pts
			: 1;
	export->is_key |= export->last_video < 0;
	r = export_write(export, export->video, pts, duration, video->data.data, video->data.len);
	foxglove__compressed_video__free_unpacked(video, NULL);
	export->last_video = pts;
	export->is_key = false;
	return r;
}

static int handle_message(struct export *export, const struct reader_message *message)
{
	int r;

	switch (message->channel->known) {
	case CHANNEL_SCREEN:
		return is_behind(export, message) ? 0 : handle_picture(export, message);
	case CHANNEL_SCREEN_KEYFRAMES: export->is_key = true; return 0;
	default:
		r = export->drawer ? export_draw_until(export, message->time_ns)
				   : export_stills_until(export, message->time_ns);
		return r < 0 ? r : export_handle_sound(export, message);
	}
}

static uint64_t wanted_channels(const struct export *export)
{
	uint64_t known = 0;

	if (export->video && !export->drawer)
		known |= UINT64_C(1) << CHANNEL_SCREEN | UINT64_C(1) << CHANNEL_SCREEN_KEYFRAMES;
	if (export->microphone.stream)
		known |= UINT64_C(1) << CHANNEL_SOUND;
	if (export->monitor.stream)
		known |= UINT64_C(1) << CHANNEL_MONITOR;
	return known;
}

static int write_all(struct export *export)
{
	const struct export_options *options = export->options;
	_destroy_(session_cursor) struct session_cursor *cursor = NULL;
	struct reader_message message;
	uint64_t count = 0, known = wanted_channels(export);
	int r = 0;

	if (known)
		r = session_cursor_create(
			&cursor, export->session->reader, export->begin_ns, options->to_ns, known);
	while (known && r >= 0 && (r = session_cursor_next(cursor, &message)) > 0) {
		r = handle_message(export, &message);
		if (r >= 0)
			r = export_check_cut(export);
		if (++count % PROGRESS_PACKETS == 0 && options->progress)
			options->progress(options->user, message.time_ns);
	}
	if (r < 0)
		return r;
	return export->drawer ? export_draw_until(export, export->end_ns)
			      : export_end_stills(export);
}

/* ---- the file ---- */

static int add_pictures(struct export *export)
{
	if (!formats[export->options->format].pictures)
		return 0;
	return export->options->draw ? export_open_drawer(export) : add_video(export);
}

static int write_header(struct export *export, const char *url)
{
	AVDictionary *settings = NULL;
	/* The library would create the file by the umask; an existing one keeps its mode. */
	_autoclose_ int fd = io_create(url + strlen(FILE_PROTOCOL));
	int r = fd < 0 ? fd : from_av(avio_open(&export->out->pb, url, AVIO_FLAG_WRITE));

	if (r >= 0 && export->options->format == EXPORT_MP4)
		r = from_av(av_dict_set(&settings, "movflags", "+faststart", 0));
	if (r >= 0)
		r = from_av(avformat_write_header(export->out, &settings));
	av_dict_free(&settings);
	return r;
}

static int open_output(struct export *export, const char *url)
{
	enum export_format format = export->options->format;
	int r = avformat_alloc_output_context2(&export->out, NULL, formats[format].muxer, url);

	if (r < 0)
		return from_av(r);
	export->packet = av_packet_alloc();
	if (!export->packet)
		return -ENOMEM;
	r = add_pictures(export);
	if (r >= 0 && formats[format].sounds)
		r = export_add_sounds(export);
	if (r >= 0 && !export->video && !export->microphone.stream && !export->monitor.stream)
		r = -ENODATA;
	if (r >= 0 && formats[format].film)
		r = add_chapters(export);
	return r < 0 ? r : write_header(export, url);
}

static int begin(struct export *export, const char *path)
{
	const struct export_options *options = export->options;
	int64_t last_ns;

	if (!session_reader_span(export->session->reader, &export->begin_ns, &last_ns))
		return error_set(export->error, -ENODATA, "the session is empty");
	export->end_ns = options->to_ns < last_ns ? options->to_ns : last_ns + 1;
	if (options->from_ns > export->begin_ns)
		export->begin_ns = options->from_ns;
	if (access(path, F_OK) == 0)
		return error_set(export->error, -EEXIST,
			"%s: the file already exists; choose another name", path);
	av_log_set_level(AV_LOG_ERROR);
	return 0;
}

const char *export_reason(int r, const struct error *why)
{
	switch (r) {
	case -ENOSPC:
	case -EDQUOT: return "the disk is full";
	case -EFBIG: return "the file exceeds the size limit of its file system";
	case -EEXIST: return "the file already exists; choose another name";
	case -EINTR: return "interrupted; the file was removed";
	default: return why && *why->text ? why->text : strerror(-r);
	}
}

static const char *missing(enum export_format format)
{
	if (!formats[format].sounds)
		return "no pictures";
	return formats[format].pictures ? "neither pictures nor sound" : "no sound";
}

/* Write the whole file, under its temporary name. */
static int write_file(struct export *export, const char *path)
{
	_autofree_ char *url = NULL;
	int r;

	/* the muxer takes a name with a colon for a protocol */
	if (asprintf(&url, FILE_PROTOCOL "%s", path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	r = open_output(export, url);
	if (r == -ENODATA)
		return error_set(export->error, r, "the session has %s there",
			missing(export->options->format));
	if (r >= 0)
		r = write_all(export);
	if (r >= 0)
		r = from_av(av_write_trailer(export->out));
	if (r >= 0 && export->out->pb)
		r = from_av(avio_closep(&export->out->pb));
	/* moving the index of a long film to its start takes time */
	return r < 0 ? r : export_check_cut(export);
}

int session_export(const struct session *session, const char *path,
	const struct export_options *options, struct exported *ret, struct error *reterr)
{
	struct error why = {""};
	_cleanup_(unfinished_free) struct unfinished file = {0};
	_cleanup_(export_finish) struct export export = {
		.session = session, .options = options, .error = &why, .last_video = -1};
	int r = begin(&export, path);

	if (r < 0)
		return error_set(reterr, r, "%s", why.text);
	r = options->beside ? unfinished_begin(&file, path) : 0;
	if (r == 0)
		r = write_file(&export, options->beside ? file.made : path);
	if (r == 0 && options->beside)
		r = unfinished_keep(&file);
	if (r == -ENODATA)
		return error_set(reterr, r, "%s", why.text);
	if (r < 0) {
		if (!options->beside || file.made)
			unlink(options->beside ? file.made : path);
		return error_set(reterr, r, "%s: %s", path, export_reason(r, &why));
	}
	if (ret)
		*ret = (struct exported){
			export.begin_ns, export.end_ns, export_draw_faults(&export)};
	return 0;
}

/* uxrec export: export a session to common media files. */

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/name.h"
#include "protocol/os/io.h"
#include "replay/command/command.h"
#include "replay/export/captions.h"
#include "replay/export/export.h"
#include "replay/export/extract.h"
#include "replay/export/unfinished.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USAGE                                                                                      \
	"export FILE|FOLDER --to mkv|mp4|webm|png|h264|opus|wav [--from T] [--until T] "           \
	"[--draw pointer,clicks,keys,patches] [--vtt transcript,tasks,tags [--layer LAYER]] "      \
	"[--monitor] [--at T,... | --every SECONDS] [--for analysis|clips|publication] -o OUT"

#define USAGE_TABLE "export FILE|FOLDER --to csv --table tags|notes|events|attempts -o OUT"

/* Limit of pictures; more are probably a typing error. */
#define PICTURES_LIMIT 100000

/* Options of the command line. */
struct asked {
	const char *out, *to, *from, *until, *draw, *vtt, *layer, *at, *every, *purpose;
	enum export_format format;
	unsigned draw_parts, vtt_parts;
	enum consent_use use;
	struct export_options options;
};

/* ---- Ctrl-C ---- */

/* Signal received; global, as a handler has no argument. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* The first signal cancels the export, the second ends the program. */
static void handle_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct sigaction before;

		/* keep it ignored under nohup(1) */
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	signal(SIGXFSZ, SIG_IGN); /* the error of write(2) suffices, as for a full disk */
}

/* Log the error, and re-raise a received signal for the parent process. @return EXIT_FAILED */
static int give_up(int r, const struct error *error)
{
	log_error("%s", error->text);
	if (r == -EINTR && interrupted)
		raise(interrupted); /* its default action is restored */
	return EXIT_FAILED;
}

/* ---- option parsing ---- */

/* @return the parts in a comma-separated list, or 0 after logging an error */
static unsigned parse_parts(
	const char *option, const char *text, unsigned (*find)(const char *name), const char *known)
{
	_autofree_ char *copy = strdup(text);
	unsigned parts = 0;

	for (char *at = copy, *name; at && (name = strsep(&at, ","));) {
		unsigned part = find(name);

		if (part == 0) {
			log_error("%s '%s': must be a list of %s", option, text_quote(name).text,
				known);
			return 0;
		}
		parts |= part;
	}
	return parts;
}

static enum way_out way_of(enum export_format format)
{
	switch (format) {
	case EXPORT_PNG: return WAY_OUT_PICTURE;
	case EXPORT_OPUS:
	case EXPORT_WAV: return WAY_OUT_SOUND;
	default: return WAY_OUT_FILM;
	}
}

/* @return 0, or EXIT_USAGE after logging the conflicting options */
static int check_combination(const struct asked *asked)
{
	bool is_png = asked->format == EXPORT_PNG;
	const char *wrong = NULL;

	if (asked->draw && !export_draws(asked->format))
		wrong = "--draw is only for mkv, mp4, webm and png";
	else if (asked->vtt && !export_is_film(asked->format))
		wrong = "--vtt is only for mkv, mp4 and webm";
	else if (asked->layer && !asked->vtt)
		wrong = "--layer is only for the tags of --vtt";
	else if (is_png && !asked->at == !asked->every)
		wrong = "--to png requires --at or --every";
	else if (!is_png && (asked->at || asked->every))
		wrong = "--at and --every are only for png";
	else if (asked->at && (asked->from || asked->until))
		wrong = "--at cannot be combined with --from and --until";
	if (wrong)
		log_error("%s", wrong);
	return wrong ? EXIT_USAGE : 0;
}

/* A film is for showing to others: analysis has the replay. */
static int parse_use(struct asked *asked)
{
	bool film = way_of(asked->format) == WAY_OUT_FILM;
	int use = asked->purpose ? consent_use_find(asked->purpose) : CONSENT_CLIPS;

	if (use < 0 || use == CONSENT_OBSERVERS || (film && use == CONSENT_ANALYSIS)) {
		log_error("--for '%s': must be one of %sclips, publication",
			text_quote(asked->purpose).text, film ? "" : "analysis, ");
		return EXIT_USAGE;
	}
	asked->use = (enum consent_use)use;
	return 0;
}

static int parse(struct asked *asked)
{
	int format = export_find(asked->to);

	if (format < 0) {
		log_error("--to '%s': must be one of mkv, mp4, webm, png, h264, opus, wav, csv",
			text_quote(asked->to).text);
		return EXIT_USAGE;
	}
	asked->format = asked->options.format = (enum export_format)format;
	if (check_combination(asked) != 0)
		return EXIT_USAGE;
	if (parse_use(asked) != 0)
		return EXIT_USAGE;
	if (asked->draw) {
		asked->draw_parts = parse_parts(
			"--draw", asked->draw, drawing_find, "pointer, clicks, keys, patches");
		if (asked->draw_parts == 0)
			return EXIT_USAGE;
	}
	if (asked->vtt) {
		asked->vtt_parts =
			parse_parts("--vtt", asked->vtt, caption_find, "transcript, tasks, tags");
		if (asked->vtt_parts == 0)
			return EXIT_USAGE;
	}
	asked->options.draw = asked->draw_parts;
	return 0;
}

/* ---- captions ---- */

/* The captions of "film.mkv" are "film.vtt", where players look for them. @return the path, allocated, or NULL */
static char *vtt_path(const char *out)
{
	const char *slash = strrchr(out, '/'), *dot = strrchr(out, '.');
	size_t length = dot && dot > (slash ? slash + 1 : out) ? (size_t)(dot - out) : strlen(out);
	char *path;

	return asprintf(&path, "%.*s.vtt", (int)length, out) < 0 ? NULL : path;
}

static int write_file(const char *path, const struct buf *text)
{
	_cleanup_(unfinished_free) struct unfinished file = {0};
	_autoclose_ int fd = -1;
	int r = unfinished_begin(&file, path);

	if (r < 0)
		return r;
	fd = io_create(file.made);
	if (fd < 0)
		return steal_fd(&fd);
	r = io_write_all(fd, text->data, text->size_bytes);
	if (r == 0)
		r = unfinished_keep(&file);
	if (r < 0)
		unlink(file.made);
	return r;
}

static int write_captions(const struct asked *asked, const struct session *session,
	const char *path, const struct exported *film)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	_cleanup_(buf_finish) struct buf text = {0};
	struct error error = {"no reason given"};
	int r = captions_collect(&vtt, session, asked->vtt_parts, asked->layer, film->begin_ns,
		film->end_ns, &error);

	if (r < 0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	vtt_write(&text, vtt);
	r = buf_error(&text);
	if (r == 0)
		r = write_file(path, &text);
	if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r < 0 ? EXIT_FAILED : 0;
}

/* Checks that would otherwise fail after hours. @return 0 or EXIT_FAILED */
static int check_captions(
	const struct asked *asked, const struct session *session, const char *path)
{
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct error error = {"no reason given"};

	if (!path || access(path, F_OK) == 0) {
		log_error("%s: the file already exists; choose another name",
			path ? path : asked->out);
		return EXIT_FAILED;
	}
	if (captions_collect(&vtt, session, asked->vtt_parts, asked->layer, 0, INT64_MAX, &error) <
		0) {
		log_error("%s", error.text);
		return EXIT_FAILED;
	}
	return 0;
}

/* ---- result ---- */

static void begin_progress(
	struct command_progress *progress, const struct asked *asked, const struct session *session)
{
	int64_t begin_ns, end_ns;

	*progress = (struct command_progress){.shown_ns = clock_now_ns()};
	if (!isatty(STDERR_FILENO) || !session_span(session, &begin_ns, &end_ns))
		return;
	if (asked->options.from_ns > begin_ns)
		begin_ns = asked->options.from_ns;
	if (asked->options.to_ns < end_ns)
		end_ns = asked->options.to_ns;
	progress->begin_ns = begin_ns;
	progress->length_ns = end_ns - begin_ns;
}

/* @return an exit status */
static int print_losses(const struct session *session, struct frames_faults faults)
{
	bool lost = command_print_damages(session->reader);

	if (faults.pictures)
		printf("lost: %llu pictures that cannot be decoded\n",
			(unsigned long long)faults.pictures);
	if (faults.patches)
		printf("lost: %llu patches that cannot be decoded\n",
			(unsigned long long)faults.patches);
	return lost || faults.pictures || faults.patches ? EXIT_FAILED : EXIT_OK;
}

static int export_film(struct asked *asked, const struct session *session)
{
	_cleanup_(chapters_finish) struct chapters chapters = {0};
	_autofree_ char *beside = asked->vtt ? vtt_path(asked->out) : NULL;
	struct command_progress progress;
	struct error error = {"no reason given"};
	struct exported exported;
	int r;

	if (asked->vtt && check_captions(asked, session, beside) != 0)
		return EXIT_FAILED;
	if (chapters_collect(&chapters, session) < 0)
		return EXIT_FAILED;
	begin_progress(&progress, asked, session);
	asked->options.chapters = &chapters;
	if (progress.length_ns > 0) {
		asked->options.progress = command_show_progress;
		asked->options.user = &progress;
	}
	r = session_export(session, asked->out, &asked->options, &exported, &error);
	if (progress.length_ns > 0)
		fputs("\r\033[K", stderr);
	if (r < 0)
		return give_up(r, &error);
	if (asked->vtt && write_captions(asked, session, beside, &exported) != 0)
		return EXIT_FAILED;
	return print_losses(session, exported.faults);
}

/* ---- single pictures ---- */

struct moments {
	int64_t *at_ns;
	size_t count;
};

static void moments_finish(struct moments *moments)
{
	free(moments->at_ns);
}

/* "1:30,2:00" @return 0, or an exit status with the reason logged */
static int parse_moments(struct moments *ret, const char *text, const struct session_reader *reader)
{
	_autofree_ char *copy = strdup(text);
	int r = 0;

	ret->at_ns = calloc(strlen(text) + 1, sizeof(*ret->at_ns));
	if (!copy || !ret->at_ns)
		return EXIT_FAILED;
	for (char *at = copy, *one; r == 0 && (one = strsep(&at, ","));)
		r = command_parse_moment(one, reader, &ret->at_ns[ret->count++]);
	return r;
}

static int spread_moments(
	struct moments *ret, const struct asked *asked, int64_t begin_ns, int64_t end_ns)
{
	char *end;
	double seconds = strtod(asked->every, &end), count;

	if (*end || !(seconds >= 0.001) || seconds > 1e6) {
		log_error("--every '%s': must be seconds, 0.001 or more",
			text_quote(asked->every).text);
		return EXIT_USAGE;
	}
	if (asked->options.from_ns > begin_ns)
		begin_ns = asked->options.from_ns;
	if (asked->options.to_ns <= end_ns)
		end_ns = asked->options.to_ns - 1;
	count = (double)(end_ns - begin_ns) / (seconds * 1e9) + 1;
	if (count > PICTURES_LIMIT) {
		log_error(
			"--every %s: that is more than %d pictures", asked->every, PICTURES_LIMIT);
		return EXIT_USAGE;
	}
	ret->at_ns = calloc(count < 1 ? 1 : (size_t)count, sizeof(*ret->at_ns));
	if (!ret->at_ns)
		return EXIT_FAILED;
	for (; (double)ret->count + 1 <= count; ret->count++)
		ret->at_ns[ret->count] = begin_ns + (int64_t)((double)ret->count * seconds * 1e9);
	return 0;
}

static int export_png(struct asked *asked, const struct session *session)
{
	_cleanup_(moments_finish) struct moments moments = {0};
	struct command_progress progress;
	struct export_pictures pictures = {.draw = asked->draw_parts, .cut = &interrupted};
	struct exported_pictures made;
	struct error error = {"no reason given"};
	int64_t begin_ns = 0, end_ns = 0;
	int r;

	session_span(session, &begin_ns, &end_ns);
	r = asked->at ? parse_moments(&moments, asked->at, session->reader)
		      : spread_moments(&moments, asked, begin_ns, end_ns);
	if (r != 0)
		return r;
	begin_progress(&progress, asked, session);
	pictures.at_ns = moments.at_ns;
	pictures.count = moments.count;
	pictures.folder = asked->every || moments.count > 1;
	if (progress.length_ns > 0 && asked->every) {
		pictures.progress = command_show_progress;
		pictures.user = &progress;
	}
	r = session_export_pictures(session, asked->out, &pictures, &made, &error);
	if (pictures.progress)
		fputs("\r\033[K", stderr);
	if (r < 0)
		return give_up(r, &error);
	if (pictures.folder)
		printf("%s: %zu pictures\n", asked->out, made.count);
	if (made.in_gaps)
		printf("%zu moments have no picture: %s\n", made.in_gaps, made.first_gap.text);
	return print_losses(session, made.faults);
}

/* @return 0, or EXIT_FAILED with the reason logged */
static int check_consent(const struct asked *asked, struct session *session)
{
	enum way_out way = way_of(asked->format);
	uint32_t wanted = way_out_needs(way)->modalities;

	if ((asked->vtt_parts & CAPTION_TRANSCRIPT &&
		    command_open_way_out(session, WAY_OUT_TRANSCRIPT, asked->use) != 0) ||
		(asked->vtt_parts &&
			command_open_way_out(session, WAY_OUT_CAPTIONS, asked->use) != 0) ||
		command_open_way_out(session, way, asked->use) != 0)
		return EXIT_FAILED;
	if (export_is_film(asked->format))
		wanted |= 1u << MODALITY_SOUND;
	if (asked->draw_parts)
		wanted |= 1u << MODALITY_INPUT;
	command_warn_withheld(session, wanted);
	return 0;
}

/* ---- tables ---- */

static int write_table(struct session *session, enum extract table, const char *out)
{
	_cleanup_(buf_finish) struct buf content = {0};
	struct extract_notes notes = {0};
	int r = command_extract(&content, session, table, &notes);

	if (r == EXIT_OK)
		r = command_write_file(out, &content);
	if (r != EXIT_OK)
		return r;
	return command_print_damages(session->reader) ? EXIT_FAILED : EXIT_OK;
}

static int export_table(const struct asked *asked, const char *name, const char *path)
{
	_destroy_(session) struct session *session = NULL;
	int table = name ? extract_find_table(name) : -1;

	if (strcmp(asked->to, "csv") != 0 || !name || asked->from || asked->until || asked->draw ||
		asked->vtt || asked->at || asked->every || asked->purpose || asked->layer ||
		asked->options.monitor)
		return command_usage(USAGE_TABLE);
	if (table < 0) {
		log_error("--table '%s': must be one of tags, notes, events, attempts",
			text_quote(name).text);
		return EXIT_USAGE;
	}
	if (command_open(&session, path) != 0)
		return EXIT_FAILED;
	return write_table(session, (enum extract)table, asked->out);
}

int command_export(const struct command_options *options, int argc, char **argv)
{
	struct asked asked = {
		.out = command_pop_value(&argc, argv, "-o"),
		.to = command_pop_value(&argc, argv, "--to"),
		.from = command_pop_value(&argc, argv, "--from"),
		.until = command_pop_value(&argc, argv, "--until"),
		.draw = command_pop_value(&argc, argv, "--draw"),
		.vtt = command_pop_value(&argc, argv, "--vtt"),
		.at = command_pop_value(&argc, argv, "--at"),
		.every = command_pop_value(&argc, argv, "--every"),
		.purpose = command_pop_value(&argc, argv, "--for"),
		.options = {.from_ns = INT64_MIN,
			.to_ns = INT64_MAX,
			.beside = true,
			.cut = &interrupted,
			.monitor = command_pop_flag(&argc, argv, "--monitor")},
	};
	_cleanup_(bleeps_finish) struct bleeps bleeps = {0};
	_destroy_(session) struct session *session = NULL;
	_autofree_ char *layer = NULL;
	const char *table = command_pop_value(&argc, argv, "--table");
	int r = command_pop_layer(&layer, &argc, argv);

	(void)options;
	if (r != EXIT_OK || command_has_leftovers(argc, argv, 1))
		return EXIT_USAGE;
	asked.layer = layer;
	if (argc != 2 || !asked.out || !asked.to)
		return command_usage(USAGE);
	if (table || strcmp(asked.to, "csv") == 0)
		return export_table(&asked, table, argv[1]);
	if (parse(&asked) != 0)
		return EXIT_USAGE;
	if (command_open(&session, argv[1]) != 0 || command_collect_bleeps(&bleeps, session) != 0 ||
		check_consent(&asked, session) != 0)
		return EXIT_FAILED;
	asked.options.bleeps = &bleeps;
	r = command_parse_span(session->reader, asked.from, asked.until, &asked.options.from_ns,
		&asked.options.to_ns);
	if (r != 0)
		return r;
	handle_signals();
	return asked.format == EXPORT_PNG ? export_png(&asked, session)
					  : export_film(&asked, session);
}

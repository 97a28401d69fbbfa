/* uxrec transcript: attach, show, search, export and remove a session's transcript. */

#include "protocol/base/clock.h"
#include "protocol/base/log.h"
#include "protocol/base/terminal.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "replay/base/json.h"
#include "replay/command/command.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"transcript FILE... [--search TEXT] [--json] | FILE --export OUT.vtt | FOLDER "
	"--attach FILE.vtt [--offset SECONDS] [--force] | FOLDER --remove";

static int failed(const struct error *error)
{
	log_error("%s", error->text);
	return EXIT_FAILED;
}

/* ---- showing ---- */

static void print_cue(const struct vtt_cue *cue, const char *session)
{
	char from[24];

	vtt_format_time(from, cue->from_ns);
	if (session)
		printf("%s  ", session);
	printf("%s  ", from);
	terminal_write(cue->speaker);
	fputs(*cue->speaker ? ": " : "", stdout);
	terminal_write(cue->text);
	putchar('\n');
}

static int64_t begin_of(const struct session *session)
{
	int64_t begin_ns = 0, end_ns;

	session_span(session, &begin_ns, &end_ns);
	return begin_ns;
}

/* Log the faults of a transcript. @return an exit status */
int command_log_faults(const struct vtt_faults *faults, const char *name)
{
	size_t named = faults->count < VTT_FAULTS_NAMED ? faults->count : VTT_FAULTS_NAMED;

	for (size_t i = 0; i < named; i++)
		log_warning("%s, line %u: %s; left out", name, faults->named[i].line,
			faults->named[i].why);
	if (faults->count > named)
		log_warning("%s: %zu more that cannot be read", name, faults->count - named);
	return faults->count > 0 ? EXIT_FAILED : EXIT_OK;
}

/* @return 1 with a transcript, 0 when there is none, or a negative errno after logging */
static int load(struct vtt **ret, struct vtt_faults *ret_faults, struct session **ret_session,
	const char *path)
{
	struct error error = {"no reason given"};
	int r;

	if (command_open(ret_session, path) != 0 ||
		command_open_way_out(*ret_session, WAY_OUT_TRANSCRIPT, CONSENT_ANALYSIS) != 0)
		return -EIO;
	r = transcript_show(ret, *ret_session, ret_faults, &error);
	if (r == 0)
		command_log_faults(ret_faults, path);
	if (r < 0 && r != -ENOENT)
		log_error("%s", error.text);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int show(const char *path)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	int r = load(&vtt, &faults, &session, path);

	if (r < 0)
		return EXIT_FAILED;
	if (r == 0) {
		log_error("%s: it has no transcript", path);
		return EXIT_NO;
	}
	for (size_t i = 0; i < vtt->count; i++)
		print_cue(&vtt->cues[i], NULL);
	return faults.count > 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- searching ---- */

static struct json_object *found_to_json(
	const struct session *session, const struct vtt_cue *cue, int64_t begin_ns)
{
	Uxrec__Transcript__Cue message = UXREC__TRANSCRIPT__CUE__INIT;
	struct json_object *found;

	message.from_ns = begin_ns + cue->from_ns;
	message.to_ns = begin_ns + cue->to_ns;
	message.speaker = cue->speaker;
	message.text = cue->text;
	found = json_of_message(&message.base);
	json_object_object_add(found, "session", json_text(session->id));
	json_object_object_add(found, "from_s", json_object_new_double((double)cue->from_ns / 1e9));
	return found;
}

/* @return the number of matching cues, or a negative errno */
static int search_one(const struct search *search, const char *path, struct json_object *document)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults = {0};
	int r = load(&vtt, &faults, &session, path), count = 0;

	for (size_t i = 0; r > 0 && i < vtt->count; i++) {
		const struct vtt_cue *cue = &vtt->cues[i];

		r = search_finds(search, cue->text);
		if (r < 0)
			return r;
		count += r;
		if (r > 0 && document)
			json_object_array_add(
				document, found_to_json(session, cue, begin_of(session)));
		else if (r > 0)
			print_cue(cue, session->id);
		r = 1;
	}
	/* unreadable cues may match */
	return r < 0 ? r : faults.count > 0 ? -EBADMSG : count;
}

static int search_all(const char *text, int count, char **paths, bool json)
{
	_destroy_(search) struct search *search = NULL;
	struct json_object *document = NULL;
	int status = EXIT_NO;

	if (search_create(&search, text) < 0) {
		log_error("--search: no text to search for");
		return EXIT_USAGE;
	}
	if (json)
		document = json_object_new_array();
	for (int i = 0; i < count; i++) {
		int r = search_one(search, paths[i], document);

		/* an unreadable transcript may match */
		if (r < 0)
			status = EXIT_FAILED;
		else if (r > 0 && status == EXIT_NO)
			status = EXIT_OK;
	}
	if (json)
		json_print(document);
	return status;
}

/* ---- attach, export, remove ---- */

static int parse_offset(const char *text, int64_t *ret_ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(fabs(seconds) < TRANSCRIPT_HOURS_LIMIT * 3600.0)) {
		log_error("--offset '%s': must be a number of seconds", text_quote(text).text);
		return EXIT_USAGE;
	}
	/* WebVTT has milliseconds */
	*ret_ns = llround(seconds * 1000) * NS_PER_MS;
	return 0;
}

/*
 * Refuse a transcript whose cues are all outside of the session: its times have another origin.
 * @return 0 or EXIT_FAILED
 */
static int shift(struct vtt *vtt, const struct session *session, int64_t offset_ns)
{
	size_t before = vtt->count;
	int64_t begin_ns = 0, end_ns = 0;

	transcript_shift(vtt, offset_ns);
	session_span(session, &begin_ns, &end_ns);
	if (before == 0 || (vtt->count > 0 && vtt->cues[0].from_ns <= end_ns - begin_ns))
		return 0;
	log_error(
		"no cue lies in the session, which is %.3f s long: --offset SECONDS shifts their "
		"times",
		(double)(end_ns - begin_ns) / NS_PER_S);
	return EXIT_FAILED;
}

static int attach(const char *path, const char *file, int64_t offset_ns, bool replace)
{
	_destroy_(session) struct session *session = NULL;
	_destroy_(vtt) struct vtt *vtt = NULL;
	_autofree_ char *text = NULL;
	struct error error = {"no reason given"};
	struct vtt_faults faults;
	ssize_t size;

	if (command_open_folder(&session, path) != 0 ||
		command_open_way_out(session, WAY_OUT_TRANSCRIPT, CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	size = file_read_whole(file, TRANSCRIPT_LIMIT_BYTES, &text, &error);
	if (size < 0)
		return failed(&error);
	if (vtt_parse(&vtt, text, (size_t)size, file, &faults, &error) < 0)
		return failed(&error);
	if (shift(vtt, session, offset_ns) != 0)
		return EXIT_FAILED;
	if (transcript_store(session->folder, vtt, replace, &error) < 0) {
		log_error("%s%s", error.text,
			!replace && transcript_exists(session->folder)
				? ": use --force to replace it"
				: "");
		return EXIT_FAILED;
	}
	printf("%s: %zu cues\n", path, vtt->count);
	return command_log_faults(&faults, file);
}

int command_write_file(const char *out, const struct buf *text)
{
	int fd = io_create(out), r;

	if (fd < 0) {
		log_error("%s: %s", out,
			fd == -EEXIST ? "the file already exists; choose another name"
				      : strerror(-fd));
		return EXIT_FAILED;
	}
	r = io_write_all(fd, text->data, text->size_bytes);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		return EXIT_OK;
	unlink(out);
	log_errno(r, "%s", out);
	return EXIT_FAILED;
}

int command_extract(struct buf *out, struct session *session, enum extract part,
	struct extract_notes *ret_notes)
{
	struct error error = {"no reason given"};
	int r;

	if (command_open_way_out(session, extract_way(part), CONSENT_ANALYSIS) != 0)
		return EXIT_FAILED;
	r = extract_write(out, SIZE_MAX, session, part, ret_notes, &error);
	if (r < 0) {
		log_error("%s: %s", session->path, error.text);
		return r == -ENOENT ? EXIT_NO : EXIT_FAILED;
	}
	for (size_t i = 0; i < ret_notes->count; i++)
		log_warning("%s: %s", session->path, ret_notes->text[i]);
	return EXIT_OK;
}

/* @param path  path of a session. @param out  a file, or NULL: standard output */
static int write_transcript(const char *path, enum extract part, const char *out)
{
	_destroy_(session) struct session *session = NULL;
	_cleanup_(buf_finish) struct buf text = {0};
	struct extract_notes notes = {0};
	int r;

	if (command_open(&session, path) != 0)
		return EXIT_FAILED;
	r = command_extract(&text, session, part, &notes);
	if (r == EXIT_OK && out)
		r = command_write_file(out, &text);
	else if (r == EXIT_OK)
		fwrite(text.data, 1, text.size_bytes, stdout);
	return r == EXIT_OK && notes.count > 0 ? EXIT_FAILED : r;
}

static int remove_transcript(const char *path)
{
	_destroy_(session) struct session *session = NULL;
	struct error error = {"no reason given"};

	if (command_open_folder(&session, path) != 0)
		return EXIT_FAILED;
	return transcript_remove(session->folder, &error) < 0 ? failed(&error) : EXIT_OK;
}

int command_transcript(const struct command_options *options, int argc, char **argv)
{
	const char *file = command_pop_value(&argc, argv, "--attach");
	const char *offset = command_pop_value(&argc, argv, "--offset");
	const char *exported = command_pop_value(&argc, argv, "--export");
	const char *out = command_pop_value(&argc, argv, "-o");
	const char *text = command_pop_value(&argc, argv, "--search");
	bool removes = command_pop_flag(&argc, argv, "--remove");
	bool force = command_pop_flag(&argc, argv, "--force");
	bool json = command_pop_flag(&argc, argv, "--json");
	int64_t offset_ns = 0;

	(void)options;
	if (command_has_leftovers(argc, argv, text ? argc : 1))
		return EXIT_USAGE;
	if (!out)
		out = exported;
	if (argc < 2 || !!file + !!out + !!text + removes > 1 || ((offset || force) && !file) ||
		(json && (file || out || removes)))
		return command_usage(usage);
	if (offset && parse_offset(offset, &offset_ns) != 0)
		return EXIT_USAGE;
	if (text)
		return search_all(text, argc - 1, argv + 1, json);
	if (file)
		return attach(argv[1], file, offset_ns, force);
	if (out)
		return write_transcript(argv[1], EXTRACT_TRANSCRIPT_VTT, out);
	if (json)
		return write_transcript(argv[1], EXTRACT_TRANSCRIPT_JSON, NULL);
	return removes ? remove_transcript(argv[1]) : show(argv[1]);
}

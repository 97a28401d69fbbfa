#include "tests/harness/helpers.h"

#include "protocol/base/clock.h"
#include "protocol/limits.h"
#include "protocol/os/io.h"
#include "replay/session/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MS NS_PER_MS

static int parse(struct vtt **ret, const char *text, struct error *error)
{
	return vtt_parse(ret, text, strlen(text), "said.vtt", NULL, error);
}

static struct vtt *parse_good(const char *text)
{
	struct error error = {""};
	struct vtt *vtt = NULL;

	if (parse(&vtt, text, &error) < 0)
		printf("# %s\n", error.text);
	check(vtt != NULL);
	return vtt;
}

static bool cue_is(const struct vtt *vtt, size_t i, int64_t from_ms, int64_t to_ms,
	const char *speaker, const char *text)
{
	const struct vtt_cue *cue = i < vtt->count ? &vtt->cues[i] : NULL;
	bool is = cue && cue->from_ns == from_ms * MS && cue->to_ns == to_ms * MS &&
		strcmp(cue->speaker, speaker) == 0 && strcmp(cue->text, text) == 0;

	if (!is && cue)
		printf("# cue %zu is %lld to %lld '%s' '%s'\n", i, (long long)(cue->from_ns / MS),
			(long long)(cue->to_ns / MS), cue->speaker, cue->text);
	return is;
}

static void a_whole_file_is_read(void)
{
	static const char text[] =
		"\xef\xbb\xbfWEBVTT - of the pilot\r\nKind: captions\r\n\r\n"
		"STYLE\r\n::cue { color: red }\r\n\r\n"
		"REGION\r\nid:a\r\n\r\n"
		"NOTE nobody reads\r\nthis --> here\r\n\r\n\r\n"
		"1\r\n00:01.500 --> 00:02.250 align:start line:0%\r\n<v Ana>Where is <i>it</i>?\r\n"
		"Here &amp; there.</v>\r\n\r\n"
		"STYLE of the second\r\n100:00:00.001\t-->\t100:00:00.002\r\n&lt;b&gt; 5 < 6 &#8211;&#x20ac;\r\n";
	_destroy_(vtt) struct vtt *vtt = parse_good(text);

	check(vtt->count == 2);
	expect(cue_is(vtt, 0, 1500, 2250, "Ana", "Where is it?\nHere & there."));
	expect(cue_is(vtt, 1, 360000001, 360000002, "", "<b> 5 < 6 \u2013\u20ac"));
}

static void lines_may_end_in_three_ways(void)
{
	static const char *const ends[] = {"\n", "\r", "\r\n"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		char text[200];

		snprintf(text, sizeof(text),
			"WEBVTT%s%s00:01.000 --> 00:02.000%sone%stwo%s%s00:03.000 --> 00:04.000%sthree",
			ends[i], ends[i], ends[i], ends[i], ends[i], ends[i], ends[i]);
		vtt = parse_good(text);
		check(vtt->count == 2);
		expect(cue_is(vtt, 0, 1000, 2000, "", "one\ntwo"));
		expect(cue_is(vtt, 1, 3000, 4000, "", "three"));
	}
}

/* a cue's text in the file, and as read; speakers precede "|" */
static const struct {
	const char *written, *read;
} texts[] = {
	{"plain", "|plain"},
	{"<v Ana>Hi", "Ana|Hi"},
	{"<v.loud.first Ana M&uuml;ller &amp; Co>Hi</v>", "Ana M&uuml;ller & Co|Hi"},
	{"<v\tAna >Hi", "Ana|Hi"},
	{"<v>Hi", "|Hi"},
	{"<v Ana>Hi <v Bob>Ho</v> hum", "Ana|Hi Bob|Ho hum"},
	{"<v -- >Hi -- ho", "--|Hi -- ho"},
	{"<video>x", "|x"},
	{"<c.red>a</c><b>b</b><00:01.500>c<lang de>d</lang>", "|abcd"},
	{"a < b > c", "|a < b > c"},
	{"no end <b", "|no end <b"},
	{"<>x", "|x"},
	{"a&nbsp;b", "|a\u00a0b"},
	{"a&lrm;b&rlm;c", "|a\u200eb\u200fc"},
	{"&amp;lt; &#38;lt;", "|&lt; &lt;"},
	{"&amp &#; &#x; &#12 &unknown;", "|&amp &#; &#x; &#12 &unknown;"},
	{"&#0;&#xd800;&#x110000;&#99999999999999999999;", "|\ufffd\ufffd\ufffd\ufffd"},
	{"a\x1b[31mb&#27;c&#x9b;d", "|a [31mb c d"},
	{"a\u202eb\u2066c", "|a b c"},
	{"a&#10;&#10;b", "|a b"},
	{"  a \t b  \n  c ", "|a b\nc"},
	{"a\n<b></b>\nb", "|a\nb"},
	{"<b> </b>", ""},
};

static void texts_are_read_as_plain(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		char text[400], read[400] = "";
		size_t length = 0;

		snprintf(text, sizeof(text), "WEBVTT\n\n00:01.000 --> 00:02.000\n%s\n",
			texts[i].written);
		vtt = parse_good(text);
		for (size_t k = 0; k < vtt->count; k++)
			length += (size_t)snprintf(read + length, sizeof(read) - length, "%s%s|%s",
				k ? " " : "", vtt->cues[k].speaker, vtt->cues[k].text);
		if (strcmp(read, texts[i].read) != 0)
			printf("# '%s' is read as '%s'\n", texts[i].written, read);
		expect(strcmp(read, texts[i].read) == 0);
	}
}

static void faults_are_told_with_their_line(void)
{
	static const struct {
		const char *text, *says;
	} table[] = {
		{"", "line 1: a WebVTT file begins with WEBVTT"},
		{"WEBVTTX\n", "line 1: a WebVTT"},
		{"1\n00:00:01,000 --> 00:00:02,000\nsrt\n", "line 1: a WebVTT"},
		{"WEBVTT\n\n00:00:01;000 --> 00:00:02,000\nx\n", "line 3: times are written"},
		{"WEBVTT\n\n00:60.000 --> 01:02.000\nx\n", "line 3: times"},
		{"WEBVTT\n\n00:01.000 -> 00:02.000\nx\n", "line 3: the time of a cue is missing"},
		{"WEBVTT\n\n00:01. --> 00:02.000\nx\n", "line 3: times"},
		{"WEBVTT\n\n00:01.000 --> 00:02.000x\nx\n", "line 3: times"},
		{"WEBVTT\n\n00:01.000 -->\nx\n", "line 3: times"},
		{"WEBVTT\n\n1000:00:01.000 --> 1000:00:02.000\nx\n", "line 3: times"},
		{"WEBVTT\n\n99999999999999999999:00:01.000 --> 00:02.000\nx\n", "line 3: times"},
		{"WEBVTT\n\n-1:00.000 --> 00:02.000\nx\n", "line 3: times"},
		{"WEBVTT\n\n00:03.000 --> 00:02.999\nx\n", "line 3: the cue ends before"},
		{"WEBVTT\n\nwords that\nare nowhere\n", "line 3: the time of a cue is missing"},
		{"WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nb\n", "line 6: the time of a cue"},
		{"WEBVTT\n\n00:01.000 --> 00:02.000\n\xff\n", "line 4: it is not UTF-8"},
		{"WEBVTT\n\n00:01.000 --> 00:02.000\n\xed\xa0\x80\n", "line 4: it is not UTF-8"},
		{"WEBVTT\n\n00:01.000 --> 00:02.000\n\xe2\x82", "line 4: it is not UTF-8"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		struct error error = {""};

		expect(parse(&vtt, table[i].text, &error) == -EINVAL && !vtt);
		if (!strstr(error.text, table[i].says))
			printf("# '%s' is not in '%s'\n", table[i].says, error.text);
		expect(strncmp(error.text, "said.vtt, line ", 15) == 0);
		expect(strstr(error.text, table[i].says) != NULL);
	}
}

/* timestamps as programs write them; from and to in ms */
static void odd_times_are_read(void)
{
	static const struct {
		const char *line;
		int64_t from_ms, to_ms;
	} table[] = {
		{"1:00:00.000 --> 1:00:01.500", 3600000, 3601500},
		{"00:01 --> 00:02", 1000, 2000},
		{"0:01.5 --> 0:02.25", 1500, 2250},
		{"1:2:3 --> 1:2:4", 3723000, 3724000},
		{"00:00:01,000 --> 00:00:02,250", 1000, 2250},
		{"00:01.123456 --> 00:02.999999", 1123, 2999},
		{"  00:01.000-->00:02.000 align:start position:0%", 1000, 2000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		char text[200];

		snprintf(text, sizeof(text), "WEBVTT\n\n%s\nx\n", table[i].line);
		vtt = parse_good(text);
		check(vtt->count == 1);
		expect(cue_is(vtt, 0, table[i].from_ms, table[i].to_ms, "", "x"));
	}
}

static const char odd_file[] =
	"\xef\xbb\xbfWEBVTT\r\n\r\nKind: captions\r\nLanguage: en\r\n\r\n" /* 1 to 5 */
	"00:05.000 --> 00:06.000\r\nlater\r\n\r\n"                         /* 6 to 8 */
	"00:04.000 --> 00:03.000\r\nreversed\r\n\r\n"                      /* 9 to 11 */
	"loose text\r\nof two lines\r\n\r\n"                               /* 12 to 14 */
	"00:01.000 --> 00:02.000\r\nbad \xff letter\r\n\r\n"               /* 15 to 17 */
	"00:07.000 --> soon\r\nnever\r\n\r\n"                              /* 18 to 20 */
	"Kind: of loose\r\n\r\n"                                           /* 21, 22 */
	"two\r\nlines\r\n00:08.000 --> 00:09.000\r\nlast\r\n\r\n"          /* 23 to 27 */
	"00:09.000 --> 00:10.000\r\n\r\nSTYLE\r\n::cue {}\r\n\r\nNOTE a\r\n";

static void what_can_be_read_is_read(void)
{
	static const struct {
		unsigned line;
		const char *why;
	} wanted[] = {{9, "the cue ends before it begins"}, {12, "the time of a cue is missing"},
		{16, "it is not UTF-8"}, {18, "times are written 00:01:02.500 --> 00:01:04.000"},
		{21, "the time of a cue is missing"}, {23, "the time of a cue is missing"}};
	_destroy_(vtt) struct vtt *vtt = NULL, *none = NULL;
	struct vtt_faults faults;
	struct error error;

	check(vtt_parse(&vtt, odd_file, sizeof(odd_file) - 1, "x", &faults, &error) == 0);
	check(vtt->count == 3);
	expect(cue_is(vtt, 0, 1000, 2000, "", "bad \ufffd letter"));
	expect(cue_is(vtt, 1, 5000, 6000, "", "later"));
	expect(cue_is(vtt, 2, 8000, 9000, "", "last"));
	check(faults.count == ARRAY_SIZE(wanted));
	for (size_t i = 0; i < faults.count; i++) {
		expect(faults.named[i].line == wanted[i].line);
		expect(strcmp(faults.named[i].why, wanted[i].why) == 0);
	}
	/* callers that need all of it */
	expect(vtt_parse(&none, odd_file, sizeof(odd_file) - 1, "x", NULL, &error) == -EINVAL);
}

static void other_files_are_no_transcript(void)
{
	static const char *const none[] = {
		"", "{\"a\": 1}\n", "WEBVTT\n\nwords alone\n", "\x89PNG\r\n\x1a\n"};
	static const char srt[] =
		"1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:00:03,000 --> "
		"00:00:04,000\ntwo\n";
	struct vtt_faults faults;
	struct error error;
	struct vtt *vtt = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		expect(vtt_parse(&vtt, none[i], strlen(none[i]), "x", &faults, &error) == -EINVAL &&
			!vtt);
		expect(strncmp(error.text, "x, line ", 8) == 0);
	}
	check(vtt_parse(&vtt, srt, sizeof(srt) - 1, "x", &faults, &error) == 0);
	expect(vtt->count == 2 && cue_is(vtt, 1, 3000, 4000, "", "two"));
	expect(faults.count == 1 && faults.named[0].line == 1);
	vtt_destroy(vtt);
}

static void faults_are_counted_and_the_first_named(void)
{
	static const char begin[] = "WEBVTT\n\n00:01.000 --> 00:02.000\nx\n\n";
	_cleanup_(buf_finish) struct buf text = {0};
	_destroy_(vtt) struct vtt *vtt = NULL;
	struct vtt_faults faults;

	buf_put(&text, begin, sizeof(begin) - 1);
	for (int i = 0; i < 1000; i++)
		buf_put(&text, "loose\n\n", 7);
	buf_put_u8(&text, 0);
	check(vtt_parse(&vtt, (char *)text.data, text.size_bytes - 1, "x", &faults, NULL) == 0);
	expect(vtt->count == 1 && faults.count == 1000);
	for (unsigned i = 0; i < VTT_FAULTS_NAMED; i++)
		expect(faults.named[i].line == 6 + 2 * i);
}

static void zeros_and_long_names_are_refused(void)
{
	static const char zero[] = "WEBVTT\n\n00:01.000 --> 00:02.000\na\0b\n";
	struct error error = {""};
	struct vtt *vtt = NULL;
	char text[400];

	expect(vtt_parse(&vtt, zero, sizeof(zero) - 1, "x", NULL, &error) == -EINVAL);
	expect(strstr(error.text, "line 4: it contains a 0 byte") != NULL);
	snprintf(text, sizeof(text), "WEBVTT\n\n00:01.000 --> 00:02.000\n<v %0101d>a\n", 7);
	expect(parse(&vtt, text, &error) == -EINVAL && !vtt);
	expect(strstr(error.text, "name of the speaker") != NULL);
	/* no message quotes the text */
	expect(!strstr(error.text, "0007"));
}

static void what_is_too_much_is_refused(void)
{
	static const char cue[] = "\n00:01.000 --> 00:02.000\na\n";
	_cleanup_(buf_finish) struct buf text = {0};
	struct error error = {""};
	struct vtt *vtt = NULL;

	buf_put(&text, "WEBVTT\n", 7);
	for (size_t i = 0; i < TRANSCRIPT_CUES_LIMIT; i++)
		buf_put(&text, cue, sizeof(cue) - 1);
	buf_put_u8(&text, 0);
	expect(vtt_parse(&vtt, (char *)text.data, text.size_bytes - 1, "x", NULL, &error) == 0);
	expect(vtt && vtt->count == TRANSCRIPT_CUES_LIMIT);
	vtt_destroy(steal_ptr(vtt));
	text.size_bytes--;
	buf_put(&text, cue, sizeof(cue));
	expect(vtt_parse(&vtt, (char *)text.data, text.size_bytes - 1, "x", NULL, &error) ==
		-EFBIG);
	expect(strstr(error.text, "more than 50000 cues") && !vtt);
	buf_clear(&text);
	memset(buf_reserve(&text, TRANSCRIPT_LIMIT_BYTES + 2), 'a', TRANSCRIPT_LIMIT_BYTES + 2);
	memcpy(text.data, "WEBVTT\n\n", 8);
	text.data[TRANSCRIPT_LIMIT_BYTES + 1] = 0;
	expect(vtt_parse(&vtt, (char *)text.data, TRANSCRIPT_LIMIT_BYTES + 1, "x", NULL, &error) ==
		-EFBIG);
}

/* 4 MB of starts of tags, of references, of cues: parsing must not be quadratic */
static void no_text_takes_long(void)
{
	static const char *const pieces[] = {"<a", "< ", "<v ", "&", "&#1", "<v a>b", "\n", " \n",
		"-->\n", "00:01.000 --> 00:02.000\n", "NOTE\n", "a\n\n", "\t", "<<>"};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_(buf_finish) struct buf text = {0};
		struct vtt *vtt = NULL;
		clock_t begun = clock(); /* CPU time */

		buf_put(&text, "WEBVTT\n\n00:01.000 --> 00:02.000\n", 32);
		while (text.size_bytes < TRANSCRIPT_LIMIT_BYTES - 40)
			buf_put(&text, pieces[i], strlen(pieces[i]));
		buf_put_u8(&text, 0);
		if (vtt_parse(&vtt, (char *)text.data, text.size_bytes - 1, "x", NULL, NULL) == 0)
			vtt_destroy(vtt);
		/* a tenth of a second; quadratic parsing takes hours */
		expect(clock() - begun < 20 * CLOCKS_PER_SEC);
	}
}

static bool same(const struct vtt *a, const struct vtt *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->cues[i].from_ns != b->cues[i].from_ns ||
			a->cues[i].to_ns != b->cues[i].to_ns ||
			strcmp(a->cues[i].speaker, b->cues[i].speaker) != 0 ||
			strcmp(a->cues[i].text, b->cues[i].text) != 0)
			return false;
	return true;
}

static bool comes_back(const struct vtt *vtt)
{
	_destroy_(vtt) struct vtt *again = NULL;
	_cleanup_(buf_finish) struct buf text = {0};

	vtt_write(&text, vtt);
	buf_put_u8(&text, 0);
	return vtt_parse(&again, (char *)text.data, text.size_bytes - 1, "x", NULL, NULL) == 0 &&
		same(vtt, again);
}

static void what_is_written_is_read_again(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		char text[400];

		snprintf(text, sizeof(text),
			"WEBVTT\n\n00:01.000 --> 00:02.000\n%s\n\n00:00.500 --> 01:00:00.000\n--&gt;\n",
			texts[i].written);
		vtt = parse_good(text);
		expect(cue_is(vtt, 0, 500, 3600000, "", "-->"));
		expect(comes_back(vtt));
	}
}

static void any_text_is_survived(void)
{
	static const char text[] =
		"WEBVTT\n\n1\n00:01.000 --> 00:02.000 a\n<v Ana>Hi &amp; <b>ho</b>\n\n"
		"NOTE x\n\n00:02.000 --> 00:03.000\n\xc3\xa9&#233;\n<v Bob>b\n";
	uint64_t random = 5;
	size_t good = 0;

	for (int i = 0; i < 20000; i++) {
		_destroy_(vtt) struct vtt *vtt = NULL;
		char copy[sizeof(text)];

		memcpy(copy, text, sizeof(text));
		for (int change = 0; change < 3; change++)
			copy[next_random(&random) % (sizeof(copy) - 1)] =
				"\n\r\t :.<>/&;#v019-\xc3\xa9\x1b"
				"Ax"[next_random(&random) % 22];
		if (vtt_parse(&vtt, copy, sizeof(copy) - 1, "x", NULL, NULL) < 0)
			continue;
		good++;
		check(comes_back(vtt));
	}
	expect(good > 1000);
}

static void words_are_found_in_any_case(void)
{
	static const struct {
		const char *wanted, *text;
		int found;
	} table[] = {
		{"RECHNUNG", "wo ist die Rechnung?", 1},
		{"m\u00dcLLER", "Frau M\u00fcller", 1},
		{"\u0393\u0395\u0399\u0391 \u03a3\u0391\u03a3",
			"\u03b3\u03b5\u03b9\u03b1 \u03c3\u03b1\u03c2", 1},
		{"\u0421\u0427\u0401\u0422", "\u0433\u0434\u0435 \u0441\u0447\u0451\u0442", 1},
		{"the end", "this is the\nend", 1},
		{"a b", "a\u00a0b", 1},
		{"Rechnungen", "Rechnung", 0},
		{"\u00e9", "e", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_destroy_(search) struct search *search = NULL;

		check(search_create(&search, table[i].wanted) == 0);
		expect(search_finds(search, table[i].text) == table[i].found);
	}
	expect(search_create(&(struct search *){NULL}, "") == -EINVAL);
	expect(search_create(&(struct search *){NULL}, "\xff") == -EINVAL);
}

/* ---- of a session ---- */

static const char said[] =
	"WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:02.000 --> 00:03.000\n<v Ana>two\n\n"
	"00:02.500 --> 00:02.500\nthree\n\n00:04.000 --> 00:06.000\nfour\n";

static char *make_folder(const char *name)
{
	char *folder = temporary_path(name);

	check(mkdir(folder, 0700) == 0);
	return folder;
}

static void a_transcript_is_stored_once(void)
{
	_autofree_ char *folder = make_folder("stored"),
			*path = temporary_path("stored/transcript.vtt");
	_destroy_(vtt) struct vtt *vtt = parse_good(said), *read = NULL;
	_folder_unref_ struct folder *below = open_folder(folder);
	struct error error = {""};
	struct stat status;

	expect(!transcript_exists(below));
	expect(transcript_load(&read, below, NULL) == -ENOENT);
	check(transcript_store(below, vtt, false, NULL) == 0);
	expect(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
	expect(transcript_store(below, vtt, false, &error) == -EEXIST);
	expect(strstr(error.text, "already") != NULL);
	check(transcript_load(&read, below, NULL) == 0);
	expect(same(vtt, read));
	vtt->cues[0].to_ns += MS;
	check(transcript_store(below, vtt, true, NULL) == 0);
	vtt_destroy(steal_ptr(read));
	check(transcript_load(&read, below, NULL) == 0);
	expect(same(vtt, read));
	expect(transcript_remove(below, NULL) == 0 && !transcript_exists(below));
	expect(transcript_remove(below, NULL) == 0);
}

static void put_file(const char *path, const char *text)
{
	_autoclose_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
}

static void erased_words_are_gone(void)
{
	_autofree_ char *folder = make_folder("erased"),
			*path = temporary_path("erased/transcript.vtt"),
			*left = temporary_path("erased/.transcript.vtt.new"), *text = NULL;
	_destroy_(vtt) struct vtt *vtt = parse_good(said), *read = NULL;
	_folder_unref_ struct folder *below = open_folder(folder);
	size_t count;

	check(transcript_store(below, vtt, false, NULL) == 0);
	/* a killed writer's temporary file has words too */
	put_file(left, said);
	check(transcript_erase(below, 2400 * MS, 4000 * MS, &count, NULL) == 0);
	expect(count == 2 && access(left, F_OK) < 0);
	check(transcript_load(&read, below, NULL) == 0);
	expect(read->count == 2 && cue_is(read, 0, 1000, 2000, "", "one") &&
		cue_is(read, 1, 4000, 6000, "", "four"));
	check(io_read_file(path, 10000, &text) > 0);
	expect(!strstr(text, "two") && !strstr(text, "Ana") && !strstr(text, "three"));
	check(transcript_erase(below, 2400 * MS, 4000 * MS, &count, NULL) == 0 && count == 0);
	/* erasing the last cue removes the file */
	check(transcript_erase(below, 0, 10000 * MS, &count, NULL) == 0 && count == 2);
	expect(!transcript_exists(below));
	check(transcript_erase(below, 0, 10000 * MS, &count, NULL) == 0 && count == 0);
	/* an unreadable file may contain them */
	put_file(path, "WEBVTT\n\nhello\n");
	expect(transcript_erase(below, 0, 1, &count, NULL) == -EINVAL && transcript_exists(below));
}

static void cues_are_moved_and_cut_off(void)
{
	_destroy_(vtt) struct vtt *vtt = parse_good(said);

	transcript_shift(vtt, -2200 * MS);
	check(vtt->count == 3);
	expect(cue_is(vtt, 0, 0, 800, "Ana", "two"));
	expect(cue_is(vtt, 1, 300, 300, "", "three"));
	expect(cue_is(vtt, 2, 1800, 3800, "", "four"));
	expect(comes_back(vtt));
}

static void what_could_not_be_read_again_is_not_stored(void)
{
	_autofree_ char *folder = make_folder("late");
	_folder_unref_ struct folder *below = open_folder(folder);
	_destroy_(vtt) struct vtt *vtt = parse_good(said);

	transcript_shift(vtt, 1000 * 3600 * NS_PER_S - 6000 * MS);
	expect(transcript_store(below, vtt, false, NULL) == -ERANGE && !transcript_exists(below));
	transcript_shift(vtt, -MS);
	expect(transcript_store(below, vtt, false, NULL) == 0 && comes_back(vtt));
}

static void bleeped_cues_say_so(void)
{
	struct bleep_span span = {(1000 + 2) * NS_PER_S + 500 * MS, (1000 + 4) * NS_PER_S};
	const struct bleeps bleeps = {&span, 1};
	_destroy_(vtt) struct vtt *vtt = parse_good(said);
	Uxrec__Transcript *message;

	check(transcript_bleep(vtt, &bleeps, 1000 * NS_PER_S) == 0);
	expect(cue_is(vtt, 0, 1000, 2000, "", "one"));
	expect(cue_is(vtt, 1, 2000, 3000, "Ana", "[bleeped]"));
	expect(cue_is(vtt, 2, 2500, 2500, "", "[bleeped]"));
	expect(cue_is(vtt, 3, 4000, 6000, "", "four"));
	message = transcript_to_message(vtt, &(struct vtt_faults){0}, 1000 * NS_PER_S);
	check(message && message->n_cues == 4);
	expect(message->cues[3]->from_ns == 1004 * NS_PER_S);
	expect(strcmp(message->cues[1]->text, "[bleeped]") == 0);
	uxrec__transcript__free_unpacked(message, NULL);
}

static const struct test tests[] = {
	{"a whole file is read, with styles, notes, ids and voices", a_whole_file_is_read},
	{"lines may end in three ways", lines_may_end_in_three_ways},
	{"tags, references and controls become plain text", texts_are_read_as_plain},
	{"faults are reported with file and line", faults_are_told_with_their_line},
	{"times are read as programs write them", odd_times_are_read},
	{"the rest of a file with faults is read, and these are named by line",
		what_can_be_read_is_read},
	{"a file without a cue is no transcript, and one of SubRip is",
		other_files_are_no_transcript},
	{"all faults are counted, and the first ones named",
		faults_are_counted_and_the_first_named},
	{"zeros and long names are refused, and not repeated", zeros_and_long_names_are_refused},
	{"too many cues and too large files are refused", what_is_too_much_is_refused},
	{"no text takes the square of its length", no_text_takes_long},
	{"a written transcript reads back the same", what_is_written_is_read_again},
	{"any text is survived, and comes back when it is good", any_text_is_survived},
	{"words are found in any case and script", words_are_found_in_any_case},
	{"a transcript is stored whole, and replaced only when asked", a_transcript_is_stored_once},
	{"erased words are gone, also from a killed writer's leftovers", erased_words_are_gone},
	{"cues are moved, and cut off at the begin", cues_are_moved_and_cut_off},
	{"a transcript that could not be read back is not stored",
		what_could_not_be_read_again_is_not_stored},
	{"bleeped cues are marked and have no other text", bleeped_cues_say_so},
};

int main(void)
{
	return RUN_TESTS("transcript", tests);
}

/* uxrec bench: the estimated cost of recording on this machine. */

#include "tests/harness/helpers.h"
#include "tests/harness/screens/desktop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number_after(const char *text, const char *phase, const char *name)
{
	const char *at = strstr(text, phase);

	at = at ? strstr(at, name) : NULL;
	check(at != NULL);
	return atoi(at + strlen(name));
}

static void bench_measures_four_things(void)
{
	_autofree_ char *output = NULL;
	char program[256];
	int status;

	snprintf(program, sizeof(program), "%s/uxrec", build_folder());
	/* a busy machine may take a late picture of another phase into the idle one */
	for (int tries = 0; tries < 5; tries++) {
		free(output);
		output = NULL;
		status = run_child(&output, program, "bench", "--size", "400x300", "--seconds", "1",
			"--fps", "20", "--encoder", "libx264", "--json", NULL);
		/* 1: a busy machine does not keep up */
		check(status == 0 || status == 1);
		if (number_after(output, "\"idle\"", "\"pictures\":") == 0)
			break;
	}
	expect(!strstr(output, "\"keeps_up\":true") == (status == 1));
	expect(number_after(output, "\"idle\"", "\"pictures\":") == 0);
	expect(number_after(output, "\"typing\"", "\"wanted_pictures\":") == 8);
	expect(number_after(output, "\"scrolling\"", "\"wanted_pictures\":") == 20);
	for (const char *const *phase =
			(const char *const[]){"\"typing\"", "\"scrolling\"", "\"film\"", NULL};
		*phase; phase++) {
		expect(number_after(output, *phase, "\"pictures\":") > 0);
		expect(number_after(output, *phase, "\"bytes\":") > 0);
		expect(number_after(output, *phase, "\"delay_p99_ms\":") >=
			number_after(output, *phase, "\"delay_p50_ms\":"));
	}
}

static const struct test tests[] = {
	{"bench measures the cost of four things, and keeps nothing", bench_measures_four_things},
};

int main(void)
{
	return RUN_TESTS("bench", tests);
}

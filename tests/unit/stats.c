#include "tests/harness/helpers.h"

#include "replay/stats.h"

#include <math.h>

static void adjusted_wald(void)
{
	struct stats_estimate e = stats_rate(4, 5);

	/* Tullis prints 0.3596 to 0.9796 */
	expect_near(e.value, 0.8);
	expect_near(e.low, 0.359631);
	expect_near(e.high, 0.979679);
	e = stats_rate(10, 10);
	expect_near(e.low, 0.679113);
	expect_near(e.high, 1);
	e = stats_rate(0, 5);
	expect_near(e.low, 0);
	expect_near(e.high, 0.489055);
	e = stats_rate(3, 5);
	expect_near(e.low, 0.229090);
	expect_near(e.high, 0.884013);
	e = stats_laplace(4, 5);
	expect_near(e.value, 5.0 / 7);
}

static void rates_behave(void)
{
	expect(!stats_rate(0, 0).defined && *stats_rate(0, 0).why);
	expect(!stats_laplace(0, 0).defined);
	for (int n = 1; n <= 60; n++) {
		for (int x = 0; x <= n; x++) {
			struct stats_estimate e = stats_rate(x, n), mirror = stats_rate(n - x, n);

			check(e.low >= 0 && e.high <= 1 && e.low <= e.value && e.value <= e.high);
			check(fabs(e.low - (1 - mirror.high)) < 1e-12);
			check(x == 0 || stats_rate(x - 1, n).low <= e.low);
			check(x == 0 || stats_rate(x - 1, n).high <= e.high);
		}
	}
}

static void times(void)
{
	/* MeasuringU prints 68 (46 to 101) */
	double six[] = {55, 65, 75, 62, 45, 135}, thirty[30], one[] = {3};
	struct stats_estimate e = stats_times(six, 6);

	expect_near(e.value, 68.241078);
	expect_near(e.low, 46.005099);
	expect_near(e.high, 101.224534);
	for (int i = 0; i < 30; i++)
		thirty[i] = (i * 7) % 30 + 1;
	e = stats_times(thirty, 30);
	expect_near(e.value, 15.5);
	expect_near(e.low, 10);
	expect_near(e.high, 21);
	e = stats_times(one, 1);
	expect(e.defined && !e.has_interval);
	one[0] = 0;
	expect(!stats_times(one, 1).defined);
	expect(!stats_times(one, 0).defined);
	for (int i = 0; i < 6; i++)
		six[i] *= 10;
	e = stats_times(six, 6);
	expect_near(e.value / 10, 68.241078);
	expect_near(e.low / 10, 46.005099);
}

static void errors(void)
{
	const double each[] = {0, 1, 2, 0, 1};
	struct stats_chances chances[5];
	struct stats_estimate e = stats_mean(each, 5, 0);
	double standard_error;

	expect_near(e.value, 0.8);
	expect_near(e.low, 0);
	expect_near(e.high, 1.838851);
	expect_near(stats_mean(each, 5, -10).low, -0.238851);
	e = stats_poisson(4, 5);
	expect_near(e.value, 0.8);
	expect_near(e.low, 0.217973);
	expect_near(e.high, 2.048318);
	e = stats_poisson(4, 1);
	expect_near(e.low, 1.089865);
	expect_near(e.high, 10.241589);
	e = stats_poisson(0, 1);
	expect_near(e.low, 0);
	expect_near(e.high, 3.688879);
	expect(!stats_poisson(3, 0).defined);
	for (int i = 0; i < 5; i++)
		chances[i] = (struct stats_chances){4, each[i]};
	e = stats_error_rate(chances, 5, &standard_error);
	expect_near(e.value, 0.2);
	expect_near(standard_error, 0.093541);
	expect_near(e.n, 18.285714);
	expect_near(e.low, 0.071164);
	expect_near(e.high, 0.433001);
	for (int i = 0; i < 5; i++)
		chances[i].erred = 0;
	e = stats_error_rate(chances, 5, NULL);
	expect_near(e.value, 0);
	expect_near(e.n, 5);
	expect_near(e.high, 0.489055);
}

static void shares_of_one(void)
{
	const struct stats_chances one = {12, 3}, none = {0, 0};
	struct stats_estimate e = stats_error_rate(&one, 1, NULL);

	expect(e.defined && !e.has_interval && e.x == 3 && e.n == 12);
	expect(!stats_error_rate(&none, 1, NULL).defined);
	expect(!stats_error_rate(NULL, 0, NULL).defined);
}

/* effective opportunities lie between the number of participants and that of opportunities */
static void effective_opportunities_are_held(void)
{
	uint64_t random = 99;

	for (int round = 0; round < 5000; round++) {
		struct stats_chances chances[8];
		size_t count = 2 + next_random(&random) % 7;
		double met = 0, people = 0;
		struct stats_estimate e;

		for (size_t i = 0; i < count; i++) {
			chances[i].met = (double)(next_random(&random) % 6);
			chances[i].erred =
				floor(chances[i].met * (double)(next_random(&random) % 101) / 100);
			met += chances[i].met;
			people += chances[i].met > 0;
		}
		e = stats_error_rate(chances, count, NULL);
		if (met == 0) {
			check(!e.defined);
			continue;
		}
		check(e.defined && isfinite(e.low) && isfinite(e.high) && isfinite(e.n));
		check(e.has_interval == (people > 1));
		if (!e.has_interval)
			continue;
		check(e.low >= 0 && e.high <= 1 && e.low <= e.value && e.value <= e.high);
		check(e.n <= met + 1e-9 && e.n >= fmin(people, met) - 1e-9);
	}
}

static const struct test tests[] = {
	{"adjusted Wald gives the published intervals", adjusted_wald},
	{"rates are mirrored and monotone, and undefined without attempts", rates_behave},
	{"times on task have the published centre and interval", times},
	{"error rates agree with the oracles", errors},
	{"one participant's share has no interval", shares_of_one},
	{"effective opportunities are held between participants and opportunities",
		effective_opportunities_are_held},
};

int main(void)
{
	return RUN_TESTS("stats", tests);
}

#include "tests/harness/helpers.h"

#include "replay/stats.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_gamma.h>
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

/* computed with 45 digits by summing the Poisson distribution */
static const struct {
	double count, low, high;
} limits[] = {
	{1, 0.025317808, 5.571643391},
	{99, 80.462314854, 120.528947753},
	{100, 81.363991251, 121.626793792},
	{1159, 1093.226955997, 1227.696014026},
	{1736, 1655.288687749, 1819.629057804},
	{20000, 19723.767600607, 20279.133627926},
	{100000, 99381.152663745, 100621.744739744},
	{1000000, 998040.983340294, 1001961.911945432},
	{10000000, 9993802.996884268, 10006199.897731498},
};

static void poisson_limits_of_known_counts(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct stats_estimate e = stats_poisson(limits[i].count, 1);

		expect(e.defined && e.has_interval);
		expect(fabs(e.low - limits[i].low) < 1e-9 * (1 + limits[i].low));
		expect(fabs(e.high - limits[i].high) < 1e-9 * (1 + limits[i].high));
	}
}

/* P(χ²(2c)/2 < low) and P(χ²(2c + 2)/2 > high) are α/2: by GSL, whose functions are exact up to there */
static void poisson_limits_of_every_count(void)
{
	struct stats_estimate before = stats_poisson(0, 1);

	for (double count = 1; count <= 30000; count++) {
		struct stats_estimate e = stats_poisson(count, 1);
		gsl_sf_result below, above;

		check(gsl_sf_gamma_inc_P_e(count, e.low, &below) == 0);
		check(gsl_sf_gamma_inc_Q_e(count + 1, e.high, &above) == 0);
		check(fabs(below.val - 0.025) < 1e-9 && fabs(above.val - 0.025) < 1e-9);
		check(e.low > before.low && e.high > before.high);
		before = e;
	}
	for (double count = 30001; count < 1e16; count = floor(count * 1.5) + 1) {
		struct stats_estimate e = stats_poisson(count, 1);

		check(e.low > before.low && e.high > before.high);
		check(e.low < count && e.high > count);
		before = e;
	}
}

/* with the default handler this is the end of the program */
static void errors_of_gsl_do_not_abort(void)
{
	gsl_error("did not converge", __FILE__, __LINE__, GSL_EMAXITER);
	expect(true);
}

static void extreme_numbers(void)
{
	const double bad[] = {NAN, INFINITY, -INFINITY, -1};
	enum { MANY = 1000000 };
	double *times = malloc(MANY * sizeof(*times));
	struct stats_estimate e;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		expect(!stats_poisson(bad[i], 1).defined);
		expect(!stats_poisson(1, bad[i]).defined);
		expect(!stats_rate(1, bad[i]).defined);
		expect(!stats_rate(bad[i], 5).defined);
		expect(!stats_mean(&bad[i], 1, -10).defined || bad[i] == -1);
		expect(!stats_times(&(double){bad[i]}, 1).defined);
	}
	expect(!stats_rate(6, 5).defined);
	/* far above what GSL's incomplete beta function converges for */
	for (size_t i = 0; times && i < MANY; i++)
		times[i] = (double)(i + 1);
	e = stats_times(times, times ? MANY : 0);
	/* n/2 -+ z·√n/2 */
	expect(e.has_interval && fabs(e.low - 499020) < 2 && fabs(e.high - 500981) < 2);
	for (size_t i = 0; times && i < MANY; i++)
		times[i] = (double)(i % 2);
	e = stats_mean(times, times ? MANY : 0, 0);
	expect(e.has_interval && fabs(e.high - 0.50098) < 1e-5);
	free(times);
}

/* n = 30 has the ranks 10 and 21; by the binomial distribution itself for all others */
static void median_ranks(void)
{
	double times[200];

	for (size_t n = 25; n <= 200; n++) {
		double term = pow(0.5, (double)n), below = 0;
		struct stats_estimate e;
		size_t rank = 0;

		for (size_t i = 0; i < n; i++)
			times[i] = (double)(i + 1);
		e = stats_times(times, n);
		while (below + term <= 0.025) {
			below += term;
			term *= (double)(n - rank) / (double)(rank + 1);
			rank++;
		}
		check(e.low == (double)rank && e.high == (double)(n + 1 - rank));
	}
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
	{"the exact Poisson interval of known counts has nine digits",
		poisson_limits_of_known_counts},
	{"every count has its exact Poisson interval, wider and higher than the one before",
		poisson_limits_of_every_count},
	{"an error of GSL does not end the program", errors_of_gsl_do_not_abort},
	{"numbers that are none, or out of range, give an undefined estimate", extreme_numbers},
	{"the median's interval has the ranks of the binomial distribution", median_ranks},
	{"one participant's share has no interval", shares_of_one},
	{"effective opportunities are held between participants and opportunities",
		effective_opportunities_are_held},
};

int main(void)
{
	return RUN_TESTS("stats", tests);
}

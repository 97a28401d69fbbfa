#include "tests/harness/helpers.h"

#include "replay/metrics/stats.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <string.h>

static void adjusted_wald(void)
{
	struct stats_estimate e = stats_rate(4, 5, 5);

	/* Tullis: 0.3596 to 0.9796 */
	expect_near(e.value, 0.8);
	expect_near(e.low, 0.359631);
	expect_near(e.high, 0.979679);
	e = stats_rate(10, 10, 10);
	expect_near(e.low, 0.679113);
	expect_near(e.high, 1);
	e = stats_rate(0, 5, 5);
	expect_near(e.low, 0);
	expect_near(e.high, 0.489055);
	e = stats_rate(3, 5, 5);
	expect_near(e.low, 0.229090);
	expect_near(e.high, 0.884013);
	e = stats_laplace(4, 5);
	expect_near(e.value, 5.0 / 7);
}

static void rates_behave(void)
{
	expect(!stats_rate(0, 0, 0).defined && *stats_rate(0, 0, 0).why);
	expect(!stats_laplace(0, 0).defined);
	for (int n = 2; n <= 60; n++) {
		for (int x = 0; x <= n; x++) {
			struct stats_estimate e = stats_rate(x, n, 2),
					      mirror = stats_rate(n - x, n, 2);

			check(e.low >= 0 && e.high <= 1 && e.low <= e.value && e.value <= e.high);
			check(e.low < e.high);
			check(fabs(e.low - (1 - mirror.high)) < 1e-12);
			check(x == 0 || stats_rate(x - 1, n, 2).low <= e.low);
			check(x == 0 || stats_rate(x - 1, n, 2).high <= e.high);
		}
	}
}

static void times(void)
{
	/* MeasuringU: 68 (46 to 101) */
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
	expect_near(e.value, 3);
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
	struct stats_estimate e = stats_events_each(each, 5);
	double standard_error;

	expect_near(e.value, 0.8);
	expect_near(e.low, 0);
	expect_near(e.high, 1.838851);
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
	expect_near(e.effective, 18.285714);
	expect(e.n == 20 && e.x == 4 && e.people == 5);
	expect_near(e.low, 0.071164);
	expect_near(e.high, 0.433001);
	for (int i = 0; i < 5; i++)
		chances[i].erred = 0;
	e = stats_error_rate(chances, 5, NULL);
	expect_near(e.value, 0);
	expect_near(e.effective, 5);
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

/* P(χ²(2c)/2 < low) and P(χ²(2c + 2)/2 > high) are α/2: by GSL, whose functions are exact up to this count */
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

/* GSL's default handler would abort the program */
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
		expect(!stats_rate(1, bad[i], 5).defined);
		expect(!stats_rate(bad[i], 5, 5).defined);
		expect(!stats_events_each(&bad[i], 1).defined);
		expect(!stats_ratio(&(struct stats_chances){bad[i], 1}, 1).defined);
		expect(!stats_censored_median(&(struct stats_duration){bad[i], false}, 1).defined);
		expect(!stats_times(&(double){bad[i]}, 1).defined);
	}
	expect(!stats_rate(6, 5, 5).defined);
	/* far above the limit of convergence of GSL's incomplete beta function */
	for (size_t i = 0; times && i < MANY; i++)
		times[i] = (double)(i + 1);
	e = stats_times(times, times ? MANY : 0);
	/* n/2 -+ z·√n/2 */
	expect(e.has_interval && fabs(e.low - 499020) < 2 && fabs(e.high - 500981) < 2);
	for (size_t i = 0; times && i < MANY; i++)
		times[i] = (double)(i % 2);
	e = stats_events_each(times, times ? MANY : 0);
	expect(e.has_interval && fabs(e.high - 0.50098) < 1e-5);
	free(times);
}

/* n = 30 has the ranks 10 and 21; all others are checked with the binomial distribution */
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

/* effective opportunities are clamped between the numbers of participants and of opportunities */
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
		check(e.defined && isfinite(e.low) && isfinite(e.high) && e.n == met);
		check(e.has_interval == (people > 1));
		if (!e.has_interval)
			continue;
		check(e.low >= 0 && e.high <= 1 && e.low <= e.value && e.value <= e.high);
		check(e.effective <= met + 1e-9 && e.effective >= fmin(people, met) - 1e-9);
	}
}

/* The table of smallest n: a rate has an interval only if its width is no accident. */

static void rates_of_few(void)
{
	struct stats_estimate e = stats_rate(2, 2, 2);

	expect(e.has_interval && e.high == 1);
	expect_near(e.low, 0.290227);
	e = stats_rate(3, 12, 1);
	expect(e.defined && !e.has_interval && e.x == 3 && e.n == 12 && *e.why);
	e = stats_rate(1, 1, 1);
	expect(e.defined && !e.has_interval && e.low == 0 && e.high == 0);
}

static void times_of_few(void)
{
	double two[] = {20, 30}, equal[30], wide[] = {1, 10, 100}, three[] = {20, 30, 25};
	struct stats_estimate e = stats_times(two, 2);

	expect(e.defined && !e.has_interval && strstr(e.why, "fewer than 3"));
	expect_near(e.value, 24.494897);
	for (int i = 0; i < 30; i++)
		equal[i] = 0.1 * 3;
	for (size_t n = 3; n <= 30; n++) {
		e = stats_times(equal, n);
		check(e.defined && !e.has_interval && strstr(e.why, "no spread"));
	}
	e = stats_times(wide, 3);
	expect(e.defined && !e.has_interval && strstr(e.why, "too few"));
	expect_near(e.value, 10);
	e = stats_times(three, 3);
	expect(e.has_interval && e.low < e.value && e.value < e.high && e.high < 10 * e.low);
	/* most are equal: both ranks of the interval have one value */
	for (int i = 0; i < 30; i++)
		equal[i] = i < 2 ? 1 : i > 27 ? 9 : 5;
	e = stats_times(equal, 30);
	expect(e.value == 5 && !e.has_interval && strstr(e.why, "no spread"));
}

static void events_of_few(void)
{
	const double none[5] = {0}, same[] = {2, 2, 2}, two[] = {0, 3};
	struct stats_estimate e = stats_events_each(none, 5);

	expect(e.has_interval && e.value == 0 && e.low == 0 && strstr(e.why, "no spread"));
	expect_near(e.high, 3.688879 / 5);
	e = stats_events_each(same, 3);
	expect(e.has_interval && strstr(e.method, "Poisson"));
	expect_near(e.low, stats_poisson(6, 3).low);
	e = stats_events_each(same, 2);
	expect(e.has_interval && e.low < 2 && e.high > 2);
	e = stats_events_each(two, 2);
	expect(e.defined && !e.has_interval && e.value == 1.5 && *e.why);
	e = stats_events_each(two, 1);
	expect(e.defined && !e.has_interval && *e.why);
	expect(!stats_events_each(two, 0).defined);
}

/* 14 of 20 from five people: less certain than from twenty */
static void pooled_rates(void)
{
	const struct stats_chances people[] = {{4, 4}, {4, 4}, {4, 3}, {4, 2}, {4, 1}};
	struct stats_estimate e = stats_error_rate(people, 5, NULL), naive = stats_rate(14, 20, 20);

	expect_near(naive.low, 0.478709);
	expect_near(naive.high, 0.856841);
	expect(e.low < naive.low && e.high > naive.high && e.effective < 20 && e.effective >= 5);
	/* one attempt each: as for one task */
	e = stats_error_rate(
		(const struct stats_chances[]){{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 0}}, 5, NULL);
	expect_near(e.low, 0.359631);
	expect_near(e.high, 0.979679);
	/* equal proportions: the variance is 0, despite rounding */
	e = stats_error_rate(
		(const struct stats_chances[]){{10, 3}, {30, 9}, {70, 21}, {110, 33}}, 4, NULL);
	expect(e.effective == 4);
}

static void ratios(void)
{
	const struct stats_chances people[] = {{1, 0}, {2, 2}, {1, 1}, {4, 1}};
	struct stats_estimate e = stats_ratio(people, 4);

	/* Σ(e − r·o)² = 0.25 + 1 + 0.25 + 1 = 2.5; √(4/3·2.5/64) = 0.228218; t = 3.182446 */
	expect_near(e.value, 0.5);
	expect_near(e.low, 0);
	expect_near(e.high, 0.5 + 3.182446305 * 0.2282177323);
	expect(!stats_ratio(people, 2).has_interval && stats_ratio(people, 2).defined);
	expect(!stats_ratio(NULL, 0).defined);
	e = stats_ratio((const struct stats_chances[]){{1, 0}, {2, 0}, {3, 0}}, 3);
	expect(e.defined && !e.has_interval && strstr(e.why, "no spread"));
}

static void censored_medians(void)
{
	struct stats_duration times[] = {{30, false}, {10, false}, {60, true}, {20, false}};
	struct stats_duration stopped[] = {{60, true}, {10, false}, {60, true}};
	struct stats_duration early[] = {{10, true}, {20, false}, {30, false}, {40, false}};

	expect(stats_censored_median(times, 4).value == 20);
	expect(!stats_censored_median(stopped, 3).defined);
	/* of three left at 20 s, one third finishes at each time */
	expect(stats_censored_median(early, 4).value == 30);
	expect(!stats_censored_median(NULL, 0).defined);
}

/* every interval has a width and contains its value */
static void intervals_have_a_width(void)
{
	uint64_t random = 7;

	for (int round = 0; round < 20000; round++) {
		size_t count = 1 + next_random(&random) % 30, kinds = 1 + next_random(&random) % 4;
		struct stats_chances chances[30];
		double counts[30], times[30];
		struct stats_estimate e[4];

		for (size_t i = 0; i < count; i++) {
			counts[i] = (double)(next_random(&random) % kinds);
			times[i] = 0.1 * (double)(1 + next_random(&random) % (kinds * kinds));
			chances[i].met = (double)(next_random(&random) % 5);
			chances[i].erred = fmin(counts[i], chances[i].met);
		}
		e[0] = stats_events_each(counts, count);
		e[1] = stats_times(times, count);
		e[2] = stats_error_rate(chances, count, NULL);
		e[3] = stats_ratio(chances, count);
		for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
			check(e[i].defined || (*e[i].why && !e[i].has_interval));
			if (e[i].defined && !e[i].has_interval)
				check(*e[i].why && e[i].low == 0 && e[i].high == 0);
			if (e[i].has_interval)
				check(e[i].high - e[i].low > 1e-9 * e[i].high &&
					e[i].low <= e[i].value && e[i].value <= e[i].high);
		}
		check(!e[1].has_interval || count >= 25 || e[1].high <= 10 * e[1].low * (1 + 1e-9));
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
	{"invalid and out-of-range numbers give an undefined estimate", extreme_numbers},
	{"the median's interval has the ranks of the binomial distribution", median_ranks},
	{"one participant's share has no interval", shares_of_one},
	{"effective opportunities are held between participants and opportunities",
		effective_opportunities_are_held},
	{"a rate has an interval from two participants on", rates_of_few},
	{"times have an interval from three on, if they differ and it is no wider than tenfold",
		times_of_few},
	{"events per participant that are all equal have the Poisson interval", events_of_few},
	{"the interval of a rate pooled over tasks follows its number of participants",
		pooled_rates},
	{"a ratio of sums has a t interval by participants", ratios},
	{"the median of censored times is that of Kaplan and Meier", censored_medians},
	{"every interval has a width and holds its value", intervals_have_a_width},
};

int main(void)
{
	return RUN_TESTS("stats", tests);
}

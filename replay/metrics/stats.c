#include "replay/metrics/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>

#define ALPHA (1 - STATS_CONFIDENCE)

/* from this count on the median is the better centre */
#define MEDIAN_COUNT 25

/* fewer values give no meaningful spread */
#define SPREAD_COUNT 3

/* Above this the tail sums are too slow, and the Wilson-Hilferty approximation is exact to 1e-12. */
#define EXACT_COUNT_LIMIT 1e8

/*
 * GSL's default error handler calls abort(). This file is the only caller of GSL, so every program that links GSL has
 * the handler turned off before its main(). Quantiles are validated here instead.
 */
__attribute__((constructor)) static void keep_gsl_from_aborting(void)
{
	gsl_set_error_handler_off();
}

static struct stats_estimate undefined(const char *why)
{
	return (struct stats_estimate){.why = why, .method = ""};
}

static double z_quantile(void)
{
	return gsl_cdf_ugaussian_Pinv(1 - ALPHA / 2);
}

static double t_quantile(size_t count)
{
	return gsl_cdf_tdist_Pinv(1 - ALPHA / 2, (double)count - 1);
}

static double clip(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

/* @p estimate without an interval, for a reason. */
static struct stats_estimate without_interval(struct stats_estimate estimate, const char *why)
{
	estimate.has_interval = false;
	estimate.low = estimate.high = 0;
	estimate.why = why;
	return estimate;
}

/* Differences in the last digits are rounding errors, not spread. */
static bool all_equal(const double *values, size_t count)
{
	double low = values[0], high = values[0];

	for (size_t i = 1; i < count; i++) {
		low = fmin(low, values[i]);
		high = fmax(high, values[i]);
	}
	return high - low <= 1e-12 * fmax(fabs(low), fabs(high));
}

struct stats_estimate stats_rate(double x, double n, size_t participants)
{
	double z = z_quantile(), adjusted_n = n + z * z, p = (x + z * z / 2) / adjusted_n;
	double half = z * sqrt(p * (1 - p) / adjusted_n);

	if (!(n > 0) || !isfinite(n))
		return undefined("nothing to divide by");
	if (!(x >= 0 && x <= n))
		return undefined("the numerator is not known");
	if (participants < 2)
		return (struct stats_estimate){.defined = true,
			.value = x / n,
			.n = n,
			.x = x,
			.method = "one participant's share",
			.why = "one participant"};
	return (struct stats_estimate){
		.defined = true,
		.value = x / n,
		.has_interval = true,
		.low = clip(p - half, 0, 1),
		.high = clip(p + half, 0, 1),
		.n = n,
		.x = x,
		.method = "adjusted Wald",
		.why = "",
	};
}

struct stats_estimate stats_laplace(double x, double n)
{
	if (!(n > 0) || !isfinite(n))
		return undefined("nothing to divide by");
	return (struct stats_estimate){.defined = true,
		.value = (x + 1) / (n + 2),
		.n = n,
		.x = x,
		.method = "Laplace",
		.why = "none is computed"};
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void mean_and_deviation(
	const double *values, size_t count, double *ret_mean, double *ret_deviation)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	*ret_mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - *ret_mean) * (values[i] - *ret_mean);
	*ret_deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
}

/*
 * The rank of the lower order statistic of the median's interval: the largest l with
 * P(Binomial(n, ½) < l) <= α/2, at least 1. For n = 30 it is 10, and its mirror 21. The sum begins ten
 * standard deviations below the centre: the terms before it are below 1e-22.
 */
static size_t median_rank(size_t count)
{
	double n = (double)count, rank = fmax(floor(n / 2 - 5 * sqrt(n)), 0), term, sum;
	int sign;

	term = exp(lgamma_r(n + 1, &sign) - lgamma_r(rank + 1, &sign) -
		lgamma_r(n - rank + 1, &sign) - n * M_LN2);
	for (sum = term; sum <= ALPHA / 2 && rank < n; sum += term) {
		term *= (n - rank) / (rank + 1);
		rank++;
	}
	return rank < 1 ? 1 : (size_t)rank;
}

static struct stats_estimate median(double *times, size_t count)
{
	size_t low = median_rank(count);
	struct stats_estimate estimate;

	estimate = (struct stats_estimate){
		.defined = true,
		.value = count % 2 ? times[count / 2]
				   : (times[count / 2 - 1] + times[count / 2]) / 2,
		.has_interval = true,
		.low = times[low - 1],
		.high = times[count - low],
		.n = (double)count,
		.method = "median, order statistics",
		.why = "",
	};
	if (all_equal((double[]){estimate.low, estimate.high}, 2))
		return without_interval(estimate, "no spread: most times are equal");
	return estimate;
}

struct stats_estimate stats_times(double *times, size_t count)
{
	struct stats_estimate estimate = {.defined = true, .n = (double)count, .why = ""};
	double mean, deviation, half;
	double *logs;

	if (count == 0)
		return undefined("no completed attempt");
	for (size_t i = 0; i < count; i++)
		if (!(times[i] > 0) || !isfinite(times[i]))
			return undefined("a time that is not positive");
	/* sorted: makes rounded sums independent of the order of sessions */
	qsort(times, count, sizeof(*times), compare_doubles);
	if (count >= MEDIAN_COUNT)
		return median(times, count);
	logs = malloc(count * sizeof(*logs));
	if (!logs)
		return undefined("out of memory");
	for (size_t i = 0; i < count; i++)
		logs[i] = log(times[i]);
	mean_and_deviation(logs, count, &mean, &deviation);
	free(logs);
	estimate.method = "geometric mean, t on log times";
	estimate.value = exp(mean);
	if (count < SPREAD_COUNT)
		return without_interval(estimate, "fewer than 3 times");
	if (all_equal(times, count))
		return without_interval(estimate, "no spread: all times are equal");
	half = t_quantile(count) * deviation / sqrt((double)count);
	if (!(half <= log(STATS_TIME_RATIO) / 2))
		return without_interval(
			estimate, "too few: the interval would span more than a factor of 10");
	estimate.has_interval = true;
	estimate.low = exp(mean - half);
	estimate.high = exp(mean + half);
	return estimate;
}

static int compare_durations(const void *a, const void *b)
{
	const struct stats_duration *x = a, *y = b;

	/* at equal times, completions precede censoring: both are at risk */
	return x->time != y->time ? (x->time < y->time ? -1 : 1) : x->censored - y->censored;
}

struct stats_estimate stats_censored_median(struct stats_duration *times, size_t count)
{
	struct stats_estimate estimate = {.defined = true,
		.n = (double)count,
		.method = "Kaplan-Meier median",
		.why = "none is computed"};
	double left = 1;

	if (count == 0)
		return undefined("no time");
	for (size_t i = 0; i < count; i++)
		if (!(times[i].time > 0) || !isfinite(times[i].time))
			return undefined("a time that is not positive");
	qsort(times, count, sizeof(*times), compare_durations);
	for (size_t i = 0; i < count; i++) {
		if (times[i].censored)
			continue;
		left *= 1 - 1 / (double)(count - i);
		estimate.value = times[i].time;
		if (left <= 0.5 + 1e-12)
			return estimate;
	}
	return undefined("more than half were stopped before they finished");
}

struct stats_estimate stats_events_each(const double *counts, size_t count)
{
	struct stats_estimate estimate = {
		.defined = true, .n = (double)count, .method = "mean, t", .why = ""};
	double deviation, half;

	if (count == 0)
		return undefined("no participant");
	mean_and_deviation(counts, count, &estimate.value, &deviation);
	if (!isfinite(estimate.value) || !isfinite(deviation) || estimate.value < 0)
		return undefined("a value that is no number of events");
	estimate.x = estimate.value * (double)count;
	if (count == 1)
		return without_interval(estimate, "one participant");
	if (all_equal(counts, count)) {
		estimate = stats_poisson(round(estimate.x), (double)count);
		estimate.method = "exact Poisson of the total";
		estimate.why = "no spread: all have the same number";
		return estimate;
	}
	if (count < SPREAD_COUNT)
		return without_interval(estimate, "fewer than 3 participants");
	half = t_quantile(count) * deviation / sqrt((double)count);
	estimate.has_interval = true;
	estimate.low = fmax(estimate.value - half, 0);
	estimate.high = estimate.value + half;
	return estimate;
}

/* ---- Poisson ---- */

/*
 * P(X = count). Large counts use the deviance (Loader 2000, "Fast and Accurate Computation of Binomial
 * Probabilities"), as the logarithm of the factorial loses all digits there.
 */
static double poisson_term(double count, double mean)
{
	double excess = (mean - count) / count, inverse = 1 / count, stirling;
	int sign;

	if (count < 100)
		return exp(count * log(mean) - mean - lgamma_r(count + 1, &sign));
	stirling = inverse / 12 - inverse * inverse * inverse / 360;
	return exp(-stirling - count * (excess - log1p(excess))) / sqrt(2 * M_PI * count);
}

/* P(X >= count) for a mean below count, or P(X <= count) for one above: the terms of both sums fall */
static double poisson_tail(double count, double mean, bool upper)
{
	double sum = 0, term = 1;

	for (double k = count; k >= 0 && term > sum * 1e-17; k += upper ? 1 : -1) {
		sum += term;
		term *= upper ? mean / (k + 1) : k / mean;
	}
	return sum * poisson_term(count, mean);
}

/* The α/2 point of Gamma(shape) or its mirror, within 1e-12 of it for shapes above EXACT_COUNT_LIMIT
 * (Wilson & Hilferty 1931). */
static double wilson_hilferty(double shape, double z)
{
	double root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));

	return shape * root * root * root;
}

/*
 * The mean of a Poisson distribution whose tail from @p count on has the probability α/2: Newton's method within
 * bounds narrowed by each step. @p lower selects the interval's lower limit.
 */
static double poisson_limit(double count, bool lower)
{
	double low = lower ? 0 : count, high = lower ? count : 2 * count + 10;
	double mean = lower ? wilson_hilferty(count, -z_quantile())
			    : wilson_hilferty(count + 1, z_quantile());

	if (count > EXACT_COUNT_LIMIT)
		return mean;
	for (int i = 0; i < 100; i++) {
		double before, rest, slope;

		if (!(mean > low && mean < high))
			mean = (low + high) / 2;
		rest = poisson_tail(count, mean, lower) - ALPHA / 2;
		slope = lower ? poisson_term(count - 1, mean) : -poisson_term(count, mean);
		if ((rest > 0) == lower)
			high = mean;
		else
			low = mean;
		before = mean;
		mean -= rest / slope;
		if (fabs(mean - before) <= 1e-14 * before)
			break;
	}
	return mean;
}

struct stats_estimate stats_poisson(double events, double units)
{
	if (!(units > 0) || !isfinite(units))
		return undefined("nothing to divide by");
	if (!(events >= 0) || !isfinite(events))
		return undefined("the number of events is not known");
	return (struct stats_estimate){
		.defined = true,
		.value = events / units,
		.has_interval = true,
		.low = events > 0 ? poisson_limit(events, true) / units : 0,
		.high = poisson_limit(events, false) / units,
		.n = units,
		.x = events,
		.method = "exact Poisson",
		.why = "",
	};
}

/* ---- sums over participants ---- */

/* Terms of a ratio of sums over participants. */
struct ratio {
	double met, erred, rate, variance;
	size_t people; /* participants with both at 0 are excluded */
};

/* @return false when no chance was met */
static bool sum_ratio(struct ratio *ret, const struct stats_chances *chances, size_t count)
{
	struct ratio ratio = {0};
	double squares = 0;

	for (size_t i = 0; i < count; i++) {
		ratio.met += chances[i].met;
		ratio.erred += chances[i].erred;
		ratio.people += chances[i].met > 0 || chances[i].erred > 0;
	}
	if (!(ratio.met > 0) || !isfinite(ratio.met) || !isfinite(ratio.erred))
		return false;
	ratio.rate = ratio.erred / ratio.met;
	for (size_t i = 0; i < count; i++) {
		double rest = chances[i].erred - ratio.rate * chances[i].met;

		/* the rounding error of equal shares is no variance */
		if (fabs(rest) > 1e-12 * (fabs(chances[i].erred) + ratio.rate * chances[i].met))
			squares += rest * rest;
	}
	if (ratio.people > 1)
		ratio.variance = (double)ratio.people / (double)(ratio.people - 1) * squares /
			(ratio.met * ratio.met);
	*ret = ratio;
	return true;
}

struct stats_estimate stats_error_rate(
	const struct stats_chances *chances, size_t count, double *ret_standard_error)
{
	struct stats_estimate estimate;
	struct ratio ratio;
	double effective;

	if (!sum_ratio(&ratio, chances, count))
		return undefined("no opportunity was met");
	if (ratio.people == 1) {
		estimate = stats_rate(ratio.erred, ratio.met, 1);
		estimate.people = 1;
		return estimate;
	}
	effective = ratio.variance > 0 ? ratio.rate * (1 - ratio.rate) / ratio.variance
				       : (double)ratio.people;
	/* with fewer opportunities than participants, they are the bound */
	effective = ratio.met < (double)ratio.people
		? ratio.met
		: clip(effective, (double)ratio.people, ratio.met);
	estimate = stats_rate(ratio.rate * effective, effective, ratio.people);
	estimate.value = ratio.rate;
	estimate.n = ratio.met;
	estimate.x = ratio.erred;
	estimate.effective = effective;
	estimate.people = ratio.people;
	estimate.method = "adjusted Wald by participants";
	if (ret_standard_error)
		*ret_standard_error = sqrt(ratio.variance);
	return estimate;
}

struct stats_estimate stats_ratio(const struct stats_chances *chances, size_t count)
{
	struct stats_estimate estimate = {.defined = true, .method = "ratio, t", .why = ""};
	struct ratio ratio;
	double half;

	if (!sum_ratio(&ratio, chances, count))
		return undefined("nothing to divide by");
	estimate.value = ratio.rate;
	estimate.n = ratio.met;
	estimate.x = ratio.erred;
	estimate.people = ratio.people;
	if (ratio.people < SPREAD_COUNT)
		return without_interval(estimate, "fewer than 3 participants");
	if (!(ratio.variance > 0))
		return without_interval(estimate, "no spread: all have the same share");
	half = t_quantile(ratio.people) * sqrt(ratio.variance);
	estimate.has_interval = true;
	estimate.low = fmax(ratio.rate - half, 0);
	estimate.high = ratio.rate + half;
	return estimate;
}

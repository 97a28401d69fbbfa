#include "replay/stats.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdlib.h>

#define ALPHA (1 - STATS_CONFIDENCE)

/* from here on the median is the better centre */
#define MEDIAN_COUNT 25

/* Above it the tail sums take too long, and the Wilson-Hilferty approximation is exact to 1e-12. */
#define EXACT_COUNT_LIMIT 1e8

/*
 * GSL's default error handler calls abort(). This file is the only caller of GSL, so every program that
 * links GSL gets the handler turned off before its main(). What a quantile then gives is checked here.
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

struct stats_estimate stats_rate(double x, double n)
{
	double z = z_quantile(), adjusted_n = n + z * z, p = (x + z * z / 2) / adjusted_n;
	double half = z * sqrt(p * (1 - p) / adjusted_n);

	if (!(n > 0) || !isfinite(n))
		return undefined("nothing to divide by");
	if (!(x >= 0 && x <= n))
		return undefined("the numerator is not known");
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
		.why = ""};
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

	qsort(times, count, sizeof(*times), compare_doubles);
	return (struct stats_estimate){
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
	if (count >= MEDIAN_COUNT)
		return median(times, count);
	logs = malloc(count * sizeof(*logs));
	if (!logs)
		return undefined("no memory");
	for (size_t i = 0; i < count; i++)
		logs[i] = log(times[i]);
	mean_and_deviation(logs, count, &mean, &deviation);
	free(logs);
	estimate.method = "geometric mean, t on log times";
	estimate.value = exp(mean);
	if (count > 1) {
		half = t_quantile(count) * deviation / sqrt((double)count);
		estimate.has_interval = isfinite(half);
		estimate.low = exp(mean - half);
		estimate.high = exp(mean + half);
	}
	return estimate;
}

struct stats_estimate stats_mean(const double *values, size_t count, double floor)
{
	struct stats_estimate estimate = {
		.defined = true, .n = (double)count, .method = "mean, t", .why = ""};
	double deviation, half;

	if (count == 0)
		return undefined("no values");
	mean_and_deviation(values, count, &estimate.value, &deviation);
	if (!isfinite(estimate.value) || !isfinite(deviation))
		return undefined("a value that is no number");
	estimate.x = estimate.value * (double)count;
	if (count > 1) {
		half = t_quantile(count) * deviation / sqrt((double)count);
		estimate.has_interval = isfinite(half);
		estimate.low = fmax(estimate.value - half, floor);
		estimate.high = estimate.value + half;
	}
	return estimate;
}

/* ---- Poisson ---- */

/*
 * P(X = count). For large counts by the deviance (Loader 2000, "Fast and Accurate Computation of Binomial
 * Probabilities"), as the logarithm of the factorial has no digits left for it.
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
 * The mean of a Poisson distribution whose tail from @p count on has the probability α/2: Newton's
 * method, held between bounds that every step narrows. @p lower is for the interval's lower limit.
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

struct stats_estimate stats_error_rate(
	const struct stats_chances *chances, size_t count, double *ret_standard_error)
{
	double met = 0, erred = 0, rate, squares = 0, variance, effective;
	struct stats_estimate estimate;
	size_t people = 0; /* who met none says nothing about the rate */

	for (size_t i = 0; i < count; i++) {
		met += chances[i].met;
		erred += chances[i].erred;
		people += chances[i].met > 0;
	}
	if (met <= 0)
		return undefined("no opportunity was met");
	rate = erred / met;
	if (people == 1)
		return (struct stats_estimate){.defined = true,
			.value = rate,
			.n = met,
			.x = erred,
			.method = "one participant's share",
			.why = ""};
	for (size_t i = 0; i < count; i++) {
		double rest = chances[i].erred - rate * chances[i].met;

		squares += rest * rest;
	}
	variance = (double)people / (double)(people - 1) * squares / (met * met);
	effective = variance > 0 ? rate * (1 - rate) / variance : (double)people;
	/* fewer opportunities than participants: then they are the bound */
	effective = met < (double)people ? met : clip(effective, (double)people, met);
	estimate = stats_rate(rate * effective, effective);
	estimate.x = erred;
	estimate.method = "adjusted Wald on effective opportunities";
	if (ret_standard_error)
		*ret_standard_error = sqrt(variance);
	return estimate;
}

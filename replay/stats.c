#include "replay/stats.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#define ALPHA (1 - STATS_CONFIDENCE)

/* from here on the median is the better centre */
#define MEDIAN_COUNT 25

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

	if (n <= 0)
		return undefined("nothing to divide by");
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
	if (n <= 0)
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
 * The ranks of the order statistics that hold the median with at least the confidence: the largest
 * l with P(Binomial(n, ½) < l) <= α/2, and its mirror. For n = 30 they are 10 and 21.
 */
static struct stats_estimate median(double *times, size_t count)
{
	size_t low = 1;

	qsort(times, count, sizeof(*times), compare_doubles);
	while (gsl_cdf_binomial_P((unsigned)low, 0.5, (unsigned)count) <= ALPHA / 2)
		low++;
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
		if (!(times[i] > 0))
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
		estimate.has_interval = true;
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
	estimate.x = estimate.value * (double)count;
	if (count > 1) {
		half = t_quantile(count) * deviation / sqrt((double)count);
		estimate.has_interval = true;
		estimate.low = fmax(estimate.value - half, floor);
		estimate.high = estimate.value + half;
	}
	return estimate;
}

struct stats_estimate stats_poisson(double events, double units)
{
	if (!(units > 0))
		return undefined("nothing to divide by");
	return (struct stats_estimate){
		.defined = true,
		.value = events / units,
		.has_interval = true,
		.low = events > 0 ? gsl_cdf_chisq_Pinv(ALPHA / 2, 2 * events) / 2 / units : 0,
		.high = gsl_cdf_chisq_Pinv(1 - ALPHA / 2, 2 * events + 2) / 2 / units,
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

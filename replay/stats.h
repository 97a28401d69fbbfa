#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The statistics of usability, each with its interval. Pure functions, no data model. All intervals
 * are two-sided with the confidence STATS_CONFIDENCE. Any numbers may be passed, also NaN and infinite
 * ones: estimates that cannot be made are undefined, and none is NaN.
 */

#define STATS_CONFIDENCE 0.95

/** A number and how sure it is. With `defined` false the rest means nothing, and `why` says why. */
struct stats_estimate {
	bool defined;
	double value;
	bool has_interval;
	double low, high;
	double n, x;        /* of how many; a rate's numerator */
	const char *method; /* constant text */
	const char *why;    /* constant text */
};

/**
 * A rate x of n with the adjusted Wald interval (Agresti & Coull 1998; Sauro & Lewis 2005):
 * n' = n + z², p' = (x + z²/2)/n', p' ± z·√(p'(1 − p')/n'), clipped to [0, 1]. n may be a number of
 * effective trials and need not be whole. The value is x/n. Undefined for n = 0.
 */
struct stats_estimate stats_rate(double x, double n);

/** The Laplace estimate (x + 1)/(n + 2), without an interval. Undefined for n = 0. */
struct stats_estimate stats_laplace(double x, double n);

/**
 * The centre of times that people took. n < 25: geometric mean with the t interval on the logarithms
 * (Sauro & Lewis 2010); n >= 25: median with its order-statistic interval. One time has no interval.
 * Undefined without times, and when one is not positive.
 *
 * @param times  count of them, in any order, any unit; sorted by the call
 */
struct stats_estimate stats_times(double *times, size_t count);

/** A mean with its t interval, clipped at @p floor. Undefined without values. */
struct stats_estimate stats_mean(const double *values, size_t count, double floor);

/**
 * Events per unit with the exact Poisson interval (Garwood 1936): χ²(α/2; 2c)/2 to
 * χ²(1 − α/2; 2c + 2)/2, both divided by @p units. Exact to nine digits for every c. Undefined for
 * units <= 0.
 *
 * @param events  c, a whole number
 */
struct stats_estimate stats_poisson(double events, double units);

/** One participant's opportunities for error. */
struct stats_chances {
	double met;   /* o */
	double erred; /* e, at most o */
};

/**
 * Errors per opportunity over participants, whose chances are not independent: r = Σe/Σo,
 * var = n/(n − 1)·Σ(e − r·o)²/(Σo)², n_eff = r(1 − r)/var held between n and Σo (n when var = 0),
 * adjusted Wald on (r·n_eff, n_eff). `n` of the result is n_eff, `x` is Σe. One participant gives the
 * share without an interval. Undefined when no opportunity was met.
 *
 * @param ret_standard_error  √var, set when not NULL and defined
 */
struct stats_estimate stats_error_rate(
	const struct stats_chances *chances, size_t count, double *ret_standard_error);

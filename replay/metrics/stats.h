#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Usability statistics, each with its confidence interval. Pure functions, no data model. All intervals are two-sided
 * with the confidence STATS_CONFIDENCE. Any input is allowed, also NaN and infinities: impossible estimates are
 * undefined, and none is NaN.
 */

#define STATS_CONFIDENCE 0.95

/** An estimate with its confidence interval. With `defined` false only `why` is valid, with the reason. */
struct stats_estimate {
	bool defined;
	double value;
	bool has_interval; /* then low < high; otherwise `why` has the reason, and both are 0 */
	double low, high;
	double n, x;        /* count; numerator of a rate */
	double effective;   /* number of independent trials for the interval's width; 0: n */
	size_t people;      /* participants with sums in it; 0: not by participants */
	const char *method; /* constant text */
	const char *why;    /* constant text */
};

/**
 * A rate x of n with the adjusted Wald interval (Agresti & Coull 1998; Sauro & Lewis 2005):
 * n' = n + z², p' = (x + z²/2)/n', p' ± z·√(p'(1 − p')/n'), clipped to [0, 1]. n may be a number of
 * effective trials and need not be whole. The value is x/n. Undefined for n = 0.
 *
 * @param participants  number of people with these trials; the rate of a single one has no interval
 */
struct stats_estimate stats_rate(double x, double n, size_t participants);

/** The Laplace estimate (x + 1)/(n + 2), without an interval. Undefined for n = 0. */
struct stats_estimate stats_laplace(double x, double n);

/**
 * The centre of task times. n < 25: geometric mean with the t interval on the logarithms (Sauro & Lewis 2010), from
 * n = 3 on, if the times differ and the interval's ends do by less than a factor of STATS_TIME_RATIO. n >= 25: median
 * with its order-statistic interval, if its ends differ. Undefined without times, and when one is not positive.
 *
 * @param times  count of them, in any order, any unit; sorted by the call
 */
struct stats_estimate stats_times(double *times, size_t count);

#define STATS_TIME_RATIO 10

/** A completion time, or a censored one. */
struct stats_duration {
	double time;
	bool censored;
};

/**
 * The median of censored times (Kaplan & Meier 1958): the first time at which the survival estimate is at most one
 * half. Without an interval. Undefined when it never is.
 *
 * @param times  sorted by the call
 */
struct stats_estimate stats_censored_median(struct stats_duration *times, size_t count);

/**
 * Event counts per person: their mean with its t interval cut at 0, from n = 3 on. If all are equal, from n = 2 on,
 * the exact Poisson interval of their total divided by n. Undefined without values.
 *
 * @param counts  whole numbers
 */
struct stats_estimate stats_events_each(const double *counts, size_t count);

/**
 * Events per unit with the exact Poisson interval (Garwood 1936): χ²(α/2; 2c)/2 to
 * χ²(1 − α/2; 2c + 2)/2, both divided by @p units. Exact to nine digits for every c. Undefined for
 * units <= 0.
 *
 * @param events  c, a whole number
 */
struct stats_estimate stats_poisson(double events, double units);

/** Terms of one participant in a ratio of sums: opportunities, attempts, minutes. */
struct stats_chances {
	double met;   /* o */
	double erred; /* e; for a rate at most o */
};

/**
 * A rate pooled over participants, whose chances are not independent: r = Σe/Σo,
 * var = n/(n − 1)·Σ(e − r·o)²/(Σo)², n_eff = r(1 − r)/var held between n and Σo (n when var = 0),
 * adjusted Wald on (r·n_eff, n_eff). `n` of the result is Σo, `effective` n_eff, `x` Σe. One participant
 * gives the share without an interval. Undefined when no opportunity was met.
 *
 * @param ret_standard_error  √var, set when not NULL and defined
 */
struct stats_estimate stats_error_rate(
	const struct stats_chances *chances, size_t count, double *ret_standard_error);

/**
 * Events per unit over participants, r = Σe/Σo with the same variance: r ± t·√var, cut at 0. From n = 3 participants
 * on, unless all have the same ratio. Undefined when Σo is 0.
 */
struct stats_estimate stats_ratio(const struct stats_chances *chances, size_t count);

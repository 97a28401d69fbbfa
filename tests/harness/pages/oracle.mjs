// Independent implementation of the study metrics from the formulas of uxrec-metrics(7): shares no code with replay/.
// Quantiles come from closed forms and from sums inverted by bisection.

/* ---- quantiles ---- */

/** Invert an increasing function by bisection. */
function invert(increasing, value, low, high) {
  for (let i = 0; i < 200 && high - low > 0; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (increasing(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Standard normal P(Z < z), by its series (Abramowitz & Stegun 26.2.11). */
function normal(z) {
  let term = z;
  let sum = z;
  for (let k = 1; Math.abs(term) > 1e-18; k++) {
    term *= (z * z) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Student's P(T < t) for t > 0 and integer degrees of freedom (26.7.3, 26.7.4). */
function student(t, degrees) {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const cosine = Math.cos(angle);
  let sum = 0;
  let term = degrees % 2 ? cosine : 1;
  for (let k = degrees % 2 ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term;
    term *= (cosine * cosine * (k + 1)) / (k + 2);
  }
  const inside = degrees % 2 ? (2 / Math.PI) * (angle + (degrees > 1 ? Math.sin(angle) * sum : 0)) : Math.sin(angle) * sum;
  return (1 + inside) / 2;
}

const Z = invert(normal, 0.975, 0, 8);
const studentOf = new Map();
function t(degrees) {
  if (!studentOf.has(degrees)) studentOf.set(degrees, invert((x) => student(x, degrees), 0.975, 0, 1000));
  return studentOf.get(degrees);
}

/** Poisson P(X <= count). */
function poissonUpTo(count, mean) {
  let term = Math.exp(-mean);
  let sum = term;
  for (let k = 1; k <= count; k++) {
    term *= mean / k;
    sum += term;
  }
  return sum;
}

const poissonLow = (count) => (count === 0 ? 0 : invert((mean) => 1 - poissonUpTo(count - 1, mean), 0.025, 0, count));
const poissonHigh = (count) => invert((mean) => -poissonUpTo(count, mean), -0.025, count, 3 * count + 10);

/* ---- statistics ---- */

const undefinedNumber = { defined: false };
const bare = (value, n, x) => ({ defined: true, has_interval: false, value, n, x });

function wald(x, n) {
  const size = n + Z * Z;
  const p = (x + (Z * Z) / 2) / size;
  const half = Z * Math.sqrt((p * (1 - p)) / size);
  return { low: Math.max(0, p - half), high: Math.min(1, p + half) };
}

export function rate(x, n, people) {
  if (n === 0) return undefinedNumber;
  if (people < 2) return bare(x / n, n, x);
  return { ...bare(x / n, n, x), has_interval: true, ...wald(x, n) };
}

/** [o, e] per person. */
function ratio(shares) {
  const people = shares.filter(([o, e]) => o > 0 || e > 0);
  const met = people.reduce((sum, [o]) => sum + o, 0);
  const erred = people.reduce((sum, [, e]) => sum + e, 0);
  if (met === 0) return undefined;
  const r = erred / met;
  const rests = people.map(([o, e]) => e - r * o).map((rest) => (Math.abs(rest) < 1e-11 ? 0 : rest));
  const n = people.length;
  const variance = n > 1 ? (n / (n - 1)) * (rests.reduce((sum, rest) => sum + rest * rest, 0) / (met * met)) : 0;
  return { met, erred, r, n, variance };
}

export function pooled(shares) {
  const all = ratio(shares);
  if (!all) return undefinedNumber;
  const { met, erred, r, n, variance } = all;
  if (n === 1) return bare(r, met, erred);
  let effective = variance > 0 ? (r * (1 - r)) / variance : n;
  effective = met < n ? met : Math.min(met, Math.max(n, effective));
  return { ...bare(r, met, erred), has_interval: true, n_effective: effective, ...wald(r * effective, effective) };
}

export function ratioByPeople(shares) {
  const all = ratio(shares);
  if (!all) return undefinedNumber;
  if (all.n < 3 || all.variance === 0) return bare(all.r, all.met, all.erred);
  const half = t(all.n - 1) * Math.sqrt(all.variance);
  return { ...bare(all.r, all.met, all.erred), has_interval: true, low: Math.max(0, all.r - half), high: all.r + half };
}

function spread(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, half: (t(values.length - 1) * Math.sqrt(squares / (values.length - 1))) / Math.sqrt(values.length) };
}

function choose(n, k) {
  let product = 1;
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i;
  return product;
}

function medianOf(times) {
  const n = times.length;
  let rank = 0;
  for (let below = 0; ; rank++) {
    below += choose(n, rank) / 2 ** n;
    if (below > 0.025) break;
  }
  const low = times[Math.max(rank, 1) - 1];
  const high = times[n - Math.max(rank, 1)];
  const value = n % 2 ? times[(n - 1) / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
  return low === high ? bare(value, n) : { ...bare(value, n), has_interval: true, low, high };
}

export function timeOf(unsorted) {
  const times = [...unsorted].sort((a, b) => a - b);
  const n = times.length;
  if (n === 0 || times[0] <= 0) return undefinedNumber;
  if (n >= 25) return medianOf(times);
  const logs = times.map(Math.log);
  const value = Math.exp(logs.reduce((sum, one) => sum + one, 0) / n);
  if (n < 3 || times[0] === times[n - 1]) return bare(value, n);
  const { mean, half } = spread(logs);
  if (2 * half > Math.log(10)) return bare(value, n);
  return { ...bare(value, n), has_interval: true, low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/** { time, stopped } of completions, and of attempts stopped by the limit. */
export function censoredMedian(times) {
  const moments = [...new Set(times.filter((one) => !one.stopped).map((one) => one.time))].sort((a, b) => a - b);
  let share = 1;
  for (const moment of moments) {
    const atRisk = times.filter((one) => one.time >= moment).length;
    share *= 1 - times.filter((one) => !one.stopped && one.time === moment).length / atRisk;
    if (share <= 0.5 + 1e-9) return bare(moment, times.length);
  }
  return undefinedNumber;
}

export function poisson(count, units) {
  if (!(units > 0)) return undefinedNumber;
  const value = count / units;
  return { ...bare(value, units, count), has_interval: true, low: poissonLow(count) / units, high: poissonHigh(count) / units };
}

export function each(counts) {
  const n = counts.length;
  if (n === 0) return undefinedNumber;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (n === 1) return bare(total, 1, total);
  if (counts.every((count) => count === counts[0])) return poisson(total, n);
  if (n < 3) return bare(total / n, n, total);
  const { mean, half } = spread(counts);
  return { ...bare(mean, n, total), has_interval: true, low: Math.max(0, mean - half), high: mean + half };
}

/* ---- counts ---- */

const WINDOW_S = 2;
const AT_NONE = '!'; // tag judged to be at no opportunity
const IN_DENOMINATOR = [1, 2, 3, 4];

/** Length of [from, to) outside all spans, in whole milliseconds like the times of the studies. */
function timeLeft(from, to, spans) {
  let left = 0;
  const edges = [from, to, ...spans.flat().filter((edge) => edge > from && edge < to)].sort((a, b) => a - b);
  for (let i = 1; i < edges.length; i++) {
    const middle = (edges[i - 1] + edges[i]) / 2;
    if (!spans.some(([begin, end]) => begin <= middle && middle < end)) left += Math.round((edges[i] - edges[i - 1]) * 1000);
  }
  return left / 1000;
}

const personOf = (session, attempt) =>
  attempt.participantId || (attempt.participant.trim().normalize('NFC') === session.participant.trim().normalize('NFC') && session.participantId) ||
  attempt.participant.trim().normalize('NFC');

function attemptsOf(session, layer) {
  const alive = session.attempts.filter((attempt) => !attempt.removed);
  const same = (a, b) => a.task === b.task && a.number === b.number && personOf(session, a) === personOf(session, b);
  const own = layer === 'live' ? [] : alive.filter((attempt) => attempt.layer === layer);
  const stands = new Map(own.map((attempt) => [attempt.id, attempt]));
  for (const attempt of alive.filter((one) => one.layer === 'live'))
    stands.set(attempt.id, own.find((one) => same(one, attempt)) ?? attempt);
  return { stands, list: [...new Set(stands.values())] };
}

/** Merge the marks of one attempt and code into events: each joins the earliest matching one. */
function eventsOf(marks) {
  const events = [];
  const fits = (a, b) => {
    const both = [...a.marks, ...b.marks];
    const times = both.map((mark) => mark.at);
    return new Set(both.map((mark) => mark.author)).size === both.length && Math.max(...times) - Math.min(...times) <= WINDOW_S + 1e-9;
  };
  for (const mark of [...marks].sort((a, b) => a.at - b.at)) {
    const event = { place: mark.place, marks: [mark] };
    const earlier = events.find((one) => one.place === mark.place && fits(one, event));
    if (earlier) earlier.marks.push(mark);
    else events.push(event);
  }
  for (let b = 1; b < events.length; b++) {
    const a = events.findIndex((one, i) => i < b && (one.place === '') !== (events[b].place === '') && fits(one, events[b]));
    if (a < 0) continue;
    events[a] = { place: events[a].place || events[b].place, marks: [...events[a].marks, ...events[b].marks] };
    events.splice(b, 1);
    b--;
  }
  return events;
}

function rowsOf(session, layer, study, outside) {
  const { stands, list } = attemptsOf(session, layer);
  const stops = [...session.pauses, ...session.interruptions.filter((one) => one[2]).map(([from, to]) => [from, to])];
  const rows = list.map((attempt) => ({
    session: session.name, attempt: attempt.id, person: personOf(session, attempt), task: attempt.task, outcome: attempt.outcome,
    counts: IN_DENOMINATOR.includes(attempt.outcome), stopped: attempt.outcome === 3 && attempt.failure === 2,
    from: attempt.from, to: attempt.to, time_s: timeLeft(attempt.from, attempt.to, stops),
    errors: 0, error_marks: 0, unplanned_errors: 0, not_judged: 0, assists: 0, opportunities: 0, erred: 0, not_met: 0, not_scored: 0,
  }));
  const rowOf = new Map(list.map((attempt, i) => [attempt.id, rows[i]]));
  const groups = new Map();
  for (const tag of session.tags.filter((one) => one.layer === layer)) {
    const code = study.codes[tag.code];
    const row = tag.attempt
      ? rowOf.get(stands.get(tag.attempt)?.id)
      : rows.filter((one) => one.from <= tag.at && tag.at <= one.to).sort((a, b) => b.from - a.from)[0];
    if (!code || (code !== 'observation' && !row?.counts)) outside.push([session.name, tag.at, tag.code, false]);
    if (!code || code === 'observation' || !row) continue;
    const known = (study.tasks[row.task]?.places ?? []).includes(tag.place);
    if (code === 'error' && tag.place && tag.place !== AT_NONE && !known && row.counts) outside.push([session.name, tag.at, tag.code, true]);
    const group = `${row.attempt} ${tag.code}`;
    if (!groups.has(group)) groups.set(group, { row, code, tag: tag.code, marks: [] });
    groups.get(group).marks.push({ at: tag.at, author: tag.author, place: known ? tag.place : '', judged: tag.place !== '' });
  }
  const erred = new Map(rows.map((row) => [row, new Set()]));
  const scored = (row, place) =>
    session.scores.filter((one) => one.layer === layer && rowOf.get(stands.get(one.attempt)?.id) === row && one.place === place).at(-1);
  for (const { row, code, tag, marks } of groups.values()) {
    const events = layer === 'live' ? eventsOf(marks) : marks.map((mark) => ({ place: mark.place, marks: [mark] }));
    for (const event of events) {
      if (code === 'assist') {
        row.assists++;
        continue;
      }
      row.errors++;
      row.error_marks += event.marks.length;
      const unmet = event.place && scored(row, event.place)?.met === false;
      if (event.place && !unmet) erred.get(row).add(event.place);
      else if ((study.tasks[row.task]?.places ?? []).length > 0 && !event.marks.some((mark) => mark.judged)) row.not_judged++;
      else row.unplanned_errors++;
      if (unmet && row.counts) for (const mark of event.marks) outside.push([session.name, mark.at, tag, true]);
    }
  }
  for (const row of rows)
    for (const place of study.tasks[row.task]?.places ?? []) {
      const score = scored(row, place);
      const met = score ? score.met : erred.get(row).has(place) || row.outcome === 1 || row.outcome === 2;
      if (met) row.opportunities++;
      if (met && erred.get(row).has(place)) row.erred++;
      if (!met && score) row.not_met++;
      if (!met && !score) row.not_scored++;
    }
  return rows;
}

function numbersOf(rows, all) {
  const counted = rows.filter((row) => row.counts);
  const people = [...new Set(counted.map((row) => row.person))].map((person) => counted.filter((row) => row.person === person));
  const sum = (some, value) => some.reduce((total, row) => total + value(row), 0);
  const n = counted.length;
  const errors = people.map((some) => sum(some, (row) => row.errors));
  const total = sum(counted, (row) => row.errors);
  const minutes = sum(counted, (row) => row.time_s) / 60;
  const outcomes = (...which) => {
    const is = (row) => (which.includes(row.outcome) ? 1 : 0);
    return all ? pooled(people.map((some) => [some.length, sum(some, is)])) : rate(sum(counted, is), n, people.length);
  };
  const completed = counted.filter((row) => row.outcome === 1);
  const stopped = counted.filter((row) => row.stopped);
  return {
    attempts: n, left_out: rows.length - n, participants: people.length, errors: total, unplanned_errors: sum(counted, (row) => row.unplanned_errors),
    error_marks: sum(counted, (row) => row.error_marks), not_judged: sum(counted, (row) => row.not_judged),
    scored: counted.filter((row) => row.not_scored === 0 && row.not_judged === 0).length, stopped: stopped.length,
    opportunities: sum(counted, (row) => row.opportunities), erred: sum(counted, (row) => row.erred),
    success: outcomes(1), assisted: outcomes(2), abandoned: outcomes(4),
    laplace: all || n === 0 ? undefinedNumber : bare((completed.length + 1) / (n + 2), n, completed.length),
    time_s: all ? undefinedNumber : timeOf(completed.map((row) => row.time_s)),
    time_censored_s:
      all || stopped.length === 0
        ? undefined
        : censoredMedian([...completed, ...stopped].map((row) => ({ time: row.time_s, stopped: row.stopped }))),
    with_error: rate(errors.filter((count) => count > 0).length, people.length, people.length),
    errors_each: each(errors),
    errors_each_poisson: poisson(total, people.length),
    error_rate: counted.some((row) => row.not_scored > 0 || row.not_judged > 0)
      ? undefinedNumber
      : pooled(people.map((some) => [sum(some, (row) => row.opportunities), sum(some, (row) => row.erred)])),
    errors_per_minute: poisson(total, minutes),
    errors_per_minute_each: ratioByPeople(people.map((some) => [sum(some, (row) => row.time_s) / 60, sum(some, (row) => row.errors)])),
  };
}

const isCoded = (session, layer) =>
  layer === 'live' || session.finished.includes(layer) || [...session.tags, ...session.scores].some((one) => one.layer === layer);

/** All metrics of a study in one layer; '' for the default. */
export function metricsOf(study, sessions, asked) {
  const originals = sessions.filter((session) => !session.copyOf);
  const counting = originals.filter((session) => !session.pilot && !session.excluded);
  const coders = study.coders.filter((coder) => counting.every((session) => isCoded(session, coder)));
  const closed = counting.every((session) => session.finished.includes('consensus'));
  const layer = asked || (closed ? 'consensus' : coders.length === 1 ? coders[0] : 'live');
  const coded = counting.filter((session) => isCoded(session, layer));
  const outside = [];
  const rows = coded.flatMap((session) => rowsOf(session, layer, study, outside));
  const tasks = Object.fromEntries(Object.keys(study.tasks).map((task) => [task, numbersOf(rows.filter((row) => row.task === task), false)]));
  return { layer, rows, outside, left_out: sessions.length - coded.length, tasks: { ...tasks, '': numbersOf(rows, true) } };
}

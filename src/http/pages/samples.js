// Samples of the last hour as the API gives them (RabbitMQ's lengths_age and msg_rates_age), as columns for charts.

const STEP_S = 60;
const AGE_S = 3_600;
// The last ten minutes are sampled more finely.
const FINE_STEP_S = 10;
const FINE_AGE_S = 600;

export const RANGES = [
  ['hour', 'Last hour', AGE_S, STEP_S],
  ['minutes', 'Last 10 minutes', FINE_AGE_S, FINE_STEP_S],
];

// The query that asks for them.
export function sampleQuery(range) {
  const [, , age, step] = RANGES.find(([name]) => name === range) ?? RANGES[0];
  return { lengths_age: age, lengths_incr: step, msg_rates_age: age, msg_rates_incr: step };
}

// Oldest first, without what was before anything was known.
const ordered = (details) => [...(details?.samples ?? [])].sort((a, b) => a.timestamp - b.timestamp);

function columns(all, value) {
  const longest = all.reduce((most, samples) => (samples.length > most.length ? samples : most), []);
  const at = longest.map((sample) => sample.timestamp);
  const known = all.map((samples) => new Map(samples.map((sample) => [sample.timestamp, sample.sample])));
  return value(at, known);
}

// Ends the columns with what is known now: the last sample may be as old as the step between two.
export function upToNow([at, ...known], values) {
  const now = Date.now() / 1000;
  if (at.length === 0 || at[at.length - 1] >= now) return [at, ...known];
  return [[...at, now], ...known.map((column, index) => [...column, values[index] ?? 0])];
}

// What stood at each moment: columns of times in seconds and of values.
export function levels(...details) {
  return columns(details.map(ordered), (at, known) => [at.map((ms) => ms / 1000), ...known.map((of) => at.map((ms) => of.get(ms) ?? 0))]);
}

// How fast something grew before each moment, a second.
export function speeds(...details) {
  return columns(details.map(ordered), (at, known) => {
    const speed = (of) => at.slice(1).map((ms, index) => Math.max(0, ((of.get(ms) ?? 0) - (of.get(at[index]) ?? 0)) * 1000) / (ms - at[index]));
    return [at.slice(1).map((ms) => ms / 1000), ...known.map(speed)];
  });
}

// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const precise = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value) => (Number.isFinite(value) ? whole.format(value) : '–');
export const short = (value) => (Number.isFinite(value) ? (Math.abs(value) < 10_000 ? precise : compact).format(value) : '–');
export const rate = (value) => (Number.isFinite(value) ? `${Math.abs(value) < 100 ? precise.format(value) : short(Math.round(value))}/s` : '–');

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  let unit = 0;
  let left = value;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? whole.format(left) : precise.format(left)} ${UNITS[unit]}`;
}

export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

// Microseconds, as latencies are.
export function micros(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  if (value < 1000) return `${whole.format(value)} µs`;
  if (value < 1_000_000) return `${precise.format(value / 1000)} ms`;
  return `${precise.format(value / 1_000_000)} s`;
}

// A span of milliseconds in its two largest units.
export function span(ms) {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 1000) return `${whole.format(Math.max(0, ms))} ms`;
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dated = new Intl.DateTimeFormat('en-CA', {
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

export const time = (ms) => clock.format(new Date(ms));
export const date = (ms) => (Number.isFinite(ms) && ms > 0 ? dated.format(new Date(ms)).replace(',', '') : '–');

export const exchangeName = (name) => name || '(default)';

// Any value of an argument or a header.
export function value(of) {
  return typeof of === 'string' ? of : JSON.stringify(of);
}

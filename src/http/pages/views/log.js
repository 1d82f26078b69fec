// The log as it is written, over the stream of updates.

import { fill, h } from '../dom.js';
import { time, value } from '../format.js';
import * as live from '../live.js';
import { badge, button, note } from '../ui.js';

const KEPT = 1_000;
const LEVELS = ['ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE'];

export function view() {
  let lines = [];
  let paused = false;
  const rows = h('ol', { class: 'log', tabindex: '0', role: 'log', 'aria-label': 'Log' });
  const missed = h('span', { class: 'faint' });
  const level = h('select', { 'aria-label': 'Least level', on: { change: () => draw() } }, LEVELS.map((of) => h('option', { value: of, selected: of === 'TRACE' }, of.toLowerCase())));
  const filter = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': 'Filter lines', on: { input: () => draw() } });
  const hold = button('Pause', () => {
    paused = !paused;
    hold.textContent = paused ? 'Go on' : 'Pause';
    if (!paused) draw();
  });
  const wanted = (line) => {
    const text = `${line.target} ${line.message} ${JSON.stringify(line.fields)}`.toLowerCase();
    return LEVELS.indexOf(line.level) <= LEVELS.indexOf(level.value) && text.includes(filter.value.toLowerCase());
  };
  const draw = () => {
    const kept = lines.filter(wanted);
    fill(rows, kept.length > 0 ? kept.map(row) : h('li', { class: 'faint' }, 'No lines yet. What the broker logs appears here as it comes.'));
    rows.scrollTop = rows.scrollHeight;
  };
  const off = live.on('log', (data) => {
    lines = [...lines, ...data.lines].slice(-KEPT);
    if (data.missed > 0) missed.textContent = `${data.missed} lines came too fast to be shown`;
    const atEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < 40;
    if (!paused && atEnd) draw();
  });
  const stop = live.followLog(0);
  draw();
  return {
    title: 'Live log',
    node: h('div', null, h('div', { class: 'list-head' }, h('div', { class: 'filters' }, filter, level, hold), missed), rows, note('The last lines are kept in memory (pages.log_lines); the whole log is on the broker’s standard error. What is logged at all is set in [log].')),
    leave: () => {
      off();
      stop();
    },
  };
}

function row(line) {
  const fields = Object.entries(line.fields).map(([name, of]) => `${name}=${value(of)}`);
  return h(
    'li',
    { class: line.level },
    h('span', { class: 'faint' }, time(line.at)),
    badge(line.level.toLowerCase(), line.level === 'ERROR' ? 'bad' : line.level === 'WARN' ? 'warn' : ''),
    h('span', null, line.message),
    h('span', { class: 'faint' }, fields.join(' ')),
    h('span', { class: 'faint wide-only' }, line.target),
  );
}

// Charts by uPlot, in the colours of the theme. Beside each stands what it shows last, for those who cannot see it.

import { fill, h, newId } from './dom.js';

const HEIGHT = 170;
const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4'];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Seconds are shown where minutes would repeat themselves.
const clock = (times) => (at) => new Date(at * 1000).toTimeString().slice(0, times[1] - times[0] < 60 ? 8 : 5);

// `series`: [{ label, format }]; `set` takes times in seconds and a column a series.
export function chart(title, series, format) {
  const id = newId('chart');
  const canvas = h('div', { class: 'chart-canvas', 'aria-hidden': 'true' });
  const legend = h('ul', { class: 'legend', 'aria-labelledby': id });
  const node = h('figure', { class: 'chart' }, h('figcaption', { id, class: 'unseen' }, title), legend, canvas);
  let plot = null;
  let data = null;

  const draw = () => {
    plot?.destroy();
    plot = null;
    const width = canvas.clientWidth;
    if (!data || data[0].length < 2 || width === 0) return;
    const grid = { stroke: colour('--grid'), width: 1 };
    const axis = { stroke: colour('--faint'), grid, ticks: { show: false }, font: '11px system-ui' };
    plot = new window.uPlot(
      {
        width,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { size: 5 } },
        scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
        axes: [
          { ...axis, space: 70, size: 28, values: (_, times) => times.map(clock(times)) },
          { ...axis, size: 56, values: (_, values) => values.map((value) => format(value)) },
        ],
        series: [{}, ...series.map((of, at) => ({ label: of.label, stroke: colour(COLOURS[at]), width: 1.5, points: { show: false } }))],
        hooks: { setCursor: [(of) => label(of.cursor.idx)] },
      },
      data,
      canvas,
    );
  };

  const label = (index) => {
    const at = index ?? data[0].length - 1;
    fill(
      legend,
      series.map((of, column) =>
        h('li', null, h('span', { class: `swatch line-${column + 1}` }), of.label, ' ', h('b', null, data[0].length ? format(data[column + 1][at]) : '–')),
      ),
    );
  };

  const set = (columns) => {
    data = columns;
    label(null);
    if (columns[0].length < 2) {
      plot?.destroy();
      plot = null;
      fill(canvas, h('p', { class: 'state' }, 'The chart begins with the second sample.'));
    } else if (plot) {
      plot.setData(data);
    } else {
      fill(canvas);
      draw();
    }
  };

  new ResizeObserver(() => {
    if (plot && canvas.clientWidth > 0) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
    else draw();
  }).observe(canvas);
  const themed = () => (node.isConnected ? draw() : removeEventListener('themechange', themed));
  addEventListener('themechange', themed);
  return { node, set };
}

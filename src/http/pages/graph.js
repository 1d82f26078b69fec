// A graph in layers from left to right, drawn as SVG. Its nodes are links that one can follow with mouse and keyboard.

import { h, s } from './dom.js';

const WIDTH = 190;
const HEIGHT = 40;
const GAP_X = 110;
const GAP_Y = 14;
const MARGIN = 10;
const LONGEST = 26;
const LONGEST_LABEL = 16;

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// `nodes`: [{ id, layer, label, sub, kind, href }]; `edges`: [{ from, to, label, dashed }]. A node's kind is a class.
export function graph(label, nodes, edges) {
  const layers = new Map();
  for (const node of nodes) {
    if (!layers.has(node.layer)) layers.set(node.layer, []);
    layers.get(node.layer).push(node);
  }
  const order = [...layers.keys()].sort((a, b) => a - b);
  const tallest = Math.max(...order.map((layer) => layers.get(layer).length));
  const height = MARGIN * 2 + tallest * (HEIGHT + GAP_Y) - GAP_Y;
  const places = new Map();
  order.forEach((layer, column) => {
    const own = layers.get(layer);
    const free = height - MARGIN * 2 - (own.length * (HEIGHT + GAP_Y) - GAP_Y);
    own.forEach((node, row) => {
      places.set(node.id, { x: MARGIN + column * (WIDTH + GAP_X), y: MARGIN + free / 2 + row * (HEIGHT + GAP_Y) });
    });
  });
  const width = MARGIN * 2 + order.length * (WIDTH + GAP_X) - GAP_X;
  const drawing = s(
    'svg',
    { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': label },
    s('defs', null, s('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: '7', refY: '4', markerWidth: '7', markerHeight: '7', orient: 'auto-start-reverse' }, s('path', { d: 'M0 0 8 4 0 8z' }))),
    edges.filter((edge) => places.has(edge.from) && places.has(edge.to)).map((edge) => edgeOf(edge, places)),
    nodes.map((node) => nodeOf(node, places.get(node.id))),
  );
  return h('div', { class: 'graph' }, drawing);
}

function nodeOf(node, { x, y }) {
  const content = [
    s('title', null, node.sub ? `${node.label} (${node.sub})` : node.label),
    s('rect', { x, y, width: WIDTH, height: HEIGHT, rx: 6 }),
    s('text', { x: x + 10, y: y + (node.sub ? 17 : 25) }, cut(node.label, LONGEST)),
    node.sub && s('text', { x: x + 10, y: y + 32, class: 'sub' }, cut(node.sub, LONGEST + 4)),
  ];
  const group = { class: `node ${node.kind ?? ''}` };
  return node.href ? s('a', { ...group, href: node.href, 'aria-label': `${node.label}${node.sub ? `, ${node.sub}` : ''}` }, content) : s('g', group, content);
}

function edgeOf(edge, places) {
  const from = places.get(edge.from);
  const to = places.get(edge.to);
  const start = { x: from.x + WIDTH, y: from.y + HEIGHT / 2 };
  const end = { x: to.x - 2, y: to.y + HEIGHT / 2 };
  const back = to.x <= from.x;
  const bend = back ? 60 : (end.x - start.x) / 2;
  const middle = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 - 4 };
  const route = back
    ? `M${start.x} ${start.y}C${start.x + bend} ${start.y + bend} ${end.x - bend} ${end.y + bend} ${end.x} ${end.y}`
    : `M${start.x} ${start.y}C${start.x + bend} ${start.y} ${end.x - bend} ${end.y} ${end.x} ${end.y}`;
  return s(
    'g',
    null,
    s('path', { class: edge.dashed ? 'edge dashed' : 'edge', d: route, 'marker-end': 'url(#arrow)' }),
    edge.label && s('text', { class: 'edge-label', x: middle.x, y: middle.y, 'text-anchor': 'middle' }, s('title', null, edge.label), cut(edge.label, LONGEST_LABEL)),
  );
}

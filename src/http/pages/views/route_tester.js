// Which queues would a message reach, and over which bindings? Nothing is published.

import { post, warrenPath } from '../api.js';
import { fill, h } from '../dom.js';
import { exchangeName } from '../format.js';
import { graph } from '../graph.js';
import { act, badge, exchangeLink, field, hash, link, note, pairs, PAIRS_HINT, panel, queueLink, readPairs, table } from '../ui.js';

export function view({ state, query }) {
  const result = h('div', { 'aria-live': 'polite' });
  const go = h('button', { type: 'submit', class: 'primary' }, 'Test');
  const vhost = query.get('vhost') ?? (state.vhost || state.vhosts[0]);
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const where = data.get('vhost');
    const answer = await act(go, () =>
      post(warrenPath('route-tests', where), {
        exchange: data.get('exchange'),
        routing_key: data.get('key'),
        properties: { headers: readPairs(data.get('headers')) },
      }),
    );
    if (answer) fill(result, shown(where, data.get('exchange'), data.get('key'), answer));
  };
  const form = h(
    'form',
    { class: 'form', on: { submit } },
    h(
      'div',
      { class: 'fields' },
      field('Virtual host', 'vhost', { kind: state.vhosts, value: vhost }),
      field('Exchange', 'exchange', { value: query.get('exchange') ?? '', hint: 'Empty for the default exchange.' }),
      field('Routing key', 'key', { value: query.get('key') ?? '' }),
    ),
    field('Headers', 'headers', { kind: 'textarea', rows: '3', hint: PAIRS_HINT }),
    h('div', { class: 'form-end' }, go),
  );
  return {
    title: 'Route tester',
    node: h('div', null, panel('A message that is not sent', [note('Tells which queues a message would reach now, and over which bindings. Nothing is published.'), form]), result),
  };
}

function shown(vhost, exchange, key, { queues, steps }) {
  const nodes = [{ id: 'message', layer: 0, label: key || '(empty key)', sub: 'message', kind: 'here' }];
  const edges = [];
  const depth = new Map([[exchange, 1]]);
  const matches = [];
  const place = (kind, name, layer) => {
    const id = `${kind}:${name}`;
    if (!nodes.some((node) => node.id === id)) {
      const folder = kind === 'queue' ? 'queues' : 'exchanges';
      nodes.push({ id, layer, label: exchangeName(name), sub: kind, kind, href: hash([folder, vhost, name || 'amq.default']) });
    }
    return id;
  };
  edges.push({ from: 'message', to: place('exchange', exchange, 1) });
  for (const step of steps) {
    const layer = depth.get(step.exchange) ?? 1;
    const from = place('exchange', step.exchange, layer);
    for (const match of step.matches) {
      matches.push({ ...match, source: step.exchange, type: step.type });
      if (match.destination_type === 'exchange' && !depth.has(match.destination)) depth.set(match.destination, layer + 1);
      edges.push({ from, to: place(match.destination_type, match.destination, layer + 1), label: match.routing_key });
    }
    if (step.alternate !== null) {
      if (!depth.has(step.alternate)) depth.set(step.alternate, layer + 1);
      edges.push({ from, to: place('exchange', step.alternate, layer + 1), label: 'alternate', dashed: true });
    }
  }
  const delayed = steps.filter((step) => step.note);
  const columns = [
    { label: 'Exchange', cell: (of) => exchangeLink(vhost, of.source) },
    { label: 'Type', cell: (of) => of.type },
    { label: 'Binding key', cell: (of) => of.routing_key || h('span', { class: 'faint' }, 'empty') },
    { label: 'Arguments', cell: (of) => pairs(of.arguments) },
    { label: 'Leads to', cell: (of) => (of.destination_type === 'queue' ? queueLink(vhost, of.destination) : exchangeLink(vhost, of.destination)) },
  ];
  return [
    panel(
      queues.length === 1 ? 'One queue' : `${queues.length} queues`,
      queues.length > 0
        ? h('ul', { class: 'row' }, queues.map((name) => h('li', null, link(hash(['queues', vhost, name]), name))))
        : h('p', null, badge('unroutable', 'bad'), ' No queue would get it. A mandatory publish would be returned, any other is dropped.'),
    ),
    delayed.map((step) => note(`${exchangeName(step.exchange)}: ${step.note}`)),
    panel('The way', graph('The way of the message', nodes, edges)),
    panel('Bindings that match', table('Bindings that match', columns, matches, 'No binding matches.')),
  ];
}

// Bindings of an exchange or a queue, as a list that can be changed and as a graph that can be followed.

import { exchangePath, get, path, post, queuePath, remove } from './api.js';
import { h } from './dom.js';
import { exchangeName } from './format.js';
import { graph } from './graph.js';
import { act, button, exchangeLink, field, hash, note, pairs, panel, PAIRS_HINT, queueLink, readPairs, resource, table } from './ui.js';

const DRAWN = 40;

const end = (vhost, kind, name) => (kind === 'queue' ? queueLink(vhost, name) : exchangeLink(vhost, name));

export function bindingPath(of) {
  const kind = of.destination_type === 'queue' ? 'q' : 'e';
  return path('bindings', of.vhost, 'e', of.source || 'amq.default', kind, of.destination, of.properties_key);
}

// The bindings to a queue or an exchange.
export function bindings({ vhost, destination, kind }) {
  const url = kind === 'queue' ? queuePath(vhost, destination, 'bindings') : exchangePath(vhost, destination, 'bindings', 'destination');
  const shown = resource(({ auto }) => get(url, { auto }), (all) => [
    panel('How messages get here', drawing(vhost, { kind, name: destination }, all, [])),
    panel('Bindings', bindingTable(all, shown.reload)),
  ]);
  const form = bindForm({ vhost, destination, kind }, () => shown.reload());
  return { node: h('div', null, shown.node, panel('Bind', form)), tick: shown.tick, reload: shown.reload };
}

export function bindingTable(all, reload) {
  const columns = [
    { label: 'From', cell: (of) => exchangeLink(of.vhost, of.source) },
    { label: 'To', cell: (of) => end(of.vhost, of.destination_type, of.destination) },
    { label: 'Routing key', cell: (of) => of.routing_key || h('span', { class: 'faint' }, 'empty') },
    { label: 'Arguments', cell: (of) => pairs(of.arguments) },
    {
      label: '',
      class: 'end',
      cell: (of) => {
        if (of.source === '') return h('small', null, 'implied');
        const away = button('Unbind', async () => (await act(away, () => remove(bindingPath(of)), 'The binding is gone.')) && reload(), { class: 'small', 'data-key': `unbind:${bindingPath(of)}` });
        return away;
      },
    },
  ];
  return table('Bindings', columns, all, 'No bindings.');
}

// A form for one more binding; `fixed` holds vhost and either source or destination and kind.
export function bindForm(fixed, reload) {
  const go = h('button', { type: 'submit', class: 'primary' }, 'Bind');
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const source = fixed.source ?? data.get('source');
    const kind = fixed.kind ?? data.get('kind');
    const destination = fixed.destination ?? data.get('destination');
    const done = await act(
      go,
      () => {
        const body = { routing_key: data.get('key'), arguments: readPairs(data.get('arguments')) };
        return post(path('bindings', fixed.vhost, 'e', source, kind === 'queue' ? 'q' : 'e', destination), body);
      },
      'Bound.',
    );
    if (done) {
      event.target.reset();
      reload();
    }
  };
  return h(
    'form',
    { class: 'form', on: { submit } },
    h(
      'div',
      { class: 'fields' },
      fixed.source === undefined && field('From exchange', 'source', { required: true }),
      fixed.kind === undefined && field('To', 'kind', { kind: [['queue', 'a queue'], ['exchange', 'an exchange']] }),
      fixed.destination === undefined && field('Its name', 'destination', { required: true }),
      field('Routing key', 'key'),
    ),
    field('Arguments', 'arguments', { kind: 'textarea', rows: '2', hint: PAIRS_HINT }),
    h('div', { class: 'form-end' }, go),
  );
}

// The thing itself in the middle, what leads to it on the left, where it leads on the right.
export function drawing(vhost, { kind, name }, inbound, outbound) {
  if (inbound.length + outbound.length === 0) return note('Nothing is bound.');
  const middle = `${kind}:${name}`;
  const nodes = [{ id: middle, layer: 1, label: exchangeName(name), sub: kind, kind: `${kind} here` }];
  const edges = new Map();
  const add = (side, id, label, of) => {
    const known = `${side}:${id}`;
    if (id !== middle && !nodes.some((node) => node.id === known)) {
      const folder = of === 'queue' ? 'queues' : 'exchanges';
      nodes.push({ id: known, layer: side, label: exchangeName(label), sub: of, kind: of, href: hash([folder, vhost, label || 'amq.default']) });
    }
    return id === middle ? middle : known;
  };
  // Several bindings between the same two are one line with all keys.
  const edge = (from, to, binding) => {
    const id = `${from} ${to}`;
    const key = binding.routing_key || (Object.keys(binding.arguments ?? {}).length > 0 ? 'headers' : '');
    const label = edges.has(id) ? `${edges.get(id).label}, ${key}` : key;
    edges.set(id, { from, to, label });
  };
  for (const of of inbound.slice(0, DRAWN)) edge(add(0, `exchange:${of.source}`, of.source, 'exchange'), middle, of);
  for (const of of outbound.slice(0, DRAWN)) edge(middle, add(2, `${of.destination_type}:${of.destination}`, of.destination, of.destination_type), of);
  const left = Math.max(0, inbound.length - DRAWN) + Math.max(0, outbound.length - DRAWN);
  return [graph(`Bindings of ${exchangeName(name)}`, nodes, [...edges.values()]), left > 0 && note(`${left} more are in the list below.`)];
}

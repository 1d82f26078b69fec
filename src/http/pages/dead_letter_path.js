// How messages leave a queue unread: its time to live, its limits, and where its dead letters go from there.

import { exchangePath, get } from './api.js';
import { h } from './dom.js';
import { exchangeName, span } from './format.js';
import { graph } from './graph.js';
import { facts, hash, note } from './ui.js';

// What counts: a policy's definition has the names of the arguments without "x-", and wins over them.
export function setting(queue, name) {
  const policy = queue.effective_policy_definition ?? {};
  return policy[name] ?? queue.arguments?.[`x-${name}`];
}

export async function deadLetterPath(queue) {
  const ttl = setting(queue, 'message-ttl');
  const exchange = setting(queue, 'dead-letter-exchange');
  const key = setting(queue, 'dead-letter-routing-key');
  const terms = facts([
    ['Messages live', ttl === undefined ? 'until they are consumed' : span(Number(ttl))],
    ['The queue itself', setting(queue, 'expires') === undefined ? null : `goes after ${span(Number(setting(queue, 'expires')))} without use`],
    ['At most', setting(queue, 'max-length') === undefined ? null : `${setting(queue, 'max-length')} messages`],
    ['On overflow', setting(queue, 'overflow')],
    ['Deliveries at most', setting(queue, 'delivery-limit')],
  ]);
  if (exchange === undefined) {
    return [terms, note('There is no dead letter exchange: messages that expire, overflow or are rejected are dropped.')];
  }
  const { nodes, edges, missing } = await follow(queue, exchange, key, ttl);
  return [
    terms,
    graph(`Path of the dead letters of ${queue.name}`, nodes, edges),
    missing && note(`The exchange ${exchangeName(exchange)} does not exist: dead letters are dropped.`),
  ];
}

async function follow(queue, exchange, key, ttl) {
  const { vhost } = queue;
  const nodes = [
    { id: 'here', layer: 0, label: queue.name, sub: ttl === undefined ? 'queue' : `TTL ${span(Number(ttl))}`, kind: 'queue here' },
  ];
  const label = key === undefined ? 'own key' : `key ${key}`;
  if (exchange === '') {
    const target = key ?? null;
    if (target === null) return { nodes: [...nodes, { id: 'x', layer: 1, label: '(default)', sub: 'to the queue of the own key', kind: 'exchange' }], edges: [{ from: 'here', to: 'x', label: 'dead letters' }] };
    nodes.push({ id: 'q', layer: 1, label: target, sub: 'queue', kind: 'queue', href: hash(['queues', vhost, target]) });
    return { nodes, edges: [{ from: 'here', to: 'q', label: 'dead letters', dashed: true }] };
  }
  let bindings = [];
  let missing = false;
  try {
    bindings = await get(exchangePath(vhost, exchange, 'bindings', 'source'), { auto: true });
  } catch (error) {
    missing = error.status === 404;
  }
  nodes.push({ id: 'x', layer: 1, label: exchange, sub: missing ? 'no such exchange' : 'dead letter exchange', kind: missing ? 'exchange missing' : 'exchange', href: missing ? null : hash(['exchanges', vhost, exchange]) });
  const edges = [{ from: 'here', to: 'x', label, dashed: true }];
  const seen = new Set();
  for (const binding of bindings.slice(0, 24)) {
    const id = `${binding.destination_type}:${binding.destination}`;
    const self = binding.destination_type === 'queue' && binding.destination === queue.name;
    if (!self && !seen.has(id)) {
      seen.add(id);
      const folder = binding.destination_type === 'queue' ? 'queues' : 'exchanges';
      nodes.push({ id, layer: 2, label: binding.destination, sub: binding.destination_type, kind: binding.destination_type, href: hash([folder, vhost, binding.destination]) });
    }
    edges.push({ from: 'x', to: self ? 'here' : id, label: binding.routing_key });
  }
  return { nodes, edges, missing };
}

export const none = () => h('span', { class: 'faint' }, 'none');

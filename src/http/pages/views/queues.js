// The list of queues; a queue of its own is in queue.js.

import { path, put, queuePath } from '../api.js';
import { h } from '../dom.js';
import { bytes, count, rate, span } from '../format.js';
import { list } from '../list.js';
import { badge, button, dialog, field, PAIRS_HINT, queueLink, readPairs } from '../ui.js';
import { view as one } from './queue.js';

const COLUMNS = [
  'name', 'vhost', 'type', 'durable', 'exclusive', 'auto_delete', 'arguments', 'state', 'policy', 'consumers', 'messages', 'messages_ready',
  'messages_unacknowledged', 'message_bytes', 'head_message_age_ms', 'message_stats.publish_details.rate',
  'message_stats.deliver_get_details.rate', 'message_stats.ack_details.rate',
].join(',');

export function features(queue) {
  const of = queue.arguments ?? {};
  return [
    queue.state === 'paused' && badge('paused', 'warn'),
    queue.durable ? badge('durable') : badge('transient'),
    queue.type === 'quorum' && badge('quorum'),
    queue.exclusive && badge('exclusive'),
    queue.auto_delete && badge('auto-delete'),
    'x-message-ttl' in of && badge('TTL'),
    'x-dead-letter-exchange' in of && badge('DLX'),
    ('x-max-length' in of || 'x-max-length-bytes' in of) && badge('limit'),
    'x-max-priority' in of && badge('priority'),
    queue.policy && badge(`policy ${queue.policy}`),
  ];
}

export function view(context) {
  if (context.parts.length > 0) return one(context);
  const { state, query, reload } = context;
  const rated = (name) => (queue) => rate(queue.message_stats?.[`${name}_details`]?.rate ?? 0);
  const columns = [
    { key: 'vhost', label: 'Vhost', sort: true, class: 'wide-only', cell: (queue) => queue.vhost },
    { key: 'name', label: 'Name', sort: true, cell: (queue) => queueLink(queue.vhost, queue.name) },
    { key: 'features', label: 'Features', class: 'wide-only', cell: features },
    { key: 'messages_ready', label: 'Ready', sort: true, class: 'number', cell: (queue) => count(queue.messages_ready) },
    { key: 'messages_unacknowledged', label: 'Unacked', sort: true, class: 'number', cell: (queue) => count(queue.messages_unacknowledged) },
    { key: 'message_bytes', label: 'Size', sort: true, class: 'number wide-only', cell: (queue) => bytes(queue.message_bytes) },
    { key: 'age', label: 'Oldest', sort: 'head_message_age_ms', class: 'number', cell: (queue) => (queue.head_message_age_ms === null ? '–' : span(queue.head_message_age_ms)) },
    { key: 'in', label: 'In', sort: 'message_stats.publish_details.rate', class: 'number', cell: rated('publish') },
    { key: 'out', label: 'Out', sort: 'message_stats.deliver_get_details.rate', class: 'number', cell: rated('deliver_get') },
    { key: 'consumers', label: 'Consumers', sort: true, class: 'number', cell: (queue) => count(queue.consumers) },
  ];
  const queues = list({
    url: state.vhost ? path('queues', state.vhost) : '/api/queues',
    parts: ['queues'],
    query,
    columns: state.vhost ? columns.slice(1) : columns,
    caption: 'Queues',
    none: 'There are no queues yet. Declare one here, or let an application do it.',
    sort: 'name',
    columnsQuery: COLUMNS,
  });
  return { title: 'Queues', node: queues.node, tick: queues.tick, actions: [button('Declare a queue', () => declare(state, reload), { class: 'primary' })] };
}

export function vhostField(state) {
  return field('Virtual host', 'vhost', { kind: state.vhosts, value: state.vhost || state.vhosts[0] });
}

async function declare(state, reload) {
  const done = await dialog({
    title: 'Declare a queue',
    confirm: 'Declare',
    body: [
      h(
        'div',
        { class: 'fields' },
        vhostField(state),
        field('Name', 'name', { required: true }),
        field('Type', 'type', { kind: ['classic', 'quorum'] }),
        field('Dead letter exchange', 'dlx', { hint: 'x-dead-letter-exchange' }),
        field('Message TTL in ms', 'ttl', { kind: 'number', min: '0', hint: 'x-message-ttl' }),
        field('At most messages', 'length', { kind: 'number', min: '0', hint: 'x-max-length' }),
      ),
      field('Durable: it is there after a restart', 'durable', { kind: 'checkbox', value: true }),
      field('Auto-delete: it goes with its last consumer', 'auto_delete', { kind: 'checkbox' }),
      field('Further arguments', 'arguments', { kind: 'textarea', hint: PAIRS_HINT }),
    ],
    submit: async (data) => {
      const given = readPairs(data.get('arguments'));
      if (data.get('type') !== 'classic') given['x-queue-type'] = data.get('type');
      if (data.get('dlx')) given['x-dead-letter-exchange'] = data.get('dlx');
      if (data.get('ttl')) given['x-message-ttl'] = Number(data.get('ttl'));
      if (data.get('length')) given['x-max-length'] = Number(data.get('length'));
      await put(queuePath(data.get('vhost'), data.get('name')), {
        durable: data.has('durable'),
        auto_delete: data.has('auto_delete'),
        arguments: given,
      });
    },
  });
  if (done) reload();
}

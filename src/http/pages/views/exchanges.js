// Exchanges: the list, and one with its bindings drawn.

import { exchangePath, get, path, put, remove } from '../api.js';
import { bindForm, bindingTable, drawing } from '../bindings.js';
import { h } from '../dom.js';
import { exchangeName, rate } from '../format.js';
import { list } from '../list.js';
import { publishForm } from '../publish_form.js';
import { ask, badge, button, dialog, exchangeLink, facts, field, hash, link, notice, pairs, panel, PAIRS_HINT, readPairs, resource } from '../ui.js';
import { vhostField } from './queues.js';

const TYPES = ['direct', 'fanout', 'topic', 'headers', 'x-consistent-hash', 'x-modulus-hash', 'x-random', 'x-delayed-message', 'x-recent-history'];

const features = (of) => [
  of.durable ? badge('durable') : badge('transient'),
  of.internal && badge('internal'),
  of.auto_delete && badge('auto-delete'),
  'alternate-exchange' in (of.arguments ?? {}) && badge('alternate'),
  of.policy && badge(`policy ${of.policy}`),
];

export function view(context) {
  if (context.parts.length > 0) return one(context);
  const { state, query, reload } = context;
  const columns = [
    { key: 'vhost', label: 'Vhost', sort: true, class: 'wide-only', cell: (of) => of.vhost },
    { key: 'name', label: 'Name', sort: true, cell: (of) => exchangeLink(of.vhost, of.name) },
    { key: 'type', label: 'Type', sort: true, cell: (of) => of.type },
    { key: 'features', label: 'Features', class: 'wide-only', cell: features },
    { key: 'in', label: 'In', class: 'number', cell: (of) => rate(of.message_stats?.publish_in_details?.rate ?? 0) },
    { key: 'out', label: 'Out', class: 'number', cell: (of) => rate(of.message_stats?.publish_out_details?.rate ?? 0) },
  ];
  const exchanges = list({
    url: state.vhost ? path('exchanges', state.vhost) : '/api/exchanges',
    parts: ['exchanges'],
    query,
    columns: state.vhost ? columns.slice(1) : columns,
    caption: 'Exchanges',
    none: 'There are no exchanges.',
    sort: 'name',
  });
  return { title: 'Exchanges', node: exchanges.node, tick: exchanges.tick, actions: [button('Declare an exchange', () => declare(state, reload), { class: 'primary' })] };
}

async function declare(state, reload) {
  const done = await dialog({
    title: 'Declare an exchange',
    confirm: 'Declare',
    body: [
      h(
        'div',
        { class: 'fields' },
        vhostField(state),
        field('Name', 'name', { required: true }),
        field('Type', 'type', { kind: TYPES }),
        field('Alternate exchange', 'alternate', { hint: 'Takes what no binding matches.' }),
      ),
      field('Durable: it is there after a restart', 'durable', { kind: 'checkbox', value: true }),
      field('Auto-delete: it goes with its last binding', 'auto_delete', { kind: 'checkbox' }),
      field('Internal: only exchanges publish to it', 'internal', { kind: 'checkbox' }),
      field('Further arguments', 'arguments', { kind: 'textarea', hint: PAIRS_HINT }),
    ],
    submit: async (data) => {
      const given = readPairs(data.get('arguments'));
      if (data.get('alternate')) given['alternate-exchange'] = data.get('alternate');
      await put(exchangePath(data.get('vhost'), data.get('name')), {
        type: data.get('type'),
        durable: data.has('durable'),
        auto_delete: data.has('auto_delete'),
        internal: data.has('internal'),
        arguments: given,
      });
    },
  });
  if (done) reload();
}

function one(context) {
  const [vhost, part] = context.parts;
  const name = part === 'amq.default' ? '' : part;
  const load = async ({ auto }) => {
    const [exchange, inbound, outbound] = await Promise.all([
      get(exchangePath(vhost, name), { auto }),
      get(exchangePath(vhost, name, 'bindings', 'destination'), { auto }),
      get(exchangePath(vhost, name, 'bindings', 'source'), { auto }),
    ]);
    return { exchange, inbound, outbound };
  };
  const shown = resource(load, ({ exchange, inbound, outbound }) => [
    panel('Exchange', [
      h('p', { class: 'row' }, badge(exchange.type, 'ok'), features(exchange)),
      facts([
        ['In', exchange.message_stats && rate(exchange.message_stats.publish_in_details?.rate ?? 0)],
        ['Out', exchange.message_stats && rate(exchange.message_stats.publish_out_details?.rate ?? 0)],
        ['Policy', exchange.policy],
      ]),
      h('h3', null, 'Arguments'),
      pairs(exchange.arguments),
    ]),
    panel('Bindings drawn', drawing(vhost, { kind: 'exchange', name }, inbound, outbound)),
    panel('Bindings', bindingTable([...inbound, ...outbound], shown.reload)),
  ]);
  const drop = button('Delete', () => away(vhost, name), { class: 'danger' });
  const predeclared = name === '' || name.startsWith('amq.');
  return {
    title: exchangeName(name),
    heading: [exchangeName(name), h('small', null, ` in ${vhost}`)],
    node: h(
      'div',
      null,
      shown.node,
      h(
        'div',
        { class: 'columns' },
        name !== '' && panel('Bind', bindForm({ vhost, source: name }, shown.reload)),
        panel('Publish to this exchange', publishForm({ vhost, exchange: name }, context)),
      ),
    ),
    tick: shown.tick,
    actions: [link(hash(['routes'], { vhost, exchange: name }), 'Test a route', { class: 'button' }), !predeclared && drop],
  };
}

async function away(vhost, name) {
  const done = await ask(`Delete ${name}?`, 'Its bindings go with it. Publishing to it will be refused.', 'Delete', async () => {
    await remove(exchangePath(vhost, name));
    notice(`${name} was deleted.`);
  });
  if (done) location.hash = hash(['exchanges']);
}

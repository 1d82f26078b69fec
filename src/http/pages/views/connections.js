// Connections: who is there, and why one is blocked.

import { get, path, remove } from '../api.js';
import { h } from '../dom.js';
import { bytes, count, date, rate } from '../format.js';
import { list } from '../list.js';
import { ask, badge, button, facts, hash, link, notice, pairs, panel, resource, table } from '../ui.js';

// Why the broker reads nothing from a connection, or would not.
const REASONS = {
  memory: 'the broker is low on memory',
  disk: 'the broker is low on disk',
  backlog: 'the disk does not keep up with what is published',
  'user-quota': 'its user is over the rate quota',
  'vhost-quota': 'its virtual host is over the rate quota',
  'queue-quota': 'a queue that it publishes to is over the rate quota',
  unread: 'it does not read what is sent to it',
};

const EFFECTS = {
  blocked: 'It is not read from until that is over: what it publishes or acknowledges waits. What it consumes goes on.',
  blocking: 'It has not published yet; once it does, it is not read from until that is over.',
  flow: 'It is read from only now and then, as fast as that allows.',
};

const reasons = (of) => (of.blocked_by ?? []).map((reason) => REASONS[reason] ?? reason).join(', ');
const standing = (of) => badge(of.state, of.state === 'running' ? 'ok' : 'warn');

export function view(context) {
  if (context.parts.length > 0) return one(context);
  const { state, query } = context;
  const columns = [
    { key: 'name', label: 'Name', sort: true, cell: (of) => [link(hash(['connections', of.name]), of.user_provided_name ?? of.name), of.user_provided_name && h('small', { class: 'wide-only' }, ` ${of.name}`)] },
    { key: 'vhost', label: 'Vhost', sort: true, class: 'wide-only', cell: (of) => of.vhost },
    { key: 'user', label: 'User', sort: true, cell: (of) => of.user },
    { key: 'state', label: 'State', sort: true, cell: (of) => [standing(of), of.blocked_by?.length > 0 && h('small', { class: 'wide-only' }, ` ${reasons(of)}`)] },
    { key: 'ssl', label: 'TLS', sort: true, class: 'wide-only', cell: (of) => (of.ssl ? 'yes' : 'no') },
    { key: 'client', label: 'Client', class: 'wide-only', cell: (of) => [of.client_properties?.product, of.client_properties?.version].filter((part) => typeof part === 'string').join(' ') },
    { key: 'channels', label: 'Channels', sort: true, class: 'number', cell: (of) => count(of.channels) },
    { key: 'recv_oct', label: 'From it', sort: true, class: 'number', cell: (of) => traffic(of, 'recv_oct') },
    { key: 'send_oct', label: 'To it', sort: true, class: 'number', cell: (of) => traffic(of, 'send_oct') },
  ];
  const connections = list({
    url: state.vhost ? path('vhosts', state.vhost, 'connections') : '/api/connections',
    parts: ['connections'],
    query,
    columns,
    caption: 'Connections',
    none: 'No client is connected.',
  });
  return { title: 'Connections', node: connections.node, tick: connections.tick };
}

function traffic(of, name) {
  const each = of[`${name}_details`]?.rate;
  return each === undefined ? bytes(of[name]) : `${bytes(each)}/s`;
}

function one({ parts: [name] }) {
  const load = async ({ auto }) => {
    const [connection, channels] = await Promise.all([get(path('connections', name), { auto }), get(path('connections', name, 'channels'), { auto })]);
    return { connection, channels };
  };
  const shown = resource(load, ({ connection: of, channels }) => [
    of.blocked_by?.length > 0 && h('p', { class: 'why', role: 'status' }, `${of.state}: ${reasons(of)}. ${EFFECTS[of.state] ?? ''}`),
    panel(
      'Connection',
      facts([
        ['State', standing(of)],
        ['User', of.user],
        ['Virtual host', of.vhost],
        ['Name that it gave', of.user_provided_name],
        ['Connected', date(of.connected_at)],
        ['TLS', of.ssl ? [of.ssl_protocol, of.ssl_cipher].filter(Boolean).join(', ') || 'yes' : 'no'],
        ['Logged in with', of.auth_mechanism],
        ['Heartbeat', of.timeout ? `${of.timeout} s` : 'none'],
        ['Largest frame', bytes(of.frame_max)],
        ['Channels', `${count(of.channels)} of ${of.channel_max ? count(of.channel_max) : 'any number'}`],
        ['From the client', `${bytes(of.recv_oct)}${of.recv_oct_details ? `, ${bytes(of.recv_oct_details.rate)}/s` : ''}`],
        ['To the client', `${bytes(of.send_oct)}${of.send_oct_details ? `, ${bytes(of.send_oct_details.rate)}/s` : ''}`],
      ]),
    ),
    panel('Channels', table('Channels', CHANNELS, channels, 'No channel is open.')),
    panel('What the client says of itself', pairs(of.client_properties)),
  ]);
  const close = async () => {
    const done = await ask('Close the connection?', 'Its client hears why, and most clients connect again. What it has not acknowledged goes back to its queues.', 'Close', async () => {
      await remove(path('connections', name), { headers: { 'x-reason': 'Closed by an operator' } });
      notice('The connection is closed.');
    });
    if (done) location.hash = hash(['connections']);
  };
  return {
    title: name,
    node: shown.node,
    tick: shown.tick,
    actions: [button('Close', close, { class: 'danger' })],
  };
}

export const CHANNELS = [
  { label: 'Channel', cell: (of) => of.name },
  { label: 'Mode', cell: (of) => [of.confirm && badge('confirm'), of.transactional && badge('tx')] },
  { label: 'Consumers', class: 'number', cell: (of) => count(of.consumer_count) },
  { label: 'Unacked', class: 'number', cell: (of) => count(of.messages_unacknowledged) },
  { label: 'Prefetch', class: 'number', cell: (of) => (of.prefetch_count ? count(of.prefetch_count) : 'none') },
  { label: 'Published', class: 'number wide-only', cell: (of) => (of.message_stats ? rate(of.message_stats.publish_details?.rate ?? 0) : '–') },
];

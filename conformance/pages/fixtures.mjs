// What the pages are shown: ordinary things, and names that would be a script if they were ever read as markup.

import amqp from 'amqplib';

export const EVIL = '<img src=x onerror="window.pwned=1">';
export const PERSON = { name: 'ops', password: 'correct horse' };

const part = encodeURIComponent;

// A shop, as in the README, with a few messages.
export async function shop(broker) {
  const { api } = broker;
  await api('PUT', '/api/exchanges/%2F/orders', { type: 'topic', arguments: { 'alternate-exchange': 'orders.strays' } });
  await api('PUT', '/api/exchanges/%2F/orders.strays', { type: 'fanout' });
  await api('PUT', '/api/exchanges/%2F/orders.dlx', { type: 'direct' });
  await api('PUT', '/api/exchanges/%2F/audit', { type: 'fanout' });
  const queue = (name, given = {}) => api('PUT', `/api/queues/%2F/${name}`, { arguments: given });
  await queue('billing', { 'x-dead-letter-exchange': 'orders.dlx', 'x-dead-letter-routing-key': 'dead', 'x-message-ttl': 86_400_000, 'x-max-length': 100_000 });
  await queue('shipping', { 'x-dead-letter-exchange': 'orders.dlx', 'x-dead-letter-routing-key': 'dead' });
  await queue('dead');
  await queue('strays');
  await queue('everything');
  await queue('target');
  const bind = (source, kind, name, key) => api('POST', `/api/bindings/%2F/e/${source}/${kind}/${name}`, { routing_key: key });
  await bind('orders', 'q', 'billing', 'order.*.paid');
  await bind('orders', 'q', 'shipping', 'order.#');
  await bind('orders', 'e', 'audit', '#');
  await bind('audit', 'q', 'everything', '');
  await bind('orders.dlx', 'q', 'dead', 'dead');
  await bind('orders.strays', 'q', 'strays', '');
  for (let number = 1; number <= 30; number += 1) {
    await api('POST', '/api/exchanges/%2F/orders/publish', {
      routing_key: number % 3 === 0 ? 'order.eu.paid' : 'order.eu.new',
      payload: JSON.stringify({ order: number, items: ['book'], total: number * 10 }),
      payload_encoding: 'string',
      properties: { delivery_mode: 2, content_type: 'application/json', message_id: `m${number}`, headers: { region: 'eu', attempt: number } },
    });
  }
  // Some are rejected and become dead letters.
  await api('POST', '/api/queues/%2F/shipping/get', { count: 5, ackmode: 'reject_requeue_false', encoding: 'auto' });
}

// The same name everywhere.
export async function evil(broker) {
  const { api } = broker;
  const name = part(EVIL);
  await api('PUT', `/api/vhosts/${name}`, { description: EVIL });
  await api('PUT', `/api/permissions/${name}/guest`, { configure: '.*', write: '.*', read: '.*' });
  await api('PUT', `/api/users/${name}`, { password: 'x', tags: '' });
  await api('PUT', `/api/permissions/${name}/${name}`, { configure: EVIL, write: EVIL, read: EVIL });
  await api('PUT', `/api/topic-permissions/${name}/${name}`, { exchange: EVIL, write: EVIL, read: EVIL });
  await api('PUT', `/api/exchanges/${name}/${name}`, { type: 'topic', arguments: { [EVIL]: EVIL } });
  await api('PUT', `/api/queues/${name}/${name}`, { arguments: { 'x-dead-letter-exchange': EVIL, 'x-dead-letter-routing-key': EVIL, [EVIL]: EVIL } });
  await api('PUT', `/api/queues/${name}/${name}2`, {});
  await api('POST', `/api/bindings/${name}/e/${name}/q/${name}`, { routing_key: EVIL, arguments: { [EVIL]: EVIL } });
  await api('POST', `/api/bindings/${name}/e/${name}/q/${name}2`, { routing_key: EVIL });
  await api('PUT', `/api/policies/${name}/${name}`, { pattern: '^nothing$', definition: { 'dead-letter-exchange': EVIL }, 'apply-to': 'queues' });
  await api('POST', `/api/exchanges/${name}/${name}/publish`, {
    routing_key: EVIL,
    payload: EVIL,
    payload_encoding: 'string',
    properties: { headers: { [EVIL]: EVIL }, content_type: EVIL, message_id: EVIL, app_id: EVIL, type: EVIL, correlation_id: EVIL, reply_to: EVIL },
  });
  await api('POST', `/api/queues/${name}/${name}/get`, { count: 1, ackmode: 'reject_requeue_false', encoding: 'auto' });
}

// A client that consumes, with names of the same kind.
export async function client(broker) {
  const options = { clientProperties: { connection_name: EVIL, product: EVIL, [EVIL]: EVIL } };
  const connection = await amqp.connect(`${broker.amqp}${part(EVIL)}`, options);
  connection.on('error', () => {});
  const channel = await connection.createChannel();
  await channel.prefetch(10);
  await channel.consume(EVIL, () => {}, { consumerTag: EVIL });
  return connection;
}

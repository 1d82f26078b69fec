'use strict';
// The calls of RabbitMQ's HTTP API that the Node client rabbitmq-stats makes. Prints one JSON line a call.

const stats = require('rabbitmq-stats')(process.argv[2], 'guest', 'guest');

let failed = false;

async function call(name, run, holds) {
  let detail = '';
  try {
    const answer = await run();
    if (holds && !holds(answer)) detail = `unexpected answer: ${JSON.stringify(answer).slice(0, 200)}`;
  } catch (error) {
    detail = String(error).slice(0, 300);
  }
  failed = failed || detail !== '';
  console.log(JSON.stringify({ call: name, ok: detail === '', detail }));
}

const named = (name) => (list) => Array.isArray(list) && list.some((item) => item.name === name);
const isList = (list) => Array.isArray(list);

async function main() {
  let node = '';
  await call('getOverview', () => stats.getOverview(), (overview) => {
    node = overview.node;
    return Boolean(overview.rabbitmq_version);
  });
  await call('getNodes', () => stats.getNodes(), (nodes) => nodes.length === 1 && nodes[0].running);
  await call('getNode', () => stats.getNode(node), (found) => found.name === node);
  await call('getExtensions', () => stats.getExtensions(), isList);
  await call('putVhost', () => stats.putVhost('node'));
  await call('getVhosts', () => stats.getVhosts(), named('node'));
  await call('getVhost', () => stats.getVhost('node'), (vhost) => vhost.name === 'node');
  await call('putVhostExchange', () => stats.putVhostExchange('node', 'x', { type: 'topic', durable: true }));
  await call('getExchanges', () => stats.getExchanges(), named('x'));
  await call('getVhostExchanges', () => stats.getVhostExchanges('node'), named('x'));
  await call('getVhostExchange', () => stats.getVhostExchange('node', 'x'), (found) => found.type === 'topic');
  await call('putVhostQueue', () => stats.putVhostQueue('node', 'q', { durable: true }));
  await call('getQueues', () => stats.getQueues(), named('q'));
  await call('getQueues paged', () => stats.getQueues({ page: 1, page_size: 5 }), (page) => named('q')(page.items));
  await call('getVhostQueues', () => stats.getVhostQueues('node'), named('q'));
  await call('getVhostQueue', () => stats.getVhostQueue('node', 'q'), (found) => found.messages === 0);
  await call('getBindings', () => stats.getBindings(), isList);
  await call('getVhostBindings', () => stats.getVhostBindings('node'), (list) => list.length === 1);
  await call('deleteVhostQueueContents', () => stats.deleteVhostQueueContents('node', 'q'));
  await call('deleteVhostQueue', () => stats.deleteVhostQueue('node', 'q'));
  await call('deleteVhostExchange', () => stats.deleteVhostExchange('node', 'x'));
  await call('putUser', () => stats.putUser('node', { password: 'secret', tags: 'management' }));
  await call('getUsers', () => stats.getUsers(), named('node'));
  await call('getUser', () => stats.getUser('node'), (user) => user.name === 'node');
  const all = { configure: '.*', write: '.*', read: '.*' };
  await call('setUserPermissions', () => stats.setUserPermissions('node', 'node', all));
  await call('getUserPermissions', () => stats.getUserPermissions('node'), (list) => list.length === 1);
  await call('deleteUser', () => stats.deleteUser('node'));
  await call('getConnections', () => stats.getConnections(), isList);
  await call('getChannels', () => stats.getChannels(), isList);
  await call('getConsumers', () => stats.getConsumers(), isList);
  await call('getVhostConsumers', () => stats.getVhostConsumers('node'), isList);
  await call('getPolicies', () => stats.getPolicies(), isList);
  await call('whoAmI', () => stats.whoAmI(), (user) => user.name === 'guest');
  await call('deleteVhost', () => stats.deleteVhost('node'));
  process.exitCode = failed ? 1 : 0;
}

main();

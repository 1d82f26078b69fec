// Users, permissions, policies, limits, virtual hosts, connections, the log.

import amqp from 'amqplib';
import { equal, eventually, includes, isTrue } from './expect.mjs';

async function users({ page: { page, open }, broker }) {
  await open('users');
  await page.click('button:has-text("Add a user")');
  await page.fill('dialog [name=name]', 'ann');
  await page.fill('dialog [name=password]', 'secret');
  await page.click('dialog >> text=policymaker');
  await page.click('dialog >> button:has-text("Add")');
  await page.click('main td >> text=ann');
  await page.waitForSelector('text=This user may enter no virtual host');
  await page.fill('[name=configure]', '^mine');
  await page.click('button:has-text("Set permission")');
  await page.waitForSelector('td:has-text("^mine")');
  const [permission] = await broker.api('GET', '/api/users/ann/permissions');
  equal(permission.configure, '^mine', 'the permission');
  await page.click('button:has-text("Change tags")');
  await page.click('dialog >> text=monitoring');
  await page.click('dialog >> button:has-text("Save")');
  await eventually(async () => (await broker.api('GET', '/api/users/ann')).tags.length === 2, 'two tags');
  await broker.api('GET', '/api/whoami', undefined, { user: 'ann:secret' });
  await page.click('tr:has-text("^mine") >> button:has-text("Clear")');
  await page.waitForSelector('text=This user may enter no virtual host');
  await page.click('.page-head >> button:has-text("Delete")');
  await page.click('dialog >> button:has-text("Delete")');
  await page.waitForSelector('main h1:has-text("Users")');
  isTrue(!(await broker.api('GET', '/api/users')).some((of) => of.name === 'ann'), 'ann is still there');
}

async function policies({ page: { page, open, allow }, broker }) {
  allow(/400/);
  await open('policies');
  await page.click('button:has-text("Add a policy")');
  await page.fill('dialog [name=name]', 'short');
  await page.fill('dialog [name=pattern]', '^target$');
  await page.fill('dialog [name=definition]', 'max-length: "many"');
  await page.click('dialog >> button:has-text("Save")');
  await eventually(async () => (await page.textContent('dialog .problem')).length > 0, 'a refusal of the wrong value');
  await page.fill('dialog [name=definition]', 'max-length: 1000');
  await page.click('dialog >> button:has-text("Save")');
  await page.waitForSelector('td:has-text("^target$")');
  equal((await broker.api('GET', '/api/queues/%2F/target')).policy, 'short', 'the policy of the queue');
  await page.click('tr:has-text("short") >> button:has-text("Delete")');
  await eventually(async () => !(await broker.api('GET', '/api/queues/%2F/target')).policy, 'the end of the policy');
  await page.click('button:has-text("Set a limit of virtual hosts")');
  await page.selectOption('dialog [name=of]', '/');
  await page.fill('dialog [name=value]', '500');
  await page.click('dialog >> button:has-text("Set")');
  await page.waitForSelector('tr:has-text("max-connections"):has-text("500")');
  await page.click('tr:has-text("max-connections") >> button:has-text("Clear")');
  await eventually(async () => (await broker.api('GET', '/api/vhost-limits')).every((of) => of.vhost !== '/'), 'the end of the limit');
}

async function vhosts({ page: { page, open }, broker }) {
  await open('vhosts');
  await page.click('button:has-text("Add a virtual host")');
  await page.fill('dialog [name=name]', 'spare');
  await page.click('dialog >> button:has-text("Add")');
  await page.waitForSelector('tr:has-text("spare")');
  await page.selectOption('[aria-label="Virtual host"]', 'spare');
  await open('queues');
  await page.waitForSelector('text=There are no queues yet');
  await page.selectOption('[aria-label="Virtual host"]', '');
  await open('vhosts');
  await page.click('tr:has-text("spare") >> button:has-text("Delete")');
  await page.click('dialog >> button:has-text("Delete")');
  await eventually(async () => !(await broker.api('GET', '/api/vhosts')).some((of) => of.name === 'spare'), 'the deletion');
}

async function connections({ page: { page, open }, broker }) {
  const connection = await amqp.connect(broker.amqp, { clientProperties: { connection_name: 'visitor' } });
  connection.on('error', () => {});
  // amqplib tells of a forced end with `close`.
  const closed = new Promise((resolve) => connection.on('close', resolve));
  await connection.createChannel();
  await open('connections');
  await page.click('main td a:has-text("visitor")');
  await page.waitForSelector('text=What the client says of itself');
  includes(await page.textContent('main'), 'running', 'the state');
  await page.click('.page-head >> button:has-text("Close")');
  await page.click('dialog >> button:has-text("Close")');
  includes(String((await closed)?.message), 'Closed by an operator', 'what the client hears');
  await page.waitForSelector('main h1:has-text("Connections")');
  await open('channels');
  await page.waitForSelector('main h1:has-text("Channels")');
}

// A publisher over its quota: what the list and its page say of it.
async function slowed({ page: { page, open }, broker }) {
  await broker.api('PUT', '/api/vhost-limits/%2F/message-rate-per-s', { value: 1 });
  const connection = await amqp.connect(broker.amqp, { clientProperties: { connection_name: 'hasty' } });
  try {
    const channel = await connection.createChannel();
    for (let number = 0; number < 20; number += 1) channel.publish('', 'nowhere', Buffer.from('x'));
    await open('connections');
    await page.waitForSelector('tr:has-text("hasty"):has-text("flow"):has-text("its virtual host is over the rate quota")');
    await page.click('td >> text=hasty');
    await page.waitForSelector('.why:has-text("its virtual host is over the rate quota")');
  } finally {
    await broker.api('DELETE', '/api/vhost-limits/%2F/message-rate-per-s');
    await connection.close();
  }
}

async function log({ page: { page, open }, broker }) {
  await open('log');
  await page.waitForSelector('.log li:has-text("ready")');
  await broker.api('GET', '/api/whoami', undefined, { user: 'stranger:x', expect: false });
  await page.waitForSelector('.log li:has-text("HTTP login refused")');
  await page.fill('[aria-label="Filter lines"]', 'nothing has this');
  await page.waitForSelector('text=No lines yet');
}

export const checks = {
  'users: add, permit, tag, delete': users,
  'policies: refuse, set, delete; limits': policies,
  'virtual hosts: add, choose, delete': vhosts,
  'connections: look and close': connections,
  'connections: why one is slowed': slowed,
  'log: lines come live': log,
};

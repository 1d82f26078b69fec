// Queues and their messages: declare, publish, look, purge, move, dead letters, routes.

import { equal, eventually, includes, isTrue } from './expect.mjs';

const depth = async (broker, name) => (await broker.api('GET', `/api/queues/%2F/${name}`)).messages_ready;

async function overview({ page: { page, open } }) {
  await open('overview');
  await page.waitForSelector('dl.figures >> text=Ready');
  await page.waitForSelector('text=Message files');
  for (const words of ['Confirm p99', 'Sync p99', 'Of it live', 'Free disk', 'Connections']) includes(await page.textContent('main'), words, 'the overview');
  await page.waitForSelector('.chart canvas');
}

async function live({ page: { page, open }, broker }) {
  await open('overview');
  await page.waitForSelector('.dot.live');
  const ready = () => page.textContent('dl.figures .figure:first-child dd');
  const before = await ready();
  for (let number = 0; number < 3; number += 1) {
    await broker.api('POST', '/api/exchanges/%2F/amq.default/publish', { routing_key: 'strays', payload: 'x', payload_encoding: 'string', properties: {} });
  }
  await eventually(async () => (await ready()) !== before, 'an update of the overview');
  await broker.api('DELETE', '/api/queues/%2F/strays/contents');
}

async function declare({ page: { page, open }, broker }) {
  await open('queues');
  await page.click('button:has-text("Declare a queue")');
  await page.fill('dialog [name=name]', 'made');
  await page.fill('dialog [name=ttl]', '60000');
  await page.fill('dialog [name=arguments]', 'x-max-priority: 5');
  await page.click('dialog >> button:has-text("Declare")');
  await page.click('main td >> text=made');
  await page.waitForSelector('text=Time to live and dead letters');
  const queue = await broker.api('GET', '/api/queues/%2F/made');
  equal(JSON.stringify(queue.arguments), '{"x-max-priority":5,"x-message-ttl":60000}', 'the arguments');
  await page.click('button:has-text("Pause")');
  await eventually(async () => (await broker.api('GET', '/api/queues/%2F/made')).state === 'paused', 'the pause');
  await page.click('button:has-text("Resume")');
  await eventually(async () => (await broker.api('GET', '/api/queues/%2F/made')).state === 'running', 'the end of the pause');
  await page.click('.page-head >> button:has-text("Delete")');
  await page.click('dialog >> button:has-text("Delete")');
  await page.waitForSelector('main h1:has-text("Queues")');
  isTrue(!(await broker.api('GET', '/api/queues')).some((of) => of.name === 'made'), 'the queue is still there');
}

async function sorted({ page: { page, open }, broker }) {
  for (let number = 0; number < 60; number += 1) await broker.api('PUT', `/api/queues/%2F/many.${String(number).padStart(2, '0')}`, {});
  await open('queues');
  const names = () => page.$$eval('main tbody tr td a', (links) => links.map((link) => link.textContent));
  await page.fill('[type=search]', 'many.');
  await eventually(async () => (await names()).length === 50, 'a page of 50');
  await page.click('[aria-label="Next page"]');
  await eventually(async () => (await names()).length === 10, 'the rest');
  includes(page.url(), 'page=2', 'the address');
  await page.fill('[type=search]', '^many\\.(07|42)$');
  await page.click('text=regex');
  await eventually(async () => (await names()).join() === 'many.07,many.42', 'two by regular expression');
  await page.click('button.sort:has-text("Name")');
  await eventually(async () => (await names()).join() === 'many.42,many.07', 'the other order');
  equal(await page.getAttribute('th[aria-sort]', 'aria-sort'), 'descending', 'aria-sort');
  await page.fill('[type=search]', 'no such');
  await page.waitForSelector('text=Nothing has a name that matches');
  for (let number = 0; number < 60; number += 1) await broker.api('DELETE', `/api/queues/%2F/many.${String(number).padStart(2, '0')}`);
}

async function publishAndLook({ page: { page, open }, broker }) {
  await open('queues/%2F/target/publish');
  await page.fill('[name=payload]', '{"hello":"world"}');
  await page.fill('[name=headers]', 'tries: 3\nwho: someone');
  await page.click('main >> button:has-text("Publish")');
  await page.waitForSelector('.notice:has-text("Published")');
  await open('queues/%2F/target/messages');
  await page.click('.message summary');
  const text = await page.textContent('.message');
  for (const part of ['"hello": "world"', 'tries', 'someone']) includes(text, part, 'the message');
  const [kept] = await broker.api('GET', '/api/warren/queues/%2F/target/messages');
  equal(kept.redelivered, false, 'redelivered after looking');
  equal(await depth(broker, 'target'), 1, 'messages after looking');
  await open('publish');
  await page.fill('[name=exchange]', 'amq.direct');
  await page.fill('[name=key]', 'nowhere');
  await page.click('main >> button:has-text("Publish")');
  await page.waitForSelector('.notice:has-text("No queue wanted the message")');
}

async function purgeAndMove({ page: { page, open, allow }, broker }) {
  allow(/404/);
  await open('queues/%2F/everything');
  await page.click('button:has-text("Purge")');
  await page.fill('dialog [name=count]', '10');
  await page.click('dialog >> button:has-text("Purge")');
  await page.waitForSelector('.notice:has-text("10 messages removed")');
  equal(await depth(broker, 'everything'), 20, 'messages after the purge');
  const before = await depth(broker, 'target');
  await page.click('button:has-text("Move")');
  await page.fill('dialog [name=to]', 'nobody');
  await page.click('dialog >> button:has-text("Move")');
  await page.waitForSelector('dialog .problem:has-text("nobody")');
  await page.fill('dialog [name=to]', 'target');
  await page.fill('dialog [name=count]', '5');
  await page.click('dialog >> button:has-text("Move")');
  await page.waitForSelector('.notice:has-text("5 messages moved")');
  equal(await depth(broker, 'everything'), 15, 'messages left');
  equal(await depth(broker, 'target'), before + 5, 'messages that came');
}

async function exchange({ page: { page, open }, broker }) {
  await open('exchanges/%2F/orders');
  await page.waitForSelector('.graph svg');
  const labels = await page.textContent('.graph svg');
  for (const part of ['billing', 'shipping', 'audit', 'order.*.paid']) includes(labels, part, 'the drawing');
  await page.click('.graph a:has-text("audit")');
  await page.waitForSelector('main h1:has-text("audit")');
  await page.waitForSelector('.graph a:has-text("everything")');
  await page.selectOption('[name=kind]', 'queue');
  await page.fill('[name=destination]', 'target');
  await page.click('main >> button:text-is("Bind")');
  await page.waitForSelector('.graph a:has-text("target")');
  await page.click('tr:has-text("target") >> button:has-text("Unbind")');
  await eventually(async () => (await broker.api('GET', '/api/exchanges/%2F/audit/bindings/source')).length === 1, 'the unbinding');
}

async function routeTester({ page: { page, open } }) {
  await open('routes');
  await page.fill('[name=exchange]', 'orders');
  await page.fill('[name=key]', 'order.eu.paid');
  await page.click('main >> button:has-text("Test")');
  await page.waitForSelector('text=3 queues');
  const text = await page.textContent('main');
  for (const part of ['billing', 'shipping', 'everything', 'order.*.paid']) includes(text, part, 'the route');
  await page.fill('[name=exchange]', 'amq.direct');
  await page.fill('[name=key]', 'nobody');
  await page.click('main >> button:has-text("Test")');
  await page.waitForSelector('text=No queue would get it');
  await page.fill('[name=headers]', 'no colon');
  await page.click('main >> button:has-text("Test")');
  await page.waitForSelector('.notice.failed');
}

async function deadLetters({ page: { page, open }, broker }) {
  await open('dead-letters');
  await page.click('main td >> text=dead');
  await page.waitForSelector('.message');
  await page.click('.message summary');
  includes(await page.textContent('.message'), 'rejected', 'the reason');
  equal(await depth(broker, 'dead'), 5, 'dead letters');
  const before = await depth(broker, 'shipping');
  await page.fill('[name=limit]', '2');
  await page.click('button:has-text("Preview")');
  await page.waitForSelector('text=Would go to');
  equal(await depth(broker, 'dead'), 5, 'dead letters after the preview');
  await page.click('button:has-text("Replay")');
  await page.click('dialog >> button:has-text("Replay")');
  await eventually(async () => (await depth(broker, 'dead')) === 3, 'two fewer dead letters');
  equal(await depth(broker, 'shipping'), before + 2, 'what came back');
  await page.selectOption('[name=reason]', 'expired');
  await page.click('button:has-text("Show")');
  await page.waitForSelector('text=No dead letter matches');
}

export const checks = {
  'overview: rates, alarms, latency, disk': overview,
  'overview: an update comes by itself': live,
  'queues: declare, pause, resume, delete': declare,
  'queues: pages, filter, sort, nothing found': sorted,
  'messages: publish and look without taking': publishAndLook,
  'messages: purge some, move some': purgeAndMove,
  'exchanges: the drawing is followed, bind and unbind': exchange,
  'routes: which queues, and over what': routeTester,
  'dead letters: look, preview, replay, filter': deadLetters,
};

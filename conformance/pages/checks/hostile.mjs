// A name that is markup, in every field and on every page: it is shown as text, and nothing of it runs.

import { EVIL } from '../fixtures.mjs';
import { eventually, includes } from './expect.mjs';
import { settled } from './look.mjs';

const name = encodeURIComponent(EVIL);

async function shown({ page: { page, open, check }, broker }) {
  const [connection] = await broker.api('GET', '/api/connections');
  const places = [
    'queues', `queues/${name}/${name}`, `queues/${name}/${name}2/messages`, `queues/${name}/${name}/bindings`, 'exchanges', `exchanges/${name}/${name}`,
    `connections/${encodeURIComponent(connection.name)}`, 'connections', 'channels', 'vhosts', 'users', `users/${name}`, 'policies',
    `dead-letters/${name}/${name}2`, 'dead-letters',
  ];
  for (const place of places) {
    await open(place);
    await settled(page);
    includes(await eventually(() => page.textContent('main'), place), EVIL, place);
    for (const summary of await page.$$('.message summary')) await summary.click();
    await check();
  }
  await open(`queues/${name}/${name}2/messages`);
  await page.waitForSelector('.message');
  for (const summary of await page.$$('.message summary')) await summary.click();
  const text = await page.textContent('.message');
  if (text.split(EVIL).length < 8) throw new Error(`the message shows too little: ${text.slice(0, 600)}`);
}

async function written({ page: { page, open, check } }) {
  await open('queues');
  await page.click('button:has-text("Declare a queue")');
  await page.selectOption('dialog [name=vhost]', EVIL);
  await page.fill('dialog [name=name]', `${EVIL}3`);
  await page.fill('dialog [name=arguments]', `${EVIL.replace(':', '')}: ${EVIL}`);
  await page.click('dialog >> button:has-text("Declare")');
  await page.waitForSelector(`main td a:text-is("${`${EVIL}3`.replaceAll('"', '\\"')}")`);
  await open('routes');
  await page.selectOption('[name=vhost]', EVIL);
  await page.fill('[name=exchange]', EVIL);
  await page.fill('[name=key]', EVIL);
  await page.click('main >> button:has-text("Test")');
  await page.waitForSelector('text=2 queues');
  await open('publish');
  await page.selectOption('[name=vhost]', EVIL);
  await page.fill('[name=exchange]', `${EVIL} missing`);
  await page.fill('[name=payload]', EVIL);
  await page.click('main >> button:has-text("Publish")');
  await page.waitForSelector('.notice.failed:has-text("onerror")');
  await page.fill('[name=exchange]', EVIL);
  await page.fill('[name=key]', EVIL);
  await page.click('main >> button:has-text("Publish")');
  await page.waitForSelector('.notice:has-text("Published to <img")');
  await open('definitions');
  const file = { queues: [{ name: `${EVIL}4`, vhost: EVIL, arguments: { [EVIL]: EVIL } }], policies: [{ name: EVIL, vhost: EVIL, pattern: EVIL, definition: { [EVIL]: EVIL } }] };
  await page.setInputFiles('[name=file]', { name: `${EVIL}.json`, mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) });
  await page.click('button:has-text("Compare")');
  await page.waitForSelector('h2:has-text("Comparison")');
  await check();
}

async function logged({ page: { page, open, check }, broker }) {
  await open('log');
  await broker.api('GET', '/api/whoami', undefined, { user: `${EVIL}:x`, expect: false });
  await page.waitForSelector('.log li:has-text("onerror")');
  await check();
}

export const checks = {
  'hostile names: shown as text everywhere': shown,
  'hostile names: written into forms': written,
  'hostile names: in the log': logged,
};

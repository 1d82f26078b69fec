// Opens and uses every page of a broker in a browser: node test.mjs --binary PATH [CHECK...]

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { newPage, startBrowser } from './browser.mjs';
import { startBroker } from './broker.mjs';
import { checks as accessChecks } from './checks/access.mjs';
import { checks as definitionChecks } from './checks/definitions.mjs';
import { checks as hostileChecks } from './checks/hostile.mjs';
import { checks as lookChecks } from './checks/look.mjs';
import { checks as messageChecks } from './checks/messages.mjs';
import { checks as settingChecks } from './checks/settings.mjs';
import { client, evil, PERSON, shop } from './fixtures.mjs';

const { values, positionals } = parseArgs({ options: { binary: { type: 'string' } }, allowPositionals: true });
if (!values.binary) throw new Error('usage: test.mjs --binary PATH [CHECK...]');

const all = { ...accessChecks, ...messageChecks, ...settingChecks, ...definitionChecks, ...lookChecks, ...hostileChecks };
const chosen = Object.entries(all).filter(([name]) => positionals.length === 0 || positionals.some((part) => name.includes(part)));

const broker = await startBroker(values.binary);
let browser = null;
let consumer = null;
let failed = 0;
try {
  browser = await startBrowser(existsSync);
  await shop(broker);
  await evil(broker);
  consumer = await client(broker);
  await broker.api('PUT', `/api/users/${PERSON.name}`, { password: PERSON.password, tags: 'management' });
  await broker.api('PUT', `/api/permissions/%2F/${PERSON.name}`, { configure: '', write: '', read: '.*' });
  // One sign-in serves the checks that are not about signing in.
  const page = await newPage(browser, broker, { login: ['guest', 'guest'] });
  for (const [name, check] of chosen) {
    const started = Date.now();
    try {
      await check({ broker, browser, page, newPage: (options) => newPage(browser, broker, options) });
      await page.check();
      console.log(`ok      ${name} (${Date.now() - started} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${error.message.split('\n').slice(0, 4).join(' | ')}`);
      await page.check().catch(() => {});
    }
  }
  await page.close();
} finally {
  await consumer?.close().catch(() => {});
  await browser?.close();
  await broker.stop();
}
console.log(`${chosen.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && chosen.length > 0 ? 0 : 1;

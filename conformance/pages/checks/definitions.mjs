// Definitions out and in.

import { readFile } from 'node:fs/promises';
import { equal, includes } from './expect.mjs';

async function download({ page: { page, open } }) {
  await open('definitions');
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("Download")')]);
  const document = JSON.parse(await readFile(await file.path(), 'utf8'));
  equal(document.queues.some((queue) => queue.name === 'billing'), true, 'billing in the file');
}

async function compare({ page: { page, open }, broker }) {
  const file = {
    vhosts: [{ name: '/' }],
    queues: [
      { name: 'imported', vhost: '/', durable: true, auto_delete: false, arguments: {} },
      { name: 'billing', vhost: '/', durable: true, auto_delete: false, arguments: { 'x-max-length': 1 } },
    ],
    policies: [],
  };
  const choose = async (document) => {
    await open('definitions');
    await page.setInputFiles('[name=file]', { name: 'file.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(document)) });
    await page.click('button:has-text("Compare")');
    await page.waitForSelector('h2:has-text("Comparison")');
  };
  await choose(file);
  const text = await page.textContent('main');
  for (const part of ['imported', 'new', 'conflict', 'x-max-length']) includes(text, part, 'the comparison');
  equal((await broker.api('GET', '/api/queues')).some((queue) => queue.name === 'imported'), false, 'imported before anybody said so');
  file.queues.pop();
  await choose(file);
  await page.click('main >> button:text-is("Import")');
  await page.waitForSelector('.notice:has-text("Imported")');
  await broker.api('GET', '/api/queues/%2F/imported');
  await choose(file);
  await page.waitForSelector('text=The file brings nothing new');
  await broker.api('DELETE', '/api/queues/%2F/imported');
}

async function noFile({ page: { page, open } }) {
  await open('definitions');
  await page.setInputFiles('[name=file]', { name: 'file.json', mimeType: 'application/json', buffer: Buffer.from('no json') });
  await page.click('button:has-text("Compare")');
  await page.waitForSelector('.notice.failed');
}

export const checks = {
  'definitions: download': download,
  'definitions: compare, then import': compare,
  'definitions: a file that is none': noFile,
};

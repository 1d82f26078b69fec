// Keyboard, narrow screens, themes, states.

import { equal, eventually, isTrue } from './expect.mjs';

export const PAGES = [
  'overview', 'queues', 'queues/%2F/billing', 'queues/%2F/shipping/messages', 'queues/%2F/billing/bindings', 'queues/%2F/billing/publish', 'exchanges',
  'exchanges/%2F/orders', 'publish', 'routes', 'dead-letters', 'dead-letters/%2F/dead', 'connections', 'channels', 'vhosts', 'users', 'users/guest',
  'policies', 'definitions', 'log',
];

// From the address bar to a deleted queue without a mouse.
async function keyboard({ newPage, broker }) {
  await broker.api('PUT', '/api/queues/%2F/keys', {});
  const one = await newPage();
  const { page } = one;
  const { keyboard } = page;
  const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.name || '');
  const tabTo = async (words, most = 60) => {
    for (let step = 0; step < most; step += 1) {
      if ((await focused()).trim() === words) return;
      await keyboard.press('Tab');
    }
    throw new Error(`Tab never came to ${words}`);
  };
  await page.goto(`${broker.url}/`);
  await page.waitForSelector('[name=user]');
  equal(await focused(), 'user', 'the focus at first');
  await keyboard.type('guest');
  await keyboard.press('Tab');
  await keyboard.type('guest');
  await keyboard.press('Enter');
  await page.waitForSelector('main h1:has-text("Overview")');
  await page.reload();
  await page.waitForSelector('main h1:has-text("Overview")');
  await keyboard.press('Tab');
  equal(await focused(), 'Skip to the content', 'the first thing that Tab comes to');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  equal(outline, 'solid', 'the ring around what has the focus');
  await tabTo('Queues');
  await keyboard.press('Enter');
  await page.waitForSelector('main h1:has-text("Queues")');
  await tabTo('keys');
  await keyboard.press('Enter');
  await page.waitForSelector('main h1:has-text("keys")');
  await tabTo('Delete');
  await keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  for (let step = 0; step < 8; step += 1) {
    await keyboard.press('Tab');
    const inside = await page.evaluate(() => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog')));
    isTrue(inside, 'the focus left the dialog');
  }
  await keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  equal((await focused()).trim(), 'Delete', 'the focus after Escape');
  await keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await tabTo('Delete', 6);
  await keyboard.press('Enter');
  await page.waitForSelector('main h1:has-text("Queues")');
  await one.check();
  await one.close();
}

// A refresh must not take the focus away.
async function focusStays({ page: { page, open }, broker }) {
  await open('queues');
  await page.focus('main td a:has-text("dead")');
  const seen = page.waitForResponse((response) => response.url().includes('/api/queues?'));
  await broker.api('POST', '/api/exchanges/%2F/amq.default/publish', { routing_key: 'strays', payload: 'x', payload_encoding: 'string', properties: {} });
  await seen;
  await eventually(async () => (await page.textContent('tr:has-text("strays")')).includes('1'), 'the new depth');
  equal(await page.evaluate(() => document.activeElement.textContent), 'dead', 'what has the focus after a refresh');
  await broker.api('DELETE', '/api/queues/%2F/strays/contents');
}

async function phone({ newPage }) {
  const one = await newPage({ width: 360, height: 740, login: ['guest', 'guest'] });
  for (const place of PAGES) {
    await one.open(place);
    await settled(one.page);
    const over = await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    isTrue(over <= 0, `${place} is ${over} pixels too wide`);
  }
  await one.open('exchanges/%2F/orders');
  await one.page.waitForSelector('.graph .node text', { state: 'attached' });
  const size = await one.page.evaluate(() => Number.parseFloat(getComputedStyle(document.querySelector('.graph .node text')).fontSize));
  isTrue(size > 9, `names in drawings have ${size} pixels`);
  await one.open('overview');
  isTrue(!(await one.page.isVisible('nav[aria-label=Pages]')), 'the menu stands open');
  await one.page.click('summary:has-text("Menu")');
  await one.page.click('nav[aria-label=Pages] >> text=Queues');
  await one.page.waitForSelector('main h1:has-text("Queues")');
  await one.check();
  await one.close();
}

// Nothing loads any more.
export async function settled(page) {
  await page.waitForFunction(() => !document.querySelector('[aria-busy]') && !document.querySelector('main .state[role=status]'));
}

async function themes({ newPage }) {
  const one = await newPage({ dark: true, login: ['guest', 'guest'] });
  const back = () => one.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  equal(await back(), 'rgb(18, 22, 21)', 'the background with a dark system');
  await one.page.click('text=Dark / light');
  equal(await back(), 'rgb(246, 247, 246)', 'the background after a click');
  await one.page.reload();
  await one.page.waitForSelector('main h1:has-text("Overview")');
  equal(await back(), 'rgb(246, 247, 246)', 'the background after a reload');
  await one.check();
  await one.close();
}

async function named({ page: { page, open } }) {
  for (const place of PAGES) {
    await open(place);
    await settled(page);
    const nameless = await page.evaluate(() => {
      const name = (of) => of.getAttribute('aria-label') || of.textContent.trim() || of.labels?.[0]?.textContent.trim() || of.title;
      return [...document.querySelectorAll('button, a, input, select, textarea')].filter((of) => !name(of)).map((of) => of.outerHTML.slice(0, 120));
    });
    equal(nameless.join('; '), '', `controls without a name at ${place}`);
    equal(await page.locator('h1').count(), 1, `headings of the first level at ${place}`);
  }
}

async function missing({ page: { page, open, allow } }) {
  allow(/404/);
  await open('queues/%2F/never-was');
  await page.waitForSelector('.failure >> text=Not there');
  await page.waitForSelector('.failure >> text=Try again');
  await open('no-such-page');
  await page.waitForSelector('text=There is no such page');
}

export const checks = {
  'keyboard: from signing in to a deletion': keyboard,
  'keyboard: a refresh leaves the focus': focusStays,
  'phone: no page is too wide, the menu opens': phone,
  'themes: the system’s, or the chosen one': themes,
  'every control has a name': named,
  'what is missing is said': missing,
};

// Signing in and out, sessions that end, and who sees what.

import { PERSON } from '../fixtures.mjs';
import { equal, eventually, includes, isTrue } from './expect.mjs';

const SESSION = '/api/warren/session';

async function wrongPassword({ newPage, broker }) {
  const one = await newPage();
  one.allow(/401/);
  await one.page.goto(`${broker.url}/`);
  await one.signIn('guest', 'wrong');
  await one.page.waitForSelector('text=User or password is wrong');
  equal(await one.page.inputValue('[name=password]'), '', 'the password after a refusal');
  isTrue((await one.context.cookies()).length === 0, 'a refused login got a cookie');
  await one.signIn('guest', 'guest');
  await one.page.waitForSelector('main h1:has-text("Overview")');
  await one.check();
  await one.close();
}

async function cookie({ newPage }) {
  const one = await newPage({ login: ['guest', 'guest'] });
  const [found, ...others] = await one.context.cookies();
  equal(others.length, 0, 'further cookies');
  isTrue(found.httpOnly, 'the cookie is not HttpOnly');
  equal(found.sameSite, 'Strict', 'SameSite');
  isTrue(found.value.length >= 43, 'the token is short');
  equal(await one.page.evaluate(() => document.cookie), '', 'what scripts see of the cookie');
  await one.close();
}

// What a form or a script of another site could send with the cookie.
async function otherSites({ newPage, broker }) {
  const one = await newPage({ login: ['guest', 'guest'] });
  const [{ name, value }] = await one.context.cookies();
  const send = async (headers) => {
    const response = await fetch(`${broker.url}/api/queues/%2F/forged`, { method: 'PUT', body: '{}', headers: { cookie: `${name}=${value}`, ...headers } });
    return response.status;
  };
  equal(await send({}), 401, 'without the header');
  equal(await send({ 'x-warren-request': 'user', origin: 'http://evil.example' }), 401, 'from another origin');
  equal(await send({ 'x-warren-request': 'user', 'sec-fetch-site': 'cross-site' }), 401, 'as another site');
  equal(await send({ 'x-warren-request': 'user' }), 201, 'as the pages do');
  const preflight = await fetch(`${broker.url}/api/queues`, { method: 'OPTIONS', headers: { origin: 'http://evil.example', 'access-control-request-method': 'GET' } });
  equal(preflight.headers.get('access-control-allow-origin'), null, 'a preflight of another site');
  await broker.api('DELETE', '/api/queues/%2F/forged');
  await one.close();
}

async function headers({ broker }) {
  const index = await fetch(`${broker.url}/`);
  const policy = index.headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    includes(policy, part, 'the policy');
  }
  isTrue(!policy.includes('unsafe'), `the policy: ${policy}`);
  equal(index.headers.get('x-content-type-options'), 'nosniff', 'nosniff');
  equal(index.headers.get('referrer-policy'), 'no-referrer', 'referrer policy');
  const tag = index.headers.get('etag');
  const again = await fetch(`${broker.url}/`, { headers: { 'if-none-match': tag } });
  equal(again.status, 304, 'the same page again');
}

async function over({ newPage, broker }) {
  const one = await newPage({ login: ['guest', 'guest'] });
  one.allow(/401/);
  await one.open('queues/%2F/shipping');
  await one.page.waitForSelector('text=Oldest message');
  const [{ name, value }] = await one.context.cookies();
  await fetch(broker.url + SESSION, { method: 'DELETE', headers: { cookie: `${name}=${value}`, 'x-warren-request': 'user' } });
  // The stream of updates tells, or the next request.
  await one.page.waitForSelector('text=Your session is over');
  isTrue(one.page.url().endsWith('#/queues/%2F/shipping'), 'the place was forgotten');
  await one.signIn('guest', 'guest');
  await one.page.waitForSelector('main h1:has-text("shipping")');
  await one.check();
  await one.close();
}

async function signOut({ newPage, broker }) {
  const one = await newPage({ login: ['guest', 'guest'] });
  const [{ name, value }] = await one.context.cookies();
  await one.page.click('text=Sign out');
  await one.page.waitForSelector('text=You are signed out');
  const response = await fetch(`${broker.url}/api/whoami`, { headers: { cookie: `${name}=${value}` } });
  equal(response.status, 401, 'the token after signing out');
  equal((await one.context.cookies()).length, 0, 'cookies after signing out');
  await one.check();
  await one.close();
}

async function anotherPassword({ newPage, broker }) {
  await broker.api('PUT', '/api/users/changer', { password: 'one', tags: 'monitoring' });
  const one = await newPage({ login: ['changer', 'one'] });
  one.allow(/401/);
  await broker.api('PUT', '/api/users/changer', { password: 'two', tags: 'monitoring' });
  await one.page.waitForSelector('text=Your session is over');
  await one.close();
}

async function fewRights({ newPage }) {
  const one = await newPage({ login: [PERSON.name, PERSON.password] });
  one.allow(/401/);
  const nav = await one.page.textContent('nav[aria-label=Pages]');
  for (const hidden of ['Users', 'Policies', 'Definitions', 'Live log']) isTrue(!nav.includes(hidden), `${hidden} is shown`);
  includes(nav, 'Queues', 'the menu');
  await one.open('users');
  await one.page.waitForSelector('text=you may not see it');
  await one.open('queues');
  await one.page.click('main >> text=billing');
  await one.page.click('button:has-text("Delete")');
  await one.page.click('dialog >> button:has-text("Delete")');
  await eventually(async () => (await one.page.textContent('dialog .problem')).length > 0, 'the refusal');
  await one.page.keyboard.press('Escape');
  await one.check();
  await one.close();
}

export const checks = {
  'sign-in: a wrong password is refused and said': wrongPassword,
  'sign-in: the cookie is out of reach': cookie,
  'sign-in: other sites cannot use it': otherSites,
  'pages: policy, tags and headers': headers,
  'session: one that is over says so and comes back to its place': over,
  'session: signing out ends it': signOut,
  'session: another password ends it': anotherPassword,
  'rights: a user sees what it may': fewRights,
};

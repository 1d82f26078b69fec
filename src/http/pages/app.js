// The frame around the pages: who is signed in, where the address leads, what the broker says meanwhile.

import { get, post, remove } from './api.js';
import { fill, h } from './dom.js';
import * as live from './live.js';
import { routes } from './routes.js';
import { failure, hash, link } from './ui.js';
import { signIn } from './views/sign_in.js';

const app = document.getElementById('app');
const wide = matchMedia('(min-width: 60rem)');
const state = { session: null, vhosts: [], vhost: '', vitals: null };

let current = null;
let main = null;
let banner = null;
let dot = null;
let turn = 0;

function remember(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name) ?? '';
    localStorage.setItem(name, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  return value ?? '';
}

// What the address names: parts of the path, and the query behind it.
function address() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').filter(Boolean);
  const decoded = parts.map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { parts: decoded, query: new URLSearchParams(query) };
}

async function show() {
  if (!state.session) return;
  turn += 1;
  const own = turn;
  for (const box of document.querySelectorAll('dialog')) box.close();
  const { parts, query } = address();
  current?.leave?.();
  current = null;
  const name = parts[0] ?? 'overview';
  const route = routes.find((of) => of.name === name && allowed(of));
  for (const item of app.querySelectorAll('nav a')) {
    if (item.dataset.route === name) item.setAttribute('aria-current', 'page');
    else item.removeAttribute('aria-current');
  }
  if (!wide.matches) document.querySelector('.menu')?.removeAttribute('open');
  try {
    if (!route) throw new Error('There is no such page, or you may not see it.');
    const { view } = await route.load();
    if (own !== turn) return;
    current = view({ parts: parts.slice(1), query, state, reload: show });
    document.title = `${current.title} · Warren`;
    fill(main, h('div', { class: 'page-head' }, h('h1', { tabindex: '-1' }, current.heading ?? current.title), current.actions && h('div', { class: 'actions' }, current.actions)), current.node);
    // A page that was just loaded leaves the focus at its beginning, where the skip link is.
    if (own > 1 && document.activeElement === document.body) main.querySelector('h1').focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    fill(main, h('div', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Not available')), failure(error, show));
  }
}

const allowed = (route) => !route.needs || state.session[route.needs];

function frame() {
  main = h('main', { id: 'main', tabindex: '-1' });
  banner = h('div', { class: 'banner', role: 'alert', hidden: true });
  dot = h('span', { class: 'dot', title: 'waiting for updates' }, h('span', { class: 'unseen' }, 'waiting for updates'));
  const item = (route) => link(hash([route.name]), route.title, { 'data-route': route.name });
  const groups = [...new Set(routes.map((route) => route.group))];
  const nav = h(
    'nav',
    { 'aria-label': 'Pages' },
    groups.map((group) => {
      const items = routes.filter((route) => route.group === group && allowed(route)).map(item);
      return items.length > 0 && h('div', { class: 'nav-group' }, group && h('h2', null, group), items);
    }),
  );
  const select = h(
    'select',
    {
      'aria-label': 'Virtual host',
      on: {
        change: () => {
          state.vhost = select.value;
          remember('warren-vhost', state.vhost);
          show();
        },
      },
    },
    h('option', { value: '' }, 'All virtual hosts'),
    state.vhosts.map((vhost) => h('option', { value: vhost, selected: vhost === state.vhost }, vhost)),
  );
  const theme = h('button', { type: 'button', class: 'quiet', on: { click: () => dispatchEvent(new Event('toggletheme')) } }, 'Dark / light');
  const out = h('button', { type: 'button', class: 'quiet', on: { click: leave } }, 'Sign out');
  fill(
    app,
    h(
      'div',
      { class: 'frame' },
      h(
        'header',
        { class: 'top' },
        h('a', { class: 'brand', href: '#/overview' }, 'Warren'),
        h('span', { class: 'node' }, state.session.node, dot),
        select,
        h('span', { class: 'who' }, state.session.user),
        theme,
        out,
      ),
      h('details', { class: 'menu', open: wide.matches }, h('summary', null, 'Menu'), nav),
      h('div', { class: 'content' }, banner, main),
    ),
  );
}

// On a wide screen the menu always stands; on a narrow one it is opened.
wide.addEventListener('change', (event) => {
  const menu = document.querySelector('.menu');
  if (menu) menu.open = event.matches;
});

function heed(vitals) {
  state.vitals = vitals ?? state.vitals;
  const alarms = state.vitals?.alarms;
  const raised = Boolean(alarms && (alarms.memory || alarms.disk));
  banner.hidden = !raised;
  const words = raised ? `The broker is ${alarms.reason}: publishers are blocked, consumers go on.` : '';
  if (banner.textContent !== words) banner.textContent = words;
}

async function enter(session) {
  state.session = session;
  try {
    state.vhosts = (await get('/api/vhosts?columns=name')).map((vhost) => vhost.name);
  } catch {
    state.vhosts = [];
  }
  const kept = remember('warren-vhost');
  state.vhost = state.vhosts.includes(kept) ? kept : '';
  frame();
  live.start();
  await show();
}

function out(reason) {
  live.stop();
  current?.leave?.();
  current = null;
  state.session = null;
  turn += 1;
  for (const box of document.querySelectorAll('dialog')) box.remove();
  document.title = 'Sign in · Warren';
  fill(
    app,
    signIn(reason, async (user, password) => {
      await enter(await post('/api/warren/session', { user, password }));
    }),
  );
  app.querySelector('input')?.focus();
}

async function leave() {
  try {
    await remove('/api/warren/session');
  } catch {
    // The cookie is all that is left, and the broker forgets the session by itself.
  }
  out('You are signed out.');
}

live.on('tick', (data) => {
  if (!state.session) return;
  heed(data.vitals);
  current?.tick?.(data);
});
live.on('state', (how) => {
  if (!dot) return;
  dot.className = `dot ${how}`;
  const words = how === 'live' ? 'updates come live' : 'the broker does not answer; trying again';
  dot.title = words;
  dot.firstChild.textContent = words;
});
addEventListener('hashchange', show);
addEventListener('vhostschanged', async () => {
  state.vhosts = (await get('/api/vhosts?columns=name')).map((vhost) => vhost.name);
  frame();
  show();
});
addEventListener('sessionover', () => {
  if (state.session) out('Your session is over. Sign in to come back to where you were.');
});

try {
  const session = await get('/api/warren/session', { auto: true });
  if (session.user === null) out();
  else await enter(session);
} catch (error) {
  fill(app, failure(error, () => location.reload()));
}

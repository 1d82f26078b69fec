// One stream of updates for the whole page. It is closed while nobody sees the page: browsers allow few connections to
// one server, and those of hidden tabs would block the visible one.

import { get } from './api.js';

const RETRY_MS = 5_000;

const listeners = new Map();
let source = null;
let retry = null;
let wanted = false;
let log = null;

export function on(name, handler) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(handler);
  return () => listeners.get(name).delete(handler);
}

function tell(name, data) {
  for (const handler of listeners.get(name) ?? []) handler(data);
}

function close() {
  clearTimeout(retry);
  retry = null;
  source?.close();
  source = null;
}

function open() {
  close();
  if (!wanted || document.hidden) return;
  const url = log === null ? '/api/warren/live' : `/api/warren/live?log=true&from=${log}`;
  const stream = new EventSource(url);
  source = stream;
  stream.addEventListener('open', () => tell('state', 'live'));
  stream.addEventListener('tick', (event) => tell('tick', JSON.parse(event.data)));
  stream.addEventListener('log', (event) => {
    const data = JSON.parse(event.data);
    const last = data.lines.at(-1);
    if (last) log = last.number + 1;
    tell('log', data);
  });
  stream.addEventListener('over', () => {
    close();
    dispatchEvent(new Event('sessionover'));
  });
  stream.addEventListener('error', () => {
    if (source !== stream) return;
    close();
    tell('state', 'lost');
    retry = setTimeout(again, RETRY_MS);
  });
}

// An error tells no reason, so the session is looked at first.
async function again() {
  try {
    const session = await get('/api/warren/session', { auto: true });
    if (session.user === null) {
      dispatchEvent(new Event('sessionover'));
      return;
    }
  } catch {
    // The broker is away; the stream is tried again.
  }
  if (wanted && source === null) {
    open();
    // Pages go on without the stream, only less often.
    tell('tick', {});
  }
}

export function start() {
  wanted = true;
  open();
}

export function stop() {
  wanted = false;
  close();
}

// Lines of the log come too, from that number on, until the function that is given back is called.
export function followLog(from) {
  log = from;
  open();
  return () => {
    log = null;
    open();
  };
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    close();
  } else if (wanted) {
    open();
  }
});

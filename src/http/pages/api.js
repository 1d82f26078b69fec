// Requests to the API with the session's cookie. Every one carries a header that no other site can have a browser send.

export class ApiError extends Error {
  constructor(status, error, reason) {
    super(reason);
    this.status = status;
    this.error = error;
  }
}

// A path of the API; each part is encoded, so that a name may hold anything.
export function path(...parts) {
  return `/api/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

// The path of an exchange or a queue, or of something below it.
export const queuePath = (vhost, name, ...more) => path('queues', vhost, name, ...more);
export const exchangePath = (vhost, name, ...more) => path('exchanges', vhost, name || 'amq.default', ...more);
export const warrenPath = (...parts) => path('warren', ...parts);

export function withQuery(base, query) {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(entries).toString();
  return text ? `${base}?${text}` : base;
}

// `auto` marks what a page asks by itself: it does not keep a session awake.
export async function request(method, url, { body, auto = false, headers = {}, signal } = {}) {
  const all = { accept: 'application/json', 'x-warren-request': auto ? 'auto' : 'user', ...headers };
  if (body !== undefined) all['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: all,
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'The broker does not answer.');
  }
  const text = await response.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch {
    data = null;
  }
  if (response.ok) return data;
  const error = new ApiError(response.status, data?.error ?? 'error', data?.reason ?? `HTTP ${response.status}`);
  if (response.status === 401 && error.error === 'not_logged_in' && url !== '/api/warren/session') {
    dispatchEvent(new Event('sessionover'));
  }
  throw error;
}

export const get = (url, options) => request('GET', url, options);
export const post = (url, body, options) => request('POST', url, { body, ...options });
export const put = (url, body, options) => request('PUT', url, { body, ...options });
export const remove = (url, options) => request('DELETE', url, options);

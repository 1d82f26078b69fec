// One message, folded: its place and the beginning of its body; unfolded: everything.

import { h } from './dom.js';
import { bytes, date, exchangeName, span } from './format.js';
import { badge, facts, pairs } from './ui.js';

const EXCERPT = 120;

export function messageView(message, { now = Date.now(), extra = [], more } = {}) {
  const properties = Array.isArray(message.properties) ? {} : (message.properties ?? {});
  const { headers, ...others } = properties;
  const text = message.payload_encoding === 'string';
  const excerpt = text ? message.payload.slice(0, EXCERPT) : `${bytes(message.payload_bytes)} of no text`;
  return h(
    'details',
    { class: 'message', 'data-key': `message:${message.position}` },
    h(
      'summary',
      null,
      message.position !== undefined && h('b', null, `#${message.position}`),
      h('span', { class: 'excerpt' }, excerpt || '(empty)'),
      h('span', { class: 'faint' }, message.routing_key),
      message.enqueued_at && h('span', { class: 'faint' }, span(now - message.enqueued_at)),
      message.reason && badge(message.reason),
      message.redelivered && badge('redelivered', 'warn'),
    ),
    h(
      'div',
      { class: 'message-detail' },
      facts([
        ['Exchange', exchangeName(message.exchange)],
        ['Routing key', message.routing_key || '(empty)'],
        ['Size', bytes(message.payload_bytes)],
        ['Came', date(message.enqueued_at)],
        ['Expires', message.expires_at && date(message.expires_at)],
        ['Delivered before', message.delivery_count > 0 ? `${message.delivery_count} times returned` : null],
        ...extra,
      ]),
      h('div', null, h('h3', null, 'Properties'), pairs(others)),
      h('div', null, h('h3', null, 'Headers'), pairs(headers)),
      h('div', null, h('h3', null, text ? 'Body' : 'Body in base64'), payload(message)),
      more,
    ),
  );
}

function payload(message) {
  const shown = message.payload_encoding === 'string' ? pretty(message.payload) : message.payload;
  const whole = message.payload_encoding === 'string' ? new TextEncoder().encode(message.payload).length : Math.floor((message.payload.length * 3) / 4);
  const cut = whole + 2 < message.payload_bytes;
  return [h('pre', { class: 'payload', tabindex: '0' }, shown || '(empty)'), cut && h('small', null, `The first ${bytes(whole)} of ${bytes(message.payload_bytes)}.`)];
}

// JSON is set out in lines, anything else stays as it is.
function pretty(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

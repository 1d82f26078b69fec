// Looks at the messages that wait in a queue without taking any: order, flags and counts stay as they are.

import { get, warrenPath, withQuery } from './api.js';
import { h } from './dom.js';
import { count } from './format.js';
import { messageView } from './message_view.js';
import { button, empty, field, note, panel, search } from './ui.js';

const TRUNCATE = 50_000;

export function browser({ vhost, name }) {
  let position = 0;
  let size = 20;
  const inputs = [
    field('From position', 'position', { kind: 'number', min: '0', value: '0' }),
    field('How many', 'count', { kind: 'number', min: '1', max: '500', value: '20' }),
  ];
  const look = search('Look', inputs, async (data) => {
    position = Math.max(0, Number(data.get('position')) || 0);
    size = Math.min(500, Math.max(1, Number(data.get('count')) || 20));
    const url = withQuery(warrenPath('queues', vhost, name, 'messages'), { position, count: size, truncate: TRUNCATE });
    const messages = await get(url);
    where.textContent = messages.length > 0 ? `#${count(position)} to #${count(position + messages.length - 1)}` : '';
    back.disabled = position === 0;
    next.disabled = messages.length < size;
    if (messages.length === 0) return empty(position === 0 ? 'No message waits in this queue.' : 'The queue has no message here.');
    return messages.map((message) => messageView(message));
  });
  const go = (to) => {
    look.form.elements.position.value = Math.max(0, to);
    look.form.requestSubmit();
  };
  const where = h('span', { class: 'faint' });
  const back = button('Towards the head', () => go(position - size));
  const next = button('Further back', () => go(position + size));
  look.form.append(back, next, where);
  return {
    node: panel('Messages that wait', [note('Looking takes nothing: messages keep their places, and consumers get them as ever. 0 is the head.'), look.form, look.results]),
    reload: look.reload,
  };
}

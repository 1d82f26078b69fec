// Looks at the messages that wait in a queue without taking any: order, flags and counts stay as they are.

import { get, warrenPath, withQuery } from './api.js';
import { fill, h } from './dom.js';
import { count } from './format.js';
import { messageView } from './message_view.js';
import { button, empty, failure, field, loading, note, panel } from './ui.js';

const TRUNCATE = 50_000;

export function browser({ vhost, name }) {
  const results = h('div', { 'aria-live': 'polite' }, loading());
  let position = 0;
  let size = 20;
  let shown = 0;
  const load = async () => {
    try {
      const url = withQuery(warrenPath('queues', vhost, name, 'messages'), { position, count: size, truncate: TRUNCATE });
      const messages = await get(url);
      shown = messages.length;
      fill(results, messages.length > 0 ? messages.map((message) => messageView(message)) : empty(position === 0 ? 'No message waits in this queue.' : 'The queue has no message here.'));
      where.textContent = messages.length > 0 ? `#${count(position)} to #${count(position + messages.length - 1)}` : '';
      back.disabled = position === 0;
      next.disabled = shown < size;
    } catch (error) {
      fill(results, failure(error, load));
    }
  };
  const go = (to) => {
    position = Math.max(0, to);
    form.elements.position.value = position;
    load();
  };
  const where = h('span', { class: 'faint' });
  const back = button('Towards the head', () => go(position - size));
  const next = button('Further back', () => go(position + size));
  const form = h(
    'form',
    {
      class: 'row',
      on: {
        submit: (event) => {
          event.preventDefault();
          size = Math.min(500, Math.max(1, Number(form.elements.count.value) || 20));
          go(Number(form.elements.position.value) || 0);
        },
      },
    },
    field('From position', 'position', { kind: 'number', min: '0', value: '0' }),
    field('How many', 'count', { kind: 'number', min: '1', max: '500', value: '20' }),
    h('button', { type: 'submit', class: 'primary' }, 'Look'),
    back,
    next,
    where,
  );
  load();
  return {
    node: panel('Messages that wait', [note('Looking takes nothing: messages keep their places, and consumers get them as ever. 0 is the head.'), form, results]),
    reload: load,
  };
}

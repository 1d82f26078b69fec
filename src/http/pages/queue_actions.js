// What can be done to a queue.

import { get, path, post, put, queuePath, remove, warrenPath, withQuery } from './api.js';
import { h } from './dom.js';
import { count } from './format.js';
import { act, ask, button, dialog, field, hash, note, notice } from './ui.js';

export function actions({ vhost, name }, context, reload) {
  const pause = button('Pause', async () => {
    const queue = await act(pause, () => get(queuePath(vhost, name)));
    if (!queue) return;
    const paused = queue.state === 'paused';
    const url = warrenPath('queues', vhost, name, 'pause');
    await act(pause, () => (paused ? remove(url) : put(url)), paused ? 'The queue goes on.' : 'The queue is paused: it hands nothing out until it is resumed.');
    label();
    reload();
  });
  const label = async () => {
    try {
      const queue = await get(queuePath(vhost, name), { auto: true });
      pause.textContent = queue.state === 'paused' ? 'Resume' : 'Pause';
    } catch {
      // The page says so.
    }
  };
  label();
  return [
    pause,
    button('Purge', async () => (await purge(vhost, name)) && reload()),
    button('Move', async () => (await move(vhost, name)) && reload()),
    button('Delete', () => drop(vhost, name), { class: 'danger' }),
  ];
}

async function purge(vhost, name) {
  return dialog({
    title: 'Purge',
    confirm: 'Purge',
    danger: true,
    body: [
      h('p', null, 'Removes messages that wait, the oldest first. They are gone for good; those that consumers hold stay.'),
      field('How many', 'count', { kind: 'number', min: '1', hint: 'Empty for all.' }),
    ],
    submit: async (data) => {
      const wanted = data.get('count');
      const url = warrenPath('queues', vhost, name, 'messages');
      const { purged } = await remove(withQuery(url, { count: wanted }));
      notice(`${count(purged)} messages were removed.`);
    },
  });
}

async function move(vhost, name) {
  return dialog({
    title: 'Move messages',
    confirm: 'Move',
    body: [
      note('The oldest messages that wait go to the end of another queue, as they are. Each is on its way in one of the two queues at any time; after a crash it may be in both.'),
      field('To queue', 'to', { required: true, hint: `in ${vhost}` }),
      field('How many', 'count', { kind: 'number', min: '1', hint: 'Empty for all that wait now.' }),
    ],
    submit: async (data) => {
      const wanted = data.get('count') ? Number(data.get('count')) : undefined;
      const { moved } = await post(warrenPath('queues', vhost, name, 'moves'), { to: data.get('to'), count: wanted });
      notice(`${count(moved)} messages were moved to ${data.get('to')}.`);
    },
  });
}

async function drop(vhost, name) {
  const queue = await get(queuePath(vhost, name)).catch(() => null);
  const holds = queue ? `It holds ${count(queue.messages)} messages and has ${count(queue.consumers)} consumers. ` : '';
  const done = await ask(`Delete ${name}?`, `${holds}Its messages and its bindings go with it.`, 'Delete', async () => {
    await remove(path('queues', vhost, name));
    notice(`${name} was deleted.`);
  });
  if (done) location.hash = hash(['queues']);
}

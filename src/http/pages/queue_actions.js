// What can be done to a queue.

import { get, path, post, put, queuePath, remove, warrenPath, withQuery } from './api.js';
import { h } from './dom.js';
import { count, plural } from './format.js';
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
      const url = warrenPath('dead-letters', vhost, name, 'contents');
      const { purged } = await remove(withQuery(url, { limit: data.get('count') }));
      notice(`${plural(purged, 'message')} removed.`);
    },
  });
}

// Messages are taken and published again as dead letters are that are replayed, none lost on the way.
async function move(vhost, name) {
  const found = await dialog({
    title: 'Move messages',
    confirm: 'Move',
    body: [
      note('The oldest messages that wait go to the end of another queue. Each leaves this queue once the other has it; after a crash it may be in both.'),
      field('To queue', 'to', { required: true, hint: `in ${vhost}` }),
      field('How many', 'count', { kind: 'number', min: '1', hint: 'Empty for all that wait now.' }),
    ],
    submit: async (data) => {
      const to = data.get('to');
      if (to === name) throw new Error('That is this queue.');
      await get(queuePath(vhost, to)).catch((error) => {
        throw error.status === 404 ? new Error(`There is no queue ${to} in ${vhost}.`) : error;
      });
      const body = { exchange: '', routing_key: to };
      if (data.get('count')) body.limit = Number(data.get('count'));
      return { to, id: (await post(warrenPath('dead-letters', vhost, name, 'replays'), body)).id };
    },
  });
  if (!found) return false;
  const done = await ended(warrenPath('dead-letters', vhost, name, 'replays', found.id));
  if (done.state === 'done') notice(`${plural(done.replayed, 'message')} moved to ${found.to}.`);
  else notice(`${done.state} after ${plural(done.replayed, 'message')}. ${done.error ?? ''}`, 'failed');
  return true;
}

// The last word of a replay, which goes on by itself; a long one is asked after less and less often.
export async function ended(url, told = () => true) {
  for (let wait = 200; ; wait = Math.min(2_000, wait * 1.5)) {
    const found = await get(url, { auto: true });
    if (!told(found) || found.state !== 'running') return found;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
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

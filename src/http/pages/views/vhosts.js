// Virtual hosts.

import { path, put, remove } from '../api.js';
import { h } from '../dom.js';
import { count } from '../format.js';
import { list } from '../list.js';
import { ask, button, dialog, field, notice } from '../ui.js';

export function view({ state, query }) {
  const administrator = state.session.is_administrator;
  const changed = () => dispatchEvent(new Event('vhostschanged'));
  const drop = async (name) => {
    const done = await ask(`Delete the virtual host ${name}?`, 'Its queues with all messages, its exchanges, policies and permissions go with it, and its connections are closed.', 'Delete', async () => {
      await remove(path('vhosts', name));
      notice(`${name} was deleted.`);
    });
    if (done) changed();
  };
  const columns = [
    { key: 'name', label: 'Name', sort: true, cell: (of) => of.name },
    { key: 'description', label: 'Description', cell: (of) => of.description ?? '' },
    { key: 'messages_ready', label: 'Ready', sort: true, class: 'number', cell: (of) => count(of.messages_ready ?? 0) },
    { key: 'messages_unacknowledged', label: 'Unacked', sort: true, class: 'number', cell: (of) => count(of.messages_unacknowledged ?? 0) },
    { key: 'end', label: '', class: 'end', cell: (of) => administrator && button('Delete', () => drop(of.name), { class: 'small danger', 'data-key': `delete:${of.name}` }) },
  ];
  const vhosts = list({ url: '/api/vhosts', parts: ['vhosts'], query, columns, caption: 'Virtual hosts', none: 'You see no virtual host.', sort: 'name' });
  const add = async () => {
    const done = await dialog({
      title: 'Add a virtual host',
      confirm: 'Add',
      body: h('div', { class: 'fields' }, field('Name', 'name', { required: true }), field('Description', 'description')),
      submit: async (data) => {
        await put(path('vhosts', data.get('name')), { description: data.get('description') });
        // Without a permission even its maker could not work in it.
        await put(path('permissions', data.get('name'), state.session.user), { configure: '.*', write: '.*', read: '.*' });
      },
    });
    if (done) changed();
  };
  return { title: 'Virtual hosts', node: vhosts.node, tick: vhosts.tick, actions: administrator && [button('Add a virtual host', add, { class: 'primary' })] };
}

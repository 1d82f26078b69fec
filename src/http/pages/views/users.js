// Users, their tags and what they may do where.

import { get, path, put, remove } from '../api.js';
import { h } from '../dom.js';
import { list } from '../list.js';
import { act, ask, badge, button, dialog, field, hash, link, note, notice, panel, resource, table } from '../ui.js';

const TAGS = [
  ['administrator', 'may do everything here'],
  ['monitoring', 'sees everything of everybody'],
  ['policymaker', 'may set policies and parameters'],
  ['management', 'may use these pages for its own virtual hosts'],
];

const tagsOf = (user) => (Array.isArray(user.tags) ? user.tags : String(user.tags ?? '').split(',').filter(Boolean));

export function view(context) {
  if (context.parts.length > 0) return one(context);
  const columns = [
    { key: 'name', label: 'Name', sort: true, cell: (of) => link(hash(['users', of.name]), of.name) },
    { key: 'tags', label: 'Tags', cell: (of) => tagsOf(of).map((tag) => badge(tag)) },
    { key: 'password', label: 'Password', cell: (of) => (of.password_hash ? 'set' : badge('none', 'warn')) },
  ];
  const users = list({ url: '/api/users', parts: ['users'], query: context.query, columns, caption: 'Users', none: 'There are no users.', sort: 'name' });
  const add = async () => {
    const done = await dialog({
      title: 'Add a user',
      confirm: 'Add',
      body: [field('Name', 'name', { required: true }), field('Password', 'password', { kind: 'password', required: true, autocomplete: 'new-password' }), tagFields([])],
      submit: (data) => put(path('users', data.get('name')), { password: data.get('password'), tags: data.getAll('tag').join(',') }),
    });
    if (done) users.reload();
  };
  return { title: 'Users', node: users.node, actions: [button('Add a user', add, { class: 'primary' })] };
}

function tagFields(given) {
  return h(
    'fieldset',
    null,
    h('legend', null, 'Tags'),
    TAGS.map(([tag, hint]) => field(tag, 'tag', { kind: 'checkbox', value: given.includes(tag), hint })).map((label, at) => {
      label.querySelector('input').value = TAGS[at][0];
      return label;
    }),
  );
}

function one({ parts: [name], state }) {
  const load = async ({ auto }) => {
    const [user, permissions, topics] = await Promise.all([
      get(path('users', name), { auto }),
      get(path('users', name, 'permissions'), { auto }),
      get(path('users', name, 'topic-permissions'), { auto }),
    ]);
    return { user, permissions, topics };
  };
  const shown = resource(
    load,
    ({ user, permissions, topics }) => [
      panel('Tags', tagsOf(user).length > 0 ? h('p', null, tagsOf(user).map((tag) => badge(tag))) : note('None: this user may use AMQP, and not these pages.'), [
        button('Change tags', () => tags(user)),
        button('Set password', () => password(user)),
      ]),
      panel('Permissions', [
        table('Permissions', permissionColumns(), permissions, 'This user may enter no virtual host.'),
        permissionForm(state, (data) => put(path('permissions', data.get('vhost'), name), { configure: data.get('configure'), write: data.get('write'), read: data.get('read') })),
      ]),
      panel('Topic permissions', [
        table('Topic permissions', topicColumns(), topics, 'Routing keys are not restricted.'),
        topicForm(state, (data) => put(path('topic-permissions', data.get('vhost'), name), { exchange: data.get('exchange'), write: data.get('write'), read: data.get('read') })),
      ]),
    ],
    { live: false },
  );
  const clear = (url, key) => {
    const away = button('Clear', async () => (await act(away, () => remove(url), 'Cleared.')) && shown.reload(), { class: 'small', 'data-key': `clear:${key}` });
    return away;
  };
  const permissionColumns = () => [
    { label: 'Virtual host', cell: (of) => of.vhost },
    { label: 'Configure', cell: (of) => h('code', null, of.configure) },
    { label: 'Write', cell: (of) => h('code', null, of.write) },
    { label: 'Read', cell: (of) => h('code', null, of.read) },
    { label: '', class: 'end', cell: (of) => clear(path('permissions', of.vhost, name), of.vhost) },
  ];
  const topicColumns = () => [
    { label: 'Virtual host', cell: (of) => of.vhost },
    { label: 'Exchange', cell: (of) => of.exchange },
    { label: 'Write', cell: (of) => h('code', null, of.write) },
    { label: 'Read', cell: (of) => h('code', null, of.read) },
    { label: '', class: 'end', cell: (of) => clear(path('topic-permissions', of.vhost, name), `${of.vhost} ${of.exchange}`) },
  ];
  const save = (work) => async (event) => {
    event.preventDefault();
    const go = event.target.querySelector('[type=submit]');
    const data = new FormData(event.target);
    if (await act(go, () => work(data), 'Saved.')) shown.reload();
  };
  const permissionForm = (of, work) =>
    h(
      'form',
      { class: 'form', on: { submit: save(work) } },
      h(
        'div',
        { class: 'fields' },
        field('Virtual host', 'vhost', { kind: of.vhosts, value: of.vhost || of.vhosts[0] }),
        field('Configure', 'configure', { value: '.*', hint: 'Names it may declare and delete.' }),
        field('Write', 'write', { value: '.*', hint: 'Names it may publish to.' }),
        field('Read', 'read', { value: '.*', hint: 'Names it may consume from.' }),
      ),
      h('div', { class: 'form-end' }, h('button', { type: 'submit' }, 'Set permission')),
    );
  const topicForm = (of, work) =>
    h(
      'form',
      { class: 'form', on: { submit: save(work) } },
      h(
        'div',
        { class: 'fields' },
        field('Virtual host', 'vhost', { kind: of.vhosts, value: of.vhost || of.vhosts[0] }),
        field('Exchange', 'exchange', { value: 'amq.topic' }),
        field('Write', 'write', { value: '.*', hint: 'Routing keys it may publish.' }),
        field('Read', 'read', { value: '.*', hint: 'Routing keys it may bind.' }),
      ),
      h('div', { class: 'form-end' }, h('button', { type: 'submit' }, 'Set topic permission')),
    );
  const tags = async (user) => {
    const done = await dialog({
      title: `Tags of ${name}`,
      confirm: 'Save',
      body: tagFields(tagsOf(user)),
      submit: (data) => put(path('users', name), { password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm, tags: data.getAll('tag').join(',') }),
    });
    if (done) shown.reload();
  };
  const password = async (user) => {
    const done = await dialog({
      title: `Password of ${name}`,
      confirm: 'Set',
      body: [field('New password', 'password', { kind: 'password', required: true, autocomplete: 'new-password' }), note('Sessions of these pages end with it. Connections that stand go on.')],
      submit: (data) => put(path('users', name), { password: data.get('password'), tags: tagsOf(user).join(',') }),
    });
    if (done) notice('The password is set.');
  };
  const drop = async () => {
    const done = await ask(`Delete the user ${name}?`, 'Its permissions go with it. It can no longer log in.', 'Delete', async () => {
      await remove(path('users', name));
      notice(`${name} was deleted.`);
    });
    if (done) location.hash = hash(['users']);
  };
  return { title: name, node: shown.node, actions: [button('Delete', drop, { class: 'danger' })] };
}

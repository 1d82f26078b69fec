// Policies, operator policies and limits.

import { get, path, put, remove } from '../api.js';
import { h } from '../dom.js';
import { act, badge, button, dialog, field, note, pairs, panel, PAIRS_HINT, readPairs, resource, table } from '../ui.js';

const LIMITS = {
  vhost: [
    ['max-connections', 'connections'],
    ['max-queues', 'queues'],
  ],
  user: [
    ['max-connections', 'connections'],
    ['max-channels', 'channels'],
  ],
};

export function view({ state }) {
  const within = (base) => (state.vhost ? path(base, state.vhost) : path(base));
  const sections = [
    policies('policies', 'Policies', 'Settings for every queue or exchange whose name matches. The one with the highest priority counts.', state),
    state.session.is_administrator && policies('operator-policies', 'Operator policies', 'Bounds that the policies of others cannot exceed.', state),
    limits('vhost', 'Limits of virtual hosts', state),
    state.session.is_administrator && limits('user', 'Limits of users', state),
  ].filter(Boolean);

  function policies(kind, title, words) {
    const shown = resource(({ auto }) => get(within(kind), { auto }), (all) => table(title, columns(), all, 'There are none.'), { live: false });
    const columns = () => [
      { label: 'Virtual host', class: 'wide-only', cell: (of) => of.vhost },
      { label: 'Name', cell: (of) => of.name },
      { label: 'Pattern', cell: (of) => h('code', null, of.pattern) },
      { label: 'Applies to', cell: (of) => badge(of['apply-to']) },
      { label: 'Definition', cell: (of) => pairs(of.definition) },
      { label: 'Priority', class: 'number', cell: (of) => of.priority },
      { label: '', class: 'end', cell: (of) => [change(of), ' ', drop(of)] },
    ];
    const change = (of) => button('Change', () => edit(kind, of, state, shown.reload), { class: 'small', 'data-key': `change:${kind}:${of.vhost}:${of.name}` });
    const drop = (of) => {
      const away = button('Delete', async () => (await act(away, () => remove(path(kind, of.vhost, of.name)), 'The policy is gone.')) && shown.reload(), { class: 'small danger', 'data-key': `delete:${kind}:${of.vhost}:${of.name}` });
      return away;
    };
    return panel(title, [note(words), shown.node], [button(kind === 'policies' ? 'Add a policy' : 'Add an operator policy', () => edit(kind, null, state, shown.reload))]);
  }

  return { title: 'Policies', node: h('div', null, sections) };
}

async function edit(kind, of, state, reload) {
  const lines = Object.entries(of?.definition ?? {}).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const done = await dialog({
    title: of ? `Change ${of.name}` : kind === 'policies' ? 'Add a policy' : 'Add an operator policy',
    confirm: 'Save',
    body: [
      h(
        'div',
        { class: 'fields' },
        field('Virtual host', 'vhost', { kind: of ? [of.vhost] : state.vhosts, value: of?.vhost ?? (state.vhost || state.vhosts[0]) }),
        field('Name', 'name', { required: true, value: of?.name, readonly: Boolean(of) }),
        field('Pattern', 'pattern', { required: true, value: of?.pattern, hint: 'A regular expression for names.' }),
        field('Applies to', 'to', { kind: kind === 'policies' ? ['all', 'queues', 'exchanges'] : ['queues'], value: of?.['apply-to'] ?? 'queues' }),
        field('Priority', 'priority', { kind: 'number', value: of?.priority ?? 0 }),
      ),
      field('Definition', 'definition', { kind: 'textarea', value: lines.join('\n'), required: true, hint: `${PAIRS_HINT} Such as max-length: 1000.` }),
    ],
    submit: (data) =>
      put(path(kind, data.get('vhost'), data.get('name')), {
        pattern: data.get('pattern'),
        'apply-to': data.get('to'),
        priority: Number(data.get('priority')),
        definition: readPairs(data.get('definition')),
      }),
  });
  if (done) reload();
}

function limits(kind, title, state) {
  const base = `${kind}-limits`;
  const key = kind === 'vhost' ? 'vhost' : 'user';
  const shown = resource(({ auto }) => get(path(base), { auto }), (all) => {
    const rows = all.flatMap((of) => Object.entries(of.value).map(([name, value]) => ({ of: of[key], name, value })));
    return table(title, columns, rows, 'There are none.');
  }, { live: false });
  const columns = [
    { label: kind === 'vhost' ? 'Virtual host' : 'User', cell: (row) => row.of },
    { label: 'Limit', cell: (row) => row.name },
    { label: 'At most', class: 'number', cell: (row) => (row.value < 0 ? 'any number' : row.value) },
    {
      label: '',
      class: 'end',
      cell: (row) => {
        const away = button('Clear', async () => (await act(away, () => remove(path(base, row.of, row.name)), 'The limit is gone.')) && shown.reload(), { class: 'small', 'data-key': `clear:${kind}:${row.of}:${row.name}` });
        return away;
      },
    },
  ];
  const add = async () => {
    const done = await dialog({
      title: `Limit of a ${kind === 'vhost' ? 'virtual host' : 'user'}`,
      confirm: 'Set',
      body: h(
        'div',
        { class: 'fields' },
        kind === 'vhost' ? field('Virtual host', 'of', { kind: state.vhosts }) : field('User', 'of', { required: true }),
        field('Of its', 'name', { kind: LIMITS[kind] }),
        field('At most', 'value', { kind: 'number', required: true, hint: '-1 for any number.' }),
      ),
      submit: (data) => put(path(base, data.get('of'), data.get('name')), { value: Number(data.get('value')) }),
    });
    if (done) shown.reload();
  };
  return panel(title, shown.node, state.session.is_administrator && [button(`Set a limit of ${kind === 'vhost' ? 'virtual hosts' : 'users'}`, add)]);
}

// Definitions as a file: what is declared here goes out, and a file is compared with it before it comes in.

import { get, path, post, warrenPath, withQuery } from '../api.js';
import { fill, h } from '../dom.js';
import { count } from '../format.js';
import { act, badge, button, empty, field, note, notice, panel, table } from '../ui.js';

const KINDS = { add: ['new', 'ok'], change: ['changes', 'warn'], conflict: ['conflict', 'bad'] };

export function view({ state }) {
  const result = h('div', { 'aria-live': 'polite' });
  const vhosts = [['', 'all virtual hosts'], ...state.vhosts.map((vhost) => [vhost, vhost])];
  const what = field('What', 'of', { kind: vhosts, value: state.vhost });
  const into = field('Into', 'into', { kind: [['', 'where the file says'], ...state.vhosts.map((vhost) => [vhost, vhost])] });
  const file = field('File', 'file', { kind: 'file', accept: '.json,application/json', required: true });
  const foreign = field('For RabbitMQ', 'foreign', { kind: 'checkbox', hint: 'Without password hashes that it cannot read; it refuses a file that has one.' });
  const save = button('Download', () => act(save, () => download(what.querySelector('select').value, foreign.querySelector('input').checked)), { class: 'primary' });
  const compare = h('button', { type: 'submit', class: 'primary' }, 'Compare');
  const submit = async (event) => {
    event.preventDefault();
    const vhost = into.querySelector('select').value;
    fill(result);
    await act(compare, async () => {
      const text = await file.querySelector('input').files[0].text();
      const document = JSON.parse(text);
      const found = await post(withQuery(warrenPath('definitions', 'comparison'), { vhost }), document);
      fill(result, compared(found, () => bring(document, vhost, result)));
    });
  };
  return {
    title: 'Definitions',
    node: h(
      'div',
      null,
      h(
        'div',
        { class: 'columns' },
        panel('Download', [note('Users with the hashes of their passwords, virtual hosts, permissions, policies, exchanges, queues and bindings. No messages.'), h('div', { class: 'form' }, what, foreign, h('div', { class: 'form-end' }, save))]),
        panel('Import', [
          note('A file of this broker or of RabbitMQ. It is compared first; nothing changes until you say so, and nothing that stands here is deleted.'),
          h('form', { class: 'form', on: { submit } }, file, into, h('div', { class: 'form-end' }, compare)),
        ]),
      ),
      result,
    ),
  };
}

async function download(vhost, forRabbit) {
  const definitions = await get(vhost ? path('definitions', vhost) : withQuery('/api/definitions', { for: forRabbit ? 'rabbitmq' : '' }));
  const blob = new Blob([JSON.stringify(definitions, null, 2)], { type: 'application/json' });
  const url = URL.createObjectURL(blob);
  const anchor = h('a', { href: url, download: 'definitions.json' });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  URL.revokeObjectURL(url);
}

function compared(found, bringIn) {
  const columns = [
    { label: '', cell: (of) => badge(...KINDS[of.outcome]) },
    { label: 'Kind', cell: (of) => of.kind },
    { label: 'Vhost', class: 'wide-only', cell: (of) => of.vhost ?? '' },
    { label: 'Name', cell: (of) => of.name },
    {
      label: 'What differs',
      cell: (of) => of.fields?.map((field) => h('div', null, h('b', null, field.name), ' ', h('code', null, JSON.stringify(field.here)), ' → ', h('code', null, JSON.stringify(field.file)))) ?? '',
    },
  ];
  const of = (outcome) => found.items.filter((item) => item.outcome === outcome).length;
  const conflicts = of('conflict');
  const go = button('Import', () => act(go, bringIn), { class: 'primary', disabled: found.items.length === 0 });
  return panel('Comparison', [
    h('p', null, `${count(of('add'))} new, ${count(of('change'))} that change, ${count(conflicts)} in conflict; ${count(found.same)} are the same, ${count(found.only_here)} stand only here and stay.`),
    conflicts > 0 && h('p', { class: 'problem' }, 'A queue, exchange or binding that stands cannot be declared differently: the import would stop at the first conflict. Delete it here, or change the file.'),
    found.items.length > 0 ? table('Comparison', columns, found.items) : empty('The file brings nothing new.'),
    h('div', { class: 'form-end' }, go),
  ]);
}

async function bring(document, vhost, result) {
  const answer = await post(vhost ? path('definitions', vhost) : '/api/definitions', document);
  const skipped = answer?.skipped ?? [];
  notice(skipped.length > 0 ? `Imported, without ${skipped.map((of) => `${of.count} ${of.kind}`).join(', ')}.` : 'Imported.');
  fill(result);
  dispatchEvent(new Event('vhostschanged'));
}

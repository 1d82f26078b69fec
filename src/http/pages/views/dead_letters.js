// Dead letters: where they lie, how old they are, why they died, and sending them again with a look at it first.

import { get, post, remove, warrenPath, withQuery } from '../api.js';
import { fill, h } from '../dom.js';
import { count, date, exchangeName, plural, span } from '../format.js';
import { messageView } from '../message_view.js';
import { ended } from '../queue_actions.js';
import { act, ask, badge, button, empty, failure, field, hash, link, note, notice, panel, queueLink, resource, search, table } from '../ui.js';

const REASONS = ['', 'rejected', 'expired', 'maxlen', 'delivery_limit'];
const SHOWN = 50;

const reasonsOf = (of) =>
  Object.entries(of.reasons ?? {})
    .filter(([, number]) => number > 0)
    .map(([reason, number]) => badge(`${reason} ${count(number)}`));

export function view(context) {
  if (context.parts.length > 1) return one(context);
  const { state } = context;
  const columns = [
    { label: 'Virtual host', class: 'wide-only', cell: (of) => of.vhost },
    { label: 'Queue', cell: (of) => link(hash(['dead-letters', of.vhost, of.name]), of.name) },
    { label: 'Messages', class: 'number', cell: (of) => count(of.messages) },
    { label: 'Oldest', class: 'number', cell: (of) => (of.oldest_age_ms === null ? '–' : span(of.oldest_age_ms)) },
    { label: 'Reasons', cell: (of) => [reasonsOf(of), of.reasons_sampled < of.messages && h('small', null, ` of the first ${count(of.reasons_sampled)}`)] },
    { label: 'From', cell: (of) => (of.sources ?? []).map((source) => h('div', null, queueLink(source.vhost, source.queue))) },
    { label: 'Alert', class: 'wide-only', cell: (of) => (of.alert ? badge(of.alert.raised ? 'raised' : 'set', of.alert.raised ? 'bad' : '') : '') },
  ];
  const url = state.vhost ? warrenPath('dead-letters', state.vhost) : warrenPath('dead-letters');
  const shown = resource(({ auto }) => get(url, { auto }), (all) => table('Queues with dead letters', columns, all, 'No queue gets dead letters: none is bound to a dead letter exchange of another.'));
  return { title: 'Dead letters', node: shown.node, tick: shown.tick };
}

function one({ parts: [vhost, name] }) {
  let filters = {};
  const base = warrenPath('dead-letters', vhost, name);
  const inputs = [
    field('Reason', 'reason', { kind: REASONS.map((reason) => [reason, reason || 'any']) }),
    field('Older than, in minutes', 'minutes', { kind: 'number', min: '0' }),
    field('Header', 'header', { placeholder: 'name:value' }),
  ];
  const { form, results, reload } = search('Show', inputs, async (data) => {
    filters = filtersOf(data);
    const letters = await get(withQuery(base, { ...filters, count: SHOWN }));
    return letters.length > 0 ? [letters.map(letter), letters.length === SHOWN && note(`The first ${SHOWN}.`)] : empty('No dead letter matches.');
  });
  const purge = async () => {
    const words = Object.keys(filters).length > 0 ? 'All that match the filters are removed for good.' : 'All dead letters of this queue are removed for good.';
    const done = await ask('Purge dead letters?', words, 'Purge', async () => {
      const { purged } = await remove(withQuery(`${base}/contents`, filters));
      notice(`${plural(purged, 'dead letter')} removed.`);
    });
    if (done) reload();
  };
  return {
    title: name,
    heading: [name, h('small', null, ` in ${vhost}`)],
    node: h('div', null, panel('Dead letters', [form, results]), replay(base, () => filters, reload)),
    actions: [link(hash(['queues', vhost, name]), 'The queue', { class: 'button' }), button('Purge', purge, { class: 'danger' })],
  };
}

function filtersOf(data) {
  const filters = {};
  if (data.get('reason')) filters.reason = data.get('reason');
  if (data.get('minutes')) filters.older_than_ms = Number(data.get('minutes')) * 60_000;
  if (data.get('header')) filters.header = data.get('header');
  return filters;
}

function letter(of) {
  const target = of.replay_to;
  const words = target ? `${exchangeName(target.exchange)}, key ${target.routing_key}` : 'nowhere: it does not say where it came from';
  return messageView(of, {
    extra: [
      ['Died because', of.reason],
      ['First died in', of.first_queue],
      ['Came there from', of.first_exchange === undefined ? null : exchangeName(of.first_exchange)],
      ['With the key', of.first_routing_key],
      ['Deaths', of.death_count],
      ['Age', Number.isFinite(of.age_ms) ? span(of.age_ms) : null],
      ['A replay goes to', words],
      ['Already in', of.already_in?.length > 0 ? of.already_in.join(', ') : null],
    ],
  });
}

function replay(base, filters, reload) {
  const result = h('div', { 'aria-live': 'polite' });
  const form = h(
    'form',
    { class: 'form', on: { submit: (event) => event.preventDefault() } },
    note('Sends dead letters again to where they first came from, or to an exchange that you name. The filters above count here too. Look at the preview first: it sends nothing.'),
    h(
      'div',
      { class: 'fields' },
      field('To exchange', 'exchange', { hint: 'Empty: where each came from.' }),
      field('With the key', 'routing_key', { hint: 'Empty: its first key.' }),
      field('At most', 'limit', { kind: 'number', min: '1' }),
      field('A second', 'rate_per_s', { kind: 'number', min: '1', hint: 'Empty: as fast as it goes.' }),
    ),
  );
  const body = (dry) => {
    const data = new FormData(form);
    const wanted = { ...filters(), dry_run: dry };
    for (const name of ['exchange', 'routing_key']) if (data.get(name)) wanted[name] = data.get(name);
    for (const name of ['limit', 'rate_per_s']) if (data.get(name)) wanted[name] = Number(data.get(name));
    return wanted;
  };
  const preview = button('Preview', async () => {
    const found = await act(preview, () => post(`${base}/replays`, body(true)));
    if (found) fill(result, previewOf(found));
  });
  const go = button('Replay', async () => {
    const done = await ask('Replay?', 'The dead letters that match are published again, and leave this queue once they are placed.', 'Replay', async () => {
      const { id } = await post(`${base}/replays`, body(false));
      watch(`${base}/replays/${encodeURIComponent(id)}`, result, reload);
      return id;
    });
    return done;
  }, { class: 'primary' });
  form.append(h('div', { class: 'form-end' }, preview, go));
  return panel('Replay', [form, result]);
}

function previewOf(found) {
  const columns = [
    { label: 'Exchange', cell: (of) => exchangeName(of.exchange) },
    { label: 'Key', cell: (of) => of.routing_key },
    { label: 'Would go to', cell: (of) => (of.refused ? badge(of.refused, 'bad') : of.queues.length > 0 ? of.queues.join(', ') : badge('no queue: they stay', 'warn')) },
    { label: 'Messages', class: 'number', cell: (of) => count(of.messages) },
  ];
  const words = `${count(found.matched)} of ${count(found.total)} match: ${count(found.replayed)} would go, ${count(found.unroutable)} have nowhere to go, ${count(found.skipped)} would be skipped.`;
  return [h('p', null, words), table('Preview', columns, found.targets, 'Nothing would be sent.'), found.elsewhere > 0 && note(`${count(found.elsewhere)} would go to further places.`)];
}

// A replay goes on without us; we ask how far it is.
async function watch(url, result, reload) {
  const stop = button('Stop', () => act(stop, () => remove(url)));
  const show = (found) => {
    const words = `${found.state}: ${count(found.replayed)} of ${count(found.matched)} replayed, ${count(found.skipped)} skipped${found.partly > 0 ? ` (${count(found.partly)} of them taken by some of their queues)` : ''}, ${count(found.unroutable)} with nowhere to go`;
    fill(result, h('p', { class: 'row' }, words, h('small', null, `since ${date(found.started_at)}`), found.state === 'running' && stop), found.error && h('p', { class: 'problem' }, found.error));
    return result.isConnected;
  };
  try {
    await ended(url, show);
    reload();
  } catch (error) {
    fill(result, failure(error));
  }
}

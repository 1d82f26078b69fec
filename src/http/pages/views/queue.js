// One queue: depth and rates over the last hour, who consumes, where its dead letters go, and what can be done to it.

import { get, queuePath, withQuery } from '../api.js';
import { chart } from '../chart.js';
import { fill, h } from '../dom.js';
import { bytes, count, rate, short, span } from '../format.js';
import { bindings } from '../bindings.js';
import { deadLetterPath } from '../dead_letter_path.js';
import { badge, facts, hash, link, loading, pairs, panel, rangeSelect, resource, table } from '../ui.js';
import { levels, sampleQuery, speeds, upToNow } from '../samples.js';
import { browser } from '../message_browser.js';
import { publishForm } from '../publish_form.js';
import { actions } from '../queue_actions.js';
import { features } from './queues.js';

const TABS = [
  ['', 'Overview'],
  ['messages', 'Messages'],
  ['bindings', 'Bindings'],
  ['publish', 'Publish'],
];

export function view(context) {
  const [vhost, name, tab = ''] = context.parts;
  const tabs = h(
    'nav',
    { class: 'tabs', 'aria-label': 'Parts of the queue' },
    TABS.map(([of, label]) => link(hash(['queues', vhost, name, of].filter((part, at) => at < 3 || part)), label, { 'aria-current': of === tab ? 'page' : null })),
  );
  const place = { vhost, name };
  const shown = {
    '': () => overview(place, context),
    messages: () => browser(place, context),
    bindings: () => bindings({ vhost, destination: name, kind: 'queue' }, context),
    publish: () => ({ node: panel('Publish to this queue', publishForm({ vhost, exchange: '', key: name }, context)) }),
  }[tab]?.() ?? overview(place, context);
  return {
    title: name,
    heading: [name, h('small', null, ` in ${vhost}`)],
    node: h('div', null, tabs, shown.node),
    tick: shown.tick,
    actions: actions(place, context, () => shown.reload?.()),
  };
}

function overview({ vhost, name }) {
  const depth = chart('Messages', [{ label: 'ready' }, { label: 'unacked' }], short);
  const rates = chart('Messages a second', [{ label: 'published' }, { label: 'delivered' }, { label: 'acked' }, { label: 'redelivered' }], rate);
  const letters = h('div', null, loading());
  const range = rangeSelect(() => head.reload());
  let drawn = '';
  const load = async ({ auto }) => {
    const queue = await get(withQuery(queuePath(vhost, name), sampleQuery(range.value)), { auto });
    const stats = queue.message_stats ?? {};
    const depths = levels(queue.messages_ready_details, queue.messages_unacknowledged_details);
    depth.set(upToNow(depths, [queue.messages_ready, queue.messages_unacknowledged]));
    const flows = [stats.publish_details, stats.deliver_get_details, stats.ack_details, stats.redeliver_details];
    rates.set(upToNow(speeds(...flows), flows.map((of) => of?.rate)));
    const key = JSON.stringify([queue.arguments, queue.effective_policy_definition]);
    if (key !== drawn) {
      drawn = key;
      deadLetterPath(queue).then((node) => fill(letters, node));
    }
    return queue;
  };
  const head = resource(load, render);
  return {
    node: h(
      'div',
      null,
      head.node,
      h('div', { class: 'columns' }, panel('Messages in the queue', depth.node, range), panel('Messages a second', rates.node)),
      panel('Time to live and dead letters', letters),
    ),
    tick: head.tick,
    reload: head.reload,
  };
}

function render(queue) {
  const stats = queue.message_stats ?? {};
  const figure = (label, value, more) => h('div', { class: 'figure' }, h('dt', null, label), h('dd', null, value, more && h('small', { class: 'faint' }, more)));
  return h(
    'div',
    null,
    h(
      'dl',
      { class: 'figures' },
      figure('Ready', count(queue.messages_ready), bytes(queue.message_bytes_ready)),
      figure('Unacked', count(queue.messages_unacknowledged), bytes(queue.message_bytes_unacknowledged)),
      figure('Oldest message', queue.head_message_age_ms === null ? '–' : span(queue.head_message_age_ms), 'waits at the head'),
      figure('In', rate(stats.publish_details?.rate ?? 0), `${count(stats.publish ?? 0)} in all`),
      figure('Out', rate(stats.deliver_get_details?.rate ?? 0), `${count(stats.redeliver ?? 0)} redelivered`),
      figure('Acked', rate(stats.ack_details?.rate ?? 0), `${count(stats.ack ?? 0)} in all`),
      figure('Consumers', count(queue.consumers)),
    ),
    h(
      'div',
      { class: 'columns' },
      panel('Consumers', table('Consumers', CONSUMERS, queue.consumer_details ?? [], queue.messages_ready > 0 ? 'Nobody consumes, and messages wait.' : 'Nobody consumes.')),
      panel('Settings', [
        h('p', { class: 'row' }, features(queue)),
        h('h3', null, 'Arguments'),
        pairs(queue.arguments),
        h('h3', null, 'In force by policy'),
        pairs(queue.effective_policy_definition),
        facts([
          ['Policy', queue.policy],
          ['Operator policy', queue.operator_policy],
          ['Belongs to the connection', queue.owner_pid_details?.name],
        ]),
      ]),
    ),
  );
}

const CONSUMERS = [
  { label: 'Tag', cell: (of) => of.consumer_tag },
  { label: 'Channel', cell: (of) => of.channel_details?.name ?? '' },
  { label: 'User', class: 'wide-only', cell: (of) => of.channel_details?.user ?? '' },
  { label: 'Prefetch', class: 'number', cell: (of) => (of.prefetch_count ? count(of.prefetch_count) : 'none') },
  {
    label: 'Kind',
    cell: (of) => [of.ack_required ? badge('ack') : badge('no ack'), of.exclusive && badge('exclusive'), of.active === false ? badge('waits', 'warn') : null],
  },
];

// The broker at a glance: what flows, what waits, what is wrong.

import { get, withQuery } from '../api.js';
import { chart } from '../chart.js';
import { fill, h } from '../dom.js';
import { bytes, count, micros, plural, rate, short, span } from '../format.js';
import { levels, sampleQuery, speeds, upToNow } from '../samples.js';
import { badge, facts, failure, loading, note, panel, rangeSelect } from '../ui.js';

export function view({ state }) {
  const monitor = state.session.is_monitor;
  const figures = h('div', null, loading());
  const rates = chart('Messages a second', [{ label: 'published' }, { label: 'delivered' }, { label: 'acked' }, { label: 'redelivered' }], rate);
  const depth = chart('Messages in queues', [{ label: 'ready' }, { label: 'unacked' }], short);
  const latency = chart('Latency, 99 in 100 within', [{ label: 'sync to disk' }, { label: 'confirm' }], micros);
  const vitals = h('div');
  const range = rangeSelect(() => show(false));
  const node = h(
    'div',
    null,
    figures,
    h('div', { class: 'columns' }, panel('Messages a second', rates.node, range), panel('Messages in queues', depth.node), monitor && panel('Latency: 99 in 100 within', latency.node), monitor && h('div', null, vitals)),
    !monitor && note('What you see here is of your own virtual hosts. Disk, memory and latency are shown to users with the tag monitoring or administrator.'),
  );

  const show = async (auto, fresh) => {
    try {
      const [overview, whole, history] = await Promise.all([
        get(withQuery('/api/overview', sampleQuery(range.value)), { auto }),
        monitor ? (fresh ?? get('/api/warren/vitals', { auto })) : null,
        monitor ? get('/api/warren/vitals/history', { auto }) : null,
      ]);
      fill(figures, figuresOf(overview, whole));
      const stats = overview.message_stats ?? {};
      const flows = [stats.publish_details, stats.deliver_get_details, stats.ack_details, stats.redeliver_details];
      rates.set(upToNow(speeds(...flows), flows.map((of) => of?.rate)));
      const totals = overview.queue_totals;
      const depths = levels(totals.messages_ready_details, totals.messages_unacknowledged_details);
      depth.set(upToNow(depths, [totals.messages_ready, totals.messages_unacknowledged]));
      if (!monitor) return;
      latency.set([history.at, history.sync_p99_us, history.confirm_p99_us]);
      fill(vitals, vitalsOf(overview, whole));
    } catch (error) {
      if (!auto || error.status !== 0) fill(figures, failure(error, () => show(false)));
    }
  };
  show(false);
  return { title: 'Overview', node, tick: (data) => show(true, data?.vitals) };
}

function figure(name, value, more) {
  return h('div', { class: 'figure' }, h('dt', null, name), h('dd', null, value, more && h('small', { class: 'faint' }, more)));
}

function figuresOf(overview, vitals) {
  const totals = overview.queue_totals;
  const of = overview.object_totals;
  const stats = overview.message_stats;
  const per = (name) => stats[`${name}_details`]?.rate ?? 0;
  return h(
    'dl',
    { class: 'figures' },
    figure('Ready', short(totals.messages_ready), `${short(totals.messages_unacknowledged)} unacked`),
    figure('Published', rate(per('publish')), `${short(stats.publish ?? 0)} in all`),
    figure('Delivered', rate(per('deliver_get')), `${rate(per('ack'))} acked`),
    figure('Connections', count(of.connections), plural(of.channels, 'channel')),
    figure('Queues', count(of.queues), plural(of.exchanges, 'exchange')),
    figure('Consumers', count(of.consumers)),
    vitals && figure('Confirm p99', ...latencyOf(vitals.confirm)),
    vitals && figure('Sync p99', ...latencyOf(vitals.sync)),
  );
}

const latencyOf = (of) => (of.count > 0 ? [micros(of.p99_us), `median ${micros(of.p50_us)}`] : ['–', 'none in the last minute']);

function vitalsOf(overview, vitals) {
  const { alarms } = vitals;
  const live = vitals.disk_bytes > 0 ? vitals.live_bytes / vitals.disk_bytes : 0;
  const meter = h('meter', { class: 'bar', min: '0', max: '1', value: live, 'aria-label': 'Part of the message files that is live' });
  return [
    panel(
      'Alarms',
      facts([
        ['Memory', [alarms.memory ? badge('raised', 'bad') : badge('clear', 'ok'), ` ${bytes(vitals.memory_bytes)} of ${limit(vitals.memory_limit_bytes)}`]],
        ['Free disk', [alarms.disk ? badge('raised', 'bad') : badge('clear', 'ok'), ` ${bytes(vitals.disk_free_bytes)}, at least ${bytes(vitals.disk_free_limit_bytes)}`]],
      ]),
    ),
    panel('Message files', [
      facts([
        ['On disk', bytes(vitals.disk_bytes)],
        ['Of it live', `${bytes(vitals.live_bytes)} in ${count(vitals.live_messages)} messages`],
      ]),
      meter,
      note('Space of settled messages comes back by the segment.'),
    ]),
    panel(
      'Churn since the start',
      facts([
        ['Connections', churn(overview, 'connection_created', 'opened', 'connection_closed', 'closed')],
        ['Channels', churn(overview, 'channel_created', 'opened', 'channel_closed', 'closed')],
        ['Queues', churn(overview, 'queue_created', 'made', 'queue_deleted', 'deleted')],
        ['Runs for', span(vitals.uptime_ms)],
        ['Version', `Warren ${overview.product_version}`],
        ['Listens on', overview.listeners.map((of) => `${of.protocol} ${of.ip_address}:${of.port}`).join(', ')],
      ]),
    ),
  ];
}

// How many came and went, and how fast now.
function churn(overview, came, cameWord, went, wentWord) {
  const rates = overview.churn_rates ?? {};
  const one = (name, word) => `${count(rates[name] ?? 0)} ${word} (${rate(rates[`${name}_details`]?.rate ?? 0)})`;
  return `${one(came, cameWord)}, ${one(went, wentWord)}`;
}

const limit = (value) => (value === null ? 'no limit' : bytes(value));

// All channels.

import { path } from '../api.js';
import { count } from '../format.js';
import { list } from '../list.js';
import { badge, hash, link } from '../ui.js';
import { CHANNELS } from './connections.js';

export function view({ state, query }) {
  const columns = [
    { key: 'name', label: 'Channel', sort: true, cell: (of) => link(hash(['connections', of.connection_details?.name ?? '']), of.name) },
    { key: 'user', label: 'User', sort: true, cell: (of) => of.user },
    { key: 'vhost', label: 'Vhost', sort: true, class: 'wide-only', cell: (of) => of.vhost },
    { key: 'state', label: 'State', class: 'wide-only', cell: (of) => badge(of.state, of.state === 'running' ? 'ok' : 'warn') },
    { ...CHANNELS[1], key: 'mode' },
    { ...CHANNELS[2], key: 'consumer_count', sort: true },
    { ...CHANNELS[3], key: 'messages_unacknowledged', sort: true },
    { key: 'prefetch_count', label: 'Prefetch', sort: true, class: 'number', cell: (of) => (of.prefetch_count ? count(of.prefetch_count) : 'none') },
    { key: 'global_prefetch_count', label: 'In all', class: 'number wide-only', cell: (of) => (of.global_prefetch_count ? count(of.global_prefetch_count) : 'none') },
  ];
  const channels = list({
    url: state.vhost ? path('vhosts', state.vhost, 'channels') : '/api/channels',
    parts: ['channels'],
    query,
    columns,
    caption: 'Channels',
    none: 'No channel is open.',
  });
  return { title: 'Channels', node: channels.node, tick: channels.tick };
}

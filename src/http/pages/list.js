// A list that the broker cuts into pages, sorts and filters. Where it stands is in the address, so that going back and
// sharing a link work.

import { get, withQuery } from './api.js';
import { fill, h } from './dom.js';
import { count } from './format.js';
import { hash, plainHeading, resource, table } from './ui.js';

const PAGE_SIZES = ['25', '50', '100', '250', '500'];
const TYPING_MS = 250;

// `columns`: { key, label, cell(item), sort: 'messages' | true, class }. `query` is that of the address.
export function list({ url, parts, query, columns, caption, none, sort = '', reverse = false, columnsQuery }) {
  const state = {
    page: Math.max(1, Number.parseInt(query.get('page') ?? '1', 10) || 1),
    size: PAGE_SIZES.includes(query.get('size')) ? query.get('size') : '50',
    name: query.get('name') ?? '',
    regex: query.get('regex') === 'true',
    sort: query.get('sort') ?? sort,
    reverse: query.has('sort') ? query.get('reverse') === 'true' : reverse,
  };
  const keep = () => {
    const address = hash(parts, {
      page: state.page > 1 ? state.page : '',
      size: state.size === '50' ? '' : state.size,
      name: state.name,
      regex: state.regex ? 'true' : '',
      sort: state.sort === sort && state.reverse === reverse ? '' : state.sort,
      reverse: state.sort === sort && state.reverse === reverse ? '' : state.reverse,
    });
    history.replaceState(null, '', address);
  };
  const load = ({ auto }) =>
    get(
      withQuery(url, {
        page: state.page,
        page_size: state.size,
        name: state.name,
        use_regex: state.regex ? 'true' : '',
        sort: state.sort,
        sort_reverse: state.reverse ? 'true' : '',
        columns: columnsQuery,
      }),
      { auto },
    );
  const change = (changed) => {
    Object.assign(state, { page: 1 }, changed);
    keep();
    rows.reload();
  };
  const pager = h('div', { class: 'pager' });
  const heading = (column) => {
    if (!column.sort) return plainHeading(column);
    const key = column.sort === true ? column.key : column.sort;
    const sorted = state.sort === key;
    const direction = sorted ? (state.reverse ? 'descending' : 'ascending') : null;
    const click = () => change({ sort: key, reverse: sorted ? !state.reverse : Boolean(column.class?.includes('number')) });
    return h(
      'th',
      { scope: 'col', class: column.class, 'aria-sort': direction },
      h('button', { type: 'button', class: 'sort', 'data-key': `sort:${key}`, on: { click } }, column.label),
    );
  };
  const render = (data) => {
    // An API that does not page gives the list itself.
    const items = Array.isArray(data) ? data : data.items;
    const filtered = Array.isArray(data) ? items.length : data.filtered_count;
    const pages = Array.isArray(data) ? 1 : Math.max(1, data.page_count);
    fill(pager, pagerOf(state, pages, filtered, data.total_count ?? filtered, change));
    return table(caption, columns, items, state.name ? `Nothing has a name that matches “${state.name}”.` : none, heading);
  };
  const rows = resource(load, render, { label: `Loading ${caption.toLowerCase()}` });
  const node = h('div', { class: 'list' }, h('div', { class: 'list-head' }, filters(state, caption, change), pager), rows.node);
  return { node, tick: rows.tick, reload: rows.reload };
}

function filters(state, caption, change) {
  let typing;
  const input = h('input', {
    type: 'search',
    value: state.name,
    placeholder: 'Filter by name',
    'aria-label': `Filter ${caption.toLowerCase()} by name`,
    on: {
      input: () => {
        clearTimeout(typing);
        typing = setTimeout(() => change({ name: input.value }), TYPING_MS);
      },
    },
  });
  const regex = h('input', { type: 'checkbox', checked: state.regex, on: { change: () => change({ regex: regex.checked }) } });
  return h('div', { class: 'filters' }, input, h('label', { class: 'check' }, regex, h('span', null, 'regex')));
}

function pagerOf(state, pages, filtered, total, change) {
  const to = (page, label, name) =>
    h(
      'button',
      { type: 'button', 'aria-label': name, 'data-key': `page:${name}`, disabled: page < 1 || page > pages, on: { click: () => change({ page }) } },
      label,
    );
  const size = h(
    'select',
    { 'aria-label': 'Rows a page', 'data-key': 'page:size', on: { change: () => change({ size: size.value }) } },
    PAGE_SIZES.map((of) => h('option', { value: of, selected: of === state.size }, of)),
  );
  const amount = filtered === total ? count(total) : `${count(filtered)} of ${count(total)}`;
  return [
    h('span', { class: 'faint' }, amount),
    pages > 1 && [to(state.page - 1, '‹', 'Previous page'), h('span', null, `${state.page} / ${count(pages)}`), to(state.page + 1, '›', 'Next page')],
    total > 25 && size,
  ];
}

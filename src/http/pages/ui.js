// Parts that every page uses: states, notices, dialogs, forms, definitions lists.

import { fill, h, isSelected, newId } from './dom.js';
import { RANGES } from './samples.js';

export const link = (href, text, properties) => h('a', { href, 'data-key': href, ...properties }, text);
export const button = (label, click, properties) =>
  h('button', { type: 'button', 'data-key': `button:${label}`, ...properties, on: { click } }, label);
export const badge = (text, kind = '') => h('span', { class: `badge ${kind}` }, text);
export const note = (...text) => h('p', { class: 'note' }, ...text);

export function hash(parts, query = {}) {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(entries).toString();
  return `#/${parts.map((part) => encodeURIComponent(part)).join('/')}${text ? `?${text}` : ''}`;
}

export const queueLink = (vhost, name) => link(hash(['queues', vhost, name]), name);
export const exchangeLink = (vhost, name) => link(hash(['exchanges', vhost, name || 'amq.default']), name || '(default)');

export const loading = (what = 'Loading') => h('p', { class: 'state', role: 'status' }, `${what} …`);
export const empty = (...text) => h('div', { class: 'state empty' }, ...text);

export function failure(error, again) {
  const words = error.status === 401 ? 'Not allowed' : error.status === 404 ? 'Not there' : 'That did not work';
  return h(
    'div',
    { class: 'state failure', role: 'alert' },
    h('strong', null, words),
    h('p', null, error.message),
    again && button('Try again', again),
  );
}

// A part of a page that loads, shows and refreshes itself. `refresh` comes with every sample.
export function resource(load, render, { live = true, label } = {}) {
  const node = h('div', { class: 'resource', 'aria-busy': 'true' }, loading(label));
  let shown = false;
  let turn = 0;
  const show = async (auto) => {
    turn += 1;
    const own = turn;
    try {
      const data = await load({ auto });
      if (own !== turn) return;
      node.classList.remove('stale');
      if (!(auto && isSelected(node))) fill(node, render(data));
      shown = true;
    } catch (error) {
      if (own !== turn || error.name === 'AbortError') return;
      // What is shown stays while the broker does not answer, marked as old.
      if (auto && shown && error.status === 0) node.classList.add('stale');
      else fill(node, failure(error, () => show(false)));
    } finally {
      node.removeAttribute('aria-busy');
    }
  };
  show(false);
  return { node, reload: () => show(false), tick: live ? () => show(true) : undefined };
}

// A form, and what `find` makes of its data: it is asked at once, at every submission, and again by `reload`.
export function search(label, inputs, find) {
  const results = h('div', { 'aria-live': 'polite' }, loading());
  const submit = (event) => {
    event.preventDefault();
    asked = new FormData(form);
    reload();
  };
  const form = h('form', { class: 'row', on: { submit } }, inputs, h('button', { type: 'submit', class: 'primary' }, label));
  const reload = async () => {
    try {
      fill(results, await find(asked));
    } catch (error) {
      fill(results, failure(error, reload));
    }
  };
  let asked = new FormData(form);
  reload();
  return { form, results, reload };
}

export function panel(title, body, actions) {
  const id = newId('panel');
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': id },
    h('header', { class: 'panel-head' }, h('h2', { id }, title), actions && h('div', { class: 'actions' }, actions)),
    h('div', { class: 'panel-body' }, body),
  );
}

// Pairs of a name and what it is; those without a value are left out.
export function facts(pairs) {
  const kept = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== '');
  return h('dl', { class: 'facts' }, kept.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

export function pairs(object) {
  const entries = Object.entries(object ?? {});
  if (entries.length === 0) return h('span', { class: 'faint' }, 'none');
  return h('dl', { class: 'pairs' }, entries.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, typeof value === 'string' ? value : JSON.stringify(value)))));
}

export const plainHeading = (column) => h('th', { scope: 'col', class: column.class }, column.label);

export function table(caption, columns, rows, none = 'Nothing here.', heading = plainHeading) {
  if (rows.length === 0) return empty(none);
  return h(
    'div',
    { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': caption },
    h(
      'table',
      null,
      h('caption', { class: 'unseen' }, caption),
      h('thead', null, h('tr', null, columns.map(heading))),
      h('tbody', null, rows.map((row) => h('tr', null, columns.map((column) => h('td', { class: column.class }, column.cell(row)))))),
    ),
  );
}

// Tells of something that was done, or of a failure.
export function notice(text, kind = 'done') {
  const area = document.getElementById('notices');
  const close = h('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss' }, '×');
  const item = h('div', { class: `notice ${kind}` }, h('span', null, text), close);
  close.addEventListener('click', () => item.remove());
  area.append(item);
  setTimeout(() => item.remove(), kind === 'failed' ? 15_000 : 6_000);
}

// Runs something that a button started: the button waits, the outcome is told. Gives undefined where it failed.
export async function act(target, work, done) {
  if (target) target.disabled = true;
  try {
    const result = await work();
    if (done) notice(typeof done === 'function' ? done(result) : done);
    return result === undefined || result === null ? true : result;
  } catch (error) {
    notice(error.message, 'failed');
    return undefined;
  } finally {
    if (target) target.disabled = false;
  }
}

// A dialog with a form: the browser keeps the focus in it, Escape closes it, and the focus goes back afterwards.
// `submit` may throw, which shows the reason and keeps the dialog open.
export function dialog({ title, body, confirm = 'OK', danger = false, submit, wide = false }) {
  const id = newId('dialog');
  const problem = h('p', { class: 'problem', role: 'alert' });
  const ok = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, confirm);
  const cancel = h('button', { type: 'button' }, 'Cancel');
  const form = h('form', { class: 'form' }, h('h2', { id }, title), body, problem, h('div', { class: 'form-end' }, cancel, ok));
  const box = h('dialog', { 'aria-labelledby': id, class: wide ? 'wide' : null }, form);
  const before = document.activeElement;
  return new Promise((resolve) => {
    let outcome;
    cancel.addEventListener('click', () => box.close());
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      problem.textContent = '';
      ok.disabled = true;
      try {
        outcome = submit ? await submit(new FormData(form), form) : true;
        outcome ??= true;
        box.close();
      } catch (error) {
        problem.textContent = error.message;
      } finally {
        ok.disabled = false;
      }
    });
    box.addEventListener('close', () => {
      box.remove();
      before?.focus?.({ preventScroll: true });
      resolve(outcome);
    });
    document.body.append(box);
    box.showModal();
    (box.querySelector('[autofocus]') ?? box.querySelector('input, textarea, select') ?? cancel).focus();
  });
}

export const ask = (title, text, confirm, submit) => dialog({ title, body: h('p', null, text), confirm, danger: true, submit });

// How far back charts go.
export function rangeSelect(changed) {
  return h('select', { 'aria-label': 'Time that the charts show', on: { change: changed } }, RANGES.map(([name, label]) => h('option', { value: name }, label)));
}

// A labelled input. `kind` is an input's type, 'textarea', or a list of options.
export function field(label, name, { kind = 'text', value = '', hint, ...properties } = {}) {
  const id = newId('field');
  const described = hint ? `${id}-hint` : null;
  let input;
  const shared = { id, name, 'aria-describedby': described, ...properties };
  if (Array.isArray(kind)) {
    const options = kind.map((option) => (Array.isArray(option) ? option : [option, option]));
    input = h('select', shared, options.map(([of, text]) => h('option', { value: of, selected: of === value }, text)));
  } else if (kind === 'textarea') {
    input = h('textarea', { rows: '4', spellcheck: 'false', ...shared }, value);
  } else if (kind === 'checkbox') {
    input = h('input', { type: 'checkbox', ...shared, checked: Boolean(value) });
    return h('label', { class: 'check', for: id }, input, h('span', null, label), hint && h('small', { id: described }, hint));
  } else {
    input = h('input', { type: kind, autocomplete: 'off', spellcheck: 'false', ...shared, value });
  }
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, hint && h('small', { id: described }, hint));
}

// Lines of `name: value`, where a value is JSON if it can be read as such, else text.
export function readPairs(text) {
  const object = {};
  for (const line of text.split('\n')) {
    if (!line.trim()) continue;
    const at = line.indexOf(':');
    if (at < 1) throw new Error(`“${line.trim()}” is no “name: value”`);
    const value = line.slice(at + 1).trim();
    try {
      object[line.slice(0, at).trim()] = JSON.parse(value);
    } catch {
      object[line.slice(0, at).trim()] = value;
    }
  }
  return object;
}

export const PAIRS_HINT = 'One “name: value” a line; numbers, true, false and JSON are read as such, "1" in quotes is text.';

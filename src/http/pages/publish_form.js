// A form for one message. The answer comes once every queue that it reaches has it on disk.

import { exchangePath, post } from './api.js';
import { h } from './dom.js';
import { exchangeName } from './format.js';
import { act, field, notice, PAIRS_HINT, readPairs } from './ui.js';

const PROPERTIES = ['content_type', 'correlation_id', 'reply_to', 'message_id', 'type', 'app_id', 'expiration', 'priority'];

// `fixed` may hold vhost, exchange and key; what it lacks is asked for.
export function publishForm(fixed, { state }) {
  const ask = (name) => fixed[name] === undefined;
  const go = h('button', { type: 'submit', class: 'primary' }, 'Publish');
  const submit = async (event) => {
    event.preventDefault();
    const data = new FormData(event.target);
    const of = (name) => (ask(name) ? (data.get(name) ?? '') : fixed[name]);
    await act(
      go,
      async () => {
        const properties = { headers: readPairs(data.get('headers')), delivery_mode: data.has('persistent') ? 2 : 1 };
        for (const name of PROPERTIES) if (data.get(name)) properties[name] = data.get(name);
        return post(exchangePath(of('vhost'), of('exchange'), 'publish'), {
          routing_key: of('key'),
          payload: data.get('payload'),
          payload_encoding: data.has('base64') ? 'base64' : 'string',
          properties,
        });
      },
      null,
    ).then((answer) => {
      if (!answer) return;
      if (answer.routed) notice(`Published to ${exchangeName(of('exchange'))}.`);
      else notice('No queue wanted the message: no binding of the exchange takes this key and these headers.', 'failed');
    });
  };
  return h(
    'form',
    { class: 'form', on: { submit } },
    h(
      'div',
      { class: 'fields' },
      ask('vhost') && field('Virtual host', 'vhost', { kind: state.vhosts, value: state.vhost || state.vhosts[0] }),
      ask('exchange') && field('Exchange', 'exchange', { value: fixed.start?.exchange, hint: 'Empty for the default exchange, where the key is a queue’s name.' }),
      ask('key') && field('Routing key', 'key', { value: fixed.start?.key }),
    ),
    field('Body', 'payload', { kind: 'textarea', rows: '6' }),
    h(
      'div',
      { class: 'row' },
      field('The body is base64', 'base64', { kind: 'checkbox' }),
      field('Persistent: it is there after a restart', 'persistent', { kind: 'checkbox', value: true }),
    ),
    field('Headers', 'headers', { kind: 'textarea', rows: '3', hint: PAIRS_HINT }),
    h('details', null, h('summary', null, 'Properties'), h('div', { class: 'fields' }, PROPERTIES.map((name) => field(name, name)))),
    h('div', { class: 'form-end' }, go),
  );
}

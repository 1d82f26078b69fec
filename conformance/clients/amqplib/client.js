'use strict';
// The features of the broker, seen through amqplib.

const { isDeepStrictEqual } = require('node:util');
const { EventEmitter, once } = require('node:events');
const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const amqp = require('amqplib');

const EVENT_MS = 10_000;
const CHECK_MS = 30_000;
const url = process.env.AMQP_URL;
const run = randomBytes(5).toString('hex');
let names = 0;

/** A queue or exchange name that no other run uses. */
const unique = (what) => `conformance.amqplib.${run}.${what}.${++names}`;

function equal(got, want, what) {
  if (!isDeepStrictEqual(got, want)) {
    throw new Error(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`);
  }
}

function ok(condition, what) {
  if (!condition) throw new Error(what);
}

function within(promise, what, ms = EVENT_MS) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** Messages that arrive by callback and are taken in order. */
class Inbox extends EventEmitter {
  constructor() {
    super();
    this.messages = [];
    this.put = (message) => {
      this.messages.push(message);
      this.emit('message');
    };
  }

  async take(count) {
    while (this.messages.length < count) {
      await within(once(this, 'message'), `${count} messages, got ${this.messages.length}`);
    }
    return this.messages.splice(0, count);
  }
}

/** One connection with a plain and a confirming channel. */
class Session {
  static async open(options) {
    const s = new Session();
    s.connection = await within(amqp.connect(options ?? url), 'connection');
    s.connection.on('error', () => {});
    s.channel = await s.newChannel();
    s.publisher = await s.connection.createConfirmChannel();
    s.publisher.on('error', () => {});
    s.inbox = new Inbox();
    return s;
  }

  async newChannel() {
    const channel = await this.connection.createChannel();
    channel.on('error', () => {});
    return channel;
  }

  async queue(options = {}) {
    return (await this.channel.assertQueue(unique('queue'), { exclusive: true, durable: false, ...options })).queue;
  }

  async exchange(kind, options = {}) {
    const made = await this.channel.assertExchange(unique(kind), kind, {
      autoDelete: true, durable: false, ...options,
    });
    return made.exchange;
  }

  /** Publish with a confirm: only then must a message count include the message. */
  publish(exchange, key, body, options = {}) {
    return within(new Promise((resolve, reject) => {
      this.publisher.publish(exchange, key, Buffer.from(body), options, (error) => (error ? reject(error) : resolve()));
    }), 'confirm');
  }

  async put(queue, ...bodies) {
    for (const body of bodies) await this.publish('', queue, body);
  }

  async consume(queue, options = {}, channel = this.channel) {
    return (await channel.consume(queue, this.inbox.put, options)).consumerTag;
  }

  /** The next messages on the consumers, exactly so many. */
  async receive(count) {
    const got = await this.inbox.take(count);
    // A round trip flushes out anything that was sent beyond them.
    await this.channel.prefetch(0);
    equal(this.inbox.messages.length, 0, 'further deliveries');
    return got;
  }

  async bodies(count) {
    return (await this.receive(count)).map(text);
  }

  async drain(queue) {
    const bodies = [];
    for (;;) {
      const message = await this.channel.get(queue, { noAck: true });
      if (!message) return bodies;
      bodies.push(text(message));
    }
  }

  async ready(queue) {
    return (await this.channel.checkQueue(queue)).messageCount;
  }

  /** Run an action that must close its channel with this code and text. */
  async refused(code, words, action) {
    const channel = await this.connection.createChannel();
    const error = once(channel, 'error');
    Promise.resolve(action(channel)).catch(() => {});
    const [closed] = await within(error, `accepted, expected ${code} ${words}`);
    equal(closed.code, code, `reply code (${closed.message})`);
    ok(closed.message.includes(words), `reply text is ${closed.message}, not ${words}`);
    await (await this.connection.createChannel()).close();
  }
}

const text = (message) => message.content.toString();

async function rejection(promise, what) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(what);
}

const NO_TX = 'amqplib has no transactions';
const CAPABILITIES = [
  'publisher_confirms', 'exchange_exchange_bindings', 'basic.nack', 'consumer_cancel_notify',
  'connection.blocked', 'consumer_priorities', 'authentication_failure_close', 'per_consumer_qos',
  'direct_reply_to',
];

function checkDeath(message, queue, reason, exchange = '', key = queue) {
  const { headers } = message.properties;
  equal(headers['x-death'].length, 1, 'number of x-death entries');
  const [death] = headers['x-death'];
  equal([death.queue, death.reason, death.count, death.exchange, death['routing-keys']],
    [queue, reason, 1, exchange, [key]], 'x-death');
  equal(death.time['!'], 'timestamp', 'x-death time');
  equal([headers['x-first-death-queue'], headers['x-first-death-reason'], headers['x-first-death-exchange']],
    [queue, reason, exchange], 'x-first-death');
}

const features = {
  async connect(s) {
    const inner = s.connection.connection;
    const properties = inner.serverProperties;
    for (const key of ['product', 'version', 'platform', 'copyright', 'information']) {
      ok(typeof properties[key] === 'string' && properties[key], `server property ${key} is ${properties[key]}`);
    }
    for (const name of CAPABILITIES) equal(properties.capabilities[name], true, `capability ${name}`);
    ok(inner.channelMax > 0 && inner.channelMax <= 65535, `channel_max ${inner.channelMax}`);
    ok(inner.frameMax >= 8192, `frame_max ${inner.frameMax}`);
    const wrong = new URL(url);
    wrong.password = unique('password');
    const error = await rejection(within(amqp.connect(wrong.href), 'refusal'), 'a wrong password was accepted');
    ok(/403 \(ACCESS-REFUSED\)|ACCESS_REFUSED/.test(error.message), `refused login says ${error.message}`);
  },

  async heartbeat() {
    const timed = new URL(url);
    timed.search = '?heartbeat=3';
    const s = await Session.open(timed.href);
    equal(s.connection.connection.heartbeat, 3, 'negotiated heartbeat');
    let closed = null;
    s.connection.on('close', (reason) => { closed = reason ?? true; });
    // amqplib closes the connection when two heartbeats of the broker are missing: at most nine seconds later. With one a
    // second it closes it as well where the machine keeps it waiting for two.
    const idle = await rejection(within(once(s.connection, 'close'), 'idle', 10_000), 'closed while idle');
    equal([idle.message, closed], ['timed out: idle', null], 'closed while only heartbeats were exchanged');
    await (await s.newChannel()).close();
    await s.connection.close();
  },

  async close(watcher) {
    const s = await Session.open();
    const kept = await watcher.queue({ exclusive: false });
    const exclusive = await s.queue();
    await s.put(kept, 'unacked');
    await s.consume(kept);
    await s.receive(1);
    await watcher.consume(kept);
    await within(s.connection.close(), 'close-ok');
    const [message] = await watcher.receive(1);
    equal([text(message), message.fields.redelivered], ['unacked', true], 'returned message');
    await watcher.channel.deleteQueue(kept);
    await watcher.refused(404, 'NOT_FOUND', (c) => c.checkQueue(exclusive));
  },

  async publish(s) {
    const typed = (type, value) => ({ '!': type, value });
    const headers = {
      byte: -5, unsignedByte: typed('uint8', 200), short: -300, unsignedShort: typed('uint16', 40000),
      int: -70000, unsignedInt: typed('uint32', 4294967295), long: 2 ** 40, double: 1.25,
      float: typed('float', -0.5), true: true, false: false, text: 'gr\u00fc\u00df', empty: '',
      bytes: Buffer.from([0, 255, 254]), nothing: null, time: typed('timestamp', 1709208001),
      decimal: typed('decimal', { places: 2, digits: 314 }),
      table: { inner: { deep: [1, 'two', { three: 3 }] } },
      array: [1, 'a', true, null, [2], { k: 'v' }], noTable: {}, noArray: [],
    };
    const properties = {
      contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, priority: 7,
      correlationId: 'correlation', replyTo: 'reply', expiration: '60000', messageId: 'message',
      timestamp: 1709208001, type: 'kind', userId: decodeURIComponent(new URL(url).username), appId: 'application',
    };
    const queue = await s.queue();
    await s.publish('', queue, 'body', { ...properties, headers });
    await s.publish('', queue, 'bare');
    await s.consume(queue);
    const [full, bare] = await s.receive(2);
    equal([full.fields.exchange, full.fields.routingKey, text(full)], ['', queue, 'body'], 'where from, and body');
    for (const [key, value] of Object.entries(properties)) equal(full.properties[key], value, `property ${key}`);
    const plain = { unsignedByte: 200, unsignedShort: 40000, unsignedInt: 4294967295, float: -0.5 };
    for (const [key, value] of Object.entries({ ...headers, ...plain })) {
      equal(full.properties.headers[key], value, `header ${key}`);
    }
    equal(Object.keys(full.properties.headers), Object.keys(headers), 'order of headers');
    for (const key of Object.keys(properties)) equal(bare.properties[key], undefined, `absent property ${key}`);
  },

  async consume(s) {
    const queue = await s.queue();
    const sent = Array.from({ length: 100 }, (_, i) => `m${i}`);
    await s.put(queue, ...sent.slice(0, 50));
    equal(await s.consume(queue, { consumerTag: 'my tag', noAck: true }), 'my tag', 'consumer tag');
    await s.put(queue, ...sent.slice(50));
    const got = await s.receive(100);
    equal(got.map(text), sent, 'order');
    ok(got.every((m) => m.fields.consumerTag === 'my tag'), 'consumer tags of deliveries');
    equal(got.map((m) => m.fields.deliveryTag), sent.map((_, i) => i + 1), 'delivery tags');
    ok(got.every((m) => m.fields.redelivered === false), 'redelivered flags');
    await s.channel.cancel('my tag');
    await s.put(queue, 'later');
    equal(await s.ready(queue), 1, 'messages ready after cancel');
    ok((await s.consume(queue)).startsWith('amq.ctag-'), 'consumer tag made by the broker');
  },

  async confirm(s) {
    const queue = await s.queue();
    await s.put(queue, 'one');
    equal(await s.ready(queue), 1, 'messages after a confirm');
    for (let i = 0; i < 500; i++) s.publisher.sendToQueue(queue, Buffer.from('m'));
    await within(s.publisher.waitForConfirms(), '500 confirms');
    equal(await s.ready(queue), 501, 'messages after many confirms');
    const events = [];
    s.publisher.on('return', (m) => events.push(m.fields.replyCode));
    await s.publish('', unique('nowhere'), 'm', { mandatory: true });
    events.push('ack');
    equal(events, [312, 'ack'], 'return comes before ack');
  },

  async return(s) {
    s.channel.on('return', s.inbox.put);
    const nowhere = unique('nowhere');
    s.channel.publish('', nowhere, Buffer.from('silent'));
    s.channel.publish('', nowhere, Buffer.from('back'), { mandatory: true, messageId: '42' });
    const [message] = await s.receive(1);
    const { replyCode, replyText, exchange, routingKey } = message.fields;
    equal([replyCode, replyText, exchange, routingKey], [312, 'NO_ROUTE', '', nowhere], 'return');
    equal([message.properties.messageId, text(message)], ['42', 'back'], 'message');
    const direct = await s.exchange('direct');
    s.channel.publish(direct, 'key', Buffer.from('again'), { mandatory: true });
    const [again] = await s.receive(1);
    equal([again.fields.exchange, again.fields.routingKey], [direct, 'key'], 'exchange and routing key');
  },

  async qos(s) {
    const queue = await s.queue();
    await s.put(queue, ...'abcdefgh');
    const consumer = await s.newChannel();
    await consumer.prefetch(3);
    await s.consume(queue, {}, consumer);
    const first = await s.receive(3);
    equal(await s.ready(queue), 5, 'messages held back');
    consumer.ack(first[0]);
    equal(await s.bodies(1), ['d'], 'next after one ack');
    consumer.ack(first[2], true);
    equal(await s.bodies(2), ['e', 'f'], 'next after a multiple ack');
    const shared = await s.newChannel();
    const other = await s.queue();
    await shared.prefetch(2, true);
    await s.consume(other, {}, shared);
    await s.consume(other, {}, shared);
    await s.put(other, ...'abcd');
    equal((await s.receive(2)).length, 2, "two consumers within one channel's limit");
  },

  async get(s) {
    const queue = await s.queue();
    equal(await s.channel.get(queue), false, 'get from an empty queue');
    for (const body of 'abc') await s.publish('', queue, body, { type: 'kind' });
    const message = await s.channel.get(queue);
    const { messageCount, redelivered, exchange, routingKey } = message.fields;
    equal([text(message), messageCount, redelivered], ['a', 2, false], 'first get-ok');
    equal([exchange, routingKey, message.properties.type], ['', queue, 'kind'], 'where from, and property');
    s.channel.ack(message);
    equal((await s.channel.get(queue, { noAck: true })).fields.messageCount, 1, 'second get-ok');
    equal((await s.channel.get(queue, { noAck: true })).fields.messageCount, 0, 'third get-ok');
    equal(await s.channel.get(queue), false, 'get from a drained queue');
  },

  async nack(s) {
    const target = await s.queue();
    const queue = await s.queue({ deadLetterExchange: '', deadLetterRoutingKey: target });
    await s.put(queue, ...'abcd');
    const take = async (count) => {
      const got = [];
      while (got.length < count) got.push(await s.channel.get(queue));
      return got;
    };
    const taken = await take(4);
    s.channel.nack(taken[1], true, true);
    s.channel.reject(taken[2], true);
    const again = await take(3);
    equal(again.map(text), ['a', 'b', 'c'], 'requeued messages keep their place');
    equal(again.map((m) => m.fields.redelivered), [true, true, true], 'redelivered flags');
    s.channel.ack(taken[3]);
    await s.consume(target, { noAck: true });
    s.channel.reject(again[0], false);
    const [dead] = await s.receive(1);
    equal(text(dead), 'a', 'rejected message');
    checkDeath(dead, queue, 'rejected');
    s.channel.nack(again[2], true, false);
    equal(await s.bodies(2), ['b', 'c'], 'messages of a multiple nack');
    equal(await s.ready(queue), 0, 'messages left');
  },

  async recover(s) {
    const queue = await s.queue();
    await s.put(queue, 'a', 'b');
    await s.consume(queue);
    equal((await s.receive(2)).map((m) => m.fields.redelivered), [false, false], 'first delivery');
    await s.channel.recover();
    const again = await s.receive(2);
    equal(again.map(text), ['a', 'b'], 'recovered messages');
    equal(again.map((m) => m.fields.redelivered), [true, true], 'redelivered flags');
    equal(again.map((m) => m.fields.deliveryTag), [3, 4], 'delivery tags');
  },

  tx: NO_TX,

  async exchange(s) {
    const c = s.channel;
    const queue = await s.queue();
    const source = await s.exchange('direct', { autoDelete: false, durable: true });
    const middle = await s.exchange('fanout', { autoDelete: false });
    await c.checkExchange(source);
    await c.assertExchange(source, 'direct', { durable: true });
    await c.bindExchange(middle, source, 'key');
    await c.bindQueue(queue, middle, '');
    await s.publish(source, 'key', 'through');
    equal(await s.drain(queue), ['through'], 'message over two exchanges');
    await s.refused(406, `PRECONDITION_FAILED - exchange '${middle}' in vhost '/' in use`,
      (x) => x.deleteExchange(middle, { ifUnused: true }));
    await c.unbindExchange(middle, source, 'key');
    await s.publish(source, 'key', 'lost');
    equal(await s.drain(queue), [], 'message after unbind');
    await c.unbindQueue(queue, middle, '');
    await c.deleteExchange(middle, { ifUnused: true });
    await c.deleteExchange(source);
    await c.deleteExchange(source);
    await s.refused(404, 'NOT_FOUND - no exchange', (x) => x.checkExchange(source));
    const alternate = await s.exchange('fanout');
    await c.bindQueue(queue, alternate, '');
    const first = await s.exchange('direct', { autoDelete: false, alternateExchange: alternate });
    await s.publish(first, 'unknown', 'caught');
    equal(await s.drain(queue), ['caught'], 'message over the alternate exchange');
    await c.deleteExchange(first);
    const gone = await s.exchange('fanout');
    await c.bindQueue(queue, gone, '');
    await c.unbindQueue(queue, gone, '');
    await s.refused(404, 'NOT_FOUND', (x) => x.checkExchange(gone));
    const inner = await s.exchange('fanout', { internal: true, autoDelete: false });
    await s.refused(403, 'ACCESS_REFUSED', (x) => x.publish(inner, '', Buffer.alloc(0)));
    await c.deleteExchange(inner);
  },

  async queue(s) {
    const c = s.channel;
    const made = (await c.assertQueue('', { exclusive: true })).queue;
    ok(made.startsWith('amq.gen-'), `server-named queue is ${made}`);
    const queue = await s.queue({ exclusive: false, durable: true });
    await s.put(queue, ...'abc');
    equal({ ...(await c.checkQueue(queue)) }, { queue, messageCount: 3, consumerCount: 0 }, 'counts');
    equal((await c.purgeQueue(queue)).messageCount, 3, 'purged messages');
    await s.put(queue, 'd');
    await s.refused(406, `PRECONDITION_FAILED - queue '${queue}' in vhost '/' not empty`,
      (x) => x.deleteQueue(queue, { ifEmpty: true }));
    const tag = await s.consume(queue, { noAck: true });
    equal(await s.bodies(1), ['d'], 'message');
    equal((await c.checkQueue(queue)).consumerCount, 1, 'consumers');
    await s.refused(406, `PRECONDITION_FAILED - queue '${queue}' in vhost '/' in use`,
      (x) => x.deleteQueue(queue, { ifUnused: true }));
    await c.cancel(tag);
    await s.put(queue, 'e', 'f');
    equal((await c.deleteQueue(queue, { ifUnused: true })).messageCount, 2, 'deleted messages');
    equal((await c.deleteQueue(queue)).messageCount, 0, 'deleting what is gone');
    const mine = await s.queue();
    const other = await Session.open();
    await other.refused(405, 'RESOURCE_LOCKED - cannot obtain exclusive access to locked queue',
      (x) => x.checkQueue(mine));
    await other.connection.close();
    const fleeting = await s.queue({ exclusive: false, autoDelete: true });
    await c.cancel(await s.consume(fleeting));
    await s.refused(404, 'NOT_FOUND', (x) => x.checkQueue(fleeting));
  },

  direct: (s) => routing(s, 'direct'),
  fanout: (s) => routing(s, 'fanout'),
  topic: (s) => routing(s, 'topic'),
  headers: (s) => routing(s, 'headers'),

  async 'big-body'(s) {
    const queue = await s.queue();
    const big = Buffer.alloc(1 << 20, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    const frame = s.connection.connection.frameMax - 8;
    const sent = [Buffer.alloc(0), big, big.subarray(0, frame), big.subarray(0, frame + 1), Buffer.alloc(0)];
    for (const body of sent) await s.publish('', queue, body);
    await s.consume(queue);
    const got = (await s.receive(sent.length)).map((m) => m.content);
    equal(got.map((b) => b.length), sent.map((b) => b.length), 'body sizes');
    ok(got.every((body, i) => body.equals(sent[i])), 'a body changed on its way');
  },

  async errors(s) {
    const no = unique('missing');
    const queue = await s.queue();
    const exchange = await s.exchange('direct', { autoDelete: false });
    const cases = [
      [404, `NOT_FOUND - no queue '${no}' in vhost '/'`, (c) => c.checkQueue(no)],
      [404, `NOT_FOUND - no exchange '${no}' in vhost '/'`, (c) => c.checkExchange(no)],
      [404, `NOT_FOUND - no queue '${no}' in vhost '/'`, (c) => c.consume(no, () => {})],
      [404, `NOT_FOUND - no exchange '${no}' in vhost '/'`, (c) => c.publish(no, '', Buffer.alloc(0))],
      [406, `PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '${queue}' in vhost '/': `
        + "received the value '7' of type",
      (c) => c.assertQueue(queue, { exclusive: true, durable: false, maxLength: 7 })],
      [406, `PRECONDITION_FAILED - inequivalent arg 'type' for exchange '${exchange}' in vhost '/': `
        + "received 'fanout' but current is 'direct'",
      (c) => c.assertExchange(exchange, 'fanout', { durable: false })],
      [403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
        (c) => c.assertQueue('amq.mine')],
      [403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
        (c) => c.assertExchange('amq.mine', 'direct')],
      [403, 'ACCESS_REFUSED - operation not permitted on the default exchange', (c) => c.bindQueue(queue, '', 'key')],
      [406, 'PRECONDITION_FAILED - unknown delivery tag 99', (c) => c.ack({ fields: { deliveryTag: 99 } })],
    ];
    for (const [code, words, action] of cases) await s.refused(code, words, action);
    await s.channel.deleteExchange(exchange);
    const wrong = new URL(url);
    wrong.pathname = `/${no}`;
    const error = await rejection(within(amqp.connect(wrong.href), 'refusal'), 'connected to a missing vhost');
    // The client expects only open-ok here, and keeps code and text to itself.
    ok(error.message.includes('ConnectionClose'), `missing vhost: ${error.message}`);
  },

  async cancel(s) {
    const queue = await s.queue();
    await s.consume(queue);
    const other = await s.newChannel();
    await other.deleteQueue(queue);
    equal(await s.receive(1), [null], 'basic.cancel from the broker');
    await s.channel.checkExchange('amq.direct');
  },

  async ttl(s) {
    const target = await s.queue();
    const dead = await s.exchange('direct');
    await s.channel.bindQueue(target, dead, 'dead');
    const letters = { deadLetterExchange: dead, deadLetterRoutingKey: 'dead' };
    const queue = await s.queue({ messageTtl: 100, ...letters });
    await s.consume(target, { noAck: true });
    await s.publish('', queue, 'old', { headers: { mine: 'kept' } });
    const [old] = await s.receive(1);
    equal([text(old), old.fields.exchange, old.fields.routingKey], ['old', dead, 'dead'], 'dead letter');
    equal(old.properties.headers.mine, 'kept', 'header');
    checkDeath(old, queue, 'expired');
    const own = await s.queue(letters);
    await s.publish('', own, 'own', { expiration: '50' });
    const [message] = await s.receive(1);
    equal([text(message), message.properties.expiration], ['own', undefined], 'body and expiration');
    checkDeath(message, own, 'expired');
    equal(message.properties.headers['x-death'][0]['original-expiration'], '50', 'original-expiration');
  },

  async 'max-length'(s) {
    const target = await s.queue();
    const queue = await s.queue({ maxLength: 3, deadLetterExchange: '', deadLetterRoutingKey: target });
    await s.consume(target, { noAck: true });
    await s.put(queue, ...'abcde');
    const dropped = await s.receive(2);
    equal(dropped.map(text), ['a', 'b'], 'dropped messages');
    checkDeath(dropped[0], queue, 'maxlen');
    equal(await s.drain(queue), ['c', 'd', 'e'], 'kept messages');
    const full = await s.queue({ maxLength: 2, arguments: { 'x-overflow': 'reject-publish' } });
    await s.put(full, 'a', 'b');
    const error = await rejection(s.put(full, 'c'), 'a publish to a full queue was confirmed');
    equal(error.message, 'message nacked', 'confirm');
    equal(await s.drain(full), ['a', 'b'], 'kept messages');
  },

  async priority(s) {
    const queue = await s.queue({ maxPriority: 5 });
    const sent = [['none', undefined], ['a1', 1], ['a5', 5], ['a3', 3], ['b5', 5], ['b9', 9]];
    for (const [body, priority] of sent) await s.publish('', queue, body, { priority });
    equal(await s.drain(queue), ['a5', 'b5', 'b9', 'a3', 'a1', 'none'], 'order by priority');
  },

  async 'reply-to'(server) {
    const pseudo = 'amq.rabbitmq.reply-to';
    const client = await Session.open();
    const queue = await server.queue();
    await client.consume(pseudo, { noAck: true });
    await server.consume(queue, { noAck: true });
    client.channel.publish('', queue, Buffer.from('ask'), { replyTo: pseudo, correlationId: '7' });
    const [asked] = await server.receive(1);
    const address = asked.properties.replyTo;
    equal([text(asked), asked.properties.correlationId], ['ask', '7'], 'request');
    ok(address.startsWith(`${pseudo}.`), `reply-to is ${address}`);
    await server.publish('', address, 'answer', { correlationId: '7' });
    const [got] = await client.receive(1);
    equal([text(got), got.properties.correlationId, got.fields.routingKey], ['answer', '7', address], 'reply');
    await client.connection.close();
    await server.refused(406, 'PRECONDITION_FAILED - fast reply consumer does not exist',
      (c) => c.publish('', 'x', Buffer.alloc(0), { replyTo: pseudo }));
  },
};

/** Bindings [queue, key, table] and messages [key, table, queues] of the shared table. */
function routingTable(kind) {
  const read = { s: String, i: Number, t: (rest) => rest === 'true', v: () => null };
  const split = (field) => {
    if (kind !== 'headers') return [field, undefined];
    const pairs = field.split(',').map((pair) => pair.match(/^([^=]*)=(.):(.*)$/));
    return ['', Object.fromEntries(pairs.map(([, name, type, rest]) => [name, read[type](rest)]))];
  };
  const path = process.env.ROUTING_TABLE ?? join(__dirname, '..', 'routing.txt');
  const lines = readFileSync(path, 'utf8').split('\n').map((line) => line.split('|')).filter(([k]) => k === kind);
  const bindings = lines.filter((l) => l[1] === 'bind').map((l) => [l[2], ...split(l[3])]);
  const messages = lines.filter((l) => l[1] === 'send').map((l) => [...split(l[2]), l[3]]);
  ok(bindings.length && messages.length, `no lines for ${kind} in the routing table`);
  return { bindings, messages };
}

/** Bind the queues of the table and see which of them get each message. */
async function routing(s, kind) {
  const exchange = await s.exchange(kind);
  const { bindings, messages } = routingTable(kind);
  const queues = {};
  for (const [letter, key, table] of bindings) {
    queues[letter] ??= await s.queue();
    await s.channel.bindQueue(queues[letter], exchange, key, table);
  }
  for (const [key, table, letters] of messages) {
    await s.publish(exchange, key, 'm', { headers: table });
    let got = '';
    for (const letter of Object.keys(queues).sort()) got += letter.repeat((await s.drain(queues[letter])).length);
    equal(got, letters, `queues that got ${JSON.stringify(table ?? key)}`);
  }
}

async function check(function_) {
  const s = await Session.open();
  try {
    await within(function_(s), 'the check', CHECK_MS);
  } finally {
    await s.connection.close().catch(() => {});
  }
}

async function main() {
  const wanted = process.argv.slice(2);
  let passed = true;
  for (const [feature, body] of Object.entries(features)) {
    if (wanted.length && !wanted.includes(feature)) continue;
    const line = { client: 'amqplib', feature, ok: true, detail: '' };
    if (typeof body === 'string') {
      Object.assign(line, { na: true, detail: body });
    } else {
      try {
        await check(body);
      } catch (error) {
        const place = /client\.js:(\d+)/.exec((error.stack ?? '').split('\n').slice(2).join('\n'));
        Object.assign(line, { ok: false, detail: `${error.message}${place ? ` (line ${place[1]})` : ''}` });
      }
    }
    passed &&= line.ok;
    console.log(JSON.stringify(line));
  }
  // Sockets of a failed check must not keep the program alive.
  process.exit(passed ? 0 : 1);
}

main();

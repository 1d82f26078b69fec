"""The features of the broker, seen through aio-pika."""
import asyncio
import datetime
import decimal
import functools
import logging
import sys

import aio_pika
import aiormq
from aio_pika import Message
from aiormq import exceptions
from yarl import URL

from report import (CHECK_S, EVENT_S, Suite, equal, look_at_death, look_at_server_properties,
                    routing_table, true)

suite = Suite("aio-pika")
check = suite.check
# aio-pika's name for a channel closed with each reply code.
CLOSED = {403: exceptions.ChannelAccessRefused, 404: exceptions.ChannelNotFoundEntity,
          405: exceptions.ChannelLockedResource, 406: exceptions.ChannelPreconditionFailed}


async def within(awaitable, what, seconds=EVENT_S):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise AssertionError(f"timed out: {what}") from None


class Session:
    """One connection with a channel in confirm mode, and what arrived on its consumers."""

    def __init__(self, **query):
        self.query = query

    async def __aenter__(self):
        url = URL(suite.url).update_query(self.query) if self.query else suite.url
        self.connection = await within(aio_pika.connect(url), "connection")
        self.channel = await self.connection.channel(on_return_raises=True)
        self.inbox = asyncio.Queue()
        return self

    async def __aexit__(self, *_):
        await self.connection.close()

    async def queue(self, **options):
        options.setdefault("exclusive", True)
        return await self.channel.declare_queue(suite.name("queue"), **options)

    async def exchange(self, kind, **options):
        options.setdefault("auto_delete", True)
        return await self.channel.declare_exchange(suite.name(kind), kind, **options)

    async def put(self, key, *bodies, exchange=None, mandatory=True, **properties):
        exchange = exchange or self.channel.default_exchange
        for body in bodies:
            await exchange.publish(Message(body.encode(), **properties), str(key),
                                   mandatory=mandatory)

    async def consume(self, queue, **options):
        return await queue.consume(self.inbox.put, **options)

    async def receive(self, count):
        """The next messages on the consumers, exactly so many."""
        got = [await within(self.inbox.get(), f"message {i + 1} of {count}")
               for i in range(count)]
        # A round trip flushes out anything that was sent beyond them.
        await self.channel.set_qos(prefetch_count=0)
        equal(self.inbox.qsize(), 0, "further deliveries")
        return got

    async def bodies(self, count):
        return [message.body.decode() for message in await self.receive(count)]

    async def drain(self, queue):
        bodies = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            bodies.append(message.body.decode())
        return bodies

    async def ready(self, queue):
        return await ready(self.channel, queue)


async def ready(channel, queue):
    found = await channel.declare_queue(str(queue), passive=True)
    return found.declaration_result.message_count


async def refused(code, text, action, connection):
    """Run an action that must close its channel with this code and text."""
    channel = await connection.channel(publisher_confirms=False)
    closed = asyncio.get_running_loop().create_future()
    channel.close_callbacks.add(lambda _, error: closed.done() or closed.set_result(error))
    try:
        await action(channel)
    except exceptions.ChannelClosed:
        pass
    error = await within(closed, f"accepted, expected {code} {text}")
    equal(type(error), CLOSED[code], f"exception {error}")
    true(text in str(error), f"reply text is {error!s}, not {text!r}")
    true(channel.is_closed, "the channel is still open")
    true(not connection.is_closed, "the connection was closed too")
    await (await connection.channel()).close()


@check("connect")
async def connect():
    async with Session() as s:
        transport = s.connection.transport.connection
        look_at_server_properties(transport.server_properties)
        tune = transport.connection_tune
        true(0 < tune.channel_max <= 65535, f"channel_max {tune.channel_max}")
        true(tune.frame_max >= 8192, f"frame_max {tune.frame_max}")
    wrong = URL(suite.url).with_password("wrong-" + suite.name("password"))
    try:
        await aio_pika.connect(wrong)
        raise AssertionError("a wrong password was accepted")
    except exceptions.ProbableAuthenticationError as refusal:
        true("ACCESS_REFUSED" in str(refusal), f"refused login says {refusal}")


@check("heartbeat")
async def heartbeat():
    # aio-pika closes the connection when nothing came for (1 + 1) * 3 seconds.
    async with Session(heartbeat=1) as s:
        transport = s.connection.transport.connection
        equal(transport.connection_tune.heartbeat, 1, "negotiated heartbeat")
        closed = asyncio.ensure_future(s.connection.closed())
        await asyncio.wait([closed], timeout=8)
        true(not closed.done(), "closed while only heartbeats were exchanged")
        closed.cancel()
        await (await s.connection.channel()).close()


@check("close")
async def close():
    async with Session() as watcher, Session() as s:
        kept = await watcher.queue(exclusive=False)
        exclusive = await s.queue()
        await s.put(kept, "unacked")
        await s.consume(await s.channel.get_queue(kept.name))
        await s.receive(1)
        await watcher.consume(kept)
        await within(s.connection.close(), "close-ok")
        message, = await watcher.receive(1)
        equal((message.body, message.redelivered), (b"unacked", True), "returned message")
        await kept.delete(if_unused=False, if_empty=False)
        await refused(404, "NOT_FOUND", lambda c: c.declare_queue(exclusive.name, passive=True),
                      watcher.connection)


@check("publish")
async def publish():
    headers = {
        "tiny": -5, "short": -300, "unsigned short": 40_000, "int": -70_000, "long": 2**40,
        "unsigned": 2**32 - 1, "negative": -(2**40), "true": True, "false": False, "float": -0.5,
        "text": "gr\u00fc\u00df", "empty": "", "bytes": bytearray(b"\x00\xff\xfe"), "nothing": None,
        "time": datetime.datetime(2024, 2, 29, 12, 0, 1, tzinfo=datetime.timezone.utc),
        "decimal": decimal.Decimal("3.14"), "table": {"inner": {"deep": [1, "two", {"three": 3}]}},
        "array": [1, "a", True, None, [2], {"k": "v"}], "no table": {}, "no array": [],
    }
    properties = {
        "content_type": "application/json", "content_encoding": "utf-8", "headers": headers,
        "delivery_mode": aio_pika.DeliveryMode.PERSISTENT, "priority": 7,
        "correlation_id": "correlation", "reply_to": "reply", "expiration": 60,
        "message_id": "message", "type": "kind", "user_id": URL(suite.url).user,
        "timestamp": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
        "app_id": "application",
    }
    async with Session() as s:
        queue = await s.queue()
        await s.put(queue, "body", **properties)
        await s.put(queue, "bare")
        await s.consume(queue)
        full, bare = await s.receive(2)
        equal((full.exchange, full.routing_key), ("", queue.name), "exchange and routing key")
        equal(full.body, b"body", "body")
        for key, value in headers.items():
            equal(full.headers.get(key), value, f"header {key}")
        for key, value in properties.items():
            equal(getattr(full, key), value, f"property {key}")
        absent = {**dict.fromkeys(properties), "headers": {}, "priority": 0,
                  "delivery_mode": aio_pika.DeliveryMode.NOT_PERSISTENT}
        del absent["message_id"]  # aio-pika makes one up
        for key, value in absent.items():
            equal(getattr(bare, key), value, f"absent property {key}")


@check("consume")
async def consume():
    async with Session() as s:
        queue = await s.queue()
        sent = [f"m{i}" for i in range(100)]
        await s.put(queue, *sent[:50])
        tag = await s.consume(queue, consumer_tag="my tag", no_ack=True)
        equal(tag, "my tag", "consumer tag")
        await s.put(queue, *sent[50:])
        got = await s.receive(100)
        equal([m.body.decode() for m in got], sent, "order")
        equal({m.consumer_tag for m in got}, {"my tag"}, "consumer tags of deliveries")
        equal([m.delivery_tag for m in got], list(range(1, 101)), "delivery tags")
        equal({m.redelivered for m in got}, {False}, "redelivered flags")
        await queue.cancel("my tag")
        await s.put(queue, "later")
        equal(await s.ready(queue), 1, "messages ready after cancel")


@check("confirm")
async def confirm():
    async with Session() as s:
        queue = await s.queue()
        exchange = s.channel.default_exchange
        one = await exchange.publish(Message(b"one"), queue.name)
        true(isinstance(one, aiormq.spec.Basic.Ack), f"confirm is {one!r}")
        equal(await s.ready(queue), 1, "messages after a confirm")
        many = await within(asyncio.gather(
            *(exchange.publish(Message(b"m"), queue.name) for _ in range(500))), "500 confirms")
        equal({type(f) for f in many}, {aiormq.spec.Basic.Ack}, "confirms")
        equal(await s.ready(queue), 501, "messages after many confirms")
        # aio-pika takes the publish as returned only if the return precedes the ack.
        try:
            await s.put(suite.name("nowhere"), "m")
            raise AssertionError("an unroutable message was only confirmed")
        except exceptions.PublishError as error:
            equal(error.frame.reply_code, 312, "reply code")


@check("return")
async def returned():
    async with Session() as s:
        # aio-pika matches a return with its publish by message id, and only in confirm mode.
        channel = await s.connection.channel()
        channel.return_callbacks.add(lambda _, message: s.inbox.put_nowait(message))
        nowhere = suite.name("nowhere")
        put = channel.default_exchange.publish
        await put(Message(b"silent"), nowhere, mandatory=False)
        back = await put(Message(b"back", message_id="42"), nowhere, mandatory=True)
        message, = await s.receive(1)
        frame = back.delivery
        equal((frame.reply_code, frame.reply_text), (312, "NO_ROUTE"), "reply")
        equal((frame.exchange, frame.routing_key), ("", nowhere), "exchange and routing key")
        equal((message.message_id, message.body), ("42", b"back"), "message")
        exchange = await channel.declare_exchange(suite.name("direct"), "direct", auto_delete=True)
        await exchange.publish(Message(b"again"), "key", mandatory=True)
        message, = await s.receive(1)
        equal((message.exchange, message.routing_key), (exchange.name, "key"), "where to")


@check("qos")
async def qos():
    async with Session() as s:
        queue = await s.queue()
        await s.put(queue, *"abcdefgh")
        consumer = await s.connection.channel()
        await consumer.set_qos(prefetch_count=3)
        await s.consume(await consumer.get_queue(queue.name))
        first = await s.receive(3)
        equal(await s.ready(queue), 5, "messages held back")
        await first[0].ack()
        equal(await s.bodies(1), ["d"], "next after one ack")
        await first[2].ack(multiple=True)
        equal(await s.bodies(2), ["e", "f"], "next after a multiple ack")
        shared = await s.connection.channel()
        other = await s.queue()
        await shared.set_qos(prefetch_count=2, global_=True)
        for _ in range(2):
            await s.consume(await shared.get_queue(other.name))
        await s.put(other, *"abcd")
        equal(len(await s.receive(2)), 2, "two consumers within one channel's limit")


@check("get")
async def get():
    async with Session() as s:
        queue = await s.queue()
        equal(await queue.get(fail=False), None, "get from an empty queue")
        await s.put(queue, "a", "b", "c", type="kind")
        message = await queue.get()
        equal((message.body, message.message_count, message.redelivered), (b"a", 2, False),
              "first get-ok")
        equal((message.exchange, message.routing_key), ("", queue.name), "where from")
        equal(message.type, "kind", "property")
        await message.ack()
        equal((await queue.get(no_ack=True)).message_count, 1, "second get-ok")
        equal((await queue.get(no_ack=True)).message_count, 0, "third get-ok")
        equal(await queue.get(fail=False), None, "get from a drained queue")


@check("nack")
async def nack():
    async with Session() as s:
        target = await s.queue()
        queue = await s.queue(arguments={"x-dead-letter-exchange": "",
                                         "x-dead-letter-routing-key": target.name})
        await s.put(queue, *"abcd")
        taken = [await queue.get() for _ in range(4)]
        await taken[1].nack(multiple=True, requeue=True)
        await taken[2].reject(requeue=True)
        again = [await queue.get() for _ in range(3)]
        equal([m.body for m in again], [b"a", b"b", b"c"], "requeued messages keep their place")
        equal([m.redelivered for m in again], [True] * 3, "redelivered flags")
        await taken[3].ack()
        await s.consume(target, no_ack=True)
        await again[0].reject(requeue=False)
        message, = await s.receive(1)
        equal(message.body, b"a", "rejected message")
        look_at_death(message.headers, queue.name, "rejected")
        await again[2].nack(multiple=True, requeue=False)
        equal(await s.bodies(2), ["b", "c"], "messages of a multiple nack")
        equal(await s.ready(queue), 0, "messages left")


@check("recover")
async def recover():
    async with Session() as s:
        queue = await s.queue()
        await s.put(queue, "a", "b")
        await s.consume(queue)
        equal([m.redelivered for m in await s.receive(2)], [False] * 2, "first delivery")
        channel = await s.channel.get_underlay_channel()
        await channel.basic_recover(requeue=True)
        again = await s.receive(2)
        equal([m.body for m in again], [b"a", b"b"], "recovered messages")
        equal([m.redelivered for m in again], [True] * 2, "redelivered flags")
        equal([m.delivery_tag for m in again], [3, 4], "delivery tags")


@check("tx")
async def tx():
    async with Session() as s:
        queue = await s.queue()
        channel = await s.connection.channel(publisher_confirms=False)
        put = channel.default_exchange.publish
        async with channel.transaction():
            await put(Message(b"a"), queue.name)
            await put(Message(b"b"), queue.name)
            equal(await s.ready(queue), 0, "messages before commit")
        equal(await s.ready(queue), 2, "messages after commit")
        transaction = channel.transaction()
        await transaction.select()
        await put(Message(b"lost"), queue.name)
        await transaction.rollback()
        await transaction.commit()
        equal(await s.ready(queue), 2, "messages after rollback")
        message = await (await channel.get_queue(queue.name)).get()
        await message.channel.basic_ack(message.delivery_tag)
        await transaction.rollback()
        await message.channel.basic_ack(message.delivery_tag)
        await transaction.commit()
        await channel.close()
        equal(await s.drain(queue), ["b"], "messages after an ack was committed")


@check("exchange")
async def exchange_life_cycle():
    async with Session() as s:
        c, queue = s.channel, await s.queue()
        source = await s.exchange("direct", auto_delete=False, durable=True)
        middle = await s.exchange("fanout", auto_delete=False)
        await c.declare_exchange(source.name, passive=True)
        await c.declare_exchange(source.name, "direct", durable=True)
        await middle.bind(source, "key")
        await queue.bind(middle, "")
        await s.put("key", "through", exchange=source)
        equal(await s.drain(queue), ["through"], "message over two exchanges")
        await refused(406, f"PRECONDITION_FAILED - exchange '{middle.name}' in vhost '/' in use",
                      lambda x: x.exchange_delete(middle.name, if_unused=True), s.connection)
        await middle.unbind(source, "key")
        await s.put("key", "lost", exchange=source, mandatory=False)
        equal(await s.drain(queue), [], "message after unbind")
        await queue.unbind(middle, "")
        await middle.delete(if_unused=True)
        await source.delete()
        await c.exchange_delete(source.name)
        await refused(404, "NOT_FOUND - no exchange",
                      lambda x: x.declare_exchange(source.name, passive=True), s.connection)
        alternate = await s.exchange("fanout")
        await queue.bind(alternate)
        first = await s.exchange("direct", auto_delete=False,
                                 arguments={"alternate-exchange": alternate.name})
        await s.put("unknown", "caught", exchange=first)
        equal(await s.drain(queue), ["caught"], "message over the alternate exchange")
        await first.delete()
        gone = await s.exchange("fanout", auto_delete=True)
        await queue.bind(gone)
        await queue.unbind(gone)
        await refused(404, "NOT_FOUND", lambda x: x.declare_exchange(gone.name, passive=True),
                      s.connection)


@check("queue")
async def queue_life_cycle():
    async with Session() as s:
        c = s.channel
        made = await c.declare_queue("", exclusive=True)
        true(made.name.startswith("amq.gen-"), f"server-named queue is {made.name!r}")
        queue = await s.queue(exclusive=False, durable=True)
        await s.put(queue, *"abc")
        found = (await c.declare_queue(queue.name, passive=True)).declaration_result
        equal((found.message_count, found.consumer_count), (3, 0), "counts")
        equal((await queue.purge()).message_count, 3, "purged messages")
        await s.put(queue, "d")
        await refused(406, f"PRECONDITION_FAILED - queue '{queue.name}' in vhost '/' not empty",
                      lambda x: x.queue_delete(queue.name, if_empty=True), s.connection)
        tag = await s.consume(queue, no_ack=True)
        equal(await s.bodies(1), ["d"], "message")
        found = (await c.declare_queue(queue.name, passive=True)).declaration_result
        equal(found.consumer_count, 1, "consumers")
        await refused(406, f"PRECONDITION_FAILED - queue '{queue.name}' in vhost '/' in use",
                      lambda x: x.queue_delete(queue.name, if_unused=True), s.connection)
        await queue.cancel(tag)
        await s.put(queue, "e", "f")
        deleted = await queue.delete(if_unused=True, if_empty=False)
        equal(deleted.message_count, 2, "deleted messages")
        equal((await c.queue_delete(queue.name)).message_count, 0, "deleting what is gone")
        mine = await s.queue(exclusive=True)
        async with Session() as other:
            await refused(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue",
                          lambda x: x.declare_queue(mine.name, passive=True), other.connection)
        fleeting = await s.queue(exclusive=False, auto_delete=True)
        await fleeting.cancel(await s.consume(fleeting))
        await refused(404, "NOT_FOUND", lambda x: x.declare_queue(fleeting.name, passive=True),
                      s.connection)


async def routing(kind):
    """Bind the queues of the table and see which of them get each message."""
    async with Session() as s:
        exchange = await s.exchange(kind)
        bindings, messages = routing_table(kind)
        queues = {letter: await s.queue() for letter in sorted({b[0] for b in bindings})}
        for letter, key, table in bindings:
            await queues[letter].bind(exchange, key, arguments=table)
        for key, table, letters in messages:
            await s.put(key, "m", exchange=exchange, mandatory=False, headers=table)
            got = [letter * len(await s.drain(queue)) for letter, queue in queues.items()]
            equal("".join(got), letters, f"queues that got {table or key!r}")


for kind_of_exchange in ("direct", "fanout", "topic", "headers"):
    check(kind_of_exchange)(functools.partial(routing, kind_of_exchange))


@check("big-body")
async def big_body():
    async with Session() as s:
        queue = await s.queue()
        big = bytes(range(256)) * 4096
        frame = s.connection.transport.connection.connection_tune.frame_max - 8
        sizes = [b"", big, big[:frame], big[:frame + 1], b""]
        for body in sizes:
            await s.channel.default_exchange.publish(Message(body), queue.name)
        await s.consume(queue)
        got = [message.body for message in await s.receive(len(sizes))]
        equal([len(b) for b in got], [len(b) for b in sizes], "body sizes")
        true(got == sizes, "a body changed on its way")


@check("errors")
async def errors():
    async with Session() as s:
        no = suite.name("missing")
        queue = await s.queue()
        exchange = await s.exchange("direct", auto_delete=False)

        async def ack_unknown(channel):
            await (await channel.get_underlay_channel()).basic_ack(99)

        async def publish_to_nowhere(channel):
            missing = await channel.get_exchange(no, ensure=False)
            await missing.publish(Message(b""), "")

        async def consume_nothing(channel):
            await (await channel.get_queue(no, ensure=False)).consume(print)

        async def bind_default(channel):
            await (await channel.get_queue(queue.name)).bind("", "key")

        cases = [
            (404, f"NOT_FOUND - no queue '{no}' in vhost '/'",
             lambda c: c.declare_queue(no, passive=True)),
            (404, f"NOT_FOUND - no exchange '{no}' in vhost '/'",
             lambda c: c.declare_exchange(no, passive=True)),
            (404, f"NOT_FOUND - no queue '{no}' in vhost '/'", consume_nothing),
            (404, f"NOT_FOUND - no exchange '{no}' in vhost '/'", publish_to_nowhere),
            (406, f"PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue "
             f"'{queue.name}' in vhost '/': received the value '7' of type",
             lambda c: c.declare_queue(queue.name, exclusive=True, arguments={"x-max-length": 7})),
            (406, f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange.name}' "
             "in vhost '/': received 'fanout' but current is 'direct'",
             lambda c: c.declare_exchange(exchange.name, "fanout")),
            (403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
             lambda c: c.declare_queue("amq.mine")),
            (403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
             lambda c: c.declare_exchange("amq.mine", "direct")),
            (403, "ACCESS_REFUSED - operation not permitted on the default exchange", bind_default),
            (406, "PRECONDITION_FAILED - unknown delivery tag 99", ack_unknown),
        ]
        for code, text, action in cases:
            await refused(code, text, action, s.connection)
        await exchange.delete()
    try:
        await aio_pika.connect(URL(suite.url).with_path("/" + no))
        raise AssertionError("connected to a missing vhost")
    except exceptions.InvalidFrameError as closed:
        # The client expects only open-ok here, and keeps code and text to itself.
        true("Connection.Close" in str(closed), f"missing vhost: {closed}")


@check("cancel")
async def cancel():
    async with Session() as s:
        queue = await s.queue()
        heard = asyncio.Queue()
        channel = await s.channel.get_underlay_channel()
        channel.on_consumer_cancel_callbacks.add(lambda frame: heard.put_nowait(frame))
        tag = await s.consume(queue)
        await (await s.connection.channel()).queue_delete(queue.name)
        frame = await within(heard.get(), "basic.cancel from the broker")
        equal(frame.consumer_tag, tag, "cancelled consumer")
        await (await s.queue()).delete()
        true(not s.channel.is_closed, "the channel was closed")


@check("ttl")
async def ttl():
    async with Session() as s:
        target = await s.queue()
        dead = await s.exchange("direct")
        await target.bind(dead, "dead")
        letters = {"x-dead-letter-exchange": dead.name, "x-dead-letter-routing-key": "dead"}
        queue = await s.queue(arguments={"x-message-ttl": 100, **letters})
        await s.consume(target, no_ack=True)
        await s.put(queue, "old", headers={"mine": "kept"})
        message, = await s.receive(1)
        equal((message.body, message.exchange, message.routing_key), (b"old", dead.name, "dead"),
              "dead letter")
        equal(message.headers["mine"], "kept", "header")
        look_at_death(message.headers, queue.name, "expired")
        own = await s.queue(arguments=letters)
        await s.put(own, "own", expiration=0.05)
        message, = await s.receive(1)
        equal((message.body, message.expiration), (b"own", None), "body and expiration")
        look_at_death(message.headers, own.name, "expired")
        equal(message.headers["x-death"][0]["original-expiration"], "50", "original-expiration")


@check("max-length")
async def max_length():
    async with Session() as s:
        target = await s.queue()
        queue = await s.queue(arguments={"x-max-length": 3, "x-dead-letter-exchange": "",
                                         "x-dead-letter-routing-key": target.name})
        await s.consume(target, no_ack=True)
        await s.put(queue, *"abcde")
        dropped = await s.receive(2)
        equal([m.body for m in dropped], [b"a", b"b"], "dropped messages")
        look_at_death(dropped[0].headers, queue.name, "maxlen")
        equal(await s.drain(queue), ["c", "d", "e"], "kept messages")
        full = await s.queue(arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        await s.put(full, "a", "b")
        try:
            await s.put(full, "c")
            raise AssertionError("a publish to a full queue was confirmed")
        except exceptions.DeliveryError as error:
            true(isinstance(error.frame, aiormq.spec.Basic.Nack), f"confirm is {error.frame!r}")
        equal(await s.drain(full), ["a", "b"], "kept messages")


@check("priority")
async def priority():
    async with Session() as s:
        queue = await s.queue(arguments={"x-max-priority": 5})
        for body, level in (("none", None), ("a1", 1), ("a5", 5), ("a3", 3), ("b5", 5), ("b9", 9)):
            await s.put(queue, body, priority=level)
        equal(await s.drain(queue), ["a5", "b5", "b9", "a3", "a1", "none"], "order by priority")


@check("reply-to")
async def reply_to():
    async with Session() as server, Session() as client:
        queue = await server.queue()
        pseudo = await client.channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await client.consume(pseudo, no_ack=True)
        await server.consume(queue, no_ack=True)
        await client.put(queue, "ask", reply_to=pseudo.name, correlation_id="7")
        asked, = await server.receive(1)
        equal((asked.body, asked.correlation_id), (b"ask", "7"), "request")
        true(asked.reply_to.startswith(pseudo.name + "."), f"reply-to is {asked.reply_to!r}")
        # RabbitMQ before 4.x returns a mandatory message to a reply-to address as unroutable.
        await server.put(asked.reply_to, "answer", correlation_id="7", mandatory=False)
        got, = await client.receive(1)
        equal((got.body, got.correlation_id), (b"answer", "7"), "reply")


async def run(function):
    try:
        await asyncio.wait_for(function(), CHECK_S)
    except Exception as error:  # every fault of a check belongs in the table
        return error
    return None


def main():
    # Expected refusals are logged as warnings by the client.
    logging.disable(logging.CRITICAL)
    passed = True
    for feature, function in suite.selected():
        passed &= suite.report(feature, asyncio.run(run(function)))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""The features of the broker, seen through pika."""
import datetime
import decimal
import functools
import signal
import sys

import pika
from pika import exceptions

from report import (CHECK_S, EVENT_S, Suite, equal, look_at_death, look_at_server_properties,
                    routing_table, true)

suite = Suite("pika")
check = suite.check


class Session:
    """One connection and channel, and what arrived on its consumers and returns."""

    def __init__(self, url=None):
        self.connection = pika.BlockingConnection(pika.URLParameters(url or suite.url))
        self.channel = self.connection.channel()
        # Messages are put with confirms: only then must a message count include them.
        self.publisher = self.connection.channel()
        self.publisher.confirm_delivery()
        self.inbox = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection.is_open:
            self.connection.close()

    def queue(self, **options):
        options.setdefault("exclusive", True)
        return self.channel.queue_declare(suite.name("queue"), **options).method.queue

    def exchange(self, kind, **options):
        options.setdefault("auto_delete", True)
        name = suite.name(kind)
        self.channel.exchange_declare(name, kind, **options)
        return name

    def put(self, queue, *bodies, exchange="", mandatory=True, **properties):
        for body in bodies:
            self.publisher.basic_publish(exchange, queue, body.encode(),
                                         pika.BasicProperties(**properties), mandatory=mandatory)

    def consume(self, queue, channel=None, **options):
        channel = channel or self.channel
        return channel.basic_consume(queue, lambda *m: self.inbox.append(m[1:]), **options)

    def until(self, condition, what, seconds=EVENT_S):
        """Handle events until the condition holds."""
        wait = self.connection.process_data_events
        wait(0)
        end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
        while not condition():
            left = (end - datetime.datetime.now()).total_seconds()
            true(left > 0, f"timed out: {what}")
            wait(left)

    def receive(self, count):
        """The next messages on the consumers, exactly so many."""
        self.until(lambda: len(self.inbox) >= count, f"{count} messages, got {len(self.inbox)}")
        # A round trip on the channel flushes out anything that was sent beyond them.
        self.channel.basic_qos(prefetch_count=0)
        self.connection.process_data_events(0)
        equal(len(self.inbox), count, "number of deliveries")
        taken, self.inbox = self.inbox, []
        return taken

    def bodies(self, count):
        return [body.decode() for _, _, body in self.receive(count)]

    def get(self, queue, **options):
        return self.channel.basic_get(queue, **options)

    def drain(self, queue):
        """Take everything that is ready with basic.get."""
        bodies = []
        while True:
            method, _, body = self.get(queue, auto_ack=True)
            if method is None:
                return bodies
            bodies.append(body.decode())

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count


def refused(code, text, action, session=None):
    """Run an action that must close its channel with this code and text."""
    own = session or Session()
    try:
        channel = own.connection.channel()
        try:
            action(channel)
        except exceptions.ChannelClosedByBroker as closed:
            equal(closed.reply_code, code, f"reply code ({closed.reply_text})")
            true(text in closed.reply_text, f"reply text is {closed.reply_text!r}, not {text!r}")
        else:
            raise AssertionError(f"accepted, expected {code} {text}")
        true(channel.is_closed, "the channel is still open")
        true(own.connection.is_open, "the connection was closed too")
        own.connection.channel().close()
    finally:
        if session is None:
            own.connection.close()


@check("connect")
def connect():
    with Session() as s:
        look_at_server_properties(s.connection._impl.server_properties)
        parameters = s.connection._impl.params
        true(0 < parameters.channel_max <= 65535, f"channel_max {parameters.channel_max}")
        true(parameters.frame_max >= 8192, f"frame_max {parameters.frame_max}")
    wrong = pika.URLParameters(suite.url)
    wrong.credentials = pika.PlainCredentials("guest", "wrong-" + suite.name("password"))
    try:
        pika.BlockingConnection(wrong)
    except exceptions.ProbableAuthenticationError as refusal:
        true("ACCESS_REFUSED" in str(refusal), f"refused login says {refusal}")
    else:
        raise AssertionError("a wrong password was accepted")


@check("heartbeat")
def heartbeat():
    parameters = pika.URLParameters(suite.url)
    parameters.heartbeat = 1
    connection = pika.BlockingConnection(parameters)
    equal(connection._impl.params.heartbeat, 1, "negotiated heartbeat")
    closed = []
    connection._impl.add_on_close_callback(lambda *reason: closed.append(reason))
    # pika looks every six seconds whether anything came since the last look, and closes if not.
    connection.process_data_events(13)
    equal(closed, [], "closed while only heartbeats were exchanged")
    connection.channel().close()
    connection.close()


@check("close")
def close():
    with Session() as watcher:
        kept = watcher.queue(exclusive=False, auto_delete=True)
        watcher.consume(kept)
        s = Session()
        exclusive = s.queue()
        s.consume(kept)
        watcher.channel.basic_cancel(next(iter(watcher.channel._consumer_infos)))
        s.put(kept, "unacked")
        s.receive(1)
        watcher.consume(kept)
        s.connection.close()
        true(s.connection.is_closed, "the connection did not close")
        (method, _, body), = watcher.receive(1)
        equal((body, method.redelivered), (b"unacked", True), "message of the closed connection")
        refused(404, "NOT_FOUND", lambda c: c.queue_declare(exclusive, passive=True), watcher)


@check("publish")
def publish():
    headers = {
        "short": -5, "long": 2**40, "negative": -(2**40), "true": True, "false": False,
        "text": "gr\u00fc\u00df", "empty": "", "bytes": b"\x00\xff\xfe", "nothing": None,
        "time": datetime.datetime(2024, 2, 29, 12, 0, 1, tzinfo=datetime.timezone.utc),
        "decimal": decimal.Decimal("-3.14"),
        "table": {"inner": {"deep": [1, "two", {"three": 3}]}},
        "array": [1, "a", True, None, [2], {"k": "v"}], "no table": {}, "no array": [],
    }
    properties = {
        "content_type": "application/json", "content_encoding": "utf-8", "headers": headers,
        "delivery_mode": 2, "priority": 7, "correlation_id": "correlation", "reply_to": "reply",
        "expiration": "60000", "message_id": "message", "timestamp": 1709208001, "type": "kind",
        "user_id": pika.URLParameters(suite.url).credentials.username, "app_id": "application",
        "cluster_id": "cluster",
    }
    with Session() as s:
        queue = s.queue()
        s.put(queue, "body", **properties)
        s.put(queue, "bare")
        s.consume(queue)
        full, bare = s.receive(2)
        equal((full[0].exchange, full[0].routing_key), ("", queue), "exchange and routing key")
        equal(full[2], b"body", "body")
        for key, value in properties.items():
            equal(getattr(full[1], key), value, f"property {key}")
        for key in properties:
            equal(getattr(bare[1], key), None, f"absent property {key}")


@check("consume")
def consume():
    with Session() as s:
        queue = s.queue()
        sent = [f"m{i}" for i in range(100)]
        s.put(queue, *sent[:50])
        equal(s.consume(queue, consumer_tag="my tag", auto_ack=True), "my tag", "consumer tag")
        s.put(queue, *sent[50:])
        got = s.receive(100)
        equal([body.decode() for _, _, body in got], sent, "order")
        equal({m.consumer_tag for m, _, _ in got}, {"my tag"}, "consumer tags of deliveries")
        equal([m.delivery_tag for m, _, _ in got], list(range(1, 101)), "delivery tags")
        equal({m.redelivered for m, _, _ in got}, {False}, "redelivered flags")
        s.channel.basic_cancel("my tag")
        s.put(queue, "later")
        equal(s.ready(queue), 1, "messages ready after cancel")
        made = s.channel.basic_consume(queue, lambda *_: None, consumer_tag="")
        true(made, "no consumer tag from the broker")


def confirm_events(publish_all, finished):
    """Publish on an asynchronous connection in confirm mode; every return, ack and nack."""
    events, problem = [], []

    def opened(channel):
        channel.add_on_return_callback(lambda *m: arrived("return", m[1].reply_code, False))
        channel.confirm_delivery(
            lambda f: arrived(f.method.NAME, f.method.delivery_tag, f.method.multiple),
            callback=lambda _: publish_all(channel))

    def arrived(*event):
        events.append(event)
        if finished(events):
            connection.close()

    def expired():
        problem.append(f"confirms did not arrive: {events}")
        connection.close()

    connection = pika.SelectConnection(
        pika.URLParameters(suite.url),
        on_open_callback=lambda c: c.channel(on_open_callback=opened),
        on_close_callback=lambda c, _: c.ioloop.stop())
    connection.ioloop.call_later(EVENT_S, expired)
    connection.ioloop.start()
    true(not problem, str(problem))
    return events


def confirmed(events):
    """Delivery tags confirmed with ack, with `multiple` written out."""
    tags = set()
    for name, tag, multiple in events:
        if name == "Basic.Ack":
            fresh = set(range(1, tag + 1)) - tags if multiple else {tag}
            true(fresh and not fresh & tags, f"tag {tag} was confirmed twice")
            tags |= fresh
    return tags


@check("confirm")
def confirm():
    with Session() as s:
        queue = s.queue(exclusive=False)
        s.put(queue, "one")
        equal(s.ready(queue), 1, "messages after a confirm")
        many = confirm_events(
            lambda c: [c.basic_publish("", queue, b"m") for _ in range(500)],
            lambda e: len(confirmed(e)) == 500)
        equal(confirmed(many), set(range(1, 501)), "confirmed tags")
        equal(s.ready(queue), 501, "messages after many confirms")
        order = confirm_events(
            lambda c: c.basic_publish("", suite.name("nowhere"), b"m", mandatory=True),
            lambda e: len(e) == 2)
        equal(order, [("return", 312, False), ("Basic.Ack", 1, False)], "return comes before ack")
        s.channel.queue_delete(queue)


@check("return")
def returned():
    with Session() as s:
        s.channel.add_on_return_callback(lambda *m: s.inbox.append(m[1:]))
        nowhere = suite.name("nowhere")
        s.channel.basic_publish("", nowhere, b"silent", mandatory=False)
        s.channel.basic_publish("", nowhere, b"back", pika.BasicProperties(message_id="42"),
                                mandatory=True)
        (method, properties, body), = s.receive(1)
        equal((method.reply_code, method.reply_text), (312, "NO_ROUTE"), "reply")
        equal((method.exchange, method.routing_key), ("", nowhere), "exchange and routing key")
        equal((properties.message_id, body), ("42", b"back"), "message")
        exchange = s.exchange("direct")
        s.channel.basic_publish(exchange, "key", b"again", mandatory=True)
        (method, _, _), = s.receive(1)
        equal((method.exchange, method.routing_key), (exchange, "key"), "exchange and routing key")
        try:
            s.put(nowhere, "confirmed")
            raise AssertionError("no UnroutableError")
        except exceptions.UnroutableError:
            pass


@check("qos")
def qos():
    with Session() as s:
        queue = s.queue()
        s.channel.basic_qos(prefetch_count=3)
        s.put(queue, *"abcdefgh")
        consumer = s.connection.channel()
        consumer.basic_qos(prefetch_count=3)
        s.consume(queue, consumer)
        first = s.receive(3)
        equal(s.ready(queue), 5, "messages held back")
        consumer.basic_ack(first[0][0].delivery_tag)
        equal(s.bodies(1), ["d"], "next after one ack")
        consumer.basic_ack(first[2][0].delivery_tag, multiple=True)
        equal(s.bodies(2), ["e", "f"], "next after a multiple ack")
        shared = s.connection.channel()
        other = s.queue()
        shared.basic_qos(prefetch_count=2, global_qos=True)
        s.consume(other, shared)
        s.consume(other, shared)
        s.put(other, *"abcd")
        equal(len(s.receive(2)), 2, "two consumers within one channel's limit")


@check("get")
def get():
    with Session() as s:
        queue = s.queue()
        equal(s.get(queue), (None, None, None), "get from an empty queue")
        s.put(queue, "a", "b", "c", type="kind")
        method, properties, body = s.get(queue)
        equal((body, method.message_count, method.redelivered), (b"a", 2, False), "first get-ok")
        equal((method.exchange, method.routing_key), ("", queue), "exchange and routing key")
        equal(properties.type, "kind", "property")
        s.channel.basic_ack(method.delivery_tag)
        equal(s.get(queue, auto_ack=True)[0].message_count, 1, "second get-ok")
        equal(s.get(queue, auto_ack=True)[0].message_count, 0, "third get-ok")
        equal(s.get(queue), (None, None, None), "get from a drained queue")


@check("nack")
def nack():
    with Session() as s:
        target = s.queue()
        queue = s.queue(arguments={"x-dead-letter-exchange": "",
                                   "x-dead-letter-routing-key": target})
        s.put(queue, *"abcd")
        taken = [s.get(queue) for _ in range(4)]
        s.channel.basic_nack(taken[1][0].delivery_tag, multiple=True, requeue=True)
        s.channel.basic_reject(taken[2][0].delivery_tag, requeue=True)
        again = [s.get(queue) for _ in range(3)]
        equal([m[2] for m in again], [b"a", b"b", b"c"], "requeued messages keep their place")
        equal([m[0].redelivered for m in again], [True] * 3, "redelivered flags")
        s.channel.basic_ack(taken[3][0].delivery_tag)
        s.consume(target, auto_ack=True)
        s.channel.basic_reject(again[0][0].delivery_tag, requeue=False)
        (_, properties, body), = s.receive(1)
        equal(body, b"a", "rejected message")
        look_at_death(properties.headers, queue, "rejected")
        s.channel.basic_nack(again[2][0].delivery_tag, multiple=True, requeue=False)
        equal(s.bodies(2), ["b", "c"], "messages of a multiple nack")
        equal(s.ready(queue), 0, "messages left")


@check("recover")
def recover():
    with Session() as s:
        queue = s.queue()
        s.put(queue, "a", "b")
        s.consume(queue)
        equal([m.redelivered for m, _, _ in s.receive(2)], [False] * 2, "first delivery")
        s.channel.basic_recover(requeue=True)
        again = s.receive(2)
        equal([b for _, _, b in again], [b"a", b"b"], "recovered messages")
        equal([m.redelivered for m, _, _ in again], [True] * 2, "redelivered flags")
        equal([m.delivery_tag for m, _, _ in again], [3, 4], "delivery tags")


@check("tx")
def tx():
    with Session() as s:
        queue = s.queue()
        channel = s.connection.channel()
        channel.tx_select()
        channel.basic_publish("", queue, b"a")
        channel.basic_publish("", queue, b"b")
        equal(s.ready(queue), 0, "messages before commit")
        channel.tx_commit()
        equal(s.ready(queue), 2, "messages after commit")
        channel.basic_publish("", queue, b"lost")
        channel.tx_rollback()
        channel.tx_commit()
        equal(s.ready(queue), 2, "messages after rollback")
        method, _, _ = channel.basic_get(queue)
        channel.basic_ack(method.delivery_tag)
        channel.tx_rollback()
        channel.basic_ack(method.delivery_tag)
        channel.tx_commit()
        channel.close()
        equal(s.drain(queue), ["b"], "messages after an ack was committed")
        refused(406, "PRECONDITION_FAILED", lambda c: (c.tx_select(), c.confirm_delivery()), s)


@check("exchange")
def exchange():
    with Session() as s:
        c, queue = s.channel, s.queue()
        source = s.exchange("direct", auto_delete=False, durable=True)
        middle = s.exchange("fanout", auto_delete=False)
        c.exchange_declare(source, passive=True)
        c.exchange_declare(source, "direct", durable=True)
        c.exchange_bind(middle, source, "key")
        c.queue_bind(queue, middle, "")
        s.put("key", "through", exchange=source)
        equal(s.drain(queue), ["through"], "message over two exchanges")
        refused(406, f"PRECONDITION_FAILED - exchange '{middle}' in vhost '/' in use",
                lambda x: x.exchange_delete(middle, if_unused=True), s)
        c.exchange_unbind(middle, source, "key")
        s.put("key", "lost", exchange=source, mandatory=False)
        equal(s.drain(queue), [], "message after unbind")
        c.queue_unbind(queue, middle, "")
        c.exchange_delete(middle, if_unused=True)
        c.exchange_delete(source)
        c.exchange_delete(source)
        refused(404, "NOT_FOUND - no exchange", lambda x: x.exchange_declare(source, passive=True),
                s)
        alternate = s.exchange("fanout")
        c.queue_bind(queue, alternate)
        first = s.exchange("direct", auto_delete=False,
                           arguments={"alternate-exchange": alternate})
        s.put("unknown", "caught", exchange=first)
        equal(s.drain(queue), ["caught"], "message over the alternate exchange")
        c.exchange_delete(first)
        gone = s.exchange("fanout", auto_delete=True)
        c.queue_bind(queue, gone)
        c.queue_unbind(queue, gone)
        refused(404, "NOT_FOUND", lambda x: x.exchange_declare(gone, passive=True), s)
        inner = s.exchange("fanout", internal=True, auto_delete=False)
        refused(403, "ACCESS_REFUSED", lambda x: (x.basic_publish(inner, "", b""), x.basic_qos()),
                s)
        c.exchange_delete(inner)


@check("queue")
def queue_life_cycle():
    with Session() as s:
        c = s.channel
        made = c.queue_declare("", exclusive=True).method.queue
        true(made.startswith("amq.gen-"), f"server-named queue is {made!r}")
        queue = s.queue(exclusive=False, durable=True)
        s.put(queue, *"abc")
        found = c.queue_declare(queue, passive=True).method
        equal((found.message_count, found.consumer_count), (3, 0), "counts")
        equal(c.queue_purge(queue).method.message_count, 3, "purged messages")
        s.put(queue, "d")
        refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty",
                lambda x: x.queue_delete(queue, if_empty=True), s)
        tag = s.consume(queue, auto_ack=True)
        equal(s.bodies(1), ["d"], "message")
        equal(c.queue_declare(queue, passive=True).method.consumer_count, 1, "consumers")
        refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use",
                lambda x: x.queue_delete(queue, if_unused=True), s)
        c.basic_cancel(tag)
        s.put(queue, "e", "f")
        equal(c.queue_delete(queue, if_unused=True).method.message_count, 2, "deleted messages")
        equal(c.queue_delete(queue).method.message_count, 0, "deleting what is gone")
        mine = s.queue(exclusive=True)
        refused(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue",
                lambda x: x.queue_declare(mine, passive=True))
        fleeting = s.queue(exclusive=False, auto_delete=True)
        c.basic_cancel(s.consume(fleeting))
        refused(404, "NOT_FOUND", lambda x: x.queue_declare(fleeting, passive=True), s)


def routing(kind):
    """Bind the queues of the table and see which of them get each message."""
    with Session() as s:
        exchange = s.exchange(kind)
        bindings, messages = routing_table(kind)
        queues = {letter: s.queue() for letter, _, _ in bindings}
        for letter, key, table in bindings:
            s.channel.queue_bind(queues[letter], exchange, key, table)
        for key, table, letters in messages:
            s.put(key, "m", exchange=exchange, mandatory=False, headers=table)
            got = "".join(letter * len(s.drain(queue)) for letter, queue in sorted(queues.items()))
            equal(got, letters, f"queues that got {table or key!r}")


for kind_of_exchange in ("direct", "fanout", "topic", "headers"):
    check(kind_of_exchange)(functools.partial(routing, kind_of_exchange))


@check("big-body")
def big_body():
    with Session() as s:
        queue = s.queue()
        big = bytes(range(256)) * 4096
        frame = s.connection._impl.params.frame_max - 8
        sizes = [b"", big, big[:frame], big[:frame + 1], b""]
        for body in sizes:
            s.channel.basic_publish("", queue, body)
        s.consume(queue)
        got = [body for _, _, body in s.receive(len(sizes))]
        equal([len(b) for b in got], [len(b) for b in sizes], "body sizes")
        true(got == sizes, "a body changed on its way")


@check("errors")
def errors():
    with Session() as s:
        no = suite.name("missing")
        queue = s.queue()
        exchange = s.exchange("direct", auto_delete=False)
        refused(404, f"NOT_FOUND - no queue '{no}' in vhost '/'",
                lambda c: c.queue_declare(no, passive=True), s)
        refused(404, f"NOT_FOUND - no exchange '{no}' in vhost '/'",
                lambda c: c.exchange_declare(no, passive=True), s)
        refused(404, f"NOT_FOUND - no queue '{no}' in vhost '/'",
                lambda c: c.basic_consume(no, print), s)
        refused(404, f"NOT_FOUND - no exchange '{no}' in vhost '/'",
                lambda c: (c.basic_publish(no, "", b""), c.basic_qos()), s)
        refused(406, f"PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{queue}' "
                "in vhost '/': received the value '7' of type",
                lambda c: c.queue_declare(queue, exclusive=True, arguments={"x-max-length": 7}), s)
        refused(406, f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange}' "
                "in vhost '/': received 'fanout' but current is 'direct'",
                lambda c: c.exchange_declare(exchange, "fanout"), s)
        refused(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
                lambda c: c.queue_declare("amq.mine"), s)
        refused(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
                lambda c: c.exchange_declare("amq.mine", "direct"), s)
        refused(403, "ACCESS_REFUSED - operation not permitted on the default exchange",
                lambda c: c.queue_bind(queue, "", "key"), s)
        refused(406, "PRECONDITION_FAILED - unknown delivery tag 99",
                lambda c: (c.basic_ack(99), c.basic_qos()), s)
        s.channel.exchange_delete(exchange)
    parameters = pika.URLParameters(suite.url)
    parameters.virtual_host = no
    try:
        pika.BlockingConnection(parameters)
        raise AssertionError("connected to a missing vhost")
    except exceptions.ConnectionClosedByBroker as closed:
        equal(closed.reply_code, 530, "reply code for a missing vhost")
        equal(closed.reply_text, f"NOT_ALLOWED - vhost {no} not found", "reply text")
    except exceptions.ProbableAccessDeniedError as denied:
        true(f"NOT_ALLOWED - vhost {no} not found" in str(denied), f"missing vhost: {denied}")


@check("cancel")
def cancel():
    with Session() as s:
        queue = s.queue()
        heard = []
        s.channel.add_on_cancel_callback(lambda frame: heard.append(frame.method.consumer_tag))
        tag = s.consume(queue)
        s.connection.channel().queue_delete(queue)
        s.until(lambda: heard, "basic.cancel from the broker")
        equal(heard, [tag], "cancelled consumers")
        true(s.channel.is_open, "the channel was closed")


@check("ttl")
def ttl():
    with Session() as s:
        target = s.queue()
        dead = s.exchange("direct")
        s.channel.queue_bind(target, dead, "dead")
        queue = s.queue(arguments={"x-message-ttl": 100, "x-dead-letter-exchange": dead,
                                   "x-dead-letter-routing-key": "dead"})
        s.consume(target, auto_ack=True)
        s.put(queue, "old", headers={"mine": "kept"})
        (method, properties, body), = s.receive(1)
        equal((body, method.exchange, method.routing_key), (b"old", dead, "dead"), "dead letter")
        equal(properties.headers["mine"], "kept", "header")
        look_at_death(properties.headers, queue, "expired")
        own = s.queue(arguments={"x-dead-letter-exchange": dead,
                                 "x-dead-letter-routing-key": "dead"})
        s.put(own, "own", expiration="50")
        (_, properties, body), = s.receive(1)
        equal((body, properties.expiration), (b"own", None), "body and expiration")
        look_at_death(properties.headers, own, "expired")
        equal(properties.headers["x-death"][0]["original-expiration"], "50", "original-expiration")
        short = s.queue(exclusive=False, arguments={"x-expires": 100})
        wait_until_gone(s, short)


def wait_until_gone(s, queue):
    """Ask for a queue until it does not exist; a purge does not count as use."""
    channel = s.connection.channel()
    for _ in range(EVENT_S * 20):
        try:
            channel.queue_purge(queue)
        except exceptions.ChannelClosedByBroker as closed:
            equal(closed.reply_code, 404, "reply code")
            return
        s.connection.process_data_events(0.05)
    raise AssertionError("a queue with x-expires did not go")


@check("max-length")
def max_length():
    with Session() as s:
        target = s.queue()
        queue = s.queue(arguments={"x-max-length": 3, "x-dead-letter-exchange": "",
                                   "x-dead-letter-routing-key": target})
        s.consume(target, auto_ack=True)
        s.put(queue, *"abcde")
        equal(s.bodies(2), ["a", "b"], "dropped messages")
        equal(s.drain(queue), ["c", "d", "e"], "kept messages")
        s.put(queue, *"vwxyz")
        look_at_death(s.receive(2)[0][1].headers, queue, "maxlen")
        full = s.queue(arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
        s.put(full, "a", "b")
        try:
            s.put(full, "c")
            raise AssertionError("a publish to a full queue was confirmed")
        except exceptions.NackError:
            pass
        equal(s.drain(full), ["a", "b"], "kept messages")
        size = s.queue(arguments={"x-max-length-bytes": 10})
        s.put(size, "12345", "67890", "abc")
        equal(s.drain(size), ["67890", "abc"], "kept messages by size")


@check("priority")
def priority():
    with Session() as s:
        queue = s.queue(arguments={"x-max-priority": 5})
        for body, level in (("none", None), ("a1", 1), ("a5", 5), ("a3", 3), ("b5", 5), ("b9", 9)):
            s.put(queue, body, priority=level)
        equal(s.drain(queue), ["a5", "b5", "b9", "a3", "a1", "none"], "order by priority")


@check("reply-to")
def reply_to():
    pseudo = "amq.rabbitmq.reply-to"
    with Session() as server, Session() as client:
        queue = server.queue()
        client.consume(pseudo, auto_ack=True)
        request = pika.BasicProperties(reply_to=pseudo, correlation_id="7")
        server.consume(queue, auto_ack=True)
        bound = server.exchange("fanout")
        server.channel.queue_bind(queue, bound)
        client.channel.basic_publish(bound, "", b"ask", request, mandatory=True)
        (_, asked, body), = server.receive(1)
        equal((body, asked.correlation_id), (b"ask", "7"), "request")
        true(asked.reply_to.startswith(pseudo + "."), f"reply-to is {asked.reply_to!r}")
        # RabbitMQ before 4.x returns a mandatory message to a reply-to address as unroutable.
        server.put(asked.reply_to, "answer", correlation_id="7", mandatory=False)
        (method, got, body), = client.receive(1)
        equal((body, got.correlation_id), (b"answer", "7"), "reply")
        equal((method.exchange, method.routing_key), ("", asked.reply_to), "way of the reply")
    refused(406, "PRECONDITION_FAILED - fast reply consumer does not exist",
            lambda c: (c.basic_publish("", "x", b"", pika.BasicProperties(reply_to=pseudo)),
                       c.basic_qos()))


def expired(*_):
    raise TimeoutError(f"the check took more than {CHECK_S} s")


def main():
    signal.signal(signal.SIGALRM, expired)
    passed = True
    for feature, function in suite.selected():
        signal.alarm(CHECK_S)
        try:
            function()
            problem = None
        except Exception as error:  # every fault of a check belongs in the table
            problem = error
        finally:
            signal.alarm(0)
        passed &= suite.report(feature, problem)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

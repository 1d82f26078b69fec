"""Expiry, dead letters, limits, priorities, single active consumer, direct reply-to, permissions."""

from scenario import scenario


def dead_letters(channel, s, **arguments):
    """A queue `q` whose dead letters go to `d` through the fanout `dlx`."""
    channel.exchange(s.name("dlx"), "fanout")
    channel.queue(s.name("d"))
    channel.bind(s.name("d"), s.name("dlx"))
    declared = {"x-dead-letter-exchange": s.name("dlx"), **{k.replace("_", "-"): v for k, v in arguments.items()}}
    return channel.queue(s.name("q"), arguments=declared), s.name("d")


@scenario("ttl/queue")
def ttl_queue(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-message-ttl": 30})
    channel.publish_all(queue, ("1", {}), ("2", {}))
    channel.await_count(queue, 0)


@scenario("ttl/message")
def ttl_message(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish_all(queue, ("1", {"expiration": "50"}), ("2", {}))
    channel.await_count(queue, 1)
    channel.drain(queue)


@scenario("ttl/zero-without-consumer")
def ttl_zero(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-message-ttl": 0})
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)


@scenario("ttl/zero-with-consumer")
def ttl_zero_consumer(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-message-ttl": 0})
    channel.consume(queue, "t", no_ack=True)
    channel.publish("", queue, "1")
    channel.publish("", queue, "2", expiration="0")
    channel.deliveries("t", 2)


@scenario("ttl/smaller-wins")
def ttl_smaller(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-message-ttl": 60})
    channel.publish_all(queue, ("1", {"expiration": "600000"}))
    channel.await_count(queue, 0)


@scenario("ttl/only-at-the-head")
def ttl_head(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish_all(queue, ("stays", {}), ("short", {"expiration": "1"}))
    clock = channel.queue(s.name("clock"), arguments={"x-message-ttl": 50})
    channel.publish_all(clock, ("tick", {}))
    channel.await_count(clock, 0)
    channel.await_count(queue, 2)
    channel.consume(queue, "t", no_ack=True)
    channel.deliveries("t", 1)
    channel.nothing(queue)


@scenario("ttl/unacked-does-not-expire")
def ttl_unacked(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-message-ttl": 200})
    channel.publish("", queue, "held")
    channel.sync(queue)
    channel.get(queue)
    channel.publish_all(queue, ("expires", {}))
    channel.await_count(queue, 0)
    channel.cast("basic.ack", delivery_tag=1)
    channel.nothing(queue)


@scenario("ttl/queue-expires")
def expires(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-expires": 150})
    channel.await_gone_untouched(queue)


@scenario("ttl/queue-with-consumer-does-not-expire")
def expires_consumer(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-expires": 60})
    channel.consume(queue, "t")
    short = channel.queue(s.name("s"), arguments={"x-message-ttl": 250})
    channel.publish_all(short, ("clock", {}))
    channel.await_count(short, 0)
    channel.publish("", queue, "still there")
    channel.deliveries("t", 1)


@scenario("dead-letter/rejected")
def rejected(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1", headers={"own": 1}, delivery_mode=2, message_id="m")
    channel.publish("", queue, "2")
    channel.sync(queue)
    channel.get(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(dead, 1)
    channel.cast("basic.nack", delivery_tag=2)
    channel.await_count(dead, 2)
    channel.drain(dead)


@scenario("dead-letter/requeue-is-not")
def requeued(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1, requeue=True)
    channel.sync(queue, dead)
    channel.get(dead)


@scenario("dead-letter/expired")
def expired(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s, x_message_ttl=20)
    channel.publish("", queue, "1", expiration="10")
    channel.await_count(dead, 1)
    channel.publish("", queue, "2")
    channel.await_count(dead, 2)
    channel.drain(dead)


@scenario("dead-letter/maxlen")
def maxlen(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s, x_max_length=2)
    for body in "1234":
        channel.publish("", queue, body)
    channel.await_count(dead, 2)
    channel.drain(dead)
    channel.drain(queue)


@scenario("dead-letter/reject-publish")
def reject_publish(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s, x_max_length=1, x_overflow="reject-publish")
    channel.publish("", queue, "1")
    channel.publish("", queue, "2")
    channel.sync(queue, dead)
    channel.get(dead)
    channel.drain(queue)


@scenario("dead-letter/reject-publish-dlx")
def reject_publish_dlx(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s, x_max_length=1, x_overflow="reject-publish-dlx")
    channel.call("confirm.select")
    channel.publish("", queue, "1")
    channel.confirms(1, 1)
    channel.publish("", queue, "2")
    channel.confirms(2, 2)
    channel.await_count(dead, 1)
    channel.drain(dead)


@scenario("dead-letter/last-death-headers")
def last_death(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(dead, 1)
    got = channel.get(dead, no_ack=True)
    headers = got.properties["headers"]
    s.note(f"last death: { {key: value for key, value in sorted(headers.items()) if key.startswith('x-last-death-')} }")


@scenario("dead-letter/routing-key")
def key(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s, x_dead_letter_routing_key="other.key")
    channel.publish("", queue, "1", headers={"CC": ["cc1"], "BCC": ["bcc1"]})
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(dead, 1)
    channel.drain(dead)


@scenario("dead-letter/keeps-keys-and-cc")
def keep_keys(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1", headers={"CC": ["cc1", "cc2"]})
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(dead, 1)
    channel.drain(dead)


@scenario("dead-letter/expiration-removed")
def expiration_removed(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1", expiration="20")
    channel.await_count(dead, 1)
    channel.drain(dead)


@scenario("dead-letter/default-exchange")
def default_exchange(s):
    channel = s.channel()
    channel.queue(s.name("d"))
    queue = channel.queue(s.name("q"), arguments={"x-dead-letter-exchange": "",
                                                  "x-dead-letter-routing-key": s.name("d")})
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(s.name("d"), 1)
    channel.drain(s.name("d"))


@scenario("dead-letter/missing-exchange")
def missing_exchange(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-dead-letter-exchange": s.name("none")})
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.nothing(queue)


@scenario("dead-letter/twice-counts")
def twice(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1")
    for tag in (1, 3):
        channel.await_count(queue, 1)
        channel.get(queue)
        channel.cast("basic.reject", delivery_tag=tag)
        channel.await_count(dead, 1)
        got = channel.get(dead, no_ack=True)
        channel.publish("", queue, "again", headers=got.properties["headers"], quiet=True)
    channel.await_count(queue, 1)
    channel.drain(queue)


@scenario("dead-letter/two-queues-and-reasons")
def two_queues(s):
    channel = s.channel()
    channel.queue(s.name("c"))
    channel.queue(s.name("b"), arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": s.name("c")})
    channel.queue(s.name("a"), arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": s.name("b"),
                                          "x-message-ttl": 10})
    channel.publish("", s.name("a"), "1", headers={"own": "kept"})
    channel.await_count(s.name("b"), 1)
    channel.get(s.name("b"))
    channel.cast("basic.reject", delivery_tag=1)
    channel.await_count(s.name("c"), 1)
    channel.drain(s.name("c"))


@scenario("dead-letter/cycle-of-expiry-is-dropped")
def cycle(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-dead-letter-exchange": "", "x-message-ttl": 10,
                                                  "x-dead-letter-routing-key": s.name("q")})
    channel.publish_all(queue, ("1", {}))
    # It dies on the way round, or it would come back within this time.
    clock = channel.queue(s.name("clock"), arguments={"x-message-ttl": 100})
    channel.publish_all(clock, ("tick", {}))
    channel.await_count(clock, 0)
    channel.await_count(queue, 0)
    channel.get(queue)


@scenario("dead-letter/purge-and-delete-are-not")
def purge(s):
    channel = s.channel()
    queue, dead = dead_letters(channel, s)
    channel.publish("", queue, "1")
    channel.call("queue.purge", queue=queue)
    channel.publish("", queue, "2")
    channel.call("queue.delete", queue=queue)
    channel.sync(dead)
    channel.get(dead)


# Limits and priorities.

@scenario("limit/max-length")
def max_length(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 2})
    for body in "12345":
        channel.publish("", queue, body)
    channel.sync(queue)
    channel.drain(queue)


@scenario("limit/max-length-counts-ready-only")
def max_length_unacked(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 1})
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.publish("", queue, "2")
    channel.sync(queue)
    channel.cast("basic.nack", delivery_tag=1, requeue=True)
    channel.sync(queue)
    channel.drain(queue)


@scenario("limit/max-length-zero")
def max_length_zero(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 0})
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.drain(queue)
    channel.consume(queue, "t")
    channel.publish_all(queue, ("2", {}))
    channel.deliveries("t", 1)


@scenario("limit/max-length-bytes")
def max_bytes(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length-bytes": 10})
    for body in ("1234", "56789", "abc", "x" * 11, "last"):
        channel.publish_all(queue, (body, {}))
        channel.await_count(queue, 0, 0)
    channel.drain(queue)


@scenario("limit/priorities")
def priorities(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-priority": 5})
    for body, options in (("none", {}), ("0", {"priority": 0}), ("3", {"priority": 3}), ("5", {"priority": 5}),
                          ("9", {"priority": 9}), ("3 again", {"priority": 3}), ("255", {"priority": 255})):
        channel.publish("", queue, body, **options)
    channel.sync(queue)
    channel.get(queue)
    channel.cast("basic.nack", delivery_tag=1, requeue=True)
    channel.sync(queue)
    channel.drain(queue)


@scenario("limit/priorities-and-max-length")
def priority_length(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-priority": 5, "x-max-length": 2})
    for number in (1, 5, 3, 2):
        channel.publish("", queue, str(number), priority=number)
    channel.sync(queue)
    channel.drain(queue)


@scenario("limit/priority-ignored-by-plain-queue")
def priority_plain(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "1", priority=1)
    channel.publish("", queue, "9", priority=9)
    channel.sync(queue)
    channel.drain(queue)


# Single active consumer.

@scenario("single-active/hands-over")
def single_active(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-single-active-consumer": True})
    channel.consume(queue, "a", quiet=False)
    channel.consume(queue, "b", quiet=False)
    for body in "123":
        channel.publish("", queue, body)
    channel.deliveries("a", 3)
    channel.nothing(queue)
    channel.call("basic.cancel", consumer_tag="a")
    channel.publish("", queue, "4")
    channel.deliveries("b", 1)


@scenario("single-active/exclusive-consumer-refused")
def single_exclusive(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-single-active-consumer": True})
    channel.consume(queue, "a", exclusive=True, quiet=False)


@scenario("single-active/channel-closed")
def single_closed(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = one.queue(s.name("q"), arguments={"x-single-active-consumer": True})
    one.consume(queue, "a")
    two.consume(queue, "b")
    two.publish("", queue, "1")
    one.deliveries("a", 1)
    one.close()
    two.deliveries("b", 1)


# Quorum queues: what an ordinary client sees of them.

def quorum_queue(channel, s, **arguments):
    declared = {"x-queue-type": "quorum", **{k.replace("_", "-"): v for k, v in arguments.items()}}
    return channel.queue(s.name("q"), durable=True, arguments=declared)


@scenario("quorum/publish-get-ack")
def quorum_plain(s):
    channel = s.channel()
    queue = quorum_queue(channel, s)
    channel.call("confirm.select")
    for body in "12":
        channel.publish("", queue, body)
    channel.confirms(1, 2)
    channel.await_count(queue, 2)
    channel.get(queue)
    channel.cast("basic.ack", delivery_tag=1)
    channel.get(queue, no_ack=True)
    channel.get(queue)


@scenario("quorum/delivery-limit")
def delivery_limit(s):
    channel = s.channel()
    channel.queue(s.name("d"))
    queue = quorum_queue(channel, s, x_delivery_limit=2, x_dead_letter_exchange="",
                         x_dead_letter_routing_key=s.name("d"))
    channel.consume(queue, "t")
    channel.publish("", queue, "poison")
    for tag in (1, 2, 3):
        channel.deliveries("t", 1)
        channel.cast("basic.nack", delivery_tag=tag, requeue=True)
    channel.await_count(s.name("d"), 1)
    channel.drain(s.name("d"))


@scenario("quorum/global-qos-refused")
def quorum_global(s):
    channel = s.channel()
    queue = quorum_queue(channel, s)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.consume(queue, "t", quiet=False)


# Direct reply-to.

REPLY_TO = "amq.rabbitmq.reply-to"


@scenario("reply-to/request-and-reply")
def reply_to(s):
    client, server = s.channel(), s.channel()
    queue = server.queue(s.name("q"))
    client.consume(REPLY_TO, "r", no_ack=True, quiet=False)
    client.publish("", queue, "question", reply_to=REPLY_TO, correlation_id="1", mandatory=True)
    server.await_count(queue, 1)
    asked = server.get(queue, no_ack=True)
    server.publish("", asked.properties["reply-to"], "answer", quiet=True, correlation_id="1", mandatory=True)
    client.deliveries("r", 1)
    name = asked.properties["reply-to"]
    server.call("queue.declare", quiet=True, queue=name, passive=True)
    client.close()
    server.publish("", name, "too late", quiet=True, mandatory=True)
    server.unasked("basic.return")


for label, fields in (("with-acks", {}), ("exclusive", {"no_ack": True, "exclusive": True}),
                      ("no-local", {"no_ack": True, "no_local": True})):
    @scenario(f"reply-to/consume-{label}")
    def reply_consume(s, fields=fields):
        s.channel().consume(REPLY_TO, "r", quiet=False, **fields)


@scenario("reply-to/consume-twice")
def reply_twice(s):
    channel = s.channel()
    channel.consume(REPLY_TO, "a", no_ack=True)
    channel.consume(REPLY_TO, "b", no_ack=True, quiet=False)


@scenario("reply-to/consume-again-after-cancel")
def reply_again(s):
    channel = s.channel()
    channel.consume(REPLY_TO, "a", no_ack=True)
    channel.call("basic.cancel", consumer_tag="a")
    channel.consume(REPLY_TO, "b", no_ack=True, quiet=False)


@scenario("reply-to/publish-without-consumer")
def reply_none(s):
    channel = s.channel()
    channel.publish("", s.name("none"), "x", reply_to=REPLY_TO)
    channel.failed()


@scenario("reply-to/declare")
def reply_declare(s):
    channel = s.channel()
    channel.queue(REPLY_TO, quiet=False)
    channel.queue(REPLY_TO, passive=True, quiet=False)


for method, fields in (("queue.delete", {}), ("queue.bind", {"exchange": "amq.direct"}), ("queue.purge", {}),
                       ("basic.get", {})):
    @scenario(f"reply-to/{method}")
    def reply_method(s, method=method, fields=fields):
        s.channel().call(method, queue=REPLY_TO, **fields)


@scenario("reply-to/declare-made-up-name")
def reply_made_up(s):
    s.channel().queue(REPLY_TO + ".g1h2AAtub2R5QG5vd2hlcmUAAAB.madeup==", passive=True, quiet=False)


@scenario("reply-to/publish-to-made-up-name")
def reply_publish(s):
    channel = s.channel()
    channel.publish("", REPLY_TO + ".madeup", "x", mandatory=True)
    channel.nothing()


# Permissions: `reader` may configure and write mine-*, read mine-* and open-*.

for label, method, fields in (
    ("declare-queue", "queue.declare", {"queue": "other-queue"}),
    ("declare-exchange", "exchange.declare", {"exchange": "other-x", "type": "direct"}),
    ("delete-queue", "queue.delete", {"queue": "open-queue"}),
    ("delete-missing-queue", "queue.delete", {"queue": "other-queue"}),
    ("delete-exchange", "exchange.delete", {"exchange": "amq.direct"}),
    ("delete-missing-exchange", "exchange.delete", {"exchange": "other-x"}),
    ("consume", "basic.consume", {"queue": "other-queue"}),
    ("get", "basic.get", {"queue": "other-queue"}),
    ("purge", "queue.purge", {"queue": "other-queue"}),
    ("bind-queue", "queue.bind", {"queue": "other-queue", "exchange": "mine-x"}),
    ("bind-from-exchange", "queue.bind", {"queue": "mine-missing", "exchange": "other-x"}),
    ("unbind", "queue.unbind", {"queue": "other-queue", "exchange": "mine-x"}),
    ("bind-exchange", "exchange.bind", {"destination": "other-x", "source": "mine-x"}),
    ("bind-exchange-source", "exchange.bind", {"destination": "mine-x", "source": "other-x"}),
    ("passive-queue", "queue.declare", {"queue": "other-queue", "passive": True}),
    ("passive-exchange", "exchange.declare", {"exchange": "other-x", "passive": True}),
    ("server-named", "queue.declare", {"exclusive": True}),
    ("dead-letter-exchange", "queue.declare",
     {"queue": "mine-q", "auto_delete": True, "arguments": {"x-dead-letter-exchange": "other-x"}}),
    ("dead-letter-exchange-read", "queue.declare",
     {"queue": "mine-q", "auto_delete": True, "arguments": {"x-dead-letter-exchange": "mine-x"}}),
    ("alternate-exchange", "exchange.declare",
     {"exchange": "mine-x", "type": "direct", "arguments": {"alternate-exchange": "other-x"}}),
    ("unknown-type", "exchange.declare", {"exchange": "other-x", "type": "nonsense"}),
    ("reserved-queue", "queue.declare", {"queue": "amq.mine"}),
    ("reserved-exchange", "exchange.declare", {"exchange": "amq.mine", "type": "direct"}),
):
    @scenario(f"permission/{label}")
    def denied(s, method=method, fields=fields):
        channel = s.channel(user="reader")
        reply = channel.call(method, **fields)
        if fields.get("queue") == "mine-q" and reply and reply.name == "queue.declare-ok":
            channel.call("queue.delete", queue="mine-q")


@scenario("permission/publish")
def publish_denied(s):
    channel = s.channel(user="reader")
    channel.publish("amq.direct", "k", "x")
    channel.failed()


@scenario("permission/publish-default-exchange")
def publish_default(s):
    channel = s.channel(user="reader")
    channel.publish("", "other-queue", "x")
    channel.failed()


@scenario("permission/publish-missing-exchange")
def publish_missing(s):
    channel = s.channel(user="reader")
    channel.publish("other-x", "k", "x")
    channel.failed()

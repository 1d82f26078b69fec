"""Length limits, priorities, single active consumer, quorum queues."""

from scenario import scenario


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


@scenario("single-active/connection-closed")
def single_connection_closed(s):
    first, second = s.connect(), s.channel()
    one = first.channel()
    queue = second.queue(s.name("q"), arguments={"x-single-active-consumer": True})
    one.consume(queue, "a", no_ack=False)
    second.consume(queue, "b", no_ack=False)
    for body in "12":
        second.publish("", queue, body)
    one.deliveries("a", 2)
    first.close()
    second.deliveries("b", 2)


@scenario("single-active/unacked-before-the-hand-over")
def single_unacked(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-single-active-consumer": True})
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "a")
    channel.consume(queue, "b")
    for body in "12":
        channel.publish("", queue, body)
    channel.deliveries("a", 1)
    channel.call("basic.cancel", consumer_tag="a")
    channel.deliveries("b", 1)


# Arguments that belong to another type of queues.

for label, kind, name, value in (
    ("classic-delivery-limit", "classic", "x-delivery-limit", 2),
    ("classic-strategy", "classic", "x-dead-letter-strategy", "at-least-once"),
    ("classic-group-size", "classic", "x-quorum-initial-group-size", 3),
    ("classic-max-age", "classic", "x-max-age", "7D"),
    ("classic-segment-size", "classic", "x-stream-max-segment-size-bytes", 100),
    ("classic-cluster-size", "classic", "x-initial-cluster-size", 1),
    ("classic-locator", "classic", "x-queue-leader-locator", "balanced"),
    ("classic-consumer-timeout", "classic", "x-consumer-timeout", 60000),
    ("quorum-priority", "quorum", "x-max-priority", 5),
    ("quorum-mode", "quorum", "x-queue-mode", "lazy"),
    ("quorum-version", "quorum", "x-queue-version", 1),
    ("quorum-max-age", "quorum", "x-max-age", "7D"),
    ("quorum-segment-size", "quorum", "x-stream-max-segment-size-bytes", 100),
    ("quorum-consumer-timeout", "quorum", "x-consumer-timeout", 60000),
    ("quorum-locator", "quorum", "x-queue-leader-locator", "balanced"),
    ("quorum-locator-unknown", "quorum", "x-queue-leader-locator", "here"),
    ("quorum-in-memory", "quorum", "x-max-in-memory-length", -1),
):
    @scenario(f"argument/{label}")
    def other_type(s, kind=kind, name=name, value=value):
        channel = s.channel()
        channel.queue(s.name("q"), durable=True, arguments={"x-queue-type": kind, name: value}, quiet=False)

"""basic.consume, basic.cancel and consumer priorities."""

from scenario import scenario
from scenarios.channels import filled


@scenario("consume/deliver-and-ack")
def consume(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"))
    channel.consume(queue, "t", quiet=False)
    channel.deliveries("t", 3)
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.ack", delivery_tag=3, multiple=True)
    channel.await_count(queue, 0)
    channel.publish("", queue, "4")
    channel.deliveries("t", 1)


@scenario("consume/server-named-tag")
def server_tag(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    reply = channel.call("basic.consume", queue=queue)
    channel.publish("", queue, "1")
    channel.deliveries(reply["consumer-tag"], 1)


@scenario("consume/missing-queue")
def missing(s):
    s.channel().call("basic.consume", queue=s.name("q"), consumer_tag="t")


@scenario("consume/duplicate-tag")
def duplicate(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t")
    channel.consume(queue, "t", quiet=False)


@scenario("consume/same-tag-on-two-channels")
def two_channels(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = one.queue(s.name("q"))
    one.consume(queue, "t", quiet=False)
    two.consume(queue, "t", quiet=False)


@scenario("consume/exclusive-while-consumed")
def exclusive(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "a")
    channel.consume(queue, "b", exclusive=True, quiet=False)


@scenario("consume/while-exclusively-consumed")
def exclusive_first(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "a", exclusive=True, quiet=False)
    channel.consume(queue, "b", quiet=False)


@scenario("consume/exclusive-free-after-cancel")
def exclusive_again(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "a", exclusive=True)
    channel.call("basic.cancel", consumer_tag="a")
    channel.consume(queue, "b", exclusive=True, quiet=False)
    channel.get(queue)


@scenario("consume/no-local")
def no_local(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("basic.consume", queue=queue, consumer_tag="t", no_local=True)
    channel.publish("", queue, "own")
    channel.deliveries("t", 1)


@scenario("consume/no-wait")
def consume_no_wait(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.cast("basic.consume", queue=queue, consumer_tag="t", no_wait=True)
    channel.publish("", queue, "1")
    channel.deliveries("t", 1)
    channel.cast("basic.cancel", consumer_tag="t", no_wait=True)
    channel.nothing(queue)


@scenario("consume/no-wait-without-tag")
def consume_no_wait_no_tag(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.cast("basic.consume", queue=queue, no_wait=True)
    channel.nothing(queue)


@scenario("consume/no-ack")
def no_ack(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"))
    channel.consume(queue, "t", no_ack=True)
    channel.deliveries("t", 3)
    channel.await_count(queue, 0)
    channel.cast("basic.ack", delivery_tag=1)
    channel.failed()


@scenario("consume/round-robin")
def round_robin(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for tag in "abc":
        channel.consume(queue, tag)
    for number in range(1, 10):
        channel.publish("", queue, str(number), quiet=True)
    channel.sync(queue)
    for tag in "abc":
        channel.deliveries(tag, 3)


@scenario("consume/round-robin-two-connections")
def round_robin_two(s):
    one, two = s.channel(), s.channel()
    queue = one.queue(s.name("q"))
    one.consume(queue, "a")
    two.consume(queue, "b")
    for number in range(1, 7):
        one.publish("", queue, str(number), quiet=True)
    one.deliveries("a", 3)
    two.deliveries("b", 3)


@scenario("consume/many-frames-delivery")
def large(s):
    channel = s.connect(frame_max=8192).channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t")
    channel.publish("", queue, b"x" * 50000)
    channel.publish("", queue, b"")
    channel.deliveries("t", 2)


for label, arguments in (("priority-string", {"x-priority": "high"}), ("priority-float", {"x-priority": 1.5}),
                         ("priority-negative", {"x-priority": -5}), ("priority-bool", {"x-priority": True}),
                         ("unknown-argument", {"x-odd": {"a": 1}}), ("cancel-on-ha-failover", {"x-cancel-on-ha-failover": True}),
                         ("stream-offset", {"x-stream-offset": "first"})):
    @scenario(f"consume/{label}")
    def arguments_of(s, arguments=arguments):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.consume(queue, "t", arguments=arguments, quiet=False)


@scenario("consume/priorities")
def priorities(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "low", arguments={"x-priority": -1})
    channel.consume(queue, "none")
    channel.consume(queue, "high", arguments={"x-priority": 10})
    for number in range(1, 5):
        channel.publish("", queue, str(number), quiet=True)
    channel.sync(queue)
    for tag in ("high", "none", "low"):
        channel.deliveries(tag, 1)
    channel.cast("basic.ack", delivery_tag=3)
    channel.deliveries("low", 1)


@scenario("cancel/stops-deliveries")
def cancel(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.consume(queue, "t")
    channel.deliveries("t", 2)
    channel.call("basic.cancel", consumer_tag="t")
    channel.publish("", queue, "3")
    channel.nothing(queue)
    # What was delivered before stays to be acknowledged.
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.nack", delivery_tag=2, requeue=True)
    channel.await_count(queue, 2)
    channel.drain(queue)


@scenario("cancel/unknown-tag")
def cancel_unknown(s):
    channel = s.channel()
    channel.call("basic.cancel", consumer_tag="none")
    channel.cast("basic.cancel", consumer_tag="none", no_wait=True)
    channel.nothing()


@scenario("cancel/by-server-when-queue-deleted")
def cancel_notify(s):
    channel, other = s.channel(), s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t")
    other.call("queue.delete", queue=queue)
    channel.unasked("basic.cancel")
    channel.call("basic.cancel", consumer_tag="t")
    channel.cast("basic.cancel", consumer_tag="t", no_wait=True)


@scenario("cancel/by-server-on-the-deleting-channel")
def cancel_notify_self(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "a")
    channel.consume(queue, "b")
    channel.call("queue.delete", queue=queue)
    got = sorted(repr(channel.take(lambda event: event.name == "basic.cancel")) for _ in range(2))
    s.note(f"{got}")


@scenario("cancel/not-told-without-the-capability")
def cancel_silent(s):
    channel, other = s.connect(capabilities={"consumer_cancel_notify": False}).channel(), s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t")
    other.call("queue.delete", queue=queue)
    other.sync()
    channel.nothing()


@scenario("cancel/unacked-of-deleted-queue")
def deleted_unacked(s):
    channel, other = s.channel(), s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.consume(queue, "t")
    channel.deliveries("t", 2)
    other.call("queue.delete", queue=queue)
    channel.unasked("basic.cancel")
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.nack", delivery_tag=2, requeue=True)
    channel.nothing()
    channel.cast("basic.ack", delivery_tag=1)
    channel.failed()

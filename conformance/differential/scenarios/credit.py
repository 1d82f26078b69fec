"""basic.qos: credit of consumers and channels."""

from scenario import scenario
from scenarios.channels import filled


@scenario("qos/per-consumer")
def qos(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 6)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "a")
    channel.deliveries("a", 2)
    channel.consume(queue, "b")
    channel.deliveries("b", 2)
    channel.nothing(queue)
    channel.cast("basic.ack", delivery_tag=1)
    channel.deliveries("a", 1)
    channel.cast("basic.ack", delivery_tag=4, multiple=True)
    # The sixth goes to either of the two; which, nobody promises.
    event = channel.take(lambda event: event.name == "basic.deliver")
    s.note(f"{event and event.body}")
    channel.nothing(queue)


@scenario("qos/global")
def qos_global(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 6)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.consume(queue, "a")
    channel.deliveries("a", 3)
    channel.consume(queue, "b")
    channel.nothing(queue)
    channel.cast("basic.ack", delivery_tag=2, multiple=True)
    more = [channel.take(lambda event: event.name == "basic.deliver") for _ in range(2)]
    s.note(f"{[event and event.body for event in more]}")
    channel.nothing(queue)


@scenario("qos/global-and-per-consumer")
def qos_both(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 6)
    channel.call("basic.qos", prefetch_count=2)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.consume(queue, "a")
    channel.deliveries("a", 2)
    channel.consume(queue, "b")
    channel.deliveries("b", 1)
    channel.nothing(queue)


@scenario("qos/per-consumer-after-global-ends-global")
def qos_both_other(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 6)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "a")
    channel.deliveries("a", 2)
    channel.consume(queue, "b")
    channel.deliveries("b", 2)
    channel.nothing(queue)


@scenario("qos/global-counts-acked-modes-only")
def qos_no_ack(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 5)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.consume(queue, "t", no_ack=True)
    channel.deliveries("t", 5)


@scenario("qos/global-does-not-limit-get")
def qos_get(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 3)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    for _ in range(3):
        channel.get(queue)


@scenario("qos/global-get-uses-no-credit")
def qos_get_credit(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 3)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.get(queue)
    channel.consume(queue, "t")
    channel.deliveries("t", 1)
    channel.cast("basic.ack", delivery_tag=1)
    channel.nothing(queue)
    channel.cast("basic.ack", delivery_tag=2)
    channel.deliveries("t", 1)


@scenario("qos/raised-with-consumers")
def qos_raised(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 4)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.consume(queue, "t")
    channel.deliveries("t", 1)
    channel.nothing(queue)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.deliveries("t", 2)
    channel.nothing(queue)
    channel.call("basic.qos", prefetch_count=0, global_=True)
    channel.deliveries("t", 1)


@scenario("qos/new-value-only-for-new-consumers")
def qos_new(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 4)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "a")
    channel.deliveries("a", 1)
    channel.call("basic.qos", prefetch_count=2)
    channel.nothing(queue)
    channel.consume(queue, "b")
    channel.deliveries("b", 2)
    channel.nothing(queue)


@scenario("qos/zero-is-unlimited")
def qos_zero(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 20)
    channel.call("basic.qos", prefetch_count=0)
    channel.consume(queue, "t")
    channel.deliveries("t", 20)


@scenario("qos/prefetch-size")
def qos_size(s):
    s.channel().call("basic.qos", prefetch_size=1)


@scenario("qos/prefetch-size-global")
def qos_size_global(s):
    s.channel().call("basic.qos", prefetch_size=1000, global_=True)

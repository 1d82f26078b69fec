"""basic.get, ack, nack, reject and recover."""

from scenario import scenario
from scenarios.channels import filled


@scenario("get/counts")
def get(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.get(queue)
    channel.get(queue)
    channel.get(queue)


@scenario("get/missing-queue")
def get_missing(s):
    s.channel().get(s.name("q"))


@scenario("get/no-ack-is-not-unacked")
def get_no_ack(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.get(queue, no_ack=True)
    channel.get(queue)
    channel.cast("basic.ack", delivery_tag=2)
    channel.sync()
    channel.cast("basic.ack", delivery_tag=1)
    channel.failed()


@scenario("get/while-exclusively-consumed")
def get_exclusive(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t", exclusive=True)
    channel.get(queue)


# Settling.

@scenario("settle/ack-single-and-multiple")
def ack(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 5)
    for _ in range(5):
        channel.get(queue)
    channel.cast("basic.ack", delivery_tag=2)
    channel.cast("basic.ack", delivery_tag=4, multiple=True)
    channel.close()
    other = s.channel()
    other.await_count(queue, 1)
    other.drain(queue)


for method, options in (("basic.ack", {}), ("basic.nack", {"requeue": True}), ("basic.reject", {"requeue": True})):
    @scenario(f"settle/unknown-tag-{method}")
    def unknown(s, method=method, options=options):
        channel = s.channel()
        channel.cast(method, delivery_tag=77, **options)
        channel.failed()

    @scenario(f"settle/twice-{method}")
    def twice(s, method=method, options=options):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 2)
        channel.get(queue)
        channel.get(queue)
        channel.cast(method, delivery_tag=1, **options)
        channel.cast(method, delivery_tag=1, **options)
        channel.failed()

    @scenario(f"settle/tag-0-{method}")
    def tag_zero(s, method=method, options=options):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 1)
        channel.get(queue)
        channel.cast(method, delivery_tag=0, **options)
        channel.failed()


for method in ("basic.ack", "basic.nack"):
    @scenario(f"settle/tag-0-multiple-{method}")
    def tag_zero_multiple(s, method=method):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 3)
        for _ in range(2):
            channel.get(queue)
        channel.cast(method, delivery_tag=0, multiple=True)
        channel.sync(queue)
        channel.close()
        other = s.channel()
        other.await_count(queue, 1)
        other.drain(queue)

    @scenario(f"settle/tag-0-multiple-nothing-unacked-{method}")
    def tag_zero_nothing(s, method=method):
        channel = s.channel()
        channel.cast(method, delivery_tag=0, multiple=True)
        channel.nothing()

    @scenario(f"settle/multiple-unknown-tag-{method}")
    def multiple_unknown(s, method=method):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 2)
        channel.get(queue)
        channel.cast(method, delivery_tag=9, multiple=True)
        channel.failed()

    @scenario(f"settle/multiple-of-settled-tag-{method}")
    def multiple_settled(s, method=method):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 3)
        for _ in range(3):
            channel.get(queue)
        channel.cast("basic.ack", delivery_tag=2)
        channel.cast(method, delivery_tag=2, multiple=True)
        channel.failed()

    @scenario(f"settle/multiple-of-old-tag-{method}")
    def multiple_old(s, method=method):
        channel = s.channel()
        queue = filled(channel, s.name("q"), 3)
        for _ in range(3):
            channel.get(queue)
        channel.cast("basic.ack", delivery_tag=2, multiple=True)
        channel.cast(method, delivery_tag=1, multiple=True)
        channel.failed()


@scenario("settle/tag-of-another-channel")
def other_tag(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = filled(one, s.name("q"), 1)
    one.get(queue)
    two.cast("basic.ack", delivery_tag=1)
    two.failed()


@scenario("settle/reject-requeue")
def reject(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 3)
    channel.get(queue)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1, requeue=True)
    channel.await_count(queue, 2)
    channel.drain(queue)


@scenario("settle/reject-drop")
def reject_drop(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1)
    channel.sync(queue)
    channel.drain(queue)


@scenario("settle/requeue-keeps-place")
def requeue_place(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 5)
    for _ in range(4):
        channel.get(queue)
    channel.cast("basic.nack", delivery_tag=3, requeue=True)
    channel.cast("basic.nack", delivery_tag=1, requeue=True)
    channel.await_count(queue, 3)
    channel.drain(queue)


@scenario("settle/nack-multiple-requeue")
def nack_multiple(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 4)
    for _ in range(3):
        channel.get(queue)
    channel.cast("basic.nack", delivery_tag=2, multiple=True, requeue=True)
    channel.await_count(queue, 3)
    channel.drain(queue)


@scenario("settle/requeued-goes-to-consumer-again")
def requeue_consumer(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 1)
    channel.consume(queue, "t")
    channel.deliveries("t", 1)
    channel.cast("basic.nack", delivery_tag=1, requeue=True)
    channel.deliveries("t", 1)
    channel.cast("basic.reject", delivery_tag=2, requeue=True)
    channel.deliveries("t", 1)


@scenario("settle/redelivered-after-cancelled-consumer")
def redelivered(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "t")
    channel.deliveries("t", 1)
    channel.close()
    other = s.channel()
    other.await_count(queue, 2)
    other.consume(queue, "u")
    other.deliveries("u", 2)


# Recover.

@scenario("recover/requeue")
def recover(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 3)
    channel.get(queue)
    channel.get(queue)
    channel.call("basic.recover", requeue=True)
    channel.await_count(queue, 3)
    channel.drain(queue)


@scenario("recover/requeue-to-consumer")
def recover_consumer(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.consume(queue, "t")
    channel.deliveries("t", 2)
    channel.call("basic.recover", requeue=True)
    channel.deliveries("t", 2)


@scenario("recover/not-requeue")
def recover_same(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 1)
    channel.get(queue)
    channel.call("basic.recover")


@scenario("recover/async")
def recover_async(s):
    channel = s.channel()
    queue = filled(channel, s.name("q"), 2)
    channel.get(queue)
    channel.cast("basic.recover-async", requeue=True)
    channel.await_count(queue, 2)
    channel.drain(queue)


@scenario("recover/async-not-requeue")
def recover_async_same(s):
    channel = s.channel()
    channel.cast("basic.recover-async")
    channel.failed()


@scenario("recover/nothing-unacked")
def recover_nothing(s):
    s.channel().call("basic.recover", requeue=True)

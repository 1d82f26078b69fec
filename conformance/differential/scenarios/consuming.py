"""basic.consume, cancel, qos, get, ack, nack, reject and recover; channels."""

from scenario import scenario


def filled(channel, name, count=3, **fields):
    """A queue that holds the messages "1" to "count"."""
    queue = channel.queue(name, **fields)
    for number in range(1, count + 1):
        channel.publish("", queue, str(number), quiet=True)
    channel.cast("queue.declare", quiet=True, queue=queue, passive=True)
    while channel.reply()["message-count"] < count:
        channel.cast("queue.declare", quiet=True, queue=queue, passive=True)
    return queue


@scenario("channel/open-twice")
def open_twice(s):
    channel = s.channel()
    channel.call("channel.open")


@scenario("channel/close-and-reopen")
def reopen(s):
    connection = s.connect()
    channel = connection.channel(3, quiet=False)
    channel.close(quiet=False)
    connection.channel(3, quiet=False)


@scenario("channel/flow-on")
def flow_on(s):
    s.channel().call("channel.flow", active=True)


@scenario("channel/flow-off")
def flow_off(s):
    s.channel().call("channel.flow", active=False)


@scenario("channel/close-ok-unasked")
def close_ok(s):
    channel = s.channel()
    channel.cast("channel.close-ok")
    channel.failed()


@scenario("channel/close-with-unacked")
def close_unacked(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = filled(one, s.name("q"))
    one.get(queue)
    one.get(queue)
    one.close(quiet=False)
    two.await_count(queue, 3)
    two.drain(queue)


@scenario("channel/crash-with-unacked")
def crash_unacked(s):
    connection, other = s.connect(), s.channel()
    queue = filled(connection.channel(), s.name("q"))
    connection.channels[1].consume(queue, "t")
    connection.channels[1].deliveries("t", 3)
    connection.drop()
    other.await_count(queue, 3)
    other.drain(queue)


@scenario("channel/error-requeues")
def error_requeues(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = filled(one, s.name("q"), 2)
    one.get(queue)
    one.call("queue.declare", queue=s.name("none"), passive=True)
    two.await_count(queue, 2)
    two.drain(queue)


@scenario("channel/after-error-other-methods-are-ignored")
def error_ignores(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    one.cast("queue.declare", queue=s.name("none"), passive=True)
    one.cast("queue.declare", queue=s.name("late"))
    one.failed()
    two.queue(s.name("late"), passive=True, quiet=False)


@scenario("channel/error-waits-for-close-ok")
def error_close_ok(s):
    connection = s.connect()
    one = connection.channel()
    one.cast("queue.declare", queue=s.name("none"), passive=True)
    one.cast("channel.close", reply_code=200)
    s.note(f"{one.reply()!r}")
    event = one.take(lambda event: event.name == "channel.close-ok")
    s.note(f"{event!r}")


# Consume and cancel.

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


# Credit.

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


# Get.

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

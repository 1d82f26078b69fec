"""channel.open, flow and close, and what an end does to unacked messages."""

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
    # Nothing may follow: RabbitMQ's reader has forgotten the channel by then.
    connection = s.connect()
    connection.channel().cast("channel.close-ok")
    connection.hear_close()


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

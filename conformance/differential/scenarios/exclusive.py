"""Exclusive and auto-delete queues."""

from scenario import scenario


for label, method, fields in (
    ("declare", "queue.declare", {}),
    ("declare-exclusive", "queue.declare", {"exclusive": True}),
    ("declare-passive", "queue.declare", {"passive": True}),
    ("consume", "basic.consume", {}),
    ("get", "basic.get", {}),
    ("purge", "queue.purge", {}),
    ("delete", "queue.delete", {}),
    ("bind", "queue.bind", {"exchange": "amq.direct"}),
    ("unbind", "queue.unbind", {"exchange": "amq.direct"}),
):
    @scenario(f"exclusive/other-connection-{label}")
    def exclusive_other(s, method=method, fields=fields):
        owner = s.channel()
        queue = owner.queue(s.name("q"), exclusive=True)
        other = s.channel()
        other.call(method, queue=queue, **fields)


@scenario("exclusive/publish-from-other-connection")
def exclusive_publish(s):
    owner = s.channel()
    queue = owner.queue(s.name("q"), exclusive=True)
    other = s.channel()
    other.publish("", queue, "1", mandatory=True)
    other.nothing()
    owner.await_count(queue, 1)
    owner.get(queue)


@scenario("exclusive/other-channel-of-owner")
def exclusive_channel(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = one.queue(s.name("q"), exclusive=True)
    two.queue(queue, exclusive=True, quiet=False)
    one.close()
    two.queue(queue, passive=True, quiet=False)


@scenario("exclusive/goes-with-connection")
def exclusive_gone(s):
    connection = s.connect()
    queue = connection.channel().queue(s.name("q"), exclusive=True)
    connection.close()
    s.channel().queue(queue, passive=True, quiet=False)


@scenario("exclusive/goes-with-crash")
def exclusive_crash(s):
    connection = s.connect()
    queue = connection.channel().queue(s.name("q"), exclusive=True, durable=True)
    connection.drop()
    s.channel().await_gone(queue)


@scenario("exclusive/name-free-again")
def exclusive_again(s):
    connection = s.connect()
    queue = connection.channel().queue(s.name("q"), exclusive=True)
    connection.close()
    s.channel().queue(queue, exclusive=True, quiet=False)


@scenario("auto-delete/last-consumer-cancelled")
def auto_delete(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), auto_delete=True)
    channel.queue(queue, auto_delete=True, quiet=False)
    channel.consume(queue, "a")
    channel.consume(queue, "b")
    channel.call("basic.cancel", consumer_tag="a")
    channel.queue(queue, passive=True, quiet=False)
    channel.call("basic.cancel", consumer_tag="b")
    channel.await_gone(queue)


@scenario("auto-delete/channel-closed")
def auto_delete_channel(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = one.queue(s.name("q"), auto_delete=True)
    one.consume(queue, "a")
    one.close()
    two.await_gone(queue)


@scenario("auto-delete/never-consumed-stays")
def auto_delete_stays(s):
    connection = s.connect()
    queue = connection.channel().queue(s.name("q"), auto_delete=True)
    connection.close()
    s.channel().queue(queue, passive=True, quiet=False)


@scenario("auto-delete/get-does-not-count")
def auto_delete_get(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), auto_delete=True)
    channel.get(queue)
    channel.close()
    s.channel().queue(queue, passive=True, quiet=False)


@scenario("auto-delete/exclusive-and-auto-delete")
def auto_delete_exclusive(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), auto_delete=True, exclusive=True)
    channel.consume(queue, "a")
    channel.call("basic.cancel", consumer_tag="a")
    channel.await_gone(queue)

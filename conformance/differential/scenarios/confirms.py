"""Publisher confirms."""

from scenario import scenario


@scenario("confirm/select")
def select(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.call("confirm.select")
    channel.cast("confirm.select", no_wait=True)
    channel.nothing()


@scenario("confirm/many")
def confirm_many(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"))
    for number in range(200):
        channel.publish("", queue, str(number), quiet=True)
    channel.confirms(1, 200)


@scenario("confirm/persistent-durable")
def confirm_persistent(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"), durable=True)
    for number in range(20):
        channel.publish("", queue, str(number), quiet=True, delivery_mode=2)
    channel.confirms(1, 20)
    channel.get(queue, no_ack=True)


@scenario("confirm/unroutable")
def confirm_unroutable(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.publish("amq.direct", s.name("k"), "x")
    channel.confirms(1, 1)


@scenario("confirm/return-before-ack")
def confirm_return(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.publish("", s.name("k"), "x", mandatory=True)
    channel.sync()
    event = channel.take(lambda event: event.name in ("basic.return", "basic.ack"))
    s.note(f"first {event!r}")
    event = channel.take(lambda event: event.name in ("basic.return", "basic.ack"))
    s.note(f"then {event!r}")


@scenario("confirm/tags-start-at-select")
def confirm_tags(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "before")
    channel.call("confirm.select")
    channel.publish("", queue, "after")
    channel.confirms(1, 1)


@scenario("confirm/fanout-to-several-queues")
def confirm_fanout(s):
    channel = s.channel()
    channel.call("confirm.select")
    x = channel.exchange(s.name("x"), "fanout")
    for short in "abc":
        channel.queue(s.name(short), durable=short == "a")
        channel.bind(s.name(short), x)
    for _ in range(10):
        channel.publish(x, "", "x", quiet=True, delivery_mode=2)
    channel.confirms(1, 10)


@scenario("confirm/reject-publish-refuses")
def confirm_refused(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    for number in range(1, 5):
        channel.publish("", queue, str(number), quiet=True)
        channel.confirms(number, number)
    channel.drain(queue)


@scenario("confirm/drop-head-confirms")
def confirm_dropped(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 1})
    for _ in range(4):
        channel.publish("", queue, "x", quiet=True)
    channel.confirms(1, 4)


@scenario("confirm/queue-deleted-meanwhile")
def confirm_deleted(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "x")
    channel.call("queue.delete", queue=queue, quiet=True)
    channel.publish("", queue, "x")
    channel.confirms(1, 2)


@scenario("confirm/bad-publish-takes-no-ack")
def confirm_bad(s):
    channel = s.channel()
    channel.call("confirm.select")
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "x")
    channel.confirms(1, 1)
    channel.publish("", queue, "x", expiration="bad")
    channel.failed()


@scenario("confirm/then-tx")
def confirm_then_tx(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.call("tx.select")


@scenario("tx/then-confirm")
def tx_then_confirm(s):
    channel = s.channel()
    channel.call("tx.select")
    channel.call("confirm.select")

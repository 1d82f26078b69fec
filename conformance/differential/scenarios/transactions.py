"""The tx class."""

from scenario import scenario


for method in ("tx.commit", "tx.rollback"):
    @scenario(f"tx/{method}-without-select")
    def not_selected(s, method=method):
        s.channel().call(method)


@scenario("tx/select-twice")
def select_twice(s):
    channel = s.channel()
    channel.call("tx.select")
    channel.call("tx.select")
    channel.call("tx.commit")
    channel.call("tx.rollback")


@scenario("tx/publish-commit-rollback")
def tx_publish(s):
    channel, other = s.channel(), s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("tx.select")
    channel.publish("", queue, "1")
    channel.publish("", queue, "2")
    channel.sync(queue)
    other.get(queue)
    channel.call("tx.commit")
    other.await_count(queue, 2)
    channel.publish("", queue, "3")
    channel.call("tx.rollback")
    channel.publish("", queue, "4")
    channel.call("tx.commit")
    other.await_count(queue, 3)
    other.drain(queue)


@scenario("tx/acks")
def tx_acks(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for body in "123":
        channel.publish("", queue, body)
    channel.sync(queue)
    channel.call("tx.select")
    for _ in range(3):
        channel.get(queue)
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.reject", delivery_tag=2, requeue=True)
    channel.call("tx.rollback")
    channel.await_count(queue, 0)
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.nack", delivery_tag=2, requeue=True)
    channel.call("tx.commit")
    channel.await_count(queue, 1)
    channel.close()
    other = s.channel()
    other.await_count(queue, 2)
    other.drain(queue)


@scenario("tx/ack-twice-in-one")
def tx_ack_twice(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.call("tx.select")
    channel.get(queue)
    channel.cast("basic.ack", delivery_tag=1)
    channel.cast("basic.ack", delivery_tag=1)
    channel.failed()


@scenario("tx/close-without-commit")
def tx_close(s):
    channel, other = s.channel(), s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("tx.select")
    channel.publish("", queue, "lost")
    channel.close()
    other.get(queue)


@scenario("tx/return-at-commit")
def tx_return(s):
    channel = s.channel()
    channel.call("tx.select")
    channel.publish("", s.name("none"), "x", mandatory=True)
    channel.nothing()
    channel.call("tx.commit")
    channel.unasked("basic.return")


@scenario("tx/publish-to-missing-exchange")
def tx_missing(s):
    channel = s.channel()
    channel.call("tx.select")
    channel.publish(s.name("x"), "k", "x")
    channel.failed()


@scenario("tx/exchange-deleted-before-commit")
def tx_deleted(s):
    channel, other = s.channel(), s.channel()
    x = channel.exchange(s.name("x"), "fanout")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, x)
    channel.call("tx.select")
    channel.publish(x, "", "routed before")
    channel.sync()
    other.call("exchange.delete", exchange=x)
    channel.call("tx.commit")
    other.await_count(queue, 1)


@scenario("tx/consumer-sees-only-committed")
def tx_consumer(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t", no_ack=True)
    channel.call("tx.select")
    channel.publish("", queue, "1")
    channel.nothing(queue)
    channel.call("tx.commit")
    channel.deliveries("t", 1)

"""Expiry of messages and queues, and dead letters."""

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


# Keys of CC and BCC after a death.

for label, arguments in (("own-keys", {}), ("key-of-the-queue", {"x-dead-letter-routing-key": "dead"})):
    @scenario(f"dead-letter/cc-and-bcc-{label}")
    def copies(s, arguments=arguments):
        channel = s.channel()
        channel.exchange(s.name("dlx"), "direct")
        declared = {"x-dead-letter-exchange": s.name("dlx"), **arguments}
        queue = channel.queue(s.name("q"), arguments=declared)
        for key in (queue, "cc", "bcc", "dead"):
            channel.queue(s.name("d-" + key.replace(queue, "own")))
            channel.bind(s.name("d-" + key.replace(queue, "own")), s.name("dlx"), key)
        channel.publish("", queue, "1", headers={"CC": ["cc"], "BCC": ["bcc"]})
        channel.sync(queue)
        channel.get(queue)
        channel.cast("basic.reject", delivery_tag=1, requeue=False)
        channel.sync(queue)
        for key in ("own", "cc", "bcc", "dead"):
            channel.await_count(s.name("d-" + key), 0 if (key == "dead") != bool(arguments) else 1)
            channel.drain(s.name("d-" + key))

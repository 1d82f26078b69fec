"""Exchange types that are plug-ins of Debian's RabbitMQ: consistent hash, random, recent history, modulus hash."""

from scenario import scenario

HASH, RANDOM, HISTORY, MODULUS = "x-consistent-hash", "x-random", "x-recent-history", "x-modulus-hash"


def queues_behind(channel, s, count, key="1"):
    names = [channel.queue(s.name(f"q{at}")) for at in range(count)]
    for name in names:
        channel.bind(name, s.name("x"), key)
    return names


def counted(channel, s, names, sent):
    """Each of `sent` messages went to one queue; which, the brokers may decide differently."""
    channel.sync(*names)
    counts = []
    for name in names:
        reply = channel.call("queue.declare", quiet=True, queue=name, passive=True)
        counts.append(reply["message-count"])
    s.note(f"{sum(counts)} of {sent}, in all queues: {all(counts)}, in one: {max(counts) == sum(counts)}")


for label, kind in (("hash", HASH), ("random", RANDOM), ("history", HISTORY), ("modulus", MODULUS)):
    @scenario(f"plugin/{label}-declare-again")
    def again(s, kind=kind):
        channel = s.channel()
        channel.exchange(s.name("x"), kind, quiet=False)
        channel.exchange(s.name("x"), kind, quiet=False)
        channel.exchange(s.name("x"), "fanout", quiet=False)

    @scenario(f"plugin/{label}-unroutable-is-returned")
    def unroutable(s, kind=kind):
        channel = s.channel()
        channel.exchange(s.name("x"), kind)
        channel.publish(s.name("x"), "k", "nowhere", mandatory=True)
        channel.unasked("basic.return")

    @scenario(f"plugin/{label}-alternate")
    def alternate(s, kind=kind):
        channel = s.channel()
        channel.exchange(s.name("ae"), "fanout")
        queue = channel.queue(s.name("q"))
        channel.bind(queue, s.name("ae"))
        channel.exchange(s.name("x"), kind, arguments={"alternate-exchange": s.name("ae")})
        channel.publish(s.name("x"), "k", "elsewhere", mandatory=True)
        channel.sync(queue)
        channel.drain(queue)

for label, kind in (("hash", HASH), ("random", RANDOM), ("modulus", MODULUS)):
    @scenario(f"plugin/{label}-each-message-to-one-queue")
    def one_queue(s, kind=kind):
        channel = s.channel()
        channel.exchange(s.name("x"), kind)
        names = queues_behind(channel, s, 3)
        for at in range(300):
            channel.publish(s.name("x"), f"key {at}", "m", quiet=True)
        counted(channel, s, names, 300)

for label, kind in (("hash", HASH), ("modulus", MODULUS)):
    @scenario(f"plugin/{label}-one-key-to-one-queue")
    def one_key(s, kind=kind):
        channel = s.channel()
        channel.exchange(s.name("x"), kind)
        names = queues_behind(channel, s, 3)
        for _ in range(50):
            channel.publish(s.name("x"), "same", "m", quiet=True)
        counted(channel, s, names, 50)


@scenario("plugin/hash-by-header")
def by_header(s):
    channel = s.channel()
    channel.exchange(s.name("x"), HASH, arguments={"hash-header": "customer"})
    names = queues_behind(channel, s, 3)
    for at in range(300):
        channel.publish(s.name("x"), "same", "m", quiet=True, headers={"customer": f"c{at}"})
    counted(channel, s, names, 300)


for field in ("message_id", "correlation_id", "timestamp"):
    @scenario(f"plugin/hash-by-{field.replace('_', '-')}")
    def by_property(s, field=field):
        channel = s.channel()
        channel.exchange(s.name("x"), HASH, arguments={"hash-property": field})
        names = queues_behind(channel, s, 3)
        for at in range(300):
            value = 1_000_000 + at if field == "timestamp" else f"m{at}"
            channel.publish(s.name("x"), "same", "m", quiet=True, **{field: value})
        counted(channel, s, names, 300)


for label, arguments in (("both", {"hash-header": "a", "hash-property": "message_id"}),
                         ("property", {"hash-property": "app_id"}), ("header-int", {"hash-header": 1}),
                         ("property-int", {"hash-property": 1})):
    @scenario(f"plugin/hash-declare-{label}")
    def hash_declare(s, arguments=arguments):
        channel = s.channel()
        channel.exchange(s.name("x"), HASH, arguments=arguments, quiet=False)


for label, key in (("text", "heavy"), ("zero", "0"), ("negative", "-1"), ("empty", ""), ("float", "1.5")):
    @scenario(f"plugin/hash-weight-{label}")
    def weight(s, key=key):
        channel = s.channel()
        channel.exchange(s.name("x"), HASH)
        channel.queue(s.name("q"))
        channel.bind(s.name("q"), s.name("x"), key, quiet=False)


@scenario("plugin/history-given-to-who-binds")
def history(s):
    channel = s.channel()
    channel.exchange(s.name("x"), HISTORY, arguments={"x-recent-history-length": 2})
    for body in "123":
        channel.publish(s.name("x"), "k", body)
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"))
    channel.publish(s.name("x"), "k", "4")
    channel.await_count(queue, 3)
    channel.drain(queue)


@scenario("plugin/history-no-store")
def history_no_store(s):
    channel = s.channel()
    channel.exchange(s.name("x"), HISTORY)
    channel.publish(s.name("x"), "k", "kept")
    channel.publish(s.name("x"), "k", "not kept", headers={"x-recent-history-no-store": True})
    channel.sync()
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"))
    channel.await_count(queue, 1)
    channel.drain(queue)


@scenario("plugin/history-over-a-binding")
def history_over(s):
    channel = s.channel()
    channel.exchange(s.name("first"))
    channel.exchange(s.name("x"), HISTORY)
    channel.call("exchange.bind", quiet=True, destination=s.name("x"), source=s.name("first"), routing_key="k")
    channel.publish(s.name("first"), "k", "came over")
    channel.publish(s.name("first"), "other", "did not")
    channel.sync()
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"))
    channel.await_count(queue, 1)
    channel.drain(queue)


for label, value in (("zero", 0), ("negative", -1), ("text", "x"), ("bool", True)):
    @scenario(f"plugin/history-length-{label}")
    def history_length(s, value=value):
        channel = s.channel()
        channel.exchange(s.name("x"), HISTORY, arguments={"x-recent-history-length": value}, quiet=False)

"""exchange.declare, delete, bind and unbind."""

from scenario import scenario


@scenario("exchange/declare-each-type")
def each_type(s):
    channel = s.channel()
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange(s.name(kind), kind, quiet=False)
        channel.exchange(s.name(kind), kind, quiet=False)


@scenario("exchange/declare-unknown-type")
def unknown_type(s):
    s.channel().exchange(s.name("x"), "nonsense", quiet=False)


@scenario("exchange/declare-empty-type")
def empty_type(s):
    s.channel().exchange(s.name("x"), "", quiet=False)


@scenario("exchange/declare-type-in-capitals")
def capital_type(s):
    s.channel().exchange(s.name("x"), "Direct", quiet=False)


@scenario("exchange/declare-unknown-type-of-existing")
def unknown_type_existing(s):
    channel = s.channel()
    channel.exchange(s.name("x"), "direct")
    channel.exchange(s.name("x"), "nonsense", quiet=False)


@scenario("exchange/declare-passive-ignores-type")
def passive_type(s):
    channel = s.channel()
    channel.exchange(s.name("x"), "topic", durable=True)
    channel.exchange(s.name("x"), "nonsense", passive=True, quiet=False)
    channel.exchange(s.name("x"), "direct", passive=True, quiet=False, arguments={"odd": 1})


def fails(name, declared, again):
    @scenario(f"exchange/inequivalent-{name}")
    def attempt(s):
        channel = s.channel()
        declared_here = dict({"type": "direct"}, **declared)
        again_here = dict({"type": "direct"}, **again)
        channel.call("exchange.declare", exchange=s.name("x"), **declared_here)
        channel.call("exchange.declare", exchange=s.name("x"), **again_here)


fails("type", {}, {"type": "fanout"})
fails("durable", {}, {"durable": True})
fails("not-durable", {"durable": True}, {})
fails("auto-delete", {}, {"auto_delete": True})
fails("internal", {}, {"internal": True})
fails("argument-added", {}, {"arguments": {"alternate-exchange": "ae"}})
fails("argument-gone", {"arguments": {"alternate-exchange": "ae"}}, {})
fails("argument-changed", {"arguments": {"alternate-exchange": "ae"}}, {"arguments": {"alternate-exchange": "be"}})
fails("unknown-argument", {}, {"arguments": {"x-anything": 1}})
fails("unknown-argument-changed", {"arguments": {"x-anything": 1}}, {"arguments": {"x-anything": 2}})


@scenario("exchange/alternate-of-wrong-type")
def alternate_type(s):
    s.channel().exchange(s.name("x"), quiet=False, arguments={"alternate-exchange": 5})


@scenario("exchange/declare-passive-missing")
def passive_missing(s):
    s.channel().exchange(s.name("x"), passive=True, quiet=False)


@scenario("exchange/declare-no-wait")
def no_wait(s):
    channel = s.channel()
    channel.cast("exchange.declare", exchange=s.name("x"), type="fanout", no_wait=True)
    channel.exchange(s.name("x"), passive=True, quiet=False)
    channel.cast("exchange.declare", exchange=s.name("x"), type="direct", no_wait=True)
    channel.failed()


@scenario("exchange/declare-no-wait-passive-missing")
def no_wait_missing(s):
    channel = s.channel()
    channel.cast("exchange.declare", exchange=s.name("x"), passive=True, no_wait=True)
    channel.failed()


for label, name, fields in (
    ("reserved-new", "amq.mine", {}),
    ("reserved-existing-other-type", "amq.direct", {"type": "fanout", "durable": True}),
    ("reserved-existing-same", "amq.direct", {"type": "direct", "durable": True}),
    ("reserved-existing-not-durable", "amq.direct", {"type": "direct"}),
    ("reserved-passive-missing", "amq.mine", {"passive": True}),
    ("default", "", {"type": "direct", "durable": True}),
    ("default-passive", "", {"passive": True}),
    ("name-with-newline", "new\nline\r", {}),
    ("name-255-bytes", None, {}),
    ("reserved-amqp-prefix", "amqp.mine", {"auto_delete": True}),
):
    @scenario(f"exchange/declare-{label}")
    def reserved(s, name=name, fields=fields):
        options = dict({"type": "direct"}, **fields)
        if name is None:
            name = s.name("x").ljust(255, "x")
        s.channel().call("exchange.declare", exchange=name, **options)


@scenario("exchange/predeclared")
def predeclared(s):
    channel = s.channel()
    for name, kind, internal in (("amq.direct", "direct", False), ("amq.fanout", "fanout", False),
                                 ("amq.topic", "topic", False), ("amq.headers", "headers", False),
                                 ("amq.match", "headers", False), ("amq.rabbitmq.trace", "topic", True)):
        channel.exchange(name, kind, durable=True, internal=internal, quiet=False)


@scenario("exchange/delete")
def delete(s):
    channel = s.channel()
    channel.exchange(s.name("x"))
    channel.call("exchange.delete", exchange=s.name("x"))
    channel.exchange(s.name("x"), passive=True, quiet=False)


@scenario("exchange/delete-missing")
def delete_missing(s):
    s.channel().call("exchange.delete", exchange=s.name("x"))


@scenario("exchange/delete-missing-if-unused")
def delete_missing_unused(s):
    s.channel().call("exchange.delete", exchange=s.name("x"), if_unused=True)


@scenario("exchange/delete-no-wait")
def delete_no_wait(s):
    channel = s.channel()
    channel.exchange(s.name("x"))
    channel.cast("exchange.delete", exchange=s.name("x"), no_wait=True)
    channel.exchange(s.name("x"), passive=True, quiet=False)


@scenario("exchange/delete-default")
def delete_default(s):
    s.channel().call("exchange.delete", exchange="")


@scenario("exchange/delete-reserved")
def delete_reserved(s):
    s.channel().call("exchange.delete", exchange="amq.direct")


@scenario("exchange/delete-reserved-missing")
def delete_reserved_missing(s):
    s.channel().call("exchange.delete", exchange="amq.mine")


@scenario("exchange/delete-if-unused-in-use")
def delete_in_use(s):
    channel = s.channel()
    channel.exchange(s.name("x"))
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"), "k")
    channel.call("exchange.delete", exchange=s.name("x"), if_unused=True)


@scenario("exchange/delete-if-unused-as-destination")
def delete_destination(s):
    channel = s.channel()
    for short in "ab":
        channel.exchange(s.name(short))
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"))
    channel.call("exchange.delete", exchange=s.name("b"), if_unused=True)
    channel.call("exchange.delete", exchange=s.name("a"), if_unused=True)


@scenario("exchange/delete-in-use")
def delete_used(s):
    channel = s.channel()
    channel.exchange(s.name("x"), "fanout")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"))
    channel.call("exchange.delete", exchange=s.name("x"))
    channel.exchange(s.name("x"), "fanout")
    channel.publish(s.name("x"), "", "lost")
    channel.sync(queue)
    channel.get(queue)


@scenario("exchange/auto-delete-queue-unbound")
def auto_delete(s):
    channel = s.channel()
    channel.exchange(s.name("x"), auto_delete=True)
    queue = channel.queue(s.name("q"))
    channel.exchange(s.name("x"), passive=True, quiet=False)
    channel.bind(queue, s.name("x"), "a")
    channel.bind(queue, s.name("x"), "b")
    channel.call("queue.unbind", queue=queue, exchange=s.name("x"), routing_key="a")
    channel.exchange(s.name("x"), passive=True, quiet=False)
    channel.call("queue.unbind", queue=queue, exchange=s.name("x"), routing_key="b")
    channel.exchange(s.name("x"), passive=True, quiet=False)


@scenario("exchange/auto-delete-queue-deleted")
def auto_delete_queue(s):
    channel = s.channel()
    channel.exchange(s.name("x"), auto_delete=True)
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("x"), "a")
    channel.call("queue.delete", queue=queue)
    channel.exchange(s.name("x"), passive=True, quiet=False)


@scenario("exchange/auto-delete-chain")
def auto_delete_chain(s):
    channel = s.channel()
    for short in "abc":
        channel.exchange(s.name(short), "fanout", auto_delete=True)
    queue = channel.queue(s.name("q"))
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"))
    channel.call("exchange.bind", destination=s.name("c"), source=s.name("b"))
    channel.bind(queue, s.name("c"))
    channel.call("queue.delete", queue=queue)
    for short in "abc":
        s.channel().exchange(s.name(short), passive=True, quiet=False)


@scenario("exchange/auto-delete-as-destination")
def auto_delete_destination(s):
    channel = s.channel()
    channel.exchange(s.name("a"), "fanout")
    channel.exchange(s.name("b"), "fanout", auto_delete=True)
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"))
    channel.call("exchange.unbind", destination=s.name("b"), source=s.name("a"))
    channel.exchange(s.name("b"), passive=True, quiet=False)


@scenario("exchange/publish-to-internal")
def internal(s):
    channel = s.channel()
    channel.exchange(s.name("x"), internal=True)
    channel.publish(s.name("x"), "k", "x")
    channel.failed()


@scenario("exchange/internal-through-binding")
def internal_bound(s):
    channel = s.channel()
    channel.exchange(s.name("a"), "fanout")
    channel.exchange(s.name("b"), "fanout", internal=True)
    queue = channel.queue(s.name("q"))
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"))
    channel.bind(queue, s.name("b"))
    channel.publish(s.name("a"), "k", "x")
    channel.sync(queue)
    channel.get(queue)


@scenario("exchange/bind-life-cycle")
def bind(s):
    channel = s.channel()
    for short in "ab":
        channel.exchange(s.name(short), "topic")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("b"), "#")
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"), routing_key="x.*")
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"), routing_key="x.*")
    channel.publish(s.name("a"), "x.y", "1")
    channel.publish(s.name("a"), "y.x", "2")
    channel.call("exchange.unbind", destination=s.name("b"), source=s.name("a"), routing_key="x.*")
    channel.call("exchange.unbind", destination=s.name("b"), source=s.name("a"), routing_key="x.*")
    channel.publish(s.name("a"), "x.y", "3")
    channel.cast("exchange.bind", destination=s.name("b"), source=s.name("a"), routing_key="z", no_wait=True)
    channel.publish(s.name("a"), "z", "4")
    channel.cast("exchange.unbind", destination=s.name("b"), source=s.name("a"), routing_key="z", no_wait=True)
    channel.publish(s.name("a"), "z", "5")
    channel.sync(queue)
    channel.drain(queue)


@scenario("exchange/bind-cycle")
def cycle(s):
    channel = s.channel()
    for short in "abc":
        channel.exchange(s.name(short), "fanout")
        channel.queue(s.name("q" + short))
        channel.bind(s.name("q" + short), s.name(short))
    for source, destination in ("ab", "bc", "ca", "aa", "ac"):
        channel.call("exchange.bind", destination=s.name(destination), source=s.name(source))
    channel.publish(s.name("b"), "k", "once")
    for short in "abc":
        channel.await_count(s.name("q" + short), 1)
        channel.drain(s.name("q" + short))


for label, fields in (
    ("missing-source", {"destination": "amq.fanout", "source": "missing-source"}),
    ("missing-destination", {"destination": "missing-destination", "source": "amq.fanout"}),
    ("both-missing", {"destination": "missing-destination", "source": "missing-source"}),
    ("default-source", {"destination": "amq.fanout", "source": ""}),
    ("default-destination", {"destination": "", "source": "amq.fanout"}),
):
    for verb in ("bind", "unbind"):
        @scenario(f"exchange/{verb}-{label}")
        def bad_bind(s, verb=verb, fields=fields):
            s.channel().call(f"exchange.{verb}", **fields)

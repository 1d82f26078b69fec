"""Alternate exchanges."""

from scenario import scenario
from wire import Typed


@scenario("alternate/takes-unroutable")
def alternate(s):
    channel = s.channel()
    channel.exchange(s.name("ae"), "fanout")
    channel.exchange(s.name("x"), "direct", arguments={"alternate-exchange": s.name("ae")})
    for short in ("q", "u"):
        channel.queue(s.name(short))
    channel.bind(s.name("q"), s.name("x"), "k")
    channel.bind(s.name("u"), s.name("ae"))
    channel.publish(s.name("x"), "k", "routed", mandatory=True)
    channel.publish(s.name("x"), "other", "unrouted", mandatory=True)
    channel.sync(s.name("q"), s.name("u"))
    channel.drain(s.name("q"))
    channel.drain(s.name("u"))


@scenario("alternate/missing")
def alternate_missing(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.exchange(s.name("x"), "direct", arguments={"alternate-exchange": s.name("none")})
    channel.publish(s.name("x"), "k", "lost", mandatory=True)
    channel.unasked("basic.return")
    channel.confirms(1, 1)


@scenario("alternate/chain-and-cycle")
def alternate_cycle(s):
    channel = s.channel()
    channel.exchange(s.name("a"), "direct", arguments={"alternate-exchange": s.name("b")})
    channel.exchange(s.name("b"), "direct", arguments={"alternate-exchange": s.name("a")})
    channel.publish(s.name("a"), "k", "nowhere", mandatory=True)
    channel.unasked("basic.return")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("b"), "k")
    channel.publish(s.name("a"), "k", "second", mandatory=True)
    channel.sync(queue)
    channel.drain(queue)


@scenario("alternate/not-for-bound-exchange-without-queue")
def alternate_bound(s):
    channel = s.channel()
    channel.exchange(s.name("ae"), "fanout")
    channel.exchange(s.name("x"), "fanout", arguments={"alternate-exchange": s.name("ae")})
    channel.exchange(s.name("empty"), "fanout")
    channel.queue(s.name("u"))
    channel.bind(s.name("u"), s.name("ae"))
    channel.call("exchange.bind", destination=s.name("empty"), source=s.name("x"))
    channel.publish(s.name("x"), "k", "where", mandatory=True)
    channel.sync(s.name("u"))
    channel.drain(s.name("u"))
    channel.nothing()


@scenario("alternate/internal")
def alternate_internal(s):
    channel = s.channel()
    channel.exchange(s.name("ae"), "fanout", internal=True)
    channel.exchange(s.name("x"), "direct", arguments={"alternate-exchange": s.name("ae")})
    channel.queue(s.name("u"))
    channel.bind(s.name("u"), s.name("ae"))
    channel.publish(s.name("x"), "k", "unrouted", mandatory=True)
    channel.sync(s.name("u"))
    channel.drain(s.name("u"))


for label, value in (("int", 1), ("bool", True), ("void", None), ("list", ["a"]), ("table", {"a": 1}),
                     ("bytes", Typed("x", b"ab")), ("empty", "")):
    @scenario(f"alternate/value-{label}")
    def alternate_value(s, value=value):
        channel = s.channel()
        channel.exchange(s.name("x"), quiet=False, arguments={"alternate-exchange": value})
        channel.exchange(s.name("x"), quiet=False)

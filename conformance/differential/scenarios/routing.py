"""Which queue gets what: each exchange type, by value and type."""

from scenario import scenario
from wire import Typed


def routed(s, channel, x, published, queues):
    """Publishes each (key, headers), then writes down what each queue got."""
    for number, (key, headers) in enumerate(published):
        options = {"headers": headers} if headers is not None else {}
        channel.publish(x, key, f"{number} {key}", quiet=True, **options)
    channel.sync(*queues)
    for queue in queues:
        bodies = []
        while True:
            channel.cast("basic.get", quiet=True, queue=queue, no_ack=True)
            reply = channel.reply()
            if reply is None or reply.name != "basic.get-ok":
                break
            bodies.append(reply.body.decode())
        s.note(f"{queue} got {bodies}")


@scenario("routing/default")
def default(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    routed(s, channel, "", [(queue, None), (queue + "x", None), ("", None)], [queue])


@scenario("routing/direct")
def direct(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"))
    for short, keys in (("a", ["k", "l"]), ("b", ["k"]), ("c", [""]), ("d", ["#", "*", "k.l"])):
        channel.queue(s.name(short))
        for key in keys:
            channel.bind(s.name(short), x, key)
    routed(s, channel, x, [(key, None) for key in ("k", "l", "", "K", "k.l", "#", "x")],
           [s.name(short) for short in "abcd"])


@scenario("routing/fanout")
def fanout(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "fanout")
    for short in "ab":
        channel.queue(s.name(short))
        channel.bind(s.name(short), x, "k")
        channel.bind(s.name(short), x, "l")
    routed(s, channel, x, [("k", None), ("", None)], [s.name(short) for short in "ab"])


TOPIC_PATTERNS = ["#", "*", "*.*", "a.#", "#.b", "a.#.b", "a.*.b", "#.#", "*.#", "#.*", "a..b", "", ".", "a.", "#.a.#",
                  "a#", "a*", "*.b.#", "#.b.*", "a.b.c", "#.#.#", "*.#.*", "..", "a.*.", "A.#"]
TOPIC_KEYS = ["", "a", "b", "a.b", "a.x.b", "a.x.y.b", "a..b", ".", "..", "a.", ".b", "a.b.c", "b.a", "x.a.y", "a#", "a*",
              "*", "#", "b.b.b", "A.b", "a.b.", "x" * 40 + ".b"]


@scenario("routing/topic")
def topic(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "topic")
    queues = []
    for number, pattern in enumerate(TOPIC_PATTERNS):
        queues.append(channel.queue(s.name(f"{number:02}")))
        channel.bind(queues[-1], x, pattern)
        s.note(f"{queues[-1]} is bound with {pattern!r}")
    routed(s, channel, x, [(key, None) for key in TOPIC_KEYS], queues)


@scenario("routing/topic-unbind")
def topic_unbind(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "topic")
    queue = channel.queue(s.name("q"))
    for pattern in ("a.#", "a.*", "a.b"):
        channel.bind(queue, x, pattern)
    for pattern in ("a.b", "a.*", "a.#"):
        channel.publish(x, "a.b", pattern, quiet=True)
        channel.publish(x, "a.b.c", pattern, quiet=True)
        channel.call("queue.unbind", queue=queue, exchange=x, routing_key=pattern)
    channel.publish(x, "a.b", "none", quiet=True)
    channel.sync(queue)
    channel.drain(queue)


@scenario("routing/topic-many-hashes")
def topic_hashes(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "topic")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, x, "#.a.#.a.#")
    routed(s, channel, x, [(".".join("a" * 60) + ".b", None), (".".join("x" * 80), None)], [queue])


HEADER_BINDINGS = {
    "none": {}, "all-empty": {"x-match": "all"}, "any-empty": {"x-match": "any"},
    "one": {"a": 1}, "all": {"x-match": "all", "a": 1, "b": "two"}, "any": {"x-match": "any", "a": 1, "b": "two"},
    "void": {"x-match": "all", "a": None}, "any-void": {"x-match": "any", "a": None, "b": None},
    "x-": {"x-match": "all", "x-a": 1, "a": 1}, "any-x-only": {"x-match": "any", "x-a": 1},
    "all-with-x": {"x-match": "all-with-x", "x-a": 1, "a": 1}, "any-with-x": {"x-match": "any-with-x", "x-a": 1},
    "long": {"a": Typed("l", 1)}, "string": {"a": "1"}, "bool": {"a": True}, "float": {"a": 1.0},
    "table": {"a": {"b": 1}}, "list": {"a": [1, "x"]}, "time": {"a": Typed("T", 1)}, "bytes": {"a": Typed("x", b"1")},
    "octet": {"a": Typed("b", 1)}, "short": {"a": Typed("s", 1)}, "decimal": {"a": Typed("D", (0, 1))},
}
HEADER_MESSAGES = [None, {}, {"a": 1}, {"a": 1, "b": "two"}, {"b": "two"}, {"a": 2, "b": "two"}, {"a": None},
                   {"a": 1, "b": "two", "c": 3}, {"x-a": 1}, {"x-a": 1, "a": 1}, {"a": Typed("l", 1)}, {"a": "1"},
                   {"a": True}, {"a": 1.0}, {"a": {"b": 1}}, {"a": {"b": 2}}, {"a": [1, "x"]}, {"a": ["x", 1]},
                   {"a": Typed("T", 1)}, {"a": Typed("x", b"1")}, {"a": Typed("b", 1)}, {"a": Typed("s", 1)},
                   {"a": Typed("D", (0, 1))}, {"A": 1}, {"a": Typed("f", 1.0)}, {"a": Typed("u", 1)},
                   {"a": Typed("B", 1)}, {"a": Typed("i", 1)}]


@scenario("routing/headers")
def headers(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "headers")
    queues = []
    for name, arguments in HEADER_BINDINGS.items():
        queues.append(channel.queue(s.name(name)))
        channel.bind(queues[-1], x, "ignored", arguments=arguments)
    routed(s, channel, x, [("", message) for message in HEADER_MESSAGES], queues)


for label, value in (("nonsense", "nonsense"), ("int", 1), ("empty", ""), ("capitals", "ALL"), ("bool", True)):
    @scenario(f"routing/headers-match-{label}")
    def headers_match(s, value=value):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.bind(queue, "amq.headers", quiet=False, arguments={"x-match": value, s.name("k"): 1})


@scenario("routing/headers-match-nonsense-unbind")
def headers_unbind(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("queue.unbind", queue=queue, exchange="amq.headers", arguments={"x-match": "nonsense"})


@scenario("routing/headers-unbind")
def headers_unbind_one(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"), "headers")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, x, "", arguments={"a": 1})
    channel.bind(queue, x, "", arguments={"b": 1})
    routed(s, channel, x, [("", {"a": 1}), ("", {"b": 1}), ("", {"a": 1, "b": 1})], [queue])
    channel.call("queue.unbind", queue=queue, exchange=x, arguments={"a": 1})
    routed(s, channel, x, [("", {"a": 1}), ("", {"b": 1})], [queue])


@scenario("routing/one-queue-many-ways")
def many_ways(s):
    channel = s.channel()
    for short, kind in (("a", "topic"), ("b", "fanout"), ("c", "direct")):
        channel.exchange(s.name(short), kind)
    queue = channel.queue(s.name("q"))
    channel.call("exchange.bind", destination=s.name("b"), source=s.name("a"), routing_key="#")
    channel.call("exchange.bind", destination=s.name("c"), source=s.name("a"), routing_key="k")
    channel.bind(queue, s.name("a"), "#")
    channel.bind(queue, s.name("a"), "k")
    channel.bind(queue, s.name("b"))
    channel.bind(queue, s.name("c"), "k")
    routed(s, channel, s.name("a"), [("k", None), ("l", None)], [queue])


@scenario("routing/stale-cache")
def stale(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"))
    one, two = channel.queue(s.name("1")), channel.queue(s.name("2"))
    channel.bind(one, x, "k")
    channel.publish(x, "k", "to one")
    channel.bind(two, x, "k")
    channel.publish(x, "k", "to both")
    channel.call("queue.unbind", queue=one, exchange=x, routing_key="k")
    channel.publish(x, "k", "to two")
    channel.call("queue.delete", queue=two)
    channel.publish(x, "k", "to none", mandatory=True)
    channel.unasked("basic.return")
    channel.queue(two)
    channel.publish("", two, "default knows it again", mandatory=True)
    channel.sync(one, two)
    channel.drain(one)
    channel.drain(two)


@scenario("routing/cc-and-bcc")
def copies(s):
    channel = s.channel()
    x = channel.exchange(s.name("x"))
    queues = [channel.queue(s.name(short)) for short in "abc"]
    for short, queue in zip("abc", queues):
        channel.bind(queue, x, short)
    channel.publish(x, "a", "1", headers={"CC": ["b"], "BCC": ["c"], "other": 1})
    channel.publish(x, "none", "2", headers={"CC": ["a", "a", "b"]}, mandatory=True)
    channel.publish("", s.name("a"), "3", headers={"BCC": [s.name("b")]})
    channel.publish(x, "none", "4", headers={"BCC": ["none"], "CC": []}, mandatory=True)
    channel.unasked("basic.return")
    channel.sync(*queues)
    for queue in queues:
        channel.drain(queue)


for label, header in (("cc-string", {"CC": "a"}), ("bcc-int", {"BCC": 1}), ("cc-list-of-ints", {"CC": [1]}),
                      ("cc-table", {"CC": {"a": 1}}), ("cc-empty", {"CC": []}), ("cc-lower-case", {"cc": 5})):
    @scenario(f"routing/{label}")
    def bad_copies(s, header=header):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.publish("", queue, "1", headers=header)
        if channel.sync(queue):
            channel.drain(queue)

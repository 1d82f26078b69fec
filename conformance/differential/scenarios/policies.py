"""Policies and operator policies, set over the management API."""

from scenario import scenario


def pattern(s, short="q"):
    return "^" + s.name(short) + "$"


def settle(channel, queue):
    """A declare goes through the queue, so what came to it before is done."""
    channel.call("queue.declare", quiet=True, queue=queue, passive=True)


@scenario("policy/max-length-live")
def max_length(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    s.api.policy(s.name("p"), pattern(s), {"max-length": 2})
    channel.await_count(queue, 2)
    channel.drain(queue)
    channel.publish_all(queue, *((body, {}) for body in "567"))
    channel.drain(queue)
    s.api.delete("policies", "/", s.name("p"))
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "890"))
    channel.drain(queue)


@scenario("policy/message-ttl-live")
def message_ttl(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    s.api.policy(s.name("p"), pattern(s), {"message-ttl": 30})
    settle(channel, queue)
    channel.publish_all(queue, ("1", {}))
    channel.await_count(queue, 0)


@scenario("policy/expires-live")
def expires(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    s.api.policy(s.name("p"), pattern(s), {"expires": 150})
    channel.await_gone_untouched(queue)


@scenario("policy/overflow-live")
def overflow(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    s.api.policy(s.name("p"), pattern(s), {"max-length": 1, "overflow": "reject-publish"})
    settle(channel, queue)
    channel.call("confirm.select")
    for body in "12":
        channel.publish("", queue, body)
    channel.confirms(1, 2)
    channel.drain(queue)


@scenario("policy/dead-letter-live")
def dead_letter(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    dead = channel.queue(s.name("d"))
    s.api.policy(s.name("p"), pattern(s), {"dead-letter-exchange": "", "dead-letter-routing-key": dead})
    settle(channel, queue)
    channel.publish_all(queue, ("1", {}))
    channel.get(queue)
    channel.cast("basic.reject", delivery_tag=1, requeue=False)
    channel.await_count(dead, 1)
    channel.drain(dead)


@scenario("policy/alternate-exchange-live")
def alternate(s):
    channel = s.channel()
    channel.exchange(s.name("x"))
    channel.exchange(s.name("ae"), "fanout")
    queue = channel.queue(s.name("q"))
    channel.bind(queue, s.name("ae"))
    channel.publish(s.name("x"), "k", "lost", mandatory=True)
    channel.unasked("basic.return")
    s.api.policy(s.name("p"), pattern(s, "x"), {"alternate-exchange": s.name("ae")}, apply_to="exchanges")
    channel.publish(s.name("x"), "k", "kept", mandatory=True)
    channel.sync(queue)
    channel.drain(queue)
    s.api.delete("policies", "/", s.name("p"))
    channel.publish(s.name("x"), "k", "lost again", mandatory=True)
    channel.unasked("basic.return")


@scenario("policy/alternate-exchange-argument-wins")
def alternate_argument(s):
    channel = s.channel()
    for short in ("a", "b"):
        channel.exchange(s.name(short), "fanout")
        channel.queue(s.name("q" + short))
        channel.bind(s.name("q" + short), s.name(short))
    channel.exchange(s.name("x"), arguments={"alternate-exchange": s.name("a")})
    s.api.policy(s.name("p"), pattern(s, "x"), {"alternate-exchange": s.name("b")}, apply_to="exchanges")
    channel.publish(s.name("x"), "k", "which", mandatory=True)
    channel.sync(s.name("qa"), s.name("qb"))
    channel.drain(s.name("qa"))
    channel.drain(s.name("qb"))


@scenario("policy/highest-priority-alone")
def highest(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    s.api.policy(s.name("low"), pattern(s), {"max-length": 1, "message-ttl": 600000}, priority=1)
    s.api.policy(s.name("high"), pattern(s), {"max-length": 3}, priority=2)
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)


@scenario("policy/operator-lowers-and-never-raises")
def operator(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    s.api.policy(s.name("p"), pattern(s), {"max-length": 3, "overflow": "drop-head"})
    s.api.policy(s.name("o"), pattern(s), {"max-length": 2}, operator=True, apply_to="queues")
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)
    s.api.policy(s.name("o"), pattern(s), {"max-length": 9}, operator=True, apply_to="queues")
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)


@scenario("policy/operator-alone")
def operator_alone(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 5})
    s.api.policy(s.name("o"), pattern(s), {"max-length": 2}, operator=True, apply_to="queues")
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)


@scenario("policy/lower-of-argument-and-policy")
def lower(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 3})
    s.api.policy(s.name("p"), pattern(s), {"max-length": 2})
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)


@scenario("policy/higher-than-the-argument")
def higher(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"), arguments={"x-max-length": 2})
    s.api.policy(s.name("p"), pattern(s), {"max-length": 3})
    settle(channel, queue)
    channel.publish_all(queue, *((body, {}) for body in "1234"))
    channel.drain(queue)


@scenario("policy/delivery-limit-of-a-quorum-queue")
def delivery_limit(s):
    channel = s.channel()
    dead = channel.queue(s.name("d"))
    s.api.policy(s.name("p"), pattern(s), {
        "delivery-limit": 1, "dead-letter-exchange": "", "dead-letter-routing-key": dead})
    queue = channel.queue(s.name("q"), durable=True, arguments={"x-queue-type": "quorum"})
    channel.consume(queue, "t")
    channel.publish("", queue, "poison")
    for tag in (1, 2):
        channel.deliveries("t", 1)
        channel.cast("basic.nack", delivery_tag=tag, requeue=True)
    channel.await_count(dead, 1)
    channel.drain(dead)


for label, scope in (("queues", "queues"), ("exchanges", "exchanges"), ("all", "all")):
    @scenario(f"policy/apply-to-{label}")
    def apply_to(s, scope=scope):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.exchange(s.name("x"))
        s.api.policy(s.name("p"), "^" + s.prefix, {"max-length": 1}, apply_to=scope)
        settle(channel, queue)
        channel.publish_all(queue, ("1", {}), ("2", {}))
        channel.drain(queue)
        s.api.show(("policy",), "exchanges", "/", s.name("x"))


REFUSED = {
    "negative-ttl": {"message-ttl": -1},
    "text-ttl": {"message-ttl": "soon"},
    "zero-expires": {"expires": 0},
    "negative-length": {"max-length": -1},
    "text-length-bytes": {"max-length-bytes": "much"},
    "overflow": {"overflow": "drop-tail"},
    "queue-mode": {"queue-mode": "eager"},
    "dead-letter-exchange": {"dead-letter-exchange": 1},
    "dead-letter-routing-key": {"dead-letter-routing-key": True},
    "alternate-exchange": {"alternate-exchange": 1},
    "delivery-limit": {"delivery-limit": "often"},
    "unknown": {"max-lenght": 1},
    "empty": {},
    "queue-version": {"queue-version": 3},
    "max-age": {"max-age": "7 days"},
}

for label, definition in REFUSED.items():
    @scenario(f"policy/refused-{label}")
    def refused(s, definition=definition):
        s.api.policy(s.name("p"), pattern(s), definition)


for label, definition in (("overflow", {"overflow": "drop-head"}), ("dead-letter", {"dead-letter-exchange": "x"}),
                          ("mode", {"queue-mode": "lazy"}), ("alternate", {"alternate-exchange": "x"})):
    @scenario(f"policy/operator-refused-{label}")
    def operator_refused(s, definition=definition):
        s.api.policy(s.name("o"), pattern(s), definition, operator=True, apply_to="queues")


@scenario("policy/refused-apply-to")
def refused_scope(s):
    s.api.policy(s.name("p"), pattern(s), {"max-length": 1}, apply_to="queue")


@scenario("policy/no-such-policy")
def missing(s):
    s.api.delete("policies", "/", s.name("p"))
    s.api.delete("operator-policies", "/", s.name("p"))


@scenario("policy/no-such-vhost")
def missing_vhost(s):
    s.api.policy(s.name("p"), ".*", {"max-length": 1}, vhost=s.name("nowhere"))

"""queue.declare, purge and delete."""

from scenario import scenario
from wire import Typed


@scenario("queue/declare")
def declare(s):
    channel = s.channel()
    channel.queue(s.name("q"), quiet=False)
    channel.queue(s.name("q"), quiet=False)
    channel.publish("", s.name("q"), "1")
    channel.sync(s.name("q"))
    channel.consume(s.name("q"), "t")
    channel.deliveries("t", 1)
    channel.queue(s.name("q"), quiet=False)
    channel.queue(s.name("q"), passive=True, quiet=False)


@scenario("queue/declare-server-named")
def server_named(s):
    channel = s.channel()
    channel.queue("", exclusive=True, quiet=False)
    # The empty name then means the last one declared on the channel.
    channel.call("queue.bind", exchange="amq.direct", routing_key=s.name("k"))
    channel.publish("amq.direct", s.name("k"), "1")
    channel.call("basic.get", no_ack=True)
    channel.call("queue.purge")
    channel.call("basic.consume", consumer_tag="t")
    channel.call("queue.unbind", exchange="amq.direct", routing_key=s.name("k"))
    channel.call("queue.delete")


for method in ("queue.bind", "queue.unbind", "queue.purge", "queue.delete", "basic.get", "basic.consume"):
    @scenario(f"queue/no-current-queue-{method}")
    def no_current(s, method=method):
        fields = {"exchange": "amq.direct"} if "bind" in method else {}
        s.channel().call(method, **fields)


@scenario("queue/no-current-queue-passive")
def no_current_passive(s):
    channel = s.channel()
    channel.queue("", exclusive=True)
    channel.call("queue.declare", passive=True)


@scenario("queue/current-queue-and-empty-key")
def current_key(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("queue.bind", exchange="amq.direct")
    channel.publish("amq.direct", queue, "by name")
    channel.publish("amq.direct", "", "by empty key")
    channel.sync(queue)
    channel.drain(queue)


@scenario("queue/declare-passive-missing")
def passive_missing(s):
    s.channel().queue(s.name("q"), passive=True, quiet=False)


@scenario("queue/declare-passive-ignores-properties")
def passive_ignores(s):
    channel = s.channel()
    channel.queue(s.name("q"), durable=True)
    channel.queue(s.name("q"), passive=True, quiet=False, arguments={"x-max-length": 1})


@scenario("queue/declare-no-wait")
def no_wait(s):
    channel = s.channel()
    channel.cast("queue.declare", queue=s.name("q"), no_wait=True)
    channel.queue(s.name("q"), passive=True, quiet=False)
    channel.cast("queue.declare", queue=s.name("q"), durable=True, no_wait=True)
    channel.failed()


def fails(name, declared, again):
    @scenario(f"queue/inequivalent-{name}")
    def attempt(s):
        channel = s.channel()
        channel.call("queue.declare", queue=s.name("q"), **declared)
        channel.call("queue.declare", queue=s.name("q"), **again)


def args(**arguments):
    return {"arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}


fails("durable", {}, {"durable": True})
fails("not-durable", {"durable": True}, {})
fails("auto-delete", {}, {"auto_delete": True})
fails("exclusive", {}, {"exclusive": True})
fails("not-exclusive", {"exclusive": True}, {})
fails("durable-and-auto-delete", {}, {"durable": True, "auto_delete": True})
fails("max-length-added", {}, args(x_max_length=5))
fails("max-length-gone", args(x_max_length=5), {})
fails("max-length-changed", args(x_max_length=5), args(x_max_length=6))
fails("max-length-other-int-type", args(x_max_length=5), args(x_max_length=Typed("l", 5)))
fails("max-length-octet", args(x_max_length=Typed("b", 5)), args(x_max_length=Typed("s", 5)))
fails("max-length-bytes", args(x_max_length_bytes=5), {})
fails("message-ttl", args(x_message_ttl=5000), args(x_message_ttl=6000))
fails("message-ttl-gone", args(x_message_ttl=60000), {})
fails("expires", args(x_expires=60000), args(x_expires=50000))
fails("dead-letter-exchange", args(x_dead_letter_exchange="a"), args(x_dead_letter_exchange="b"))
fails("dead-letter-exchange-gone", args(x_dead_letter_exchange="a"), {})
fails("dead-letter-exchange-added", {}, args(x_dead_letter_exchange="a"))
fails("dead-letter-key", args(x_dead_letter_exchange="a", x_dead_letter_routing_key="k"),
      args(x_dead_letter_exchange="a", x_dead_letter_routing_key="l"))
fails("max-priority", args(x_max_priority=5), args(x_max_priority=6))
fails("max-priority-gone", args(x_max_priority=5), {})
fails("overflow", args(x_max_length=1, x_overflow="reject-publish"), args(x_max_length=1, x_overflow="drop-head"))
fails("overflow-added", args(x_max_length=1), args(x_max_length=1, x_overflow="drop-head"))
fails("queue-mode", args(x_queue_mode="lazy"), {})
fails("queue-type", args(x_queue_type="classic"), {})
fails("queue-type-added", {}, args(x_queue_type="classic"))
fails("queue-type-quorum-classic", {"durable": True, **args(x_queue_type="quorum")}, {"durable": True})
fails("single-active-consumer", args(x_single_active_consumer=True), {})
fails("single-active-consumer-changed", args(x_single_active_consumer=True), args(x_single_active_consumer=False))
fails("unknown-argument", {}, args(x_anything=1))
fails("unknown-argument-changed", args(x_anything=1), args(x_anything="b"))
fails("two-arguments-differ", args(x_max_length=5, x_expires=60000), args(x_max_length=6, x_expires=50000))

LONG = 2**40
for label, arguments in (
    ("max-length-string", {"x-max-length": "5"}),
    ("max-length-negative", {"x-max-length": -1}),
    ("max-length-zero", {"x-max-length": 0}),
    ("max-length-float", {"x-max-length": 1.5}),
    ("max-length-bool", {"x-max-length": True}),
    ("max-length-void", {"x-max-length": None}),
    ("max-length-list", {"x-max-length": [1]}),
    ("max-length-table", {"x-max-length": {"a": 1}}),
    ("max-length-bytes-negative", {"x-max-length-bytes": -5}),
    ("max-length-bytes-string", {"x-max-length-bytes": "5"}),
    ("message-ttl-negative", {"x-message-ttl": -1}),
    ("message-ttl-string", {"x-message-ttl": "5"}),
    ("message-ttl-too-large", {"x-message-ttl": LONG}),
    ("message-ttl-ten-years", {"x-message-ttl": 315360000000}),
    ("message-ttl-over-ten-years", {"x-message-ttl": 315360000001}),
    ("message-ttl-zero", {"x-message-ttl": 0}),
    ("message-ttl-timestamp", {"x-message-ttl": Typed("T", 5)}),
    ("expires-zero", {"x-expires": 0}),
    ("expires-negative", {"x-expires": -1}),
    ("expires-string", {"x-expires": "1"}),
    ("expires-too-large", {"x-expires": LONG}),
    ("dead-letter-exchange-int", {"x-dead-letter-exchange": 1}),
    ("dead-letter-key-int", {"x-dead-letter-exchange": "a", "x-dead-letter-routing-key": 1}),
    ("dead-letter-key-alone", {"x-dead-letter-routing-key": "k"}),
    ("max-priority-negative", {"x-max-priority": -1}),
    ("max-priority-256", {"x-max-priority": 256}),
    ("max-priority-255", {"x-max-priority": 255}),
    ("max-priority-string", {"x-max-priority": "5"}),
    ("max-priority-zero", {"x-max-priority": 0}),
    ("overflow-unknown", {"x-overflow": "nonsense"}),
    ("overflow-int", {"x-overflow": 1}),
    ("overflow-dlx", {"x-overflow": "reject-publish-dlx", "x-max-length": 1}),
    ("queue-mode-unknown", {"x-queue-mode": "nonsense"}),
    ("queue-mode-int", {"x-queue-mode": 1}),
    ("queue-type-unknown", {"x-queue-type": "nonsense"}),
    ("queue-type-int", {"x-queue-type": 1}),
    ("queue-version-3", {"x-queue-version": 3}),
    ("queue-version-2", {"x-queue-version": 2}),
    ("single-active-consumer-string", {"x-single-active-consumer": "true"}),
    ("single-active-consumer-int", {"x-single-active-consumer": 1}),
    ("delivery-limit-on-classic", {"x-delivery-limit": 5}),
    ("unknown", {"x-anything": {"a": [1, None]}}),
    ("consumer-timeout", {"x-consumer-timeout": 60000}),
    ("two-wrong", {"x-max-length": -1, "x-expires": 0}),
):
    @scenario(f"queue/argument-{label}")
    def argument(s, arguments=arguments):
        channel = s.channel()
        channel.queue(s.name("q"), quiet=False, arguments=arguments)
        channel.queue(s.name("q"), quiet=False)

for label, fields, arguments in (
    ("quorum", {"durable": True}, {}),
    ("quorum-not-durable", {}, {}),
    ("quorum-exclusive", {"durable": True, "exclusive": True}, {}),
    ("quorum-auto-delete", {"durable": True, "auto_delete": True}, {}),
    ("quorum-max-priority", {"durable": True}, {"x-max-priority": 5}),
    ("quorum-queue-mode", {"durable": True}, {"x-queue-mode": "lazy"}),
    ("quorum-delivery-limit", {"durable": True}, {"x-delivery-limit": 2}),
    ("quorum-delivery-limit-string", {"durable": True}, {"x-delivery-limit": "2"}),
    ("quorum-delivery-limit-negative", {"durable": True}, {"x-delivery-limit": -1}),
    ("quorum-reject-publish-dlx", {"durable": True}, {"x-overflow": "reject-publish-dlx"}),
    ("quorum-dead-letter-strategy", {"durable": True}, {"x-dead-letter-strategy": "nonsense"}),
):
    @scenario(f"queue/{label}")
    def quorum(s, fields=fields, arguments=arguments):
        channel = s.channel()
        channel.queue(s.name("q"), quiet=False, arguments={"x-queue-type": "quorum", **arguments}, **fields)


for label, name in (("amq", "amq.mine"), ("amq-gen", "amq.gen-mine"), ("name-255", None), ("newline", "line\nline"),
                    ("unicode", "žlutý kůň")):
    @scenario(f"queue/declare-name-{label}")
    def reserved(s, name=name):
        if name is None:
            name = s.name("q").ljust(255, "q")
        channel = s.channel()
        channel.queue(name, quiet=False, auto_delete=True)
        channel.call("queue.delete", queue=name)


@scenario("queue/declare-passive-reserved-missing")
def passive_reserved(s):
    s.channel().queue("amq.missing", passive=True, quiet=False)


@scenario("queue/delete")
def delete(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for body in "123":
        channel.publish("", queue, body)
    channel.call("queue.delete", queue=queue)
    channel.call("queue.delete", queue=queue)
    channel.queue(queue, passive=True, quiet=False)


@scenario("queue/delete-missing")
def delete_missing(s):
    channel = s.channel()
    channel.call("queue.delete", queue=s.name("q"))
    channel.call("queue.delete", queue=s.name("q"), if_empty=True, if_unused=True)


@scenario("queue/delete-no-wait")
def delete_no_wait(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.cast("queue.delete", queue=queue, no_wait=True)
    channel.queue(queue, passive=True, quiet=False)


@scenario("queue/delete-if-unused")
def delete_unused(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.consume(queue, "t")
    channel.call("queue.delete", queue=queue, if_unused=True)


@scenario("queue/delete-if-empty")
def delete_empty(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.call("queue.delete", queue=queue, if_empty=True)


@scenario("queue/delete-if-empty-with-unacked")
def delete_empty_unacked(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "1")
    channel.sync(queue)
    channel.get(queue)
    channel.call("queue.delete", queue=queue, if_empty=True)


@scenario("queue/delete-if-both")
def delete_both(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "t")
    channel.publish("", queue, "1")
    channel.publish("", queue, "2")
    channel.deliveries("t", 1)
    channel.call("queue.delete", queue=queue, if_empty=True, if_unused=True)


@scenario("queue/delete-counts-ready-only")
def delete_count(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for body in "123":
        channel.publish("", queue, body)
    channel.sync(queue)
    channel.get(queue)
    channel.call("queue.delete", queue=queue)
    channel.cast("basic.ack", delivery_tag=1)
    channel.nothing()


@scenario("queue/purge")
def purge(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for body in "1234":
        channel.publish("", queue, body)
    channel.sync(queue)
    channel.get(queue)
    channel.call("queue.purge", queue=queue)
    channel.call("queue.purge", queue=queue)
    channel.cast("basic.reject", delivery_tag=1, requeue=True)
    channel.sync(queue)
    channel.get(queue)


@scenario("queue/purge-no-wait")
def purge_no_wait(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "1")
    channel.cast("queue.purge", queue=queue, no_wait=True)
    channel.queue(queue, passive=True, quiet=False)


@scenario("queue/purge-missing")
def purge_missing(s):
    s.channel().call("queue.purge", queue=s.name("q"))

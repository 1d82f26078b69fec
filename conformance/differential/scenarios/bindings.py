"""queue.bind and queue.unbind."""

from scenario import scenario


@scenario("binding/life-cycle")
def bind(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    x = channel.exchange(s.name("x"))
    channel.bind(queue, x, "k", quiet=False)
    channel.bind(queue, x, "k", quiet=False)
    channel.publish(x, "k", "1")
    channel.call("queue.unbind", queue=queue, exchange=x, routing_key="k")
    channel.call("queue.unbind", queue=queue, exchange=x, routing_key="k")
    channel.publish(x, "k", "2")
    channel.cast("queue.bind", queue=queue, exchange=x, routing_key="n", no_wait=True)
    channel.publish(x, "n", "3")
    channel.sync(queue)
    channel.drain(queue)


@scenario("binding/same-key-other-arguments")
def bind_arguments(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    x = channel.exchange(s.name("x"))
    channel.bind(queue, x, "k", arguments={"a": 1})
    channel.bind(queue, x, "k", arguments={"a": 2})
    channel.publish(x, "k", "once")
    channel.call("queue.unbind", queue=queue, exchange=x, routing_key="k")
    channel.publish(x, "k", "still bound")
    channel.call("queue.unbind", queue=queue, exchange=x, routing_key="k", arguments={"a": 1})
    channel.publish(x, "k", "still bound by 2")
    channel.call("queue.unbind", queue=queue, exchange=x, routing_key="k", arguments={"a": 2})
    channel.publish(x, "k", "not bound")
    channel.sync(queue)
    channel.drain(queue)


for label, fields in (
    ("missing-queue", {"queue": "missing-queue", "exchange": "amq.direct"}),
    ("missing-exchange", {"queue": None, "exchange": "missing-exchange"}),
    ("both-missing", {"queue": "missing-queue", "exchange": "missing-exchange"}),
    ("default-exchange", {"queue": None, "exchange": ""}),
    ("default-exchange-missing-queue", {"queue": "missing-queue", "exchange": ""}),
):
    for verb in ("bind", "unbind"):
        @scenario(f"binding/{verb}-{label}")
        def bad_bind(s, verb=verb, fields=fields):
            channel = s.channel()
            queue = channel.queue(s.name("q"))
            channel.call(f"queue.{verb}", **{**fields, "queue": fields["queue"] or queue})


@scenario("binding/durable-exchange-transient-queue")
def bind_durability(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.exchange(s.name("x"), durable=True)
    channel.bind(queue, s.name("x"), "k", quiet=False)


@scenario("binding/gone-with-queue")
def bind_gone(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    x = channel.exchange(s.name("x"))
    channel.bind(queue, x, "k")
    channel.call("queue.delete", queue=queue)
    channel.queue(queue)
    channel.publish(x, "k", "lost", mandatory=True)
    channel.unasked("basic.return")
    channel.drain(queue)

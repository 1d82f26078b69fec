"""Direct reply-to."""

from scenario import scenario


REPLY_TO = "amq.rabbitmq.reply-to"


@scenario("reply-to/request-and-reply")
def reply_to(s):
    client, server = s.channel(), s.channel()
    queue = server.queue(s.name("q"))
    client.consume(REPLY_TO, "r", no_ack=True, quiet=False)
    client.publish("", queue, "question", reply_to=REPLY_TO, correlation_id="1", mandatory=True)
    server.await_count(queue, 1)
    asked = server.get(queue, no_ack=True)
    server.publish("", asked.properties["reply-to"], "answer", quiet=True, correlation_id="1", mandatory=True)
    client.deliveries("r", 1)
    name = asked.properties["reply-to"]
    server.call("queue.declare", quiet=True, queue=name, passive=True)
    client.close()
    server.publish("", name, "too late", quiet=True, mandatory=True)
    server.unasked("basic.return")


for label, fields in (("with-acks", {}), ("exclusive", {"no_ack": True, "exclusive": True}),
                      ("no-local", {"no_ack": True, "no_local": True})):
    @scenario(f"reply-to/consume-{label}")
    def reply_consume(s, fields=fields):
        s.channel().consume(REPLY_TO, "r", quiet=False, **fields)


@scenario("reply-to/consume-twice")
def reply_twice(s):
    channel = s.channel()
    channel.consume(REPLY_TO, "a", no_ack=True)
    channel.consume(REPLY_TO, "b", no_ack=True, quiet=False)


@scenario("reply-to/consume-again-after-cancel")
def reply_again(s):
    channel = s.channel()
    channel.consume(REPLY_TO, "a", no_ack=True)
    channel.call("basic.cancel", consumer_tag="a")
    channel.consume(REPLY_TO, "b", no_ack=True, quiet=False)


@scenario("reply-to/publish-without-consumer")
def reply_none(s):
    channel = s.channel()
    channel.publish("", s.name("none"), "x", reply_to=REPLY_TO)
    channel.failed()


@scenario("reply-to/declare")
def reply_declare(s):
    channel = s.channel()
    channel.queue(REPLY_TO, quiet=False)
    channel.queue(REPLY_TO, passive=True, quiet=False)


for method, fields in (("queue.delete", {}), ("queue.bind", {"exchange": "amq.direct"}), ("queue.purge", {}),
                       ("basic.get", {})):
    @scenario(f"reply-to/{method}")
    def reply_method(s, method=method, fields=fields):
        s.channel().call(method, queue=REPLY_TO, **fields)


@scenario("reply-to/declare-made-up-name")
def reply_made_up(s):
    s.channel().queue(REPLY_TO + ".g1h2AAtub2R5QG5vd2hlcmUAAAB.madeup==", passive=True, quiet=False)


@scenario("reply-to/publish-to-made-up-name")
def reply_publish(s):
    channel = s.channel()
    channel.publish("", REPLY_TO + ".madeup", "x", mandatory=True)
    channel.nothing()

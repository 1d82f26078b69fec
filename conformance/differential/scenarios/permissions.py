"""Permissions: `reader` may configure and write mine-*, read mine-* and open-*."""

from scenario import scenario


for label, method, fields in (
    ("declare-queue", "queue.declare", {"queue": "other-queue"}),
    ("declare-exchange", "exchange.declare", {"exchange": "other-x", "type": "direct"}),
    ("delete-queue", "queue.delete", {"queue": "open-queue"}),
    ("delete-missing-queue", "queue.delete", {"queue": "other-queue"}),
    ("delete-exchange", "exchange.delete", {"exchange": "amq.direct"}),
    ("delete-missing-exchange", "exchange.delete", {"exchange": "other-x"}),
    ("consume", "basic.consume", {"queue": "other-queue"}),
    ("get", "basic.get", {"queue": "other-queue"}),
    ("purge", "queue.purge", {"queue": "other-queue"}),
    ("bind-queue", "queue.bind", {"queue": "other-queue", "exchange": "mine-x"}),
    ("bind-from-exchange", "queue.bind", {"queue": "mine-missing", "exchange": "other-x"}),
    ("unbind", "queue.unbind", {"queue": "other-queue", "exchange": "mine-x"}),
    ("bind-exchange", "exchange.bind", {"destination": "other-x", "source": "mine-x"}),
    ("bind-exchange-source", "exchange.bind", {"destination": "mine-x", "source": "other-x"}),
    ("passive-queue", "queue.declare", {"queue": "other-queue", "passive": True}),
    ("passive-exchange", "exchange.declare", {"exchange": "other-x", "passive": True}),
    ("server-named", "queue.declare", {"exclusive": True}),
    ("dead-letter-exchange", "queue.declare",
     {"queue": None, "auto_delete": True, "arguments": {"x-dead-letter-exchange": "other-x"}}),
    ("dead-letter-exchange-read", "queue.declare",
     {"queue": None, "auto_delete": True, "arguments": {"x-dead-letter-exchange": "mine-x"}}),
    ("alternate-exchange", "exchange.declare",
     {"exchange": "mine-x", "type": "direct", "arguments": {"alternate-exchange": "other-x"}}),
    ("unknown-type", "exchange.declare", {"exchange": "other-x", "type": "nonsense"}),
    ("reserved-queue", "queue.declare", {"queue": "amq.mine"}),
    ("reserved-exchange", "exchange.declare", {"exchange": "amq.mine", "type": "direct"}),
):
    @scenario(f"permission/{label}")
    def denied(s, method=method, fields=fields):
        channel = s.channel(user="reader")
        if "queue" in fields and fields["queue"] is None:
            fields = {**fields, "queue": s.name("mine-q")}
        channel.call(method, **fields)


@scenario("permission/publish")
def publish_denied(s):
    channel = s.channel(user="reader")
    channel.publish("amq.direct", "k", "x")
    channel.failed()


@scenario("permission/publish-default-exchange")
def publish_default(s):
    channel = s.channel(user="reader")
    channel.publish("", "other-queue", "x")
    channel.failed()


@scenario("permission/publish-missing-exchange")
def publish_missing(s):
    channel = s.channel(user="reader")
    channel.publish("other-x", "k", "x")
    channel.failed()

"""After basic.publish come a header and bodies, and nothing else."""

from scenario import scenario, wire
from scenarios.malformed import DECLARE, NOT_UTF8, aftermath, payload, table

PUBLISH = payload("basic.publish", routing_key="nowhere")


def content(name, *frames):
    @scenario(f"malformed/content-{name}")
    def attempt(s):
        channel = s.connect().channel()
        for kind, data, note in frames:
            channel.raw(kind, data, note)
        aftermath(channel)


publish = (1, PUBLISH, "basic.publish")


def header(size, **options):
    return 2, wire.header_payload(size, {}, **options), f"header size={size} {options}"


def body(size):
    return 3, b"x" * size, f"body of {size}"


content("header-without-publish", header(3))
content("body-without-publish", body(3))
content("body-in-place-of-header", publish, body(3))
content("method-in-place-of-header", publish, (1, DECLARE, "exchange.declare"))
content("publish-in-place-of-header", publish, publish)
content("method-in-place-of-body", publish, header(3), (1, DECLARE, "exchange.declare"))
content("method-between-bodies", publish, header(6), body(3), (1, DECLARE, "exchange.declare"))
content("header-twice", publish, header(3), header(3))
content("header-after-body", publish, header(6), body(3), header(6))
content("heartbeat-in-place-of-body", publish, header(3), (8, b"", "heartbeat"))
content("body-too-long", publish, header(3), body(4))
content("body-too-long-in-two", publish, header(3), body(2), body(2))
content("body-after-the-end", publish, header(3), body(3), body(1))
content("body-after-empty-content", publish, header(0), body(1))
content("empty-body-frames", publish, header(3), body(0), body(3), )
content("empty-body-frame-for-empty-content", publish, header(0), body(0))
content("header-class-other", publish, header(3, class_id=50), body(3))
content("header-class-0", publish, header(0, class_id=0))
content("header-weight-other", publish, header(3, weight=7), body(3))
content("header-cut", publish, (2, b"\0\x3c\0\0\0\0", "6 bytes of a header"))
content("header-empty", publish, (2, b"", "empty header"))
content("header-properties-cut", publish, (2, wire.header_payload(0, {})[:-2] + b"\x80\0", "flag without value"))
content("header-properties-cut-in-string", publish,
        (2, wire.header_payload(0, {})[:-2] + b"\x80\0\x09ab", "string past the end"))
content("header-properties-trailing", publish, (2, wire.header_payload(0, {}) + b"\0\0", "2 bytes more"))
content("header-properties-table-bad", publish,
        (2, wire.header_payload(0, {})[:-2] + b"\x20\0" + table(b"\x01aZ"), "unknown type in headers"))
content("header-properties-not-utf8", publish,
        (2, wire.header_payload(0, {"content-type": NOT_UTF8}), "content-type ff fe"))
content("header-continuation-flag", publish, (2, wire.header_payload(0, {})[:-2] + b"\0\x01\0\0", "second flag word"))
content("header-reserved-flag", publish, (2, wire.header_payload(0, {})[:-2] + b"\0\x02", "flag bit 1"))
content("body-size-huge", publish, (2, wire.header_payload(2**63, {}), "header of 2^63 bytes"))
content("body-size-over-max", publish, (2, wire.header_payload(16 * 1024 * 1024 + 1, {}), "16 MiB and 1 byte"))


@scenario("malformed/content-over-max-message-size")
def over_max(s):
    channel = s.connect().channel()
    channel.publish("", s.name("none"), b"x" * (16 * 1024 * 1024 + 1))
    channel.failed()


@scenario("malformed/content-at-max-message-size")
def at_max(s):
    channel = s.connect().channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, b"x" * (16 * 1024 * 1024))
    channel.sync(queue)
    channel.get(queue, no_ack=True)

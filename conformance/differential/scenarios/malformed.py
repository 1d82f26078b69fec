"""What no client should send, on an open connection."""

import struct

from scenario import scenario, wire


def payload(name, **fields):
    return wire.method_payload(name, {key.replace("_", "-"): value for key, value in fields.items()})


DECLARE = payload("exchange.declare", exchange="amq.direct", type="direct", passive=True)


def on_channel(name, note, kind, data, **malformed):
    """One frame on an open channel, then the end of the connection, or not."""
    @scenario(f"malformed/{name}")
    def attempt(s):
        channel = s.connect().channel()
        channel.raw(kind, data, note, **malformed)
        aftermath(channel)


def aftermath(channel):
    """Whatever follows: an error, or a channel that still works."""
    channel.connection.method(channel.number, "exchange.declare", exchange="amq.direct", type="direct", passive=True)
    reply = channel.reply()
    if reply is None:
        channel.write_absence("a reply")
    else:
        channel.trace.add(f"{channel.label} < {reply!r}")


on_channel("frame-end-wrong", "method with end byte 0xCD", 1, DECLARE, end=0xCD)
on_channel("frame-end-zero", "method with end byte 0", 1, DECLARE, end=0)
on_channel("frame-size-too-small", "method whose size is 2 less", 1, DECLARE, size=len(DECLARE) - 2)
on_channel("frame-type-unknown", "frame type 7", 7, b"")
on_channel("frame-type-unknown-0", "frame type 0", 0, b"xy")
on_channel("frame-type-unknown-5", "frame type 5 with payload", 5, b"1234")
on_channel("heartbeat-on-channel", "heartbeat", 8, b"")
on_channel("heartbeat-on-channel-with-payload", "heartbeat with payload", 8, b"x")
on_channel("empty-method", "method frame without payload", 1, b"")
on_channel("method-two-bytes", "method frame of two bytes", 1, b"\0\x3c")
on_channel("class-unknown", "class 99 method 1", 1, struct.pack(">HH", 99, 1))
on_channel("method-unknown", "class 60 method 99", 1, struct.pack(">HH", 60, 99))
on_channel("class-access", "access.request", 1, struct.pack(">HH", 30, 10) + b"\x05/data\x1c")
on_channel("class-file", "class 70 method 10", 1, struct.pack(">HH", 70, 10) + b"\0" * 8)
on_channel("method-truncated", "queue.declare cut short", 1, payload("queue.declare", queue="abcdef")[:9])
on_channel("method-no-arguments", "queue.declare without arguments", 1, struct.pack(">HH", 50, 10))
on_channel("method-trailing-bytes", "exchange.declare with 3 bytes more", 1, DECLARE + b"\0\0\0")
on_channel("shortstr-past-end", "short string longer than the frame", 1, struct.pack(">HHH", 50, 10, 0) + b"\xffabc")
on_channel("table-length-past-end", "table longer than the frame", 1,
           payload("queue.declare", queue="x")[:-4] + struct.pack(">I", 100))
on_channel("table-length-huge", "table of 4 GiB", 1,
           payload("queue.declare", queue="x")[:-4] + b"\xff\xff\xff\xff")


def table(data):
    return struct.pack(">I", len(data)) + data


for label, data in {
    "table-unknown-type": b"\x01aZ\0\0\0\0",
    "table-key-past-end": b"\x09a",
    "table-no-value": b"\x01a",
    "table-string-past-end": b"\x01aS\0\0\0\x09x",
    "table-int-cut": b"\x01aI\0\0",
    "table-array-past-end": b"\x01aA\0\0\0\x09t",
    "table-array-unknown-type": b"\x01aA\0\0\0\x01Z",
    "table-inner-table-past-end": b"\x01aF\0\0\0\x09t",
    "table-bool-2": b"\x01at\x02",
    "table-empty-key": b"\0I\0\0\0\1",
    "table-key-twice": b"\x01aI\0\0\0\1\x01aI\0\0\0\2",
    "table-key-not-utf8": b"\x02\xff\xfeI\0\0\0\1",
    "table-string-not-utf8": b"\x01aS\0\0\0\x02\xff\xfe",
    "table-decimal": b"\x01aD\x02\0\0\0\x05",
    "table-octets": b"\x01aB\xff\x01bb\xff\x01cs\xff\xff\x01du\xff\xff",
    "table-ints": b"\x01ai\xff\xff\xff\xff\x01bl\xff\xff\xff\xff\xff\xff\xff\xff\x01cL\0\0\0\0\0\0\0\1",
    "table-floats": b"\x01af\x3f\x80\0\0\x01bd\x7f\xf8\0\0\0\0\0\0",
    "table-bytes": b"\x01ax\0\0\0\x02\xff\xfe",
}.items():
    on_channel(label, f"exchange.declare with {label}", 1, DECLARE[:-4] + table(data))

for levels in (30, 33, 100, 1000):
    nested = b""
    for _ in range(levels):
        nested = b"A" + struct.pack(">I", len(nested)) + nested
    on_channel(f"table-nested-{levels}", f"exchange.declare with {levels} arrays in each other", 1,
               DECLARE[:-4] + table(b"\x01a" + nested))

NOT_UTF8 = b"\xff\xfe"
on_channel("exchange-name-not-utf8", "exchange.declare of bytes ff fe", 1,
           payload("exchange.declare", exchange=NOT_UTF8, type="direct", passive=True))
on_channel("queue-name-not-utf8", "queue.declare passive of bytes ff fe", 1,
           payload("queue.declare", queue=NOT_UTF8, passive=True))
on_channel("exchange-type-not-utf8", "exchange.declare with type ff fe", 1,
           payload("exchange.declare", exchange="new", type=NOT_UTF8))
on_channel("consumer-tag-not-utf8", "basic.cancel of ff fe", 1, payload("basic.cancel", consumer_tag=NOT_UTF8))


@scenario("malformed/routing-key-not-utf8")
def key_not_utf8(s):
    channel = s.connect().channel()
    queue = channel.queue(s.name("q"))
    channel.exchange(s.name("x"), "fanout")
    channel.bind(queue, s.name("x"))
    channel.raw(1, payload("basic.publish", exchange=s.name("x"), routing_key=NOT_UTF8), "publish with key ff fe")
    channel.raw(2, wire.header_payload(0, {}), "header")
    channel.sync(queue)
    channel.get(queue)


@scenario("malformed/frame-over-limit")
def frame_over_limit(s):
    channel = s.connect(frame_max=8192).channel()
    channel.publish("", s.name("none"), b"x" * 10000, chunk=8192 - 8 + 9)
    channel.failed()


@scenario("malformed/frame-at-limit-and-8-more")
def frame_at_limit(s):
    channel = s.connect(frame_max=8192).channel()
    queue = channel.queue(s.name("q"))
    for size in (8184, 8185, 8192):
        channel.publish("", queue, b"x" * size, chunk=size)
    channel.await_count(queue, 3)
    channel.drain(queue)


@scenario("malformed/frame-size-huge-announced")
def frame_huge(s):
    connection = s.connect()
    connection.send(struct.pack(">BHI", 1, 0, 0xFFFFFFFF))
    connection.hear_close()


@scenario("malformed/half-a-frame-then-close")
def half_frame(s):
    channel = s.connect().channel()
    queue = channel.queue(s.name("q"), auto_delete=True)
    channel.consume(queue, "t")
    channel.connection.send(wire.frame(1, 1, DECLARE)[:9])
    channel.connection.drop()
    s.channel().await_gone(queue)


for label, kind, data, options in (
    ("frame-end", 1, payload("connection.close"), {"end": 1}),
    ("frame-type", 6, b"", {}),
    ("heartbeat-with-payload", 8, b"xyz", {}),
    ("header", 2, wire.header_payload(0, {}), {}),
    ("body", 3, b"abc", {}),
    ("channel-open", 1, payload("channel.open"), {}),
    ("basic-publish", 1, payload("basic.publish"), {}),
    ("unknown-method", 1, struct.pack(">HH", 10, 99), {}),
    ("unknown-class", 1, struct.pack(">HH", 99, 99), {}),
    ("empty-method", 1, b"", {}),
    ("truncated", 1, payload("connection.update-secret", new_secret="abc")[:7], {}),
):
    @scenario(f"malformed/on-channel-0-{label}")
    def on_zero(s, kind=kind, data=data, options=options, label=label):
        connection = s.connect()
        s.note(f"channel 0: {label}")
        connection.frame(kind, 0, data, **options)
        connection.method(0, "connection.close", reply_code=200)
        connection.hear_close()


for label, name in (("close", "connection.close"), ("open", "connection.open"), ("tune-ok", "connection.tune-ok"),
                    ("start-ok", "connection.start-ok")):
    on_channel(f"connection-{label}-on-channel-1", name, 1, payload(name))

for label, kind, data in (
    ("method", 1, payload("basic.qos")),
    ("header", 2, wire.header_payload(0, {})),
    ("body", 3, b"abc"),
    ("heartbeat", 8, b""),
    ("close", 1, payload("channel.close", reply_code=200)),
    ("close-ok", 1, payload("channel.close-ok")),
    ("flow", 1, payload("channel.flow", active=True)),
    ("open-ok", 1, payload("channel.open-ok")),
    ("empty-method", 1, b""),
    ("unknown-method", 1, struct.pack(">HH", 60, 99)),
    ("frame-type", 9, b""),
):
    @scenario(f"malformed/unopened-channel-{label}")
    def unopened(s, kind=kind, data=data, label=label):
        connection = s.connect()
        s.note(f"channel 5, never opened: {label}")
        connection.frame(kind, 5, data)
        connection.hear_close()


for label, method in (("method", "basic.qos"), ("close", "channel.close"), ("publish", "basic.publish")):
    @scenario(f"malformed/closed-channel-{label}")
    def closed(s, method=method):
        connection = s.connect()
        channel = connection.channel()
        channel.close(quiet=False)
        s.note(f"channel {channel.number}, closed: {method}")
        connection.method(channel.number, method)
        if method == "basic.publish":
            # RabbitMQ's reader looks at whose a method is once its content is there.
            connection.frame(2, channel.number, wire.header_payload(0, {}))
        connection.hear_close()


@scenario("malformed/channel-over-the-limit")
def channel_over_limit(s):
    connection = s.connect(channel_max=2)
    for number in (1, 2, 3):
        connection.channel(number, quiet=False)


@scenario("malformed/channel-number-over-negotiated")
def channel_number_over(s):
    connection = s.connect(channel_max=2)
    connection.channel(3, quiet=False)


@scenario("malformed/channel-number-after-close")
def channel_number_again(s):
    connection = s.connect(channel_max=2)
    for _ in range(4):
        connection.channel(1, quiet=False).close(quiet=False)


@scenario("malformed/channel-over-2047")
def channel_over_2047(s):
    connection = s.connect()
    connection.channel(2047, quiet=False)
    connection.channel(2048, quiet=False)


@scenario("malformed/channel-65535")
def channel_65535(s):
    s.connect().channel(65535, quiet=False)


# Methods that only a server sends.
for name in ("channel.open-ok", "channel.flow-ok", "exchange.declare-ok", "queue.declare-ok", "queue.bind-ok",
             "basic.consume-ok", "basic.deliver", "basic.get-ok", "basic.get-empty", "basic.return",
             "basic.recover-ok", "basic.cancel-ok", "confirm.select-ok", "tx.select-ok"):
    on_channel(f"server-method-{name}", name, 1, payload(name))


@scenario("malformed/one-byte-at-a-time")
def one_byte(s):
    channel = s.connect().channel()
    for byte in wire.frame(1, 1, DECLARE):
        channel.connection.send(bytes([byte]))
    s.note(f"{channel.reply()!r}")

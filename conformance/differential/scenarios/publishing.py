"""basic.publish and basic.return, properties and bodies."""

from scenario import scenario
from wire import Typed

EVERY_TYPE = {
    "bool": True, "false": False, "i8": Typed("b", -5), "u8": Typed("B", 200), "i16": Typed("s", -300),
    "u16": Typed("u", 60000), "i32": -70000, "u32": Typed("i", 4000000000), "i64": Typed("l", -2**40),
    "float": Typed("f", 1.5), "double": 2.25, "decimal": Typed("D", (2, 314)), "string": "text", "empty": "",
    "bytes": Typed("x", b"\x00\xff"), "time": Typed("T", 1700000000), "void": None, "table": {"in": {"deep": [1]}},
    "list": [1, "two", None, {"three": 3}, [4]], "empty-table": {}, "empty-list": [],
}


@scenario("publish/every-property")
def every_property(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "body", content_type="text/plain", content_encoding="utf-8", headers={"a": 1},
                    delivery_mode=2, priority=5, correlation_id="corr", reply_to="reply", expiration="60000",
                    message_id="id", timestamp=1700000000, type="kind", user_id="guest", app_id="app",
                    cluster_id="cluster")
    channel.publish("", queue, "body", content_type="", headers={}, delivery_mode=1, priority=0, timestamp=0)
    channel.sync(queue)
    channel.drain(queue)


for mode in (0, 1, 2, 3, 255):
    @scenario(f"publish/delivery-mode-{mode}")
    def delivery_mode(s, mode=mode):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.publish("", queue, "x", delivery_mode=mode)
        if channel.sync(queue):
            channel.get(queue)


@scenario("publish/every-header-type")
def every_type(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "body", headers=EVERY_TYPE)
    channel.sync(queue)
    channel.drain(queue)


@scenario("publish/bodies")
def bodies(s):
    channel = s.connect(frame_max=8192).channel()
    queue = channel.queue(s.name("q"))
    sizes = (0, 1, 8183, 8184, 8185, 16368, 16369, 100000)
    for size in sizes:
        channel.publish("", queue, bytes(number % 251 for number in range(size)), quiet=True)
    channel.sync(queue)
    channel.drain(queue)
    s.note(f"frames within the limit: {channel.connection.largest_frame <= 8192}")


@scenario("publish/body-in-single-bytes")
def single_bytes(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "0123456789", chunk=1)
    channel.sync(queue)
    channel.drain(queue)


@scenario("publish/missing-exchange")
def missing_exchange(s):
    channel = s.channel()
    channel.publish(s.name("x"), "k", "x")
    channel.failed()


@scenario("publish/missing-exchange-mandatory-confirm")
def missing_exchange_confirm(s):
    channel = s.channel()
    channel.call("confirm.select")
    channel.publish(s.name("x"), "k", "x", mandatory=True)
    channel.failed()


@scenario("publish/unroutable")
def unroutable(s):
    channel = s.channel()
    channel.publish("amq.direct", s.name("k"), "dropped")
    channel.publish("amq.direct", s.name("k"), "returned", mandatory=True, headers={"a": 1}, message_id="m")
    channel.publish("", s.name("k"), "returned", mandatory=True)
    channel.unasked("basic.return")
    channel.unasked("basic.return")
    channel.nothing()


@scenario("publish/returned-large")
def returned_large(s):
    channel = s.connect(frame_max=8192).channel()
    channel.publish("", s.name("k"), b"x" * 20000, mandatory=True)
    channel.publish("", s.name("k"), b"", mandatory=True)
    channel.unasked("basic.return")
    channel.unasked("basic.return")


@scenario("publish/immediate")
def immediate(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    channel.publish("", queue, "x", immediate=True)
    channel.failed()


@scenario("publish/immediate-and-mandatory-to-nowhere")
def immediate_nowhere(s):
    channel = s.channel()
    channel.publish("", s.name("q"), "x", immediate=True, mandatory=True)
    channel.failed()


for label, value in (("text", "soon"), ("negative", "-1"), ("float", "1.5"), ("empty", ""), ("zero", "0"),
                     ("space", " 5"), ("plus", "+60000"), ("trailing", "5 "), ("largest", "4294967295"),
                     ("over-32-bits", "4294967296"),
                     ("ten-years", "315360000000"), ("over-ten-years", "315360000001"), ("huge", "99999999999999999999"), ("leading-zero", "0060000")):
    @scenario(f"publish/expiration-{label}")
    def expiration(s, value=value):
        channel = s.channel()
        queue = channel.queue(s.name("q"))
        channel.publish("", queue, "x", expiration=value)
        if channel.sync(queue):
            channel.get(queue)


@scenario("publish/user-id-of-another")
def user_id(s):
    channel = s.channel()
    channel.publish("amq.direct", s.name("k"), "x", user_id="other")
    channel.failed()


@scenario("publish/user-id-of-another-not-admin")
def user_id_plain(s):
    channel = s.channel(user="topical")
    channel.publish("amq.direct", s.name("k"), "x", user_id="guest")
    channel.failed()


@scenario("publish/user-id-empty")
def user_id_empty(s):
    channel = s.channel()
    channel.publish("amq.direct", s.name("k"), "x", user_id="")
    channel.failed()


@scenario("publish/to-amq-rabbitmq-trace")
def publish_trace(s):
    channel = s.channel()
    channel.publish("amq.rabbitmq.trace", "k", "x")
    channel.failed()


@scenario("publish/order-on-one-channel")
def order(s):
    channel = s.channel()
    queue = channel.queue(s.name("q"))
    for number in range(50):
        channel.publish("", queue, str(number), quiet=True)
    channel.sync(queue)
    channel.drain(queue, 60)


@scenario("publish/survives-error-of-another-channel")
def other_channel(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = two.queue(s.name("q"))
    one.publish("missing", "k", "x")
    one.failed()
    two.publish("", queue, "fine")
    two.sync(queue)
    two.drain(queue)


@scenario("publish/after-channel-error-is-ignored")
def after_error(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = two.queue(s.name("q"))
    one.publish("missing", "k", "x")
    one.publish("", queue, "ignored")
    one.publish("", queue, "ignored")
    one.failed()
    one.open = True
    one.call("channel.open")
    one.publish("", queue, "heard")
    one.sync(queue)
    two.await_count(queue, 1)
    two.drain(queue)

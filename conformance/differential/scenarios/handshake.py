"""From the protocol header to open-ok."""

import struct
import time

from scenario import scenario, wire

CAPABLE = {"capabilities": {"authentication_failure_close": True}}
PLAIN = b"\0guest\0guest"


def started(s):
    connection = s.raw()
    connection.send(wire.PROTOCOL_HEADER)
    connection.expect("connection.start")
    return connection


def tuned(s):
    connection = started(s)
    connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN,
                      client_properties=CAPABLE)
    connection.tuned = connection.expect("connection.tune").fields
    return connection


def tune_ok(connection, **changed):
    values = {**connection.tuned, "heartbeat": 0, **{key.replace("_", "-"): v for key, v in changed.items()}}
    connection.trace.add(f"{connection.label}/0 > tune-ok {changed}")
    connection.frame(1, 0, wire.method_payload("connection.tune-ok", values))


@scenario("handshake/server-properties")
def server_properties(s):
    connection = s.raw()
    connection.send(wire.PROTOCOL_HEADER)
    start = connection.take_control()
    s.note(f"version {start['version-major']}.{start['version-minor']} locales {start['locales']}")
    s.note(f"mechanisms {sorted(start['mechanisms'].split())}")
    properties = start["server-properties"]
    for name, inner in sorted(properties["capabilities"].value.items()):
        s.note(f"capability {name} {inner!r}")
    for key in ("product", "version"):
        s.note(f"property {key} {properties[key]!r}")
    for key in ("cluster_name", "copyright", "information", "platform"):
        s.note(f"property {key} has type {properties[key].code if key in properties else None}")
    usual = {"capabilities", "product", "version", "cluster_name", "copyright", "information", "platform"}
    s.note(f"further properties {sorted(set(properties) - usual)}")


@scenario("handshake/tune-values")
def tune_values(s):
    connection = tuned(s)
    s.note(f"tune {connection.tuned}")
    tune_ok(connection)
    connection.say("connection.open", virtual_host="/")
    connection.hear()
    connection.say("connection.close", reply_code=200, reply_text="bye")
    connection.hear_close_ok()


for label, header in {
    "0-9": b"AMQP\x00\x00\x09\x00", "0-8-other": b"AMQP\x01\x01\x00\x08",
    "0-10": b"AMQP\x01\x01\x00\x0a", "0-9-2": b"AMQP\x00\x00\x09\x02", "1-0": b"AMQP\x00\x01\x00\x00",
    "1-0-sasl": b"AMQP\x03\x01\x00\x00", "tls-in-amqp": b"AMQP\x02\x01\x00\x00",
    "0-9-as-1-1-0-9": b"AMQP\x01\x01\x00\x09",
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "zeros": b"\0" * 8, "tls": bytes.fromhex("160301010001000000"),
    "almost": b"AMQQ\x00\x00\x09\x01",
}.items():
    @scenario(f"handshake/header-{label}")
    def other_header(s, header=header):
        connection = s.raw()
        connection.send(header)
        connection.hear_close()


@scenario("handshake/header-cut-off")
def header_cut(s):
    connection = s.raw()
    connection.send(b"AMQP\x00")
    connection.socket.shutdown(1)
    connection.hear_close()


@scenario("handshake/silence", slow=True)
def silence(s):
    s.raw().hear_close(20)


@scenario("handshake/half-header-then-silence", slow=True)
def half_header(s):
    connection = s.raw()
    connection.send(b"AMQP")
    connection.hear_close(20)


@scenario("handshake/one-byte-a-second", slow=True)
def trickle(s):
    connection = started(s)
    data = wire.frame(1, 0, wire.method_payload("connection.start-ok", {"mechanism": "PLAIN"}))
    for byte in data[:16]:
        connection.send(bytes([byte]))
        connection.pump(time.monotonic() + 1)
        if connection.eof:
            break
    connection.hear_close()


@scenario("handshake/many-silent-connections", slow=True)
def many_silent(s):
    crowd = [s.raw() for _ in range(200)]
    s.connect().channel().call("exchange.declare", exchange="amq.direct", type="direct", passive=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not all(one.eof for one in crowd):
        for one in crowd:
            one.pump(time.monotonic() + 0.05)
    s.note(f"{sum(one.eof for one in crowd)} of {len(crowd)} were closed")


@scenario("handshake/silence-after-start", slow=True)
def silence_after_start(s):
    started(s).hear_close(20)


@scenario("handshake/half-start-ok-then-silence", slow=True)
def half_start_ok(s):
    connection = started(s)
    connection.send(wire.frame(1, 0, wire.method_payload("connection.start-ok", {"mechanism": "PLAIN"}))[:20])
    connection.hear_close(20)


@scenario("handshake/silence-after-tune", slow=True)
def silence_after_tune(s):
    tuned(s).hear_close(20)


def login(name, capable=True, **fields):
    @scenario(f"handshake/{name}")
    def attempt(s):
        connection = started(s)
        values = {"mechanism": "PLAIN", "locale": "en_US", "response": PLAIN,
                  "client_properties": CAPABLE if capable else {}}
        values.update(fields)
        connection.method(0, "connection.start-ok", **values)
        heard = connection.hear(8)
        if heard is None or heard.name != "connection.tune":
            connection.hear_close(8)


login("login")
login("login-no-capability", capable=False)
login("wrong-password", response=b"\0guest\0wrong")
login("wrong-password-no-capability", capable=False, response=b"\0guest\0wrong")
login("unknown-user", response=b"\0missing\0wrong")
login("empty-password", response=b"\0guest\0")
login("empty-user", response=b"\0\0guest")
login("plain-with-authorisation-id", response=b"other\0guest\0guest")
login("plain-without-nuls", response=b"guest guest")
login("plain-empty", response=b"")
login("plain-three-nuls", response=b"\0guest\0guest\0more")
login("unknown-mechanism", mechanism="DIGEST-MD5")
login("unknown-mechanism-no-capability", mechanism="DIGEST-MD5", capable=False)
login("mechanism-lower-case", mechanism="plain")
login("empty-mechanism", mechanism="")
login("anonymous", mechanism="ANONYMOUS", response=b"")
login("external", mechanism="EXTERNAL", response=b"")
login("other-locale", locale="de_DE")
login("empty-locale", locale="")
_amqplain = wire.encode_table({"LOGIN": "guest", "PASSWORD": "guest"})[4:]
login("amqplain", mechanism="AMQPLAIN", response=_amqplain)
login("amqplain-wrong-password", mechanism="AMQPLAIN",
      response=wire.encode_table({"LOGIN": "guest", "PASSWORD": "wrong"})[4:])
login("amqplain-no-password", mechanism="AMQPLAIN", response=wire.encode_table({"LOGIN": "guest"})[4:])
login("amqplain-junk", mechanism="AMQPLAIN", response=b"\xff\xff\xff")
login("amqplain-empty", mechanism="AMQPLAIN", response=b"")


def tuning(name, **changed):
    @scenario(f"handshake/tune-{name}")
    def attempt(s):
        connection = tuned(s)
        tune_ok(connection, **changed)
        connection.say("connection.open", virtual_host="/")
        heard = connection.hear()
        if heard is None or heard.name != "connection.open-ok":
            connection.hear_close()


tuning("frame-max-larger", frame_max=131073)
tuning("frame-max-0", frame_max=0)
tuning("frame-max-1", frame_max=1)
tuning("frame-max-4095", frame_max=4095)
tuning("frame-max-4096", frame_max=4096)
tuning("frame-max-8191", frame_max=8191)
tuning("frame-max-8192", frame_max=8192)
tuning("channel-max-larger", channel_max=2048)
tuning("channel-max-0", channel_max=0)
tuning("channel-max-1", channel_max=1)
tuning("heartbeat-larger", heartbeat=600)
tuning("heartbeat-1", heartbeat=1)


def opening(name, vhost, user="guest", close=True):
    @scenario(f"handshake/open-{name}")
    def attempt(s):
        connection = started(s)
        connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US",
                          response=f"\0{user}\0{user}".encode(), client_properties=CAPABLE)
        connection.tuned = connection.expect("connection.tune").fields
        tune_ok(connection)
        connection.say("connection.open", virtual_host=vhost)
        heard = connection.hear()
        if heard is None or heard.name != "connection.open-ok":
            connection.hear_close()


opening("default", "/")
opening("missing-vhost", "missing")
opening("empty-vhost", "")
opening("vhost-without-permission", "closed")
opening("user-without-permission", "/", user="nobody")
opening("vhost-name-with-quote", "it's")


@scenario("handshake/second-start-ok")
def second_start_ok(s):
    connection = tuned(s)
    connection.say("connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN)
    connection.hear_close()


@scenario("handshake/second-tune-ok")
def second_tune_ok(s):
    connection = tuned(s)
    tune_ok(connection)
    tune_ok(connection)
    connection.hear_close()


@scenario("handshake/second-open")
def second_open(s):
    connection = s.connect()
    connection.say("connection.open", virtual_host="/")
    connection.hear_close()


@scenario("handshake/open-before-tune-ok")
def open_before_tune_ok(s):
    connection = tuned(s)
    connection.say("connection.open", virtual_host="/")
    connection.hear_close()


@scenario("handshake/tune-ok-before-start-ok")
def tune_ok_first(s):
    connection = started(s)
    connection.say("connection.tune-ok", frame_max=131072)
    connection.hear_close()


@scenario("handshake/channel-open-before-open")
def channel_before_open(s):
    connection = tuned(s)
    tune_ok(connection)
    connection.method(1, "channel.open")
    connection.hear_close()


@scenario("handshake/channel-open-before-start-ok")
def channel_before_start_ok(s):
    connection = started(s)
    connection.method(1, "channel.open")
    connection.hear_close()


@scenario("handshake/heartbeat-before-start-ok")
def heartbeat_first(s):
    connection = started(s)
    connection.frame(8, 0, b"")
    connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN)
    connection.hear()


@scenario("handshake/close-before-start-ok")
def close_early(s):
    connection = started(s)
    connection.say("connection.close", reply_code=200, reply_text="bye")
    connection.hear_close(8)


@scenario("handshake/close-before-open")
def close_before_open(s):
    connection = tuned(s)
    tune_ok(connection)
    connection.say("connection.close", reply_code=200, reply_text="bye")
    connection.hear_close(8)


@scenario("handshake/start-ok-over-frame-limit")
def start_ok_large(s):
    connection = started(s)
    connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN,
                      client_properties={"product": "x" * 9000})
    connection.hear_close(8)


@scenario("handshake/start-ok-at-frame-limit")
def start_ok_limit(s):
    connection = started(s)
    empty = len(wire.method_payload("connection.start-ok", {
        "mechanism": "PLAIN", "locale": "en_US", "response": PLAIN, "client-properties": {"p": ""}}))
    connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN,
                      client_properties={"p": "x" * (4096 - 8 - empty)})
    connection.hear()


def depth_of(levels):
    data = b""
    for _ in range(levels):
        data = b"A" + struct.pack(">I", len(data)) + data
    return data


@scenario("handshake/start-ok-nested-arrays")
def nested(s):
    connection = started(s)
    item = b"\x01a" + depth_of(700)
    connection.method(0, "connection.start-ok", mechanism="PLAIN", locale="en_US", response=PLAIN,
                      client_properties=struct.pack(">I", len(item)) + item)
    heard = connection.hear(8)
    if heard is None or heard.name != "connection.tune":
        connection.hear_close(8)

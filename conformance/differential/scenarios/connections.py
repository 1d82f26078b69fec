"""The end of a connection, heartbeats, and methods out of place."""

import time

from scenario import scenario, wire
from scenarios.handshake import tune_ok, tuned


@scenario("connection/close")
def close(s):
    connection = s.connect()
    connection.say("connection.close", reply_code=200, reply_text="bye")
    connection.hear_close_ok()


@scenario("connection/close-with-channels")
def close_with_channels(s):
    connection = s.connect()
    channel = connection.channel()
    queue = channel.queue(s.name("q"), auto_delete=True)
    channel.consume(queue, "t")
    connection.say("connection.close", reply_code=320, reply_text="odd", class_id=60, method_id=20)
    connection.hear_close_ok()
    s.channel().await_gone(queue)


@scenario("connection/closing-ignores-the-rest")
def closing(s):
    connection = s.connect()
    channel = connection.channel()
    close_payload = wire.method_payload("connection.close", {"reply-code": 200})
    declare = wire.method_payload("queue.declare", {"queue": s.name("late")})
    connection.send(wire.frame(1, 0, close_payload) + wire.frame(1, channel.number, declare))
    connection.hear_close_ok()
    s.channel().call("queue.declare", queue=s.name("late"), passive=True)


@scenario("connection/unsolicited-close-ok")
def close_ok(s):
    connection = s.connect()
    connection.say("connection.close-ok")
    connection.hear_close()


@scenario("connection/error-then-no-close-ok")
def no_close_ok(s):
    connection = s.connect()
    connection.answer_close = False
    connection.method(7, "basic.qos")
    connection.hear()
    # Everything but close and close-ok is ignored now.
    connection.method(1, "channel.open")
    connection.method(0, "connection.close", reply_code=200)
    connection.hear()
    connection.method(0, "connection.close-ok")
    connection.hear_close()


@scenario("connection/error-and-open-channels")
def error_with_channels(s):
    connection = s.connect()
    one, two = connection.channel(), connection.channel()
    queue = one.queue(s.name("q"))
    one.publish("", queue, "kept")
    one.sync(queue)
    one.get(queue)
    connection.method(9, "basic.qos")
    connection.hear_close()
    other = s.channel()
    other.await_count(queue, 1)
    other.get(queue)


@scenario("connection/update-secret")
def update_secret(s):
    connection = s.connect()
    connection.say("connection.update-secret", new_secret="guest", reason="test")
    connection.hear()


@scenario("connection/server-methods-from-client")
def server_methods(s):
    for name in ("connection.start", "connection.secure", "connection.tune", "connection.open-ok",
                 "connection.blocked", "connection.unblocked", "connection.update-secret-ok"):
        connection = s.connect()
        connection.say(name)
        connection.hear_close()


@scenario("connection/secure-ok-unasked")
def secure_ok(s):
    connection = s.connect()
    connection.say("connection.secure-ok", response="x")
    connection.hear_close()


@scenario("connection/half-a-frame-then-silence", slow=True)
def half_frame(s):
    connection = tuned(s)
    tune_ok(connection, heartbeat=1)
    connection.say("connection.open", virtual_host="/")
    connection.hear()
    connection.send(wire.frame(1, 1, wire.method_payload("channel.open", {}))[:8])
    connection.hear_close(12)


@scenario("connection/any-frame-is-as-good-as-a-heartbeat", slow=True)
def traffic(s):
    connection = s.connect(heartbeat=1)
    channel = connection.channel()
    until = time.monotonic() + 5
    while time.monotonic() < until and not connection.eof:
        channel.sync()
        connection.pump(min(until, time.monotonic() + 0.3))
    s.note(f"open after 5 s: {not connection.eof}")


@scenario("connection/heartbeats-ignored-by-client", slow=True)
def heartbeats(s):
    connection = tuned(s)
    tune_ok(connection, heartbeat=1)
    connection.say("connection.open", virtual_host="/")
    connection.hear()
    connection.hear_close(12)
    s.note(f"heard heartbeats: {connection.heartbeats > 0}")

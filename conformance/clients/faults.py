"""Prove that the checks can fail: run them through a proxy that lies, one fault at a time.

usage: faults.py [FAULT]...

Starts a private RabbitMQ, and between it and the clients a proxy that changes
some frames. Each fault names the features that must notice it, in every client
that can see what was changed. Needs what `conformance/install` builds.
"""
import concurrent.futures
import socket
import struct
import sys
import threading

from runner import COMMANDS, run_client, start_peer

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8


def method(payload):
    return struct.unpack_from(">HH", payload) if len(payload) >= 4 else None


def replaced(old, new, kinds=(METHOD, HEADER)):
    """Change a text of the same length wherever it stands in these kinds of frame."""
    assert len(old) == len(new)
    return lambda kind, payload: payload.replace(old, new) if kind in kinds else payload


def of_method(ids, change):
    """Change the frames of one method; None drops them."""
    def apply(kind, payload):
        return change(payload) if kind == METHOD and method(payload) == ids else payload
    return apply


def clear_redelivered(kind, payload):
    if kind == METHOD and method(payload) == (60, 60):
        flag = 4 + 1 + payload[4] + 8
    elif kind == METHOD and method(payload) == (60, 71):
        flag = 12
    else:
        return payload
    return payload[:flag] + b"\0" + payload[flag + 1:]


def next_get_count(payload):
    count, = struct.unpack_from(">I", payload, len(payload) - 4)
    return payload[:-4] + struct.pack(">I", count + 1)


def bigger_prefetch(payload):
    count, = struct.unpack_from(">H", payload, 8)
    return payload[:8] + struct.pack(">H", count + 1 if count else 0) + payload[10:]


def next_tag(payload):
    """A delivery whose tag is one too high."""
    at = 4 + 1 + payload[4]
    tag, = struct.unpack_from(">Q", payload, at)
    return payload[:at] + struct.pack(">Q", tag + 1) + payload[at + 8:]


def flip_last_byte(kind, payload):
    if kind == BODY and len(payload) > 1000:
        return payload[:-1] + bytes([payload[-1] ^ 1])
    return payload


EVERY = set(COMMANDS)
# Name: (from the server?, change of a frame's payload, features that must fail, in which clients)
FAULTS = {
    "no-heartbeat": (True, lambda kind, p: None if kind == HEARTBEAT else p, ["heartbeat"],
                     EVERY),
    "capability": (True, replaced(b"per_consumer_qos", b"per_consumer_qox"), ["connect"],
                   EVERY - {"lapin"}),
    "redelivered": (True, clear_redelivered, ["close", "nack", "recover"], EVERY),
    "return-code": (True, of_method((60, 50), lambda p: p[:4] + struct.pack(">H", 313) + p[6:]),
                    ["return", "confirm"], EVERY),
    "lost-return": (True, of_method((60, 50), lambda p: None), ["return"], EVERY),
    "nack-as-ack": (True, of_method((60, 120), lambda p: struct.pack(">HH", 60, 80) + p[4:]),
                    ["max-length"], EVERY),
    "lost-cancel": (True, of_method((60, 30), lambda p: None), ["cancel"], EVERY),
    "error-text": (True, replaced(b"NOT_FOUND", b"NOT_FOUNT"), ["errors", "exchange", "queue", "close"],
                   EVERY),
    "death-reason": (True, replaced(b"expired", b"expirex"), ["ttl"], EVERY),
    "rejected-reason": (True, replaced(b"rejected", b"rejectex"), ["nack"], EVERY),
    "property": (True, replaced(b"application/json", b"application/jsox"), ["publish"], EVERY),
    "field-value": (True, replaced("gr\u00fc\u00df".encode(), "gr\u00fc\u00e4".encode()), ["publish"],
                    EVERY),
    "get-count": (True, of_method((60, 71), next_get_count), ["get"], EVERY),
    "delivery-tag": (True, of_method((60, 60), next_tag), ["consume", "recover"], EVERY),
    "prefetch": (False, of_method((60, 10), bigger_prefetch), ["qos"], EVERY),
    "no-rollback": (False, of_method((90, 30), lambda p: struct.pack(">HH", 90, 20)), ["tx"],
                    EVERY - {"amqplib"}),
    "no-priority": (False, replaced(b"x-max-priority", b"y-max-priority"), ["priority"], EVERY),
    "no-ttl": (False, replaced(b"x-message-ttl", b"y-message-ttl"), ["ttl"], EVERY),
    "no-limit": (False, replaced(b"x-max-length", b"y-max-length"), ["max-length", "errors"], EVERY),
    "body": (True, flip_last_byte, ["big-body"], EVERY),
    "reply-address": (True, replaced(b"reply-to.g", b"reply-xo.g", (HEADER,)), ["reply-to"], EVERY),
}


class Proxy:
    """Passes frames between clients and the broker, and changes those of one direction."""

    def __init__(self, target, from_server, change):
        self.target, self.from_server, self.change = target, from_server, change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            for source, sink, lies in ((client, server, not self.from_server),
                                       (server, client, self.from_server)):
                threading.Thread(target=self.pump, args=(source, sink, lies, source is client),
                                 daemon=True).start()

    def pump(self, source, sink, lies, is_client):
        reader = source.makefile("rb")
        try:
            if is_client:
                sink.sendall(reader.read(8))
            while head := reader.read(7):
                kind, channel, size = struct.unpack(">BHI", head)
                payload = reader.read(size)
                reader.read(1)
                changed = self.change(kind, payload) if lies else payload
                if changed is None:
                    if kind == METHOD and method(payload) == (60, 50):
                        self.skip_content(reader)
                    continue
                sink.sendall(struct.pack(">BHI", kind, channel, len(changed)) + changed + b"\xce")
        except (OSError, struct.error):
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def skip_content(reader):
        """Drop the header and body of a dropped return; no test body needs two frames."""
        _, _, size = struct.unpack(">BHI", reader.read(7))
        header = reader.read(size + 1)
        if struct.unpack_from(">Q", header, 4)[0]:
            _, _, size = struct.unpack(">BHI", reader.read(7))
            reader.read(size + 1)


def unnoticed(name, address):
    """The clients and features that passed although the fault was there."""
    from_server, change, features, clients = FAULTS[name]
    host, port = address.rsplit(":", 1)
    proxy = Proxy((host, int(port)), from_server, change)
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/%2f"
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        runs = {c: pool.submit(run_client, c, url, features) for c in sorted(clients)}
        results = {c: run.result() for c, run in runs.items()}
    proxy.listener.close()
    return [f"{c} {f}" for c, reports in results.items() for f in features if reports[f]["ok"]]


def main():
    names = sys.argv[1:] or list(FAULTS)
    broker = start_peer()
    missed = 0
    try:
        for name in names:
            blind = unnoticed(name, broker.address)
            missed += len(blind)
            print(f"{name}: " + (f"not noticed by {', '.join(blind)}" if blind else "noticed"),
                  flush=True)
    finally:
        broker.stop()
    print(f"{len(names)} faults, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

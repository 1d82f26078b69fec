"""One connection with one channel, for a thread that must not care how it ends."""

import socket
import struct
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "differential"))

import wire

REPLY_TIMEOUT_S = 60
FRAME_MAX = 131072


class Lost(Exception):
    """The broker is gone, or has closed the connection or the channel."""


class Link:
    """A channel on a connection of its own. `heard` gets each method that isn't a reply: `heard(name, fields, body)`."""

    def __init__(self, address):
        self.buffer, self.partial, self.closed = bytearray(), None, ""
        self.unasked, self.reply = [], None
        # Of the last message that came.
        self.properties = {}
        try:
            self.socket = socket.create_connection(address, timeout=REPLY_TIMEOUT_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Lost(str(error)) from None
        self.send(wire.PROTOCOL_HEADER)
        self._await()
        self.method("connection.start-ok", 0, mechanism="PLAIN", locale="en_US", response=b"\0guest\0guest",
                    **{"client-properties": {"capabilities": {"consumer_cancel_notify": True, "basic.nack": True}}})
        self._await()
        self.method("connection.tune-ok", 0, **{"channel-max": 1, "frame-max": FRAME_MAX, "heartbeat": 0})
        self.call("connection.open", 0, **{"virtual-host": "/"})
        self.call("channel.open")

    def send(self, data):
        try:
            self.socket.settimeout(REPLY_TIMEOUT_S)
            self.socket.sendall(data)
        except OSError as error:
            raise Lost(str(error)) from None

    def method(self, name, channel=1, **fields):
        self.send(wire.frame(wire.FRAME_METHOD, channel, wire.method_payload(name, fields)))

    def call(self, name, channel=1, **fields):
        """Sends a method and waits for its reply: (name, fields, body)."""
        self.method(name, channel, **fields)
        return self._await()

    def publish(self, exchange, key, body, persistent):
        fields = {"exchange": exchange, "routing-key": key, "mandatory": True}
        data = wire.frame(wire.FRAME_METHOD, 1, wire.method_payload("basic.publish", fields))
        data += wire.frame(wire.FRAME_HEADER, 1, wire.header_payload(len(body), {"delivery-mode": 1 + persistent}))
        for at in range(0, len(body), FRAME_MAX - 8):
            data += wire.frame(wire.FRAME_BODY, 1, body[at:at + FRAME_MAX - 8])
        self.send(data)

    def drop(self):
        """Hangs up without a word."""
        self.socket.close()

    def take(self, timeout):
        """What came unasked, at least one where something comes in time: [(name, fields, body)]."""
        deadline = time.monotonic() + timeout
        while not self.unasked and self._pump(max(deadline - time.monotonic(), 0.0001)):
            pass
        while self._split():
            pass
        unasked, self.unasked = self.unasked, []
        if not unasked and self.closed:
            raise Lost(self.closed)
        return unasked

    def _await(self):
        self.reply = None
        while self.reply is None:
            if self.closed:
                raise Lost(self.closed)
            if not self._pump(REPLY_TIMEOUT_S):
                raise Lost(self.closed or "no reply")
        return self.reply

    def _pump(self, timeout):
        """Takes in a frame; False if none came in time."""
        while not self._split():
            if self.closed:
                return False
            self.socket.settimeout(timeout)
            try:
                data = self.socket.recv(262144)
            except TimeoutError:
                return False
            except OSError as error:
                data, self.closed = b"", str(error)
            if not data:
                self.closed = self.closed or "end of stream"
            self.buffer += data
        return True

    def _split(self):
        if len(self.buffer) < 8:
            return False
        kind, _, size = struct.unpack_from(">BHI", self.buffer)
        if len(self.buffer) < size + 8:
            return False
        payload = bytes(self.buffer[7:7 + size])
        del self.buffer[:size + 8]
        if kind == wire.FRAME_METHOD:
            name, fields = wire.decode_method(payload)
            if name in wire.WITH_CONTENT:
                self.partial = [name, fields, None, b""]
            else:
                self._heard(name, fields, b"")
        elif kind in (wire.FRAME_HEADER, wire.FRAME_BODY):
            if kind == wire.FRAME_HEADER:
                _, self.partial[2], self.properties = wire.decode_header(payload)
            else:
                self.partial[3] += payload
            name, fields, length, body = self.partial
            if len(body) >= length:
                self._heard(name, fields, body)
        return True

    def _heard(self, name, fields, body):
        if name in ("connection.close", "channel.close"):
            self.closed = f"{name} {fields['reply-code']} {fields['reply-text']}"
        elif name in ("basic.deliver", "basic.return", "basic.ack", "basic.nack", "basic.cancel"):
            self.unasked.append((name, fields, body))
        else:
            self.reply = (name, fields, body)


def make_body(publisher, number, size):
    """A body that names its message and shows damage."""
    head = f"{publisher} {number} ".encode()
    filler = zlib.crc32(head).to_bytes(4, "big")
    body = head + filler * (size // 4)
    return body + zlib.crc32(body).to_bytes(4, "big")


def read_body(body):
    """(publisher, number), or None for a damaged body."""
    if zlib.crc32(body[:-4]).to_bytes(4, "big") != body[-4:]:
        return None
    publisher, number, _ = body.split(b" ", 2)
    return publisher.decode(), int(number)

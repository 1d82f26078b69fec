"""AMQP 0-9-1 on the wire: method tables, field tables, properties and frames.

Nothing here judges what it encodes or decodes: a test must be able to send
what no client would, and to see everything that a broker answers.
"""

import struct

FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

# One line a method: class, method, name, then the fields in wire order.
# Types: octet short long longlong bit shortstr longstr table.
_SPEC = """
10 10 connection.start version-major:octet version-minor:octet server-properties:table mechanisms:longstr locales:longstr
10 11 connection.start-ok client-properties:table mechanism:shortstr response:longstr locale:shortstr
10 20 connection.secure challenge:longstr
10 21 connection.secure-ok response:longstr
10 30 connection.tune channel-max:short frame-max:long heartbeat:short
10 31 connection.tune-ok channel-max:short frame-max:long heartbeat:short
10 40 connection.open virtual-host:shortstr reserved-1:shortstr reserved-2:bit
10 41 connection.open-ok reserved-1:shortstr
10 50 connection.close reply-code:short reply-text:shortstr class-id:short method-id:short
10 51 connection.close-ok
10 60 connection.blocked reason:shortstr
10 61 connection.unblocked
10 70 connection.update-secret new-secret:longstr reason:shortstr
10 71 connection.update-secret-ok
20 10 channel.open reserved-1:shortstr
20 11 channel.open-ok reserved-1:longstr
20 20 channel.flow active:bit
20 21 channel.flow-ok active:bit
20 40 channel.close reply-code:short reply-text:shortstr class-id:short method-id:short
20 41 channel.close-ok
40 10 exchange.declare reserved-1:short exchange:shortstr type:shortstr passive:bit durable:bit auto-delete:bit internal:bit no-wait:bit arguments:table
40 11 exchange.declare-ok
40 20 exchange.delete reserved-1:short exchange:shortstr if-unused:bit no-wait:bit
40 21 exchange.delete-ok
40 30 exchange.bind reserved-1:short destination:shortstr source:shortstr routing-key:shortstr no-wait:bit arguments:table
40 31 exchange.bind-ok
40 40 exchange.unbind reserved-1:short destination:shortstr source:shortstr routing-key:shortstr no-wait:bit arguments:table
40 51 exchange.unbind-ok
50 10 queue.declare reserved-1:short queue:shortstr passive:bit durable:bit exclusive:bit auto-delete:bit no-wait:bit arguments:table
50 11 queue.declare-ok queue:shortstr message-count:long consumer-count:long
50 20 queue.bind reserved-1:short queue:shortstr exchange:shortstr routing-key:shortstr no-wait:bit arguments:table
50 21 queue.bind-ok
50 30 queue.purge reserved-1:short queue:shortstr no-wait:bit
50 31 queue.purge-ok message-count:long
50 40 queue.delete reserved-1:short queue:shortstr if-unused:bit if-empty:bit no-wait:bit
50 41 queue.delete-ok message-count:long
50 50 queue.unbind reserved-1:short queue:shortstr exchange:shortstr routing-key:shortstr arguments:table
50 51 queue.unbind-ok
60 10 basic.qos prefetch-size:long prefetch-count:short global:bit
60 11 basic.qos-ok
60 20 basic.consume reserved-1:short queue:shortstr consumer-tag:shortstr no-local:bit no-ack:bit exclusive:bit no-wait:bit arguments:table
60 21 basic.consume-ok consumer-tag:shortstr
60 30 basic.cancel consumer-tag:shortstr no-wait:bit
60 31 basic.cancel-ok consumer-tag:shortstr
60 40 basic.publish reserved-1:short exchange:shortstr routing-key:shortstr mandatory:bit immediate:bit
60 50 basic.return reply-code:short reply-text:shortstr exchange:shortstr routing-key:shortstr
60 60 basic.deliver consumer-tag:shortstr delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr
60 70 basic.get reserved-1:short queue:shortstr no-ack:bit
60 71 basic.get-ok delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr message-count:long
60 72 basic.get-empty reserved-1:shortstr
60 80 basic.ack delivery-tag:longlong multiple:bit
60 90 basic.reject delivery-tag:longlong requeue:bit
60 100 basic.recover-async requeue:bit
60 110 basic.recover requeue:bit
60 111 basic.recover-ok
60 120 basic.nack delivery-tag:longlong multiple:bit requeue:bit
85 10 confirm.select no-wait:bit
85 11 confirm.select-ok
90 10 tx.select
90 11 tx.select-ok
90 20 tx.commit
90 21 tx.commit-ok
90 30 tx.rollback
90 31 tx.rollback-ok
"""


def _parse_spec(text):
    by_id, by_name = {}, {}
    for line in text.split("\n"):
        words = line.split()
        if not words:
            continue
        fields = [tuple(word.split(":")) for word in words[3:]]
        entry = (int(words[0]), int(words[1]), words[2], fields)
        by_id[entry[:2]] = entry
        by_name[words[2]] = entry
    return by_id, by_name


BY_ID, BY_NAME = _parse_spec(_SPEC)
WITH_CONTENT = {"basic.return", "basic.deliver", "basic.get-ok"}

# Property name, type and flag bit, in wire order.
PROPERTIES = [
    ("content-type", "shortstr", 15),
    ("content-encoding", "shortstr", 14),
    ("headers", "table", 13),
    ("delivery-mode", "octet", 12),
    ("priority", "octet", 11),
    ("correlation-id", "shortstr", 10),
    ("reply-to", "shortstr", 9),
    ("expiration", "shortstr", 8),
    ("message-id", "shortstr", 7),
    ("timestamp", "longlong", 6),
    ("type", "shortstr", 5),
    ("user-id", "shortstr", 4),
    ("app-id", "shortstr", 3),
    ("cluster-id", "shortstr", 2),
]

_FIXED = {
    "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I",
    "l": ">q", "L": ">q", "f": ">f", "d": ">d", "T": ">Q",
}


class Typed:
    """A field value with its type letter, as it is on the wire."""

    __slots__ = ("code", "value")

    def __init__(self, code, value):
        self.code, self.value = code, value

    def __eq__(self, other):
        return isinstance(other, Typed) and (self.code, self.value) == (other.code, other.value)

    def __hash__(self):
        return hash((self.code, repr(self.value)))

    def __repr__(self):
        if self.code == "F":
            inner = ", ".join(f"{key}={value!r}" for key, value in sorted(self.value.items()))
            return "{" + inner + "}"
        if self.code == "A":
            return "[" + ", ".join(repr(item) for item in self.value) + "]"
        if self.code == "V":
            return "void"
        if self.code in "Sx":
            return f"{self.code}{show_bytes(self.value)}"
        if self.code == "D":
            return f"D({self.value[0]},{self.value[1]})"
        return f"{self.code}:{self.value}"


def show_bytes(data):
    """A short, printable form of bytes."""
    text = data.decode("utf-8", "backslashreplace")
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text) + '"'


def typed(value):
    """The usual AMQP type for a Python value; a `Typed` stays as it is."""
    if isinstance(value, Typed):
        return value
    if value is None:
        return Typed("V", None)
    if isinstance(value, bool):
        return Typed("t", value)
    if isinstance(value, int):
        return Typed("I" if -(2**31) <= value < 2**31 else "l", value)
    if isinstance(value, float):
        return Typed("d", value)
    if isinstance(value, str):
        return Typed("S", value.encode())
    if isinstance(value, bytes):
        return Typed("S", value)
    if isinstance(value, dict):
        return Typed("F", {key: typed(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return Typed("A", [typed(item) for item in value])
    raise TypeError(f"no AMQP type for {value!r}")


def encode_value(value):
    value = typed(value)
    code, inner = value.code, value.value
    head = code.encode()
    if code in _FIXED:
        return head + struct.pack(_FIXED[code], inner)
    if code == "V":
        return head
    if code in "Sx":
        data = inner.encode() if isinstance(inner, str) else inner
        return head + struct.pack(">I", len(data)) + data
    if code == "D":
        return head + struct.pack(">BI", *inner)
    if code == "F":
        return head + encode_table(inner)
    if code == "A":
        data = b"".join(encode_value(item) for item in inner)
        return head + struct.pack(">I", len(data)) + data
    raise TypeError(f"unknown field type {code!r}")


def encode_table(table):
    """A field table; bytes are taken as an already encoded table with its length."""
    if isinstance(table, bytes):
        return table
    data = b"".join(encode_short(key) + encode_value(item) for key, item in (table or {}).items())
    return struct.pack(">I", len(data)) + data


def encode_short(text):
    data = text.encode() if isinstance(text, str) else text
    if len(data) > 255:
        raise ValueError("short string over 255 bytes")
    return bytes([len(data)]) + data


def encode_fields(fields, values):
    """The arguments of a method; missing ones are zero, empty or false."""
    out, bits, used = bytearray(), 0, 0
    for name, kind in fields:
        value = values.get(name)
        if kind == "bit":
            bits |= (1 if value else 0) << used
            used += 1
            continue
        if used:
            out.append(bits)
            bits, used = 0, 0
        out += _encode_field(kind, value)
    if used:
        out.append(bits)
    return bytes(out)


def _encode_field(kind, value):
    if kind == "shortstr":
        return encode_short(value or "")
    if kind == "longstr":
        data = (value or "").encode() if not isinstance(value, bytes) else value
        return struct.pack(">I", len(data)) + data
    if kind == "table":
        return encode_table(value)
    size = {"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q"}[kind]
    return struct.pack(size, value or 0)


def method_payload(name, values):
    class_id, method_id, _, fields = BY_NAME[name]
    unknown = set(values) - {field for field, _ in fields}
    if unknown:
        raise KeyError(f"{name} has no field {sorted(unknown)}")
    return struct.pack(">HH", class_id, method_id) + encode_fields(fields, values)


def header_payload(size, properties, class_id=60, weight=0):
    """A content header for a body of `size` bytes."""
    flags, data = 0, b""
    for name, kind, bit in PROPERTIES:
        if name in properties:
            flags |= 1 << bit
            data += _encode_field(kind, properties[name])
    return struct.pack(">HHQH", class_id, weight, size, flags) + data


def frame(kind, channel, payload, end=FRAME_END, size=None):
    """A frame; `end` and `size` may be wrong on purpose, `end=None` leaves it out."""
    size = len(payload) if size is None else size
    tail = b"" if end is None else bytes([end])
    return struct.pack(">BHI", kind, channel, size) + payload + tail


class Reader:
    """Takes typed fields from bytes; IndexError or struct.error if they run out."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise IndexError("payload ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def short(self):
        return self.take(self.number(">B"))

    def long(self):
        return self.take(self.number(">I"))

    def table(self):
        inner, out = Reader(self.long()), {}
        while inner.at < len(inner.data):
            key = inner.short().decode("utf-8", "backslashreplace")
            out[key] = inner.value()
        return out

    def value(self):
        code = chr(self.number(">B"))
        if code in _FIXED:
            return Typed(code, self.number(_FIXED[code]))
        if code == "V":
            return Typed(code, None)
        if code in "Sx":
            return Typed(code, self.long())
        if code == "D":
            return Typed(code, (self.number(">B"), self.number(">I")))
        if code == "F":
            return Typed(code, self.table())
        if code == "A":
            inner, out = Reader(self.long()), []
            while inner.at < len(inner.data):
                out.append(inner.value())
            return Typed(code, out)
        raise ValueError(f"unknown field type {code!r}")

    def field(self, kind):
        if kind == "shortstr":
            return self.short().decode("utf-8", "backslashreplace")
        if kind == "longstr":
            return self.long()
        if kind == "table":
            return self.table()
        return self.number({"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q"}[kind])


def decode_method(payload):
    """(name, fields); an unknown method is named by its numbers."""
    reader = Reader(payload)
    ids = (reader.number(">H"), reader.number(">H"))
    if ids not in BY_ID:
        return f"unknown.{ids[0]}.{ids[1]}", {"raw": payload[4:].hex()}
    values, bit, byte = {}, 8, 0
    for name, kind in BY_ID[ids][3]:
        if kind != "bit":
            values[name] = reader.field(kind)
            bit = 8
            continue
        if bit == 8:
            byte, bit = reader.number(">B"), 0
        values[name] = (byte >> bit) & 1
        bit += 1
    if reader.at != len(payload):
        values["trailing"] = payload[reader.at:].hex()
    return BY_ID[ids][2], values


def decode_header(payload):
    """(class id, body size, properties)."""
    reader = Reader(payload)
    class_id, _weight = reader.number(">H"), reader.number(">H")
    size, flags = reader.number(">Q"), reader.number(">H")
    properties = {}
    for name, kind, bit in PROPERTIES:
        if flags & (1 << bit):
            properties[name] = reader.field(kind)
    return class_id, size, properties

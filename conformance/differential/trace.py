"""What a scenario writes down, in a form that two brokers can agree on."""

import re
import zlib

import wire

_SERVER_NAMES = [
    (re.compile(r"amq\.gen-[A-Za-z0-9_-]+"), "amq.gen-*"),
    (re.compile(r"amq\.ctag-[A-Za-z0-9_-]+"), "amq.ctag-*"),
    (re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9_+/=.-]+"), "amq.rabbitmq.reply-to.*"),
    (re.compile(r"\btime=T:\d+"), "time=T:*"),
]


class Trace:
    """Lines of one scenario against one broker, with random names made equal."""

    def __init__(self, prefix):
        self.prefix, self.lines = prefix, []
        # Names that were declared, for the clean-up: queues, exchanges.
        self.declared = set(), set()

    def add(self, line):
        line = line.replace(self.prefix, "~")
        for pattern, plain in _SERVER_NAMES:
            line = pattern.sub(plain, line)
        self.lines.append(line)


def show_fields(name, values, sent=False):
    words = []
    for field, kind in wire.BY_NAME[name][3] if name in wire.BY_NAME else []:
        value = values.get(field)
        if sent and not value:
            continue
        if field.startswith("reserved") and not value:
            continue
        if kind == "table":
            if isinstance(value, bytes):
                value = "0x" + value.hex()[:80]
            else:
                value = repr(wire.typed(value))
        elif isinstance(value, bytes):
            value = wire.show_bytes(value)
        elif isinstance(value, str):
            value = wire.show_bytes(value.encode())
        words.append(f"{field}={value}")
    if "trailing" in values:
        words.append(f"trailing={values['trailing']}")
    if "raw" in values:
        words.append(f"raw={values['raw']}")
    return " ".join([name] + words)


def show_body(body):
    if len(body) <= 80:
        return wire.show_bytes(body)
    return f"{len(body)} bytes crc32={zlib.crc32(body):08x}"


def show_properties(properties):
    words = []
    for name, value in sorted(properties.items()):
        if name == "headers" and isinstance(value, dict) and "x-death" in value:
            # New in 3.13; a scenario of its own compares these.
            value = {key: item for key, item in value.items() if not key.startswith("x-last-death-")}
        if isinstance(value, dict):
            value = repr(wire.typed(value))
        elif isinstance(value, str):
            value = wire.show_bytes(value.encode())
        words.append(f"{name}={value}")
    return " ".join(words)


class Event:
    """A method that came in, with its content if it has one."""

    __slots__ = ("name", "fields", "properties", "body")

    def __init__(self, name, fields):
        self.name, self.fields, self.properties, self.body = name, fields, None, None

    def __getitem__(self, field):
        return self.fields[field]

    def __repr__(self):
        text = show_fields(self.name, self.fields)
        if self.properties is not None:
            text += f" | {show_properties(self.properties)} | {show_body(self.body)}"
        return text


def show_range(numbers):
    """Runs of numbers: 1-5,7."""
    out, numbers = [], sorted(numbers)
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out) or "none"

"""What the two Python clients share: the list of checks, names, comparisons, the report lines."""
import json
import os
import sys
import traceback
import uuid

# Longest time a single event may take to arrive, and a whole check to run.
EVENT_S = 10
CHECK_S = 30


class NotAvailable(Exception):
    """The client has no such feature; the text says why."""


class Suite:
    """The checks of one client, in the order in which they are written."""

    def __init__(self, client):
        self.client = client
        self.url = os.environ["AMQP_URL"]
        self.checks = []
        self._run = uuid.uuid4().hex[:10]
        self._names = 0

    def check(self, feature):
        def register(function):
            self.checks.append((feature, function))
            return function
        return register

    def name(self, what):
        """A queue or exchange name that no other run uses."""
        self._names += 1
        return f"conformance.{self.client}.{self._run}.{what}.{self._names}"

    def selected(self):
        wanted = sys.argv[1:]
        return [(f, c) for f, c in self.checks if not wanted or f in wanted]

    def report(self, feature, error):
        line = {"client": self.client, "feature": feature, "ok": error is None, "detail": ""}
        if isinstance(error, NotAvailable):
            line.update(ok=True, na=True, detail=str(error))
        elif error is not None:
            place = traceback.extract_tb(error.__traceback__)
            own = [p for p in place if os.path.dirname(p.filename) == os.path.dirname(__file__)]
            where = f" (line {own[-1].lineno}, {own[-1].name})" if own else ""
            line["detail"] = f"{type(error).__name__}: {error}{where}"
        print(json.dumps(line), flush=True)
        return line["ok"]


def equal(got, want, what):
    if type(got) is bool or type(want) is bool:
        same = got is want
    else:
        same = got == want
    if not same:
        raise AssertionError(f"{what}: got {got!r}, expected {want!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


CAPABILITIES = [
    "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
    "connection.blocked", "consumer_priorities", "authentication_failure_close",
    "per_consumer_qos", "direct_reply_to",
]


def look_at_server_properties(properties):
    for key in ("product", "version", "platform", "copyright", "information"):
        value = properties.get(key)
        text = value.decode() if isinstance(value, bytes) else value
        true(isinstance(text, str) and text, f"server property {key} is {value!r}")
    for capability in CAPABILITIES:
        equal(properties["capabilities"].get(capability), True, f"capability {capability}")


def look_at_death(headers, queue, reason, exchange="", routing_key=None):
    """The x-death entry of a message that died once."""
    death = headers["x-death"]
    equal(len(death), 1, "number of x-death entries")
    equal(death[0]["queue"], queue, "x-death queue")
    equal(death[0]["reason"], reason, "x-death reason")
    equal(death[0]["count"], 1, "x-death count")
    equal(death[0]["exchange"], exchange, "x-death exchange")
    equal(death[0]["routing-keys"], [routing_key or queue], "x-death routing-keys")
    true(death[0]["time"].timestamp() > 1_600_000_000, f"x-death time is {death[0]['time']!r}")
    equal(headers["x-first-death-queue"], queue, "x-first-death-queue")
    equal(headers["x-first-death-reason"], reason, "x-first-death-reason")
    equal(headers["x-first-death-exchange"], exchange, "x-first-death-exchange")


def routing_table(kind):
    """Bindings (queue, key, table) and messages (key, table, queues) for one exchange type."""
    def value(text):
        letter, _, rest = text.partition(":")
        return {"s": rest, "i": int(rest) if letter == "i" else 0, "t": rest == "true",
                "v": None}[letter]

    def split(text):
        if kind != "headers":
            return text, None
        pairs = (pair.partition("=") for pair in text.split(","))
        return "", {name: value(rest) for name, _, rest in pairs}

    bindings, messages = [], []
    default = os.path.join(os.path.dirname(__file__), "..", "routing.txt")
    with open(os.environ.get("ROUTING_TABLE", default)) as lines:
        for fields in (line.rstrip("\n").split("|") for line in lines):
            if fields[:2] == [kind, "bind"]:
                bindings.append((fields[2], *split(fields[3])))
            elif fields[:2] == [kind, "send"]:
                messages.append((*split(fields[2]), fields[3]))
    true(bindings and messages, f"no lines for {kind} in the routing table")
    return bindings, messages

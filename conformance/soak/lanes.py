"""Lanes: a queue of one kind, those who publish to it and those who consume, all coming and going."""

import random
import struct
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crash"))

from ledger import Ledger  # noqa: E402
from link import Link, Lost, make_body, read_body  # noqa: E402

WINDOW = 100
PREFETCH = 50

# Arguments of each kind's queue. Where "dead" is, dead letters go to a queue of their own.
KINDS = {
    "plain": {},
    "transient": {},
    "expiring": {"x-message-ttl": 300, "dead": True},
    "capped": {"x-max-length": 200, "dead": True},
    "refusing": {"x-max-length": 200, "x-overflow": "reject-publish"},
    "priorities": {"x-max-priority": 5},
}


class Lane:
    def __init__(self, kind, number):
        self.kind, self.queue = kind, f"soak.{kind}.{number}"
        self.durable = kind != "transient"
        self.has_dead = KINDS[kind].get("dead", False)
        self.dead_queue = self.queue + ".dead"
        self.ledger = Ledger(self.queue, drops_rejected=not self.has_dead)
        self.numbers, self.lock = 0, threading.Lock()

    def declare(self, link):
        arguments = {name: value for name, value in KINDS[self.kind].items() if name != "dead"}
        if self.has_dead:
            arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead_queue}
            link.call("queue.declare", queue=self.dead_queue, durable=self.durable)
        link.call("queue.declare", queue=self.queue, durable=self.durable, arguments=arguments)

    def next_number(self):
        with self.lock:
            self.numbers += 1
            return self.numbers

    def drain(self, link):
        """Takes what is left, once nobody else is there. What expires meanwhile is found among the dead."""
        while message := get(link, self.queue):
            _, body = message
            self.ledger.remained(read_body(body)[1])
        if self.has_dead:
            while message := get(link, self.dead_queue):
                properties, body = message
                self.ledger.died(read_body(body)[1], reason_of(properties))


def get(link, queue):
    """(properties, body), or None; acked at once."""
    name, _, body = link.call("basic.get", queue=queue, **{"no-ack": True})
    return (link.properties, body) if name == "basic.get-ok" else None


def reason_of(properties):
    """Of the last death; values carry their type."""
    deaths = properties["headers"]["x-death"].value
    return deaths[0].value["reason"].value.decode()


class Client(threading.Thread):
    """Works in stints, each on a connection of its own, until it is time to stop."""

    def __init__(self, name, seed, address, until):
        super().__init__(name=name, daemon=True)
        self.random = random.Random(f"{seed}/{name}")
        self.address, self.until, self.failure, self.stints = address, until, None, 0

    def run(self):
        try:
            while not self.until.is_set():
                self.stints += 1
                self.stint(Link(self.address))
        except Exception as error:
            self.failure = f"{self.name}: {type(error).__name__} {error}"

    def end(self, link):
        """In order, by hanging up, or by a reset."""
        how = self.random.random()
        if how < 0.5:
            link.call("connection.close", 0, **{"reply-code": 200, "reply-text": ""})
        elif how < 0.75:
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.drop()


class Publisher(Client):
    def __init__(self, name, seed, address, until, lane):
        super().__init__(name, seed, address, until)
        self.lane = lane

    def stint(self, link):
        link.call("confirm.select")
        pending, tag = {}, 0
        ledger = self.lane.ledger
        for _ in range(self.random.randrange(200, 3000)):
            if self.until.is_set():
                break
            number = self.lane.next_number()
            size = self.random.randrange(300) if self.random.random() < 0.97 else self.random.randrange(200_000)
            ledger.note("published", number)
            tag += 1
            pending[tag] = number
            link.publish("", self.lane.queue, make_body(self.name, number, size), self.lane.durable)
            while len(pending) > WINDOW:
                self.hear(link, pending)
        while pending and self.random.random() < 0.98:
            self.hear(link, pending)
        self.end(link)

    def hear(self, link, pending):
        events = link.take(60)
        if not events:
            raise Lost("no confirm within 60 s")
        for name, fields, _ in events:
            if name in ("basic.ack", "basic.nack"):
                upto = fields["delivery-tag"]
                for tag in [tag for tag in pending if tag == upto or (fields["multiple"] and tag < upto)]:
                    self.lane.ledger.note("confirmed" if name == "basic.ack" else "refused", pending.pop(tag))


class Consumer(Client):
    def __init__(self, name, seed, address, until, lane):
        super().__init__(name, seed, address, until)
        self.lane = lane

    def stint(self, link):
        ledger = self.lane.ledger
        link.call("basic.qos", **{"prefetch-count": PREFETCH})
        link.call("basic.consume", queue=self.lane.queue)
        for _ in range(self.random.randrange(10, 300)):
            if self.until.is_set():
                break
            for _, fields, body in link.take(0.2):
                number, tag = read_body(body)[1], fields["delivery-tag"]
                ledger.came(number, fields["redelivered"])
                roll = self.random.random()
                if roll < 0.95:
                    ledger.settle(number)
                    link.method("basic.ack", **{"delivery-tag": tag})
                elif roll < 0.98:
                    link.method("basic.nack", **{"delivery-tag": tag, "requeue": True})
                else:
                    ledger.note("rejected", number)
                    link.method("basic.reject", **{"delivery-tag": tag, "requeue": False})
        self.end(link)


class SlowReader(Client):
    """Takes whatever it is sent and reads none of it; then it is gone, and all of it must come back."""

    def __init__(self, name, seed, address, until, lane):
        super().__init__(name, seed, address, until)
        self.lane = lane

    def stint(self, link):
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.method("basic.consume", queue=self.lane.queue)
        self.until.wait(self.random.uniform(1, 5))
        link.drop()


class Churner(Client):
    """Declares, binds, uses and leaves."""

    def stint(self, link):
        for _ in range(self.random.randrange(1, 20)):
            queue = link.call("queue.declare", exclusive=True)[1]["queue"]
            link.call("queue.bind", queue=queue, exchange="amq.topic", **{"routing-key": f"churn.{self.name}.#"})
            link.call("basic.consume", queue=queue, **{"no-ack": True})
            for _ in range(20):
                link.publish("amq.topic", f"churn.{self.name}.x", b"hello", False)
            link.take(1)
            if self.until.is_set():
                break
        self.end(link)

"""The clients of one round. Each draws its operations from a seed of its own."""

import random
import threading

from link import Link, Lost, make_body, read_body

# Queues with consumers, one that is purged, one that is deleted, two whose messages die, and the one of the barriers
# without any consumers.
QUEUES = ["work.a", "work.b", "purged", "churn", "dying", "fading"]
# Rejected messages of both go to the third; so do those of the second that nobody takes in time.
GRAVES = "graves"
LETTERS = {"dying": GRAVES, "fading": GRAVES}
TTL_MS = 150
LEDGER = "ledger"
# Each behind those that its messages come from.
ALL_QUEUES = ["fading", *[queue for queue in QUEUES if queue != "fading"], LEDGER, GRAVES]
FANOUT = "everywhere"
IN_FANOUT = ["work.a", "work.b", "purged"]
WINDOW = 50


def declare(link, queue):
    arguments = {}
    if queue in LETTERS:
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": LETTERS[queue]}
    if queue == "fading":
        arguments["x-message-ttl"] = TTL_MS
    link.call("queue.declare", queue=queue, durable=True, arguments=arguments)


def declare_all(link):
    link.call("exchange.declare", exchange=FANOUT, type="fanout", durable=True)
    for queue in ALL_QUEUES:
        declare(link, queue)
    for queue in IN_FANOUT:
        link.call("queue.bind", queue=queue, exchange=FANOUT)


class Client(threading.Thread):
    """A thread that works until the broker is gone; a surprise is kept in `failure`."""

    def __init__(self, name, seed, address, history, until):
        super().__init__(name=name, daemon=True)
        self.random = random.Random(f"{seed}/{name}")
        self.address, self.note, self.until = address, history.note, until
        self.failure = None

    def run(self):
        try:
            while not self.until.is_set():
                self.work()
        except Lost as lost:
            # While the broker lives nobody may be thrown out.
            if not self.until.wait(5):
                self.failure = f"{self.name}: {lost} while the broker lives"
        except Exception as error:
            self.failure = f"{self.name}: {type(error).__name__} {error}"


class Publisher(Client):
    """Numbers its messages and sends them to a queue, or to several through the fanout exchange."""

    number = 0

    def draw(self):
        """The next message: (exchange, routing key, body, copies, persistent)."""
        self.number += 1
        roll = self.random.random()
        if roll < 0.7:
            size = self.random.randrange(200)
        elif roll < 0.96:
            size = self.random.randrange(200, 6000)
        else:
            size = self.random.randrange(6000, 30000) if roll < 0.997 else self.random.randrange(130000, 200000)
        persistent = self.random.random() < 0.92
        queue = self.random.choices([*QUEUES, None], weights=[6, 6, 2, 2, 3, 1, 2])[0]
        queues = [queue] if queue else IN_FANOUT
        copies = [(one, self.name, self.number) for one in queues]
        body = make_body(self.name, self.number, size)
        return "" if queue else FANOUT, queue or "", body, copies, persistent


class Confirming(Publisher):
    """Publishes with confirms, a window of them open at once."""

    def work(self):
        link = Link(self.address)
        link.call("confirm.select")
        self.tags, self.next_tag = {}, 1
        while not self.until.is_set():
            for _ in range(self.random.randrange(1, WINDOW)):
                exchange, key, body, copies, persistent = self.draw()
                self.note("publish", copies, persistent)
                self.tags[self.next_tag] = self.number
                self.next_tag += 1
                link.publish(exchange, key, body, persistent)
            while len(self.tags) > WINDOW:
                self.hear(link.take(60))

    def hear(self, events):
        if not events:
            raise Lost("no confirm within 60 s")
        for name, fields, body in events:
            if name == "basic.return":
                self.note("unrouted", *read_body(body))
                continue
            kind = "confirmed" if name == "basic.ack" else "refused"
            upto = fields["delivery-tag"]
            for tag in [tag for tag in self.tags if tag == upto or (fields["multiple"] and tag < upto)]:
                self.note(kind, self.name, self.tags.pop(tag))


class Transacting(Publisher):
    """Publishes in transactions; one in five is rolled back."""

    def work(self):
        link = Link(self.address)
        link.call("tx.select")
        while not self.until.is_set():
            batch = [self.draw() for _ in range(self.random.randrange(1, 12))]
            commits = self.random.random() < 0.8
            for _, _, _, copies, persistent in batch:
                self.note("publish", copies, persistent)
                if not commits:
                    self.note("rolled-back", copies)
            for exchange, key, body, _, persistent in batch:
                link.publish(exchange, key, body, persistent)
            link.call("tx.commit" if commits else "tx.rollback")
            for name, _, body in link.take(0.0001):
                if name == "basic.return":
                    self.note("unrouted", *read_body(body))
            if commits:
                for _, _, _, copies, _ in batch:
                    self.note("confirmed", *copies[0][1:])


class Settling(Client):
    """What consumers and getters share: notes deliveries, and acks, rejects and requeues them."""

    generation = 0

    def begin(self):
        self.generation += 1
        self.who = f"{self.name}.{self.generation}"
        self.held = []
        return Link(self.address)

    def delivered(self, queue, fields, body):
        message = read_body(body)
        key = (queue, *message) if message else (queue, "damaged", 0)
        self.note("deliver", self.who, key, bool(fields["redelivered"]))
        if message:
            self.held.append((fields["delivery-tag"], key))

    def settle_some(self, link):
        """Draws what becomes of what is held; False where the connection shall end."""
        roll = self.random.random()
        if roll < 0.02:
            return False
        if not self.held:
            return True
        if roll < 0.45:
            count = self.random.randrange(1, len(self.held) + 1)
            taken, self.held = self.held[:count], self.held[count:]
            multiple = True
        else:
            taken, multiple = [self.held.pop(self.random.randrange(len(self.held)))], False
        tag, keys = taken[-1][0], [key for _, key in taken]
        roll = self.random.random()
        if roll < 0.15:
            self.note("requeue", self.who, keys)
            link.method("basic.nack", requeue=True, multiple=multiple, **{"delivery-tag": tag})
        elif roll < 0.25:
            self.note("reject", self.who, keys)
            link.method("basic.nack", requeue=False, multiple=multiple, **{"delivery-tag": tag})
        else:
            self.note("settle", self.who, keys)
            link.method("basic.ack", multiple=multiple, **{"delivery-tag": tag})
        if self.random.random() < 0.3:
            self.sync(link)
        return True

    def sync(self, link):
        """A round trip: what was settled before has been handled."""
        link.call("basic.qos", **{"prefetch-count": 20})
        self.note("handled", self.who)

    def leave(self, link):
        """Hangs up, or closes the channel in order."""
        if self.random.random() < 0.5:
            self.sync(link)
            self.note("gone", self.who)
            link.call("channel.close", **{"reply-code": 200})
        else:
            self.note("gone", self.who)
        link.drop()


class Consuming(Settling):
    def __init__(self, queue, *rest):
        super().__init__(*rest)
        self.queue = queue

    def work(self):
        link = self.begin()
        if self.random.random() < 0.2:
            self.in_transactions(link)
        else:
            self.plainly(link)
        if not self.until.is_set():
            self.leave(link)

    def consume(self, link):
        link.call("basic.qos", **{"prefetch-count": self.random.choice([1, 5, 20, 100])})
        try:
            link.call("basic.consume", queue=self.queue, **{"consumer-tag": self.who})
            return True
        except Lost as lost:
            # The operator has just deleted it.
            if "404" in str(lost) and self.queue == "churn":
                return False
            raise

    def hear(self, link):
        """Takes deliveries; False once the queue is gone."""
        for name, fields, body in link.take(0.02):
            if name == "basic.cancel":
                return False
            self.delivered(self.queue, fields, body)
        return True

    def plainly(self, link):
        there = self.consume(link)
        while there and not self.until.is_set():
            there = self.hear(link) and self.settle_some(link)

    def in_transactions(self, link):
        """Acks in transactions; what is rolled back stays held."""
        link.call("tx.select")
        there = self.consume(link)
        for _ in range(self.random.randrange(2, 20)):
            if not there or self.until.is_set():
                return
            there = self.hear(link)
            if not self.held:
                continue
            count = self.random.randrange(1, len(self.held) + 1)
            taken = self.held[:count]
            link_ack = {"delivery-tag": taken[-1][0], "multiple": True}
            link.method("basic.ack", **link_ack)
            if self.random.random() < 0.75:
                self.held = self.held[count:]
                self.note("settle", self.who, [key for _, key in taken])
                link.call("tx.commit")
                self.note("handled", self.who)
            else:
                link.call("tx.rollback")

    def leave(self, link):
        # In a transaction basic.qos still is a round trip, and nothing is open.
        if link.closed:
            self.note("gone", self.who)
            link.drop()
        else:
            super().leave(link)


class Getting(Settling):
    """Uses basic.get."""

    def work(self):
        link = self.begin()
        going = True
        while going and not self.until.is_set():
            queue = self.random.choice(["work.a", "work.b", "purged", "dying", GRAVES])
            name, fields, body = link.call("basic.get", queue=queue)
            if name == "basic.get-ok":
                self.delivered(queue, fields, body)
            going = self.settle_some(link)
        if not self.until.is_set():
            self.leave(link)


class Operating(Client):
    """Deletes and declares one queue, and purges another."""

    def work(self):
        link = Link(self.address)
        while not self.until.is_set():
            kind, queue = self.random.choice([("delete", "churn"), ("purge", "purged")])
            self.note(f"{kind}-begin", queue)
            link.call(f"queue.{kind}", queue=queue)
            self.note(f"{kind}-end", queue)
            self.until.wait(self.random.random() * 0.05)
            if kind == "delete":
                declare(link, queue)
            self.until.wait(self.random.random() * 0.2)


class Barriers(Publisher):
    """Has a persistent message confirmed that no consumer can take: what was settled before is then on disk."""

    def work(self):
        link = Link(self.address)
        link.call("confirm.select")
        while not self.until.is_set():
            self.number += 1
            barrier = (self.name, self.number)
            self.note("publish", [(LEDGER, *barrier)], True)
            self.note("barrier-begin", barrier)
            link.publish("", LEDGER, make_body(*barrier, 20), True)
            events = link.take(60)
            if [name for name, _, _ in events] != ["basic.ack"]:
                raise Lost(f"no confirm for a barrier, but {events}")
            self.note("confirmed", *barrier)
            self.note("barrier-end", barrier)
            self.until.wait(self.random.random() * 0.05)


def clients(round_, seed, address, history, until):
    """All clients of a round; how many consumers a queue has, if any, is drawn."""
    draw = random.Random(f"{seed}/{round_}/clients")
    rest = (f"{seed}/{round_}", address, history, until)
    chosen = [Confirming(f"r{round_}c{n}", *rest) for n in range(draw.randrange(1, 4))]
    chosen += [Transacting(f"r{round_}t0", *rest), Operating(f"r{round_}o", *rest), Barriers(f"r{round_}b", *rest)]
    chosen += [Getting(f"r{round_}g{n}", *rest) for n in range(draw.randrange(2))]
    for queue, most in [("work.a", 3), ("work.b", 4), ("churn", 2), ("purged", 1), ("dying", 2), ("fading", 1),
                        (GRAVES, 2)]:
        chosen += [Consuming(queue, f"r{round_}{queue}{n}", *rest) for n in range(draw.randrange(most + 1))]
    return chosen

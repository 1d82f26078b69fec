"""Judges the history of a run: what was lost, came back, or came out of order.

A *copy* is one message in one queue: `(queue, publisher, number)`; a
publisher numbers its messages from 1 and never gives a number twice. A *life*
is the time between a start of the broker and its end.

Events, each a tuple of its kind and its details:

| event | meaning |
|---|---|
| `start` | a broker runs on the data folder |
| `publish copies persistent` | about to be sent; `copies` are all that it makes |
| `confirmed publisher number` | the confirm, or the transaction's commit-ok, is here |
| `refused publisher number` | basic.nack for a publish |
| `unrouted publisher number` | it came back with basic.return |
| `rolled-back copies` | tx.rollback-ok is here, or no commit was ever sent |
| `deliver consumer copy redelivered` | received |
| `settle consumer copies` | about to send an ack (in a transaction: its commit) |
| `reject consumer copies` | about to send a reject or nack without requeue: a settlement, or the way to another queue |
| `requeue consumer copies` | about to send a nack or reject with requeue |
| `handled consumer` | a reply is here to something sent after all that the consumer has settled |
| `gone consumer` | about to close its channel or drop its connection; it hears nothing more |
| `barrier-begin id`, `barrier-end id` | a persistent message for a queue without consumers: about to be sent, confirmed |
| `purge-begin queue`, `purge-end queue` | about to be sent, answered; likewise `delete-` |
| `stopping` | about to send SIGTERM: connections end one after the other, and nobody is told when the others do |
| `killed`, `stopped` | the end of a life, by SIGKILL or in order with exit code 0 |
| `census queue items` | all that a queue holds, in order: `(copy or None, redelivered)`; nobody else uses it |

A *letter* is the copy that a message becomes in the dead-letter queue of its queue. The checker is told which queue's
letters go where, and of which queues the messages expire. A letter is due once its message was rejected, and may come at
any time where messages expire. A crash finds a message in its queue, in the other, or in both, and so an unclean end
may double it: then only its loss is looked for.

What the store promises, and so what is a violation:

* **lost**: a confirmed persistent copy that nobody settled, purged or deleted is not in a census; one that died or may
  have, neither in the census of its queue nor in that of its letters, which comes after it.
* **came back**: a copy is seen in a later life though its settlement was on disk: handled before a barrier began that
  was confirmed (plain settlements go with the next round), or before an end in order; or it was missing in an earlier
  census; or its queue was deleted, with delete-ok, after it was confirmed. A settlement that wasn't known to be on
  disk may get lost with the process: at least once.
* **twice**: a copy is delivered while somebody else holds it, again in a life in which it was settled, or stands
  twice in a census.
* **order**: in a census, or among a consumer's deliveries that aren't redelivered, a publisher's numbers don't grow.
* **flag**: a copy delivered before, in this life or an earlier one, isn't marked redelivered.
* **phantom**: a copy that was never published, was returned or rolled back, or is damaged; a letter of a message that
  cannot have died.
* **transient**: a transient copy of an earlier life.
"""

from dataclasses import dataclass

# How far the settlement of a copy has got.
NOT, SENT, HANDLED, DOUBT, DURABLE = "not", "sent", "handled", "doubt", "durable"


@dataclass(slots=True)
class Copy:
    persistent: bool
    life: int
    confirmed: bool = False
    absent: str = ""          # why it must not be seen: unrouted, rolled back
    excused: bool = False     # purged, or caught up in a deletion: may be there or not
    deleted: int = 0          # the life in which its queue was deleted after it was confirmed
    missing: bool = False     # a census has shown that it is gone
    settlement: str = NOT
    settled_life: int = 0
    holder: object = None
    seen_life: int = 0        # the last life in which it was delivered
    rejected: bool = False    # its last settlement sends it to another queue
    died: bool = False        # it was rejected once
    returned: bool = False    # it was seen in a later life than that of its publish
    origin: tuple = ()        # the copy that this one is the letter of


class Checker:
    def __init__(self, letters=None, expiring=()):
        self.letters = letters or {}   # queue -> where its dead messages go
        self.expiring = set(expiring)  # queues whose messages die by themselves
        self.violations = []
        self.copies = {}
        self.in_queue = {}    # queue -> copies that may be there, in order of publishing
        self.of_message = {}  # (publisher, number) -> copies, until it is answered
        self.life = 0
        self.stopping = False
        self.index = 0
        self.held = {}        # consumer -> copies
        self.sent = {}        # consumer -> copies settled, not known to be handled
        self.handled = []     # (index, copy): handled in this life, not known to be on disk
        self.passed_on = []   # the same for what was rejected: its queue forgets it only after the other has it
        self.barriers = {}
        self.open = set()     # queues whose purge or deletion has not been answered
        self.last = {}        # (consumer, queue, publisher) -> number
        self.counts = {"published": 0, "confirmed": 0, "delivered": 0, "settled": 0, "came back as allowed": 0,
                       "dead letters": 0}

    def feed(self, events):
        """Takes events in their order; what is wrong is added to `violations`."""
        for kind, *details in events:
            self.index += 1
            getattr(self, "on_" + kind.replace("-", "_"))(*details)

    def blame(self, rule, text):
        self.violations.append(f"{rule}: {text} (life {self.life}, event {self.index})")

    # Lives

    def on_start(self):
        self.life += 1
        self.stopping = False
        self.held, self.sent, self.handled, self.passed_on, self.barriers, self.last = {}, {}, [], [], {}, {}

    def on_stopping(self):
        self.stopping = True

    def on_killed(self):
        for _, key in self.handled + self.passed_on:
            self._doubt(key)
        self._end()

    def on_stopped(self):
        for _, key in self.handled + self.passed_on:
            self._make_durable(key)
        self._end()

    def _end(self):
        # It may have taken what was published after it had been sent.
        for queue in self.open:
            self._excuse(queue)
        self.open = set()
        for keys in self.sent.values():
            for key in keys:
                self._doubt(key)
        for keys in self.held.values():
            for key in keys:
                self.copies[key].holder = None
        self.held, self.sent, self.handled, self.passed_on = {}, {}, [], []

    def _doubt(self, key):
        if self.copies[key].settlement in (SENT, HANDLED):
            self.copies[key].settlement = DOUBT

    def _make_durable(self, key):
        if self.copies[key].settlement == HANDLED:
            self.copies[key].settlement = DURABLE

    # Publishing

    def on_publish(self, keys, persistent):
        self.counts["published"] += 1
        for key in keys:
            self.copies[key] = Copy(persistent, self.life)
            self.in_queue.setdefault(key[0], {})[key] = None
            if key[0] in self.letters:
                letter = (self.letters[key[0]], *key[1:])
                self.copies[letter] = Copy(persistent, self.life, origin=key)
                self.in_queue.setdefault(letter[0], {})[letter] = None
        self.of_message[keys[0][1:]] = keys

    def on_confirmed(self, publisher, number):
        self.counts["confirmed"] += 1
        for key in self.of_message.pop((publisher, number), ()):
            self.copies[key].confirmed = True

    def on_refused(self, publisher, number):
        self.of_message.pop((publisher, number), None)

    def on_unrouted(self, publisher, number):
        for key in self.of_message.pop((publisher, number), ()):
            self.copies[key].absent = "it was returned as unroutable"

    def on_rolled_back(self, keys):
        for key in keys:
            self.of_message.pop(key[1:], None)
            self.copies[key].absent = "its transaction was rolled back"

    # Consuming

    def on_deliver(self, consumer, key, redelivered):
        self.counts["delivered"] += 1
        copy = self._seen(key, redelivered)
        if copy is None:
            return
        final = (HANDLED, DURABLE) if self.stopping else (SENT, HANDLED, DURABLE)
        may_be_double = self._may_be_double(copy)
        if copy.settlement in final and copy.settled_life == self.life and not may_be_double:
            self.blame("twice", f"{show(key)} was delivered to {consumer} after it had been settled")
        if copy.holder is not None and not self.stopping and not may_be_double:
            self.blame("twice", f"{show(key)} was delivered to {consumer} while {copy.holder} holds it")
        if copy.settlement != NOT:
            self._back(copy)
        # Letters come in the order of their deaths.
        if not redelivered and not copy.origin:
            place = (consumer, key[0], key[1])
            if self.last.get(place, 0) >= key[2]:
                self.blame("order", f"{show(key)} was delivered to {consumer} after {self.last[place]}")
            self.last[place] = key[2]
        copy.seen_life = self.life
        copy.holder = consumer
        self.held.setdefault(consumer, set()).add(key)

    def _seen(self, key, redelivered):
        """Checks that hold wherever a copy shows itself; None if there is nothing to know about it."""
        copy = self.copies.get(key)
        if copy is None:
            self.blame("phantom", f"{show(key)} was never published or is damaged")
            return None
        if copy.origin:
            self._died(key, copy)
        if copy.life < self.life:
            copy.returned = True
        if copy.absent:
            self.blame("phantom", f"{show(key)} is there though {copy.absent}")
        if not copy.persistent and copy.life < self.life:
            self.blame("transient", f"{show(key)} outlived the broker")
        if self._may_be_double(copy):
            return copy
        if copy.missing:
            self.blame("came back", f"{show(key)} was missing in a census before")
        elif copy.settlement == DURABLE and copy.settled_life < self.life:
            self.blame("came back", f"{show(key)} was settled on disk")
        elif 0 < copy.deleted < self.life:
            self.blame("came back", f"{show(key)} was deleted with its queue")
        known = copy.seen_life or (copy.life < self.life and not copy.origin)
        # What a connection had received before it was ended is read after others have got it again.
        if known and not redelivered and not self.stopping:
            self.blame("flag", f"{show(key)} isn't marked redelivered")
        return copy

    def _died(self, key, copy):
        """A letter shows itself."""
        origin = self.copies[copy.origin]
        if not copy.seen_life:
            self.counts["dead letters"] += 1
        if origin.absent:
            self.blame("phantom", f"{show(key)} is there though {origin.absent}")
        elif not origin.died and copy.origin[0] not in self.expiring:
            self.blame("phantom", f"{show(key)} is there though {show(copy.origin)} did not die")

    def _may_be_double(self, copy):
        """Whether a letter's message may have been in both queues when a life ended."""
        if not copy.origin:
            return False
        return self.copies[copy.origin].returned or (copy.origin[0] in self.expiring and copy.life < self.life)

    def _back(self, copy):
        if copy.settled_life < self.life:
            self.counts["came back as allowed"] += 1
        copy.settlement = NOT

    def on_reject(self, consumer, keys):
        self.on_settle(consumer, keys)
        for key in keys:
            if key[0] in self.letters:
                self.copies[key].rejected = self.copies[key].died = True

    def on_settle(self, consumer, keys):
        self.counts["settled"] += len(keys)
        for key in keys:
            copy = self.copies[key]
            copy.rejected = False
            copy.settlement, copy.settled_life = SENT, self.life
            self._let_go(consumer, key, copy)
        self.sent.setdefault(consumer, []).extend(keys)

    def on_requeue(self, consumer, keys):
        for key in keys:
            self._let_go(consumer, key, self.copies[key])

    def _let_go(self, consumer, key, copy):
        self.held.get(consumer, set()).discard(key)
        if copy.holder == consumer:
            copy.holder = None

    def on_handled(self, consumer):
        for key in self.sent.pop(consumer, ()):
            if self.copies[key].settlement == SENT:
                self.copies[key].settlement = HANDLED
                (self.passed_on if self.copies[key].rejected else self.handled).append((self.index, key))

    def on_gone(self, consumer):
        for key in self.sent.pop(consumer, ()):
            self._doubt(key)
        for key in self.held.pop(consumer, ()):
            if self.copies[key].holder == consumer:
                self.copies[key].holder = None

    def on_barrier_begin(self, barrier):
        self.barriers[barrier] = self.index

    def on_barrier_end(self, barrier):
        begin = self.barriers.pop(barrier)
        while self.handled and self.handled[0][0] < begin:
            self._make_durable(self.handled.pop(0)[1])

    # Queues as a whole

    def on_purge_begin(self, queue):
        self.open.add(queue)
        self._excuse(queue)

    def on_purge_end(self, queue):
        self.open.discard(queue)
        self._excuse(queue)

    def on_delete_begin(self, queue):
        self.open.add(queue)
        for key in self.in_queue.get(queue, ()):
            copy = self.copies[key]
            # Confirmed before: it goes with the queue. The others may come to the next queue of that name.
            if copy.confirmed and not copy.deleted and not copy.excused:
                copy.deleted = -1
            copy.excused = True

    def on_delete_end(self, queue):
        self.open.discard(queue)
        for key in self.in_queue.get(queue, ()):
            if self.copies[key].deleted == -1:
                self.copies[key].deleted = self.life
        self._excuse(queue)

    def _excuse(self, queue):
        for key in self.in_queue.get(queue, ()):
            self.copies[key].excused = True

    def on_census(self, queue, items):
        present, last = set(), {}
        for key, redelivered in items:
            copy = self._seen(key, redelivered) if key else self.blame("phantom", f"a damaged message in {queue}")
            if copy is None:
                continue
            if key in present and not self._may_be_double(copy):
                self.blame("twice", f"{show(key)} stands twice in {queue}")
            present.add(key)
            if last.get(key[1], 0) >= key[2] and not copy.origin:
                self.blame("order", f"{show(key)} stands behind {last[key[1]]}")
            last[key[1]] = key[2]
            copy.seen_life = self.life if copy.origin else copy.seen_life
            if copy.settlement != NOT:
                self._back(copy)
            # It has shown that it is kept, whatever was in doubt.
            copy.confirmed, copy.excused = True, False
            copy.deleted = max(copy.deleted, 0)
        for key in self.in_queue.get(queue, ()):
            if key not in present:
                self._absent(key)
        self.in_queue[queue] = {key: None for key in self.in_queue.get(queue, ())
                                if key in present or not self.copies[key].missing}

    def _absent(self, key):
        copy = self.copies[key]
        if copy.origin:
            origin = self.copies[copy.origin]
            # As long as the message is in its own queue its letter is not due.
            if not origin.missing:
                return
            may_be_gone = origin.absent or origin.excused or (origin.settlement != NOT and not origin.rejected)
            kept = origin.persistent and (origin.confirmed or copy.confirmed)
            if kept and not may_be_gone and copy.settlement == NOT:
                self.blame("lost", f"{show(copy.origin)} was confirmed, and is not there as {show(key)} either")
            copy.missing = True
            return
        if key[0] in self.letters:
            copy.missing = True
            return
        if copy.confirmed and copy.persistent and copy.settlement == NOT and not copy.excused and not copy.absent:
            self.blame("lost", f"{show(key)} was confirmed")
        copy.missing = True


def show(key):
    return f"{key[0]}/{key[1]}/{key[2]}"

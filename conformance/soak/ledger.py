"""What became of every message of a lane, and whether that adds up."""

import threading
from collections import Counter


class Ledger:
    """One lane's messages, each by its number. Threads note; `faults` is asked once all have ended."""

    def __init__(self, name, drops_rejected):
        self.name, self.drops_rejected = name, drops_rejected
        self.lock = threading.Lock()
        self.published, self.confirmed, self.refused = set(), set(), set()
        self.settled, self.rejected = Counter(), set()
        # Times that a message came without the mark of a redelivery, in whichever queue.
        self.first_times, self.left = Counter(), Counter()
        self.dead, self.reasons = Counter(), Counter()

    def note(self, what, number):
        with self.lock:
            getattr(self, what).add(number)

    def settle(self, number):
        with self.lock:
            self.settled[number] += 1

    def came(self, number, redelivered):
        if not redelivered:
            with self.lock:
                self.first_times[number] += 1

    def remained(self, number):
        with self.lock:
            self.left[number] += 1

    def died(self, number, reason):
        with self.lock:
            self.dead[number] += 1
            self.reasons[reason] += 1

    def faults(self):
        """What doesn't add up: confirmed = consumed + waiting + dead (expired, over the limit, rejected)."""
        seen = set(self.settled) | set(self.left) | set(self.dead)
        if self.drops_rejected:
            seen |= self.rejected
        faults = []

        def fault(what, numbers):
            if numbers:
                faults.append(f"{self.name}: {len(numbers)} {what}, such as {sorted(numbers)[:5]}")

        fault("confirmed messages are nowhere", self.confirmed - seen)
        fault("messages came that nobody published", seen - self.published)
        fault("refused messages came all the same", self.refused & seen)
        fault("messages were new twice", {n for n, times in self.first_times.items() if times > 1})
        fault("messages waited twice", {n for n, times in self.left.items() if times > 1})
        fault("messages died twice", {n for n, times in self.dead.items() if times > 1})
        # One that was acked on a connection that broke may come again; one that waits or died was never settled
        # otherwise, as its ack would have been taken.
        return faults

    def line(self):
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        return (f"{self.name}: {len(self.published)} published, {len(self.confirmed)} confirmed, "
                f"{len(self.refused)} refused, {len(self.settled)} consumed, {len(self.rejected)} rejected, "
                f"{len(self.left)} left, {len(self.dead)} dead{' (' + reasons + ')' if reasons else ''}")

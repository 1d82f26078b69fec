"""The checker sees each kind of damage, and nothing where there is none.

`python3 -m unittest discover conformance/crash`
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from checker import Checker

A1, A2, A3 = ("a", "p", 1), ("a", "p", 2), ("a", "p", 3)


def publish(*keys, confirmed=True, persistent=True):
    for key in keys:
        yield ("publish", [key], persistent)
        if confirmed:
            yield ("confirmed", *key[1:])


def census(*keys, queue="a", redelivered=True):
    return ("census", queue, [(key, redelivered) for key in keys])


def barrier(number=1):
    return [("barrier-begin", number), ("barrier-end", number)]


def crash():
    return [("killed",), ("start",)]


class CheckerTest(unittest.TestCase):
    def judge(self, *events):
        checker = Checker({"d": "g", "e": "g"}, {"e"})
        checker.feed([("start",)])
        checker.feed(events)
        return [violation.split(":")[0] for violation in checker.violations]

    def passes(self, *events):
        self.assertEqual(self.judge(*events), [])

    def fails(self, rule, *events):
        self.assertEqual(self.judge(*events), [rule])

    # Lost

    def test_confirmed_messages_that_are_there(self):
        self.passes(*publish(A1, A2), *crash(), census(A1, A2))

    def test_a_confirmed_message_is_lost(self):
        self.fails("lost", *publish(A1, A2), *crash(), census(A2))

    def test_a_message_lost_at_a_later_crash(self):
        self.fails("lost", *publish(A1), *crash(), census(A1), *crash(), census())

    def test_an_unconfirmed_message_may_be_there_or_not(self):
        self.passes(*publish(A1, confirmed=False), *crash(), census())
        self.passes(*publish(A1, confirmed=False), *crash(), census(A1))

    def test_an_unconfirmed_message_that_was_kept_must_stay(self):
        self.fails("lost", *publish(A1, confirmed=False), *crash(), census(A1), *crash(), census())

    def test_one_copy_of_two_is_lost(self):
        copies = [("a", "p", 1), ("b", "p", 1)]
        self.fails("lost", ("publish", copies, True), ("confirmed", "p", 1), *crash(),
                   census(A1), census(queue="b"))

    def test_a_message_that_was_only_delivered_must_come_back(self):
        self.fails("lost", *publish(A1), ("deliver", "c", A1, False), *crash(), census())

    def test_a_requeued_message_must_come_back(self):
        self.fails("lost", *publish(A1), ("deliver", "c", A1, False), ("requeue", "c", [A1]), *crash(), census())

    def test_a_transient_message_may_go_but_not_stay(self):
        self.passes(*publish(A1, persistent=False), *crash(), census())
        self.fails("transient", *publish(A1, persistent=False), *crash(), census(A1))

    def test_a_purged_message_may_go(self):
        self.passes(*publish(A1), ("purge-begin", "a"), ("purge-end", "a"), *crash(), census())

    def test_a_message_published_after_a_purge_is_lost(self):
        self.fails("lost", ("purge-begin", "a"), ("purge-end", "a"), *publish(A1), *crash(), census())

    # Settled

    def acked(self, key=A1):
        return [*publish(key), ("deliver", "c", key, False), ("settle", "c", [key])]

    def test_an_acked_message_may_go_or_come_back(self):
        self.passes(*self.acked(), *crash(), census())
        self.passes(*self.acked(), *crash(), census(A1))
        self.passes(*self.acked(), ("handled", "c"), *crash(), census(A1))

    def test_an_acked_message_that_came_back_must_stay(self):
        self.fails("lost", *self.acked(), *crash(), census(A1), *crash(), census())

    def test_an_ack_on_disk_is_final(self):
        self.passes(*self.acked(), ("handled", "c"), *barrier(), *crash(), census())
        self.fails("came back", *self.acked(), ("handled", "c"), *barrier(), *crash(), census(A1))
        self.fails("came back", *self.acked(), ("handled", "c"), *barrier(), *crash(), ("deliver", "d", A1, True))

    def test_a_barrier_that_began_before_proves_nothing(self):
        self.passes(("barrier-begin", 1), *self.acked(), ("handled", "c"), ("barrier-end", 1), *crash(), census(A1))

    def test_an_ack_that_nobody_answered_for_proves_nothing(self):
        self.passes(*self.acked(), *barrier(), *crash(), census(A1))

    def test_a_clean_end_makes_acks_final(self):
        self.fails("came back", *self.acked(), ("handled", "c"), ("stopped",), ("start",), census(A1))

    def test_what_was_gone_stays_gone(self):
        self.fails("came back", *self.acked(), *crash(), census(), *crash(), census(A1))

    def test_what_was_deleted_stays_gone(self):
        deleted = [*publish(A1), ("delete-begin", "a"), ("delete-end", "a")]
        self.passes(*deleted, *crash(), census())
        self.fails("came back", *deleted, *crash(), census(A1))

    def test_a_deletion_without_its_reply_is_open(self):
        begun = [*publish(A1), ("delete-begin", "a")]
        self.passes(*begun, *crash(), census())
        self.passes(*begun, *crash(), census(A1))

    def test_what_is_published_before_the_reply_is_open_too(self):
        for kind in ("purge", "delete"):
            self.passes((f"{kind}-begin", "a"), *publish(A1), *crash(), census())
            self.passes((f"{kind}-begin", "a"), *publish(A1), (f"{kind}-end", "a"), *crash(), census())
            self.fails("lost", (f"{kind}-begin", "a"), (f"{kind}-end", "a"), *publish(A1), *crash(), census())

    # Dead letters: those of queue d and, whose messages expire, of e go to g

    D1, OF_D1 = ("d", "p", 1), ("g", "p", 1)
    E1, OF_E1 = ("e", "p", 1), ("g", "p", 1)

    def rejected(self, **how):
        return [*publish(self.D1, **how), ("deliver", "c", self.D1, False), ("reject", "c", [self.D1]), ("handled", "c")]

    def both(self, *in_d, of_d=(), **how):
        return [census(*in_d, queue="d", **how), census(*of_d, queue="g", **how)]

    def test_a_letter_is_in_its_queue_or_the_other(self):
        self.passes(*self.rejected(), *crash(), *self.both(self.D1))
        self.passes(*self.rejected(), *crash(), *self.both(of_d=[self.OF_D1]))
        self.passes(*self.rejected(), *crash(), *self.both(self.D1, of_d=[self.OF_D1]))
        self.passes(*self.rejected(), ("deliver", "x", self.OF_D1, False), ("settle", "x", [self.OF_D1]), *crash(),
                    *self.both())

    def test_a_lost_letter(self):
        self.fails("lost", *self.rejected(), *crash(), *self.both())
        self.fails("lost", *self.rejected(), ("stopped",), ("start",), *self.both())
        self.fails("lost", *self.rejected(), *crash(), *self.both(of_d=[self.OF_D1]), *crash(), *self.both())
        self.fails("lost", *self.rejected(), *crash(), *self.both(self.D1), *crash(), *self.both())
        self.fails("lost", *self.rejected(), ("deliver", "x", self.OF_D1, False), *crash(), *self.both())
        self.fails("lost", *publish(self.E1), *crash(), census(queue="e"), census(queue="g"))

    def test_a_message_that_vanished_before_it_was_rejected(self):
        self.fails("lost", *publish(self.D1), *crash(), *self.both())

    def test_letters_that_nobody_was_promised(self):
        self.passes(*self.rejected(confirmed=False), *crash(), *self.both())
        self.passes(*self.rejected(persistent=False), *crash(), *self.both())
        self.fails("transient", *self.rejected(persistent=False), *crash(), *self.both(of_d=[self.OF_D1]))
        self.fails("phantom", *publish(self.D1, confirmed=False), ("unrouted", "p", 1), *crash(),
                   *self.both(of_d=[self.OF_D1]))

    def test_an_acked_message_leaves_no_letter(self):
        acked = [*publish(self.D1), ("deliver", "c", self.D1, False), ("settle", "c", [self.D1])]
        self.passes(*acked, *crash(), *self.both())
        self.fails("phantom", *acked, *crash(), *self.both(of_d=[self.OF_D1]))

    def test_a_message_that_expires_needs_no_reason(self):
        self.passes(*publish(self.E1), *crash(), census(queue="e"), census(self.OF_E1, queue="g"))
        self.fails("phantom", *publish(self.D1), *crash(), *self.both(of_d=[self.OF_D1]))

    def test_a_letter_is_doubled_by_a_crash_only(self):
        again = [("deliver", "c", self.D1, True), ("reject", "c", [self.D1])]
        self.passes(*self.rejected(), *crash(), *self.both(self.D1, of_d=[self.OF_D1]), *again, *crash(),
                    *self.both(of_d=[self.OF_D1, self.OF_D1]))
        self.fails("twice", *self.rejected(), *again[:1])
        self.fails("twice", *self.rejected(), ("deliver", "x", self.OF_D1, False), ("deliver", "y", self.OF_D1, True))

    def test_a_rejection_before_an_end_in_order_is_final(self):
        self.fails("came back", *self.rejected(), ("stopped",), ("start",), *self.both(self.D1, of_d=[self.OF_D1]))

    def test_letters_come_in_any_order(self):
        keys = [("d", "p", 1), ("d", "p", 2)]
        letters = [("g", "p", 2), ("g", "p", 1)]
        rejected = [("deliver", "c", key, False) for key in keys] + [("reject", "c", [key]) for key in reversed(keys)]
        self.passes(*publish(*keys), *rejected, *(("deliver", "x", key, False) for key in letters))

    # Twice

    def test_delivered_again_after_its_ack(self):
        self.fails("twice", *self.acked(), ("deliver", "d", A1, True))

    def test_delivered_to_two_at_once(self):
        self.fails("twice", *publish(A1), ("deliver", "c", A1, False), ("deliver", "d", A1, True))

    def test_delivered_again_after_its_holder_went(self):
        self.passes(*publish(A1), ("deliver", "c", A1, False), ("gone", "c"), ("deliver", "d", A1, True))

    def test_an_ack_of_a_dropped_connection_may_not_have_come(self):
        self.passes(*self.acked(), ("gone", "c"), ("deliver", "d", A1, True))

    def test_connections_that_end_with_the_broker_give_back(self):
        taken = [*publish(A1), ("deliver", "c", A1, False), ("stopping",)]
        self.passes(*taken, ("deliver", "d", A1, True))
        self.passes(*taken, ("settle", "c", [A1]), ("deliver", "d", A1, True))
        self.passes(*publish(A1), ("stopping",), ("deliver", "d", A1, True), ("deliver", "c", A1, False))
        self.fails("twice", *taken, ("settle", "c", [A1]), ("handled", "c"), ("deliver", "d", A1, True))

    def test_twice_in_a_queue(self):
        self.assertIn("twice", self.judge(*publish(A1), *crash(), census(A1, A1)))

    # Order, flags, phantoms

    def test_a_queue_out_of_order(self):
        self.fails("order", *publish(A1, A2, A3), *crash(), census(A2, A1, A3))

    def test_publishers_have_each_their_own_order(self):
        other = ("a", "q", 1)
        self.passes(*publish(A1, A2, other), *crash(), census(A1, other, A2))

    def test_first_deliveries_out_of_order(self):
        self.fails("order", *publish(A1, A2), ("deliver", "c", A2, False), ("deliver", "c", A1, False))

    def test_redeliveries_may_come_late(self):
        self.passes(*publish(A1, A2), ("deliver", "c", A1, False), ("requeue", "c", [A1]),
                    ("deliver", "c", A2, False), ("deliver", "c", A1, True))

    def test_a_redelivery_without_its_flag(self):
        self.fails("flag", *publish(A1), ("deliver", "c", A1, False), ("requeue", "c", [A1]),
                   ("deliver", "d", A1, False))
        self.fails("flag", *publish(A1), *crash(), census(A1, redelivered=False))

    def test_what_was_never_published(self):
        self.fails("phantom", *crash(), census(A1))
        self.fails("phantom", ("census", "a", [(None, False)]))

    def test_what_was_returned_or_rolled_back(self):
        self.fails("phantom", *publish(A1, confirmed=False), ("unrouted", "p", 1), *crash(), census(A1))
        self.fails("phantom", *publish(A1, confirmed=False), ("rolled-back", [A1]), ("deliver", "c", A1, False))


if __name__ == "__main__":
    unittest.main()

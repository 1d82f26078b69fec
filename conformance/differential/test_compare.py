"""Tests of the comparison and the codec themselves; they need no broker.

    python3 -m unittest discover conformance/differential
"""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import allowed
import run
import trace
import wire

DECIDED = [allowed.Allowed("a/*", 'code=503 text="x [1]*"', "code=406 *", "why")]


def compare(left, right, decided=(), check_stale=False):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        counts = run.compare({"a/b": (left, right)}, list(decided), check_stale)
    return counts, printed.getvalue()


class Compare(unittest.TestCase):
    def test_equal_traces_pass(self):
        self.assertEqual(compare(["1", "2"], ["1", "2"])[0], (1, 0))

    def test_a_difference_fails_and_is_shown(self):
        counts, printed = compare(["1", "2"], ["1", "3"])
        self.assertEqual(counts, (0, 1))
        self.assertIn("-2", printed)
        self.assertIn("+3", printed)

    def test_a_missing_line_fails(self):
        self.assertEqual(compare(["1", "2"], ["1"])[0], (0, 1))

    def test_a_decided_difference_passes(self):
        left = ["1", 'code=503 text="x [1] and more"']
        self.assertEqual(compare(left, ["1", "code=406 y"], DECIDED, True)[0], (1, 0))

    def test_a_decided_difference_hides_no_other(self):
        left = ["1", 'code=503 text="x [1]"']
        self.assertEqual(compare(left, ["1", "code=407 y"], DECIDED)[0], (0, 1))

    def test_a_star_does_not_reach_over_lines(self):
        left = ['code=503 text="x [1]"', "more"]
        self.assertEqual(compare(left, ["code=406 y"], DECIDED)[0], (0, 1))

    def test_a_decided_difference_that_is_gone_is_stale(self):
        counts, printed = compare(["1"], ["1"], DECIDED, True)
        self.assertEqual(counts, (1, 1))
        self.assertIn("stale", printed)

    def test_the_page_is_made_from_the_list(self):
        self.assertEqual(allowed.PAGE.read_text(), allowed.page(allowed.load()))


class Trace(unittest.TestCase):
    def test_random_names_are_made_equal(self):
        written = trace.Trace("dx1.")
        written.add('queue="amq.gen-Ab_9-xyzXYZ" consumer-tag="amq.ctag-1" name="dx1.q" x-death=[{time=T:17}]')
        self.assertEqual(written.lines, ['queue="amq.gen-*" consumer-tag="amq.ctag-*" name="~q" x-death=[{time=T:*}]'])

    def test_ranges(self):
        self.assertEqual(trace.show_range({5, 1, 2, 3}), "1-3,5")
        self.assertEqual(trace.show_range(set()), "none")


class Codec(unittest.TestCase):
    def test_methods_come_back_as_they_went(self):
        for _, _, name, fields in wire.BY_ID.values():
            kinds = {"bit": 1, "octet": 7, "short": 300, "long": 70000, "longlong": 2**40, "shortstr": "s",
                     "longstr": b"long", "table": {"k": wire.Typed("I", 1)}}
            values = {field: kinds[kind] for field, kind in fields}
            self.assertEqual(wire.decode_method(wire.method_payload(name, values)), (name, values))

    def test_every_field_type_comes_back(self):
        table = {"t": True, "b": wire.Typed("b", -1), "B": wire.Typed("B", 255), "s": wire.Typed("s", -2),
                 "u": wire.Typed("u", 65535), "I": -3, "i": wire.Typed("i", 2**32 - 1), "l": -2**40,
                 "f": wire.Typed("f", 0.5), "d": 2.5, "D": wire.Typed("D", (1, 5)), "S": "text",
                 "x": wire.Typed("x", b"\0"), "T": wire.Typed("T", 9), "V": None, "A": [1, ["x"]], "F": {"in": {}}}
        expected = {key: wire.typed(value) for key, value in table.items()}
        self.assertEqual(wire.Reader(wire.encode_table(table)).table(), expected)

    def test_properties_come_back(self):
        properties = {"content-type": "a", "headers": {"k": wire.Typed("t", False)}, "priority": 3, "timestamp": 5}
        self.assertEqual(wire.decode_header(wire.header_payload(9, properties)), (60, 9, properties))

    def test_types_count_in_a_table(self):
        self.assertNotEqual(repr(wire.typed({"a": 1})), repr(wire.typed({"a": wire.Typed("l", 1)})))
        self.assertNotEqual(repr(wire.typed({"a": "1"})), repr(wire.typed({"a": wire.Typed("x", b"1")})))


if __name__ == "__main__":
    unittest.main()

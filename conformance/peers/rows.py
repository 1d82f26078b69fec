"""What brokers are compared by: the rows of the budget, and rows that grow.

A row is a name, the options of `warren bench` that make its load, and what it is judged by: `cpu` (the broker's CPU a
message), `rate` (messages a second) or `latency`.
"""

PERSISTENT = ["--persistent", "--durable"]


def row(name, options, by="cpu", group="budget"):
    return {"name": name, "options": [str(option) for option in options], "by": by, "group": group}


BUDGET = [
    row("16 B, no ack", ["--size", 16, "--ack", "none"]),
    row("16 B, ack each", ["--size", 16, "--ack", "each"]),
    row("1 KiB, no ack", ["--size", 1024, "--ack", "none"]),
    row("1 KiB, ack each", ["--size", 1024, "--ack", "each"]),
    row("16 KiB, ack each", ["--size", 16384, "--ack", "each"]),
    row("16 B persistent, 1,000 unconfirmed, consumed", [*PERSISTENT, "--size", 16, "--confirm", 1000]),
    row("1 KiB persistent, 1,000 unconfirmed, consumed", [*PERSISTENT, "--size", 1024, "--confirm", 1000]),
    row("1 KiB persistent, 1,000 unconfirmed, no consumer",
        [*PERSISTENT, "--size", 1024, "--confirm", 1000, "--no-consumer"]),
    row("1 KiB persistent, 1 unconfirmed", [*PERSISTENT, "--size", 1024, "--confirm", 1, "--no-consumer"], "rate"),
    row("16 B at 2,000/s", ["--size", 16, "--ack", "none", "--rate", 2000], "latency"),
]


def growth(full):
    """Rows in which one number grows; `full` goes to the ends that take minutes and gigabytes."""
    def up_to(most, full_most, steps):
        return [step for step in steps if step <= (full_most if full else most)]

    rows = []
    for count in up_to(100, 1000, [1, 10, 100, 1000]):
        # Half of the connections publish and half consume, each pair on a queue of its own.
        pairs = max(1, count // 2)
        # The window bounds what waits in the sockets of a broker that reads slower than its clients write.
        rows.append(row(f"{2 * pairs} connections, 1,000 unconfirmed each",
                        ["--producers", pairs, "--consumers", pairs, "--queues", pairs, "--confirm", 1000],
                        group="connections"))
    for count in up_to(1000, 10_000, [1, 10, 100, 1000, 10_000]):
        rows.append(row(f"{count} queues", ["--queues", count, "--consumers", min(count, 10), "--exchange",
                                            "direct:peers-queues", "--key", "q{n}", "--key-count", count,
                                            "--binding-key", "q{n}"], group="queues"))
    for count in up_to(1000, 1_000_000, [10, 100, 1000, 10_000, 100_000, 1_000_000]):
        rows.append(row(f"{count} bindings of a topic exchange",
                        ["--exchange", "topic:peers-topic", "--key", "orders.{n}.paid", "--key-count", count,
                         "--binding-key", "orders.{n}.*"], group="bindings"))
    for count in up_to(100, 1000, [1, 10, 100, 1000]):
        rows.append(row(f"fan-out to {count} queues",
                        ["--exchange", "fanout:peers-fanout", "--queues", count, "--consumers", min(count, 10),
                         "--rate", 200_000 // count], group="fan-out"))
    for count in up_to(1_000_000, 10_000_000, [0, 100_000, 1_000_000, 10_000_000]):
        # A broker may hold its publisher while it writes what it has no memory for.
        waiting = ["--size", 100, "--no-consumer", "--messages", count, "--patience-s", 300]
        options = waiting if count else ["--size", 100]
        rows.append(row(f"backlog of {count}", options, group="backlog"))
    for size in [0, 100, 10_000, 100_000, 1_000_000, 16 * 1024 * 1024]:
        window = ["--prefetch", max(1, min(1000, 50_000_000 // max(size, 1)))]
        rows.append(row(f"bodies of {size} B", ["--size", size, *window], group="bodies"))
    return rows

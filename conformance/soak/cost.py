"""What doing nothing costs: memory of the broker for each idle connection with one channel, and for each idle queue.

usage: cost --warren PATH [--count N]

A new broker for each kind, so that none lives on what another left. The first hundred are not counted: they pay for what
the broker makes once. The exit code is 1 where one costs more than it may.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import idle
from run import SPARE_DESCRIPTORS, Broker
from link import Link

FIRST = 100
# In KiB.
MOST_A_CONNECTION, MOST_A_QUEUE = 20, 2
MEMORY_LIMIT_BYTES = 1 << 30


def connections(broker, numbers):
    return idle.open_many(broker.address, len(numbers))


def queues(durable):
    def declare(broker, numbers):
        link = Link(broker.address)
        for number in numbers:
            link.method("queue.declare", queue=f"idle.{number}", durable=durable, **{"no-wait": True})
            if number % 500 == 0:
                link.call("queue.declare", queue=f"idle.{number}", durable=durable)
        link.call("queue.declare", queue=f"idle.{numbers[-1]}", durable=durable)
        return [link]
    return declare


KINDS = {
    "connection with one channel": (connections, MOST_A_CONNECTION),
    "transient queue": (queues(False), MOST_A_QUEUE),
    "durable queue": (queues(True), MOST_A_QUEUE),
}


def settled(broker):
    """Memory once it has stood still for a second."""
    samples = [broker.memory()]
    while len(samples) < 4 or max(samples[-4:]) - min(samples[-4:]) > 64 << 10:
        time.sleep(0.3)
        samples.append(broker.memory())
    return samples[-1]


def cost(program, make, count):
    """KiB for each of `count` things."""
    with tempfile.TemporaryDirectory(prefix="warren-cost-") as folder:
        broker = Broker(program, Path(folder), MEMORY_LIMIT_BYTES)
        try:
            kept = make(broker, range(FIRST))
            before = settled(broker)
            kept += make(broker, range(FIRST, FIRST + count))
            return (settled(broker) - before) / count / 1024
        finally:
            broker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warren", required=True)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    failed = False
    for name, (make, limit) in KINDS.items():
        count = options.count
        if make is connections and most != resource.RLIM_INFINITY:
            count = min(count, most - SPARE_DESCRIPTORS)
        each = cost(options.warren, make, count)
        failed |= each > limit
        print(f"{name}: {each:.2f} KiB each of {count}, at most {limit} KiB{' FAILED' * (each > limit)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

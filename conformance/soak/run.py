"""A long load of everything at once: nothing may be lost, and nothing may be left.

usage: run --warren PATH [--duration-s N] [--connections N] [--queues N] [--seed N]

Two cycles of the same load against one broker, each half of --duration-s:
idle connections and queues by the thousand, lanes of every kind of queue
with publishers and consumers that come and go, slow readers, clients that
are killed, queues declared and left. After each cycle everything is drained
and closed. Then

- for every lane what was confirmed is what was consumed, waited, expired,
  was dropped for a limit or rejected, each message counted;
- the broker has no connection, channel, consumer or queue left over, and as
  many descriptors as before;
- its memory after the second cycle is where it was after the first, and was
  never over the limit that it was given.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crash"))
sys.path.insert(0, str(HERE))

import idle  # noqa: E402
from lanes import KINDS, Churner, Consumer, Lane, Publisher, SlowReader  # noqa: E402
from link import Link  # noqa: E402

LANES_A_KIND = 2
# Descriptors for what is no idle connection.
SPARE_DESCRIPTORS = 500
SETTLE_S = 60
# Of the second cycle against the first: what an allocator keeps differs a little each time.
GROWTH_ALLOWED, GROWTH_ALLOWED_BYTES = 1.15, 16 << 20


class Broker:
    def __init__(self, program, folder, memory_limit):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        environment |= {
            "WARREN_LIMITS__CONNECTIONS_MAX": "100000",
            "WARREN_LIMITS__CONNECTIONS_PER_ADDRESS": "100000",
            "WARREN_STORE__MEMORY_LIMIT": str(memory_limit),
            "WARREN_LOG__LEVEL": "error",
        }
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir", str(folder / "data")],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        words = dict(word.split("=", 1) for word in self.process.stdout.readline().split() if "=" in word)
        if "amqp" not in words:
            raise SystemExit(f"soak: the broker did not start; see {folder / 'log'}")
        host, _, port = words["amqp"].rpartition(":")
        self.address, self.http = (host, int(port)), words["http"]

    def memory(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith(what))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def ask(self, path):
        request = urllib.request.Request(f"http://{self.http}/api/{path}")
        request.add_header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def objects(self):
        totals = self.ask("overview")["object_totals"]
        return {name: totals[name] for name in ("connections", "channels", "consumers", "queues")}

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)


def declare_queues(link, count):
    """Every tenth is durable; requests go out in batches."""
    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        for number in numbers:
            link.method("queue.declare", queue=f"soak.idle.{number}", durable=number % 10 == 0, **{"no-wait": True})
        link.call("queue.declare", queue=f"soak.idle.{start}", durable=True)


def delete_queues(link, lanes, count):
    for number in range(count):
        link.method("queue.delete", queue=f"soak.idle.{number}", **{"no-wait": True})
    for lane in lanes:
        for queue in [lane.queue] + [lane.dead_queue] * lane.has_dead:
            link.call("queue.delete", queue=queue)


def clients(seed, broker, until, lanes):
    made = []
    for lane in lanes:
        for name, kind in (("p1", Publisher), ("p2", Publisher), ("c1", Consumer), ("c2", Consumer)):
            made.append(kind(f"{name}.{lane.queue}", seed, broker.address, until, lane))
    made.append(SlowReader("slow.1", seed, broker.address, until, lanes[0]))
    made.append(SlowReader("slow.2", seed, broker.address, until, lanes[1]))
    made += [Churner(f"churn.{number}", seed, broker.address, until) for number in range(4)]
    return made


def cycle(broker, options, number, duration_s):
    """One load from nothing to nothing; gives what was wrong."""
    until = threading.Event()
    lanes = [Lane(kind, index) for kind in KINDS for index in range(LANES_A_KIND)]
    operator = Link(broker.address)
    for lane in lanes:
        lane.declare(operator)
    began = time.monotonic()
    declare_queues(operator, options.queues)
    quiet = idle.open_many(broker.address, options.connections)
    print(f"cycle {number}: {options.queues} queues and {len(quiet)} idle connections after "
          f"{time.monotonic() - began:.1f} s, memory {broker.memory() >> 20} MiB", flush=True)
    working = clients(f"{options.seed}/{number}", broker, until, lanes)
    for client in working:
        client.start()
    time.sleep(duration_s)
    until.set()
    for client in working:
        client.join(120)
    problems = [client.failure for client in working if client.failure]
    problems += [f"{client.name} hangs" for client in working if client.is_alive()]
    print(f"cycle {number}: {sum(client.stints for client in working)} connections came and went, "
          f"memory {broker.memory() >> 20} MiB", flush=True)
    for connection in quiet:
        connection.close()
    # What they held unacked comes back when the broker has seen that they are gone.
    wait_for(lambda: broker.objects()["connections"] <= 1)
    # Twice: what expires during the first round is found in the second.
    for _ in range(2):
        for lane in lanes:
            lane.drain(operator)
    for lane in lanes:
        print("  " + lane.ledger.line())
        problems += lane.ledger.faults()
    delete_queues(operator, lanes, options.queues)
    operator.call("connection.close", 0, **{"reply-code": 200, "reply-text": ""})
    operator.drop()
    return problems


def wait_for(condition):
    """Whether it came true in time."""
    deadline = time.monotonic() + SETTLE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def leftovers(broker, descriptors):
    """What the broker holds that it did not hold before anybody came."""
    left = [f"{count} {name} are left" for name, count in broker.objects().items() if count]
    extra = broker.descriptors() - descriptors
    # The HTTP connection that asks has one.
    return left + ([f"{extra} descriptors are left"] if extra > 2 else [])


def lowest_memory(broker):
    """An allocator gives pages back some time after they were freed."""
    samples = []
    for _ in range(20):
        samples.append(broker.memory())
        time.sleep(0.5)
    return min(samples)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warren", required=True)
    parser.add_argument("--duration-s", type=int, default=120)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--queues", type=int, default=10_000)
    parser.add_argument("--memory-limit-bytes", type=int, default=1 << 30)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and options.connections > most - SPARE_DESCRIPTORS:
        options.connections = most - SPARE_DESCRIPTORS
        print(f"only {options.connections} idle connections: a process may have {most} descriptors here")
    return options


def main():
    options = arguments()
    print(f"seed {options.seed}", flush=True)
    problems, memory = [], []
    with tempfile.TemporaryDirectory(prefix="warren-soak-") as folder:
        broker = Broker(options.warren, Path(folder), options.memory_limit_bytes)
        try:
            start, descriptors = broker.memory(), broker.descriptors()
            for number in (1, 2):
                problems += cycle(broker, options, number, options.duration_s / 2)
                wait_for(lambda: not leftovers(broker, descriptors))
                problems += leftovers(broker, descriptors)
                memory.append(lowest_memory(broker))
            peak = broker.memory("VmHWM")
            print(f"memory: {start >> 20} MiB at the start, {memory[0] >> 20} and {memory[1] >> 20} MiB after the "
                  f"cycles, {peak >> 20} MiB at most")
            if memory[1] > memory[0] * GROWTH_ALLOWED + GROWTH_ALLOWED_BYTES:
                problems.append(f"memory grew from {memory[0]} to {memory[1]} bytes between the cycles")
            if peak > options.memory_limit_bytes:
                problems.append(f"memory was {peak} bytes, over the limit of {options.memory_limit_bytes}")
        finally:
            code = broker.stop()
        if code != 0:
            problems.append(f"the broker ended with code {code}")
    for problem in problems:
        print(f"FAILED: {problem}")
    if problems:
        print(f"again: conformance/soak/run --seed {options.seed} --duration-s {options.duration_s}")
    print("failed" if problems else "passed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

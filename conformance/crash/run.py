"""Kills the broker under load, starts it again on the same folder, and checks what it kept.

A round: start; take a census of every queue; load from publishers, consumers, getters, transactions, purges and
deletions; SIGKILL after a drawn number of events (one round in six: SIGTERM). Now and then a start is killed as well.
The seed draws each client's operations and the moment, counted in events; how threads interleave is the machine's.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import load
from checker import Checker
from history import History
from link import Link, Lost, read_body
from power import Power
from process import DidNotStart, Process

# Above this many a census acks some, so that 200 rounds don't grow without end.
BACKLOG = 1500
CENSUS_TIMEOUT_S = 60
ROUND_TIMEOUT_S = 60


def arguments():
    parser = argparse.ArgumentParser(prog="conformance/crash/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warren", default=str(HERE.parent.parent / "target/debug/warren"), metavar="PROGRAM")
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=None, help="what a failed run has printed")
    parser.add_argument("--engine", choices=["log", "sled"], default="log")
    parser.add_argument("--sync", choices=["always", "interval", "never"], default="always")
    parser.add_argument("--power", action="store_true",
                        help="with every end the power fails: what was not synced is lost (Linux and a C compiler)")
    parser.add_argument("--keep", action="store_true", help="keep the data folder of a failed run, and name it")
    return parser.parse_args()


class Run:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        power = Power(folder / "data", folder) if options.power else None
        self.process = Process(Path(options.warren).resolve(), folder, options.engine, options.sync, power,
                               options.seed)
        self.history, self.checker = History(), Checker(load.LETTERS, {"fading"})
        self.problems = []
        self.is_new = True

    def start(self, draw):
        """Starts the broker, now and then after starts that are killed."""
        while draw.random() < 0.15:
            self.process.launch()
            time.sleep(draw.random() * 0.2)
            self.process.kill()
        self.address = self.process.start()
        self.history.note("start")
        if self.is_new:
            link = Link(self.address)
            load.declare_all(link)
            link.drop()
            self.is_new = False

    def fade(self):
        """Waits until the queue whose messages expire has none; where they went is in another's census."""
        link, deadline = Link(self.address), time.monotonic() + CENSUS_TIMEOUT_S
        while link.call("queue.declare", queue="fading", passive=True)[1]["message-count"]:
            if time.monotonic() > deadline:
                self.problems.append("stuck: messages in fading do not expire")
                break
            time.sleep(0.005)
        link.drop()
        self.history.note("census", "fading", [])

    def census(self, queue, draw=None, drain=False):
        """All that a queue holds, in order; then it goes back, but for what is acked."""
        if queue == "fading":
            return self.fade()
        link = Link(self.address)
        try:
            _, declared, _ = link.call("queue.declare", queue=queue, passive=True)
        except Lost:
            if queue != "churn":
                raise
            # Killed between delete and declare.
            link.drop()
            link = Link(self.address)
            load.declare(link, queue)
            declared = {"message-count": 0}
        items, tags = [], []
        link.call("basic.consume", queue=queue)
        while len(items) < declared["message-count"]:
            heard = link.take(CENSUS_TIMEOUT_S)
            if not heard:
                self.problems.append(f"stuck: {queue} delivered {len(items)} of {declared['message-count']} messages")
                break
            for _, fields, body in heard:
                message = read_body(body)
                items.append(((queue, *message) if message else None, bool(fields["redelivered"])))
                tags.append(fields["delivery-tag"])
        link.call("basic.qos")
        extra = len(link.take(0.0001))
        if extra:
            self.problems.append(f"miscounted: {queue} delivered {extra} more than the {declared['message-count']}"
                                 " that declare-ok counted")
        self.history.note("census", queue, items)
        count = len(items) if drain else draw.randrange(len(items)) if len(items) > BACKLOG else 0
        if count:
            self.history.note("settle", "census", [key for key, _ in items[:count]])
            link.method("basic.ack", multiple=True, **{"delivery-tag": tags[count - 1]})
            link.call("basic.qos")
            self.history.note("handled", "census")
        link.call("channel.close", **{"reply-code": 200})
        link.drop()

    def round(self, number):
        draw = random.Random(f"{self.options.seed}/{number}")
        self.start(draw)
        for queue in load.ALL_QUEUES:
            self.census(queue, draw)
        self.judge()
        until = threading.Event()
        clients = load.clients(number, self.options.seed, self.address, self.history, until)
        upto = len(self.history) + draw.randrange(50, 6000)
        for client in clients:
            client.start()
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while len(self.history) < upto and time.monotonic() < deadline:
            if not self.process.alive():
                self.problems.append("the broker ended by itself")
                break
            time.sleep(0.001)
        in_order = draw.random() < 1 / 6
        self.end(in_order, until)
        for client in clients:
            client.join(90)
        self.problems += [client.failure for client in clients if client.failure]
        self.problems += [f"{client.name} hangs" for client in clients if client.is_alive()]
        self.history.note("stopped" if in_order else "killed")
        self.judge()
        return ("SIGTERM" if in_order else "SIGKILL") + self.process.lost

    def end(self, in_order, until):
        # Whatever is heard from here on counts still; but being thrown out is no fault any more.
        if in_order:
            until.set()
            self.history.note("stopping")
            self.process.stop()
        else:
            self.process.kill()
            until.set()

    def judge(self):
        self.checker.feed(self.history.take())
        self.problems += self.checker.violations
        self.checker.violations = []

    def last(self):
        """Everything is consumed; after an end in order nothing may be there."""
        self.start(random.Random(0))
        for queue in load.ALL_QUEUES:
            self.census(queue, drain=True)
        self.process.stop()
        self.history.note("stopped")
        self.start(random.Random(0))
        for queue in load.ALL_QUEUES:
            self.census(queue, drain=True)
        self.process.stop()
        self.history.note("stopped")
        self.judge()


def attempt(run, name, work):
    """Runs one round; prints and counts what is wrong with it."""
    began, before = time.monotonic(), len(run.history)
    try:
        end = work()
    except (DidNotStart, Lost) as error:
        run.problems.append(f"{type(error).__name__}: {error}")
        end = "nothing"
        if run.process.alive():
            run.process.kill()
    problems, run.problems = run.problems, []
    print(f"{name}: {len(run.history) - before} events, ended by {end}, {time.monotonic() - began:.1f} s"
          + (" FAILED" if problems else ""), flush=True)
    for problem in problems[:20]:
        print(f"    {problem}")
    if len(problems) > 20:
        print(f"    and {len(problems) - 20} more")
    return not problems


def main():
    options = arguments()
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    if not Path(options.warren).exists():
        raise SystemExit(f"there is no {options.warren}: cargo build")
    print(f"seed {options.seed}, {options.rounds} rounds, engine {options.engine}, sync {options.sync}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="warren-crash-"))
    run = Run(options, folder)
    passed = failed = 0
    try:
        for number in range(options.rounds):
            good = attempt(run, f"round {number}", lambda: run.round(number))
            passed, failed = passed + good, failed + (not good)
        good = attempt(run, "the end", lambda: run.last() or "SIGTERM")
        passed, failed = passed + good, failed + (not good)
    finally:
        if run.process.alive():
            run.process.kill()
        if options.keep and failed:
            print(f"the data folder is {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{count} {what}" for what, count in run.checker.counts.items()))
    if failed:
        print(f"again: conformance/crash/run --seed {options.seed} --rounds {options.rounds} "
              f"--engine {options.engine} --sync {options.sync}{' --power' if options.power else ''}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

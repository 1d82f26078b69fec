"""Churn: a backlog that grows and shrinks for a long time, and what it occupies on disk meanwhile.

One queue gets persistent messages of 200 bytes to 120 kB, each confirmed, and is consumed again, between a tenth of the
backlog and all of it; a second queue gets one message in a while that stays to the end. The disk may hold at most three
times the live bytes and one segment. At the end everything is consumed: under 64 MiB may be left, nothing may be found
by a check or by another start.
"""

import argparse
import itertools
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crash"))
sys.path.insert(0, str(HERE.parent / "differential"))

import wire
from link import Link
from process import Process

SIZES = [200, 1000, 1000, 4000, 16000, 64000, 120000]
LEFT_BYTES = 64 << 20
# So many bytes may be published and not confirmed.
OPEN_BYTES = 32 << 20
# Settlements take effect a moment after they were sent.
LAG_S = 3


def arguments():
    parser = argparse.ArgumentParser(prog="conformance/churn/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warren", default=str(HERE.parent.parent / "target/debug/warren"), metavar="PROGRAM")
    parser.add_argument("--total-bytes", type=int, default=500_000_000, metavar="N",
                        help="bytes of bodies to be published (default %(default)s; a day's worth: 100000000000)")
    parser.add_argument("--backlog-bytes", type=int, default=50_000_000, metavar="N",
                        help="bytes that wait at most (default %(default)s; to the day's worth: 1000000000)")
    parser.add_argument("--segment-bytes", type=int, default=4 << 20, metavar="N",
                        help="store.segment_bytes (default %(default)s; the broker's own default: 67108864)")
    parser.add_argument("--engine", choices=["log", "sled"], default="log",
                        help="sled's space while much is live is only reported: it is sled's own affair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", default=None, metavar="DIR", help="where the data folder is made")
    return parser.parse_args()


def publish_frames(queue, size):
    """A persistent publish of `size` bytes through the default exchange."""
    fields = {"exchange": "", "routing-key": queue}
    data = wire.frame(wire.FRAME_METHOD, 1, wire.method_payload("basic.publish", fields))
    data += wire.frame(wire.FRAME_HEADER, 1, wire.header_payload(size, {"delivery-mode": 2}))
    return data + wire.frame(wire.FRAME_BODY, 1, random.Random(size).randbytes(size))


class Churn:
    def __init__(self, options, address, folder):
        self.options, self.address, self.folder = options, address, folder
        self.random = random.Random(options.seed)
        self.lock = threading.Lock()
        self.published = self.consumed = self.cold = 0
        self.draining = threading.Event()
        self.ended = threading.Event()
        self.failures = []
        self.recent, self.worst, self.peak = [], 0.0, 0

    def live(self):
        return self.published - self.consumed

    def guarded(self, work):
        def run():
            try:
                work()
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                self.ended.set()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def publish(self):
        link = Link(self.address)
        link.call("confirm.select")
        frames = {size: publish_frames("churn", size) for size in set(SIZES)}
        cold = publish_frames("cold", 100_000)
        sizes, tag, open_bytes, next_cold = {}, 0, 0, 0
        backlog, total = self.options.backlog_bytes, self.options.total_bytes
        full, low = backlog, 0
        while self.published < total and not self.ended.is_set():
            if self.live() >= full:
                low = self.random.randrange(backlog // 10, backlog // 2)
                full = self.random.randrange(max(low * 2, backlog // 3), backlog)
                self.draining.set()
                # Every other time the publisher rests until the backlog is down, and always while it is full.
                rest = low if self.random.random() < 0.5 else backlog
                while self.live() > rest and not self.ended.is_set():
                    time.sleep(0.002)
            if self.draining.is_set() and self.live() <= low:
                self.draining.clear()
            burst = []
            if self.published >= next_cold:
                burst, next_cold = [100_000], next_cold + total // 40
            burst += self.random.choices(SIZES, k=64)
            link.send(b"".join([cold] + [frames[size] for size in burst[1:]] if burst[0] == 100_000
                               else [frames[size] for size in burst]))
            with self.lock:
                self.published += sum(burst)
                self.cold += burst.count(100_000)
            for size in burst:
                tag += 1
                sizes[tag] = size
                open_bytes += size
            while open_bytes > OPEN_BYTES:
                open_bytes -= self.hear(link, sizes)
        while sizes and not self.ended.is_set():
            self.hear(link, sizes)
        self.draining.set()

    def hear(self, link, sizes):
        """Bytes that were confirmed."""
        heard = 0
        for name, fields, _ in link.take(60) or self.fail("no confirm within 60 s"):
            if name != "basic.ack":
                self.fail(f"{name} for a publish")
            upto = fields["delivery-tag"]
            # Tags are in order; `multiple` covers all from the first on.
            covered = [upto]
            if fields["multiple"]:
                covered = list(itertools.takewhile(lambda tag: tag <= upto, sizes))
            heard += sum(sizes.pop(tag) for tag in covered)
        return heard

    def fail(self, text):
        raise RuntimeError(text)

    def consume(self, queue, count=None):
        """Takes messages while the backlog is to shrink; with a count that many."""
        link = Link(self.address)
        link.call("basic.qos", **{"prefetch-count": 500})
        link.call("basic.consume", queue=queue)
        bytes_held, tag, taken = 0, 0, 0
        while not self.ended.is_set() and (count is None or taken < count):
            if count is None and not self.draining.is_set():
                time.sleep(0.002)
                continue
            for _, fields, body in link.take(0.05):
                tag = fields["delivery-tag"]
                taken += 1
                bytes_held += len(body)
            if bytes_held:
                link.method("basic.ack", multiple=True, **{"delivery-tag": tag})
                # Its reply says that the broker has handled what came before it.
                link.call("basic.qos", **{"prefetch-count": 500})
                with self.lock:
                    self.consumed += bytes_held
                bytes_held = 0
            elif count is None and self.published >= self.options.total_bytes \
                    and self.live() <= self.cold * 100_000:
                break
        link.call("basic.qos")
        link.drop()

    def occupied(self):
        """Bytes on disk of the data folder."""
        total = 0
        for path in self.folder.rglob("*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                pass
        return total

    def watch(self, text):
        """Compares the disk with what is live."""
        now, live = time.monotonic(), self.live()
        self.recent = [(at, bytes_) for at, bytes_ in self.recent if at > now - LAG_S] + [(now, live)]
        live, disk = max(bytes_ for _, bytes_ in self.recent), self.occupied()
        self.peak = max(self.peak, disk)
        if live > self.options.backlog_bytes // 3:
            self.worst = max(self.worst, disk / live)
        limit = 3 * live + self.options.segment_bytes
        if disk > limit and self.options.engine == "log":
            self.failures.append(f"{text}: {disk >> 20} MiB on disk for {live >> 20} MiB that are live")

    def run(self):
        link = Link(self.address)
        for queue in ["churn", "cold"]:
            link.call("queue.declare", queue=queue, durable=True)
        began, shown = time.monotonic(), 0
        threads = [self.guarded(self.publish), self.guarded(lambda: self.consume("churn"))]
        while any(thread.is_alive() for thread in threads) and not self.failures:
            # What is live rises and falls by tens of MB in a quarter of a second: its peaks must not be missed.
            for _ in range(25):
                time.sleep(0.01)
                self.recent.append((time.monotonic(), self.live()))
            self.watch(f"after {self.published / 1e9:.1f} GB")
            if self.published >= shown:
                shown += self.options.total_bytes // 20
                print(f"{self.published / 1e9:8.2f} GB written, {self.live() / 1e6:7.0f} MB live, "
                      f"{self.occupied() / 1e6:7.0f} MB on disk", flush=True)
        seconds = time.monotonic() - began
        if not self.failures:
            self.consume("cold", self.cold)
        self.ended.set()
        left, deadline = self.occupied(), time.monotonic() + 30
        while left >= LEFT_BYTES and time.monotonic() < deadline:
            time.sleep(0.1)
            left = self.occupied()
        if left >= LEFT_BYTES:
            self.failures.append(f"{left >> 20} MiB are left on disk when everything is consumed")
        print(f"{self.published / 1e9:.1f} GB in {seconds:.0f} s; on disk at most {self.peak / 1e6:.0f} MB, "
              f"{self.worst:.2f} times the live bytes with a third of the backlog or more; "
              f"{left / 1e6:.1f} MB when everything is consumed")


def check_empty(options, process, folder):
    """Nothing is left, to a check and to another start."""
    told = subprocess.run([options.warren, "store", "check", "--data-dir", str(folder / "data")],
                          capture_output=True, text=True, env=process.environment)
    problems = []
    if told.returncode != 0 or ", 0 messages" not in told.stdout:
        problems.append(f"warren store check: {told.stdout}{told.stderr}")
    began = time.monotonic()
    link = Link(process.start())
    print(f"started again in {time.monotonic() - began:.1f} s")
    for queue in ["churn", "cold"]:
        _, declared, _ = link.call("queue.declare", queue=queue, passive=True)
        if declared["message-count"]:
            problems.append(f"{declared['message-count']} messages in {queue} after another start")
    process.stop()
    return problems


def main():
    options = arguments()
    if not Path(options.warren).exists():
        raise SystemExit(f"there is no {options.warren}: cargo build")
    options.warren = str(Path(options.warren).resolve())
    folder = Path(tempfile.mkdtemp(prefix="warren-churn-", dir=options.folder))
    process = Process(options.warren, folder, options.engine, "always",
                      settings={"WARREN_STORE__SEGMENT_BYTES": str(options.segment_bytes)})
    try:
        churn = Churn(options, process.start(), folder / "data")
        churn.run()
        problems = churn.failures
        process.stop()
        problems = problems or check_empty(options, process, folder)
    finally:
        if process.alive():
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems[:10]:
        print(f"    {problem}")
    print("FAILED" if problems else "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

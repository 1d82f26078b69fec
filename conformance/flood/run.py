"""A flood of logins beside a running publisher: what it does to the publisher's p99 latency.

Usual and flooded runs take turns, so that a machine that is busy for a while is so for both. A run begins once the
broker is at rest: the last hashes of a flood are no part of what is usual. Each flooded run is compared with the usual
one before it. The exit code is 1 where the median of the flooded p99s is `--bound` times that of the usual ones or
more; the worst pair is told beside it.

The generator of the flood takes a part of the machine that no attacker would take. `--control` tells how much of the
difference is its own: runs of a third kind, beside the same flood against a program that closes every connection when
it has heard the login.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# A broker closes who has not logged in after ten seconds.
MOST_OPEN = 6_000
# A run begins when the broker hashes nothing and took no more than this of the processors from one look to the next.
REST_LOOK_S, REST_USES_S, REST_DEADLINE_S = 0.5, 0.02, 60
HEADER = b"AMQP\x00\x00\x09\x01"


def long_string(data):
    return struct.pack(">I", len(data)) + data


def start_ok(user, password):
    fields = long_string(b"") + b"\x05PLAIN" + long_string(b"\0" + user + b"\0" + password) + b"\x05en_US"
    payload = struct.pack(">HH", 10, 11) + fields
    return b"\x01\0\0" + struct.pack(">I", len(payload)) + payload + b"\xce"


class Flood(threading.Thread):
    """Begins `rate` logins a second with wrong passwords, from ever other addresses of this machine, and waits for none
    of them: each connection stays until the broker closes it."""

    def __init__(self, address, rate, spread):
        super().__init__(daemon=True)
        self.address, self.rate, self.spread = address, rate, spread
        self.begun = self.refused = self.failed = 0
        self.stopping = threading.Event()

    def run(self):
        selector, number, next_at = selectors.DefaultSelector(), 0, time.monotonic()
        while not self.stopping.is_set():
            while time.monotonic() >= next_at:
                next_at += 1 / self.rate
                number += 1
                self.begin(selector, number)
            for key, _ in selector.select(max(0, min(0.01, next_at - time.monotonic()))):
                self.go_on(selector, key.fileobj)
        for key in list(selector.get_map().values()):
            key.fileobj.close()

    def begin(self, selector, number):
        if len(selector.get_map()) >= MOST_OPEN:
            self.failed += 1
            return
        client = socket.socket()
        client.setblocking(False)
        try:
            if self.spread:
                # Loopback is a network of 16 million addresses: nobody is known as a guesser.
                client.bind((f"127.{number >> 16 & 127}.{number >> 8 & 255}.{number % 254 + 1}", 0))
            client.connect_ex(self.address)
            selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
            self.begun += 1
        except OSError:
            self.failed += 1
            client.close()

    def go_on(self, selector, client):
        key = selector.get_key(client)
        try:
            if key.data is None:
                number = self.begun
                client.send(HEADER + start_ok(b"user%d" % number, b"guess%d" % number))
                selector.modify(client, selectors.EVENT_READ, "sent")
            elif not client.recv(4096):
                raise ConnectionError
        except BlockingIOError:
            pass
        except OSError:
            self.refused += 1
            selector.unregister(client)
            client.close()


def broker(program, folder):
    child = subprocess.Popen(
        [program, "serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir", str(folder / "data")],
        stdout=subprocess.PIPE, stderr=(folder / "log").open("wb"), text=True)
    words = dict(word.split("=", 1) for word in child.stdout.readline().split() if "=" in word)
    host, _, port = words["amqp"].rpartition(":")
    return child, (host, int(port))


def measure(program, address, options):
    """Median and p99 of a publisher's latency in microseconds."""
    command = [program, "bench", "--url", f"amqp://guest:guest@{address[0]}:{address[1]}/", "--rate", str(options.rate),
               "--duration-s", str(options.seconds), "--warmup-s", "1", "--json", "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    return report["latency_p50_us"], report["latency_p99_us"]


# What costs the machine the flood's generator and sockets, and no hash: hears the login and closes.
STUB = """
import asyncio
async def serve(reader, writer):
    try:
        await reader.read(4096)
    finally:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def processor_seconds(pid):
    """What a process has used, and of that the threads that hash."""
    ticks, hashing = 0, 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        used = sum(int(field) for field in fields.split()[11:13])
        ticks += used
        hashing += used if name == "hash" else 0
    with open(f"/proc/{pid}/stat") as file:
        whole = sum(int(field) for field in file.read().rpartition(")")[2].split()[11:13])
    second = os.sysconf("SC_CLK_TCK")
    return whole / second, (whole - ticks + hashing) / second


def await_rest(child):
    """Waits until the broker hashes nothing and uses no processor."""
    deadline, used = time.monotonic() + REST_DEADLINE_S, None
    while True:
        now, hashing = processor_seconds(child.pid)[0], hashes(child.pid)
        if not hashing and used is not None and now - used <= REST_USES_S:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"the broker (process {child.pid}) is not at rest {REST_DEADLINE_S} s after the run before: "
                             f"{hashing} threads hash, and it took {now - (used or 0):.2f} s of processors in the last "
                             f"{REST_LOOK_S} s")
        used = now
        time.sleep(REST_LOOK_S)


def hashes(pid):
    """How many threads of a process hash."""
    count = 0
    for name in Path(f"/proc/{pid}/task").glob("*/comm"):
        try:
            count += name.read_text() == "hash\n"
        except OSError:
            continue
    return count


def flooded(program, broker_address, flood_address, options):
    """A run of the publisher beside a flood, and the flood."""
    flood = Flood(flood_address, options.logins, not options.one_address)
    flood.start()
    began = time.monotonic()
    latency = measure(program, broker_address, options)
    flood.seconds = time.monotonic() - began
    flood.stopping.set()
    flood.join()
    return latency, flood


def rounds(child, address, stub, options):
    """The latencies of each kind of run, by its name."""
    runs = {"usual": [], "flooded": []} | ({"control": []} if stub else {})
    for number in range(options.rounds):
        await_rest(child)
        runs["usual"].append(measure(options.warren, address, options))
        await_rest(child)
        before = processor_seconds(child.pid)
        latency, flood = flooded(options.warren, address, address, options)
        after = processor_seconds(child.pid)
        runs["flooded"].append(latency)
        if stub:
            await_rest(child)
            runs["control"].append(flooded(options.warren, address, stub, options)[0])
        told = ", ".join(f"{kind} p50 {of[-1][0]:.0f} p99 {of[-1][1]:.0f} µs" for kind, of in runs.items())
        ratio = latency[1] / runs["usual"][-1][1]
        print(f"round {number + 1}: {told}: {ratio:.2f} times; {flood.begun / flood.seconds:.0f} logins/s begun, {flood.refused} closed, "
              f"{flood.failed} not begun; the broker took {after[0] - before[0]:.1f} s of processors, "
              f"{after[1] - before[1]:.1f} s of it on threads that are gone or hash; "
              f"load {os.getloadavg()[0]:.1f}", flush=True)
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warren", default="target/release/warren", help="the program (default %(default)s)")
    parser.add_argument("--logins", type=int, default=500, help="logins a second (default %(default)s)")
    parser.add_argument("--rate", type=int, default=2000, help="messages a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default %(default)s)")
    parser.add_argument("--bound", type=float, default=2, help="times the usual p99 that fail (default %(default)s)")
    parser.add_argument("--one-address", action="store_true", help="the flood comes from one address")
    parser.add_argument("--control", action="store_true", help="also beside a flood of something that hashes nothing")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the first run", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        child, address = broker(options.warren, Path(folder))
        stub = subprocess.Popen([sys.executable, "-c", STUB], stdout=subprocess.PIPE) if options.control else None
        try:
            other = stub and ("127.0.0.1", int(stub.stdout.readline()))
            runs = rounds(child, address, other, options)
        finally:
            for process in filter(None, (child, stub)):
                process.terminate()
                process.wait(30)
    usual, *others = ((kind, statistics.median(p99 for _, p99 in of)) for kind, of in runs.items())
    for kind, p99 in others:
        each = [p99 for _, p99 in runs[kind]]
        worst = max(p99 / usual_p99 for p99, (_, usual_p99) in zip(each, runs["usual"]))
        told = " ".join(f"{p99:.0f}" for p99 in each)
        print(f"p99 {usual[1]:.0f} µs usually, {p99:.0f} µs {kind} ({told}): {p99 / usual[1]:.2f} times by the medians, "
              f"{worst:.2f} times in the worst pair")
    passes = others[0][1] < options.bound * usual[1]
    print(f"{'PASS' if passes else 'FAIL'}: the bound is under {options.bound:g} times by the medians")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())

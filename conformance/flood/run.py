"""A flood of logins beside a running publisher: what it does to the publisher's p99 latency.

Usual and flooded runs take turns, so that a machine that is busy for a while is so for both. The median of the runs
counts; the exit code is 1 where the flooded p99 is twice the usual one or more.
"""

import argparse
import json
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
    """The p99 of a publisher's latency in microseconds."""
    command = [program, "bench", "--url", f"amqp://guest:guest@{address[0]}:{address[1]}/", "--rate", str(options.rate),
               "--duration-s", str(options.seconds), "--warmup-s", "1", "--json", "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    return report["latency_p50_us"], report["latency_p99_us"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warren", default="target/release/warren", help="the program (default %(default)s)")
    parser.add_argument("--logins", type=int, default=500, help="logins a second (default %(default)s)")
    parser.add_argument("--rate", type=int, default=2000, help="messages a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default %(default)s)")
    parser.add_argument("--one-address", action="store_true", help="the flood comes from one address")
    options = parser.parse_args()
    usual, flooded = [], []
    with tempfile.TemporaryDirectory() as folder:
        child, address = broker(options.warren, Path(folder))
        try:
            for number in range(options.rounds):
                usual.append(measure(options.warren, address, options))
                flood = Flood(address, options.logins, not options.one_address)
                flood.start()
                begun = time.monotonic()
                flooded.append(measure(options.warren, address, options))
                seconds = time.monotonic() - begun
                flood.stopping.set()
                flood.join()
                print(f"round {number + 1}: usual p50 {usual[-1][0]:.0f} p99 {usual[-1][1]:.0f} µs, flooded p50 "
                      f"{flooded[-1][0]:.0f} p99 {flooded[-1][1]:.0f} µs; {flood.begun / seconds:.0f} logins/s begun, "
                      f"{flood.refused} closed, {flood.failed} not begun", flush=True)
        finally:
            child.terminate()
            child.wait(30)
    before, after = (statistics.median(p99 for _, p99 in runs) for runs in (usual, flooded))
    print(f"p99 {before:.0f} µs usually, {after:.0f} µs in the flood: {after / before:.2f} times")
    return 0 if after < 2 * before else 1


if __name__ == "__main__":
    sys.exit(main())

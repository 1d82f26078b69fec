"""More waiting messages than memory: published, kept over a kill, and consumed in order."""

import argparse
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "crash"), str(HERE.parent / "differential")]

import wire
from broker import Broker, Failed
from link import Link, Lost

MIB = 1 << 20
# Publishes that are sent at a time, and that may wait for their confirms.
BLOCK = 1000
WINDOW = 20_000
PREFETCH = 4000
TIMEOUT_S = 300
FRAME = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=500_000, help="how many wait (default 500000)")
    parser.add_argument("--size", type=int, default=1024, help="bytes of a body (default 1024)")
    parser.add_argument("--memory-mib", type=int, default=256, help="memory of the broker (default 256)")
    parser.add_argument("--transient", type=int, default=None, help="transient messages that wait (default: half as many)")
    parser.add_argument("--dir", help="where the data folder is made (default: the system's)")
    parser.add_argument("--warren", default="target/quick/warren", help="the program (default target/quick/warren)")
    return parser.parse_args()


class Publishes:
    """Numbered publishes, which differ in their first eight bytes of body and are made a block at a time."""

    def __init__(self, queue, size, persistent):
        method = wire.method_payload("basic.publish", {"exchange": "", "routing-key": queue})
        one = wire.frame(wire.FRAME_METHOD, 1, method)
        one += wire.frame(wire.FRAME_HEADER, 1, wire.header_payload(size, {"delivery-mode": 1 + persistent}))
        body = bytes(8) + b"x" * (size - 8)
        self.stride, self.at = len(one) + FRAME + size, len(one) + FRAME - 1
        self.block = bytearray((one + wire.frame(wire.FRAME_BODY, 1, body)) * BLOCK)

    def numbered(self, first, count):
        put = struct.Struct(">Q").pack_into
        for number in range(count):
            put(self.block, number * self.stride + self.at, first + number)
        return memoryview(self.block)[:count * self.stride]


def publish(address, queue, count, size, persistent, first=0):
    link = Link(address)
    link.call("queue.declare", queue=queue, durable=True)
    link.call("confirm.select")
    publishes = Publishes(queue, size, persistent)
    sent = confirmed = 0
    singles = set()
    while confirmed < count:
        if sent < count and sent - confirmed <= WINDOW - BLOCK:
            block = min(BLOCK, count - sent)
            link.send(publishes.numbered(first + sent, block))
            sent += block
            continue
        heard = link.take(TIMEOUT_S)
        if not heard:
            raise Failed(f"no confirm in {TIMEOUT_S} s, after {confirmed} of {sent}: is the publisher blocked?")
        for name, fields, _ in heard:
            if name != "basic.ack":
                raise Failed(f"{name} {fields}")
            if fields["multiple"]:
                confirmed = max(confirmed, fields["delivery-tag"])
            else:
                singles.add(fields["delivery-tag"])
        while confirmed + 1 in singles:
            confirmed += 1
            singles.discard(confirmed)
    link.drop()


def consume(address, queue, count, size, first=0):
    """Consumes so many, each acknowledged; the numbers have to come in their order."""
    link = Link(address)
    link.call("basic.qos", **{"prefetch-count": PREFETCH})
    link.call("basic.consume", queue=queue, **{"consumer-tag": "c"})
    socket = link.socket
    socket.settimeout(TIMEOUT_S)
    pending, link.buffer = link.buffer, bytearray()
    received = acked = stride = 0
    while received < count:
        if stride == 0 and len(pending) >= 3 * FRAME:
            stride = first_stride(pending)
        if stride and len(pending) >= stride:
            whole = len(pending) // stride * stride
            numbers = struct.iter_unpack(f">{stride - size - 1}xQ{size - 7}x", memoryview(pending)[:whole])
            for number, in numbers:
                if number != first + received:
                    raise Failed(f"message {first + received} was to come, and {number} came")
                received += 1
            numbers = None
            pending = pending[whole:]
            if received - acked >= PREFETCH // 4 or received == count:
                link.method("basic.ack", **{"delivery-tag": received, "multiple": True})
                acked = received
        else:
            try:
                data = socket.recv(MIB)
            except TimeoutError:
                raise Failed(f"nothing more after {received} of {count} messages") from None
            if not data:
                raise Failed(f"the connection ended after {received} of {count} messages")
            pending += data
    _, fields, _ = link.call("queue.declare", queue=queue, passive=True)
    link.drop()
    if fields["message-count"]:
        raise Failed(f"{fields['message-count']} messages more than were published")


def first_stride(pending):
    """The bytes of a delivery: three frames, whose sizes stand at their beginnings."""
    at = 0
    for _ in range(3):
        if len(pending) < at + FRAME:
            return 0
        at += FRAME + struct.unpack_from(">I", pending, at + 3)[0]
    return at


def waiting(address, queue):
    link = Link(address)
    _, fields, _ = link.call("queue.declare", queue=queue, passive=True)
    link.drop()
    return fields["message-count"]


class Run:
    def __init__(self, options, folder):
        self.options = options
        self.limit = options.memory_mib * MIB
        self.broker = Broker(options.warren, folder, self.limit)

    def timed(self, what, count, work):
        started = time.monotonic()
        work()
        seconds = time.monotonic() - started
        peak = self.broker.memory("VmHWM")
        print(f"{what}: {count} in {seconds:.1f} s, {count / seconds:.0f}/s; memory {self.mib()} MiB, "
              f"at most {peak / MIB:.0f} MiB, disk {self.broker.disk() / MIB:.0f} MiB", flush=True)
        if peak > self.limit:
            raise Failed(f"the broker took {peak / MIB:.0f} MiB of {self.options.memory_mib} MiB")

    def mib(self):
        return f"{self.broker.memory() / MIB:.0f}"

    def persistent(self):
        count, size = self.options.messages, self.options.size
        address, _ = self.broker.start()
        publish(address, "persistent", 1, size, True)
        consume(address, "persistent", 1, size)
        empty = self.broker.memory()
        self.timed("persistent, published and confirmed", count,
                   lambda: publish(address, "persistent", count, size, True))
        print(f"a waiting message takes {(self.broker.memory() - empty) / count:.1f} bytes of memory, "
              f"with all that the broker needs besides", flush=True)
        self.broker.kill()
        address, seconds = self.broker.start()
        print(f"killed, and ready again after {seconds:.1f} s; memory {self.mib()} MiB", flush=True)
        if (found := waiting(address, "persistent")) != count:
            raise Failed(f"{found} messages wait after the restart, and {count} were confirmed")
        self.timed("persistent, consumed in order after the restart", count,
                   lambda: consume(address, "persistent", count, size))
        return address

    def transient(self, address):
        options = self.options
        count = options.messages // 2 if options.transient is None else options.transient
        if not count:
            return
        self.timed("transient, published and confirmed", count,
                   lambda: publish(address, "transient", count, options.size, False))
        some = count // 2
        self.timed("transient, consumed in order", count, lambda: consume(address, "transient", count, options.size))
        publish(address, "transient", some, options.size, False)
        self.broker.kill()
        address, _ = self.broker.start()
        if (found := waiting(address, "transient")):
            raise Failed(f"{found} transient messages are there after a restart")
        print(f"transient messages are gone after a restart; memory {self.mib()} MiB, "
              f"disk {self.broker.disk() / MIB:.0f} MiB", flush=True)


def main():
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="warren-backlog-", dir=options.dir))
    run = Run(options, folder)
    try:
        run.transient(run.persistent())
    except (Failed, Lost) as error:
        print(f"FAILED: {error}; the last lines of the broker:\n{(folder / 'log').read_text()[-1500:]}")
        return 1
    finally:
        run.broker.close()
        shutil.rmtree(folder, ignore_errors=True)
    print("ok")
    return 0


sys.exit(main())

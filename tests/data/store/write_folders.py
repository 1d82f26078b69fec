"""Writes the data folders in this place, with the Warren whose format they stand for.

    python3 tests/data/store/write_folders.py WARREN VERSION

makes `folder-vVERSION-ENGINE.tar.gz` for each engine: a folder whose broker was killed, with definitions of every kind and
with messages. tests/upgrade.rs says what has to be found in them. A folder that is here is never written again.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent / "conformance" / "crash"))

from link import Link, wire
from process import Process

DEFINITIONS = {
    "vhosts": [{"name": "/"}, {"name": "shop"}],
    "permissions": [{"user": "clerk", "vhost": "shop", "configure": "^till", "write": ".*", "read": ""}],
    "policies": [{"vhost": "/", "name": "short", "pattern": "^logs", "apply-to": "queues", "priority": 3,
                  "definition": {"max-length": 100}}],
    "exchanges": [
        {"vhost": "/", "name": "orders", "type": "topic", "durable": True, "auto_delete": False, "internal": False,
         "arguments": {"alternate-exchange": "spare"}},
        {"vhost": "/", "name": "spare", "type": "fanout", "durable": True, "auto_delete": False, "internal": True,
         "arguments": {}},
        {"vhost": "shop", "name": "later", "type": "x-delayed-message", "durable": True, "auto_delete": False,
         "internal": False, "arguments": {"x-delayed-type": "direct"}}],
    "queues": [
        {"vhost": "/", "name": "jobs", "durable": True, "auto_delete": False, "arguments": {"x-max-priority": 5}},
        {"vhost": "/", "name": "once", "durable": True, "auto_delete": False,
         "arguments": {"x-message-deduplication": True, "x-cache-size": 10}},
        {"vhost": "/", "name": "dead", "durable": True, "auto_delete": False,
         "arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs", "x-message-ttl": 86400000}}],
    "bindings": [
        {"vhost": "/", "source": "orders", "destination": "jobs", "destination_type": "queue", "routing_key": "a.#",
         "arguments": {}},
        {"vhost": "/", "source": "orders", "destination": "spare", "destination_type": "exchange",
         "routing_key": "b.*", "arguments": {}}],
}


def publish(link, exchange, key, properties, body):
    data = wire.frame(wire.FRAME_METHOD, 1, wire.method_payload("basic.publish", {"exchange": exchange,
                                                                                  "routing-key": key}))
    data += wire.frame(wire.FRAME_HEADER, 1, wire.header_payload(len(body), {"delivery-mode": 2, **properties}))
    link.send(data + (wire.frame(wire.FRAME_BODY, 1, body) if body else b""))
    if [name for name, _, _ in link.take(30)] != ["basic.ack"]:
        raise SystemExit("not confirmed")


def fill(link):
    """Twelve messages in `jobs`, the first four of which are settled; one in `once`; one in `dead`."""
    link.call("confirm.select")
    for number in range(1, 12):
        body = b"%d " % number * (3000 if number == 9 else 3)
        publish(link, "orders", "a.b", {"priority": number % 3, "message-id": f"m{number}",
                                        "headers": {"n": number}}, body)
    publish(link, "", "jobs", {}, b"")
    for value in ["x", "x"]:
        publish(link, "", "once", {"headers": {"x-deduplication-header": value}}, b"once")
    publish(link, "", "dead", {"expiration": "86400000"}, b"dies")
    for _ in range(4):
        _, got, _ = link.call("basic.get", queue="jobs")
        link.method("basic.ack", **{"delivery-tag": got["delivery-tag"]})
    # The settlements are written with the next message; transient ones are not kept.
    publish(link, "", "jobs", {"delivery-mode": 1}, b"transient")
    publish(link, "", "jobs", {}, b"last")


def ask(process, method, path, document):
    request = urllib.request.Request(f"http://{process.words['http']}/api/{path}", method=method,
                                     data=json.dumps(document).encode(),
                                     headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q=",
                                              "Content-Type": "application/json"})
    urllib.request.urlopen(request).read()


def write(warren, version, engine):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        process = Process(warren, scratch, engine, "always", settings={
            "WARREN_STORE__SEGMENT_BYTES": "1048576", "WARREN_STORE__RESERVE_BYTES": "0"})
        process.arguments = ["--http", "127.0.0.1:0"]
        address = process.start()
        ask(process, "PUT", "users/clerk", {"password": "till", "tags": "monitoring"})
        ask(process, "POST", "definitions", DEFINITIONS)
        fill(Link(address))
        time.sleep(0.5)
        process.kill()
        path = HERE / f"folder-v{version}-{engine}.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=9) as archive:
            archive.add(scratch / "data", "data")
        print(path, path.stat().st_size)


def main():
    warren, version = sys.argv[1:]
    for engine in ["log", "sled"]:
        if (HERE / f"folder-v{version}-{engine}.tar.gz").exists():
            raise SystemExit("it is there already, and is never written again")
        write(Path(warren).resolve(), version, engine)


main()

"""Run every client program against one broker and print a table of client and feature."""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading

CLIENTS_DIR = os.path.dirname(os.path.abspath(__file__))
CONFORMANCE = os.path.dirname(CLIENTS_DIR)
ROOT = os.path.dirname(CONFORMANCE)
CACHE = os.path.join(CONFORMANCE, ".cache")
PYTHON = os.path.join(CACHE, "python", "bin", "python")
START_S = 120
STOP_S = 60
CLIENT_S = 300

# Every client reports each of these, as passed, failed or not available.
FEATURES = [
    "connect", "heartbeat", "close", "publish", "consume", "confirm", "return", "qos", "get",
    "nack", "recover", "tx", "exchange", "queue", "direct", "fanout", "topic", "headers",
    "big-body", "errors", "cancel", "ttl", "max-length", "priority", "reply-to",
]

COMMANDS = {
    "pika": [PYTHON, os.path.join(CLIENTS_DIR, "python", "pika_client.py")],
    "aio-pika": [PYTHON, os.path.join(CLIENTS_DIR, "python", "aio_pika_client.py")],
    "amqplib": ["node", os.path.join(CLIENTS_DIR, "amqplib", "client.js")],
    "lapin": [os.path.join(CACHE, "lapin", "debug", "warren-conformance-lapin")],
    "amqp091-go": [os.path.join(CACHE, "amqp091")],
    "amqp-client": ["java", "-cp", os.pathsep.join(
        [os.path.join(CACHE, "java", "classes"), os.path.join(CACHE, "java", "lib", "*")]),
        "conformance.Main"],
}


class Broker:
    """A broker process that names its port in its first line and stops upon SIGTERM."""

    def __init__(self, command, pattern):
        self.errors = tempfile.TemporaryFile(mode="w+")
        # Own session: Ctrl-C ends this program, which then stops the broker.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, start_new_session=True)
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.match(pattern, line)
        if not found:
            self.process.kill()
            self.process.wait()
            sys.exit(f"conformance: the broker's first line is {line!r}\n{self.log()}")
        self.title, self.address = line.strip(), found.group(1)
        # The rest of its output must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def log(self):
        self.errors.seek(0)
        return "".join(self.errors.readlines()[-30:])

    def stop(self):
        """Stop it; an empty text if it ended as it should."""
        ended = self.process.poll()
        if ended is not None:
            return f"the broker ended by itself with code {ended}\n{self.log()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return f"still running {STOP_S} s after SIGTERM\n{self.log()}"
        return "" if code == 0 else f"exit code {code} after SIGTERM\n{self.log()}"


def start_warren(binary, folder):
    if binary is None:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", "target")
        binary = os.path.join(ROOT, target, "release", "warren")
    return Broker([os.path.abspath(binary), "serve", "--listen", "127.0.0.1:0", "--http",
                   "127.0.0.1:0", "--data-dir", os.path.join(folder, "data")],
                  r"warren \S+ ready amqp=(\S+)")


def start_peer():
    return Broker([os.path.join(CONFORMANCE, "start_rabbitmq")], r"rabbitmq \S+ ready amqp=(\S+)")


def run_client(client, url, features):
    """The reports of one client, by feature; what it did not report is a failure."""
    env = dict(os.environ, AMQP_URL=url, ROUTING_TABLE=os.path.join(CLIENTS_DIR, "routing.txt"),
               PYTHONDONTWRITEBYTECODE="1")
    with tempfile.TemporaryFile(mode="w+") as errors:
        process = subprocess.Popen(COMMANDS[client] + features, env=env, text=True,
                                   stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        watchdog = threading.Timer(CLIENT_S, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        try:
            output, _ = process.communicate()
        finally:
            watchdog.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        errors.seek(0)
        complaint = errors.read()[-400:]
    reports = {}
    for line in output.splitlines():
        try:
            report = json.loads(line)
            reports[report["feature"]] = report
        except (ValueError, KeyError, TypeError):
            complaint += f"\nnot a report: {line[:200]}"
    missing = f"no report; exit code {process.returncode} {complaint}".strip()
    for feature in features or FEATURES:
        reports.setdefault(feature, {"ok": False, "detail": missing})
    return reports


def cell(report):
    if report is None:
        return ""
    if not report["ok"]:
        return "FAIL"
    return "n/a" if report.get("na") else "ok"


def print_table(results, features):
    widths = {client: max(len(client), 4) for client in results}
    first = max(map(len, features))
    print(" ".join(["feature".ljust(first)] + [c.ljust(w) for c, w in widths.items()]).rstrip())
    for feature in features:
        cells = [cell(results[c].get(feature)).ljust(w) for c, w in widths.items()]
        print(" ".join([feature.ljust(first)] + cells).rstrip())


def print_details(results, features):
    for client, reports in results.items():
        for feature in features:
            report = reports[feature]
            if cell(report) != "ok":
                print(f"{cell(report)} {client} {feature}: {report['detail']}")


def options():
    parser = argparse.ArgumentParser(prog="conformance/run", description=__doc__)
    broker = parser.add_mutually_exclusive_group()
    broker.add_argument("--peer", action="store_true", help="run against a private RabbitMQ")
    broker.add_argument("--url", help="run against the broker at this amqp:// URL")
    broker.add_argument("--binary", help="warren program (default: build target/release/warren)")
    parser.add_argument("--only", action="append", choices=COMMANDS, metavar="CLIENT",
                        help=f"one of {', '.join(COMMANDS)}; may be repeated")
    parser.add_argument("--feature", action="append", choices=FEATURES, metavar="FEATURE",
                        help="run only this check; may be repeated")
    parser.add_argument("--no-install", action="store_true",
                        help="use what conformance/install has built before")
    return parser.parse_args()


def main():
    chosen = options()
    clients = [c for c in COMMANDS if not chosen.only or c in chosen.only]
    features = [f for f in FEATURES if not chosen.feature or f in chosen.feature]
    if not chosen.no_install:
        needed = clients + (["rabbitmq"] if chosen.peer else [])
        subprocess.run([os.path.join(CONFORMANCE, "install"), *needed], check=True)
    results, broker, stopped = {}, None, ""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        try:
            if not chosen.url:
                broker = start_peer() if chosen.peer else start_warren(chosen.binary, folder)
            url = chosen.url or f"amqp://guest:guest@{broker.address}/%2f"
            print(broker.title if broker else "broker at the given URL", flush=True)
            for client in clients:
                results[client] = run_client(client, url, chosen.feature or [])
        finally:
            if broker:
                stopped = broker.stop()
    print_table(results, features)
    print_details(results, features)
    cells = [cell(reports[f]) for reports in results.values() for f in features]
    passed, failed = cells.count("ok"), cells.count("FAIL")
    if broker:
        # The stop of the broker counts as one more check.
        print(f"FAIL broker stop: {stopped}" if stopped else "ok broker stop: exit code 0")
        passed, failed = passed + (not stopped), failed + bool(stopped)
    skipped = cells.count("n/a")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    # A SIGTERM must stop the broker too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

"""RabbitMQ's own tools and HTTP clients against warren's API: every call that is made, and how it ended."""
import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "conformance" / ".cache"
RABBITMQADMIN = sorted(Path("/usr/lib/rabbitmq/lib").glob(
    "rabbitmq_server-*/plugins/rabbitmq_management-*/priv/www/cli/rabbitmqadmin"))


class Process:
    """A broker that says on its first line where it listens."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "http" not in words:
            sys.exit(f"{command[0]} did not start: {line!r}")
        self.amqp, self.http = words["amqp"], words["http"]
        self.login = "guest:guest"

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, method, path, body=None):
        """Status and parsed answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.http}{path}", data=data, method=method)
        login = base64.b64encode(self.login.encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")


class Report:
    """Counts calls, and prints those that failed."""

    def __init__(self, verbose):
        self.verbose, self.passed, self.failed = verbose, 0, 0

    def note(self, tool, call, detail):
        if detail:
            self.failed += 1
            print(f"FAILED {tool}: {call}: {detail}")
        else:
            self.passed += 1
            if self.verbose:
                print(f"ok     {tool}: {call}")


def rabbitmqadmin(broker, report):
    """Every subcommand of the script that RabbitMQ's management plugin serves."""
    host, port = broker.http.split(":")

    def run(*arguments, expect=""):
        command = [sys.executable, str(RABBITMQADMIN[-1]), "-H", host, "-P", port, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        output = done.stdout + done.stderr
        wrong = done.returncode != 0 or expect not in output
        report.note("rabbitmqadmin", " ".join(arguments), output.strip()[-300:] if wrong else "")
        return done.stdout

    run("show", "overview", expect="warren")
    run("declare", "vhost", "name=admin", expect="vhost declared")
    run("declare", "user", "name=admin", "password=secret", "tags=management", expect="user declared")
    run("declare", "permission", "vhost=admin", "user=admin", "configure=.*", "write=.*", "read=.*",
        expect="permission declared")
    at = ("-V", "admin")
    run(*at, "declare", "exchange", "name=x", "type=topic", expect="exchange declared")
    run(*at, "declare", "queue", "name=q", "durable=true", 'arguments={"x-max-length": 100}', expect="queue declared")
    run(*at, "declare", "binding", "source=x", "destination=q", "routing_key=a.#", expect="binding declared")
    run(*at, "declare", "policy", "name=p", "pattern=^q", 'definition={"max-length": 10}', "apply-to=queues",
        expect="policy declared")
    run(*at, "declare", "operator_policy", "name=o", "pattern=^q", 'definition={"max-length": 10}', "apply-to=queues",
        expect="operator_policy declared")
    run("declare", "vhost_limit", "vhost=admin", "name=max-queues", "value=50", expect="vhost_limit declared")
    run(*at, "publish", "exchange=x", "routing_key=a.b", "payload=hello", expect="Message published")
    run(*at, "publish", "exchange=x", "routing_key=zzz", "payload=hello", expect="NOT routed")
    run(*at, "get", "queue=q", "ackmode=ack_requeue_true", expect="hello")
    for what, shown in (
        ("users", "admin"), ("vhosts", "admin"), ("connections", ""), ("exchanges", "amq.topic"), ("bindings", "a.#"),
        ("permissions", "admin"), ("channels", ""), ("parameters", ""), ("consumers", ""), ("queues", "q"),
        ("policies", "p"), ("operator_policies", "o"), ("nodes", "warren"), ("vhost_limits", "max-queues"),
    ):
        run("list", what, expect=shown)
    run(*at, "--depth=5", "-f", "long", "list", "queues", "name", "messages", "message_stats.publish_details.rate",
        expect="name: q")
    run("-f", "raw_json", "list", "queues", expect='"name":"q"')
    run("--sort=name", "--sort-reverse", "list", "queues", "name", expect="q")
    run(*at, "purge", "queue", "name=q", expect="queue purged")
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "definitions.json")
        run("export", file, expect="Exported definitions")
        run("import", file, expect="Uploaded definitions")
        run(*at, "export", file, expect="Exported definitions")
        run(*at, "import", file, expect="Uploaded definitions")
    run(*at, "delete", "binding", "source=x", "destination_type=queue", "destination=q", "properties_key=a.%23",
        expect="binding deleted")
    run(*at, "delete", "policy", "name=p", expect="policy deleted")
    run(*at, "delete", "operator_policy", "name=o", expect="operator_policy deleted")
    run("delete", "vhost_limit", "vhost=admin", "name=max-queues", expect="vhost_limit deleted")
    run(*at, "delete", "queue", "name=q", expect="queue deleted")
    run(*at, "delete", "exchange", "name=x", expect="exchange deleted")
    run("delete", "permission", "vhost=admin", "user=admin", expect="permission deleted")
    run("delete", "user", "name=admin", expect="user deleted")
    run("delete", "vhost", "name=admin", expect="vhost deleted")


def program(tool, command):
    """A program that prints a JSON line a call."""
    def run(broker, report):
        done = subprocess.run([*command, f"http://{broker.http}"], capture_output=True, text=True, timeout=120)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for line in lines:
            report.note(tool, line["call"], line["detail"])
        if done.returncode != 0 and all(line["ok"] for line in lines):
            report.note(tool, "the program", done.stderr.strip()[-500:] or f"exit code {done.returncode}")
    return run


def flower(broker, report):
    """Celery Flower's broker page: it lists the queues that the API lists."""
    python = CACHE / "tools" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        # A queue that a worker of the application would declare, with three tasks.
        # Flower asks for `queues//` where the vhost is `/`, which RabbitMQ does not answer either.
        broker.ask("PUT", "/api/vhosts/tasks", {})
        broker.ask("PUT", "/api/queues/tasks/celery", {"durable": True})
        for _ in range(3):
            broker.ask("POST", "/api/exchanges/tasks/amq.default/publish",
                       {"routing_key": "celery", "payload": "{}", "payload_encoding": "string", "properties": {}})
        (Path(folder) / "application.py").write_text(
            "from celery import Celery\napp = Celery('application')\n"
            "app.conf.task_queues = []\napp.conf.task_default_queue = 'celery'\n")
        log = open(os.path.join(folder, "log"), "w+")
        environment = dict(os.environ, FLOWER_UNAUTHENTICATED_API="true")
        process = subprocess.Popen(
            [python, "-m", "celery", "-A", "application", "-b", f"amqp://guest:guest@{broker.amqp}/tasks", "flower",
             "--address=127.0.0.1", "--port=0", f"--broker-api=http://guest:guest@{broker.http}/api/"],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            page = flower_page(process, log)
        finally:
            process.terminate()
            process.wait(30)
        table = page.partition('id="queue-table"')[2].partition("</table>")[0]
        cells = re.findall(r">\s*([^<>\s]+)\s*</t[dh]>", table)
        wrong = "" if "celery" in cells and "3" in cells else f"{cells} in {page[-300:]}"
        report.note("flower", "broker page", wrong)


def flower_page(process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        log.flush()
        with open(log.name) as written:
            text = written.read()
        if "Visit me at" in text:
            address = text.split("Visit me at", 1)[1].split()[0].rstrip("/")
            try:
                with urllib.request.urlopen(f"{address}/broker", timeout=30) as answer:
                    return answer.read().decode()
            except OSError as error:
                return str(error)
        time.sleep(0.2)
    with open(log.name) as written:
        return written.read()


def replayed(broker, report):
    """What KEDA's RabbitMQ scaler, Spring and orchestrators ask for, at the URLs that their documentation gives."""
    broker.ask("PUT", "/api/queues/%2F/orders", {"durable": True})
    broker.ask("POST", "/api/exchanges/%2F/amq.default/publish",
               {"routing_key": "orders", "payload": "x", "payload_encoding": "string", "properties": {}})

    def check(tool, path, holds):
        status, answer = broker.ask("GET", path)
        try:
            good = status == 200 and holds(answer)
        except (KeyError, TypeError, IndexError) as error:
            good, answer = False, f"{error!r} in {answer}"
        report.note(tool, f"GET {path}", "" if good else f"{status} {str(answer)[:300]}")

    def queue(found):
        return (found["messages"] == 1 and found["messages_unacknowledged"] == 0 and found["name"] == "orders"
                and found["message_stats"]["publish_details"]["rate"] >= 0)

    check("keda", "/api/queues/%2F/orders", queue)
    check("keda", "/api/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Eord&page_size=100",
          lambda page: page["page_count"] == 1 and queue(page["items"][0]))
    check("keda", "/api/queues?page=1&use_regex=true&pagination=false&name=%5Eord&page_size=100",
          lambda page: queue(page["items"][0]))
    check("spring", "/api/queues/%2F/orders", lambda found: found["node"] and found["state"] == "running")
    check("spring", "/api/aliveness-test/%2F", lambda found: found["status"] == "ok")
    check("spring", "/api/overview", lambda found: found["rabbitmq_version"] and found["cluster_name"])
    for path in ("alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical",
                 "node-is-mirror-sync-critical", "certificate-expiration/1/months", "protocol-listener/amqp",
                 f"port-listener/{broker.http.split(':')[1]}"):
        check("probe", f"/api/health/checks/{path}", lambda found: found["status"] == "ok")


KINDS = ("vhosts", "users", "permissions", "topic_permissions", "parameters", "policies", "queues", "exchanges",
         "bindings")


def definitions(broker, report):
    """A file that a real RabbitMQ exports, imported here, exported, and imported there.

    A login renews a hash of RabbitMQ's, and RabbitMQ reads no other. So somebody else asks here, who is not in the file
    that goes there; in the end a user of the file logs in.
    """
    broker.ask("PUT", "/api/users/asks", {"password": "p", "tags": "administrator"})
    broker.login = "asks:p"
    peer = Process([str(ROOT / "conformance" / "start_rabbitmq"), "--management"])
    try:
        for method, path, body in json.loads((HERE / "definitions.json").read_text()):
            status, answer = peer.ask(method, path, body)
            if status not in (201, 204):
                report.note("definitions", f"RabbitMQ: {method} {path}", f"{status} {answer}")
        _, exported = peer.ask("GET", "/api/definitions")
        status, answer = broker.ask("POST", "/api/definitions", exported)
        report.note("definitions", "RabbitMQ's file imported here", "" if status == 204 else f"{status} {answer}")
        _, ours = broker.ask("GET", "/api/definitions")
        ours["users"] = [user for user in ours["users"] if user["name"] != "asks"]
        compare(report, "exported here", exported, ours)
        # Everything of ours has to be news there.
        peer.ask("DELETE", "/api/vhosts/shop")
        peer.ask("DELETE", "/api/users/app")
        status, answer = peer.ask("POST", "/api/definitions", ours)
        report.note("definitions", "warren's file imported there", "" if status == 204 else f"{status} {answer}")
        _, again = peer.ask("GET", "/api/definitions")
        compare(report, "exported there again", exported, again)
        broker.ask("PUT", "/api/users/ours", {"password": "p", "tags": "monitoring"})
        _, theirs = broker.ask("GET", "/api/definitions?for=rabbitmq")
        status, answer = peer.ask("POST", "/api/definitions", theirs)
        report.note("definitions", "warren's own users imported there", "" if status == 204 else f"{status} {answer}")
        status, answer = peer.ask("GET", "/api/users/ours")
        fault = "" if status == 200 and answer["tags"] in ("monitoring", ["monitoring"]) else f"{status} {answer}"
        report.note("definitions", "a user without a hash that RabbitMQ reads", fault)
        broker.login = "guest:guest"
        _, renewed = broker.ask("GET", "/api/definitions")
        hashes = [user["password_hash"] for user in renewed["users"] if user["name"] == "guest"]
        fault = "" if len(hashes) == 1 and hashes[0].startswith("$argon2id$") else f"{hashes}"
        report.note("definitions", "a hash of RabbitMQ's is renewed by a login", fault)
    finally:
        peer.stop()


def compare(report, what, expected, found):
    """Every item of RabbitMQ's document is in the other with the same values."""
    for kind in KINDS:
        missing = [item for item in expected[kind] if not any(agrees(item, other) for other in found[kind])]
        report.note("definitions", f"{what}: {kind}", f"missing: {missing}" if missing else "")


def agrees(item, other):
    """All that RabbitMQ says of an item; what another broker says beside it counts as nothing."""
    return all(key == "limits" and not value or other.get(key) == value for key, value in item.items())


TOOLS = {
    "rabbitmqadmin": rabbitmqadmin,
    "rabbit-hole": program("rabbit-hole", [str(CACHE / "rabbit-hole")]),
    "rabbitmq-stats": program("rabbitmq-stats", ["node", str(HERE / "node" / "calls.js")]),
    "flower": flower,
    "replayed": replayed,
    "definitions": definitions,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warren", required=True, help="the warren program")
    parser.add_argument("--verbose", action="store_true", help="print every call, not only those that failed")
    parser.add_argument("tools", nargs="*", help=", ".join(TOOLS))
    options = parser.parse_args()
    report = Report(options.verbose)
    for name in options.tools or TOOLS:
        started = time.monotonic()
        data = tempfile.mkdtemp(prefix="warren-tools-")
        broker = Process([str(Path(options.warren).resolve()), "serve", "--listen", "127.0.0.1:0",
                          "--http", "127.0.0.1:0", "--data-dir", data])
        before = report.passed
        try:
            TOOLS[name](broker, report)
        finally:
            broker.stop()
            shutil.rmtree(data, ignore_errors=True)
        print(f"{name}: {report.passed - before} calls answered, {time.monotonic() - started:.1f} s")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())

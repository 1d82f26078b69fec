"""Starts the two brokers as processes of this run, on free loopback ports."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import api

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

# What Debian's package has of the plug-ins that warren has built in, and the API.
PLUGINS = [
    "rabbitmq_management",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
]

# Both brokers get these limits and accounts; see peer.json and warren.toml.
MAX_MESSAGE_SIZE = 16 * 1024 * 1024
HANDSHAKE_TIMEOUT_S = 10


class Broker:
    """A broker's address, and its process where this run started it."""

    def __init__(self, name, host, port, api_port=15672):
        self.name, self.host, self.port, self.api_port = name, host, port, api_port
        self.processes, self.folder = [], None

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(process, port, log, seconds=300):
    """Until the port answers a protocol header; the process must stay alive."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the broker ended with {process.returncode}; see {log}\n{log.read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                if probe.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"no answer on port {port} within {seconds} s; see {log}")


def await_api(broker, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if api.call((broker.host, broker.api_port), "GET", "/api/whoami")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"no management API on port {broker.api_port} within {seconds} s")


def start_rabbitmq():
    """A private RabbitMQ: own node name, ports, port mapper, cookie and data."""
    if not RABBITMQ_SERVER.exists():
        raise RuntimeError(
            "RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server"
        )
    folder = Path(tempfile.mkdtemp(prefix="warren-peer-"))
    broker = Broker("rabbitmq", "127.0.0.1", free_port(), free_port())
    broker.folder = folder
    mapper_port, distribution_port = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{broker.port}\n"
        f"max_message_size = {MAX_MESSAGE_SIZE}\n"
        f"handshake_timeout = {HANDSHAKE_TIMEOUT_S * 1000}\n"
        "disk_free_limit.absolute = 50MB\n"
        "vm_memory_high_watermark.relative = 0.8\n"
        "collect_statistics_interval = 60000\n"
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {broker.api_port}\n"
        f"load_definitions = {HERE / 'peer.json'}\n"
    )
    (folder / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "ERL_"))}
    environment.update(
        HOME=str(folder),
        ERL_EPMD_PORT=str(mapper_port),
        ERL_EPMD_ADDRESS="127.0.0.1",
        RABBITMQ_NODENAME=f"warrenpeer{broker.port}@localhost",
        RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
        RABBITMQ_NODE_PORT=str(broker.port),
        RABBITMQ_DIST_PORT=str(distribution_port),
        RABBITMQ_BASE=str(folder),
        RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
        RABBITMQ_LOG_BASE=str(folder / "log"),
        RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
        RABBITMQ_CONF_ENV_FILE=str(folder / "none"),
        RABBITMQ_ADVANCED_CONFIG_FILE=str(folder / "none"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
        RABBITMQ_PID_FILE=str(folder / "pid"),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
    )
    broker.processes.append(
        subprocess.Popen(["epmd", "-port", str(mapper_port), "-address", "127.0.0.1"],
                         env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    )
    log = folder / "start.log"
    with log.open("wb") as output:
        server = subprocess.Popen([str(RABBITMQ_SERVER)], env=environment, cwd=folder,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    broker.processes.insert(0, server)
    try:
        await_port(server, broker.port, log)
        await_api(broker)
    except BaseException:
        broker.stop()
        raise
    return broker


def start_warren(program):
    """`warren serve` on free ports with the accounts of `warren.toml`."""
    if not Path(program).exists():
        raise RuntimeError(f"there is no {program}: cargo build --release")
    folder = Path(tempfile.mkdtemp(prefix="warren-differential-"))
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [str(program), "serve", "--config", str(HERE / "warren.toml"), "--listen", "127.0.0.1:0",
             "--http", "127.0.0.1:0", "--data-dir", str(folder / "data")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        )
    ready = process.stdout.readline().decode("utf-8", "replace").strip()
    words = dict(word.split("=", 1) for word in ready.split() if "=" in word)
    if "amqp" not in words:
        process.kill()
        process.wait()
        raise RuntimeError(f"warren did not start: {ready!r}\n{log.read_text()[-2000:]}")
    broker = Broker("warren", *split_address(words["amqp"]), split_address(words["http"])[1])
    broker.processes.append(process)
    broker.folder = folder
    # What it logs on standard output afterwards must not fill the pipe.
    drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
    process.stdout.close()
    broker.processes.append(drain)
    return broker


def split_address(address):
    host, _, port = address.removeprefix("amqp://").rstrip("/").rpartition(":")
    return host, int(port)

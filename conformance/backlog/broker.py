"""The broker as a process that may have so much memory and no more."""

import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class Failed(Exception):
    """The broker did not do what it should."""


class Cgroup:
    """A control group with a limit on memory; `made` is false where none may be made."""

    def __init__(self, limit):
        is_v2 = (ROOT / "cgroup.controllers").exists()
        parent, file = (ROOT, "memory.max") if is_v2 else (ROOT / "memory", "memory.limit_in_bytes")
        self.folder = parent / f"warren-backlog-{os.getpid()}"
        try:
            self.folder.mkdir()
            (self.folder / file).write_text(str(limit))
            self.made = True
        except OSError as error:
            self.made = False
            print(f"no cgroup may be made here ({error}): memory is watched, and not held", flush=True)
            self.close()

    def enter(self):
        """For the child, between fork and exec."""
        if self.made:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def close(self):
        if self.folder.is_dir():
            self.folder.rmdir()


class Broker:
    def __init__(self, program, folder, limit):
        self.program, self.folder, self.cgroup = Path(program).resolve(), folder, Cgroup(limit)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        if not self.cgroup.made:
            # What the broker takes of a machine of this size.
            self.environment["WARREN_STORE__MEMORY_LIMIT"] = str(limit * 6 // 10)
        self.environment["WARREN_LOG__LEVEL"] = "info"
        self.child = None

    def start(self):
        """The address, and how many seconds the broker took until it was ready."""
        started = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                [str(self.program), "serve", "--listen", "127.0.0.1:0", "--http", "off",
                 "--data-dir", str(self.folder / "data")],
                env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                preexec_fn=self.cgroup.enter)
        line = self.child.stdout.readline().decode("utf-8", "replace")
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "amqp" not in words:
            code = self.child.wait()
            raise Failed(f"exit code {code} before it was ready: {(self.folder / 'log').read_text()[-1500:]}")
        host, _, port = words["amqp"].rpartition(":")
        return (host, int(port)), time.monotonic() - started

    def memory(self, name="VmRSS"):
        """Bytes that the process has in memory; `VmHWM` for the most that it had."""
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise Failed("the broker is gone")

    def disk(self):
        """Bytes that the data folder takes."""
        files = [file for file in (self.folder / "data").rglob("*") if file.is_file()]
        return sum(file.stat().st_blocks * 512 for file in files)

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self.child.stdout.close()

    def close(self):
        if self.child is not None and self.child.poll() is None:
            self.kill()
        self.cgroup.close()

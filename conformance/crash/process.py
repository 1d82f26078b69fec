"""The broker as a process that is killed and started again on the same folder."""

import os
import random
import signal
import subprocess


class DidNotStart(Exception):
    """The broker ended before it was ready, or didn't end well."""


class Process:
    """With `power` (power.Power) each end of the process is a power loss as well, drawn from `seed`. `settings` are
    environment variables."""

    def __init__(self, program, folder, engine, sync, power=None, seed=0, settings=None):
        self.program, self.folder = program, folder
        self.power, self.random = power, random.Random(f"{seed}/power")
        self.lost = ""
        self.log = folder / "log"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        self.environment.update(
            WARREN_STORE__MESSAGES=engine,
            WARREN_STORE__SYNC=sync,
            # The smallest, so that segments are closed, cleaned and deleted while the broker is killed.
            WARREN_STORE__SEGMENT_BYTES="1048576",
            # Likewise, so that sled's database is written anew.
            WARREN_STORE__SLED_SLACK_BYTES="1048576",
            WARREN_STORE__DISK_FREE_LIMIT_BYTES="1048576",
            WARREN_LOG__LEVEL="warn",
        )
        self.environment.update(settings or {})
        self.arguments, self.words = ["--http", "off"], {}
        self.child = None

    def launch(self):
        power = self.power.environment() if self.power else {}
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [str(self.program), "serve", "--listen", "127.0.0.1:0", *self.arguments,
                 "--data-dir", str(self.folder / "data")],
                env=self.environment | power, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)

    def start(self):
        """The address, once the broker is ready."""
        self.launch()
        line = self.child.stdout.readline().decode("utf-8", "replace")
        words = self.words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "amqp" not in words:
            code = self.child.wait()
            raise DidNotStart(f"exit code {code} before it was ready: {self.log.read_text()[-1500:]}")
        host, _, port = words["amqp"].rpartition(":")
        return host, int(port)

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        code = self._reap()
        if code != 0:
            raise DidNotStart(f"exit code {code} after SIGTERM: {self.log.read_text()[-1500:]}")

    def _reap(self):
        self.child.stdout.close()
        try:
            code = self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise DidNotStart("it did not end within 60 s of its signal") from None
        if self.power:
            self.lost = f", the power went and left {self.power.lose(self.random)} of what was not synced"
        return code

    def alive(self):
        return self.child is not None and self.child.poll() is None

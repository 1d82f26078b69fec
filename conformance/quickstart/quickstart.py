"""Run the programs of README.md as they stand there, each against a warren that was started for it.

A section of the README is run if it has a block of output (```text). Its files (a line with a name in
backticks, then a block) are written into an empty folder, its commands (```sh) are run there, and what
they print must be the block of output. The programs find the broker by AMQP_URL, which is all that is
changed. A section whose text names a configuration (`--config FILE`) gets a broker with that file.
"""
import argparse
import difflib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / "conformance" / ".cache"
LAPIN_LOCK = ROOT / "conformance" / "clients" / "lapin" / "Cargo.lock"
START_S = 60
STOP_S = 30
SECTION_S = 900
# Maven switches colours off, even where it prints nothing else; no terminal shows that.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Fewer mean that the README has lost one, or that it is not understood here: five languages and a walk.
SECTIONS = 6
# What the sections need, by conformance/install's names.
NEEDED = ["pika", "amqplib", "amqp091-go", "amqp-client", "lapin"]


@dataclass
class Section:
    """A part of the README that can be run."""

    title: str
    config: str | None = None
    files: dict = field(default_factory=dict)
    commands: str = ""
    output: str | None = None


class Warren:
    """A broker process on free ports with a data folder of its own."""

    def __init__(self, binary, config, folder):
        self.errors = (folder / "log").open("w+")
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
                   "--data-dir", str(folder / "data")]
        if config:
            command += ["--config", str(ROOT / config)]
        # Own session: Ctrl-C ends this program, which then stops the broker.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, start_new_session=True)
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        found = re.match(r"warren \S+ ready amqp=(\S+) http=", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the broker's first line is {line!r}\n{self.log()}")
        self.url = f"amqp://guest:guest@{found.group(1)}/%2f"

    def log(self):
        self.errors.seek(0)
        return "".join(self.errors.readlines()[-20:])

    def stop(self):
        """Stop it; an empty text if it ended as it should."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"the broker still ran {STOP_S} s after SIGTERM\n{self.log()}"
        return "" if code == 0 else f"the broker's exit code is {code}\n{self.log()}"


def sections(text):
    """Every section of the README with a block of output."""
    found, section, name, fence, block = [], Section(""), None, None, []
    for line in text.splitlines():
        if fence is None and line.startswith("#"):
            section = Section(line.lstrip("# "))
            found.append(section)
        elif fence is None and line.startswith("```"):
            fence, block = line[3:], []
        elif fence is None:
            only_a_name = re.fullmatch(r"`([\w./]+)`:?", line.strip())
            if only_a_name:
                name = only_a_name.group(1)
            elif line.strip():
                name = None
        elif line == "```":
            add_block(section, fence, name, "\n".join(block) + "\n")
            fence = name = None
        else:
            block.append(line)
    return [section for section in found if section.output is not None]


def add_block(section, fence, name, block):
    if name:
        section.files[name] = block
    elif fence == "text":
        section.output = block
    elif fence == "sh" and re.search(r"^cargo run .*-- serve", block, re.MULTILINE):
        # The broker is started here, on free ports.
        config = re.search(r"--config (\S+)", block)
        section.config = config and config.group(1)
    elif fence == "sh":
        section.commands += block


def environment(url):
    env = dict(os.environ, AMQP_URL=url, PYTHONDONTWRITEBYTECODE="1",
               # What was built for the same library before is used again.
               CARGO_TARGET_DIR=str(CACHE / "lapin"))
    for name in ("GOFLAGS", "RUSTFLAGS"):
        env.pop(name, None)
    return env


def run_commands(section, folder, url):
    """(what it printed, what went wrong)"""
    for name, content in section.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    if "cargo " in section.commands:
        shutil.copy(LAPIN_LOCK, folder / "Cargo.lock")
    process = subprocess.Popen(["sh", "-e"], cwd=folder, env=environment(url), text=True, start_new_session=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(section.commands, SECTION_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        errors += f"\nnot done after {SECTION_S} s"
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    complaint = "" if process.returncode == 0 else f"exit code {process.returncode}\n{errors[-2000:]}"
    return output, complaint


def check(section, binary):
    """An empty text if the section does what the README says."""
    if not section.commands:
        return "the section has output but no commands"
    with tempfile.TemporaryDirectory(prefix="warren-quickstart-") as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        (folder / "client").mkdir()
        broker = Warren(binary, section.config, folder / "broker")
        try:
            output, complaint = run_commands(section, folder / "client", broker.url)
        finally:
            stopped = broker.stop()
        wanted, got = section.output.splitlines(), COLOURS.sub("", output).splitlines()
        if got != wanted:
            complaint += "\n" + "\n".join(difflib.unified_diff(wanted, got, "README", "run", lineterm=""))
        return "\n".join(filter(None, [complaint, stopped]))


def report(section, outcome):
    try:
        complaint = outcome()
    except (OSError, RuntimeError) as error:
        complaint = str(error)
    print(f"FAIL {section.title}: {complaint}" if complaint else f"ok {section.title}", flush=True)
    return not complaint


def build():
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--profile", "quick"], cwd=ROOT, check=True)
    return str(ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "quick" / "warren")


def options():
    parser = argparse.ArgumentParser(prog="conformance/quickstart/run", description=__doc__.splitlines()[0])
    parser.add_argument("--binary", help="warren program (default: build target/quick/warren)")
    parser.add_argument("--only", action="append", metavar="TITLE", help="a section; may be repeated")
    parser.add_argument("--no-install", action="store_true", help="the tools of all languages are there")
    parser.add_argument("--list", action="store_true", help="print the titles of the sections")
    return parser.parse_args()


def main():
    chosen = options()
    found = sections((ROOT / "README.md").read_text())
    if chosen.list:
        print("\n".join(section.title for section in found))
        return 0
    if len(found) < SECTIONS:
        sys.exit(f"quickstart: README.md has {len(found)} sections with output, not {SECTIONS}")
    if chosen.only:
        found = [section for section in found if section.title in chosen.only]
    if not found:
        sys.exit("quickstart: no such section in README.md")
    if not chosen.no_install:
        subprocess.run([str(ROOT / "conformance" / "install"), *NEEDED], check=True)
    binary = os.path.abspath(chosen.binary or build())
    # What waits for a retry queue costs nothing: it runs beside the others.
    waiting = [section for section in found if section.config]
    with ThreadPoolExecutor(len(waiting) or 1) as pool:
        jobs = {section.title: pool.submit(check, section, binary) for section in waiting}
        passed = [
            report(section, jobs[section.title].result if section.config else lambda s=section: check(s, binary))
            for section in found
        ]
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    # A SIGTERM must stop the broker too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())

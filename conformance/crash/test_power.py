"""The played power loss keeps what was synced and forgets the rest."""

import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import power
from power import Power

# Each of the programs' steps: bytes to a file, a sync, a name.
PROGRAM = """
import os, sys
folder = sys.argv[1]
at = lambda name: os.path.join(folder, name)
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""


class Loss(unittest.TestCase):
    def after(self, steps, way, before=None):
        """The files of a folder after the steps of a program and a power loss, as {name: content}."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "data"
            folder.mkdir()
            for name, content in (before or {}).items():
                (folder / name).write_bytes(content)
            loss = Power(folder, scratch)
            environment = os.environ | loss.environment()
            subprocess.run([sys.executable, "-c", PROGRAM + steps, str(folder)], env=environment, check=True)
            ways, power.WAYS = power.WAYS, [way]
            try:
                loss.lose(random.Random(3))
            finally:
                power.WAYS = ways
            return {str(path.relative_to(folder)): path.read_bytes()
                    for path in sorted(folder.rglob("*")) if path.is_file()}

    def test_what_was_synced_stays(self):
        for way in power.WAYS[:3]:
            found = self.after("""
fd = os.open(at("a"), os.O_WRONLY | os.O_CREAT)
os.write(fd, b"safe")
os.fdatasync(fd)
sync(folder)
""", way)
            self.assertEqual(found, {"a": b"safe"}, way)

    def test_what_was_not_synced_goes(self):
        found = self.after("""
fd = os.open(at("a"), os.O_WRONLY)
os.pwrite(fd, b"new", 0)
os.ftruncate(fd, 1)
os.open(at("b"), os.O_WRONLY | os.O_CREAT)
""", "nothing", {"a": b"old bytes"})
        self.assertEqual(found, {"a": b"old bytes"})

    def test_a_sync_covers_all_descriptors_of_a_file(self):
        found = self.after("""
first = os.open(at("a"), os.O_WRONLY)
second = os.open(at("a"), os.O_RDONLY)
os.pwrite(first, b"new", 0)
os.fsync(second)
os.pwrite(first, b"lost", 0)
""", "nothing", {"a": b"old"})
        self.assertEqual(found, {"a": b"new"})

    def test_what_is_written_through_needs_no_sync(self):
        # Bits of <linux/fs.h>: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_SYNC_FL.
        for set_flag, left in [("", b"old"), ("fcntl.ioctl(fd, 0x40086602, struct.pack('Q', flags | 8))", b"new")]:
            found = self.after(f"""
import fcntl, struct
fd = os.open(at("a"), os.O_WRONLY)
flags, = struct.unpack("Q", fcntl.ioctl(fd, 0x80086601, bytes(8)))
{set_flag}
os.pwrite(fd, b"new", 0)
""", "nothing", {"a": b"old"})
            self.assertEqual(found, {"a": left})

    def test_what_was_not_written_down_is_there_for_the_next_process_and_what_it_syncs_stays(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "data"
            (folder / "old").mkdir(parents=True)
            for name in ["a", "b", "gone", "old/c"]:
                (folder / name).write_bytes(b"old" * 1000)
            loss = Power(folder, scratch)

            def life(steps, way, unseen):
                environment = os.environ | loss.environment()
                subprocess.run([sys.executable, "-c", PROGRAM + steps, str(folder)], env=environment, check=True)
                unseen()
                ways, power.WAYS = power.WAYS, [way]
                try:
                    loss.lose(random.Random(3))
                finally:
                    power.WAYS = ways

            def killed():
                for name in "ab":
                    with open(folder / name, "r+b") as file:
                        file.seek(2000)
                        file.write(b"unseen")
                os.truncate(folder / "a", 2500)
                (folder / "gone").unlink()
                (folder / "old").rename(folder / "new")
                (folder / "made").write_bytes(b"made")
            life('os.rename(at("b"), at("b2"))\nos.rename(at("b2"), at("b"))', "all", killed)
            life('sync(at("a"))\nsync(at("made"))\nsync(folder)', "nothing", lambda: None)
            content = (b"old" * 1000)[:2000] + b"unseen" + (b"old" * 1000)[2006:2500]
            self.assertEqual((folder / "a").read_bytes(), content)
            self.assertEqual((folder / "b").read_bytes(), b"old" * 1000)
            found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
            self.assertEqual(found, ["a", "b", "made", "new", "new/c"])
            self.assertEqual((folder / "made").read_bytes(), b"made")

    def test_a_name_needs_its_folder_synced(self):
        steps = """
fd = os.open(at("a.new"), os.O_WRONLY | os.O_CREAT)
os.write(fd, b"new")
os.fsync(fd)
sync(folder)
os.rename(at("a.new"), at("a"))
"""
        self.assertEqual(self.after(steps, "nothing", {"a": b"old"}), {"a": b"old", "a.new": b"new"})
        self.assertEqual(self.after(steps + "sync(folder)", "nothing", {"a": b"old"}), {"a": b"new"})

    def test_a_folder_moves_with_its_files(self):
        found = self.after("""
os.mkdir(at("new"))
fd = os.open(at("new/a"), os.O_WRONLY | os.O_CREAT)
os.write(fd, b"x")
os.fsync(fd)
sync(at("new"))
os.rename(at("new"), at("old"))
sync(folder)
fd = os.open(at("old/b"), os.O_WRONLY | os.O_CREAT)
""", "nothing")
        self.assertEqual(found, {"old/a": b"x"})

    def test_a_folder_that_goes_takes_nothing_of_the_next_one_of_its_name(self):
        for way in power.WAYS[:3]:
            found = self.after("""
def make(content):
    os.mkdir(at("x"))
    fd = os.open(at("x/f"), os.O_WRONLY | os.O_CREAT)
    os.write(fd, content)
    os.fsync(fd)
    sync(at("x"))
    sync(folder)
    os.rename(at("x"), at("old"))
    sync(folder)
make(b"1")
os.unlink(at("old/f"))
os.rmdir(at("old"))
make(b"2")
""", way)
            self.assertEqual(found, {"old/f": b"2"}, way)

    def test_a_folder_that_is_made_anew_keeps_what_was_safe_before_the_old_one_was_gone(self):
        for way in power.WAYS[:3]:
            found = self.after("""
os.mkdir(at("x"))
os.close(os.open(at("x/f"), os.O_WRONLY | os.O_CREAT))
os.close(os.open(at("x/g"), os.O_WRONLY | os.O_CREAT))
sync(at("x"))
sync(folder)
os.unlink(at("x/f"))
os.unlink(at("x/g"))
os.rmdir(at("x"))
os.mkdir(at("x"))
fd = os.open(at("x/f"), os.O_WRONLY | os.O_CREAT)
os.write(fd, b"2")
os.fsync(fd)
sync(at("x"))
os.rename(at("x"), at("y"))
sync(folder)
""", way)
            self.assertEqual(found, {"y/f": b"2"}, way)

    def test_a_folder_may_have_the_number_of_a_file_that_is_gone(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "data"
            folder.mkdir()
            loss = Power(folder, scratch)
            loss.begin()
            here = os.stat(folder).st_ino
            loss.pending = []
            at = lambda name: str(folder / name).encode() + b"\0"
            loss.name(0, b"C", 77, at("file"))
            loss.name(1, b"U", 0, at("file"))
            loss.name(2, b"M", 77, at("sub"))
            loss.name(3, b"C", 78, at("sub/kept"))
            loss.sync(77, 4)
            loss.sync(here, 4)
            loss.write()
            self.assertEqual([path.name for path in (folder / "sub").iterdir()], ["kept"])

    def test_a_process_that_is_killed_while_it_writes_its_list_leaves_a_list(self):
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch) / "log"
            whole = power.HEAD.pack(b"C", 1, 0, 2) + b"a\0"
            log.write_bytes(whole + power.HEAD.pack(b"W", 1, 0, 100) + b"half")
            power.cut_off(log)
            with log.open("ab") as more:
                more.write(whole)
            self.assertEqual(list(power.records(log)), [(b"C", 1, 0, b"a\0")] * 2)

    def test_sectors_survive_on_their_own(self):
        found = self.after("""
fd = os.open(at("a"), os.O_WRONLY)
os.write(fd, b"n" * 65536)
""", "some sectors", {"a": b"o" * 65536})
        sectors = {found["a"][at:at + 512] for at in range(0, 65536, 512)}
        self.assertEqual(sectors, {b"n" * 512, b"o" * 512})


if __name__ == "__main__":
    unittest.main()

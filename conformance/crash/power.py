"""A power loss, played: what a process did to a folder, without what was not synced.

disk.c writes down every change that the broker makes to its data folder. When the broker has been killed, the folder is
made anew from its content at the start and that list: what was synced is there, and of the rest nothing, a beginning,
or some sectors in no order. Or the power stays, and all is there: what the next process finds and believes may then go
with a later loss.

What is assumed of the disk and its file system: a write reaches the disk in sectors of 512 bytes, each whole or not at
all, in any order; a file's bytes and length are safe once an fsync or fdatasync of the file that began after the write
has returned; a new, renamed or removed name is safe once its folder was synced, and unsynced ones survive in the order in
which they were made (as file systems with a journal do it).
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECTOR = 512
HEAD = struct.Struct("<cQQQ")
WAYS = ["nothing", "a beginning", "some sectors", "all"]


def build(folder):
    """Compiles disk.c."""
    library = folder / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "disk.c")], check=True)
    return library


class Changes:
    """A file: what is on stable storage, and what was done since, as (place in the list, kind, offset, bytes)."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        self.pending = []

    def apply(self, kind, offset, data):
        if kind == b"T":
            del self.durable[offset:]
            self.durable.extend(bytes(offset - len(self.durable)))
        else:
            self.durable.extend(bytes(max(0, offset + len(data) - len(self.durable))))
            self.durable[offset:offset + len(data)] = data

    def sync(self, upto):
        """All that was done before is safe."""
        for at, kind, offset, data in self.pending:
            if at < upto:
                self.apply(kind, offset, data)
        self.pending = [change for change in self.pending if change[0] >= upto]


def records(path):
    """The list that disk.c wrote; its last record may have been cut off with the process, which never saw it done."""
    with open(path, "rb") as log:
        while len(head := log.read(HEAD.size)) == HEAD.size:
            kind, inode, number, length = HEAD.unpack(head)
            data = log.read(length)
            if len(data) < length:
                return
            yield kind, inode, number, data


def cut_off(path):
    """Takes a record away that was cut off, so that the next process can add to the list."""
    whole = sum(HEAD.size + len(data) for _, _, _, data in records(path))
    os.truncate(path, whole)


class Power:
    """The data folder of one broker, from start to power loss."""

    def __init__(self, folder, scratch):
        self.folder, self.log = Path(folder), Path(scratch) / "disk.log"
        self.library = build(Path(scratch))
        self.is_new = True

    def environment(self):
        """What the next start needs; call it right before."""
        if self.is_new:
            self.begin()
        return {"LD_PRELOAD": str(self.library), "DISK_FOLDER": str(self.folder), "DISK_LOG": str(self.log),
                "DISK_SYNC_US": "1500"}

    def begin(self):
        """All that is there is on stable storage."""
        self.is_new = False
        self.log.unlink(missing_ok=True)
        # What the process sees of files and folders by their inodes; then the names that are on stable storage.
        self.files, self.folders = {}, {}
        self.names, self.safe_folders = {}, {str(self.folder)}
        self.paths = paths(self.folder)
        for path, _, names in os.walk(self.folder):
            self.folders[os.stat(path).st_ino] = path
            self.safe_folders.add(path)
            for name in names:
                full = os.path.join(path, name)
                inode = os.stat(full).st_ino
                self.names[full] = self.files[inode] = Changes(Path(full).read_bytes())

    def lose(self, random):
        """The process is gone: takes away what was not synced; says how."""
        way = random.choice(WAYS)
        if not self.log.exists():
            return way
        if way == "all":
            cut_off(self.log)
            self.catch_up()
            return way
        self.is_new = True
        self.pending, begun, at = [], {}, 0
        for at, (kind, inode, number, data) in enumerate(records(self.log)):
            if kind == b"S":
                begun[number] = at
            elif kind == b"E":
                self.sync(inode, begun[number])
            elif kind in b"WT":
                self.files[inode].pending.append((at, kind, number, data))
            else:
                self.name(at, kind, inode, data)
        self.end(way, random, at + 1)
        self.write()
        return way

    def catch_up(self):
        """Adds to the list what the process had done when it was killed, but not written down: the next process sees it.
        An operation that waits for the disk takes long, so that this is not rare."""
        names, seen = dict(self.paths), {inode: Changes(file.durable) for inode, file in self.files.items()}
        for kind, inode, number, data in records(self.log):
            if kind == b"C":
                seen[inode] = Changes()
            if kind in b"WT" and inode in seen:
                seen[inode].apply(kind, number, data)
            elif kind in b"CMRUD":
                names = renamed(names, kind, inode, *parts(data))
        there = paths(self.folder)
        with open(self.log, "ab") as log:
            for kind, inode, *changed in missed(names, there):
                data = b"".join(os.fsencode(path) + b"\0" for path in changed)
                log.write(HEAD.pack(kind, inode, 0, len(data)) + data)
            for path, inode in there.items():
                if os.path.isfile(path):
                    difference(log, inode, seen.get(inode, Changes()).durable, Path(path).read_bytes())

    def sync(self, inode, upto):
        if inode in self.files:
            self.files[inode].sync(upto)
        elif inode in self.folders:
            folder = self.folders[inode]
            safe = [change for change in self.pending if change[0] < upto and change[1] == folder]
            for change in safe:
                self.rename(change)
            self.pending = [change for change in self.pending if change not in safe]

    def name(self, at, kind, inode, data):
        """A change of names, which is pending."""
        path, *other = parts(data)
        file = None
        # A number that belonged to something removed is given out again.
        if kind == b"C":
            self.folders.pop(inode, None)
            file = self.files[inode] = Changes()
        elif kind == b"M":
            self.files.pop(inode, None)
            self.folders[inode] = path
            self.replaced(path)
        elif kind == b"R":
            self.folders = {one: moved(where, path, other[0]) for one, where in self.folders.items()}
            self.replaced(other[0])
            # What is pending in the folder goes with it.
            self.pending = [(one, moved(where, path, other[0]), what, moved(name, path, other[0]), *rest)
                            if inside(where, path) else (one, where, what, name, *rest)
                            for one, where, what, name, *rest in self.pending]
        elif kind == b"D":
            # A folder of the same name may be made, and its names be safe, before this is.
            file = {one for where, one in self.names.items() if inside(where, path)}
            file |= {change[5] for change in self.pending if change[2] == b"C" and inside(change[3], path)}
        self.pending.append((at, os.path.dirname(path), kind, path, other, file))

    def replaced(self, path):
        """Another folder has this name from now on: what is pending in the one before does nothing to it."""
        self.pending = [change for change in self.pending if not inside(change[1], path)]

    def rename(self, change):
        _, _, kind, path, other, file = change
        if kind == b"C":
            self.names[path] = file
        elif kind == b"M":
            self.safe_folders.add(path)
        elif kind == b"R":
            self.safe_folders = {moved(where, path, other[0]) for where in self.safe_folders}
            self.names = {where: file for where, file in self.names.items() if where != other[0]}
            self.names = {moved(where, path, other[0]): file for where, file in self.names.items()}
        elif kind == b"D":
            self.safe_folders.discard(path)
            self.names = {where: one for where, one in self.names.items()
                          if one not in file or not inside(where, path)}
        else:
            self.names.pop(path, None)

    def end(self, way, random, length):
        upto = random.randrange(length + 1) if way == "a beginning" else 0
        names = random.randrange(len(self.pending) + 1) if way == "some sectors" else 0
        for at, change in enumerate(self.pending):
            if change[0] < upto or at < names:
                self.rename(change)
        for file in self.files.values():
            file.sync(upto)
            if way != "some sectors":
                continue
            for _, kind, offset, data in file.pending:
                if kind == b"T":
                    if random.random() < 0.5:
                        file.apply(kind, offset, data)
                    continue
                for start in range(0, len(data), SECTOR):
                    if random.random() < 0.5:
                        file.apply(kind, offset + start, data[start:start + SECTOR])

    def write(self):
        """The folder as it is after the loss."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in sorted(self.safe_folders):
            if path == str(self.folder) or os.path.dirname(path) in self.safe_folders:
                os.makedirs(path)
        for path, file in self.names.items():
            if os.path.isdir(os.path.dirname(path)):
                Path(path).write_bytes(file.durable)


def parts(data):
    """The paths of a record."""
    return [os.fsdecode(part) for part in data.split(b"\0")[:-1]]


def paths(folder):
    """All files and folders below one, each with its inode."""
    return {path: os.stat(path).st_ino for where, folders, files in os.walk(folder)
            for path in (os.path.join(where, name) for name in folders + files)}


def renamed(names, kind, inode, path, other=None):
    """What `paths` would give after a change of names."""
    if kind in b"CM":
        return names | {path: inode}
    gone = path if kind in b"UD" else other
    names = {name: one for name, one in names.items() if not inside(name, gone)}
    return {moved(name, path, other): one for name, one in names.items()} if kind == b"R" else names


def missed(names, there):
    """The changes that make `there` of `names`."""
    for path in sorted(there):
        inode = there[path]
        if names.get(path) == inode:
            continue
        before = next((name for name, one in names.items() if one == inode and there.get(name) != inode), None)
        kind = b"R" if before else b"M" if os.path.isdir(path) else b"C"
        change = (kind, 0, before, path) if before else (kind, inode, path)
        names = renamed(names, *change)
        yield change
    for path in names.keys() - there.keys():
        yield (b"D", 0, path)


def difference(log, inode, known, is_there):
    """Writes down what makes one content of another."""
    if len(is_there) < len(known):
        log.write(HEAD.pack(b"T", inode, len(is_there), 0))
    for at in range(0, len(is_there), SECTOR):
        sector = is_there[at:at + SECTOR]
        if known[at:at + SECTOR] != sector:
            log.write(HEAD.pack(b"W", inode, at, len(sector)) + sector)


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def moved(path, old, new):
    """Where a path leads once `old`, a file or a folder, is called `new`."""
    return new + path[len(old):] if inside(path, old) else path

"""Disks made into another format by qemu-img, which sees one file that was inspected, and can do little else.

qemu-img is told the format and runs without network, without privileges (as `nobody` where we are root, else as we are) and
with limits of time, processor, memory and size of files, in a folder of its own. The folder is locked by whoever converts:
what a killed process left is told by that and removed by the next conversion.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from nova_lite import errors
from nova_lite.image.stores.base import Bytes

LOG = logging.getLogger(__name__)
RAW, QCOW2, COMPRESSED = "raw", "qcow2", "compressed-qcow2"
TARGETS = {RAW: RAW, QCOW2: QCOW2, COMPRESSED: QCOW2}  # what may be asked -> the format that comes out
# Ours -> qemu-img's.
SOURCES = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels"}
CONTAINERS = ("bare", "ovf", "ova")
FOLDER = "converting"  # in state_dir
NOBODY = "nobody"
PIECE = 1 << 20
LOOK_S = 0.2
WANTED_S = 5.0
GIB = 1 << 30
MARGIN_BYTES = 64 << 20  # what a format adds to the bytes of the disk, with its tables
TOO_MUCH = (-signal.SIGXCPU, -signal.SIGXFSZ, -signal.SIGKILL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What one conversion may take. `time_s` is that of the wall, `cpu_s` that of the processor."""

    time_s: int = 4 * 3600
    cpu_s: int = 2 * 3600
    memory_bytes: int = 2 * GIB
    disk_bytes: int = 1 << 40  # of the disk inside, however little of it is used


USUAL = Limits()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A disk to be converted: `open` gives its bytes alone, without those of an archive around it."""

    open: Callable[[], Bytes]
    disk_format: str
    virtual_size_bytes: int


def is_converted(disk_format: str | None, container_format: str | None, target: str | None) -> bool:
    """Whether an image is made into another one where imports convert to `target`; others stay as they are."""
    if target is None or disk_format not in SOURCES or container_format not in CONTAINERS:
        return False
    return container_format == "ova" or target == COMPRESSED or disk_format != TARGETS[target]


class Converter:
    """Converts disks of this process."""

    def __init__(self, folder: Path, limits: Limits = USUAL, program: str = "qemu-img") -> None:
        """`folder` is made when it is needed."""
        self._folder = folder
        self._limits = limits
        self._program = program

    def open(self, source: Source, target: str, is_wanted: Callable[[], bool]) -> Converted:
        """Give the disk in the format `target`. It is made when it is first read, as long as `is_wanted`."""
        return Converted(self._folder, functools.partial(self._make, source, target, is_wanted))

    def _make(self, source: Source, target: str, is_wanted: Callable[[], bool], place: Path) -> Path:
        if source.virtual_size_bytes > self._limits.disk_bytes:
            raise errors.TooLarge(f"Disks of more than {self._limits.disk_bytes} bytes are not converted.")
        with contextlib.closing(source.open()) as data, (place / "source").open("wb") as copy:
            while piece := data.read(PIECE):
                copy.write(piece)
        _give_to_nobody(place)
        command = [self._program, "convert", "-q", "-f", SOURCES[source.disk_format], "-O", TARGETS[target]]
        command += ["-c"] if target == COMPRESSED else []
        began = time.monotonic()
        self._run([*command, "source", "target"], place, source.virtual_size_bytes, is_wanted)
        extra = {"action": "convert", "format": target, "seconds": round(time.monotonic() - began, 3)}
        LOG.info("A disk was converted.", extra=extra)
        (place / "source").unlink()
        return place / "target"

    def _run(self, command: list[str], place: Path, disk_bytes: int, is_wanted: Callable[[], bool]) -> None:
        """Run qemu-img in its folder: it names files only there, so that it need not find the way to it."""
        confined = [*_confinement(), *_limits(self._limits, disk_bytes), "--", *command]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                confined, cwd=place, stdin=null, stdout=null, stderr=pipe, env={"PATH": os.defpath}, start_new_session=True
            )
        except OSError as error:
            raise _unable(f"{confined[0]} does not start") from error
        try:
            said = self._wait(process, is_wanted)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if process.returncode != 0:
            LOG.warning("qemu-img failed.", extra={"action": "convert", "code": process.returncode, "said": said[-500:]})
            raise _failure(process.returncode, place)

    def _wait(self, process: subprocess.Popen[bytes], is_wanted: Callable[[], bool]) -> str:
        began = looked = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.communicate(timeout=LOOK_S)[1].decode("utf-8", errors="replace")
            now = time.monotonic()
            if now - began > self._limits.time_s:
                raise errors.BadRequest("The conversion of the image took longer than it may.")
            if now - looked > WANTED_S:
                looked = now
                if not is_wanted():
                    raise errors.Gone("The image is not being imported any more.")


class Converted:
    """A converted disk being read; `close` removes it."""

    length = None  # known only when it is made

    def __init__(self, folder: Path, make: Callable[[Path], Path]) -> None:
        """`make` fills a folder of this disk's own and gives the file."""
        self._folder = folder
        self._make = make
        self._held = contextlib.ExitStack()
        self._file: BinaryIO | None = None

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes; none at the end.

        Raises: BadRequest when it cannot be converted; Gone when nobody wants it any more; InsufficientStorage; TooLarge;
        Unavailable when qemu-img cannot be run.
        """
        if self._file is None:
            with _translated(self._folder):
                place = self._held.enter_context(_own_folder(self._folder))
                self._file = self._held.enter_context(self._make(place).open("rb"))
        return self._file.read(size)

    def close(self) -> None:
        """Remove it. May be repeated."""
        self._held.close()


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder, locked; first remove those whose lock nobody holds any more."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as held:
        with _locked(folder):  # nobody sweeps between the making of a folder and its lock
            for place in folder.iterdir():
                _remove_abandoned(place)
            place = Path(tempfile.mkdtemp(dir=folder))
            held.enter_context(_locked(place))
        held.callback(shutil.rmtree, place, ignore_errors=True)
        yield place


@contextlib.contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    with contextlib.suppress(OSError), _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(place, ignore_errors=True)


def _give_to_nobody(place: Path) -> None:
    """Let qemu-img read the source and make files beside it."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(NOBODY)
        os.chown(place, nobody.pw_uid, nobody.pw_gid)
        os.chown(place / "source", nobody.pw_uid, nobody.pw_gid)
    (place / "source").chmod(0o400)


def _confinement() -> list[str]:
    """Give the words before a command that take from it network, privileges, and life when our thread ends."""
    words = ["setpriv", "--pdeathsig", "KILL", "--no-new-privs"]
    if os.geteuid() == 0:
        nobody = pwd.getpwnam(NOBODY)
        words += [
            f"--reuid={nobody.pw_uid}",
            f"--regid={nobody.pw_gid}",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]
    return [*_without_network(os.geteuid()), *words, "--"]


@functools.cache
def _without_network(user: int) -> tuple[str, ...]:
    """Give the words that take the network away; none where this machine does not let us."""
    words = ("unshare", *(() if user == 0 else ("--user", "--map-current-user")), "--net", "--")
    try:
        subprocess.run([*words, "true"], check=True, timeout=10, stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        LOG.warning("Conversions keep the network: this machine does not let it be taken away.", extra={"action": "convert"})
        return ()
    return words


def _limits(limits: Limits, disk_bytes: int) -> list[str]:
    file_bytes = disk_bytes + disk_bytes // 64 + MARGIN_BYTES
    return [
        "prlimit",
        f"--as={limits.memory_bytes}",
        f"--cpu={limits.cpu_s}",
        f"--fsize={file_bytes}",
        "--nofile=64",
        "--core=0",
    ]


def _failure(code: int, place: Path) -> errors.NovaLiteError:
    if code in TOO_MUCH:
        return errors.BadRequest("The conversion of the image took more than it may of processor time, or of room.")
    if _is_full(place):
        return _full()
    if code in (126, 127):  # as shells and util-linux say that the program cannot be run
        return _unable("qemu-img, or what confines it, does not start")
    return errors.BadRequest("The image could not be converted: it is damaged, or needed more memory than it may.")


def _is_full(folder: Path) -> bool:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < 16 << 20


def _full() -> errors.InsufficientStorage:
    return errors.InsufficientStorage("There is no room to convert the image.")


def _unable(why: str) -> errors.Unavailable:
    LOG.error("Images cannot be converted here: %s.", why, extra={"action": "convert"})
    return errors.Unavailable("Images cannot be converted at the moment.", what="the conversion of images")


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError) as error:
        if isinstance(error, OSError) and folder.exists() and _is_full(folder):
            raise _full() from error
        raise _unable(f"{folder} or the user {NOBODY} cannot be used ({error})") from error

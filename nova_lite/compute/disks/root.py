"""A guest's disks: the root laid over a cached image, blank ones for ephemeral room and swap. Each appears whole or not."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import threading
import time
from pathlib import Path

from nova_lite.compute.disks import configdrive
from nova_lite.compute.disks.cache import BaseImage, ImageCache
from nova_lite.compute.disks.tool import DiskError, run, saying_when_full
from nova_lite.model.guest import SWAP, BlankDisk, DirectBoot, GuestSpec, Rescue
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource

GIB = 1024**3
MIB = 1024**2
MAKE_S = 120.0
COPY_S = 14400.0
ROOT = "root.qcow2"
USED_FOR_S = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disk:
    """One disk of a guest. `base` is what it stands on, with the format of that."""

    path: Path
    format: str
    base: Path | None = None
    base_format: str | None = None
    is_cdrom: bool = False
    is_rescue: bool = False
    bus: str | None = None  # None: the guest's usual one
    boots: bool = False  # this one first, wherever it stands


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootFiles:
    """A guest's own copies of what it boots with, where it does not boot from a disk's loader."""

    kernel: Path
    ramdisk: Path | None = None
    command_line: str | None = None


class GuestDisks:
    """The disks of a host's guests, a folder each. Calls for one server never run side by side."""

    def __init__(self, folder: Path, cache: ImageCache) -> None:
        """`folder` is only passed through by the hypervisor's user; libvirt hands it the files themselves."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)
        self._folder = folder
        self._cache = cache
        self._used: tuple[float, int] | None = None

    def ensure(self, spec: GuestSpec, stop: threading.Event) -> tuple[Disk, ...]:
        """Have all disks of a guest; those that are there stay as they are. Raises: DiskError, Stopped, OSError."""
        folder = self.folder_of(spec.server_id)
        with saying_when_full(self._folder):
            return self._ensure(spec, folder, stop)

    def _ensure(self, spec: GuestSpec, folder: Path, stop: threading.Event) -> tuple[Disk, ...]:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        _ensure_boot_files(self._cache, spec.booted, self.boot_files(spec), stop)
        disks = [self._ensure_root(spec, folder, stop)]
        disks.extend(_ensure_blanks(folder, spec, stop))
        config = [_ensure_config_drive(folder / _config_name(spec), spec)] if spec.config_drive else []
        if spec.rescue is None:
            return (*disks, *config)
        rescue = self._ensure_rescue(spec.rescue, folder, stop)
        return (*disks, *config, rescue) if spec.rescue.stable else (rescue, disks[0], *config)

    def fetch(self, image: ImageSource, stop: threading.Event) -> None:
        """Have an image in the cache. Raises: DiskError, Stopped, OSError."""
        self._cache.ensure(image, stop)

    def drop(self, server_id: ServerId, *, keep_blanks: bool) -> None:
        """Remove the root disk and the config drive, and the other disks too unless they are kept. May be repeated."""
        gone = ("root.*", "config.*", "rescue*", "nvram*") if keep_blanks else ("*.qcow2", "*.raw", "*.iso", "*.new", "nvram*")
        self._unlink(server_id, *gone, "boot.*", "rescue.*")

    def drop_rescue(self, server_id: ServerId) -> None:
        """Remove the rescue disk and its config drive. May be repeated."""
        self._unlink(server_id, "rescue*")

    def _unlink(self, server_id: ServerId, *patterns: str) -> None:
        for pattern in patterns:
            for path in self.folder_of(server_id).glob(pattern):
                path.unlink(missing_ok=True)

    def boot_files(self, spec: GuestSpec) -> BootFiles | None:
        """Give where the files are that a guest boots with; None where its disk has a loader. Nothing is looked at."""
        direct, folder = spec.booted, self.folder_of(spec.server_id)
        if direct is None:
            return None
        stem = "boot" if spec.rescue is None else "rescue"
        ramdisk = None if direct.ramdisk is None else folder / f"{stem}.ramdisk"
        return BootFiles(kernel=folder / f"{stem}.kernel", ramdisk=ramdisk, command_line=direct.command_line)

    def _ensure_rescue(self, rescue: Rescue, folder: Path, stop: threading.Event) -> Disk:
        """Have the disk that a rescued guest boots from, laid over its image."""
        base = self._cache.ensure(rescue.image, stop)
        path = folder / "rescue.qcow2"
        if not path.exists():
            _lay_over(path, base.path, base.format, rescue.image.virtual_size_bytes, stop)
        return Disk(
            path=path,
            format="qcow2",
            base=base.path,
            base_format=base.format,
            is_cdrom=rescue.device == "cdrom",
            is_rescue=True,
            bus=rescue.bus,
            boots=True,
        )

    def console_log(self, server_id: ServerId) -> Path:
        """Give where the guest's serial console is written."""
        return self.folder_of(server_id) / "console.log"

    def nvram(self, server_id: ServerId) -> Path:
        """Give where the variables of a guest's UEFI firmware are: beside its disks, so that they go where those go."""
        return self.folder_of(server_id) / "nvram.fd"

    def remove(self, server_id: ServerId) -> None:
        """Remove all of a guest's files. May be repeated. Raises: OSError."""
        folder = self.folder_of(server_id)
        if folder.exists():
            shutil.rmtree(folder)

    def held_folder(self, server_id: ServerId) -> Path:
        """Give where a guest's disks are while they are set aside."""
        return self._folder / f"{server_id}.held"

    def base_of(self, spec: GuestSpec, stop: threading.Event) -> BaseImage | None:
        """Have the image that a guest's root disk lies on; None: it lies on none. Raises: DiskError, Stopped."""
        if spec.flat:
            return None
        if spec.image is None:
            raise _no_image()
        return self._cache.ensure(spec.image, stop)

    def remove_held(self, server_id: ServerId) -> None:
        """Remove what is set aside of a guest. May be repeated. Raises: OSError."""
        if self.held_folder(server_id).exists():
            shutil.rmtree(self.held_folder(server_id))

    def used_bytes(self) -> int:
        """Give what the disks took of the file system within the last minute."""
        now = time.monotonic()
        if self._used is None or now - self._used[0] > USED_FOR_S:
            self._used = (now, self._count_used())
        return self._used[1]

    def _count_used(self) -> int:
        total = 0
        for path in self._folder.glob("*/*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
        return total

    def folder_of(self, server_id: ServerId) -> Path:
        """Give the folder of a guest."""
        return self._folder / server_id

    def _ensure_root(self, spec: GuestSpec, folder: Path, stop: threading.Event) -> Disk:
        path = folder / ROOT
        if spec.flat and path.exists():
            return Disk(path=path, format="qcow2")
        if spec.image is None and spec.flat and spec.root_gib:  # another host fills it
            _make_empty(path, spec.root_gib * GIB, stop)
            return Disk(path=path, format="qcow2")
        if spec.image is None:
            raise _no_image()
        size = spec.root_gib * GIB or spec.image.virtual_size_bytes
        if spec.image.virtual_size_bytes > size:
            raise DiskError(
                f"The image needs {-(-spec.image.virtual_size_bytes // GIB)} GiB, the flavor's disk has {spec.root_gib}.",
                code="disk_too_small",
                host_at_fault=False,
            )
        base = self._cache.ensure(spec.image, stop)
        if spec.flat:
            _copy_of(path, base, size, stop)
            return Disk(path=path, format="qcow2")
        if not path.exists():
            _lay_over(path, base.path, base.format, size, stop)
        return Disk(path=path, format="qcow2", base=base.path, base_format=base.format)


def _ensure_boot_files(cache: ImageCache, direct: DirectBoot | None, files: BootFiles | None, stop: threading.Event) -> None:
    """Have what a guest boots with, of the cache's checked images; the guest's own, so that those may go."""
    if direct is None or files is None:
        return
    for path, image in ((files.kernel, direct.kernel), (files.ramdisk, direct.ramdisk)):
        if path is None or image is None or path.exists():
            continue
        base = cache.ensure(image, stop)
        if base.format != "raw":
            raise DiskError(f"A {image.disk_format} is no kernel or ramdisk.", code="image_format", host_at_fault=False)
        fresh = path.with_name(f"{path.name}.new")
        shutil.copyfile(base.path, fresh)
        fresh.chmod(0o600)
        fresh.rename(path)


def _make_empty(path: Path, size_bytes: int, stop: threading.Event) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", str(fresh), str(size_bytes)], timeout_s=MAKE_S, stop=stop)
    fresh.chmod(0o600)
    fresh.rename(path)


def _copy_of(path: Path, base: BaseImage, size_bytes: int, stop: threading.Event) -> None:
    """Make a disk that begins as an image and does not need it any more."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    command = ["qemu-img", "convert", "-q", "-f", base.format, "-O", "qcow2", str(base.path), str(fresh)]
    run(command, timeout_s=COPY_S, stop=stop)
    run(["qemu-img", "resize", "-q", "-f", "qcow2", str(fresh), str(-(-size_bytes // 512) * 512)], timeout_s=MAKE_S, stop=stop)
    fresh.chmod(0o600)
    fresh.rename(path)


def _lay_over(path: Path, base: Path, base_format: str, size_bytes: int, stop: threading.Event) -> None:
    """Make a disk that keeps only what differs from its base."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", base_format]
    run([*command, str(fresh), str(-(-size_bytes // 512) * 512)], timeout_s=MAKE_S, stop=stop)
    fresh.chmod(0o600)
    fresh.rename(path)


def _config_name(spec: GuestSpec) -> str:
    return "config.iso" if spec.rescue is None else "rescue.iso"


def _no_image() -> DiskError:
    return DiskError("The server has no image to boot from.", code="no_image", host_at_fault=False)


USUAL_FILE_SYSTEM = "ext4"
MAKE_SWAP = ("mkswap", "-L", "swap0")


def _ensure_blanks(folder: Path, spec: GuestSpec, stop: threading.Event) -> list[Disk]:
    """Have the blank disks, in their order; file systems are labelled ephemeral0 and on."""
    made = []
    names = itertools.chain(["ephemeral.raw"], (f"ephemeral{number}.raw" for number in itertools.count(1)))
    labels = (f"ephemeral{number}" for number in itertools.count())
    for blank in blanks_of(spec):
        if blank.format == SWAP:
            name, make = "swap.raw", MAKE_SWAP
        else:
            file_system = blank.format or USUAL_FILE_SYSTEM
            name, make = next(names), (f"mkfs.{file_system}", "-q", "-F", "-L", next(labels))
        made.append(_ensure_blank(folder / name, blank.size_mib * MIB, make, stop))
    return made


def blanks_of(spec: GuestSpec) -> tuple[BlankDisk, ...]:
    """Give the blank disks of a guest, in their order."""
    if spec.blank_disks is not None:
        return spec.blank_disks
    ephemeral = BlankDisk(size_mib=spec.ephemeral_gib * (GIB // MIB))
    return tuple(disk for disk in (ephemeral, BlankDisk(size_mib=spec.swap_mib, format=SWAP)) if disk.size_mib)


def _ensure_blank(path: Path, size_bytes: int, make: tuple[str, ...], stop: threading.Event) -> Disk:
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with fresh.open("r+b") as file:
            file.truncate(size_bytes)
        run([*make, str(fresh)], timeout_s=MAKE_S, stop=stop)
        fresh.rename(path)
    return Disk(path=path, format="raw")


def _ensure_config_drive(path: Path, spec: GuestSpec) -> Disk:
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(configdrive.image_of(spec))
        fresh.rename(path)
    return Disk(path=path, format="raw", is_cdrom=True)

"""Builds the tiny guest once, and keeps it by the content of what it is made of."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from nova_lite.cli.guest_image import archive, modules
from nova_lite.cli.guest_image.disk import make_bootable, make_ext4
from nova_lite.cli.guest_image.packages import Packages
from nova_lite.cli.guest_image.tools import run

HERE = Path(__file__).parent
USER, PASSWORD = "cirros", "gocubsgo"  # no secret: printed at the login
NOT_LINKED = {"busybox", "shutdown", "dpkg", "dpkg-deb", "rpm"}
FOLDERS = ("dev", "proc", "sys", "run", "tmp", "mnt", "root", "var", "sbin", f"home/{USER}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestImage:
    """The files of a built guest: a bootable disk, and the parts of it for images with a kernel of their own."""

    disk: Path  # qcow2
    kernel: Path
    initrd: Path
    root: Path  # raw ext4


def default_cache() -> Path:
    """Give the folder in which built guests are kept: nova-lite under the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nova-lite"


def ensure(cache: Path | None = None) -> GuestImage:
    """Build the guest, or find it. May be repeated and run side by side; a half-built one is never seen.

    Raises: Unavailable when a tool or a package is missing.
    """
    return _files(kept_once((cache or default_cache()) / f"guest-{_fingerprint()}", _build))


def kept_once(kept: Path, build: Callable[[Path], Path]) -> Path:
    """Give a folder, built the first time: `build` works in the folder it is given and says what came of it there.

    May be repeated and run side by side; a half-built one is never seen. Raises: what `build` does.
    """
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{kept.name}-", dir=kept.parent) as work:
            built = build(Path(work))
            try:
                built.rename(kept)
            except OSError:
                if not kept.exists():  # else another builder was first
                    raise
    return kept


def _files(folder: Path) -> GuestImage:
    names = {"disk": "tiny.qcow2", "kernel": "vmlinuz", "initrd": "initrd", "root": "rootfs.img"}
    return GuestImage(**{field: folder / name for field, name in names.items()})


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(work: Path) -> Path:
    result = work / "result"
    result.mkdir()
    files = _files(result)
    packages = Packages(work / "debs")
    kernel, folder = packages.kernel()
    programs = packages.programs()
    known = modules.Modules(folder)
    shutil.copyfile(kernel, files.kernel)
    files.initrd.write_bytes(_initramfs(known, programs["busybox"]))
    tree = work / "root"
    _fill_tree(tree, packages, programs)
    _add_modules(tree, known)
    make_ext4(tree, files.root, USER)
    make_bootable(work, files.kernel, files.initrd, files.root, files.disk)
    return result


def _initramfs(known: modules.Modules, busybox: Path) -> bytes:
    boot = known.in_order(modules.BOOT)
    names = " ".join(Path(path).name for path in boot)
    entries = [archive.folder(name) for name in ("bin", "dev", "proc", "sys", "root", "modules")]
    entries.append(archive.Entry(name="dev/console", mode=0o20600, device=(5, 1)))
    entries.append(archive.program("bin/busybox", busybox.read_bytes()))
    entries.append(archive.link("bin/sh", "busybox"))
    entries.append(archive.program("init", (HERE / "initramfs/init").read_bytes()))
    entries += [archive.plain(f"modules/{Path(path).name}", known.read(path)) for path in boot]
    entries.append(archive.plain("modules.boot", names.encode()))
    return archive.pack(entries)


def _fill_tree(tree: Path, packages: Packages, programs: dict[str, Path]) -> None:
    for name in FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    for name, path in programs.items():
        _put(tree / ("bin" if name == "busybox" else "usr/sbin") / name, path.read_bytes(), 0o755)
    for name, path in packages.libraries(list(programs.values())).items():
        _put(tree / ("lib64" if name.startswith("ld-linux") else "lib/x86_64-linux-gnu") / name, path.read_bytes(), 0o755)
    for path in sorted(path for path in (HERE / "root").rglob("*") if path.is_file()):
        data = path.read_bytes()
        _put(tree / path.relative_to(HERE / "root"), data, 0o755 if data.startswith(b"#!") else 0o644)
    (tree / "bin/busybox").chmod(0o4755)  # su
    for name in run(str(programs["busybox"]), "--list").decode().split():
        if name not in NOT_LINKED:
            (tree / "bin" / name).symlink_to("busybox")
    (tree / "sbin/init").symlink_to("../bin/busybox")
    (tree / "sbin/shutdown").symlink_to("../usr/sbin/shutdown")
    (tree / "var/run").symlink_to("/run")
    secret = run(str(programs["busybox"]), "mkpasswd", "-m", "sha512", PASSWORD).decode().strip()
    _put(tree / "etc/shadow", f"root::1:0:99999:7:::\n{USER}:{secret}:1:0:99999:7:::\n".encode(), 0o600)


def _add_modules(tree: Path, known: modules.Modules) -> None:
    boot = known.in_order(modules.BOOT)
    net = [path for path in known.in_order(modules.NET) if path not in boot]
    late = [path for path in known.in_order(modules.LATE) if path not in (*boot, *net)]
    for name, paths in (("modules.net", net), ("modules.late", late)):
        _put(tree / "lib" / name, " ".join(Path(path).name for path in paths).encode(), 0o644)
        for path in paths:
            _put(tree / "lib/modules" / Path(path).name, known.read(path), 0o644)


def _put(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)

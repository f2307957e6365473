"""A guest of the tests' own in which Linux serves NFS 4, since the machine's kernel may be without it. QEMU needs no KVM.

It sees the machine's files by 9p and cannot change them; Debian's kernel and NFS programs are unpacked once into a cache and
installed nowhere. What it does is said in nfs_inside.py.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nova_lite.cli.guest_image import archive
from nova_lite.cli.guest_image.builder import default_cache, kept_once
from nova_lite.cli.guest_image.modules import Modules
from nova_lite.cli.guest_image.packages import Packages
from nova_lite.cli.guest_image.tools import run

HERE = Path(__file__).parent
TOP = HERE.parents[1]
KERNEL = "linux-image-amd64"  # the one for clouds has no 9p
PACKAGES = (
    *("nfs-kernel-server", "nfs-common", "libnfsidmap1", "libtirpc3", "libtirpc-common", "libwrap0", "libevent-core-2.1-7"),
    *("libsqlite3-0", "libcap2", "libkeyutils1", "libdevmapper1.02.1"),
)
MODULES = (
    *("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay", "crc32c_generic", "ext4"),
    *("nfsd", "nfsv4", "veth"),
)
PROGRAMS = ("qemu-system-x86_64", "busybox", "mke2fs", "depmod", "dpkg-deb", "ip", "unshare", "nsenter")
FOLDERS = ("bin", "dev", "proc", "sys", "root", "tools", "out", "changes", "new", "modules")
DISK_MIB, RAM_MIB = 512, 1280


def reason_against() -> str | None:
    """Say why this machine cannot run one, if it cannot."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    return f"{', '.join(missing)}: not installed" if missing else None


class Guest:
    """One run of the guest. Its folder holds the console and what the guest writes to its share `out`."""

    def __init__(self) -> None:
        """Make its files; nothing runs yet."""
        self.home = Path(tempfile.mkdtemp(prefix="nova-lite-nfs-"))
        self.out = self.home / "out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def console(self) -> str:
        """What it has said so far."""
        path = self.home / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, parts: Sequence[str], timeout_s: float) -> None:
        """Boot, and wait until it has powered itself off. Raises: TimeoutExpired."""
        files = _files()
        self.out.mkdir()
        told = {"PYTHON": sys.executable, "PROGRAM": str(HERE / "nfs_inside.py"), "TOP": str(TOP), "PARTS": " ".join(parts)}
        told |= {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        told |= {"PYTHONPATH": f"{TOP}:{TOP / 'tests'}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONWARNINGS": "ignore"}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in told.items()]
        (self.out / "environment").write_text("".join(lines))
        disk = self.home / "disk"
        with disk.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", str(disk))  # with blocks for root it is never full
        self._process = subprocess.Popen(self._command(files, disk), stdin=subprocess.DEVNULL, start_new_session=True)
        self._process.wait(timeout_s)

    def _command(self, files: Path, disk: Path) -> list[str]:
        shares = {"root": (Path("/"), "on"), "tools": (files / "tree", "on"), "out": (self.out, "off")}
        command = ["qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-machine", "pc,usb=off"]
        command += ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", str(RAM_MIB)]
        command += ["-kernel", str(files / "vmlinuz"), "-initrd", str(files / "initrd")]
        command += ["-append", "console=ttyS0 quiet loglevel=4 panic=-1 nokaslr mitigations=off tsc=reliable no_timer_check"]
        command += ["-serial", f"file:{self.home / 'console'}", "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
        for name, (path, read_only) in shares.items():
            rest = f"mount_tag={name},security_model=none,readonly={read_only},multidevs=remap"
            command += ["-virtfs", f"local,path={path},{rest}"]
        return command

    def remove(self) -> None:
        """End it and take its files away. May be repeated."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self.home, ignore_errors=True)


def _files() -> Path:
    """Give the folder with the kernel, the initramfs, and the tree of the NFS programs; made the first time."""
    made_of = "\n".join((*PACKAGES, *MODULES, *FOLDERS, KERNEL)).encode() + (HERE / "nfs_init.sh").read_bytes()
    return kept_once(default_cache() / f"nfs-{hashlib.sha256(made_of).hexdigest()[:12]}", _build)


def _build(work: Path) -> Path:
    packages = Packages(work)
    names = run("apt-cache", "depends", KERNEL).decode().split()
    kernel = next(name for name in names if name.startswith("linux-image-") and name != KERNEL)
    packages.download((kernel, *PACKAGES))
    tree, result = packages.tree, work / "result"
    result.mkdir()
    version = kernel.removeprefix("linux-image-")
    shutil.copyfile(tree / f"boot/vmlinuz-{version}", result / "vmlinuz")
    run("depmod", "-b", str(tree), version)
    (result / "initrd").write_bytes(_initramfs(Modules(tree / "lib/modules" / version)))
    shutil.rmtree(tree / "lib/modules")
    shutil.rmtree(tree / "boot")
    for name in ("lib", "sbin", "bin"):  # Debian has links in their place, and these must stay visible
        if (tree / name).exists():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)
    tree.rename(result / "tree")
    return result


def _initramfs(known: Modules) -> bytes:
    order = known.in_order(MODULES)
    entries = [archive.folder(name) for name in FOLDERS]
    entries.append(archive.Entry(name="dev/console", mode=0o20600, device=(5, 1)))
    busybox = shutil.which("busybox")
    assert busybox is not None
    entries.append(archive.program("bin/busybox", Path(busybox).read_bytes()))
    entries.append(archive.program("init", (HERE / "nfs_init.sh").read_bytes()))
    entries += [archive.plain(f"modules/{Path(path).name}", known.read(path)) for path in order]
    entries.append(archive.plain("modules.order", " ".join(Path(path).name for path in order).encode()))
    return archive.pack(entries)

"""Files of Debian packages: from the machine where they are installed, else downloaded and unpacked, never installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nova_lite import errors
from nova_lite.cli.guest_image.elf import needed
from nova_lite.cli.guest_image.tools import run

PROGRAMS = {  # program -> the package it comes from
    "busybox": "busybox-static",
    "dropbear": "dropbear-bin",
    "dropbearkey": "dropbear-bin",
    "resize2fs": "e2fsprogs",
    "qemu-ga": "qemu-guest-agent",
}
LIBRARY_PACKAGES = (
    *("libc6", "libtomcrypt1", "libtommath1", "zlib1g", "libcrypt1", "libgmp10", "libudev1", "libnuma1"),
    *("liburing2", "libglib2.0-0", "libpcre2-8-0", "libext2fs2", "libcom-err2"),
)
PROGRAM_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64")
KERNEL = "linux-image-cloud-amd64"


class Packages:
    """A look-up of programs, libraries and the kernel. What is downloaded goes into `folder`."""

    def __init__(self, folder: Path, machine: Path = Path("/")) -> None:
        """`machine` is the root of the installed system."""
        self.pool = folder / "pool"
        self.tree = folder / "tree"
        self.machine = machine
        self.pool.mkdir(parents=True, exist_ok=True)
        self.tree.mkdir(exist_ok=True)

    def programs(self) -> dict[str, Path]:
        """Find all programs of the guest, downloading what is missing in one go."""
        found = {name: self._find(name, PROGRAM_FOLDERS) for name in PROGRAMS}
        self.download(sorted({PROGRAMS[name] for name, path in found.items() if path is None}))
        return {name: path or self._must_find(name, PROGRAM_FOLDERS) for name, path in found.items()}

    def libraries(self, programs: Sequence[Path]) -> dict[str, Path]:
        """Find what the programs need to run, and what those libraries need."""
        found: dict[str, Path] = {}
        open_names = [name for program in programs for name in needed(program)]
        while open_names:
            name = open_names.pop()
            if name in found or name.startswith("linux-vdso"):
                continue
            path = self._find(name, LIBRARY_FOLDERS)
            if path is None:
                self.download(LIBRARY_PACKAGES)
                path = self._must_find(name, LIBRARY_FOLDERS)
            found[name] = path
            open_names += needed(path)
        return found

    def kernel(self) -> tuple[Path, Path]:
        """Give a cloud kernel and the folder of its modules: the newest installed one, else a downloaded one."""
        for root in (self.machine, self.tree):
            kernels = sorted((root / "boot").glob("vmlinuz-*cloud-amd64"))
            if kernels:
                version = kernels[-1].name.removeprefix("vmlinuz-")
                return kernels[-1], self._modules(root, version)
            if root == self.machine:
                self.download([self._kernel_package()])
        raise errors.Unavailable("No cloud kernel was found among Debian's packages.")

    def _modules(self, root: Path, version: str) -> Path:
        folder = root / "lib/modules" / version
        if not (folder / "modules.dep").exists():
            run("depmod", "-b", str(root), version)
        return folder

    def _kernel_package(self) -> str:
        for refresh in (False, True):
            if refresh:
                run("apt-get", "-q", "update", timeout_s=300)
            text = run("apt-cache", "depends", KERNEL).decode()
            names = [word for word in text.split() if word.startswith("linux-image-") and word != KERNEL]
            if names:
                return names[0]
        raise errors.Unavailable(f"Debian's package lists do not know {KERNEL}; is the network there?")

    def download(self, names: Sequence[str]) -> None:
        """Download packages and unpack them beside each other; none is installed. May be repeated."""
        missing = [name for name in names if not list(self.pool.glob(f"{name}_*.deb"))]
        if not missing:
            return
        run("apt-get", "-q", "download", *missing, cwd=self.pool, timeout_s=600)
        for name in missing:
            for archive in self.pool.glob(f"{name}_*.deb"):
                run("dpkg-deb", "-x", str(archive), str(self.tree))

    def _find(self, name: str, folders: Sequence[str]) -> Path | None:
        for root in (self.machine, self.tree):
            for folder in folders:
                path = root / folder / name
                if path.exists():
                    return path.resolve()
        return None

    def _must_find(self, name: str, folders: Sequence[str]) -> Path:
        path = self._find(name, folders)
        if path is None:
            raise errors.Unavailable(f"{name} was not found, neither on this machine nor in Debian's packages.")
        return path

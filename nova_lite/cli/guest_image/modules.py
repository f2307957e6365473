"""Kernel modules of the guest, each after those that it depends on."""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path

# what the initramfs needs to reach the root disk; then the network; then the rest, from the root file system
BOOT = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod")
NET = ("virtio_net",)
LATE = (
    *("isofs", "vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii", "ata_piix", "sr_mod", "button", "evdev"),
    *("virtio-rng", "virtio_console", "virtio_balloon", "i6300esb", "e1000", "8139cp", "nvme"),
)


class Modules:
    """The modules of one kernel."""

    def __init__(self, folder: Path) -> None:
        """`folder` is lib/modules/<version> with its modules.dep."""
        self.folder = folder
        self._needs: dict[str, list[str]] = {}
        self._path_of: dict[str, str] = {}
        for line in (folder / "modules.dep").read_text(encoding="utf-8").splitlines():
            path, _, needs = line.partition(":")
            self._needs[path] = needs.split()
            self._path_of[_plain(Path(path).name.split(".ko")[0])] = path

    def in_order(self, names: Sequence[str]) -> list[str]:
        """List the paths of the modules and of all that they need, in the order to load them; unknown names are built in."""
        order: list[str] = []
        for name in names:
            path = self._path_of.get(_plain(name))
            if path:
                self._add(path, order)
        return order

    def _add(self, path: str, order: list[str]) -> None:
        for need in reversed(self._needs[path]):
            if need not in order:
                self._add(need, order)
        if path not in order:
            order.append(path)

    def read(self, path: str) -> bytes:
        """Give a module's bytes, unpacked."""
        data = (self.folder / path).read_bytes()
        return lzma.decompress(data) if path.endswith(".xz") else data


def _plain(name: str) -> str:
    return name.replace("-", "_")

"""Disks that move: set aside, brought, fitted to where they are now and to another size."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

from nova_lite.compute.disks.root import COPY_S, GIB, ROOT, GuestDisks, blanks_of
from nova_lite.compute.disks.tool import DiskError, run
from nova_lite.compute.moving.door import Offer
from nova_lite.model.guest import SWAP, GuestSpec
from nova_lite.model.ids import ServerId
from nova_lite.rpc.files import write_secret

TOOL_S = 300.0
MOVED = (".qcow2", ".raw", ".iso", ".fd")
OFFER = "offer"  # the hash of the token that opens what is set aside; it outlives the daemon beside the disks
Fetch = Callable[[Path], None]


class MovingDisks:
    """The moves of the disks of a host's guests. Calls for one server never run side by side."""

    def __init__(self, disks: GuestDisks) -> None:
        """`disks` says where they are."""
        self._disks = disks

    def is_held(self, server_id: ServerId) -> bool:
        """Whether a guest's disks are set aside."""
        return self._disks.held_folder(server_id).is_dir()

    def hold(self, server_id: ServerId) -> None:
        """Set a guest's disks aside. May be repeated. Raises: OSError."""
        if not self.is_held(server_id):
            self._disks.folder_of(server_id).rename(self._disks.held_folder(server_id))

    def restore(self, server_id: ServerId) -> None:
        """Take back what was set aside; the guest's folder must be gone. May be repeated. Raises: OSError."""
        if self.is_held(server_id):
            self.offer(server_id, None)
            self._disks.held_folder(server_id).rename(self._disks.folder_of(server_id))

    def offer(self, server_id: ServerId, token_sha256: str | None) -> None:
        """Let who shows the token fetch what is set aside; None: nobody. May be repeated."""
        path = self._disks.held_folder(server_id) / OFFER
        if token_sha256 is None:
            path.unlink(missing_ok=True)
        else:
            write_secret(path, token_sha256.encode())

    def offer_of(self, server_id: ServerId) -> Offer | None:
        """Give what may be fetched, and by which token; None: nothing."""
        folder = self._disks.held_folder(server_id)
        try:
            token_sha256 = (folder / OFFER).read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        files = {path.name: path for path in folder.iterdir() if path.suffix in MOVED}
        return Offer(token_sha256=token_sha256, files=files)

    def bring(self, spec: GuestSpec, fetch: Fetch | None, stop: threading.Event) -> None:
        """Have a guest's disks here, by `fetch` into their folder, or (None) copied of what is set aside; then fit them.

        May be repeated. Raises: DiskError, Stopped, OSError, and what `fetch` raises.
        """
        base = self._disks.base_of(spec, stop)
        folder = self._disks.folder_of(spec.server_id)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        if fetch is not None:
            fetch(folder)
        else:
            self._copy(spec.server_id, folder, stop)
        root = folder / ROOT
        if not root.exists():
            raise DiskError("The server's disk did not come.", code="no_disk")
        if base is not None:
            # The disk may lie on the image in another folder now. Its bytes are the same, so only the name changes.
            rebase = ["qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-b", str(base.path), "-F", base.format, str(root)]
            run(rebase, timeout_s=TOOL_S, stop=stop)
        if spec.root_gib:
            _require_room(spec)
            run(["qemu-img", "resize", "-q", "-f", "qcow2", str(root), str(spec.root_gib * GIB)], timeout_s=TOOL_S, stop=stop)
        _fit_blanks(folder, spec)

    def drop(self, server_id: ServerId) -> None:
        """Forget what is set aside. May be repeated. Raises: OSError."""
        self._disks.remove_held(server_id)

    def _copy(self, server_id: ServerId, folder: Path, stop: threading.Event) -> None:
        held = self._disks.held_folder(server_id)
        if not held.is_dir():
            raise DiskError("The host has nothing set aside of the server.", code="no_guest", host_at_fault=False)
        for path in sorted(held.iterdir()):
            target = folder / path.name
            if path.suffix not in MOVED or target.exists():
                continue
            fresh = folder / f".{path.name}.part"
            run(["cp", "--reflink=auto", "--sparse=auto", str(path), str(fresh)], timeout_s=COPY_S, stop=stop)
            fresh.chmod(0o600)
            fresh.rename(target)


def _require_room(spec: GuestSpec) -> None:
    if spec.image is not None and spec.image.virtual_size_bytes > spec.root_gib * GIB:
        raise DiskError("The image needs a larger disk than the flavor has.", code="disk_too_small", host_at_fault=False)


def _fit_blanks(folder: Path, spec: GuestSpec) -> None:
    """Let blank disks grow, and forget swap of another size: it is made anew when the guest is."""
    names = itertools.chain(["ephemeral.raw"], (f"ephemeral{number}.raw" for number in itertools.count(1)))
    sizes = {("swap.raw" if blank.format == SWAP else next(names)): blank.size_mib << 20 for blank in blanks_of(spec)}
    for path in folder.glob("*.raw"):
        wanted = sizes.get(path.name, 0)
        if path.name == "swap.raw" and path.stat().st_size != wanted:
            path.unlink()
        elif path.stat().st_size < wanted:
            os.truncate(path, wanted)

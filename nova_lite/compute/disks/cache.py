"""Images on a host by their hash: downloaded once, checked, converted when the hypervisor cannot use them as they are.

What an image is stands in its record; nothing here guesses a format from bytes. `<sha512>.<format>` is the image,
`<sha512>.json` beside it says how it looked when it was checked, and its time is that of the last use.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from nova_lite import errors
from nova_lite.compute.disks.tool import DiskError, free_bytes, run
from nova_lite.compute.effort import count_image
from nova_lite.image.client import ImageDamaged, Stopped, download
from nova_lite.model.image import ImageSource

LOG = logging.getLogger(__name__)
AS_IT_IS = {"raw": "raw", "iso": "raw", "ami": "raw", "aki": "raw", "ari": "raw", "qcow2": "qcow2"}
CONVERTED = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "qed": "qed"}  # our name -> qemu-img's
CONVERT_S = 1800.0
MARGIN_BYTES = 256 * 1024 * 1024
PIECE = 1 << 20
Download = Callable[[ImageSource, Path, threading.Event], None]
FAULTS: dict[type[errors.NovaLiteError], tuple[str, bool]] = {
    ImageDamaged: ("The image's data are damaged.", False),
    errors.NotFound: ("The image is gone.", False),
    errors.Gone: ("The image is gone.", False),
    errors.Unauthorized: ("The time to download the image was over.", False),
    errors.Forbidden: ("The host was not allowed to download the image.", False),
    errors.InsufficientStorage: ("The host's disk has no room for the image.", True),
    errors.Unavailable: ("The host could not download the image.", True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseImage:
    """A checked image to lay disks on; never written to."""

    path: Path
    format: str  # raw or qcow2


class ImageCache:
    """The images of a host. Any thread may call it; of one image only one call works at a time."""

    def __init__(self, folder: Path, in_use: Callable[[], Collection[str]], *, fetch: Download = download) -> None:
        """`in_use` gives the hashes of the images that guests here stand on: those are never removed."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the hypervisor's user opens files by name
        self._folder = folder
        self._in_use = in_use
        self._fetch = fetch
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def ensure(self, source: ImageSource, stop: threading.Event) -> BaseImage:
        """Have the image here, intact; a damaged one is brought anew. May be repeated. Raises: DiskError, Stopped."""
        kept = AS_IT_IS.get(source.disk_format, "qcow2")
        if source.disk_format not in AS_IT_IS and source.disk_format not in CONVERTED:
            raise DiskError(
                f"No host can boot an image of the format {source.disk_format}.", code="image_format", host_at_fault=False
            )
        path = self._folder / f"{source.sha512}.{kept}"
        with self._alone(source.sha512, stop):
            if self._is_intact(path, source, stop):
                count_image(0)
            else:
                path.unlink(missing_ok=True)
                self._bring(source, path, stop)
                self._remember(path)
            os.utime(_sheet(path))
        return BaseImage(path=path, format=kept)

    def remove_unused(self, wanted_bytes: int) -> int:
        """Remove images that no guest stands on, the longest unused first, until so much is freed; give what was."""
        in_use = set(self._in_use())
        freed = 0
        for sheet in sorted(self._folder.glob("*.json"), key=_last_use):
            if freed >= wanted_bytes:
                break
            lock = self._lock_of(sheet.stem)
            if sheet.stem in in_use or not lock.acquire(blocking=False):
                continue
            try:
                freed += _remove_image(sheet)
            finally:
                lock.release()
        return freed

    def _bring(self, source: ImageSource, path: Path, stop: threading.Event) -> None:
        as_it_is = source.disk_format in AS_IT_IS
        self._make_room(source.size_bytes + (0 if as_it_is else source.virtual_size_bytes))
        raw = path if as_it_is else path.with_suffix(".download")
        if not raw.exists():
            self._download(source, raw, stop)
        if as_it_is:
            return
        fresh = path.with_suffix(".converting")
        fresh.unlink(missing_ok=True)
        command = ["qemu-img", "convert", "-f", CONVERTED[source.disk_format], "-O", "qcow2", str(raw), str(fresh)]
        try:
            run(command, timeout_s=CONVERT_S, stop=stop)
            fresh.rename(path)
        finally:
            fresh.unlink(missing_ok=True)
        raw.unlink()

    def _download(self, source: ImageSource, target: Path, stop: threading.Event) -> None:
        began = time.monotonic()
        try:
            self._fetch(source, target, stop)
        except Stopped:
            raise
        except errors.NovaLiteError as error:
            message, host_at_fault = _fault(error)
            raise DiskError(message, code=error.code, host_at_fault=host_at_fault) from error
        count_image(source.size_bytes)
        target.chmod(0o600)  # libvirt hands it to the hypervisor's user
        extra = {"image": source.image_id, "bytes": source.size_bytes, "seconds": round(time.monotonic() - began, 3)}
        LOG.info("An image was downloaded.", extra=extra)

    def _make_room(self, bytes_wanted: int) -> None:
        missing = bytes_wanted + MARGIN_BYTES - free_bytes(self._folder)
        if missing > 0 and self.remove_unused(missing) < missing:
            raise DiskError("The host's disk has no room for the image.", code="insufficient_storage")

    def _is_intact(self, path: Path, source: ImageSource, stop: threading.Event) -> bool:
        """Look at size and time of a file; read all of it when they are not as they were."""
        try:
            known = json.loads(_sheet(path).read_text(encoding="ascii"))
            if known == _look(path):
                return True
        except (OSError, ValueError):
            pass
        if not path.exists():
            return False
        if source.disk_format in CONVERTED or _hash(path, stop) != source.sha512:
            LOG.warning("A cached image is damaged; it is brought anew.", extra={"image": source.image_id})
            return False
        self._remember(path)
        return True

    def _remember(self, path: Path) -> None:
        fresh = _sheet(path).with_suffix(".sheet")
        fresh.write_text(json.dumps(_look(path)), encoding="ascii")
        fresh.rename(_sheet(path))

    def _lock_of(self, sha512: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(sha512, threading.Lock())

    @contextlib.contextmanager
    def _alone(self, sha512: str, stop: threading.Event) -> Iterator[None]:
        lock = self._lock_of(sha512)
        while not lock.acquire(timeout=0.2):
            if stop.is_set():
                raise Stopped
        try:
            yield
        finally:
            lock.release()


def _sheet(path: Path) -> Path:
    return path.with_suffix(".json")


def _look(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _last_use(sheet: Path) -> float:
    try:
        return sheet.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_image(sheet: Path) -> int:
    freed = 0
    for suffix in ("raw", "qcow2", "download"):
        path = sheet.with_suffix(f".{suffix}")
        with contextlib.suppress(FileNotFoundError):
            freed += path.stat().st_blocks * 512
            path.unlink()
    sheet.unlink(missing_ok=True)
    LOG.info("An unused image was removed.", extra={"bytes": freed})
    return freed


def _hash(path: Path, stop: threading.Event) -> str:
    digest = hashlib.sha512()
    with path.open("rb") as file:
        while data := file.read(PIECE):
            if stop.is_set():
                raise Stopped
            digest.update(data)
    return digest.hexdigest()


def _fault(error: errors.NovaLiteError) -> tuple[str, bool]:
    for kind, fault in FAULTS.items():
        if isinstance(error, kind):
            return fault
    return "The host could not download the image.", True

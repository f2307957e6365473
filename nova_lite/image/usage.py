"""How images are used: who downloads how much is counted beside the downloads, and written down some seconds later, together.

A download counts when the last byte of the image was sent, in whatever parts; every byte counts that was sent. A process that
dies takes the counts of its last seconds with it.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nova_lite import errors, metrics
from nova_lite.db import image_usage as db
from nova_lite.db.engine import Database, Tx
from nova_lite.image import notices
from nova_lite.image.stores.base import store_name
from nova_lite.model.image import Image

LOG = logging.getLogger(__name__)
FLUSH_S = 5.0
MOST_TOLD = 1000  # notifications that wait for the next writing; what comes on top is lost, and counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Download:
    """Bytes that are sent: `length` from `start` on, to a user or, with a ticket, to a host (`by`: user, host)."""

    image: Image
    start: int
    length: int
    by: str = "user"
    project_id: str | None = None
    user_id: str | None = None


@dataclasses.dataclass
class _Count:
    downloads: int = 0
    sent_bytes: int = 0
    at: float = 0.0


class Counted:
    """An open file that is sent, and tells at its end how many bytes of it were; all else is the file's own."""

    def __init__(self, file: Any, done: Callable[[int], None]) -> None:
        """`done` is called once, with the bytes that were sent."""
        self._file = file
        self._done: Callable[[int], None] | None = done
        self._read = 0
        self._start = file.tell() if hasattr(file, "tell") else 0
        self._reached = self._start

    def __getattr__(self, name: str) -> Any:
        """Give `fileno` and `tell` where the file has them: it then goes by sendfile."""
        return getattr(self._file, name)

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        data: bytes = self._file.read(size)
        self._read += len(data)
        return data

    def seek(self, position: int, whence: int = 0, /) -> int:
        """Go to a place; after a sendfile, it is behind the last byte that was sent."""
        if whence == 0:
            self._reached = max(self._reached, position)
        found: int = self._file.seek(position, whence)
        return found

    def close(self) -> None:
        """Close the file, and tell. May be repeated."""
        done, self._done = self._done, None
        self._file.close()
        if done is not None:
            done(max(self._read, self._reached - self._start))


class Usage:
    """Counts downloads in memory, and writes them down together from a thread that begins with the first one."""

    def __init__(self, database: Database, *, flush_s: float = FLUSH_S) -> None:
        """Nothing connects yet."""
        self._database = database
        self._flush_s = flush_s
        self._lock = threading.Lock()
        self._counts: dict[str, _Count] = {}
        self._events: list[tuple[bool, dict[str, Any]]] = []
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def counted(self, file: Any, download: Download) -> Counted:
        """Give a file that is counted when it is closed."""
        return Counted(file, lambda sent: self.sent(download, sent))

    def sent(self, download: Download, sent_bytes: int) -> None:
        """Count bytes that were sent. Never waits for the database."""
        image = download.image
        whole = sent_bytes >= download.length
        complete = whole and download.start + download.length == image.size_bytes
        metrics.IMAGE_BYTES_SENT.labels(by=download.by).inc(sent_bytes)
        metrics.IMAGE_DOWNLOADS.labels(by=download.by, outcome="whole" if complete else "part" if whole else "cut").inc()
        with self._lock:
            count = self._counts.setdefault(image.id, _Count())
            count.downloads += int(complete)
            count.sent_bytes += sent_bytes
            count.at = self._database.clock.wall()
            if self._database.announces:
                self._tell(whole, _payload(download, sent_bytes))
            self._ensure_thread()
        self._wanted.set()

    def flush(self) -> None:
        """Write down what was counted. Raises: Unavailable; then it is kept."""
        with self._lock:
            counts, self._counts = self._counts, {}
            events, self._events = self._events, []
        if not counts:
            return
        try:
            self._database.transact(lambda tx: _write(tx, counts, events))
        except errors.Unavailable:
            with self._lock:
                self._events[:0] = events
                for image_id, count in counts.items():
                    kept = self._counts.setdefault(image_id, _Count())
                    kept.downloads += count.downloads
                    kept.sent_bytes += count.sent_bytes
                    kept.at = max(kept.at, count.at)
            raise

    def _tell(self, whole: bool, payload: dict[str, Any]) -> None:
        if len(self._events) < MOST_TOLD:
            self._events.append((whole, payload))
        else:
            metrics.NOTIFICATIONS_LOST.inc()

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():  # the first one, or after a fork or an unexpected end
            self._thread = threading.Thread(target=self._work, name="image-usage", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        pause = threading.Event()
        while True:
            self._wanted.wait()
            pause.wait(self._flush_s)
            self._wanted.clear()
            try:
                self.flush()
            except errors.Unavailable as error:
                LOG.warning("Downloads are written down later: %s", error.message, extra={"action": "usage"})
                self._wanted.set()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Used:
    """An image and its use. `stores`: the bytes that each store has of it; `boots`: servers made of it, deleted ones too."""

    image_id: str
    name: str | None
    project_id: str | None
    stores: Mapping[str, int]
    downloads: int
    sent_bytes: int
    boots: int
    last_used_at: float | None

    @property
    def kept_bytes(self) -> int:
        """Give what all copies take."""
        return sum(self.stores.values())


def list_used(tx: Tx, project_id: str | None = None) -> list[Used]:
    """Give all images, or those of one project, with their use: by project, oldest first. Two statements."""
    copied: dict[str, list[str]] = {}
    for copy in db.list_kept_copies(tx, project_id):
        copied.setdefault(copy["image_id"], []).append(copy["store"])
    return [
        Used(
            image_id=row["id"],
            name=row["name"],
            project_id=row["owner"],
            stores=_stores(row["location"], copied.get(row["id"], ()), int(row["size_bytes"] or 0)),
            downloads=int(row["downloads"]),
            sent_bytes=int(row["sent_bytes"]),
            boots=int(row["boots"]),
            last_used_at=max((at for at in (row["last_download_at"], row["last_boot_at"]) if at is not None), default=None),
        )
        for row in db.list_used(tx, project_id)
    ]


def _stores(location: str | None, copies: Sequence[str], size_bytes: int) -> dict[str, int]:
    own = [] if location is None else [store_name(location)]
    return dict.fromkeys((*own, *copies), size_bytes)


def by_store(tx: Tx, stores: Collection[str], project_id: str | None = None) -> dict[str, int]:
    """Add up the bytes that each of these stores has, of all images or a project's, once for each copy. Two statements."""
    found = dict.fromkeys(stores, 0)
    for store, size_bytes in (*db.own_bytes(tx, stores, project_id), *db.copied_bytes(tx, project_id)):
        if store in found:
            found[store] += size_bytes
    return found


def by_project(images: Sequence[Used]) -> list[Used]:
    """Add up what is in each project; the sums have no image and, as names, how many images there are."""
    found: dict[str | None, list[Used]] = {}
    for one in images:
        found.setdefault(one.project_id, []).append(one)
    return [
        Used(
            image_id="",
            name=str(len(own)),
            project_id=project_id,
            stores=_added(own),
            downloads=sum(one.downloads for one in own),
            sent_bytes=sum(one.sent_bytes for one in own),
            boots=sum(one.boots for one in own),
            last_used_at=max((one.last_used_at for one in own if one.last_used_at is not None), default=None),
        )
        for project_id, own in found.items()
    ]


def _added(images: Sequence[Used]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in images:
        for store, size_bytes in one.stores.items():
            found[store] = found.get(store, 0) + size_bytes
    return dict(sorted(found.items()))


def _write(tx: Tx, counts: dict[str, _Count], events: Sequence[tuple[bool, dict[str, Any]]]) -> None:
    for image_id in sorted(counts):  # in one order, so that two processes never wait for each other in a ring
        count = counts[image_id]
        db.add(tx, image_id, count.downloads, count.sent_bytes, count.at)
    for whole, priority in ((True, notices.INFO), (False, notices.ERROR)):
        told = [("image.send", payload) for ended, payload in events if ended is whole]
        notices.write_all(tx, told, priority=priority)


def _payload(download: Download, sent_bytes: int) -> dict[str, Any]:
    return {
        "bytes_sent": sent_bytes,
        "image_id": download.image.id,
        "owner_id": download.image.owner,
        "receiver_tenant_id": download.project_id,
        "receiver_user_id": download.user_id,
    }

"""Ceph's own libraries, librados and librbd, as far as images need them. What they refuse is an OSError with their number.

They are called by ctypes, which lets other threads run meanwhile. Every call is bounded by `PATIENCE`; librbd may need a few
of its bounds one after another.
"""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import errno
import functools
import os
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ssize_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

import orjson

PATIENCE = {"client_mount_timeout": "10", "rados_mon_op_timeout": "10", "rados_osd_op_timeout": "15"}
# No cache: what is written is there when the call ends. And nothing of the libraries' on our standard error.
HABITS = {"rbd_cache": "false", "log_to_stderr": "false", "err_to_stderr": "false", "admin_socket": ""}
MAY_RENEW, MUST_RENEW = 1, 2  # LIBRADOS_LOCK_FLAG_*
ORDER = 2  # RBD_IMAGE_OPTION_ORDER
OBJECT_BITS = 23  # an image lies in objects of 8 MiB
AT_ONCE = 3  # writes under way of one image
ROOM = 64 << 10  # bytes for names that a call gives back

_P, _S, _Z = c_void_p, c_char_p, c_size_t
_RADOS: dict[str, tuple[Any, ...]] = {
    "rados_create2": (POINTER(_P), _S, _S, c_uint64),
    "rados_conf_read_file": (_P, _S),
    "rados_conf_set": (_P, _S, _S),
    "rados_connect": (_P,),
    "rados_shutdown": (_P,),
    "rados_cluster_fsid": (_P, _P, _Z),
    "rados_getaddrs": (_P, POINTER(_P)),
    "rados_blocklist_add": (_P, _S, c_uint32),
    "rados_wait_for_latest_osdmap": (_P,),
    "rados_mon_command": (_P, POINTER(_S), _Z, _S, _Z, POINTER(_P), POINTER(_Z), POINTER(_P), POINTER(_Z)),
    "rados_buffer_free": (_P,),
    "rados_ioctx_create": (_P, _S, POINTER(_P)),
    "rados_set_pool_full_try": (_P,),
    "rados_setxattr": (_P, _S, _S, _S, _Z),
    "rados_rmxattr": (_P, _S, _S),
    "rados_getxattrs": (_P, _S, POINTER(_P)),
    "rados_getxattrs_next": (_P, POINTER(_S), POINTER(_P), POINTER(_Z)),
    "rados_getxattrs_end": (_P,),
    "rados_lock_exclusive": (_P, _S, _S, _S, _S, _P, c_uint8),
    "rados_list_lockers": (_P, _S, _S, POINTER(c_int), *(_P, POINTER(_Z)) * 4),
}
_RBD: dict[str, tuple[Any, ...]] = {
    "rbd_image_options_create": (POINTER(_P),),
    "rbd_image_options_set_uint64": (_P, c_int, c_uint64),
    "rbd_image_options_destroy": (_P,),
    "rbd_create4": (_P, _S, c_uint64, _P),
    "rbd_list": (_P, _P, POINTER(_Z)),
    "rbd_remove": (_P, _S),
    "rbd_open": (_P, _S, POINTER(_P), _S),
    "rbd_close": (_P,),
    "rbd_get_id": (_P, _P, _Z),
    "rbd_get_size": (_P, POINTER(c_uint64)),
    "rbd_resize": (_P, c_uint64),
    "rbd_read2": (_P, c_uint64, _Z, _P, c_int),
    "rbd_aio_create_completion": (_P, _P, POINTER(_P)),
    "rbd_aio_write2": (_P, c_uint64, _Z, _S, _P, c_int),
    "rbd_aio_wait_for_complete": (_P,),
    "rbd_aio_get_return_value": (_P,),
    "rbd_aio_release": (_P,),
    "rbd_flush": (_P,),
    "rbd_snap_create": (_P, _S),
    "rbd_snap_protect": (_P, _S),
    "rbd_snap_unprotect": (_P, _S),
    "rbd_snap_remove": (_P, _S),
    "rbd_snap_is_protected": (_P, _S, POINTER(c_int)),
    "rbd_snap_set": (_P, _S),
    "rbd_list_children3": (_P, _P, POINTER(_Z)),
    "rbd_watchers_list": (_P, _P, POINTER(_Z)),
}
_GIVES: dict[str, Any] = {
    "rados_list_lockers": c_ssize_t, "rbd_read2": c_ssize_t, "rbd_aio_get_return_value": c_ssize_t, "rbd_aio_release": None,
    "rados_shutdown": None, "rados_buffer_free": None, "rados_set_pool_full_try": None, "rados_getxattrs_end": None,
    "rbd_image_options_create": None, "rbd_image_options_destroy": None,
}  # fmt: skip


class _Duration(ctypes.Structure):
    """A `struct timeval`."""

    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


@functools.cache
def library() -> dict[str, Callable[..., int]]:
    """Load both libraries. Raises: OSError when one is not installed; AttributeError when it is older than Ceph 16."""
    calls: dict[str, Callable[..., int]] = {}
    for file, signatures in (("librados.so.2", _RADOS), ("librbd.so.1", _RBD)):
        loaded = ctypes.CDLL(file)
        for name, arguments in signatures.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = arguments, _GIVES.get(name, c_int)
            calls[name] = function
    return calls


def call(name: str, *arguments: Any) -> int:
    """Call one function. Raises: OSError."""
    result = library()[name](*arguments)
    if result is not None and result < 0:
        raise OSError(-result, os.strerror(-result))
    return result or 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A pool and who uses it. `config`, `keyring`: files; None: where Ceph looks by itself."""

    pool: str
    user: str = "nova-lite"
    config: Path | None = Path("/etc/ceph/ceph.conf")
    keyring: Path | None = None


class Cluster:
    """A connection to a pool, for all threads of one process. It is not given back: other threads may be in it."""

    def __init__(self, place: Place) -> None:
        """Connects. Raises: OSError."""
        self._place = place
        self._handle, self._pool = c_void_p(), c_void_p()
        call("rados_create2", byref(self._handle), b"ceph", f"client.{place.user}".encode(), 0)
        try:
            self._configure()
            call("rados_connect", self._handle)
            call("rados_ioctx_create", self._handle, place.pool.encode(), byref(self._pool))
        except OSError:
            call("rados_shutdown", self._handle)
            raise
        call("rados_set_pool_full_try", self._pool)  # a full pool refuses writes; else they would wait until it is not
        self.address = self._own_address()

    def _configure(self) -> None:
        if self._place.config is not None:
            call("rados_conf_read_file", self._handle, os.fsencode(self._place.config))
        keyring = {} if self._place.keyring is None else {"keyring": str(self._place.keyring)}
        for option, value in {**HABITS, **PATIENCE, **keyring}.items():
            call("rados_conf_set", self._handle, option.encode(), value.encode())

    def _own_address(self) -> str:
        found = c_void_p()
        call("rados_getaddrs", self._handle, byref(found))
        text = ctypes.string_at(found.value or 0).decode()
        call("rados_buffer_free", found)
        return text

    def fsid(self) -> str:
        """Give the cluster's id."""
        room = ctypes.create_string_buffer(64)
        call("rados_cluster_fsid", self._handle, room, len(room))
        return room.value.decode()

    def block(self, address: str) -> None:
        """Have Ceph take nothing more from a client; when this ends, its storage knows. May be repeated. Raises: OSError."""
        call("rados_blocklist_add", self._handle, address.encode(), 0)
        call("rados_wait_for_latest_osdmap", self._handle)

    def free_bytes(self) -> int | None:
        """Give how much fits into the pool, by Ceph's own estimate and quota; None when it does not tell. Raises: OSError."""
        try:
            pools = orjson.loads(self._command({"prefix": "df", "detail": "detail", "format": "json"}))["pools"]
        except PermissionError:
            return None
        return next((_free_of(pool["stats"]) for pool in pools if pool["name"] == self._place.pool), None)

    def _command(self, command: dict[str, str]) -> bytes:
        """Ask the monitors."""
        answer, size, said, said_size = c_void_p(), c_size_t(), c_void_p(), c_size_t()
        texts, results = (c_char_p * 1)(orjson.dumps(command)), (byref(answer), byref(size), byref(said), byref(said_size))
        try:
            call("rados_mon_command", self._handle, texts, 1, b"", 0, *results)
            return ctypes.string_at(answer.value or 0, size.value)
        finally:
            call("rados_buffer_free", answer)
            call("rados_buffer_free", said)

    # -- notes on an object, and leases that end by the clock of the storage

    def set_note(self, where: str, name: str, value: bytes) -> None:
        """Write a note; the object is made when it is missing. Raises: OSError."""
        call("rados_setxattr", self._pool, where.encode(), name.encode(), value, len(value))

    def drop_note(self, where: str, name: str) -> None:
        """Remove a note. May be repeated. Raises: OSError."""
        try:
            call("rados_rmxattr", self._pool, where.encode(), name.encode())
        except FileNotFoundError:
            return

    def notes(self, where: str) -> dict[str, bytes]:
        """Read all notes; a lease is one, too: `lock.<name>`. Raises: OSError."""
        found = c_void_p()
        try:
            call("rados_getxattrs", self._pool, where.encode(), byref(found))
        except FileNotFoundError:
            return {}
        try:
            return dict(_each_note(found))
        finally:
            call("rados_getxattrs_end", found)

    def lease(self, where: str, name: str, lasts_s: float, *, held: bool = False) -> None:
        """Take a lease, or hold it on; with `held` only one that has not ended. Raises: FileNotFoundError; OSError."""
        lasts = _Duration(int(lasts_s), int(lasts_s % 1 * 1e6))
        flags = MUST_RENEW if held else MAY_RENEW
        call("rados_lock_exclusive", self._pool, where.encode(), name.encode(), b"", b"", byref(lasts), flags)

    def is_leased(self, where: str, name: str) -> bool:
        """Whether somebody holds a lease. Raises: OSError."""
        rooms = [ctypes.create_string_buffer(1024) for _ in range(4)]
        given = [argument for room in rooms for argument in (room, byref(c_size_t(len(room))))]
        try:
            return call("rados_list_lockers", self._pool, where.encode(), name.encode(), byref(c_int()), *given) > 0
        except FileNotFoundError:
            return False

    # -- images

    def names(self) -> list[str]:
        """Name the images of the pool. Raises: OSError."""
        size = c_size_t(ROOM)
        while True:
            room = ctypes.create_string_buffer(size.value)
            try:
                used = call("rbd_list", self._pool, room, byref(size))
            except OSError as error:
                if error.errno != errno.ERANGE:
                    raise
                size = c_size_t(size.value + ROOM)  # some may come meanwhile
                continue
            return [name.decode() for name in room.raw[:used].split(b"\0") if name]

    def create(self, name: str, size: int) -> None:
        """Make an image, with the features that the cluster's configuration says. Raises: FileExistsError; OSError."""
        options = c_void_p()
        call("rbd_image_options_create", byref(options))
        try:
            call("rbd_image_options_set_uint64", options, ORDER, OBJECT_BITS)
            call("rbd_create4", self._pool, name.encode(), size, options)
        finally:
            call("rbd_image_options_destroy", options)

    def remove(self, name: str) -> None:
        """Remove an image without snapshots. Raises: FileNotFoundError; OSError: EBUSY while somebody has it open."""
        call("rbd_remove", self._pool, name.encode())

    def open(self, name: str, snapshot: str | None = None) -> RbdImage:
        """Open an image, or what it was at a snapshot; Ceph knows of it and keeps it. Raises: FileNotFoundError; OSError."""
        handle = c_void_p()
        call("rbd_open", self._pool, name.encode(), byref(handle), None if snapshot is None else snapshot.encode())
        return RbdImage(handle)


class RbdImage:
    """An open image."""

    def __init__(self, handle: c_void_p) -> None:
        """Made by `Cluster.open` only."""
        self._open_handle: c_void_p | None = handle
        self._under_way: collections.deque[tuple[c_void_p, bytes]] = collections.deque()

    @property
    def _handle(self) -> c_void_p:
        """Give what the library knows it by; it must not see one that was closed."""
        if self._open_handle is None:
            raise ValueError("the image is closed")
        return self._open_handle

    def close(self) -> None:
        """Let go of it. May be repeated. Raises: OSError."""
        handle, self._open_handle = self._open_handle, None
        if handle is not None:
            call("rbd_close", handle)  # this waits for what is under way, which needs its bytes until then
            while self._under_way:
                call("rbd_aio_release", self._under_way.popleft()[0])

    def header(self) -> str:
        """Name the object that is the image's head."""
        room = ctypes.create_string_buffer(256)
        call("rbd_get_id", self._handle, room, len(room))
        return f"rbd_header.{room.value.decode()}"

    def size(self) -> int:
        """Give the number of bytes."""
        found = c_uint64()
        call("rbd_get_size", self._handle, byref(found))
        return found.value

    def resize(self, size: int) -> None:
        """Make it longer or shorter. Raises: OSError."""
        call("rbd_resize", self._handle, size)

    def read(self, start: int, length: int) -> bytes:
        """Read; less only at the end. Raises: OSError."""
        room = ctypes.create_string_buffer(length)
        read = call("rbd_read2", self._handle, start, length, room, 0)
        return room.raw[:read]

    def write(self, start: int, data: bytes) -> None:
        """Begin to write, inside its size, as soon as fewer than `AT_ONCE` are under way. Raises: OSError, of those also."""
        handle, done = self._handle, c_void_p()
        self._wait_until(AT_ONCE - 1)
        call("rbd_aio_create_completion", None, None, byref(done))
        try:
            call("rbd_aio_write2", handle, start, len(data), data, done, 0)
        except OSError:
            call("rbd_aio_release", done)
            raise
        self._under_way.append((done, data))

    def flush(self) -> None:
        """Have all that was written be durable. Raises: OSError."""
        self._wait_until(0)
        call("rbd_flush", self._handle)

    def _wait_until(self, most: int) -> None:
        """Wait for the first writes until no more than `most` are under way."""
        while len(self._under_way) > most:
            done, _ = self._under_way[0]
            call("rbd_aio_wait_for_complete", done)
            self._under_way.popleft()
            try:
                call("rbd_aio_get_return_value", done)
            finally:
                call("rbd_aio_release", done)

    def watchers(self) -> int:
        """Count who has the image open, with this one; the dead are counted for half a minute. Raises: OSError."""
        return self._count("rbd_watchers_list")

    # -- snapshots

    def snap(self, name: str) -> None:
        """Make a snapshot. Raises: OSError."""
        call("rbd_snap_create", self._handle, name.encode())

    def unsnap(self, name: str) -> None:
        """Remove a snapshot that is not protected. Raises: FileNotFoundError; OSError."""
        call("rbd_snap_remove", self._handle, name.encode())

    def protect(self, name: str) -> None:
        """Protect a snapshot, so that it can be cloned. Raises: OSError."""
        call("rbd_snap_protect", self._handle, name.encode())

    def unprotect(self, name: str) -> None:
        """Take the protection away. Raises: OSError: EBUSY when it has clones."""
        call("rbd_snap_unprotect", self._handle, name.encode())

    def is_protected(self, name: str) -> bool | None:
        """Whether a snapshot is protected; None when there is none. Raises: OSError."""
        found = c_int()
        try:
            call("rbd_snap_is_protected", self._handle, name.encode(), byref(found))
        except FileNotFoundError:
            return None
        return bool(found.value)

    def has_clones(self, name: str) -> bool:
        """Whether a snapshot has clones, in whatever pool. Raises: FileNotFoundError; OSError."""
        call("rbd_snap_set", self._handle, name.encode())
        try:
            return self._count("rbd_list_children3") > 0
        except PermissionError:  # EPERM or EACCES: of a clone in a pool that our key may not read
            return True
        finally:
            call("rbd_snap_set", self._handle, None)

    def _count(self, name: str) -> int:
        """Ask how many there are, by asking for none."""
        found = c_size_t(0)
        try:
            call(name, self._handle, None, byref(found))
        except OSError as error:
            if error.errno != errno.ERANGE:
                raise
        return found.value


def _each_note(found: c_void_p) -> Iterator[tuple[str, bytes]]:
    while True:
        name, value, size = c_char_p(), c_void_p(), c_size_t()
        call("rados_getxattrs_next", found, byref(name), byref(value), byref(size))
        if name.value is None:
            return
        yield name.value.decode(), ctypes.string_at(value.value or 0, size.value)


def _free_of(stats: dict[str, Any]) -> int | None:
    """Give what fits by estimate and quota. An estimate of 0 is none: so says a manager that has heard of no storage yet."""
    limits = [int(stats["max_avail"])] if int(stats["max_avail"]) > 0 else []
    if quota := int(stats.get("quota_bytes", 0)):
        limits.append(quota - int(stats["stored"]))
    return min(limits, default=None)

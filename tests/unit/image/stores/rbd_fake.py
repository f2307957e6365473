"""Ceph in memory: what the store calls of its libraries, with errors that are asked for and clones that are said to be there."""

from __future__ import annotations

import errno
import os


def error(number):
    return OSError(number, os.strerror(number))


class FakeCeph:
    """A pool that connections share. `fail` has a call raise; `calls` tells what was called."""

    def __init__(self):
        self.images, self.attributes, self.leases = {}, {}, set()
        self.blocked, self.free, self.clients, self.calls = [], None, 0, []
        self._failing = {}

    def fail(self, name, number, times=1000):
        """Have the next calls of a name fail."""
        self._failing[name] = [number, times]

    def heed(self, name):
        """Note a call, and raise what was asked for."""
        self.calls.append(name)
        number, times = self._failing.get(name, (0, 0))
        if times:
            self._failing[name][1] -= 1
            raise error(number)

    def connect(self, place):
        self.heed("connect")
        self.clients += 1
        return FakeCluster(self, f"192.0.2.1:0/{self.clients}")


class FakeCluster:
    def __init__(self, ceph, address):
        self._ceph, self.address = ceph, address

    def fsid(self):
        return "f51d"

    def block(self, address):
        self._ceph.heed("block")
        self._ceph.blocked.append(address)

    def free_bytes(self):
        self._ceph.heed("free_bytes")
        return self._ceph.free

    def set_note(self, where, name, value):
        self._ceph.heed("set_note")
        self._ceph.attributes[name] = value

    def drop_note(self, where, name):
        self._ceph.heed("drop_note")
        self._ceph.attributes.pop(name, None)
        self._ceph.leases.discard((where, name.removeprefix("lock.")))

    def notes(self, where):
        self._ceph.heed("notes")
        leases = {f"lock.{name}": b"" for place, name in self._ceph.leases if place == where}
        return dict(self._ceph.attributes) | leases

    def lease(self, where, name, lasts_s, *, held=False):
        self._ceph.heed("lease")
        if held and (where, name) not in self._ceph.leases:
            raise error(errno.ENOENT)
        self._ceph.leases.add((where, name))

    def is_leased(self, where, name):
        self._ceph.heed("is_leased")
        return (where, name) in self._ceph.leases

    def names(self):
        self._ceph.heed("names")
        return list(self._ceph.images)

    def create(self, name, size):
        self._ceph.heed("create")
        self._ceph.images[name] = {"data": bytearray(size), "protected": None, "clones": False, "open": 0, "writes": []}

    def remove(self, name):
        self._ceph.heed("remove")
        if name not in self._ceph.images:
            raise error(errno.ENOENT)
        if self._ceph.images[name]["open"]:
            raise error(errno.EBUSY)
        del self._ceph.images[name]
        self._ceph.leases = {one for one in self._ceph.leases if one[0] != f"rbd_header.{name}"}

    def open(self, name, snapshot=None):
        self._ceph.heed("open")
        found = self._ceph.images.get(name)
        if found is None or (snapshot is not None and found["protected"] is None):
            raise error(errno.ENOENT)
        found["open"] += 1
        return FakeImage(self._ceph, name, found)


class FakeImage:
    def __init__(self, ceph, name, state):
        self._ceph, self._name, self._state, self._closed = ceph, name, state, False

    def close(self):
        self._ceph.heed("close")
        if not self._closed:
            self._closed = True
            self._state["open"] -= 1

    def header(self):
        return f"rbd_header.{self._name}"

    def size(self):
        self._ceph.heed("size")
        return len(self._state["data"])

    def resize(self, size):
        self._ceph.heed("resize")
        data = self._state["data"]
        data[:] = data[:size] if size < len(data) else data + bytes(min(size - len(data), 1 << 20))

    def read(self, start, length):
        self._ceph.heed("read")
        return bytes(self._state["data"][start : start + length])

    def write(self, start, data):
        self._ceph.heed("write")
        self._state["writes"].append((start, len(data)))
        missing = start + len(data) - len(self._state["data"])
        self._state["data"] += bytes(max(missing, 0))
        self._state["data"][start : start + len(data)] = data

    def flush(self):
        self._ceph.heed("flush")

    def watchers(self):
        self._ceph.heed("watchers")
        return self._state["open"]

    def snap(self, name):
        self._ceph.heed("snap")
        self._state["protected"] = False

    def unsnap(self, name):
        self._ceph.heed("unsnap")
        self._state["protected"] = None

    def protect(self, name):
        self._ceph.heed("protect")
        self._state["protected"] = True

    def unprotect(self, name):
        self._ceph.heed("unprotect")
        self._state["protected"] = False

    def is_protected(self, name):
        self._ceph.heed("is_protected")
        return self._state["protected"]

    def has_clones(self, name):
        self._ceph.heed("has_clones")
        return self._state["clones"]

"""Starts a daemon with fault points at its seams: `python tests/faults/daemon.py conductor --config-file ...`.

The adapters at the daemon's door are wrapped before its own main() runs; the product's code knows nothing of it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)  # not our own folder: its names are no modules of the daemon's
from faults.points import DROP, DUPLICATE, VARIABLE, Points  # noqa: E402
from faults.verbs import VERBS  # noqa: E402

MORE_METHODS = ("snapshots.take", "snapshots.release", "moves.hold", "moves.bring", "moves.drop", "live.prepare", "live.stay")
DRIVER_METHODS = sorted({*(verb.driver for verb in VERBS), *MORE_METHODS})


def around(points: Points, owner: type, method: str, seam: str, about: Callable[..., str] = lambda *_: "") -> None:
    """Put both points of a seam around a method; what is dropped there is not called, what is doubled is called twice."""
    original = getattr(owner, method)

    @functools.wraps(original)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        words = about(*arguments)
        asked = points.reach(f"{seam}:before", words, functools.partial(original, self, *arguments, **named))
        if asked == DROP:
            return None
        if asked == DUPLICATE:
            original(self, *arguments, **named)
        result = original(self, *arguments, **named)
        points.reach(f"{seam}:after", words)
        return result

    setattr(owner, method, wrapped)


def wrap_database(points: Points) -> None:
    """`journal.commit` around COMMIT, `journal.read` before a read. An operation's step is what it is about."""
    from nova_lite.db.engine import Database
    from nova_lite.durable import progress
    from nova_lite.durable.drive import Drive

    writing, read, one = Database.writing, Database.read, Drive._one

    @contextlib.contextmanager
    def commit(self: Any) -> Iterator[Any]:
        with writing(self) as connection:
            yield connection
            points.reach("journal.commit:before")
        points.reach("journal.commit:after")

    @contextlib.contextmanager
    def look(self: Any) -> Iterator[Any]:
        points.reach("journal.read:before")
        with read(self) as tx:
            yield tx

    def at_border(self: Any) -> None:
        step = progress.step_of(self._workflow, self._progress)
        with points.about(f"drive {self._workflow.name}/{step.name}"):
            one(self)

    Database.writing, Database.read, Drive._one = commit, look, at_border


def wrap_messages(points: Points) -> None:
    """`rpc.publish` around the broker's taking, `rpc.deliver` around a handler, `rpc.ack` around what ends a repetition."""
    from nova_lite.rpc.delivery import Delivery
    from nova_lite.rpc.transport import RabbitTransport

    around(points, RabbitTransport, "_send", "rpc.publish", lambda letter, *_: letter.method)
    deliver = Delivery._handle

    def handle(self: Any, letter: Any) -> Any:
        asked = points.reach("rpc.deliver:before", letter.method)
        if asked == DROP:
            return {"result": None}
        if asked == DUPLICATE:
            deliver(self, letter)
        with points.about(f"handler {letter.method}"):
            outcome = deliver(self, letter)
        points.reach("rpc.deliver:after", letter.method)
        return outcome

    Delivery._handle = handle


def wrap_conductor(points: Points) -> None:
    """The conductor's acknowledgement of a report."""
    from nova_lite.conductor.service import ConductorService

    around(points, ConductorService, "_acknowledge", "rpc.ack")


def wrap_fake(points: Points) -> None:
    """A simulated host's hypervisor and its file."""
    from nova_lite.compute.virt.fake.driver import FakeDriver
    from nova_lite.compute.virt.fake.guests import Guests
    from nova_lite.compute.virt.fake.interfaces import FakeInterfaces
    from nova_lite.compute.virt.fake.live import FakeLive
    from nova_lite.compute.virt.fake.moves import FakeMoves
    from nova_lite.compute.virt.fake.renewal import FakeRenewal
    from nova_lite.compute.virt.fake.snapshots import FakeSnapshots
    from nova_lite.compute.virt.fake.states import FakeStates

    parts = {
        "": FakeDriver,
        "states": FakeStates,
        "interfaces": FakeInterfaces,
        "renewal": FakeRenewal,
        "snapshots": FakeSnapshots,
        "moves": FakeMoves,
        "live": FakeLive,
    }
    for name in DRIVER_METHODS:
        part, _, method = name.rpartition(".")
        around(points, parts[part], method, f"driver.{name}")
    around(points, Guests, "save", "file.hypervisor")


def wrap_libvirt(points: Points) -> None:
    """A real host's driver, with the disks and taps that it makes and removes."""
    from nova_lite.compute.disks.root import GuestDisks
    from nova_lite.compute.virt.libvirt.driver import LibvirtDriver
    from nova_lite.compute.virt.libvirt.interfaces import LibvirtInterfaces
    from nova_lite.compute.virt.libvirt.live import LibvirtLive
    from nova_lite.compute.virt.libvirt.moves import LibvirtMoves
    from nova_lite.compute.virt.libvirt.renewal import LibvirtRenewal
    from nova_lite.compute.virt.libvirt.snapshots import LibvirtSnapshots
    from nova_lite.compute.virt.libvirt.states import LibvirtStates
    from nova_lite.compute.wiring.host import HostWiring

    parts = {
        "": LibvirtDriver,
        "states": LibvirtStates,
        "interfaces": LibvirtInterfaces,
        "renewal": LibvirtRenewal,
        "snapshots": LibvirtSnapshots,
        "moves": LibvirtMoves,
        "live": LibvirtLive,
    }
    for name in DRIVER_METHODS:
        part, _, method = name.rpartition(".")
        around(points, parts[part], method, f"driver.{name}")
    for method in ("ensure", "remove"):
        around(points, GuestDisks, method, "file.disk")
    for method in ("plug", "unplug", "unplug_one"):
        around(points, HostWiring, method, "wiring")


def wrap_compute(points: Points) -> None:
    """A host's hypervisor, ledger and outbox."""
    from nova_lite.compute.ledger import Ledger
    from nova_lite.compute.reports import Outbox

    if os.environ.get("OS_COMPUTE__DRIVER") == "libvirt":
        wrap_libvirt(points)
    else:
        wrap_fake(points)
    around(points, Outbox, "acknowledge", "rpc.ack")
    transaction = Ledger._transaction

    @contextlib.contextmanager
    def watched(self: Any) -> Iterator[Any]:
        with transaction(self) as db:
            yield db
            points.reach("file.ledger:before")
        points.reach("file.ledger:after")

    Ledger._transaction = watched


def wrap_images(points: Points) -> None:
    """The moment in which an uploaded image gets its name."""
    from nova_lite.image.stores import filesystem

    around(points, filesystem.FileWriting, "finalize", "file.image")


def wrap(kind: str, points: Points) -> None:
    """Wrap what a daemon of this kind reaches."""
    wrap_messages(points)
    if kind == "compute":
        wrap_compute(points)
    if kind in ("compute", "console"):
        return
    wrap_database(points)
    if kind == "conductor":
        wrap_conductor(points)
    if kind == "api":
        wrap_images(points)


def mend_sleep() -> None:
    """Sleep by another call: libfaketime takes the end that time.sleep() gives, of the true clock, for one of the false clock."""
    time.sleep = lambda seconds: select.select((), (), (), seconds) and None


def main() -> int:
    """Run the daemon; give its exit code."""
    kind, *rest = sys.argv[1:]
    sys.argv[1:] = rest
    if "faketime" in os.environ.get("LD_PRELOAD", ""):
        mend_sleep()
    if os.environ.get(VARIABLE):
        wrap(kind, Points(Path(os.environ[VARIABLE])))
    return int(importlib.import_module(f"nova_lite.{kind}.daemon").main() or 0)


if __name__ == "__main__":
    sys.exit(main())

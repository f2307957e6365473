"""What the wiring writes down before it makes it, so that a later daemon, or `down`, finds and removes it.

`bridges/NAME/` is for each network, with DHCP's files, the addresses that we set, and for an isolated network its plan;
`servers/ID/TAP` for each interface.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from nova_lite.compute.wiring.plan import Plan
from nova_lite.model import wire
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugged:
    """One interface of a guest."""

    tap: str
    interface: GuestInterface


class Notes:
    """The folder of one host's wiring."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not be there yet."""
        self._folder = folder

    def bridges(self) -> tuple[str, ...]:
        """List the networks' bridges by name."""
        return tuple(sorted(path.name for path in _inside(self._folder / "bridges")))

    def bridge_folder(self, name: str) -> Path:
        """Give the folder of a bridge's files."""
        return self._folder / "bridges" / name

    def make_bridge_folder(self, name: str) -> None:
        """Have the folder, and let dnsmasq's user come to its files through it, whatever the daemon's umask is."""
        for folder in (self._folder, self._folder / "bridges", self.bridge_folder(name)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)

    def add_addresses(self, name: str, addresses: Iterable[str]) -> None:
        """Note addresses that we are about to set on a bridge. May be repeated."""
        known = self.addresses(name)
        wanted = tuple(sorted({*known, *addresses}))
        if wanted != known:
            self.make_bridge_folder(name)
            _write(self.bridge_folder(name) / "addresses", "\n".join(wanted).encode("ascii"))

    def addresses(self, name: str) -> tuple[str, ...]:
        """List the addresses that we set on a bridge, in order."""
        path = self.bridge_folder(name) / "addresses"
        return tuple(path.read_text(encoding="ascii").split()) if path.exists() else ()

    def write_plan(self, name: str, plan: Plan) -> None:
        """Note that a bridge is an isolated network's, and what that is to be. May be repeated."""
        if plan != self.plan(name):
            self.make_bridge_folder(name)
            _write(self.bridge_folder(name) / "plan", orjson.dumps(wire.to_plain(plan)))

    def plan(self, name: str) -> Plan | None:
        """Give what an isolated network is to be; None for any other bridge."""
        path = self.bridge_folder(name) / "plan"
        return wire.from_plain(Plan, orjson.loads(path.read_bytes())) if path.exists() else None

    def remove_bridge(self, name: str) -> None:
        """Forget a network. May be repeated."""
        shutil.rmtree(self.bridge_folder(name), ignore_errors=True)

    def add(self, server_id: ServerId, plugged: Plugged) -> None:
        """Note an interface of a server. May be repeated."""
        folder = self._folder / "servers" / server_id
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / plugged.tap, orjson.dumps(wire.to_plain(plugged)))

    def servers(self) -> tuple[ServerId, ...]:
        """List the servers that have interfaces."""
        return tuple(ServerId(path.name) for path in _inside(self._folder / "servers"))

    def plugged(self, server_id: ServerId) -> tuple[Plugged, ...]:
        """List a server's interfaces."""
        return tuple(_read(path) for path in _inside(self._folder / "servers" / server_id))

    def all_plugged(self) -> Iterator[Plugged]:
        """Go through the interfaces of all servers."""
        for server_id in self.servers():
            yield from self.plugged(server_id)

    def plugged_on(self, name: str) -> tuple[Plugged, ...]:
        """List the interfaces on a bridge, of all servers."""
        return tuple(plugged for plugged in self.all_plugged() if plugged.interface.bridge == name)

    def remove_one(self, server_id: ServerId, tap: str) -> None:
        """Forget one interface of a server. May be repeated."""
        (self._folder / "servers" / server_id / tap).unlink(missing_ok=True)

    def remove(self, server_id: ServerId) -> None:
        """Forget a server. May be repeated."""
        shutil.rmtree(self._folder / "servers" / server_id, ignore_errors=True)

    def remove_all(self) -> None:
        """Forget everything. May be repeated."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _inside(folder: Path) -> list[Path]:
    """List what is in a folder, but what is being written; nothing when it is not there, or goes meanwhile."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _read(path: Path) -> Plugged:
    return wire.from_plain(Plugged, orjson.loads(path.read_bytes()))


def _write(path: Path, content: bytes) -> None:
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(content)
    hidden.rename(path)

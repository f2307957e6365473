"""The host's own copy of what its guests are made of: wiring and metadata outlive the daemon and a reboot by it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

import orjson

from nova_lite.model import wire
from nova_lite.model.guest import DirectBoot, GuestSpec
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource
from nova_lite.rpc.files import write_secret

LOG = logging.getLogger(__name__)


class GuestSpecs:
    """One secret file a guest (user data may hold secrets). The administrator's password and the tickets are left out."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when it is needed."""
        self._folder = folder

    def save(self, spec: GuestSpec) -> None:
        """Keep a spec, durably. May be repeated."""
        rescue = spec.rescue and dataclasses.replace(
            spec.rescue, image=_closed(spec.rescue.image), direct=_closed_boot(spec.rescue.direct)
        )
        image = spec.image and _closed(spec.image)
        kept = dataclasses.replace(spec, admin_pass=None, image=image, direct=_closed_boot(spec.direct), rescue=rescue)
        write_secret(self._path(spec.server_id), orjson.dumps(wire.to_plain(kept)))

    def find(self, server_id: ServerId) -> GuestSpec | None:
        """Give a spec; None where there is none, or none that can be read."""
        return _read(self._path(server_id))

    def hold(self, server_id: ServerId) -> None:
        """Set a spec aside: it is not found any more. May be repeated."""
        with contextlib.suppress(FileNotFoundError):
            self._path(server_id).rename(self._held(server_id))

    def restore(self, server_id: ServerId) -> None:
        """Find again what was set aside, in place of what is here. May be repeated."""
        with contextlib.suppress(FileNotFoundError):
            self._held(server_id).rename(self._path(server_id))

    def drop_held(self, server_id: ServerId) -> None:
        """Forget what was set aside. May be repeated."""
        self._held(server_id).unlink(missing_ok=True)

    def remove(self, server_id: ServerId) -> None:
        """Forget a spec. May be repeated."""
        self._path(server_id).unlink(missing_ok=True)

    def list_all(self) -> tuple[GuestSpec, ...]:
        """List all that can be read, without those that are set aside."""
        return self._list("*.json")

    def list_held(self) -> tuple[GuestSpec, ...]:
        """List those that are set aside: their disks are still here."""
        return self._list("*.held")

    def _list(self, pattern: str) -> tuple[GuestSpec, ...]:
        found = (_read(path) for path in sorted(self._folder.glob(pattern)))
        return tuple(spec for spec in found if spec is not None)

    def _held(self, server_id: ServerId) -> Path:
        return self._folder / f"{server_id}.held"

    def _path(self, server_id: ServerId) -> Path:
        return self._folder / f"{server_id}.json"


def _closed(image: ImageSource) -> ImageSource:
    return dataclasses.replace(image, ticket="")


def _closed_boot(direct: DirectBoot | None) -> DirectBoot | None:
    if direct is None:
        return None
    return dataclasses.replace(direct, kernel=_closed(direct.kernel), ramdisk=direct.ramdisk and _closed(direct.ramdisk))


def _read(path: Path) -> GuestSpec | None:
    try:
        return wire.from_plain(GuestSpec, orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        LOG.warning("A guest's spec cannot be read.", extra={"server_id": path.stem})
        return None

"""A flavor: the size that a server is asked in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite.model.ids import FlavorId
from nova_lite.model.resources import Resources


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flavor:
    """A size with its name; a server keeps a copy of the one it was made with."""

    id: FlavorId
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int = 0
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def resources(self) -> Resources:
        """Give what one server of this flavor uses of a host; swap counts as disk, rounded up to a GiB."""
        swap_gib = -(-self.swap_mib // 1024)
        return Resources(
            vcpus=self.vcpus,
            ram_mib=self.ram_mib,
            disk_gib=self.disk_gib + self.ephemeral_gib + swap_gib,
        )

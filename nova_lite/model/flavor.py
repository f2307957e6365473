"""A flavor: the size that a server is asked in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from nova_lite.model.ids import FlavorId
from nova_lite.model.resources import Resources

COUNTED_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
_CLASS = re.compile(r"resources([A-Za-z0-9_-]{0,64}):([A-Z0-9_]{1,255})", re.ASCII)
AMOUNT_MAX = 2**31 - 1


def asked_classes(extra_specs: Mapping[str, str], own: Mapping[str, int] | None = None) -> dict[str, int]:
    """Give the amounts of resource classes that extra specs ask for (`resources:VCPU=2`), in place of a flavor's `own`.

    Numbered groups (`resources1:VCPU`) come on top: one host meets them all. What is no amount is left out.
    """
    amounts, on_top = dict(own or {}), dict[str, int]()
    for key, text in extra_specs.items():
        match = _CLASS.fullmatch(key) if key.startswith("resources") else None
        if match is None or not (text.isascii() and text.isdigit() and int(text) <= AMOUNT_MAX):
            continue
        if match[1]:
            on_top[match[2]] = on_top.get(match[2], 0) + int(text)
        else:
            amounts[match[2]] = int(text)
    return {name: amounts.get(name, 0) + on_top.get(name, 0) for name in {**amounts, **on_top}}


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
        """Give what one server uses of a host; swap counts as disk, rounded up to a GiB. Extra specs may say otherwise."""
        swap_gib = -(-self.swap_mib // 1024)
        disk_gib = self.disk_gib + self.ephemeral_gib + swap_gib
        if not self.extra_specs:
            return Resources(vcpus=self.vcpus, ram_mib=self.ram_mib, disk_gib=disk_gib)
        own = {"VCPU": self.vcpus, "MEMORY_MB": self.ram_mib, "DISK_GB": disk_gib}
        asked = asked_classes(self.extra_specs, own)
        return Resources(vcpus=asked["VCPU"], ram_mib=asked["MEMORY_MB"], disk_gib=asked["DISK_GB"])

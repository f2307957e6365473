"""Options of compute hosts. Where a host joins is no option: `--join`, by default /etc/nova-lite/join.json."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "compute"
OPTIONS = (
    cfg.StrOpt(
        "driver",
        default="libvirt",
        choices=("libvirt", "fake"),
        help="What runs the guests. fake: nothing does, a file remembers them; for simulation.",
    ),
    cfg.StrOpt("libvirt_uri", default="qemu:///system", help="Where libvirt is."),
    cfg.IntOpt(
        "reserved_ram_mib", default=512, min=0, max=1048576, help="Memory in MiB that guests do not get: the machine's own."
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """How a host runs guests."""

    driver: str = "libvirt"
    libvirt_uri: str = "qemu:///system"
    reserved_ram_mib: int = 512


def read(conf: cfg.ConfigOpts) -> ComputeOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return ComputeOptions(driver=group.driver, libvirt_uri=group.libvirt_uri, reserved_ram_mib=group.reserved_ram_mib)

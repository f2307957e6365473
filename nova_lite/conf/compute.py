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
    cfg.IntOpt(
        "reserved_disk_gib",
        default=1,
        min=0,
        max=1048576,
        help="Room in GiB on the file system of guests' disks that they do not get. While less than that is free, the host "
        "takes no new servers: guests of a full disk stand still.",
    ),
    cfg.BoolOpt(
        "resume_guests_state_on_host_boot",
        default=False,
        help="After a boot of the machine, start the guests of servers that were active. Without it they are shown as SHUTOFF, "
        "to be started by whoever wants them.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """How a host runs guests."""

    driver: str = "libvirt"
    libvirt_uri: str = "qemu:///system"
    reserved_ram_mib: int = 512
    reserved_disk_gib: int = 1
    resume_guests_state_on_host_boot: bool = False


def read(conf: cfg.ConfigOpts) -> ComputeOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return ComputeOptions(**{field.name: getattr(group, field.name) for field in dataclasses.fields(ComputeOptions)})

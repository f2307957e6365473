"""The guest a host is asked to have: all it needs to know, so that it needs no database."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from nova_lite.model.hardware.guest import GuestHardware
from nova_lite.model.ids import NetworkId, PortId, ServerId
from nova_lite.model.image import ImageSource

PASSWORD_CHARS = 1020  # of the encrypted password that a guest may write, as in the original


class PowerState(enum.IntEnum):
    """The state of a guest, with the numbers that the Compute API shows."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostRoute:
    """A way that DHCP tells guests: packets to `destination`, a range, go to the address `nexthop`."""

    destination: str
    nexthop: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestInterface:
    """One network interface of a guest.

    segment: the number of a network that exists among guests alone (its VXLAN id); None: the bridge is the host's network,
        with the host as gateway
    """

    port_id: PortId
    network_id: NetworkId
    bridge: str
    mac_address: str
    ip_address: str
    prefix_length: int
    gateway_ip: str | None
    dns_nameservers: tuple[str, ...] = ()
    mtu: int = 1500
    tag: str | None = None  # the user's name for it, shown to the guest
    more_addresses: tuple[str, ...] = ()  # that it may use beside the one that DHCP gives
    queues: int = 1  # of its tap: so many processors of the guest may work on it at once
    segment: int | None = None
    dhcp: bool = True  # False: the guest has its address from the config drive, or sets it itself
    routes: tuple[HostRoute, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Give all that it may use, that of DHCP first."""
        return (self.ip_address, *self.more_addresses)


SWAP = "swap"
FILE_SYSTEMS = ("ext2", "ext3", "ext4")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlankDisk:
    """A disk of a guest that begins empty: swap, or with a file system (None: the host's usual one)."""

    size_mib: int
    format: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class InjectedFile:
    """A file that the guest finds on its config drive, to be put at a path of its own. `contents` is base64; never logged."""

    path: str
    contents: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key pair's public half, given to the guest by metadata."""

    name: str
    type: str  # ssh or x509
    data: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectBoot:
    """What the hypervisor loads instead of the disk's own loader: images of their own, as Amazon's triple has it.

    command_line: for the kernel; None: that its root is the first disk, and its console the usual ones
    """

    kernel: ImageSource
    ramdisk: ImageSource | None = None
    command_line: str | None = None

    @property
    def images(self) -> tuple[ImageSource, ...]:
        """Give what is fetched for it."""
        return (self.kernel,) if self.ramdisk is None else (self.kernel, self.ramdisk)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rescue:
    """The image that a guest boots from while it is rescued, and how its disk hangs on the guest.

    `device` and `bus` are what the image asks for (`hw_rescue_device`, `hw_rescue_bus`): then the guest's own disks keep
    their order and names. Without both the rescue disk is the first one, and the guest's root the second.
    """

    image: ImageSource
    device: str | None = None  # disk or cdrom
    bus: str | None = None
    direct: DirectBoot | None = None

    @property
    def stable(self) -> bool:
        """Whether the guest's own disks keep their places."""
        return self.device is not None or self.bus is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestSpec:
    """What a guest is made of. The guest's domain carries the server's id as its UUID."""

    server_id: ServerId
    name: str
    hostname: str
    project_id: str
    user_id: str
    vcpus: int
    ram_mib: int
    root_gib: int  # 0: as large as the image
    ephemeral_gib: int = 0
    swap_mib: int = 0
    image: ImageSource | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    interfaces: tuple[GuestInterface, ...] = ()
    config_drive: bool = False
    user_data: str | None = None  # base64; never logged
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    keys: tuple[PublicKey, ...] = ()
    availability_zone: str = "nova"
    admin_pass: str | None = None  # never logged; only on the config drive
    flat: bool = False  # the root disk lies on no image: the one that it was made of is not kept
    launch_index: int = 0
    reservation_id: str = ""
    flavor_name: str = ""
    blank_disks: tuple[BlankDisk, ...] | None = None  # None: as ephemeral_gib and swap_mib say
    files: tuple[InjectedFile, ...] = ()
    rescue: Rescue | None = None  # while it is rescued
    hardware: GuestHardware | None = None  # None: ordered by an earlier release, which said it by image_properties
    direct: DirectBoot | None = None  # None: the disk has a loader

    @property
    def booted(self) -> DirectBoot | None:
        """Give what it boots with now, rescued or not."""
        return self.direct if self.rescue is None else self.rescue.direct


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestState:
    """What a host sees of one of its guests."""

    server_id: ServerId
    power_state: PowerState

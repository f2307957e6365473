"""An image's record: what is known of its bytes, and who may use it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from nova_lite.model.ids import ImageId, ProjectId

WRAPPED = ("ova", "docker", "compressed")  # containers whose bytes are no disk
PIECES = ("aki", "ari")  # formats of what a guest boots with, beside its disk
BOOT_FORMATS = (*PIECES, "ami", "raw")  # of what can be a kernel or a ramdisk: bytes as they are
KERNEL, RAMDISK, COMMAND_LINE = "kernel_id", "ramdisk_id", "os_command_line"  # the properties that say how a disk is booted
MOST_BOOT_BYTES = 1024**3  # of a kernel or a ramdisk: each guest has its own copy, beside what its flavor gives
NO_KERNEL = "nokernel"  # Nova's word in their place


class ImageStatus(enum.StrEnum):
    """The life of an image as the Image API names it."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"  # to where imports wait
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    KILLED = "killed"
    DELETED = "deleted"


class Visibility(enum.StrEnum):
    """Who may see an image."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """An image. `sha512` and `size_bytes` are set once, when the upload is finalized."""

    id: ImageId
    name: str | None
    owner: ProjectId | None
    status: ImageStatus
    visibility: Visibility
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None = None
    virtual_size_bytes: int | None = None
    md5: str | None = None
    sha512: str | None = None
    min_disk_gib: int = 0
    min_ram_mib: int = 0
    protected: bool = False
    hidden: bool = False
    location: str | None = None  # the store's own name for the bytes; never shown to users
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def is_disk(self) -> bool:
        """Whether its bytes are a disk as they are, not one in an archive or compressed, and no kernel or ramdisk."""
        return self.virtual_size_bytes is not None and self.container_format not in WRAPPED and self.disk_format not in PIECES


def boot_names(properties: Mapping[str, str]) -> dict[str, str]:
    """Give those of an image's properties that say what it is booted with; none where its disk has a loader.

    That is so without a kernel, whatever else is named: it is missing, empty or `nokernel`, as in Nova.
    """
    if properties.get(KERNEL) in (None, "", NO_KERNEL):
        return {}
    return {name: value for name in (KERNEL, RAMDISK, COMMAND_LINE) if (value := properties.get(name))}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSource:
    """What a host needs to get an image without any credential but the ticket (DESIGN section 2)."""

    image_id: ImageId
    sha512: str
    size_bytes: int
    virtual_size_bytes: int
    disk_format: str  # as recorded at upload; the host never probes
    url: str  # where the bytes are served
    ticket: str  # good for this image and this host until the deadline; a secret


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageTarget:
    """What a host needs to fill an image without any credential but the ticket."""

    image_id: ImageId
    url: str  # where the bytes are taken
    ticket: str  # good for filling this image from this host until the deadline; a secret

"""What the rest of the control side needs of an image service; the embedded one and Glance's client fulfil it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ImageId, OperationId, ProjectId
from nova_lite.model.image import Image, ImageSource, ImageTarget


class ImagePort(Protocol):
    """An image service."""

    def get_for(self, project_id: ProjectId, image_id: ImageId, *, admin: bool = False) -> Image:
        """Give an image the project may use, whatever its status. Raises: NotFound."""

    def source_for(self, image_id: ImageId, host: HostName, *, valid_s: float, disk: bool = True) -> ImageSource:
        """Make a ticket with which one host may download one image for `valid_s` seconds. No I/O beyond one read.

        disk: it is to be one; else a kernel or a ramdisk.
        Raises: NotFound when it is gone; Conflict when it is not active, or not what it is to be.
        """

    def target_for(self, image_id: ImageId, host: HostName, *, valid_s: float) -> ImageTarget:
        """Make a ticket with which one host may fill one image for `valid_s` seconds. No I/O beyond one read.

        Raises: NotFound when it is gone; Conflict when it takes no bytes any more.
        """

    def find(self, tx: Tx, image_id: ImageId) -> Image | None:
        """Read an image's record, whoever may see it."""

    def create(self, tx: Tx, image: Image) -> None:
        """Add the record of an image whose bytes will come. Raises: Conflict when the id is taken; TooLarge."""

    def discard(self, tx: Tx, image_id: ImageId) -> bool:
        """Delete an image with its bytes, unless it is gone or protected; tell whether it was there. May be repeated.

        An upload of it that runs comes to nothing.
        """

    def list_own(self, tx: Tx, project_id: ProjectId, properties: Mapping[str, str]) -> tuple[Image, ...]:
        """List a project's own active images that have all these properties, newest first."""


FETCH_FAILED = "fetch_failed"  # the signal of a fetch that ended: turn, message, again (whether another try may help)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchOrder:
    """Whose bytes are to be there, for which operation and turn; without `url` and `remote` they were staged.

    store: where fetched bytes go; None: the default one. refer: they stay where they are, and only their location is kept
    sha512: what they must hash to, if that is known
    convert_to: what they are to be made into, one of `convert.TARGETS`
    token: sealed; another region's Image service is asked with it. remote: which image of which region that is, as
        it was asked; its `url` is looked up when it is fetched, unless it is given
    """

    image_id: ImageId
    operation_id: OperationId
    turn: int
    url: str | None = None
    store: str | None = None
    refer: bool = False
    sha512: str | None = None
    convert_to: str | None = None
    token: str | None = None
    remote: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CopyOrder:
    """In which stores an image's bytes are to be, for which operation."""

    image_id: ImageId
    operation_id: OperationId
    stores: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copying:
    """How far copies are, by the names of their stores."""

    running: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    there: tuple[str, ...] = ()


class ImportPort(Protocol):
    """What the workflow of imports needs."""

    def ensure_contents(self, order: FetchOrder) -> bool:
        """Have all bytes of an importing image in the store; True when they are. May be repeated.

        While they are fetched it is False: then the operation is woken, or gets the signal `fetch_failed`.
        Raises: NotFound; Conflict when nothing was staged.
        """

    def ensure_converted(self, order: FetchOrder) -> bool:
        """Have what the order's `convert_to` asks for made of the contents; True when it is. May be repeated.

        While it is made it is False, and it ends as a fetch does. Raises: NotFound; Conflict when there are no contents.
        """

    def drop_converted(self, image_id: ImageId) -> None:
        """Have nothing left of a conversion. May be repeated. Raises: Unavailable."""

    def drop_contents(self, image_id: ImageId) -> None:
        """Have nothing left of what an import brought. May be repeated. Raises: Unavailable."""

    def ensure_copies(self, order: CopyOrder) -> Copying:
        """Have an image's bytes in all stores of the order, and tell how far that is. May be repeated.

        While some are made the operation is woken at each one's end.
        Raises: NotFound; Conflict when there are no bytes; Unavailable.
        """

    def drop_copies(self, image_id: ImageId, stores: Sequence[str]) -> None:
        """Have no copy in these stores. May be repeated. Raises: Unavailable."""

    def discard(self, location: str) -> None:
        """Remove bytes that nothing names any more, now or at the next sweep. May be repeated."""

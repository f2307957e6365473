"""What the rest of the control side needs of an image service; the embedded one and Glance's client fulfil it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ImageId, OperationId, ProjectId
from nova_lite.model.image import Image, ImageSource, ImageTarget


class ImagePort(Protocol):
    """An image service."""

    def get_for(self, project_id: ProjectId, image_id: ImageId, *, admin: bool = False) -> Image:
        """Give an image the project may use, whatever its status. Raises: NotFound."""

    def source_for(self, image_id: ImageId, host: HostName, *, valid_s: float) -> ImageSource:
        """Make a ticket with which one host may download one image for `valid_s` seconds. No I/O beyond one read.

        Raises: NotFound when it is gone; Conflict when it is not active.
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
    """Whose bytes are to be there, for which operation and turn; `url` is None where they were staged.

    convert_to: what they are to be made into, one of `convert.TARGETS`
    token: sealed; with it `url` is another region's Image service, which is asked with it
    """

    image_id: ImageId
    operation_id: OperationId
    turn: int
    url: str | None = None
    convert_to: str | None = None
    token: str | None = None


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

    def discard(self, location: str) -> None:
        """Remove bytes that no record names any more; where that fails, the next start does it. May be repeated."""

    def drop_contents(self, image_id: ImageId) -> None:
        """Have nothing left of what an import brought. May be repeated. Raises: Unavailable."""

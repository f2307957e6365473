"""What the rest of the control side needs of an image service; the embedded one and Glance's client fulfil it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from nova_lite.model.ids import HostName, ImageId, OperationId, ProjectId
from nova_lite.model.image import Image, ImageSource


class ImagePort(Protocol):
    """An image service."""

    def get_for(self, project_id: ProjectId, image_id: ImageId, *, admin: bool = False) -> Image:
        """Give an image the project may use, whatever its status. Raises: NotFound."""

    def source_for(self, image_id: ImageId, host: HostName, *, valid_s: float) -> ImageSource:
        """Make a ticket with which one host may download one image for `valid_s` seconds. No I/O beyond one read.

        Raises: NotFound when it is gone; Conflict when it is not active.
        """


FETCH_FAILED = "fetch_failed"  # the signal of a fetch that ended: turn, message, again (whether another try may help)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchOrder:
    """Whose bytes are to be there, for which operation and turn; `url` is None where they were staged."""

    image_id: ImageId
    operation_id: OperationId
    turn: int
    url: str | None = None


class ImportPort(Protocol):
    """What the workflow of imports needs."""

    def ensure_contents(self, order: FetchOrder) -> bool:
        """Have all bytes of an importing image in the store; True when they are. May be repeated.

        While they are fetched it is False: then the operation is woken, or gets the signal `fetch_failed`.
        Raises: NotFound; Conflict when nothing was staged.
        """

    def drop_contents(self, image_id: ImageId) -> None:
        """Have nothing left of what an import brought. May be repeated. Raises: Unavailable."""

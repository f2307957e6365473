"""What the rest of the control side needs of an image service; the embedded one and Glance's client fulfil it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ImageId, ProjectId
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

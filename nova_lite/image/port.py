"""What the rest of the control side needs of an image service; the embedded one and Glance's client fulfil it."""

from __future__ import annotations

from typing import Protocol

from nova_lite.model.ids import HostName, ImageId, ProjectId
from nova_lite.model.image import Image, ImageSource


class ImagePort(Protocol):
    """An image service."""

    def get_for(self, project_id: ProjectId, image_id: ImageId, *, admin: bool = False) -> Image:
        """Give an image the project may use, whatever its status. Raises: NotFound."""

    def source_for(self, image_id: ImageId, host: HostName, *, valid_s: float) -> ImageSource:
        """Make a ticket with which one host may download one image for `valid_s` seconds. No I/O beyond one read.

        Raises: NotFound when it is gone; Conflict when it is not active.
        """

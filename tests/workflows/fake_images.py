"""Images as the workflows see them: real records, data that are there when a host says so, tickets that say nothing."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.db import images as queries
from nova_lite.db.engine import Database
from nova_lite.image import records
from nova_lite.image.access import ANYTHING
from nova_lite.image.service import Images
from nova_lite.model.image import ImageSource, ImageStatus, ImageTarget
from nova_lite.rpc.conductor import Fault


class FakeImages(Images):
    """Every image that was not made here is there, too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.discarded: list[str] = []

    def source_for(self, image_id, host, *, valid_s, disk=True):
        return ImageSource(
            image_id=image_id, sha512="0" * 128, size_bytes=1, virtual_size_bytes=1, disk_format="raw", url="u", ticket="t"
        )

    def target_for(self, image_id, host, *, valid_s):
        with self._database.read() as tx:
            records.require_uploadable(records.get(tx, image_id, ANYTHING))
        return ImageTarget(image_id=image_id, url="u", ticket="t")

    def delete(self, tx, image):
        records.delete(tx, image)
        tx.after_commit(lambda: self.discarded.append(image.id))

    def fill(self, target: ImageTarget) -> Fault | None:
        """Do what a host's upload does."""
        filled = self._database.transact(
            lambda tx: queries.update_image(
                tx, target.image_id, {"status": ImageStatus.ACTIVE, "size_bytes": 1}, status=ImageStatus.QUEUED
            )
        )
        return None if filled else Fault(code=errors.Conflict.code, message="The image takes no data any more.")

    def send(self, target: ImageTarget, _content: object, _stop: object) -> None:
        """Do it as a driver's sending."""
        if self.fill(target) is not None:
            raise errors.Conflict

    def all(self) -> list:
        with self._database.read() as tx:
            return records.list_page(tx, queries.ImageFilter(sees_all=True), queries.ImagePage())

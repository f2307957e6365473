"""The embedded image service, put together: records in the database, bytes in a store."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from nova_lite import errors
from nova_lite.conf.image import ImageOptions, WebRules
from nova_lite.db import clock
from nova_lite.db.engine import Database, Tx
from nova_lite.db.images import ImageFilter, ImagePage
from nova_lite.image import copies, records, staging, tickets
from nova_lite.image.access import ANYTHING, Viewer
from nova_lite.image.convert import FOLDER, Converter
from nova_lite.image.examination import Examination
from nova_lite.image.imports import Imports
from nova_lite.image.parts import Parts
from nova_lite.image.reading import Reading
from nova_lite.image.stores.base import Bytes, Kept, Store
from nova_lite.image.stores.registry import make_stores
from nova_lite.image.stores.several import several
from nova_lite.image.tickets import Moment, Tickets, Use
from nova_lite.image.upload import Examine, Order, Uploads
from nova_lite.image.usage import Usage
from nova_lite.image.web import open_web
from nova_lite.model.ids import HostName, ImageId, ProjectId
from nova_lite.model.image import BOOT_FORMATS, MOST_BOOT_BYTES, Image, ImageSource, ImageStatus, ImageTarget

WEB_RULES = WebRules()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """What imported disks are made into, one of `convert.TARGETS` or None, and by whom; the properties that images get."""

    target: str | None = None
    converter: Converter | None = None
    inject: Mapping[str, str] = dataclasses.field(default_factory=dict)


NO_CONVERSION = Conversion()
LOG = logging.getLogger(__name__)


class Images:
    """What the Image API and the workflows need; fulfils `ImagePort`."""

    def __init__(
        self,
        database: Database,
        store: Store,
        tickets: Tickets,
        public_url: str,
        web: WebRules = WEB_RULES,
        conversion: Conversion = NO_CONVERSION,
        examine: Examine = Examination,
    ) -> None:
        """`public_url` is where hosts reach the APIs, such as `http://192.0.2.1:8774`. Nothing connects yet."""
        self.convert_to = conversion.target
        self.inject = conversion.inject
        self.store = several(store)
        self._database = database
        self._tickets = tickets
        self._public_url = public_url.rstrip("/")
        self._uploads = Uploads(database, self.store, examine)
        self.parts = Parts(database, self.store, self._uploads)
        self.web = web
        self.usage = Usage(database)
        self.imports = Imports(
            database,
            self.store,
            lambda url: open_web(url, web),
            converter=conversion.converter,
            tokens=tickets.unseal,
            uploads=self._uploads,
        )

    def start(self) -> None:
        """Mend what processes that died left behind: images in `saving`, half and nameless bytes. May be repeated."""
        mended = 0
        try:
            with contextlib.suppress(errors.Unavailable):  # of a store that is away: the others are swept all the same
                mended = self._uploads.recover()
            swept = self.store.sweep(Kept(lambda: _kept(self._database)))
            if swept.halves:
                self._database.transact(lambda tx: records.forget_halves(tx, swept.halves))
        except errors.Unavailable as error:
            LOG.warning("Leftovers of uploads stay for now: %s", error.message, extra={"action": "sweep"})
            return
        if mended or swept.leftovers or swept.orphans:
            LOG.warning(
                "Mended after uploads that were cut: %d images queued again, %d half and %d nameless files removed.",
                mended, swept.leftovers, swept.orphans, extra={"action": "sweep"},
            )  # fmt: skip

    def get_for(self, project_id: ProjectId, image_id: ImageId, *, admin: bool = False) -> Image:
        """Give an image the project may use, whatever its status. Raises: NotFound."""
        with self._database.read() as tx:
            return records.get(tx, image_id, Viewer(project_id=project_id, sees_all=admin), tags=False)

    def source_for(self, image_id: ImageId, host: HostName, *, valid_s: float, disk: bool = True) -> ImageSource:
        """Make a ticket for one host. One read.

        Raises: NotFound; Conflict when the image is not active, or is no disk (without `disk`: no kernel or ramdisk, or too
        big for one).
        """
        image, moment = self._look(image_id)
        if image.status is not ImageStatus.ACTIVE:
            raise errors.Conflict(f"Image {image_id} is {image.status}, not active.")
        usable = image.is_disk if disk else image.disk_format in BOOT_FORMATS
        if not usable or image.size_bytes is None:
            wanted = "disk" if disk else "kernel or ramdisk"
            raise errors.Conflict(f"Image {image_id} ({image.disk_format}, {image.container_format}) is no {wanted}.")
        if not disk and image.size_bytes > MOST_BOOT_BYTES:
            raise errors.Conflict(f"Image {image_id} is too big for a kernel or ramdisk.")
        return ImageSource(
            image_id=image_id,
            sha512=image.sha512 or "",
            size_bytes=image.size_bytes,
            virtual_size_bytes=image.virtual_size_bytes or image.size_bytes,
            disk_format=image.disk_format or "",
            url=f"{self._public_url}/image/v2/images/{image_id}/file",
            ticket=self._tickets.issue(image_id, host, moment, valid_s),
        )

    def target_for(self, image_id: ImageId, host: HostName, *, valid_s: float) -> ImageTarget:
        """Make a ticket to fill an image. One read. Raises: NotFound; Conflict when the image takes no bytes any more."""
        image, moment = self._look(image_id)
        records.require_uploadable(image)
        return ImageTarget(
            image_id=image_id,
            url=f"{self._public_url}/image/v2/images/{image_id}/file",
            ticket=self._tickets.issue(image_id, host, moment, valid_s, Use.UPLOAD),
        )

    def fillable(self, ticket: str, image_id: ImageId) -> Image:
        """Give the image that a host shows a ticket to fill. Raises: Unauthorized; NotFound."""
        self._tickets.read(ticket, image_id, clock.boot_id(self._database), Use.UPLOAD)
        image, moment = self._look(image_id)
        host = self._tickets.check(ticket, image_id, moment, Use.UPLOAD)
        LOG.info("A host uploads an image.", extra={"action": "upload", "image_id": image_id, "host": host})
        return image

    def seal(self, token: str) -> str:
        """Seal a user's token, for an import that needs it later. Raises: ConfigError."""
        return self._tickets.seal(token)

    def find(self, tx: Tx, image_id: ImageId) -> Image | None:
        """Read an image's record, whoever may see it."""
        try:
            return records.get(tx, image_id, ANYTHING, tags=False)
        except errors.NotFound:
            return None

    def create(self, tx: Tx, image: Image) -> None:
        """Add a record. Raises: Conflict when the id is taken; TooLarge for too many properties."""
        records.create(tx, image)

    def discard(self, tx: Tx, image_id: ImageId) -> bool:
        """Delete an image unless it is gone or protected; tell whether it was there. May be repeated."""
        try:
            image = records.get(tx, image_id, ANYTHING, lock=True, tags=False)
            self.delete(tx, image)
        except (errors.NotFound, errors.Forbidden):
            return False
        return True

    def list_own(self, tx: Tx, project_id: ProjectId, properties: Mapping[str, str]) -> tuple[Image, ...]:
        """List a project's own active images with these properties, newest first."""
        among = {"status": (ImageStatus.ACTIVE.value,)}
        wanted = ImageFilter(project_id=project_id, among=among, equal={"owner": project_id}, properties=properties)
        return tuple(records.list_page(tx, wanted, ImagePage()))

    def ticketed(self, ticket: str, image_id: ImageId) -> Image:
        """Give the image that a host shows a ticket for. Raises: Unauthorized; NotFound."""
        self._tickets.read(ticket, image_id, clock.boot_id(self._database))  # nothing is looked up for a forged one
        image, moment = self._look(image_id)
        host = self._tickets.check(ticket, image_id, moment)
        LOG.info("A host downloads an image.", extra={"action": "download", "image_id": image_id, "host": host})
        return image

    def _look(self, image_id: ImageId) -> tuple[Image, Moment]:
        """Read an image, without its tags, and the journal's time; one statement. Raises: NotFound."""
        with self._database.read() as tx:
            image, now = records.get_timed(tx, image_id)
        return image, Moment(now, clock.boot_id(self._database))

    def upload(self, order: Order, store: str | None = None) -> None:
        """Take the bytes of an image in, to the default store or another. Raises: as `Uploads.run`; NotFound."""
        self._uploads_to(store).run(order)

    def stage(self, order: Order, store: str | None = None) -> None:
        """Take the bytes of an image in for an import, to the default store or another. Raises: as `upload`."""
        self._uploads_to(store).stage(order)

    def _uploads_to(self, store: str | None) -> Uploads:
        return self._uploads if store is None else self._uploads.into(self.store.preferring(store))

    def open(self, image: Image, start: int, length: int) -> Bytes:
        """Open a part of an image's bytes; where its store fails, before or on the way, another copy gives the rest.

        Raises: NotFound; Unavailable.
        """
        return Reading(self.store, _places(self._database, image), start, length)

    def delete(self, tx: Tx, image: Image) -> None:
        """Delete an image; its bytes go once that is committed. Raises: Forbidden when it is protected; NotFound."""
        places = list(copies.holders(image, copies.of_image(tx, image.id)).values())
        if image.status not in (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED):  # of those nothing waits for an import any more
            places += staging.locations_of(tx, image.id)
        self.parts.forget(tx, image)
        records.delete(tx, image)
        tx.after_commit(lambda: self._discard(image, places))

    def delete_copy(self, tx: Tx, image: Image, store: str) -> bool:
        """Delete the copy in one store, once that is committed; False when there is none, or it is the last."""
        location = copies.remove(tx, image, store)
        if location is not None:
            tx.after_commit(lambda: self._discard(image, [location]))
        return location is not None

    def _discard(self, image: Image, locations: list[str]) -> None:
        """Remove bytes that no record names any more; what cannot be removed now is at the next start."""
        for location in locations:
            try:
                self.store.delete(location)
            except errors.NovaLiteError as error:
                LOG.warning("A deleted image's data stay for now: %s", error.message, extra={"image_id": image.id})


def make_images(database: Database, state_dir: Path, options: ImageOptions, public_url: str) -> Images:
    """Build the service; the key of tickets is made when missing. Raises: ConfigError."""
    path = tickets.key_file(state_dir)
    tickets.ensure_key(path)
    conversion = Conversion(target=options.convert_to, converter=Converter(state_dir / FOLDER), inject=options.inject)
    examine = functools.partial(Examination, lenient=options.lenient)
    return Images(database, make_stores(options), Tickets(path), public_url, options.web, conversion, examine)


def _kept(database: Database) -> set[str]:
    with database.read() as tx:
        return records.kept(tx)


def _location(image: Image) -> str:
    if image.location is None:
        raise errors.NotFound(f"Image {image.id} has no data.")
    return image.location


def _places(database: Database, image: Image) -> Iterator[str]:
    """Give where an image's bytes are: first its own location, then, when that is asked for, those of copies."""
    first = _location(image)
    yield first
    with contextlib.suppress(errors.Unavailable):  # who asks knows already why the first one fails
        with database.read() as tx:
            places = tuple(copies.holders(image, copies.of_image(tx, image.id)).values())
        yield from (place for place in places if place != first)

"""The workflow of imports on a stage: the real rows and store; a fetch runs to its end within the call that begins it."""

from __future__ import annotations

import dataclasses
import functools
import io
import subprocess
import tempfile
import uuid
from pathlib import Path

from workflows.fake_hosts import FakeHosts

from nova_lite.conf.image import WebRules
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.durable.workflow import Workflow
from nova_lite.image import copies, records
from nova_lite.image.access import ANYTHING
from nova_lite.image.convert import Converter
from nova_lite.image.imports import Imports
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.stores.http import HttpStore
from nova_lite.image.stores.several import Stores
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.ids import OperationId, ProjectId, UserId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.import_image import COPY, IMPORT, IMPORT_CONVERTED, LOCATION, ImportParams, accept
from nova_lite.workflows.ports import Ports

DATA = b"all that there is"
NAMES = ("a", "b", "c")
CONTEXT = Context(request_id="req-1", user_id=UserId("u"), project_id=ProjectId("p"), roles=frozenset({"member"}))


class WebFile(io.BytesIO):
    """What a web server has."""

    length = None


@functools.cache
def disk() -> bytes:
    """Make a disk that can be converted."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/disk"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True, timeout=60)
        return Path(path).read_bytes()


class FakeConverter(Converter):
    """Converts everything to the same bytes."""

    def __init__(self) -> None:
        pass

    def open(self, source, _target, _is_wanted):
        source.open().close()
        return WebFile(DATA)


class ImportStage:
    """An image whose bytes were staged, or are at a URL; wanted in some stores."""

    others: tuple = ()
    method = "m"

    def __init__(self, database: Database, url: str | None, stores: tuple[str, ...], target: str | None = None) -> None:
        self.database = database
        self.workflow: Workflow = IMPORT if target is None else IMPORT_CONVERTED
        self._target = target
        brought = DATA if target is None else disk()
        self.hosts = FakeHosts()
        self._url = url
        self._stores = stores
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        files = [FilesystemStore(folder / name, lambda _folder: 1 << 30, name=name) for name in NAMES]
        store = Stores([*files, HttpStore(WebRules(), name="web")])
        imports = Imports(database, store, lambda _url: WebFile(brought), spawn=lambda work: work(), converter=FakeConverter())
        self.ports = Ports(
            database=database, scheduler=None, compute=self.hosts, network=None, images=None, imports=imports, hosts=None
        )
        self.image = Image(
            id=str(uuid.uuid4()), name="i", owner=ProjectId("p"), status=ImageStatus.QUEUED, visibility=Visibility.SHARED,
            disk_format="raw" if target is None else "qcow2", container_format="bare",
        )  # fmt: skip
        database.transact(lambda tx: records.create(tx, self.image))
        self._give_data(Uploads(database, store), Order(image_id=self.image.id, read=io.BytesIO(brought).read))

    def _give_data(self, uploads: Uploads, order: Order) -> None:
        if self._url is None:
            uploads.stage(order)

    def begin(self) -> OperationId:
        desk = Desk(database=self.database, ring=lambda operation_id: None)
        first, *others = self._stores
        params = ImportParams(
            image_id=self.image.id, store=first, others=tuple(others), method=self.method, url=self._url,
            convert_to=self._target,
        )  # fmt: skip
        return self.database.transact(lambda tx: accept(desk, tx, CONTEXT, self.image, params))

    def _look(self) -> tuple[Image, tuple[copies.Copy, ...], set[str], int]:
        with self.database.read() as tx:
            found = records.get(tx, self.image.id, ANYTHING), copies.of_image(tx, self.image.id), records.locations(tx)
        return *found, sum(path.is_file() for path in Path(self._folder.name).rglob("*"))

    def check_success(self) -> None:
        image, copied, locations, files = self._look()
        wanted = (ImageStatus.ACTIVE, "raw", len(DATA), len(self._stores))
        assert (image.status, image.disk_format, image.size_bytes, files) == wanted
        held = copies.holders(image, copied)
        assert (set(held), set(held.values())) == (set(self._stores), locations)
        assert {copy.status for copy in copied} <= {copies.CopyStatus.READY}

    def check_clean(self) -> None:
        image, copied, locations, files = self._look()
        staged = self._url is None
        assert (image.status, image.location) == (ImageStatus.UPLOADING if staged else ImageStatus.QUEUED, None)
        assert image.properties["os_glance_failed_import"]
        assert len(locations) == files == staged
        assert not copied

    def check_deleted(self) -> None:
        raise AssertionError("an import is only cancelled")


class CopyStage(ImportStage):
    """An active image in the default store, wanted in others."""

    method = COPY

    def _give_data(self, uploads: Uploads, order: Order) -> None:
        uploads.run(order)

    def check_success(self) -> None:
        image, copied, locations, files = self._look()
        assert (image.status, files) == (ImageStatus.ACTIVE, 1 + len(self._stores))
        assert set(copies.holders(image, copied).values()) == locations
        assert {copy.store for copy in copied if copy.status is copies.CopyStatus.READY} == set(self._stores)

    def check_clean(self) -> None:
        image, copied, locations, files = self._look()
        assert (image.status, files, locations, copied) == (ImageStatus.ACTIVE, 1, {image.location}, ())


class LocationStage(ImportStage):
    """An image whose bytes stay at their URL."""

    method = LOCATION

    def check_success(self) -> None:
        image, copied, locations, files = self._look()
        assert (image.status, image.size_bytes, files, copied) == (ImageStatus.ACTIVE, len(DATA), 0, ())
        assert locations == {image.location} == {f"web:{self._url}"}


@dataclasses.dataclass(frozen=True)
class ImportScenario:
    name: str
    url: str | None
    stores: tuple[str, ...] = ("a",)
    stage: type[ImportStage] = ImportStage
    target: str | None = None
    workflow: Workflow = IMPORT

    def build(self, database: Database) -> ImportStage:
        return self.stage(database, self.url, self.stores, self.target)


SCENARIOS = (
    ImportScenario("import_staged", None),
    ImportScenario("import_web", "http://web.test/i"),
    ImportScenario("import_staged_converted", None, target="raw", workflow=IMPORT_CONVERTED),
    ImportScenario("import_web_converted", "http://web.test/i", ("b", "c"), target="raw", workflow=IMPORT_CONVERTED),
    ImportScenario("import_to_three_stores", "http://web.test/i", ("b", "a", "c")),
    ImportScenario("import_to_where_it_was_not_staged", None, ("b", "c")),
    ImportScenario("copy_image", None, ("b", "c"), CopyStage),
    ImportScenario("add_location", "http://web.test/i", ("web",), LocationStage),
)

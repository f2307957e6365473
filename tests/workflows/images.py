"""The workflow of imports on a stage: the real rows and store; a fetch runs to its end within the call that begins it."""

from __future__ import annotations

import dataclasses
import io
import tempfile
import uuid
from pathlib import Path

from workflows.fake_hosts import FakeHosts

from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.durable.workflow import Workflow
from nova_lite.image import records
from nova_lite.image.access import ANYTHING
from nova_lite.image.imports import Imports
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.ids import OperationId, ProjectId, UserId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.import_image import IMPORT, ImportParams, accept
from nova_lite.workflows.ports import Ports

DATA = b"all that there is"
CONTEXT = Context(request_id="req-1", user_id=UserId("u"), project_id=ProjectId("p"), roles=frozenset({"member"}))


class WebFile(io.BytesIO):
    """What a web server has."""

    length = len(DATA)


class ImportStage:
    """An image whose bytes were staged, or are at a URL."""

    workflow: Workflow = IMPORT
    others: tuple = ()

    def __init__(self, database: Database, url: str | None) -> None:
        self.database = database
        self.hosts = FakeHosts()
        self._url = url
        self._folder = tempfile.TemporaryDirectory()
        store = FilesystemStore(Path(self._folder.name), lambda _folder: 1 << 30)
        imports = Imports(database, store, lambda _url: WebFile(DATA), spawn=lambda work: work())
        self.ports = Ports(
            database=database, scheduler=None, compute=self.hosts, network=None, images=None, imports=imports, hosts=None
        )
        self.image = Image(
            id=str(uuid.uuid4()), name="i", owner=ProjectId("p"), status=ImageStatus.QUEUED, visibility=Visibility.SHARED,
            disk_format="raw", container_format="bare",
        )  # fmt: skip
        database.transact(lambda tx: records.create(tx, self.image))
        if url is None:
            Uploads(database, store).stage(Order(image_id=self.image.id, read=io.BytesIO(DATA).read))

    def begin(self) -> OperationId:
        desk = Desk(database=self.database, ring=lambda operation_id: None)
        params = ImportParams(image_id=self.image.id, store="file", method="m", url=self._url)
        return self.database.transact(lambda tx: accept(desk, tx, CONTEXT, self.image, params))

    def _look(self) -> tuple[Image, set[str], int]:
        with self.database.read() as tx:
            found = records.get(tx, self.image.id, ANYTHING), records.locations(tx)
        return *found, sum(path.is_file() for path in Path(self._folder.name).rglob("*"))

    def check_success(self) -> None:
        image, locations, files = self._look()
        assert (image.status, image.size_bytes, files) == (ImageStatus.ACTIVE, len(DATA), 1)
        assert locations == {image.location}

    def check_clean(self) -> None:
        image, locations, files = self._look()
        staged = self._url is None
        assert (image.status, image.location) == (ImageStatus.UPLOADING if staged else ImageStatus.QUEUED, None)
        assert len(locations) == files == staged

    def check_deleted(self) -> None:
        raise AssertionError("an import is only cancelled")


@dataclasses.dataclass(frozen=True)
class ImportScenario:
    name: str
    url: str | None
    workflow: Workflow = IMPORT

    def build(self, database: Database) -> ImportStage:
        return ImportStage(database, self.url)


SCENARIOS = (ImportScenario("import_staged", None), ImportScenario("import_web", "http://web.test/i"))

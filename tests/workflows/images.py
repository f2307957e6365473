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

from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.durable.workflow import Workflow
from nova_lite.image import records
from nova_lite.image.access import ANYTHING
from nova_lite.image.convert import Converter
from nova_lite.image.imports import Imports
from nova_lite.image.stores.filesystem import FilesystemStore
from nova_lite.image.upload import Order, Uploads
from nova_lite.model.ids import OperationId, ProjectId, UserId
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.import_image import IMPORT, IMPORT_CONVERTED, ImportParams, accept
from nova_lite.workflows.ports import Ports

DATA = b"all that there is"
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
    """An image whose bytes were staged, or are at a URL."""

    others: tuple = ()

    def __init__(self, database: Database, url: str | None, target: str | None) -> None:
        self.database = database
        self.workflow: Workflow = IMPORT if target is None else IMPORT_CONVERTED
        self._target = target
        brought = DATA if target is None else disk()
        self.hosts = FakeHosts()
        self._url = url
        self._folder = tempfile.TemporaryDirectory()
        store = FilesystemStore(Path(self._folder.name), lambda _folder: 1 << 30)
        imports = Imports(database, store, lambda _url: WebFile(brought), spawn=lambda work: work(), converter=FakeConverter())
        self.ports = Ports(
            database=database, scheduler=None, compute=self.hosts, network=None, images=None, imports=imports, hosts=None
        )
        self.image = Image(
            id=str(uuid.uuid4()), name="i", owner=ProjectId("p"), status=ImageStatus.QUEUED, visibility=Visibility.SHARED,
            disk_format="raw" if target is None else "qcow2", container_format="bare",
        )  # fmt: skip
        database.transact(lambda tx: records.create(tx, self.image))
        if url is None:
            Uploads(database, store).stage(Order(image_id=self.image.id, read=io.BytesIO(brought).read))

    def begin(self) -> OperationId:
        desk = Desk(database=self.database, ring=lambda operation_id: None)
        params = ImportParams(image_id=self.image.id, store="file", method="m", url=self._url, convert_to=self._target)
        return self.database.transact(lambda tx: accept(desk, tx, CONTEXT, self.image, params))

    def _look(self) -> tuple[Image, set[str], int]:
        with self.database.read() as tx:
            found = records.get(tx, self.image.id, ANYTHING), records.locations(tx)
        return *found, sum(path.is_file() for path in Path(self._folder.name).rglob("*"))

    def check_success(self) -> None:
        image, locations, files = self._look()
        assert (image.status, image.disk_format, image.size_bytes, files) == (ImageStatus.ACTIVE, "raw", len(DATA), 1)
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
    target: str | None = None
    workflow: Workflow = IMPORT

    def build(self, database: Database) -> ImportStage:
        return ImportStage(database, self.url, self.target)


SCENARIOS = (
    ImportScenario("import_staged", None),
    ImportScenario("import_web", "http://web.test/i"),
    ImportScenario("import_staged_converted", None, "raw", IMPORT_CONVERTED),
    ImportScenario("import_web_converted", "http://web.test/i", "raw", IMPORT_CONVERTED),
)

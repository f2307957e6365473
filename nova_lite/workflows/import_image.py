"""Import: from an accepted request to an active image, of bytes that were staged or of a web server's; else as it was.

The bytes then are in each store that was asked for. A copy of an active image to further stores is an import without the first
step: while it is made, and if it fails, the image is what it was. Version 2 makes the disk into another format on the way; 1 is
for images that stay as they are.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Transient, Wait, Workflow, seconds
from nova_lite.image import copies, staging, tasks
from nova_lite.image.port import FETCH_FAILED, CopyOrder, FetchOrder
from nova_lite.model.ids import ImageId, OperationId
from nova_lite.model.image import Image
from nova_lite.workflows.desk import IMAGE, Desk
from nova_lite.workflows.ports import Ports

CONVERT_S = 6 * 3600.0  # longer than a conversion may take, with the copies before and after it
COPY = "copy-image"
LOCATION = "location"  # not one of Glance's imports: the bytes stay at their URL
FETCH_S = 12 * 3600.0  # the slowest server that is borne brings 700 MB in that time
COPY_S = 12 * 3600.0
LOOK_S = 15.0  # the fetch wakes us; this finds out when its process died


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportParams:
    """Whose bytes, and whence: without `url` and `remote` they were staged, or are the image's already (`method` copy-image).

    store, others: where they are to be. must_succeed: in all of these or in none; else in at least one
    convert_to: what the disk is made into, one of `convert.TARGETS`; None where it stays as it is
    remote: which image of which region's service, as it was asked; token: sealed, to ask with
    """

    image_id: ImageId
    store: str
    method: str
    url: str | None = None
    convert_to: str | None = None
    token: str | None = None
    remote: dict[str, str] = dataclasses.field(default_factory=dict)
    task: str = "api_image_import"  # the type that the tasks API shows
    sha512: str | None = None  # what the bytes must hash to, if that was said
    inject: dict[str, str] = dataclasses.field(default_factory=dict)  # properties that the image gets at the end
    others: tuple[str, ...] = ()
    must_succeed: bool = True

    @property
    def stores(self) -> tuple[str, ...]:
        """All stores that are asked for."""
        return (self.store, *self.others)

    @property
    def fetched(self) -> bool:
        """Whether the bytes come from elsewhere."""
        return self.url is not None or bool(self.remote)


def bring_contents(run: Run[ImportParams]) -> Done | Wait:
    """Have all bytes in the store, hashed and inspected; a fetch goes on beside us and says how it ends.

    Raises: StepFailed when the image is gone or another try would not help; Transient when one may.
    """
    if run.params.method == COPY:
        return Done()
    ports: Ports = run.ports
    return _ensure(run, ports.imports.ensure_contents)


def convert_contents(run: Run[ImportParams]) -> Done | Wait:
    """Have the disk made into the format that is wanted; as a fetch, that goes on beside us.

    Raises: StepFailed when the image is gone or cannot be converted; Transient when another try may help.
    """
    ports: Ports = run.ports
    return _ensure(run, ports.imports.ensure_converted)


def _ensure(run: Run[ImportParams], there: Callable[[FetchOrder], bool]) -> Done | Wait:
    failed = next((one.body for one in run.signals if one.name == FETCH_FAILED and one.body["turn"] == run.turn), None)
    if failed is not None and failed["again"]:
        raise Transient(failed["message"])
    if failed is not None:
        raise StepFailed(failed["message"], code=400)
    params = run.params
    order = FetchOrder(
        image_id=params.image_id,
        operation_id=run.operation_id,
        turn=run.turn,
        url=params.url,
        convert_to=params.convert_to,
        token=params.token,
        remote=params.remote,
        store=params.store,
        refer=params.method == LOCATION,
        sha512=params.sha512,
    )
    try:
        return Done() if there(order) else Wait(LOOK_S)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(error.message, code=error.status) from error


def drop_converted(run: Run[ImportParams]) -> Done:
    """Remove what was converted, and stop who converts; what it was made of stays."""
    ports: Ports = run.ports
    ports.imports.drop_converted(run.params.image_id)
    return Done()


def drop_contents(run: Run[ImportParams]) -> Done:
    """Remove what came, and stop what comes; what the user staged stays."""
    ports: Ports = run.ports
    if run.params.fetched:
        ports.imports.drop_contents(run.params.image_id)
    return Done()


def copy_contents(run: Run[ImportParams]) -> Done | Wait:
    """Have the bytes in all stores that are asked for; each copy goes on beside us and wakes us at its end.

    Raises: StepFailed when the image is gone, or a copy failed that must succeed, or all did.
    """
    ports: Ports = run.ports
    params = run.params
    order = CopyOrder(image_id=params.image_id, operation_id=run.operation_id, stores=params.stores)
    try:
        now = ports.imports.ensure_copies(order)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(error.message, code=error.status) from error
    if now.failed and (params.must_succeed or not (now.there or now.running)):
        raise StepFailed(f"The image could not be copied to {', '.join(now.failed)}.", code=409)
    return Wait(LOOK_S) if now.running else Done()


def drop_copies(run: Run[ImportParams]) -> Done:
    """Remove the copies that were made, and stop those that are."""
    ports: Ports = run.ports
    ports.imports.drop_copies(run.params.image_id, run.params.stores)
    return Done()


def activate(run: Run[ImportParams]) -> Done:
    """Make the bytes the image's; those that others were made of go. Raises: StepFailed when it was deleted."""
    ports: Ports = run.ports
    params = run.params
    if params.method != COPY:
        original = staging.superseded(run.tx, params.image_id)
        adopted, left = copies.adopt(run.tx, params.image_id, params.stores, params.inject)
        if not adopted:
            raise StepFailed("The image was deleted while it was being imported.", code=404)
        for location in filter(None, (original, left)):
            run.tx.after_commit(functools.partial(ports.imports.discard, location))
    copies.settle(run.tx, params.image_id, params.stores)
    tasks.announce(run.tx, run.operation_id, "success", status="success")
    return Done()


def give_up(run: Run[ImportParams]) -> None:
    """Let the user try anew: the image is as it was before."""
    params = run.params
    failed = copies.give_up(run.tx, params.image_id, params.stores)
    if params.method == COPY:
        staging.note_failed(run.tx, params.image_id, failed)
    else:
        staging.give_up_import(run.tx, params.image_id, failed)
    tasks.announce(run.tx, run.operation_id, "failure", status="failure")


BRING = Outside("bring_contents", bring_contents, drop_contents, None, FETCH_S)
COPIES = Outside("copy_contents", copy_contents, drop_copies, None, COPY_S)
# No undo: it is the last, so that it happens together with the end.
ACTIVATE = Record("activate", activate, None, None, seconds(60))
IMPORT = Workflow(
    name="import_image",
    version=1,
    params=ImportParams,
    steps=(BRING, COPIES, ACTIVATE),
    on_failure=give_up,
    on_cancel=give_up,
)
IMPORT_CONVERTED = Workflow(
    name="import_image",
    version=2,
    params=ImportParams,
    steps=(BRING, Outside("convert_contents", convert_contents, drop_converted, None, CONVERT_S), COPIES, ACTIVATE),
    on_failure=give_up,
    on_cancel=give_up,
)


def accept(desk: Desk, tx: Tx, context: Context, image: Image, params: ImportParams) -> OperationId:
    """Accept an import, in the caller's transaction. Raises: Conflict when the image is in no state for it."""
    if params.method == COPY:
        if journal.live_operation(tx, IMAGE, image.id) is not None:
            raise errors.Conflict(f"Image {image.id} is being copied already.")
        staging.note_failed(tx, image.id, "")
    elif not staging.begin_import(tx, image.id, staged=not params.fetched):
        wanted = "no data and the status queued" if params.fetched else "staged data"
        raise errors.Conflict(f"Image {image.id} is {image.status}: this import needs one with {wanted}.")
    copies.ask(tx, image.id, params.stores)
    operation = journal.accept(
        tx,
        journal.NewOperation(
            workflow=IMPORT if params.convert_to is None else IMPORT_CONVERTED,
            subject_kind=IMAGE,
            subject_id=image.id,
            params=params,
            project_id=context.project_id or "",
            user_id=context.user_id,
            request_id=context.request_id,
        ),
    )
    tasks.announce(tx, operation, "create", "run", status="pending")
    desk.ring_after(tx, operation)
    return operation


def cancel(desk: Desk, tx: Tx, image_id: ImageId) -> None:
    """Stop the import of an image that is being deleted; nothing happens where there is none."""
    live = journal.live_operation(tx, IMAGE, image_id)
    if live is not None and journal.send_signal(tx, live.id, "cancel", {}):
        desk.ring_after(tx, live.id)

"""Aggregates: hosts that the operator puts together, and the zones that they name."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.compute.views import aggregates as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import aggregates, hosts
from nova_lite.model.aggregate import ZONE_KEY, Aggregate
from nova_lite.model.ids import HostName, ImageId, ProjectId
from nova_lite.model.image import ImageStatus
from nova_lite.rpc.compute import CacheImages
from nova_lite.rpc.port import Envelope

MOST = 2**31 - 1
FETCH_S = 6 * 3600.0  # an image that waits behind large ones must still find its ticket good


def _named(request: Request) -> int:
    """Give the path's id. Raises: NotFound for what can be none."""
    text = request.params["aggregate_id"]
    if not (text.isascii() and text.isdigit() and int(text) <= MOST):
        raise errors.NotFound(f"Aggregate {text[:64]} could not be found.")
    return int(text)


def _shown(request: Request, aggregate: Aggregate) -> Answer:
    return Answer(body={"aggregate": views.VIEW.at(request.version)(aggregate)})


def _changed(request: Request, work: Callable[[Tx], Aggregate]) -> Answer:
    return _shown(request, request.parts.database.transact(work))


def list_aggregates(request: Request) -> Answer:
    """List all."""
    with request.parts.database.read() as tx:
        found = aggregates.list_all(tx)
    view = views.VIEW.at(request.version)
    return Answer(body={"aggregates": [view(aggregate) for aggregate in found]})


def show_aggregate(request: Request) -> Answer:
    """Show one."""
    with request.parts.database.read() as tx:
        return _shown(request, aggregates.get(tx, _named(request)))


def create_aggregate(request: Request) -> Answer:
    """Make one, without hosts."""
    asked = request.body["aggregate"]
    made = request.parts.database.transact(lambda tx: aggregates.create(tx, asked["name"], asked.get("availability_zone")))
    return Answer(body={"aggregate": views.without_parts(views.VIEW.at(request.version)(made))})


def update_aggregate(request: Request) -> Answer:
    """Change its name, its zone, or both."""
    asked, aggregate_id = request.body["aggregate"], _named(request)

    def work(tx: Tx) -> Aggregate:
        changed = aggregates.get(tx, aggregate_id)
        if "name" in asked:
            changed = aggregates.rename(tx, aggregate_id, asked["name"])
        if "availability_zone" in asked:
            changed = aggregates.set_metadata(tx, aggregate_id, {ZONE_KEY: asked["availability_zone"]})
        return changed

    return _changed(request, work)


def delete_aggregate(request: Request) -> Answer:
    """Remove one that has no hosts."""
    aggregate_id = _named(request)
    request.parts.database.transact(lambda tx: aggregates.delete(tx, aggregate_id))
    return Answer(status=200)


def add_host(request: Request) -> Answer:
    """Put a host in."""
    aggregate_id, host = _named(request), request.body["add_host"]["host"]
    return _changed(request, lambda tx: aggregates.add_host(tx, aggregate_id, host))


def remove_host(request: Request) -> Answer:
    """Take a host out."""
    aggregate_id, host = _named(request), request.body["remove_host"]["host"]
    return _changed(request, lambda tx: aggregates.remove_host(tx, aggregate_id, host))


def set_metadata(request: Request) -> Answer:
    """Set keys of its metadata; null removes one."""
    aggregate_id, changes = _named(request), request.body["set_metadata"]["metadata"]
    return _changed(request, lambda tx: aggregates.set_metadata(tx, aggregate_id, changes))


def cache_images(request: Request) -> Answer:
    """Have the aggregate's hosts that are up fetch images before a server needs them; each fetches one after another.

    Raises: NotFound for an aggregate that is not there; BadRequest for an image named twice, or one that no host can
    boot; Unavailable, when some hosts may have been told.
    """
    wanted = [ImageId(one["id"]) for one in request.body["cache"]]
    if len(set(wanted)) < len(wanted):
        raise errors.BadRequest("Duplicate images in request")
    with request.parts.database.read() as tx:
        inside = set(aggregates.get(tx, _named(request)).hosts)
        up = [host.name for host in hosts.list_hosts(tx) if host.name in inside and host.up]
    for image_id in wanted:
        _usable(request, image_id)
    for host in up:
        _have_cached(request, host, wanted)
    return Answer(status=202)


def _usable(request: Request, image_id: ImageId) -> None:
    try:
        image = request.parts.images.get_for(ProjectId(request.context.project_id or ""), image_id, admin=True)
    except errors.NotFound as error:
        raise errors.BadRequest(error.message) from error
    if image.status is not ImageStatus.ACTIVE:
        raise errors.BadRequest(f"Image {image_id} is {image.status}, not active.")


def _have_cached(request: Request, host: HostName, wanted: list[ImageId]) -> None:
    if request.parts.compute is None:
        raise errors.Unavailable("The hosts cannot be told: there is no broker.", what="the broker")
    try:
        sources = tuple(request.parts.images.source_for(image_id, host, valid_s=FETCH_S) for image_id in wanted)
    except (errors.NotFound, errors.Conflict) as error:
        raise errors.BadRequest(error.message) from error
    envelope = Envelope(request_id=request.context.request_id)
    request.parts.compute.cache_images(host, CacheImages(images=sources), envelope)

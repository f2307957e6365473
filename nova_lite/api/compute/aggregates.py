"""Aggregates: hosts that the operator puts together, and the zones that they name."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.compute.views import aggregates as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import aggregates
from nova_lite.model.aggregate import ZONE_KEY, Aggregate

MOST = 2**31 - 1


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
    """Say that images are not fetched ahead: a host keeps each one from the first server that needs it.

    Raises: NotFound for an aggregate that is not there; NotImplementedHere.
    """
    with request.parts.database.read() as tx:
        aggregates.get(tx, _named(request))
    raise errors.NotImplementedHere(
        "Images are not cached ahead of use here: each host keeps an image from the first server that needs it."
    )

"""Namespaces of metadata definitions, and the types of resources they are meant for."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Any

from nova_lite import errors
from nova_lite.api.image.filters import DOWN, read_images_page
from nova_lite.api.image.schemas.metadefs import LOCKED
from nova_lite.api.image.views import metadefs as views
from nova_lite.api.pages import cut, next_query
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.metadefs import ENTRY_KEYS, NAMESPACE_KEYS, NamespaceFilter, Page
from nova_lite.image import metadef_wire as wire
from nova_lite.image import metadefs
from nova_lite.image.access import viewer_of
from nova_lite.model.metadef import Association, Namespace

VISIBILITIES = ("public", "private")


def list_namespaces(request: Request) -> Answer:
    """GET /metadefs/namespaces."""
    viewer = viewer_of(request.context)
    wanted = NamespaceFilter(
        project_id=viewer.project_id,
        sees_all=viewer.sees_all,
        visibility=_visibility(request),
        resource_types=tuple(name for value in request.query.get("resource_types", ()) for name in value.split(",") if name),
    )
    page = read_images_page(request)
    asked = dataclasses.replace(read_sort(request, NAMESPACE_KEYS), marker=page.marker, limit=page.fetch)
    with request.parts.database.read() as tx:
        found = metadefs.list_page(tx, wanted, asked) if page.limit else []
    shown, more = cut(page, found)
    body: dict[str, Any] = {
        "namespaces": [views.namespace(one, associations) for one, associations in shown],
        "first": _first(request),
        "schema": f"{views.SCHEMAS}/namespaces",
    }
    if more:
        body["next"] = f"{views.PATH}?{next_query(request, shown[-1][0].namespace)}"
    return Answer(body=body)


def show_namespace(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}; with `resource_type` the names of properties are as on such a resource."""
    with request.parts.database.read() as tx:
        namespace = get_namespace(tx, request)
        contents = metadefs.contents_of(tx, namespace)
    return Answer(body=views.full_namespace(namespace, contents, _prefix(request, contents)))


def create_namespace(request: Request) -> Answer:
    """POST /metadefs/namespaces, with all that it holds."""
    require_settable(request.body)
    wanted = wire.to_namespace(request.body, request.context.project_id)
    contents = wire.to_contents(request.body)
    request.enforce(target=target_of(wanted))
    made = request.parts.database.transact(lambda tx: metadefs.create(tx, wanted, contents))
    address = views.address(made.namespace).removeprefix("/v2")
    view = views.full_namespace(made, _dated(contents, made.created_at))
    return Answer(status=201, body=view, headers={"Location": request.service_url + address})


def update_namespace(request: Request) -> Answer:
    """PUT /metadefs/namespaces/{namespace}: its own attributes; what it holds stays as it is."""
    require_settable(request.body)
    wanted = wire.to_namespace(request.body, request.context.project_id)

    def work(tx: Tx) -> Namespace:
        namespace = get_namespace(tx, request, lock=True)
        changed = dataclasses.replace(wanted, id=namespace.id, created_at=namespace.created_at)
        return metadefs.update(tx, namespace, changed)

    return Answer(body=views.namespace(request.parts.database.transact(work)))


def delete_namespace(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}."""
    request.parts.database.transact(lambda tx: metadefs.delete(tx, get_namespace(tx, request, lock=True)))
    return Answer(status=204)


# -- types of resources ----------------------------------------------------------------------------------------------------


def list_resource_types(request: Request) -> Answer:
    """GET /metadefs/resource_types."""
    with request.parts.database.read() as tx:
        found = metadefs.list_resource_types(tx)
    return Answer(body={"resource_types": [views.resource_type(one) for one in found]})


def list_associations(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/resource_types."""
    with request.parts.database.read() as tx:
        found = metadefs.associations_of(tx, get_namespace(tx, request))
    return Answer(body={"resource_type_associations": [views.association(one) for one in found]})


def associate(request: Request) -> Answer:
    """POST /metadefs/namespaces/{namespace}/resource_types."""
    require_settable(request.body)
    wanted = wire.to_association(request.body)

    def work(tx: Tx) -> Association:
        return metadefs.associate(tx, get_namespace(tx, request, lock=True), wanted)

    return Answer(status=201, body=views.association(request.parts.database.transact(work)))


def dissociate(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/resource_types/{resource_type}."""
    name = request.params["resource_type"]
    request.parts.database.transact(lambda tx: metadefs.dissociate(tx, get_namespace(tx, request, lock=True), name))
    return Answer(status=204)


# -- shared with what stands in namespaces ---------------------------------------------------------------------------------


def get_namespace(tx: Tx, request: Request, *, lock: bool = False) -> Namespace:
    """Read the path's namespace and check the route's rule on it. Raises: NotFound; Forbidden."""
    namespace = metadefs.get(tx, request.params["namespace"], viewer_of(request.context), lock=lock)
    request.enforce(target=target_of(namespace))
    return namespace


def require_settable(body: dict[str, Any]) -> None:
    """See that a body sets nothing that only we do. Raises: Forbidden."""
    for name in LOCKED:
        if name in body:
            raise errors.Forbidden(f"Attribute '{name}' is read-only.")


def target_of(namespace: Namespace) -> dict[str, Any]:
    """Give what rules speak of."""
    return {"project_id": namespace.owner, "owner": namespace.owner, "visibility": namespace.visibility}


def read_sort(request: Request, keys: Any = ENTRY_KEYS) -> Page:
    """Read `sort_key` and `sort_dir`: the newest come first otherwise. Raises: BadRequest."""
    key, way = request.first("sort_key") or "created_at", request.first("sort_dir") or "desc"
    if key not in keys:
        raise errors.BadRequest(f"Unsupported sort key, acceptable values: {', '.join(sorted(keys))}.")
    if way not in DOWN:
        raise errors.BadRequest("The sort direction must be asc or desc.")
    return Page(sort=key, down=DOWN[way])


def _visibility(request: Request) -> str | None:
    value = request.first("visibility") or None
    if value is not None and value not in VISIBILITIES:
        raise errors.BadRequest(f"Invalid value for visibility: must be one of {', '.join(VISIBILITIES)}.")
    return value


def _prefix(request: Request, contents: metadefs.Contents) -> str:
    """Give what the names of properties begin with on the asked type of resource."""
    wanted = request.first("resource_type")
    return next((one.prefix for one in contents.associations if one.name == wanted and one.prefix), "")


def _dated(contents: metadefs.Contents, now: float) -> metadefs.Contents:
    """Give the contents of a new namespace as they are recorded: all made at once."""
    dated = {
        field.name: tuple(dataclasses.replace(one, created_at=now, updated_at=now) for one in getattr(contents, field.name))
        for field in dataclasses.fields(contents)
    }
    return metadefs.Contents(**dated)


def _first(request: Request) -> str:
    asked = [(name, value) for name, values in request.query.items() if name != "marker" for value in values]
    return f"{views.PATH}?{urllib.parse.urlencode(asked)}" if asked else views.PATH

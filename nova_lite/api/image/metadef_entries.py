"""What stands in a namespace of metadata definitions: objects, properties, tags."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api.image.metadefs import get_namespace, read_sort, require_settable
from nova_lite.api.image.views import metadefs as views
from nova_lite.api.pages import read_page
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.metadefs import Page
from nova_lite.image import metadef_wire as wire
from nova_lite.image import metadefs
from nova_lite.model.metadef import Entry, EntryKind, Namespace

Found = tuple[Namespace, Entry]
MOST_NAME = 80
APPEND = "X-OPENSTACK-APPEND"
_YES = ("1", "t", "true", "on", "y", "yes")


def list_objects(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/objects."""
    namespace, found = _list(request, EntryKind.OBJECT, _read_page(request))
    shown = [views.entry_object(namespace, one) for one in found]
    return Answer(body={"objects": shown, "schema": f"{views.SCHEMAS}/objects"})


def show_object(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/objects/{object_name}."""
    return Answer(body=views.entry_object(*_show(request, EntryKind.OBJECT, request.params["object_name"])))


def create_object(request: Request) -> Answer:
    """POST /metadefs/namespaces/{namespace}/objects."""
    return Answer(status=201, body=views.entry_object(*_add(request, EntryKind.OBJECT, _object(request))))


def update_object(request: Request) -> Answer:
    """PUT /metadefs/namespaces/{namespace}/objects/{object_name}: what is left out is gone."""
    found = _replace(request, EntryKind.OBJECT, request.params["object_name"], _object(request))
    return Answer(body=views.entry_object(*found))


def delete_object(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/objects/{object_name}."""
    return _remove(request, EntryKind.OBJECT, request.params["object_name"])


def delete_objects(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/objects."""
    return _remove_all(request, EntryKind.OBJECT)


def list_properties(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/properties: by name."""
    _, found = _list(request, EntryKind.PROPERTY, Page(sort="name", down=False))
    return Answer(body={"properties": {one.name: dict(one.content) for one in found}})


def show_property(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/properties/{property_name}.

    With `resource_type` the name is the one that the property has on such a resource. Raises: NotFound.
    """
    resource_type = request.first("resource_type")
    name = request.params["property_name"]
    with request.parts.database.read() as tx:
        namespace = get_namespace(tx, request)
        if resource_type:
            name = _without_prefix(name, metadefs.get_association(tx, namespace, resource_type).prefix or "")
        return Answer(body=views.entry_property(metadefs.get_entry(tx, namespace, EntryKind.PROPERTY, name)))


def create_property(request: Request) -> Answer:
    """POST /metadefs/namespaces/{namespace}/properties."""
    _, made = _add(request, EntryKind.PROPERTY, _property(request))
    return Answer(status=201, body=views.entry_property(made))


def update_property(request: Request) -> Answer:
    """PUT /metadefs/namespaces/{namespace}/properties/{property_name}: what is left out is gone."""
    _, changed = _replace(request, EntryKind.PROPERTY, request.params["property_name"], _property(request))
    return Answer(body=views.entry_property(changed))


def delete_property(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/properties/{property_name}."""
    return _remove(request, EntryKind.PROPERTY, request.params["property_name"])


def delete_properties(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/properties."""
    return _remove_all(request, EntryKind.PROPERTY)


def list_tags(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/tags."""
    _, found = _list(request, EntryKind.TAG, _read_page(request))
    return Answer(body=_tags(found))


def replace_tags(request: Request) -> Answer:
    """POST /metadefs/namespaces/{namespace}/tags: they replace those that are there, or with the header are added."""
    require_settable(request.body)
    tags = [wire.to_tag(one) for one in request.body["tags"]]
    append = request.headers.get(APPEND, "").strip().lower() in _YES

    def work(tx: Tx) -> list[Entry]:
        return metadefs.replace_tags(tx, get_namespace(tx, request, lock=True), tags, append=append)

    return Answer(status=201, body=_tags(request.parts.database.transact(work)))


def show_tag(request: Request) -> Answer:
    """GET /metadefs/namespaces/{namespace}/tags/{tag_name}."""
    return Answer(body=views.tag(_show(request, EntryKind.TAG, request.params["tag_name"])[1]))


def create_tag(request: Request) -> Answer:
    """POST /metadefs/namespaces/{namespace}/tags/{tag_name}. Raises: BadRequest for a name that is too long."""
    name = request.params["tag_name"]
    if len(name) > MOST_NAME:
        raise errors.BadRequest(f"A tag has at most {MOST_NAME} characters.")
    return Answer(status=201, body=views.tag(_add(request, EntryKind.TAG, Entry(name=name))[1]))


def update_tag(request: Request) -> Answer:
    """PUT /metadefs/namespaces/{namespace}/tags/{tag_name}."""
    require_settable(request.body)
    _, changed = _replace(request, EntryKind.TAG, request.params["tag_name"], wire.to_tag(request.body))
    return Answer(body=views.tag(changed))


def delete_tag(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/tags/{tag_name}."""
    return _remove(request, EntryKind.TAG, request.params["tag_name"])


def delete_tags(request: Request) -> Answer:
    """DELETE /metadefs/namespaces/{namespace}/tags."""
    return _remove_all(request, EntryKind.TAG)


def _object(request: Request) -> Entry:
    require_settable(request.body)
    return wire.to_object(request.body)


def _property(request: Request) -> Entry:
    require_settable(request.body)
    return wire.to_property(request.body)


def _tags(shown: Sequence[Entry]) -> dict[str, Any]:
    return {"tags": [{"name": one.name} for one in shown]}


def _read_page(request: Request) -> Page:
    """Read how a list is cut: all of it without a limit. Raises: BadRequest."""
    page = read_page(request)
    limit = page.limit if request.first("limit") else None
    return dataclasses.replace(read_sort(request), marker=page.marker, limit=limit)


def _without_prefix(name: str, prefix: str) -> str:
    if not name.startswith(prefix):
        raise errors.NotFound(f"On this type of resource, names of properties begin with {prefix}.")
    return name.removeprefix(prefix)


def _list(request: Request, kind: EntryKind, page: Page) -> tuple[Namespace, list[Entry]]:
    with request.parts.database.read() as tx:
        namespace = get_namespace(tx, request)
        return namespace, metadefs.list_entries(tx, namespace, kind, page)


def _show(request: Request, kind: EntryKind, name: str) -> Found:
    with request.parts.database.read() as tx:
        namespace = get_namespace(tx, request)
        return namespace, metadefs.get_entry(tx, namespace, kind, name)


def _add(request: Request, kind: EntryKind, wanted: Entry) -> Found:
    def work(tx: Tx) -> Found:
        namespace = get_namespace(tx, request, lock=True)
        return namespace, metadefs.add_entries(tx, namespace, kind, [wanted])[0]

    return request.parts.database.transact(work)


def _replace(request: Request, kind: EntryKind, name: str, wanted: Entry) -> Found:
    def work(tx: Tx) -> Found:
        namespace = get_namespace(tx, request, lock=True)
        return namespace, metadefs.update_entry(tx, namespace, kind, name, wanted)

    return request.parts.database.transact(work)


def _remove(request: Request, kind: EntryKind, name: str) -> Answer:
    request.parts.database.transact(lambda tx: metadefs.delete_entry(tx, get_namespace(tx, request, lock=True), kind, name))
    return Answer(status=204)


def _remove_all(request: Request, kind: EntryKind) -> Answer:
    request.parts.database.transact(lambda tx: metadefs.delete_entries(tx, get_namespace(tx, request, lock=True), kind))
    return Answer(status=204)

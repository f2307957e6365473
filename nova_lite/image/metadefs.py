"""Metadata definitions: who sees a namespace, what it may hold, and what protection forbids.

Every change of what a namespace holds is made with the namespace locked, so that two of the same name never meet.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.db import metadefs as db
from nova_lite.db.engine import Tx
from nova_lite.db.metadefs import NamespaceFilter, Page
from nova_lite.image import notices
from nova_lite.image.access import Viewer
from nova_lite.model.metadef import Association, Entry, EntryKind, Namespace, ResourceType

PUBLIC = "public"
PLURAL = {EntryKind.OBJECT: "objects", EntryKind.PROPERTY: "properties", EntryKind.TAG: "tags"}
_SHOWN = 80
_OF_NAMESPACE = ("namespace_id", "kind")
_CHANGEABLE = ("namespace", "display_name", "description", "visibility", "protected", "owner")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """All that a namespace holds."""

    associations: tuple[Association, ...] = ()
    objects: tuple[Entry, ...] = ()
    properties: tuple[Entry, ...] = ()
    tags: tuple[Entry, ...] = ()

    def by_kind(self) -> tuple[tuple[EntryKind, tuple[Entry, ...]], ...]:
        """Give the entries of each kind."""
        return (EntryKind.OBJECT, self.objects), (EntryKind.PROPERTY, self.properties), (EntryKind.TAG, self.tags)


def get(tx: Tx, name: str, viewer: Viewer, *, lock: bool = False) -> Namespace:
    """Read a namespace that the viewer may see. Raises: NotFound."""
    row = db.find_namespace(tx, name, lock=lock)
    if row is not None:
        found = Namespace(**row)
        if viewer.sees_all or found.visibility == PUBLIC or (found.owner and found.owner == viewer.project_id):
            return found
    raise errors.NotFound(f"The metadata definition namespace {name[:_SHOWN]} was not found.")


def list_page(tx: Tx, wanted: NamespaceFilter, page: Page) -> list[tuple[Namespace, list[Association]]]:
    """Read a page of namespaces, each with its associations. Raises: NotFound when the marker is none that is seen."""
    rows = db.list_namespaces(tx, wanted, page)
    if rows is None:
        raise _no_marker(page)
    meant = db.associations_of(tx, [row["id"] for row in rows])
    return [(Namespace(**row), [_association(one) for one in meant.get(row["id"], ())]) for row in rows]


def create(tx: Tx, wanted: Namespace, contents: Contents) -> Namespace:
    """Add a namespace with all that it holds. Raises: Conflict when a name is taken, or stands twice."""
    _require_free(tx, wanted.namespace)
    now = tx.database.clock.wall()
    made = dataclasses.replace(wanted, id=str(uuid.uuid4()), created_at=now, updated_at=now)
    db.insert_namespace(tx, vars(made))
    notices.write(tx, "metadef_namespace.create", notices.of_namespace(made))
    fill(tx, made, contents)
    return made


def fill(tx: Tx, namespace: Namespace, contents: Contents) -> None:
    """Put things into a namespace that is new, or was emptied. Raises: Conflict when a name stands twice."""
    for association in contents.associations:
        associate(tx, namespace, association)
    for kind, entries in contents.by_kind():
        add_entries(tx, namespace, kind, entries)


def contents_of(tx: Tx, namespace: Namespace) -> Contents:
    """Read all that a namespace holds, by name."""
    page = Page(sort="name", down=False)
    objects, properties, tags = (tuple(list_entries(tx, namespace, kind, page)) for kind in EntryKind)
    return Contents(associations=tuple(associations_of(tx, namespace)), objects=objects, properties=properties, tags=tags)


def update(tx: Tx, namespace: Namespace, changed: Namespace) -> Namespace:
    """Write a namespace's own columns. Raises: Conflict when the new name is taken."""
    if changed.namespace != namespace.namespace:
        _require_free(tx, changed.namespace)
    changed = dataclasses.replace(changed, updated_at=tx.database.clock.wall())
    db.update_namespace(tx, namespace.id, {name: getattr(changed, name) for name in (*_CHANGEABLE, "updated_at")})
    notices.write(tx, "metadef_namespace.update", notices.of_namespace(changed, namespace.namespace))
    return changed


def delete(tx: Tx, namespace: Namespace) -> None:
    """Remove a namespace with all that it holds. Raises: Forbidden when it is protected."""
    _require_unprotected(namespace)
    db.delete_namespace(tx, namespace.id)
    notices.write(tx, "metadef_namespace.delete", notices.gone(tx, notices.of_namespace(namespace)))


def empty(tx: Tx, namespace: Namespace) -> None:
    """Take everything out of a namespace, protected or not: for the operator, who fills it anew."""
    db.delete_associations(tx, namespace.id)
    for kind in EntryKind:
        db.delete_entries(tx, namespace.id, kind.value)


# -- objects, properties, tags ---------------------------------------------------------------------------------------------


def list_entries(tx: Tx, namespace: Namespace, kind: EntryKind, page: Page) -> list[Entry]:
    """Read a page of what a namespace holds of a kind. Raises: NotFound when the marker is none of them."""
    rows = db.list_entries(tx, namespace.id, kind.value, page)
    if rows is None:
        raise _no_marker(page)
    return [_entry(row) for row in rows]


def get_entry(tx: Tx, namespace: Namespace, kind: EntryKind, name: str) -> Entry:
    """Read an object, property or tag. Raises: NotFound."""
    row = db.find_entry(tx, namespace.id, kind.value, name)
    if row is None:
        raise _no_entry(namespace, kind, name)
    return _entry(row)


def add_entries(tx: Tx, namespace: Namespace, kind: EntryKind, entries: Iterable[Entry]) -> list[Entry]:
    """Add objects, properties or tags. Raises: Conflict when a name is taken, or stands twice."""
    now = tx.database.clock.wall()
    made = [dataclasses.replace(entry, created_at=now, updated_at=now) for entry in entries]
    if not made:
        return []
    taken = Counter(entry.name for entry in made) + Counter(db.names_of_entries(tx, namespace.id, kind.value))
    _require_once(namespace, kind, [entry.name for entry in made if taken[entry.name] > 1])
    place = {"namespace_id": namespace.id, "kind": kind.value}
    db.insert_entries(tx, [{**place, **vars(entry), "content": dict(entry.content)} for entry in made])
    event = f"metadef_{kind.value}.create"
    notices.write_all(tx, [(event, notices.of_entry(namespace, kind, entry)) for entry in made])
    return made


def replace_tags(tx: Tx, namespace: Namespace, tags: Sequence[Entry], *, append: bool) -> list[Entry]:
    """Give a namespace other tags, or more of them. An empty list changes nothing, as in the original.

    Raises: Conflict when a name is taken, or stands twice.
    """
    if tags and not append:
        db.delete_entries(tx, namespace.id, EntryKind.TAG.value)
    return add_entries(tx, namespace, EntryKind.TAG, tags)


def update_entry(tx: Tx, namespace: Namespace, kind: EntryKind, name: str, wanted: Entry) -> Entry:
    """Replace an object, property or tag, its name too. Raises: NotFound; Conflict when the new name is taken."""
    before = get_entry(tx, namespace, kind, name)
    if wanted.name != name and db.find_entry(tx, namespace.id, kind.value, wanted.name) is not None:
        raise _twice(namespace, kind, wanted.name)
    changed = dataclasses.replace(wanted, created_at=before.created_at, updated_at=tx.database.clock.wall())
    values = {"name": changed.name, "content": dict(changed.content), "updated_at": changed.updated_at}
    db.update_entry(tx, namespace.id, kind.value, name, values)
    notices.write(tx, f"metadef_{kind.value}.update", notices.of_entry(namespace, kind, changed, name))
    return changed


def delete_entry(tx: Tx, namespace: Namespace, kind: EntryKind, name: str) -> None:
    """Remove an object, property or tag. Raises: NotFound; Forbidden in a protected namespace."""
    entry = get_entry(tx, namespace, kind, name)
    _require_unprotected(namespace)
    db.delete_entry(tx, namespace.id, kind.value, name)
    notices.write(tx, f"metadef_{kind.value}.delete", notices.gone(tx, notices.of_entry(namespace, kind, entry)))


def delete_entries(tx: Tx, namespace: Namespace, kind: EntryKind) -> None:
    """Remove all objects, properties or tags. Raises: Forbidden when the namespace is protected."""
    _require_unprotected(namespace)
    db.delete_entries(tx, namespace.id, kind.value)
    notices.write(tx, f"metadef_namespace.delete_{PLURAL[kind]}", notices.of_namespace(namespace))


# -- types of resources ----------------------------------------------------------------------------------------------------


def list_resource_types(tx: Tx) -> list[ResourceType]:
    """Give every type that some namespace was meant for."""
    return [ResourceType(**row) for row in db.list_resource_types(tx)]


def associations_of(tx: Tx, namespace: Namespace) -> list[Association]:
    """Give the types of resources that a namespace is meant for."""
    return [_association(row) for row in db.associations_of(tx, (namespace.id,)).get(namespace.id, ())]


def get_association(tx: Tx, namespace: Namespace, resource_type: str) -> Association:
    """Read one. Raises: NotFound."""
    for association in associations_of(tx, namespace):
        if association.name == resource_type:
            return association
    raise _no_association(namespace, resource_type)


def associate(tx: Tx, namespace: Namespace, wanted: Association) -> Association:
    """Mean a namespace for a type of resource, which need not be known before. Raises: Conflict when it is already."""
    if any(one.name == wanted.name for one in associations_of(tx, namespace)):
        raise errors.Conflict(
            f"The namespace {namespace.namespace} is already associated with the resource type {wanted.name}."
        )
    now = tx.database.clock.wall()
    made = dataclasses.replace(wanted, created_at=now, updated_at=now)
    db.ensure_resource_type(tx, made.name, now)
    db.insert_association(tx, {"namespace_id": namespace.id, **vars(made)})
    notices.write(tx, "metadef_resource_type.create", notices.of_association(namespace, made))
    return made


def dissociate(tx: Tx, namespace: Namespace, resource_type: str) -> None:
    """Mean a namespace for a type of resource no longer. Raises: NotFound; Forbidden when it is protected."""
    association = get_association(tx, namespace, resource_type)
    _require_unprotected(namespace)
    db.delete_association(tx, namespace.id, resource_type)
    notices.write(tx, "metadef_resource_type.delete", notices.gone(tx, notices.of_association(namespace, association)))


def _association(row: db.Row) -> Association:
    return Association(**{name: value for name, value in row.items() if name not in _OF_NAMESPACE})


def _entry(row: db.Row) -> Entry:
    fields: dict[str, Any] = {name: value for name, value in row.items() if name not in _OF_NAMESPACE}
    return Entry(**fields)


def _require_free(tx: Tx, name: str) -> None:
    if db.find_namespace(tx, name) is not None:
        raise errors.Conflict(f"The metadata definition namespace {name} already exists.")


def _require_once(namespace: Namespace, kind: EntryKind, repeated: Sequence[str]) -> None:
    if repeated:
        raise _twice(namespace, kind, repeated[0])


def _require_unprotected(namespace: Namespace) -> None:
    if namespace.protected:
        raise errors.Forbidden(f"The namespace {namespace.namespace} is protected: nothing is removed from it.")


def _twice(namespace: Namespace, kind: EntryKind, name: str) -> errors.Conflict:
    return errors.Conflict(f"A metadata definition {kind.value} {name} already exists in namespace {namespace.namespace}.")


def _no_entry(namespace: Namespace, kind: EntryKind, name: str) -> errors.NotFound:
    return errors.NotFound(
        f"The metadata definition {kind.value} {name[:_SHOWN]} was not found in namespace {namespace.namespace}."
    )


def _no_association(namespace: Namespace, resource_type: str) -> errors.NotFound:
    return errors.NotFound(
        f"The namespace {namespace.namespace} is not associated with the resource type {resource_type[:_SHOWN]}."
    )


def _no_marker(page: Page) -> errors.NotFound:
    return errors.NotFound(f"The marker {(page.marker or '')[:_SHOWN]} was not found.")

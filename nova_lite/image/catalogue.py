"""Metadata definitions from files: those that a new cloud has, and an operator's own. A file is what the Image API takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import orjson

from nova_lite.db import metadefs as db
from nova_lite.db.engine import Database, Tx
from nova_lite.image import metadef_wire as wire
from nova_lite.image import metadefs
from nova_lite.image.access import ANYTHING
from nova_lite.model.metadef import Namespace

Body = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """What became of each namespace, by name."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    kept: tuple[str, ...]


def own_definitions() -> list[Body]:
    """Read the definitions that come with the product, by file name."""
    folder = resources.files("nova_lite.image.definitions")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return [orjson.loads(file.read_bytes()) for file in files]


def bootstrap(database: Database) -> None:
    """Give a cloud without any namespace those that come with the product. May be repeated; what was deleted stays away."""

    def work(tx: Tx) -> None:
        if not db.any_namespace(tx):
            _load(tx, own_definitions(), replace=False)

    database.transact(work)


def load(database: Database, bodies: Iterable[Body], *, replace: bool = False) -> Loaded:
    """Add the namespaces that are not there; `replace` also writes those that are, whole. All or none; may be repeated.

    Raises: Conflict when a name stands twice in a namespace.
    """
    wanted = list(bodies)
    return database.transact(lambda tx: _load(tx, wanted, replace=replace))


def _load(tx: Tx, bodies: Iterable[Body], *, replace: bool) -> Loaded:
    names: dict[str, list[str]] = {"added": [], "replaced": [], "kept": []}
    for body in bodies:
        wanted = wire.to_namespace(body, None)
        names[_load_one(tx, body, wanted, replace=replace)].append(wanted.namespace)
    return Loaded(**{outcome: tuple(found) for outcome, found in names.items()})


def _load_one(tx: Tx, body: Body, wanted: Namespace, *, replace: bool) -> str:
    contents = wire.to_contents(body)
    if db.find_namespace(tx, wanted.namespace) is None:
        metadefs.create(tx, wanted, contents)
        return "added"
    if not replace:
        return "kept"
    found = metadefs.get(tx, wanted.namespace, ANYTHING, lock=True)
    metadefs.update(tx, found, dataclasses.replace(wanted, id=found.id, created_at=found.created_at))
    metadefs.empty(tx, found)
    metadefs.fill(tx, found, contents)
    return "replaced"

"""`nova-lite image usage`: what images take, and how they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, moment, show_rows

if TYPE_CHECKING:
    from nova_lite.db.engine import Tx
    from nova_lite.image.usage import Used

COLUMNS = ("Stores", "Bytes", "Downloads", "Sent bytes", "Boots", "Last use")


@click.command()
@click.option("--project", help="Only images of this project (id or name).")
@click.option("--images", "each", is_flag=True, help="Show each image instead of the sums of projects.")
@json_option
@click.pass_obj
def usage(files: tuple[Path, ...], project: str | None, each: bool, as_json: bool) -> None:
    """Show what the images of each project take in each store, and how much they were downloaded and booted.

    Every copy counts. A boot is a server made of the image, deleted ones too. Downloads are written down within seconds.
    """
    from nova_lite.image import usage as room

    installation = Installation(files)
    with installation.database.read() as tx:
        found = room.list_used(tx, None if project is None else _project_id(tx, project))
        names = _names(tx)
    if each:
        rows: list[tuple[Any, ...]] = [(one.image_id, one.name, _owner(names, one), *_use(one, as_json)) for one in found]
        show_rows("Images", ("Image", "Name", "Project", *COLUMNS), rows, as_json=as_json)
        return
    sums = [(_owner(names, one), int(one.name or 0), *_use(one, as_json)) for one in room.by_project(found)]
    show_rows("Images of projects", ("Project", "Images", *COLUMNS), sums, as_json=as_json)


def _use(one: Used, as_json: bool) -> tuple[Any, ...]:
    stores = dict(one.stores) if as_json else ", ".join(f"{name} {size}" for name, size in one.stores.items())
    return stores, one.kept_bytes, one.downloads, one.sent_bytes, one.boots, moment(one.last_used_at)


def _owner(names: dict[str, str], one: Used) -> str | None:
    """Give the project's name where we know it: those of an outside Keystone have an id only."""
    return names.get(one.project_id or "", one.project_id)


def _names(tx: Tx) -> dict[str, str]:
    from nova_lite.db import identity as db

    return {project.id: project.name for project in db.PROJECTS.list_by(tx, is_domain=False)}


def _project_id(tx: Tx, name: str) -> str:
    """Find a project by its name or id. What we do not know may be an id of an outside Keystone's."""
    from nova_lite.db import identity as db

    found = db.PROJECTS.find(tx, name) or db.PROJECTS.find_by(tx, name=name, is_domain=False)
    return found.id if found is not None else name

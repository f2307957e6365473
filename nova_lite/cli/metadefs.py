"""`nova-lite metadefs`: definitions of what properties flavors, images and other things may have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json


@click.group()
def command() -> None:
    """Metadata definitions of properties: load."""


@command.command()
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--replace", is_flag=True, help="Also write namespaces that are there already, with all that they hold.")
@json_option
@click.pass_obj
def load(files: tuple[Path, ...], sources: tuple[Path, ...], replace: bool, as_json: bool) -> None:
    """Add the namespaces in JSON files, or in folders of them; without any, those that come with nova-lite.

    A file holds one namespace as the Image API takes and shows it. All are loaded, or none. May be repeated.
    """
    from nova_lite.image import catalogue

    bodies = _read(sources) if sources else catalogue.own_definitions()
    loaded = catalogue.load(Installation(files).database, bodies, replace=replace)
    if as_json:
        show_json(dataclasses.asdict(loaded))
        return
    for outcome, names in dataclasses.asdict(loaded).items():
        for name in names:
            click.echo(f"{outcome:<9}{name}")


def _read(sources: Iterable[Path]) -> list[dict[str, Any]]:
    """Read and check files. Raises: ConfigError naming the file that is wrong, or a folder that has none."""
    found = []
    for source in sources:
        paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
        if not paths:
            raise errors.ConfigError(f"{source} has no file *.json.")
        found += [_read_file(path) for path in paths]
    return found


def _read_file(path: Path) -> dict[str, Any]:
    import orjson

    from nova_lite.api.image.schemas.metadefs import NAMESPACE
    from nova_lite.api.validate import BodySchema

    try:
        body = orjson.loads(path.read_bytes())
        BodySchema(NAMESPACE).check(body)
    except OSError as error:
        raise errors.ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise errors.ConfigError(f"{path} is no JSON: {error}.") from error
    except errors.BadRequest as error:
        raise errors.ConfigError(f"{path}: {error.message}") from error
    checked: dict[str, Any] = body
    return checked

"""Reads the configuration: one file, which may be empty, and the environment, which overrides it.

The environment's names are OS_<GROUP>__<OPTION>: OS_API__PORT, OS_DEFAULT__DEBUG. What we do not know is an error that
names it: a misspelt option must not be silently without effect.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from oslo_config import cfg

from nova_lite import errors
from nova_lite.conf import (
    api,
    broker,
    compute,
    console,
    daemon,
    database,
    identity,
    image,
    moves,
    network,
    scheduler,
    servers,
    shelving,
)

DEFAULT_FILE = Path("/etc/nova-lite/nova-lite.conf")
ROOMS: tuple[ModuleType, ...] = (
    daemon,
    api,
    broker,
    compute,
    console,
    database,
    identity,
    image,
    moves,
    network,
    scheduler,
    shelving,
    servers,
)
FOREIGN = re.compile(r"^(oslo_\w+|cors)$")  # the libraries' own sections; they look at them themselves
ENVIRONMENT = re.compile(r"^OS_(?P<group>[A-Z0-9_]+?)__(?P<option>[A-Z0-9_]+)$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """An option as it is in force. `source` is `default`, `environment`, `command line` or the file's path."""

    group: str
    name: str
    value: str
    source: str
    help: str


def load(
    argv: Sequence[str],
    files: Iterable[Path | str] | None = None,
    *,
    program: str = "nova-lite",
    conf: cfg.ConfigOpts = cfg.CONF,
) -> cfg.ConfigOpts:
    """Fill `conf` from `--config-file` in `argv` or from `files`, and from the environment.

    Without either, /etc/nova-lite/nova-lite.conf is read if it is there. May be repeated: the last call counts.
    Raises: ConfigError naming the option, for a value out of range, an unknown option or a file that is not readable.
    """
    conf.reset()
    register(conf)
    if files is None:
        files = [DEFAULT_FILE] if DEFAULT_FILE.exists() else []
    try:
        conf(
            list(argv),
            project="nova-lite",
            prog=program,
            version="0.1.0",
            default_config_files=[str(path) for path in files],
            default_config_dirs=[],
        )
    except cfg.Error as error:
        raise errors.ConfigError(str(error)) from error
    for path in conf.config_file:
        _refuse_unknown(path, _names_in_file(path), conf)
    _refuse_unknown("the environment", _names_in_environment(), conf)
    for group, option in options():
        _value(conf, group, option)
    return conf


def register(conf: cfg.ConfigOpts) -> None:
    """Make the options of all rooms known. May be repeated."""
    for room in ROOMS:
        conf.register_opts(room.OPTIONS, group=None if room.GROUP == "DEFAULT" else room.GROUP)


def options() -> Iterator[tuple[str, cfg.Opt]]:
    """Give every option of ours with its group, in the order in which they are shown."""
    for room in ROOMS:
        for option in room.OPTIONS:
            yield room.GROUP, option


def settings(conf: cfg.ConfigOpts) -> tuple[Setting, ...]:
    """Give every option with its value and where that came from; secrets as stars."""
    return tuple(_setting(conf, group, option) for group, option in options())


def _setting(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> Setting:
    value = _value(conf, group, option)
    shown = "" if value is None else str(value)
    if option.secret and shown:
        shown = "****"
    return Setting(group=group, name=option.dest, value=shown, source=_source(conf, group, option), help=option.help or "")


def _source(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> str:
    place = conf.get_location(option.dest, None if group == "DEFAULT" else group)
    if place is None or place.location in (cfg.Locations.opt_default, cfg.Locations.set_default):
        return "default"
    names = {cfg.Locations.environment: "environment", cfg.Locations.command_line: "command line"}
    return names.get(place.location, place.detail)


def _value(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> object:
    """Read a value; oslo.config looks at types and ranges only now."""
    try:
        return getattr(conf if group == "DEFAULT" else conf[group], option.dest)
    except (cfg.Error, ValueError) as error:
        reason = error.__context__ or error  # without the library's own words around it
        raise errors.ConfigError(
            f"[{group}] {option.dest}: {'the value is not usable' if option.secret else reason}"
        ) from error


def _refuse_unknown(place: str, names: Iterable[tuple[str, str]], conf: cfg.ConfigOpts) -> None:
    known = {(group, option.dest) for group, option in options()}
    unknown = [f"[{group}] {name}" for group, name in names if (group, name) not in known]
    if unknown:
        raise errors.ConfigError(f"Unknown option in {place}: {', '.join(unknown)}.")


def _names_in_file(path: str) -> list[tuple[str, str]]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except (cfg.ParseError, OSError) as error:
        raise errors.ConfigError(f"{path} is not readable.") from error
    return [
        (section, name.replace("-", "_")) for section, names in sections.items() if not FOREIGN.match(section) for name in names
    ]


def _names_in_environment() -> list[tuple[str, str]]:
    """Find what is meant for us: OS_<one of our groups>__<option>. Clients' variables (OS_CLOUD) have one underscore."""
    groups = {room.GROUP.upper(): room.GROUP for room in ROOMS}
    found = []
    for name in os.environ:
        match = ENVIRONMENT.match(name)
        if match and match["group"] in groups:
            found.append((groups[match["group"]], match["option"].lower()))
    return found

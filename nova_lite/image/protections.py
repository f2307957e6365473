"""Property protections: an operator's file says who may create, read, change and delete which properties of images.

The file is that of Glance, beside the policy file, and its name tells what it speaks of: `property-protections-roles.conf`,
roles by commas, or `property-protections-policies.conf`, each time one rule of the policy file.

    [^billing_.*]        an expression that is searched in the property's name; the first section that fits decides
    create = admin       `@`: everybody, `!`: nobody; what is not said is for nobody
    read = admin, member

Without a file nothing is protected; with one, what no section fits is for nobody. Source: Glance, property protections.
"""

from __future__ import annotations

import configparser
import dataclasses
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.image import Image

LOG = logging.getLogger(__name__)
ROLES, POLICIES = "property-protections-roles.conf", "property-protections-policies.conf"
CREATE, READ, UPDATE, DELETE = OPERATIONS = ("create", "read", "update", "delete")
EVERYBODY, NOBODY = "@", "!"
RELOAD_S = 5.0
Ask = Callable[[str, Context], bool]
Stamp = tuple[int, int, int] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """What is said of properties whose names have `pattern` in them: operation -> who."""

    pattern: re.Pattern[str]
    allowed: Mapping[str, frozenset[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protected:
    """What one file says. `by_policies`: its words are rules, not roles."""

    sections: tuple[Section, ...]
    by_policies: bool


class Guard:
    """What one caller may do with properties."""

    def __init__(self, known: Protected, context: Context, ask: Ask) -> None:
        """`ask` evaluates a rule of the policy for somebody."""
        self._known = known
        self._context = context
        self._ask = ask
        self._answers: dict[tuple[str, str], bool] = {}

    def allows(self, operation: str, name: str) -> bool:
        """Tell whether a property may be created, read, updated or deleted; an auditor reads everything."""
        key = (operation, name)
        if key not in self._answers:
            self._answers[key] = self._decide(operation, name)
        return self._answers[key]

    def check(self, operation: str, name: str) -> None:
        """Raises: Forbidden."""
        if not self.allows(operation, name):
            raise errors.Forbidden(f"Property '{name[:64]}' is protected.")

    def check_change(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """See that properties may become others. Raises: Forbidden."""
        for name, value in after.items():
            if name not in before:
                self.check(CREATE, name)
            elif before[name] != value:
                self.check(UPDATE, name)
        for name in before.keys() - after.keys():
            self.check(DELETE, name)

    def visible(self, image: Image) -> Image:
        """Give an image without the properties that the caller may not read."""
        shown = {name: value for name, value in image.properties.items() if self.allows(READ, name)}
        return image if len(shown) == len(image.properties) else dataclasses.replace(image, properties=shown)

    def _decide(self, operation: str, name: str) -> bool:
        if operation == READ and self._context.is_auditor:
            return True
        found = next((section for section in self._known.sections if section.pattern.search(name)), None)
        who = found.allowed[operation] if found is not None else frozenset()
        if NOBODY in who or EVERYBODY in who:
            return NOBODY not in who
        if self._known.by_policies:
            return any(self._ask(rule, self._context) for rule in who)
        return not who.isdisjoint(self._context.roles)


class OpenToAll(Guard):
    """The guard where nothing is protected."""

    def __init__(self) -> None:
        """Know nothing."""
        super().__init__(Protected(sections=(), by_policies=False), Context(request_id=""), lambda rule, context: True)

    def allows(self, operation: str, name: str) -> bool:
        """Say yes."""
        return True

    def visible(self, image: Image) -> Image:
        """Give the image as it is."""
        return image


OPEN = OpenToAll()


class Protections:
    """The protections in force: read at the start, and again when a file changes."""

    def __init__(self, folder: Path | None = None, ask: Ask = lambda rule, context: False) -> None:
        """`folder` is where the policy file is; None: nothing is ever protected. Raises: ConfigError."""
        self._folder = folder
        self._ask = ask
        self._lock = threading.Lock()
        self._load()

    def guard(self, context: Context) -> Guard:
        """Give what holds for a caller."""
        self._fresh()
        known = self._known
        return OPEN if known is None else Guard(known, context, self._ask)

    def _load(self) -> None:
        self._stamps = self._look()
        self._known = None if self._folder is None else read(self._folder)
        self._looked_at = time.monotonic()

    def _look(self) -> list[Stamp]:
        return [] if self._folder is None else [_stamp(self._folder / name) for name in (ROLES, POLICIES)]

    def _fresh(self) -> None:
        """Look at the files every few seconds, in one thread; what cannot be used changes nothing."""
        if time.monotonic() - self._looked_at <= RELOAD_S or not self._lock.acquire(blocking=False):
            return
        try:
            self._looked_at = time.monotonic()
            if self._look() != self._stamps:
                self._load()
                LOG.info("The protections of properties were read again.", extra={"action": "policy"})
        except errors.ConfigError as error:
            LOG.error("%s The protections stay as they were.", error.message, extra={"action": "policy"})
        finally:
            self._lock.release()


def read(folder: Path) -> Protected | None:
    """Read the file of a folder; None where there is none. Raises: ConfigError naming file and section."""
    try:
        found = [(folder / name, name == POLICIES) for name in (ROLES, POLICIES) if (folder / name).exists()]
    except OSError as error:
        raise errors.ConfigError(f"The folder {folder} cannot be read.") from error
    if len(found) > 1:
        raise errors.ConfigError(f"{folder} has both {ROLES} and {POLICIES}; only one of them can hold.")
    for file, by_policies in found:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error) as error:
            raise errors.ConfigError(f"The file {file} cannot be read.") from error
        sections = tuple(_section(file, by_policies, parser[name]) for name in parser.sections())
        return Protected(sections=sections, by_policies=by_policies) if sections else None
    return None


def _section(file: Path, by_policies: bool, said: Mapping[str, str]) -> Section:
    name = getattr(said, "name", "")
    unknown = sorted(set(said) - set(OPERATIONS))
    if unknown:
        raise errors.ConfigError(f"{file}, section [{name}]: {unknown[0]} is none of {', '.join(OPERATIONS)}.")
    try:
        pattern = re.compile(name)
    except re.error as error:
        raise errors.ConfigError(f"{file}, section [{name}]: the expression cannot be read.") from error
    allowed = {operation: frozenset(_words(said.get(operation, ""))) for operation in OPERATIONS}
    for operation, who in allowed.items():
        if EVERYBODY in who and NOBODY in who:
            raise errors.ConfigError(f"{file}, section [{name}]: {operation} is for everybody and for nobody at once.")
        if by_policies and len(who) > 1:
            raise errors.ConfigError(f"{file}, section [{name}]: {operation} takes one rule; combine them in the policy file.")
    if not by_policies:
        allowed = {operation: frozenset(map(str.lower, who)) for operation, who in allowed.items()}
    return Section(pattern=pattern, allowed=allowed)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _stamp(file: Path) -> Stamp:
    """Tell one content of a file from another; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)

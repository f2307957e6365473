"""Microversions: reading the header, choosing what belongs to a version, telling what was served."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from nova_lite import errors

T = TypeVar("T")
Version = tuple[int, int]
HEADER = "OPENSTACK-API-VERSION"
_FORM = re.compile(r"([1-9]\d{0,3})\.(0|[1-9]\d{0,3})", re.ASCII)


class InvalidVersion(errors.BadRequest):
    """The API version is malformed."""


def parse(text: str) -> Version:
    """Read `2.53`. Raises: InvalidVersion."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidVersion(f"API Version String {text[:64]} is of invalid format. Must be of format MajorNum.MinorNum.")
    return int(match[1]), int(match[2])


def show(version: Version) -> str:
    """Write `(2, 53)` as `2.53`."""
    return f"{version[0]}.{version[1]}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VersionRange:
    """What a service keeps: from `least` (used when a client asks for nothing) to `most`.

    `service` is the word in the OpenStack-API-Version header; `old_header` an older header that names the version alone.
    """

    service: str
    least: Version
    most: Version
    old_header: str | None = None

    def read(self, header: Callable[[str], str | None]) -> Version:
        """Choose the version of a request. Raises: InvalidVersion 400, NotAcceptable 406 outside the range."""
        asked = _asked_for(self.service, header(HEADER))
        if asked is None and self.old_header:
            asked = header(self.old_header)
        if asked is None:
            return self.least
        asked = asked.strip()
        if asked.lower() == "latest":
            return self.most
        version = parse(asked)
        if not self.least <= version <= self.most:
            raise errors.NotAcceptable(
                f"Version {show(version)} is not supported by the API. "
                f"Minimum is {show(self.least)} and maximum is {show(self.most)}."
            )
        return version

    def frozen(self) -> VersionRange:
        """Give the range of clients that know of no microversions, whatever their headers say."""
        return _Frozen(service=self.service, least=self.least, most=self.least)

    def headers(self, version: Version) -> dict[str, str]:
        """Give the headers that tell which version was served, and that caches must look at it."""
        served = {"OpenStack-API-Version": f"{self.service} {show(version)}", "Vary": "OpenStack-API-Version"}
        if self.old_header:
            served[self.old_header] = show(version)
            served["Vary"] += f", {self.old_header}"
        return served


class _Frozen(VersionRange):
    """A range of one version that no header names."""

    def read(self, header: Callable[[str], str | None]) -> Version:
        """Give the version."""
        return self.least

    def headers(self, version: Version) -> dict[str, str]:
        """Give none."""
        return {}


def _asked_for(service: str, value: str | None) -> str | None:
    """Find a service's version in `compute 2.53, volume 3.5`."""
    for part in (value or "").split(","):
        name, _, version = part.strip().partition(" ")
        if name.lower() == service:
            return version
    return None


class ByVersion(Generic[T]):
    """Things that changed with microversions: each holds from its version until the next one.

    `ByVersion({"2.1": FIRST, "2.19": WITH_DESCRIPTION}).at((2, 53))` gives WITH_DESCRIPTION.
    """

    def __init__(self, table: Mapping[str, T]) -> None:
        """`table` may be in any order."""
        self._entries = sorted(((parse(key), value) for key, value in table.items()), key=lambda entry: entry[0], reverse=True)

    def at(self, version: Version) -> T:
        """Give what holds at a version. Raises: NotFound when it came later."""
        for since, value in self._entries:
            if version >= since:
                return value
        raise errors.NotFound(f"API version {show(version)} is not supported on this method.")

    def then(self, since: str, value: T) -> ByVersion[T]:
        """Make a table in which another thing holds from a version on; what began just then is replaced."""
        return ByVersion({show(version): one for version, one in self._entries} | {since: value})

    def values(self) -> list[T]:
        """List all, newest first."""
        return [value for _, value in self._entries]

    def map(self, change: Callable[[T], T]) -> ByVersion[T]:
        """Make a table with each thing changed."""
        return ByVersion({show(since): change(value) for since, value in self._entries})

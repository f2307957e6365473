"""Values of extra specs and image properties, read one by one. What cannot be understood is the caller's mistake, in words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from nova_lite import errors

YES = ("1", "t", "true", "on", "y", "yes")
NO = ("0", "f", "false", "off", "n", "no")
NUMBER_MAX = 2**31 - 1
CPUS_MAX = 4096  # greater numbers of processors are no wish but a mistake
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_RANGE = re.compile(r"(\^?)([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
_SHOWN = 64


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody wrote, and under which name: `source` names it in refusals."""

    source: str
    text: str

    def number(self, least: int = 0, most: int = NUMBER_MAX) -> int:
        """Read an integer. Raises: BadRequest."""
        if not _INTEGER.fullmatch(self.text) or not least <= int(self.text) <= most:
            raise self.refusal(f"a number from {least} to {most} is wanted")
        return int(self.text)

    def flag(self) -> bool:
        """Read yes or no. Raises: BadRequest."""
        word = self.text.lower()
        if word not in YES and word not in NO:
            raise self.refusal("true or false is wanted")
        return word in YES

    def one_of(self, *known: str) -> str:
        """Read one of some words. Raises: BadRequest."""
        if self.text not in known:
            raise self.refusal(f"one of {', '.join(known)} is wanted")
        return self.text

    def cpus(self, count: int) -> tuple[int, ...]:
        """Read a set of processors out of `count` (`0-3,^2`), in order; only exclusions begin with all. Raises: BadRequest."""
        wanted, without = set[int](), set[int]()
        for part in self.text.split(","):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                raise self.refusal("numbers and ranges such as 0-3,^2 are wanted")
            first, last = int(match[2]), int(match[3] or match[2])
            if last < first or last >= min(count, CPUS_MAX):
                raise self.refusal(f"there are {count} CPUs, numbered from 0")
            (without if match[1] else wanted).update(range(first, last + 1))
        return tuple(sorted((wanted or set(range(count))) - without))

    def refusal(self, why: str) -> errors.BadRequest:
        """Make the error that says what is wrong with it."""
        return errors.BadRequest(f"{self.source} has the invalid value '{self.text[:_SHOWN]}': {why}.")


class Wishes:
    """What a flavor's extra specs and an image's properties say; what is empty says nothing."""

    def __init__(self, specs: Mapping[str, str], properties: Mapping[str, str]) -> None:
        """Nothing is read yet."""
        self._specs = specs
        self._properties = properties

    def flavor(self, key: str) -> Wish | None:
        """Give what the flavor says."""
        text = self._specs.get(key)
        return Wish(f"The flavor's extra spec {key}", text.strip()) if text and text.strip() else None

    def image(self, key: str) -> Wish | None:
        """Give what the image says."""
        text = self._properties.get(key)
        return Wish(f"The image's property {key}", text.strip()) if text and text.strip() else None

    def both(self, name: str) -> tuple[Wish | None, Wish | None]:
        """Give what the flavor (`hw:NAME`) and the image (`hw_NAME`) say."""
        return self.flavor(f"hw:{name}"), self.image(f"hw_{name}")

    def agreed(self, name: str) -> Wish | None:
        """Give what flavor or image say, who may not contradict each other. Raises: BadRequest."""
        flavor, image = self.both(name)
        if flavor is not None and image is not None and flavor.text.lower() != image.text.lower():
            raise errors.BadRequest(
                f"Flavor and image contradict each other: hw:{name} is '{flavor.text[:_SHOWN]}', "
                f"hw_{name} is '{image.text[:_SHOWN]}'."
            )
        return image or flavor

    def only_one(self, name: str) -> Wish | None:
        """Give what flavor or image say, of whom only one may speak. Raises: BadRequest."""
        flavor, image = self.both(name)
        if flavor is not None and image is not None:
            raise errors.BadRequest(f"The image's property hw_{name} is not permitted: the flavor says hw:{name}.")
        return flavor or image

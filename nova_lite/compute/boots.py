"""Whether the machine was booted since the host was last welcomed: its guests may be off though they were to run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

LOG = logging.getLogger(__name__)
MARK = "boot"


class Boots:
    """Compares the kernel's name of this boot with the one that is kept in the host's folder."""

    def __init__(self, folder: Path, boot_id: Callable[[], str]) -> None:
        """Nothing is read yet."""
        self._path = folder / MARK
        self._boot_id = boot_id

    def is_new(self) -> bool:
        """Whether this is another boot than the kept one; no at the first start ever, when none is kept."""
        try:
            return self._path.read_text(encoding="ascii") != self._boot_id()
        except FileNotFoundError:
            return False

    def note(self) -> None:
        """Keep this boot: what it asked for is in the conductors' hands. May be repeated."""
        try:
            self._path.write_text(self._boot_id(), encoding="ascii")
        except OSError as error:
            # It is asked for once more at the next start, which starts only what is off and to run.
            LOG.warning("This boot cannot be noted: %s.", error.strerror)

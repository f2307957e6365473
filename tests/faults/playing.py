"""Plays cases: each on the cloud it wants, which following cases with the same wish share."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faults import cloud as clouds
from faults.case import Case, CloudSpec, Stage, Tally


@dataclasses.dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a case; `violated` is empty when its promise held. `whole_s` is with the start and end of its cloud."""

    case: Case
    tally: Tally
    seconds: float
    whole_s: float
    violated: str = ""


class Theatre:
    """Keeps one cloud at a time; a case that spoils it, or fails, leaves the next one a fresh one."""

    def __init__(self, folder: Path, seed: int) -> None:
        """`folder` gets a folder for each cloud and each case."""
        self._folder = folder
        self._seed = seed
        self._open = contextlib.ExitStack()
        self._spec: CloudSpec | None = None
        self._cloud: Any = None
        self._count = 0

    def play(self, case: Case) -> Played:
        """Play one case. Never raises but for an interruption."""
        entered = began = time.monotonic()
        tally = Tally()
        violated, spoiled = "", True
        try:
            stage = self._stage(case)
            tally = stage.tally
            began = time.monotonic()
            case.play(stage)
            spoiled = stage.spoiled
        except Exception as error:  # a case: whatever goes wrong in it is its result
            violated = (isinstance(error, AssertionError) and str(error)) or traceback.format_exc()
        seconds = time.monotonic() - began
        if not violated and seconds > case.bound_s:
            violated = f"it took {seconds:.0f} s, more than {case.bound_s:.0f} s"
        if spoiled:
            self.close()
        whole_s = time.monotonic() - entered
        return Played(case=case, tally=tally, seconds=seconds, whole_s=whole_s, violated=violated)

    def close(self) -> None:
        """Take the cloud away."""
        self._spec, self._cloud = None, None
        self._open.close()

    def _stage(self, case: Case) -> Stage:
        self._count += 1
        folder = self._folder / f"case{self._count}"
        folder.mkdir(parents=True)
        if case.spec is not None and case.spec != self._spec:
            self.close()
            self._cloud = self._open.enter_context(clouds.running_spec(self._folder / f"cloud{self._count}", case.spec))
            self._spec = case.spec
        return Stage(cloud=self._cloud if case.spec else None, seed=self._seed, name=f"{case.run} {case.name}", folder=folder)


def in_order(cases: Sequence[Case]) -> list[Case]:
    """Put cases with the same wish side by side; else as they come."""
    specs = list(dict.fromkeys(case.spec for case in cases))
    return sorted(cases, key=lambda case: specs.index(case.spec))


@contextlib.contextmanager
def theatre(folder: Path, seed: int) -> Iterator[Theatre]:
    """Have a theatre, and nothing left of it in the end."""
    made = Theatre(folder, seed)
    try:
        yield made
    finally:
        made.close()

"""Fault points: where a daemon may be killed, held, or made to lose or double a message, and the file that says so.

A point is a seam of the daemon and a side of it: `journal.commit:before`. Each time a daemon comes to one it looks into its
plan, a JSON file of rules. `about` narrows a rule to what the seam is used for: the step of an operation
(`boot/claim_host`), or the method of a message. Rules count from when they were written. One that has fired is written
down beside the plan before anything happens. A rule kills once: neither a daemon that is started anew nor another one that
has the same rule dies of it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

VARIABLE = "NOVA_LITE_TEST_FAULTS"
KILL, DELAY, DROP, DUPLICATE = "kill", "delay", "drop", "duplicate"
LATE, AGAIN = "late", "again"  # happens after up to `seconds`, in nobody's order: itself, or once more


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What happens at a point: at its `nth` time, and `times` times from then on (0: always).

    `about` is part of what the seam is used for; `seconds` is how long a delay lasts, or the latest that something comes.
    """

    id: str
    point: str
    what: str = KILL
    about: str = ""
    nth: int = 1
    times: int = 1
    seconds: float = 0.0


class Plan:
    """The rules of one daemon, from outside."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; without it nothing happens."""
        self.path = path
        self._fired = path.with_suffix(".fired")

    def write(self, *rules: Rule) -> None:
        """Have these rules and no others from now on."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps([dataclasses.asdict(rule) for rule in rules]))
        fresh.replace(self.path)

    def fired(self) -> dict[str, float]:
        """Give the ids of the rules that have fired, each with its last moment (monotonic clock of this machine)."""
        try:
            lines = self._fired.read_text().splitlines()
        except FileNotFoundError:
            return {}
        return {line.split()[0]: float(line.split()[1]) for line in lines}

    def count(self, start: str) -> int:
        """Count how often rules whose ids begin so have fired."""
        try:
            return sum(line.startswith(start) for line in self._fired.read_text().splitlines())
        except FileNotFoundError:
            return 0

    def forget(self) -> None:
        """Forget what has fired."""
        self._fired.unlink(missing_ok=True)


class Points:
    """The rules of one daemon, from inside."""

    def __init__(self, path: Path) -> None:
        """A file that is not there is looked for at each point."""
        self._path = path
        self._fired = path.with_suffix(".fired")
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._rules: list[dict[str, Any]] = []
        self._seen: dict[str, int] = {}
        self._local = threading.local()
        self._chance = random.Random(path.name)

    @contextlib.contextmanager
    def about(self, words: str) -> Iterator[None]:
        """Say what this thread does until the block ends."""
        before = getattr(self._local, "about", "")
        self._local.about = words
        try:
            yield
        finally:
            self._local.about = before

    def reach(self, point: str, about: str = "", act: Callable[[], object] | None = None) -> str:
        """Come to a point: die or wait here if it is so planned; give `drop`, `duplicate` or nothing for the caller to do.

        `act` is what is about to happen, for the rules that have it happen later.
        """
        words = about or getattr(self._local, "about", "")
        with self._lock:
            rule = self._due(point, words)
        if rule is None:
            return ""
        if rule["what"] == KILL:
            os.killpg(os.getpgid(0), signal.SIGKILL)
        if rule["what"] == DELAY:
            time.sleep(rule["seconds"])
        if rule["what"] in (LATE, AGAIN) and act is not None:
            self._have_later(act, rule["seconds"])
            return DROP if rule["what"] == LATE else ""
        return str(rule["what"])

    def _have_later(self, act: Callable[[], object], latest_s: float) -> None:
        timer = threading.Timer(self._chance.uniform(0.0, latest_s), act)
        timer.daemon = True  # what a daemon that ends has not sent is lost
        timer.start()

    def _due(self, point: str, words: str) -> dict[str, Any] | None:
        self._read()
        for rule in self._rules:
            if rule["point"] != point or rule["about"] not in words:
                continue
            seen = self._seen[rule["id"]] = self._seen.get(rule["id"], 0) + 1
            if seen >= rule["nth"] and (not rule["times"] or seen < rule["nth"] + rule["times"]) and self._is_mine(rule):
                self._note(rule)
                return rule
        return None

    def _is_mine(self, rule: dict[str, Any]) -> bool:
        """Whether nobody has died of this rule yet: several daemons may have it, and the first that comes by takes it."""
        if rule["what"] != KILL:
            return True
        try:
            self._path.with_name(f"{rule['id']}.struck").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _note(self, rule: dict[str, Any]) -> None:
        with self._fired.open("a") as file:
            file.write(f"{rule['id']} {time.monotonic()} {rule['point']}\n")

    def _read(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._rules = None, []
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._rules = json.loads(self._path.read_text())
            self._stamp, self._seen = stamp, {}

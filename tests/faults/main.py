"""The fault suite: `tox -e faults -- [--seed N] [--only R1[,R2]] [--case WORDS] [--short] [--fresh] [--results FILE]`.

Each case's result is written down at once, so a suite that was interrupted goes on where it was when it is started again
with the same seed; --fresh begins anew. The seed is printed. The exit code is 1 when a promise did not hold.
Cases that wait, or have a simulated clock, are played by processes of their own beside the others, with result files of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(TOP)  # not our own folder

from faults import case, playing  # noqa: E402

RESULTS = TOP.parent / ".fault-results.json"
SCRIPT = Path(__file__)
COLUMNS = ("cases", "injected", "requests", "lost", "doubled", "stuck")


def main(argv: Sequence[str] | None = None) -> int:
    """Play what is asked for; give the exit code."""
    asked = _read(argv)
    runs = tuple(asked.only.split(",")) if asked.only else ()
    chosen = [one for one in case.cases(runs, short=asked.short) if asked.case in one.name]
    if asked.aside:
        chosen = [one for one in chosen if one.aside is case.Aside[asked.aside]]
    if not chosen:
        _say(f"There is no case of {asked.only or 'any run'} with {asked.case!r} in its name.")
        return 2
    began = time.monotonic()
    book = Book(asked.results, asked.seed, fresh=asked.fresh)
    _say(f"seed {book.seed}: {len(chosen)} cases, results in {asked.results}")
    with contextlib.ExitStack() as stack:
        beside = [stack.enter_context(Beside(one, asked, book)) for one in _asides(chosen, asked)]
        elsewhere = [one for other in beside for one in chosen if one.aside is other.aside]
        _play([one for one in chosen if one not in elsewhere], book)
        for other in beside:
            other.finish(elsewhere)
    found = [book.result(one) for one in chosen]
    _say(f"{table(found)}\nThis took {(time.monotonic() - began) / 60:.1f} minutes.")
    return 1 if any(one["violated"] for one in found) else 0


def _play(chosen: Sequence[case.Case], book: Book) -> None:
    """Play what has not been played."""
    with tempfile.TemporaryDirectory(prefix="nova-lite-faults-") as folder, playing.theatre(Path(folder), book.seed) as theatre:
        for one in playing.in_order(chosen):
            if book.has(one):
                continue
            played = theatre.play(one)
            book.add(played)
            _tell(played, book.seed)


def _asides(chosen: Sequence[case.Case], asked: argparse.Namespace) -> list[case.Aside]:
    """Say which processes there are to be beside this one: none where this one would have nothing to do."""
    if asked.aside or all(one.aside for one in chosen):
        return []
    return [one for one in case.Aside if any(each.aside is one for each in chosen)]


class Beside:
    """A process that plays the cases of an aside while the block lasts."""

    def __init__(self, aside: case.Aside, asked: argparse.Namespace, book: Book) -> None:
        """It is asked the same as this process, with a results file of its own."""
        self.aside = aside
        self._book = book
        self._results = asked.results.with_suffix(f".{aside.name.lower()}{asked.results.suffix}")
        command = ["nice", "-n", str(aside.value), sys.executable, str(SCRIPT), "--aside", aside.name, "--seed", str(book.seed)]
        self._command = [*command, "--only", asked.only, "--case", asked.case, "--results", str(self._results)]
        self._command += [option for option, is_set in (("--fresh", asked.fresh), ("--short", asked.short)) if is_set]

    def __enter__(self) -> Beside:
        """Begin."""
        self._process = subprocess.Popen(self._command)
        return self

    def __exit__(self, *_: object) -> None:
        """Have it end in order, when it has not yet."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(120)

    def finish(self, chosen: Sequence[case.Case]) -> None:
        """Wait until it is done, and take over what came of it."""
        code = self._process.wait()
        if code not in (0, 1):
            raise RuntimeError(f"the process beside ended with {code}")
        theirs = Book(self._results, self._book.seed, fresh=False)
        for one in chosen:
            if one.aside is self.aside:
                self._book.keep(one, theirs.result(one))


class Book:
    """The results file."""

    def __init__(self, path: Path, seed: int | None, *, fresh: bool) -> None:
        """Another seed than that of the file begins anew; without a seed the file's is taken."""
        self._path = path
        known = {} if fresh or not path.exists() else json.loads(path.read_text())
        if seed is not None and known.get("seed") != seed:
            known = {}
        self.seed = int(known.get("seed", random.randrange(1_000_000) if seed is None else seed))
        self._results: dict[str, dict[str, Any]] = known.get("results", {})

    def has(self, one: case.Case) -> bool:
        """Whether a case has been played."""
        return _key(one) in self._results

    def result(self, one: case.Case) -> dict[str, Any]:
        """Give what came of it."""
        return self._results[_key(one)]

    def add(self, played: playing.Played) -> None:
        """Write a result down."""
        values: dict[str, Any] = {"run": played.case.run, "name": played.case.name, "seconds": round(played.seconds, 1)}
        values |= {"whole_s": round(played.whole_s, 1), "violated": played.violated, **dataclasses.asdict(played.tally)}
        self.keep(played.case, values)

    def keep(self, one: case.Case, values: dict[str, Any]) -> None:
        """Write down what came of a case here or elsewhere."""
        self._results[_key(one)] = values
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"seed": self.seed, "results": self._results}, indent=1))
        fresh.replace(self._path)


def table(results: Iterable[dict[str, Any]]) -> str:
    """Make the table of all runs, in Markdown."""
    lines = [
        "| run | cases | faults injected | requests | lost | doubled | stuck | longest delay | held | minutes |",
        "|---|" + "--:|" * 9,
    ]
    by_run: dict[str, list[dict[str, Any]]] = {}
    for one in results:
        by_run.setdefault(one["run"], []).append(one)
    for run, ones in by_run.items():
        sums = [len(ones), *(sum(one[name] for one in ones) for name in COLUMNS[1:])]
        longest = max(one["longest_delay_s"] for one in ones)
        held = sum(not one["violated"] for one in ones)
        minutes = sum(one.get("whole_s", one["seconds"]) for one in ones) / 60
        cells = [run, *map(str, sums), f"{longest:.1f} s", f"{held} of {len(ones)}", f"{minutes:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _key(one: case.Case) -> str:
    return f"{one.run} {one.name}"


def _tell(played: playing.Played, seed: int) -> None:
    word = "VIOLATED" if played.violated else "held"
    faults = f"{played.tally.injected} faults, longest delay {played.tally.longest_delay_s:.1f} s"
    starts_s = played.whole_s - played.seconds
    _say(f"{played.case.run} {played.case.name}: {word} in {played.seconds:.1f} s, starts and ends {starts_s:.1f} s ({faults})")
    if played.violated:
        _say(f"  seed {seed}\n  {played.violated}")
        for note in played.tally.notes:
            _say(f"  {note}")
        again = f"tox -e faults -- --seed {seed} --only {played.case.run} --case {played.case.name!r} --fresh"
        _say(f"  again: {again}")


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201


def _read(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tox -e faults --", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, help="Where chance comes from; by default that of the results, or a new one.")
    parser.add_argument("--only", default="", help="Runs, by commas: R1,R4.")
    parser.add_argument("--case", default="", help="Only cases with these words in their names.")
    parser.add_argument("--short", action="store_true", help="Only the cases of the short version.")
    parser.add_argument("--fresh", action="store_true", help="Forget the results of before.")
    parser.add_argument("--aside", default="", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="The results file.")
    return parser.parse_args(argv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: no cloud is left behind
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        sys.exit(130)

"""The newest lines of a console log that virtlogd writes: `console.log`, and `console.log.0` and on, which are older."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 1024 * 1024
PARTS = 4


def newest(log: Path, lines: int | None) -> bytes:
    """Give the newest lines, all that are kept for None, at most 1 MiB."""
    gathered = b""
    for path in (log, *(log.with_name(f"{log.name}.{number}") for number in range(PARTS))):
        part = _tail(path, MOST_BYTES - len(gathered))
        if part is None:
            break
        gathered = part + gathered
        if len(gathered) >= MOST_BYTES or (lines is not None and gathered.count(b"\n") > lines):
            break
    if lines is None:
        return gathered
    return b"".join(gathered.splitlines(keepends=True)[-lines:]) if lines > 0 else b""


def _tail(path: Path, most: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - most, 0))
            return file.read(most)
    except FileNotFoundError:
        return None

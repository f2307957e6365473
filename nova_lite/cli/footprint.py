"""What `up` started or changed on this machine, so that `down` undoes that and nothing else."""

from __future__ import annotations

from pathlib import Path

from nova_lite.cli import keeping


class Footprint:
    """The list of marks that `up` left: names of services it started, files it wrote."""

    def __init__(self, state_dir: Path) -> None:
        """It is kept in the state folder, since it must outlive a reboot."""
        self.path = state_dir / "footprint.json"

    def add(self, kind: str, name: str) -> None:
        """Note something; it is written before the thing is done, so that a crash between leaves no orphan."""
        held = self._read()
        if name not in held.setdefault(kind, []):
            held[kind].append(name)
            keeping.write_json(self.path, held)

    def has(self, kind: str, name: str) -> bool:
        """Whether it was noted."""
        return name in self._read().get(kind, [])

    def names(self, kind: str) -> tuple[str, ...]:
        """List what was noted of a kind, in order."""
        return tuple(self._read().get(kind, []))

    def remove(self, kind: str, name: str) -> None:
        """Strike something out once it is undone. May be repeated."""
        held = self._read()
        if name in held.get(kind, []):
            held[kind].remove(name)
            keeping.write_json(self.path, held)

    def _read(self) -> dict[str, list[str]]:
        return keeping.read_json(self.path)

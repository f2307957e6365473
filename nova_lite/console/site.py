"""The pages that browsers load: one of ours, and the scripts of noVNC, which are Debian's package or what `up` unpacked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent / "pages"
PAGE = "vnc_auto.html"
PAGES = frozenset({"/", "/vnc.html", "/vnc_auto.html", "/vnc_lite.html"})  # the names that URLs of the original have had
FILES = {"/console.js": "console.js", "/console.css": "console.css"}
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
SCRIPTS = "/novnc/"
DEBIAN = Path("/usr/share/novnc")
MARK = "core/rfb.js"
# A page's URL has the token until its script has taken it out: nobody else must be told of it, nor may anything be kept.
HEADERS = (
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """What is sent for a path."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    kept_s: int = 0  # how long a browser may keep it

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Give the headers."""
        keep = f"private, max-age={self.kept_s}" if self.kept_s else "no-store"
        return (("Content-Type", self.content_type), ("Cache-Control", keep), *HEADERS)


class Site:
    """The files, by path."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """`folders` are where noVNC may be; the first that has it counts, looked for at each request of a script."""
        self._folders = tuple(folders)

    def find(self, path: str) -> Page:
        """Give what is at a path of a URL (without query)."""
        if path in PAGES:
            return _file(HERE / PAGE)
        if path in FILES:
            return _file(HERE / FILES[path])
        if path.startswith(SCRIPTS):
            return self._script(path.removeprefix(SCRIPTS))
        return Page(status=404, body=b"There is no such page.\n")

    def _script(self, name: str) -> Page:
        root = next((folder for folder in self._folders if (folder / MARK).is_file()), None)
        if root is None:
            return Page(status=503, body=b"noVNC is not here: run `nova-lite up`, or unpack Debian's package novnc.\n")
        wanted = root / name
        if (
            "\0" in name
            or wanted.suffix != ".js"
            or not wanted.resolve().is_relative_to(root.resolve())
            or not wanted.is_file()
        ):
            return Page(status=404, body=b"There is no such script.\n")
        return _file(wanted, kept_s=3600)


def folders_of(state_dir: Path) -> tuple[Path, ...]:
    """Give where noVNC may be."""
    return (DEBIAN, state_dir / "novnc")


def _file(path: Path, *, kept_s: int = 0) -> Page:
    return Page(status=200, body=path.read_bytes(), content_type=TYPES[path.suffix], kept_s=kept_s)

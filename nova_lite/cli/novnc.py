"""noVNC's scripts, which the page of VNC consoles draws screens with: of Debian's package, which need not be installed.

The package as a whole would bring Node.js, numpy and a proxy that is not used here.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nova_lite import errors
from nova_lite.cli.guest_image.tools import run
from nova_lite.console.site import DEBIAN, MARK

PACKAGE = "novnc"
PARTS = ("core", "vendor")
DOWNLOAD_S = 60


def is_there(state_dir: Path, installed: Path = DEBIAN) -> bool:
    """Whether the console daemon finds the scripts."""
    return any((folder / MARK).is_file() for folder in (installed, state_dir / "novnc"))


def ensure(state_dir: Path, installed: Path = DEBIAN) -> str:
    """Have the scripts where the console daemon looks for them; say where, or why not. May be repeated.

    A machine that cannot download them has all of the cloud but pictures: that is said, and no failure.
    """
    kept = state_dir / "novnc"
    for folder in (installed, kept):
        if (folder / MARK).is_file():
            return str(folder)
    try:
        _unpack(kept)
    except errors.Unavailable as error:
        return f"without noVNC, no pictures: {error.message}"
    return f"{kept}, unpacked"


def _unpack(kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".novnc-", dir=kept.parent) as name:
        work = Path(name)
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", PACKAGE, cwd=work, timeout_s=DOWNLOAD_S)
        for archive in work.glob("*.deb"):
            run("dpkg-deb", "-x", str(archive), str(work / "tree"))
        fresh = work / "novnc"
        for part in PARTS:
            shutil.copytree(work / "tree" / DEBIAN.relative_to("/") / part, fresh / part)
        _let_read(fresh)
        if not kept.exists():
            fresh.rename(kept)


def _let_read(folder: Path) -> None:
    """Let the daemon's user read what root unpacked."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

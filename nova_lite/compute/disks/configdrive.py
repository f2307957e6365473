"""A config drive: an ISO 9660 image labelled config-2 with the documents of compute/metadata.py. Secret."""

from __future__ import annotations

import io
import os
import posixpath

from nova_lite.compute import metadata
from nova_lite.model.guest import GuestSpec

LABEL = "config-2"
SEED_BYTES = 512


def image_of(spec: GuestSpec) -> bytes:
    """Make the image in memory: it is some 400 KiB, and its secrets touch no other file."""
    import pycdlib  # only who builds guests needs it

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL, sys_ident="LINUX")
    names: dict[str, str] = {"": ""}
    for path, content in sorted(metadata.config_drive(spec, os.urandom(SEED_BYTES)).items()):
        folder = _ensure_folder(iso, posixpath.dirname(path), names)
        name = posixpath.basename(path)
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"{folder}/F{len(names):06d}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
            file_mode=0o100444,
        )
        names[path] = name
    made = io.BytesIO()
    iso.write_fp(made)
    iso.close()
    return made.getvalue()


def _ensure_folder(iso: object, path: str, names: dict[str, str]) -> str:
    """Have a folder and those above it; give its plain ISO name. Real names are Rock Ridge's and Joliet's."""
    if path in names:
        return names[path]
    above = _ensure_folder(iso, posixpath.dirname(path), names)
    plain = f"{above}/D{len(names):06d}"
    iso.add_directory(plain, rr_name=posixpath.basename(path), joliet_path=f"/{path}", file_mode=0o40555)  # type: ignore[attr-defined]
    names[path] = plain
    return plain

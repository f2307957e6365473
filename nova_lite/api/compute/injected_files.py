"""The files that create requests of old versions bring (`personality`): within the project's limits, for the config drive."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.model.guest import InjectedFile
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED

NUMBER, PATH_BYTES, CONTENT_BYTES = "injected_files", "injected_file_path_bytes", "injected_file_content_bytes"


def read(tx: Tx, project_id: str, asked: Mapping[str, Any]) -> tuple[InjectedFile, ...]:
    """Read the files of a request. No message repeats a content. Raises: BadRequest; OverQuota."""
    wanted = asked.get("personality") or []
    if not wanted:
        return ()
    files = tuple(InjectedFile(path=one["path"], contents=one["contents"]) for one in wanted)
    limits = usage.limits_of(tx, project_id)
    _stay_within(limits[NUMBER], len(files), "files")
    for file in files:
        _stay_within(limits[PATH_BYTES], len(file.path.encode()), "bytes of a file's path")
        _stay_within(limits[CONTENT_BYTES], len(_decoded(file)), "bytes of a file's content")
    return files


def _decoded(file: InjectedFile) -> bytes:
    try:
        return base64.b64decode("".join(file.contents.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.BadRequest("Invalid input for field/attribute personality: the contents are not base64.") from error


def _stay_within(limit: int, asked: int, what: str) -> None:
    if limit != UNLIMITED and asked > limit:
        raise errors.OverQuota(f"Personality limit exceeded: {asked} {what}, {limit} are allowed.")

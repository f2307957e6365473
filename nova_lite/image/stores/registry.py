"""Which stores there are, by the scheme of their URL."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from pathlib import Path

from nova_lite import errors
from nova_lite.image.stores import filesystem
from nova_lite.image.stores.base import Store


def _filesystem(url: urllib.parse.SplitResult) -> Store:
    if url.netloc or not url.path.startswith("/"):
        raise errors.ConfigError("[image] store: a folder is written file:///an/absolute/path.")
    return filesystem.FilesystemStore(Path(urllib.parse.unquote(url.path)))


MAKERS: dict[str, Callable[[urllib.parse.SplitResult], Store]] = {filesystem.SCHEME: _filesystem}


def make_store(url: str) -> Store:
    """Make the store of a URL such as `file:///var/lib/nova-lite/images`. Nothing is touched yet. Raises: ConfigError."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in MAKERS:
        raise errors.ConfigError(f"[image] store: there is no store for {parts.scheme}: URLs, only for {', '.join(MAKERS)}.")
    return MAKERS[parts.scheme](parts)

"""Options of the embedded image service."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

GROUP = "image"
OPTIONS = (
    # A URIOpt insists on a host, which a folder's address has not.
    cfg.StrOpt(
        "store",
        regex="^file:///.+",
        help="Where the bytes of images are kept: file:///a/folder, shared by all control nodes where there are several. "
        "By default the folder images in state_dir.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Where image bytes are kept."""

    store: str


def read(conf: cfg.ConfigOpts) -> ImageOptions:
    """Take the values out of a parsed configuration."""
    return ImageOptions(store=conf[GROUP].store or (Path(conf.state_dir).absolute() / "images").as_uri())

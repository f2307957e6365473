"""Options of the embedded image service."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path

from oslo_config import cfg, types

from nova_lite import errors

GROUP = "image"
PUBLIC = "public"
TARGETS = {f"to-{target}": target for target in ("raw", "qcow2", "compressed-qcow2")}
OPTIONS = (
    cfg.ListOpt(
        "store",
        default=[],
        item_type=types.String(regex=r"^([^:/=]+=)?[a-z][a-z0-9]*:.*"),
        help="Where the bytes of images are kept: one URL, or several as NAME=URL, the default first. file:///a/folder is "
        "shared by all control nodes where there are several; s3://bucket, swift://container, rbd://pool and http: "
        "(docs/operate/stores.md) are others. By default the folder images in state_dir.",
    ),
    cfg.ListOpt(
        "imports",
        default=["public"],
        help="From where images may be imported by web-download: public (every public address, ports 80 and 443), and networks "
        "such as 10.1.0.0/16, with all their ports: whoever may create images can then read there; from nowhere without. And "
        "what imported disks are converted to: to-raw, to-qcow2, or to-compressed-qcow2; they stay as they are without. "
        "And, as NAME=VALUE, properties that images get when their import ends, over what they had; not those of admins.",
    ),
    cfg.BoolOpt(
        "require_format_match",
        default=True,
        help="Refuse images whose content is not of the disk_format that their record names. Without it such images are kept, "
        "but they have no virtual size, and no server boots from them.",
    ),
)
# What an image has beside its properties, and what only we say of it.
FIELDS = frozenset(
    {
        *("id", "name", "visibility", "protected", "os_hidden", "min_disk", "min_ram", "disk_format", "container_format"),
        *("owner", "tags", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size", "created_at"),
        *("updated_at", "self", "file", "schema", "stores", "direct_url", "deleted", "deleted_at", "location", "locations"),
    }
)
OURS = "os_glance_"
_NAME = re.compile(r"[A-Za-z0-9][^=\s]{0,254}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebRules:
    """From where may be fetched: public addresses, on `ports`, and `networks`; `largest_bytes` of one image."""

    public: bool = True
    ports: tuple[int, ...] = (80, 443)
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    largest_bytes: int = 1 << 40

    @property
    def offered(self) -> bool:
        """Whether anything may be fetched at all."""
        return self.public or bool(self.networks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Where image bytes are kept, from where they may be fetched, and what is made of imported images.

    store: URLs of stores, with commas between them, each as `NAME=URL` or alone; the default one is the first
    """

    store: str
    web: WebRules = dataclasses.field(default_factory=WebRules)
    convert_to: str | None = None
    inject: Mapping[str, str] = dataclasses.field(default_factory=dict)  # properties of imported images
    lenient: bool = False  # images are kept whose content is not what they claim


def read(conf: cfg.ConfigOpts) -> ImageOptions:
    """Take the values out of a parsed configuration. Raises: ConfigError naming the option."""
    words = [text.strip() for text in conf[GROUP].imports]
    targets = [TARGETS[text] for text in words if text in TARGETS]
    sources = [text for text in words if text not in TARGETS and "=" not in text]
    if len(targets) > 1:
        raise errors.ConfigError("[image] imports: disks are converted to one format, not to several.")
    try:
        networks = tuple(ipaddress.ip_network(text) for text in sources if text != PUBLIC)
    except ValueError as error:
        raise errors.ConfigError(f"[image] imports: {error}") from error
    return ImageOptions(
        store=",".join(conf[GROUP].store) or (Path(conf.state_dir).absolute() / "images").as_uri(),
        web=WebRules(public=PUBLIC in sources, networks=networks),
        convert_to=targets[0] if targets else None,
        inject=_properties([text for text in words if "=" in text]),
        lenient=not conf[GROUP].require_format_match,
    )


def _properties(words: list[str]) -> dict[str, str]:
    """Raises: ConfigError for a name that is no property's, or comes twice."""
    found: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not _NAME.fullmatch(name) or name in FIELDS or name.startswith(OURS) or name in found:
            raise errors.ConfigError(f"[image] imports: {name[:64]} is no property that can be given, or is given twice.")
        found[name] = value
    return found

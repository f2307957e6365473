"""Fields of images in headers, `X-Image-Meta-<field>` and `X-Image-Meta-Property-<name>`, both ways.

Names of headers have no case, and on their way dashes and underscores become one: all are read as underscores in lower case.
Source: Image API v1, "image metadata".
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.image.fields import require_free, to_columns
from nova_lite.api.image.schemas.images import CREATE
from nova_lite.api.route import Request
from nova_lite.api.validate import Schema
from nova_lite.image.inspect import KERNEL_PARTS
from nova_lite.model.image import Image, Visibility

PREFIX, PROPERTY = "X-IMAGE-META-", "PROPERTY-"
COPY_FROM = "X-GLANCE-API-COPY-FROM"
PURGE = "X-GLANCE-REGISTRY-PURGE-PROPS"
TEXTS = ("id", "name", "disk_format", "container_format", "owner")
FLAGS = ("is_public", "protected")
NUMBERS = ("min_disk", "min_ram")
TRUE, FALSE = ("true", "t", "1", "yes", "y", "on"), ("false", "f", "0", "no", "n", "off", "")
CHECK = Schema(CREATE, what="attribute")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"[A-Za-z0-9_.~/:-]*(%[0-9A-Fa-f]{2}[A-Za-z0-9_.~/:-]*)+")  # what a client that escapes sends
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What headers say: `fields` by the names of v2 and checked, `properties` of the user's, and what is said of the bytes."""

    fields: Mapping[str, Any]
    properties: Mapping[str, str]
    length: int | None = None
    md5: str | None = None
    store: str | None = None
    copy_from: str | None = None


def read(request: Request) -> Asked:
    """Read the headers of a request. Raises: BadRequest; Forbidden for a property with the name of a field."""
    said = {name.removeprefix(PREFIX): _text(value) for name, value in request.headers.items() if name.startswith(PREFIX)}
    properties = {_name(name.removeprefix(PROPERTY)): value for name, value in said.items() if name.startswith(PROPERTY)}
    meta = {_name(name): value for name, value in said.items() if not name.startswith(PROPERTY)}
    if meta.get("location"):
        raise errors.BadRequest("External sources are not supported: send the data, or say x-glance-api-copy-from.")
    require_free(properties)
    fields = _fields(meta)
    CHECK.check({**properties, **fields})
    md5 = meta.get("checksum")
    if md5 and not _MD5.fullmatch(md5):
        raise errors.BadRequest("The checksum must be an MD5 in hexadecimal.")
    return Asked(
        fields=fields,
        properties=properties,
        length=_number("size", meta["size"]) if "size" in meta else None,
        md5=md5 or None,
        store=meta.get("store"),
        copy_from=_text(request.headers.get(COPY_FROM, "")) or None,
    )


def change(image: Image, asked: Asked, *, purge: bool) -> Image:
    """Give the image as the headers want it; `purge`: properties that they do not name go."""
    fields = {name: value for name, value in asked.fields.items() if name != "id"}
    columns = to_columns({**asked.properties, **fields})
    properties = columns.pop("properties")
    if "visibility" in columns and columns["visibility"] is Visibility.SHARED and image.visibility is not Visibility.PUBLIC:
        del columns["visibility"]  # it is not public already
    return dataclasses.replace(image, **columns, properties=properties if purge else {**image.properties, **properties})


def flag(name: str, text: str) -> bool:
    """Read a truth value. Raises: BadRequest."""
    if text.lower() not in TRUE + FALSE:
        raise errors.BadRequest(f"{name} must be True or False.")
    return text.lower() in TRUE


def written(view: Mapping[str, Any]) -> dict[str, str]:
    """Write an image as v1 shows it into headers; what is None is left out."""
    found = {
        f"X-Image-Meta-{name}": _shown(value) for name, value in view.items() if name != "properties" and value is not None
    }
    return found | {
        f"X-Image-Meta-Property-{name}": _shown(value) for name, value in view["properties"].items() if _sendable(name)
    }


def _fields(meta: Mapping[str, str]) -> dict[str, Any]:
    """Give the fields of v2. Kernels and the like have one format, said twice or once."""
    fields: dict[str, Any] = {name: meta[name] for name in TEXTS if meta.get(name)}
    fields |= {name: _number(name, meta[name]) for name in NUMBERS if meta.get(name)}
    flags = {name: flag(name, meta[name]) for name in FLAGS if name in meta}
    if "is_public" in flags:
        fields["visibility"] = (Visibility.PUBLIC if flags["is_public"] else Visibility.SHARED).value
    if "protected" in flags:
        fields["protected"] = flags["protected"]
    disk, container = fields.get("disk_format"), fields.get("container_format")
    if disk in KERNEL_PARTS or container in KERNEL_PARTS:
        if disk and container and disk != container:
            raise errors.BadRequest("Invalid mix of disk and container formats: aki, ari and ami are said of both or of none.")
        fields |= {"disk_format": disk or container, "container_format": container or disk}
    return fields


def _name(text: str) -> str:
    return text.lower().replace("-", "_")


def _text(value: str) -> str:
    """Read a header's value. Older clients send UTF-8, which WSGI gives as Latin-1; newer ones escape all but letters by %.

    Raises: BadRequest.
    """
    try:
        text = value.encode("latin-1").decode("utf-8")
        text = urllib.parse.unquote(text, errors="strict") if _ESCAPED.fullmatch(text) else text
    except UnicodeError as error:
        raise errors.BadRequest("The values of headers must be UTF-8.") from error
    if "\0" in text:
        raise errors.BadRequest("The values of headers must not contain NUL characters.")
    return text


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.BadRequest(f"Cannot convert image {name} '{text[:32]}' to an integer.")
    return int(text)


def _shown(value: Any) -> str:
    """Write a value. No line may end in it: what followed would be another header."""
    return _CONTROL.sub(" ", str(value)).encode("utf-8").decode("latin-1")


def _sendable(name: str) -> bool:
    return name.isascii() and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None

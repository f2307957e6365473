"""In which form an image's bytes are sent: a part, coded, or not at all, as the request's headers say (RFC 9110)."""

from __future__ import annotations

import re

from nova_lite import errors
from nova_lite.api.route import Request
from nova_lite.image.encodings import CODINGS
from nova_lite.model.image import Image

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
IDENTITY = "identity"


def etag(image: Image) -> str | None:
    """Give the validator of an image's bytes, which never change: their hash."""
    return f'"{image.sha512}"' if image.sha512 else None


def is_known(request: Request, tag: str | None) -> bool:
    """Whether the client says that it has these bytes (If-None-Match)."""
    known = [one.strip().removeprefix("W/") for one in request.headers.get("IF-NONE-MATCH", "").split(",")]
    return tag is not None and ("*" in known or tag in known)


def wanted_range(request: Request, size: int, tag: str | None) -> tuple[int, int] | None:
    """Read the first byte and the one after the last; what is no range of bytes, or of other bytes, asks for everything.

    Raises: RangeNotSatisfiable when nothing of it is in the data; BadRequest for several ranges, as in Glance.
    """
    text = request.headers.get("RANGE", "").replace(" ", "")
    if text.startswith("bytes=") and "," in text:
        raise errors.BadRequest("Several ranges at once are not sent; ask for one after the other.")
    match = _RANGE.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        return None
    if request.headers.get("IF-RANGE", tag) != tag:
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise errors.RangeNotSatisfiable(f"The image has {size} bytes; the range is outside.")
    return start, end


def wanted_coding(request: Request) -> str | None:
    """Give the coding that the client ranks above plain bytes by saying both, as in `zstd, identity;q=0.5`.

    Clients name codings by default that they do not care for, and a coded image costs CPU, its length and sendfile.
    Raises: NotAcceptable when plain bytes are excluded and there is nothing else.
    """
    weights = _weights(request.headers.get("ACCEPT-ENCODING", ""))
    plain = weights.get(IDENTITY, weights.get("*") if weights.get("*") == 0 else None)
    if plain is None:
        return None
    best = max(CODINGS, key=lambda coding: weights.get(coding, 0.0))
    if weights.get(best, 0.0) > plain:
        return best
    if plain == 0:
        raise errors.NotAcceptable(f"Image data are sent as they are, or coded as {' or '.join(CODINGS)}.")
    return None


def _weights(text: str) -> dict[str, float]:
    """Read Accept-Encoding; what is malformed is left out."""
    found = {}
    for entry in text.lower().split(","):
        name, _, parameter = (part.strip() for part in entry.partition(";"))
        match = _WEIGHT.fullmatch(parameter) if parameter else None
        if name and (match or not parameter):
            found["gzip" if name == "x-gzip" else name] = float(match[1]) if match else 1.0
    return found


def coding_of(request: Request) -> str | None:
    """Give the coding in which the client sends an image. Raises: UnsupportedMediaType for one that we do not know."""
    name = request.headers.get("CONTENT-ENCODING", IDENTITY).strip().lower().removeprefix("x-")
    if name in (IDENTITY, ""):
        return None
    if name not in CODINGS:
        raise errors.UnsupportedMediaType(f"A body may be coded as {' or '.join(CODINGS)}, once.")
    return name

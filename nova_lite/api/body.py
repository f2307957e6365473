"""Reading request bodies: bounded, of the right type, whole; JSON of sane depth, or a stream of bytes."""

from __future__ import annotations

from typing import Any

import falcon
import orjson

from nova_lite import errors

MAX_JSON = 1 << 20
MAX_DEPTH = 32
READ_SIZE = 1 << 20


def media_type(raw: falcon.Request) -> str:
    """Give the content type without parameters, in lower case; empty when there is none."""
    return (raw.content_type or "").partition(";")[0].strip().lower()


def is_chunked(raw: falcon.Request) -> bool:
    """Whether the body's length comes with its pieces."""
    return "chunked" in raw.env.get("HTTP_TRANSFER_ENCODING", "").lower()


def has_body(raw: falcon.Request) -> bool:
    """Whether the client announced a body."""
    return is_chunked(raw) or bool(raw.content_length)


class Upload:
    """The bytes of a body as they arrive. A body that ends early is an error, never a short one.

    `length` is the announced number of bytes, or None when they come in chunks.
    """

    def __init__(self, raw: falcon.Request) -> None:
        """Nothing is read yet."""
        self.length = None if is_chunked(raw) else raw.content_length
        terminated = raw.env.get("wsgi.input_terminated", False) or is_chunked(raw)
        self._stream = raw.stream if terminated else raw.bounded_stream
        self.received = 0

    def read(self, size: int = READ_SIZE) -> bytes:
        """Give up to `size` bytes; none at the end.

        Raises: RequestTimeout when the client is too slow or gone; BadRequest when the body is shorter than announced.
        """
        if self.length is not None:
            size = min(size, self.length - self.received)
            if size <= 0:
                return b""
        try:
            data = self._stream.read(size)
        except (OSError, ValueError) as error:  # a socket that ended or stood still; a malformed chunk
            raise errors.RequestTimeout("The body did not arrive in time, or its connection was cut.") from error
        self.received += len(data)
        if not data and self.length is not None:
            raise errors.BadRequest("The body ended before the announced Content-Length.")
        return data


def open_upload(raw: falcon.Request, media: tuple[str, ...]) -> Upload:
    """Check the headers of a body of bytes. Raises: LengthRequired, UnsupportedMediaType."""
    _check_headers(raw, media)
    return Upload(raw)


def read_json(raw: falcon.Request, media: tuple[str, ...]) -> Any:
    """Read a JSON body. Raises: LengthRequired 411, TooLarge 413, UnsupportedMediaType 415, BadRequest 400."""
    _check_headers(raw, media)
    data = _read_all(raw)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest("The body is not valid JSON in UTF-8.") from error
    _check_shape(data, value)
    if not isinstance(value, dict) and media_type(raw) in ("application/json", ""):
        raise errors.BadRequest("The body must be a JSON object.")
    return value


def _check_headers(raw: falcon.Request, media: tuple[str, ...]) -> None:
    if not is_chunked(raw) and raw.content_length is None:
        raise errors.LengthRequired("The request needs a body with a Content-Length.")
    if media_type(raw) not in media:
        raise errors.UnsupportedMediaType(f"The body must be of the content type {' or '.join(media)}.")


def _read_all(raw: falcon.Request) -> bytes:
    if (raw.content_length or 0) > MAX_JSON:
        raise errors.TooLarge(f"The body is larger than {MAX_JSON} bytes.")
    upload = Upload(raw)
    pieces = []
    while data := upload.read():
        pieces.append(data)
        if upload.received > MAX_JSON:
            raise errors.TooLarge(f"The body is larger than {MAX_JSON} bytes.")
    return b"".join(pieces)


def _check_shape(data: bytes, value: Any) -> None:
    """Refuse what would break further in: deep nesting, and NUL characters (PostgreSQL stores none)."""
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth_over(value, MAX_DEPTH):
        raise errors.BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.")
    if b"\\u0000" in data:
        raise errors.BadRequest("The body must not contain NUL characters.")


def _depth_over(value: Any, limit: int) -> bool:
    """Look level by level, so that no depth of input can exhaust the stack."""
    level = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for item in level:
            children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            inner.extend(child for child in children if isinstance(child, dict | list))
        if not inner:
            return False
        level = inner
    return True

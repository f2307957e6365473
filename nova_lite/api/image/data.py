"""The bytes of images: in with PUT, out with GET, whole or in part."""

from __future__ import annotations

import base64
import binascii
import re

from nova_lite import errors
from nova_lite.api.body import Upload
from nova_lite.api.image import parts, representation
from nova_lite.api.image.lookup import get_image
from nova_lite.api.route import Answer, Request
from nova_lite.identity.port import Call
from nova_lite.image import quotas
from nova_lite.image.encodings import Decoded, Encoded
from nova_lite.image.tickets import HEADER
from nova_lite.image.upload import Order
from nova_lite.image.usage import Counted, Download
from nova_lite.model.ids import ImageId
from nova_lite.model.image import Image, ImageStatus

BYTES = "application/octet-stream"
TICKET = HEADER.upper()
_CONTENT_DIGEST = re.compile(r"sha-512=:([A-Za-z0-9+/=]{80,100}):", re.ASCII)
_MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)


def upload_data(request: Request) -> Answer:
    """PUT /images/{image_id}/file, with a token, or with the ticket of a host that sends a snapshot."""
    if request.upload is None:
        raise ValueError("the route takes bytes")
    image = _fillable(request)
    store = _store(request)
    if parts.is_asked(request):
        return parts.answer(request, image, _digests(request), staged=False)
    order = _order(request, image, request.upload)
    with request.parts.transfers.slot():
        request.parts.images.upload(order, store)
    return Answer(status=204)


def stage_data(request: Request) -> Answer:
    """PUT /images/{image_id}/stage: the bytes wait until they are imported."""
    if request.upload is None:
        raise ValueError("the route takes bytes")
    store = _store(request)
    with request.parts.database.read() as tx:
        image = get_image(tx, request)
        quotas.require(tx, image.owner, {quotas.STAGE: _expected_mib(request), quotas.UPLOADING: 1})
    if parts.is_asked(request):
        return parts.answer(request, image, _digests(request), staged=True)
    order = _order(request, image, request.upload)
    with request.parts.transfers.slot():
        request.parts.images.stage(order, store)
    return Answer(status=204)


def _order(request: Request, image: Image, upload: Upload) -> Order:
    """Say what comes: digests are of the body as it is sent. Raises: BadRequest; UnsupportedMediaType."""
    coding, length, digests = representation.coding_of(request), _length(request), _digests(request)
    if coding is None:
        return Order(image_id=image.id, read=upload.read, length=length, digests=digests)
    return Order(image_id=image.id, read=Decoded(upload.read, coding, most=length, digests=digests).read, length=length)


def _store(request: Request) -> str | None:
    """Give the store that the client wants; None: the default one. Raises: BadRequest for one that takes no bytes."""
    store = request.headers.get("X-IMAGE-META-STORE")
    if store is not None and store not in request.parts.images.store.writable():
        raise errors.BadRequest("No store of this name takes data; see /v2/info/stores.")
    return store


def _fillable(request: Request) -> Image:
    """Find the image by ticket or by token. Raises: Unauthorized; NotFound; Forbidden."""
    ticket = request.headers.get(TICKET)
    if ticket is not None:
        image: Image = request.parts.images.fillable(ticket, ImageId(request.params["image_id"]))
        return image
    _need_token(request)
    with request.parts.database.read() as tx:
        image = get_image(tx, request, rule="upload_image")
        quotas.require(tx, image.owner, {quotas.SIZE: _expected_mib(request), quotas.UPLOADING: 1})
    return image


def _expected_mib(request: Request) -> int:
    """Give what comes at least, in MiB."""
    return quotas.mebibytes(max(1, _length(request) or 0))


def _need_token(request: Request) -> None:
    """Take the caller from the token, on a route that lets tickets in too. Raises: Unauthorized."""
    token = request.headers.get("X-AUTH-TOKEN")
    if not token:
        raise errors.Unauthorized
    call = Call(service="image", method=request.method, path=request.path.removeprefix("/image"))
    request.context = request.parts.tokens.check(token, request.context.request_id, call)


def download_data(request: Request) -> Answer:
    """GET /images/{image_id}/file, with a token or a host's ticket; an image without data answers 204."""
    image = _downloadable(request)
    if image.location is None or image.size_bytes is None:
        return Answer(status=204)
    tag = representation.etag(image)
    headers = {"Accept-Ranges": "bytes", "Vary": "Accept-Encoding"} | ({"ETag": tag} if tag else {})
    if representation.is_known(request, tag):
        return Answer(status=304, headers=headers)
    asked = representation.wanted_range(request, image.size_bytes, tag)
    if asked is None:
        return _whole(request, image, image.size_bytes, headers)
    start, end = asked
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{image.size_bytes}"
    return _plain(request, image, 206, asked, headers)


def _whole(request: Request, image: Image, size: int, headers: dict[str, str]) -> Answer:
    """Send everything, coded only for who says that it wants that."""
    coding = representation.wanted_coding(request) if request.method == "GET" and "RANGE" not in request.headers else None
    if coding is None:
        return _plain(request, image, 200, (0, size), headers | ({"Content-MD5": image.md5} if image.md5 else {}))
    file = _sent(request, image, 0, size)
    coded = {"Content-Encoding": coding} | ({"ETag": f'{headers["ETag"][:-1]}-{coding}"'} if "ETag" in headers else {})
    return Answer(headers=headers | coded, stream=Encoded(file, coding), content_type=BYTES)


def _plain(request: Request, image: Image, status: int, span: tuple[int, int], headers: dict[str, str]) -> Answer:
    start, end = span
    if request.method == "HEAD":
        return Answer(status=status, headers=headers | {"Content-Length": str(end - start)}, content_type=BYTES)
    file = _sent(request, image, start, end - start)
    return Answer(status=status, headers=headers, stream=file, length=end - start, content_type=BYTES)


def _sent(request: Request, image: Image, start: int, length: int) -> Counted:
    """Open a part of the data to be sent; a slot is held, and what was sent is counted, until it is closed.

    Raises: NotFound; Unavailable.
    """
    images, context = request.parts.images, request.context
    file = request.parts.transfers.held(images.open(image, start, length))
    by = "host" if TICKET in request.headers else "user"
    download = Download(image=image, start=start, length=length, by=by, project_id=context.project_id, user_id=context.user_id)
    counted: Counted = images.usage.counted(file, download)
    return counted


def _downloadable(request: Request) -> Image:
    """Find the image by ticket or by token. Raises: Unauthorized; NotFound; Forbidden."""
    ticket = request.headers.get(TICKET)
    if ticket is not None:
        image: Image = request.parts.images.ticketed(ticket, ImageId(request.params["image_id"]))
        return image
    _need_token(request)
    with request.parts.database.read() as tx:
        image = get_image(tx, request, rule="download_image")
    if image.status is ImageStatus.DEACTIVATED and not request.context.is_admin:
        raise errors.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    return image


def _length(request: Request) -> int | None:
    """Give how many bytes an image is announced to have. Raises: BadRequest when two headers disagree."""
    length = request.upload.length if request.upload and representation.coding_of(request) is None else None
    text = request.headers.get("X-OPENSTACK-IMAGE-SIZE")
    if text is None:
        return length
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or (length is not None and length != int(text)):
        raise errors.BadRequest("X-OpenStack-Image-Size is not the number of bytes in the body.")
    return int(text)


def _digests(request: Request) -> dict[str, str]:
    """Give the hashes that a careful client announced: Content-MD5 (base64 or hex), Content-Digest with sha-512.

    Raises: BadRequest when one is malformed.
    """
    found = {}
    md5 = request.headers.get("CONTENT-MD5")
    if md5 is not None:
        found["md5"] = md5 if _MD5.fullmatch(md5) else _hex(md5, 16)
    match = _CONTENT_DIGEST.search(request.headers.get("CONTENT-DIGEST", ""))
    if match is not None:
        found["sha512"] = _hex(match[1], 64)
    return found


def _hex(text: str, length: int) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.BadRequest("A digest of the body is malformed.") from error
    if len(raw) != length:
        raise errors.BadRequest("A digest of the body has the wrong length.")
    return raw.hex()

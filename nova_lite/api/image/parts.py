"""Images that come by parts, our extension of PUT .../file and .../stage: nothing changes for who does not ask for it.

Content-Range: bytes 0-499/1200      a part; the one from byte 0 on begins the upload
Content-Range: bytes */1200          asks how far the upload came, without a body; `bytes */*` where the client does not know
308, Range: bytes=0-499              so much is here (without Range: nothing); the next part begins behind it
204                                  all of it is here, as after a PUT of the whole
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nova_lite import errors
from nova_lite.api.image import representation
from nova_lite.api.route import Answer, Request
from nova_lite.db import image_parts
from nova_lite.image import quotas
from nova_lite.image.parts import Part, Progress, Sender
from nova_lite.model.image import Image

HEADER = "CONTENT-RANGE"
_PART = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_QUESTION = re.compile(r"bytes \*/(\*|\d{1,18})", re.ASCII)
INCOMPLETE = 308


def is_asked(request: Request) -> bool:
    """Whether a client speaks of a part."""
    return HEADER in request.headers


def answer(request: Request, image: Image, digests: Mapping[str, str], *, staged: bool) -> Answer:
    """Take a part in, or tell how far the upload came.

    Raises: BadRequest for a range that is none; LengthRequired; OverQuota; as `image.parts.Parts`.
    """
    upload = request.upload
    if upload is None or upload.length is None:
        raise errors.LengthRequired("A part needs a Content-Length.")
    if representation.coding_of(request) is not None:
        raise errors.BadRequest("A part is sent as it is, without Content-Encoding.")
    sender = _sender(request)
    text = request.headers[HEADER].strip()
    images = request.parts.images
    if (question := _QUESTION.fullmatch(text)) is not None:
        if upload.length:
            raise errors.BadRequest("Who asks how far an upload came sends no body.")
        total = None if question[1] == "*" else int(question[1])
        with request.parts.transfers.slot():
            return _told(images.parts.ask(image.id, sender, total=total, staged=staged, digests=digests))
    start, end, total = _range(text, upload.length)
    _require_quota(request, image, total)
    part = Part(
        image_id=image.id, sender=sender, start=start, end=end, total=total, read=upload.read, staged=staged, digests=digests
    )  # fmt: skip
    with request.parts.transfers.slot():
        return _told(images.parts.take(part))


def _sender(request: Request) -> Sender:
    """Tell who sends. Raises: BadRequest for a host with a ticket, who has no name to come back with."""
    if request.context.user_id is None:
        raise errors.BadRequest("Only who has a token sends an image by parts.")
    return Sender(user_id=request.context.user_id, project_id=request.context.project_id)


def _range(text: str, length: int) -> tuple[int, int, int]:
    """Read first byte, the one after the last, and the total. Raises: BadRequest."""
    match = _PART.fullmatch(text)
    if match is None:
        raise errors.BadRequest("Content-Range is not of the form `bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`.")
    start, end, total = int(match[1]), int(match[2]) + 1, int(match[3])
    if not start < end <= total:
        raise errors.BadRequest("Content-Range ends before it begins, or behind the total.")
    if end - start != length:
        raise errors.BadRequest(f"Content-Range has {end - start} bytes, the body {length}.")
    return start, end, total


def _require_quota(request: Request, image: Image, total: int) -> None:
    """See that the project may have the whole image beside those that it has begun. Raises: OverQuota."""
    if image.owner is None:
        return
    with request.parts.database.read() as tx:
        others, announced = image_parts.announced(tx, image.owner, image.id)
        wanted = quotas.mebibytes(announced + total)
        quotas.require(tx, image.owner, {quotas.SIZE: wanted, quotas.UPLOADING: 1 + others})


def _told(progress: Progress) -> Answer:
    if progress.complete:
        return Answer(status=204)
    headers = {"Range": f"bytes=0-{progress.received - 1}"} if progress.received else {}
    return Answer(status=INCOMPLETE, headers=headers)

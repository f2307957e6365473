"""What an AMI-style image boots with: images of their own, named in its properties."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.route import Request
from nova_lite.model.ids import ImageId
from nova_lite.model.image import BOOT_FORMATS, KERNEL, MOST_BOOT_BYTES, RAMDISK, Image, ImageStatus, boot_names


def check(request: Request, image: Image) -> None:
    """See that the caller may use the kernel and the ramdisk that an image names, and can. Raises: BadRequest."""
    names = boot_names(image.properties)
    for name in (KERNEL, RAMDISK):
        if name in names:
            _check_one(request, name, names[name])


def active_image(request: Request, image_id: str, which: str = "") -> Image:
    """Give an image that the caller may use. `which`: the clause that says what for. Raises: BadRequest."""
    context = request.context
    try:
        found: Image = request.parts.images.get_for(context.project_id, ImageId(image_id), admin=context.is_admin)
    except errors.NotFound as error:
        raise errors.BadRequest(f"Image {image_id[:64]} could not be found{which}.") from error
    if found.status is not ImageStatus.ACTIVE:
        raise errors.BadRequest(f"Image {found.id} is not active{which}.")
    return found


def _check_one(request: Request, name: str, image_id: str) -> None:
    found = active_image(request, image_id, f", which the image names as its {name}")
    if found.disk_format not in BOOT_FORMATS:
        raise errors.BadRequest(f"Image {found.id} is {found.disk_format}: no {name} names it.")
    if (found.size_bytes or 0) > MOST_BOOT_BYTES:
        raise errors.BadRequest(f"Image {found.id} is too big: a {name} names at most {MOST_BOOT_BYTES} bytes.")

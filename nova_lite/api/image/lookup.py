"""Finding the image of a request, and asking the policy about it."""

from __future__ import annotations

from typing import Any

from nova_lite.api.route import Request
from nova_lite.db.engine import Tx
from nova_lite.image import lending, records
from nova_lite.image.access import viewer_of
from nova_lite.image.protections import Guard
from nova_lite.model.image import Image, Visibility


def get_image(tx: Tx, request: Request, *, rule: str | None = None, lock: bool = False) -> Image:
    """Read the path's image and check the rule (the route's own by default) on it. Raises: NotFound; Forbidden."""
    image = records.get(tx, request.params["image_id"], viewer_of(request.context), lock=lock)
    request.enforce(rule, target=target_of(image, request))
    return image


def require_unused(request: Request, store: str | None = None) -> None:
    """See that nobody stands on the bytes of the path's image, or of its copy in one store. Raises: as `lending` does."""
    lending.require_unused(request.parts.images.store, request.parts.database, lambda tx: get_image(tx, request), store)


def guard_of(request: Request) -> Guard:
    """Give what the caller may do with properties of images."""
    return request.parts.protections.guard(request.context)


def target_of(image: Image, request: Request) -> dict[str, Any]:
    """Give what rules speak of. Who sees a shared image of another project has it as a member."""
    target = {"project_id": image.owner, "owner": image.owner, "visibility": image.visibility.value}
    if image.visibility is Visibility.SHARED and image.owner != request.context.project_id:
        target["member_id"] = request.context.project_id
    return target

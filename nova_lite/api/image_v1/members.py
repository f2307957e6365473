"""With whom images are shared, by v1: members are put and removed by whoever owns the image, and accept nothing."""

from __future__ import annotations

from nova_lite.api.image.lookup import get_image
from nova_lite.api.image.members import remove_member as remove
from nova_lite.api.image_v1 import views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.image import members
from nova_lite.image.access import viewer_of
from nova_lite.model.image import Image


def list_members(request: Request) -> Answer:
    """GET /images/{image_id}/members."""
    with request.parts.database.read() as tx:
        found = members.list_members(tx, get_image(tx, request), viewer_of(request.context))
    return Answer(body={"members": [views.member(one) for one in found]})


def put_member(request: Request) -> Answer:
    """PUT /images/{image_id}/members/{member_id}; it may be one already."""
    member = request.params["member_id"]

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        if member not in _present(tx, request, image):
            members.add(tx, image, member)

    request.parts.database.transact(work)
    return Answer(status=204)


def replace_members(request: Request) -> Answer:
    """PUT /images/{image_id}/members: these and no others."""
    wanted = [entry["member_id"] for entry in request.body["memberships"]]

    def work(tx: Tx) -> None:
        image = get_image(tx, request, lock=True)
        present = _present(tx, request, image)
        for member in present:
            if member not in wanted:
                members.remove(tx, image, member)
        for member in dict.fromkeys(wanted):
            if member not in present:
                members.add(tx, image, member)

    request.parts.database.transact(work)
    return Answer(status=204)


def remove_member(request: Request) -> Answer:
    """DELETE /images/{image_id}/members/{member_id}."""
    return remove(request)


def _present(tx: Tx, request: Request, image: Image) -> list[str]:
    return [one.member for one in members.list_members(tx, image, viewer_of(request.context))]

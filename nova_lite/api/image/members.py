"""With whom images are shared."""

from __future__ import annotations

from nova_lite.api.image.lookup import get_image, target_of
from nova_lite.api.image.views import images as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.image import members, records
from nova_lite.image.access import viewer_of
from nova_lite.image.members import Member


def list_members(request: Request) -> Answer:
    """GET /images/{image_id}/members."""
    with request.parts.database.read() as tx:
        found = members.list_members(tx, get_image(tx, request), viewer_of(request.context))
    return Answer(body={"members": [views.member(one) for one in found], "schema": "/v2/schemas/members"})


def show_member(request: Request) -> Answer:
    """GET /images/{image_id}/members/{member_id}."""
    with request.parts.database.read() as tx:
        image = get_image(tx, request)
        return Answer(body=views.member(members.get(tx, image, request.params["member_id"], viewer_of(request.context))))


def add_member(request: Request) -> Answer:
    """POST /images/{image_id}/members."""

    def work(tx: Tx) -> Member:
        return members.add(tx, get_image(tx, request, lock=True), request.body["member"])

    return Answer(body=views.member(request.parts.database.transact(work)))


def update_member(request: Request) -> Answer:
    """PUT /images/{image_id}/members/{member_id}: only the member itself decides."""
    member = request.params["member_id"]

    def work(tx: Tx) -> Member:
        image = records.get(tx, request.params["image_id"], viewer_of(request.context))
        request.enforce("modify_member", target=target_of(image, request) | {"member_id": member})
        return members.set_status(tx, image, member, request.body["status"])

    return Answer(body=views.member(request.parts.database.transact(work)))


def remove_member(request: Request) -> Answer:
    """DELETE /images/{image_id}/members/{member_id}."""
    member = request.params["member_id"]
    request.parts.database.transact(lambda tx: members.remove(tx, get_image(tx, request, lock=True), member))
    return Answer(status=204)

"""The URL table of Image API v1. It is served where `--services` names `image-v1`."""

from __future__ import annotations

from nova_lite.api.image.data import BYTES
from nova_lite.api.image_v1 import images, lists, members
from nova_lite.api.route import Route
from nova_lite.api.validate import body

_IMAGE = "/images/{image_id}"
_MEMBERS = _IMAGE + "/members"
_MEMBER = _MEMBERS + "/{member_id}"
_ID = {"type": "string", "minLength": 1, "maxLength": 64}
_CAN_SHARE = {"type": ["boolean", "null"]}
PUT_MEMBER = body({"member": body({"can_share": _CAN_SHARE}, extra=True)}, extra=True)
REPLACE = body(
    {
        "memberships": {
            "type": "array",
            "maxItems": 128,
            "items": body({"member_id": _ID, "can_share": _CAN_SHARE}, required=("member_id",), extra=True),
        }
    },
    required=("memberships",),
    extra=True,
)
ROUTES: tuple[Route, ...] = (
    Route("GET", "/images", lists.list_images, rule="get_images"),
    Route("GET", "/images/detail", lists.list_images_in_detail, rule="get_images"),
    Route("POST", "/images", images.create_image, rule="add_image", raw=True, media=(BYTES,), empty_ok=True),
    Route("HEAD", _IMAGE, images.show_head, rule="get_image"),
    Route("GET", _IMAGE, images.download, rule="get_image"),
    Route("PUT", _IMAGE, images.update_image, rule="modify_image", raw=True, media=(BYTES,), empty_ok=True),
    Route("DELETE", _IMAGE, images.delete_image, rule="delete_image"),
    Route("GET", _MEMBERS, members.list_members, rule="get_members"),
    Route("PUT", _MEMBERS, members.replace_members, rule="add_member", body=REPLACE),
    Route("PUT", _MEMBER, members.put_member, rule="add_member", body=PUT_MEMBER, empty_ok=True),
    Route("DELETE", _MEMBER, members.remove_member, rule="delete_member"),
    Route("GET", "/shared-images/{member_id}", lists.list_shared_images, rule="get_images"),
)

"""The URL table of the Image API."""

from __future__ import annotations

from nova_lite.api.image import data, images, info, members, patch
from nova_lite.api.image.routes_of_metadefs import METADEFS
from nova_lite.api.image.schemas import images as schemas
from nova_lite.api.image.schemas import members as member_schemas
from nova_lite.api.route import Route

_IMAGE = "/images/{image_id}"
_FILE = _IMAGE + "/file"
_TAG = _IMAGE + "/tags/{tag}"
_MEMBERS = _IMAGE + "/members"
_MEMBER = _MEMBERS + "/{member_id}"

IMAGES = (
    Route("GET", "/images", images.list_images, rule="get_images"),
    Route("POST", "/images", images.create_image, rule="add_image", body=schemas.CREATE),
    Route("GET", _IMAGE, images.show_image, rule="get_image"),
    Route("PATCH", _IMAGE, images.update_image, rule="modify_image", body=schemas.PATCH, media=patch.MEDIA),
    Route("DELETE", _IMAGE, images.delete_image, rule="delete_image"),
    Route("POST", _IMAGE + "/actions/deactivate", images.deactivate_image, rule="deactivate"),
    Route("POST", _IMAGE + "/actions/reactivate", images.reactivate_image, rule="reactivate"),
    Route("PUT", _TAG, images.add_tag, rule="modify_image"),
    Route("DELETE", _TAG, images.remove_tag, rule="modify_image"),
)
DATA = (
    # A host shows a ticket; others are checked by the handler.
    Route("PUT", _FILE, data.upload_data, raw=True, media=(data.BYTES,), token=False),
    Route("GET", _FILE, data.download_data, token=False),
)
MEMBERS = (
    Route("GET", _MEMBERS, members.list_members, rule="get_members"),
    Route("POST", _MEMBERS, members.add_member, rule="add_member", body=member_schemas.CREATE),
    Route("GET", _MEMBER, members.show_member, rule="get_member"),
    Route("PUT", _MEMBER, members.update_member, body=member_schemas.UPDATE),  # the rule needs to know the member
    Route("DELETE", _MEMBER, members.remove_member, rule="delete_member"),
)
INFO = (
    Route("GET", "/schemas/image", info.show_image_schema),
    Route("GET", "/schemas/images", info.show_images_schema),
    Route("GET", "/schemas/member", info.show_member_schema),
    Route("GET", "/schemas/members", info.show_members_schema),
    Route("GET", "/info/import", info.show_import),
    Route("GET", "/info/stores", info.show_stores),
)

ROUTES: tuple[Route, ...] = (*IMAGES, *DATA, *MEMBERS, *INFO, *METADEFS)

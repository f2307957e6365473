"""Rules on images, their data and their tags."""

from __future__ import annotations

from nova_lite.identity.policies.image.rules import ADMIN, DOWNLOADER, MEMBER, READER, VIEWER, rule

_IMAGE = "/v2/images/{image_id}"

RULES = (
    rule("add_image", MEMBER, "Create an image, for oneself.", "POST /v2/images"),
    rule("get_images", READER, "List images.", "GET /v2/images"),
    rule("get_image", VIEWER, "Show an image.", f"GET {_IMAGE}"),
    rule("modify_image", MEMBER, "Change an image, its tags too.", f"PATCH {_IMAGE}", f"POST {_IMAGE}/import"),
    rule("delete_image", MEMBER, "Delete an image.", f"DELETE {_IMAGE}"),
    rule("publicize_image", ADMIN, "Show an image to everybody in their lists.", f"PATCH {_IMAGE}"),
    rule("communitize_image", MEMBER, "Let everybody use an image who knows of it.", f"PATCH {_IMAGE}"),
    rule("upload_image", MEMBER, "Upload an image's data.", f"PUT {_IMAGE}/file", f"PUT {_IMAGE}/stage"),
    rule("download_image", DOWNLOADER, "Download an image's data.", f"GET {_IMAGE}/file"),
    rule("deactivate", MEMBER, "Forbid downloads of an image.", f"POST {_IMAGE}/actions/deactivate"),
    rule("reactivate", MEMBER, "Allow downloads of an image again.", f"POST {_IMAGE}/actions/reactivate"),
)

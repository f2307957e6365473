"""Rules on the projects an image is shared with."""

from __future__ import annotations

from nova_lite.identity.policies.image.rules import MEMBER, READER_OR_SHARED, SHARED_WITH, rule

_MEMBERS = "/v2/images/{image_id}/members"
_MEMBER = _MEMBERS + "/{member_id}"

RULES = (
    rule("add_member", MEMBER, "Share an image with a project.", f"POST {_MEMBERS}"),
    rule("get_members", READER_OR_SHARED, "List whom an image is shared with.", f"GET {_MEMBERS}"),
    rule("get_member", READER_OR_SHARED, "Show one.", f"GET {_MEMBER}"),
    rule("modify_member", SHARED_WITH, "Accept or reject an image that is shared with one's project.", f"PUT {_MEMBER}"),
    rule("delete_member", MEMBER, "Share an image with a project no longer.", f"DELETE {_MEMBER}"),
)

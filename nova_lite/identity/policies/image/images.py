"""Rules on images, their data and their tags."""

from __future__ import annotations

from nova_lite.identity.policies.image.rules import ADMIN, DOWNLOADER, MEMBER, READER, SERVICE, VIEWER, rule

_IMAGE = "/v2/images/{image_id}"

RULES = (
    rule("add_image", MEMBER, "Create an image, for oneself.", "POST /v2/images"),
    rule("get_images", READER, "List images.", "GET /v2/images"),
    rule("get_image", VIEWER, "Show an image, and its tasks.", f"GET {_IMAGE}", f"GET {_IMAGE}/tasks"),
    rule("modify_image", MEMBER, "Change an image, its tags too.", f"PATCH {_IMAGE}", f"POST {_IMAGE}/import"),
    rule("delete_image", MEMBER, "Delete an image.", f"DELETE {_IMAGE}"),
    rule("publicize_image", ADMIN, "Show an image to everybody in their lists.", f"PATCH {_IMAGE}"),
    rule("communitize_image", MEMBER, "Let everybody use an image who knows of it.", f"PATCH {_IMAGE}"),
    rule("upload_image", MEMBER, "Upload an image's data.", f"PUT {_IMAGE}/file", f"PUT {_IMAGE}/stage"),
    rule("download_image", DOWNLOADER, "Download an image's data.", f"GET {_IMAGE}/file"),
    rule("deactivate", MEMBER, "Forbid downloads of an image.", f"POST {_IMAGE}/actions/deactivate"),
    rule("reactivate", MEMBER, "Allow downloads of an image again.", f"POST {_IMAGE}/actions/reactivate"),
    rule("add_image_location", MEMBER, "Say where an image's data lie.", f"POST {_IMAGE}/locations"),
    rule("fetch_image_location", SERVICE, "See where an image's data lie.", f"GET {_IMAGE}/locations"),
    rule("delete_image_location", MEMBER, "Delete an image's data from a store.", "DELETE /v2/stores/{store_id}/{image_id}"),
    rule("stores_info_detail", ADMIN, "Show stores in detail.", "GET /v2/info/stores/detail"),
    rule("get_tasks", ADMIN, "List tasks.", "GET /v2/tasks"),
    rule("get_task", ADMIN, "Show a task.", "GET /v2/tasks/{task_id}"),
    rule("add_task", ADMIN, "Import an image by a task.", "POST /v2/tasks"),
)

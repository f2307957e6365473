"""The URL table of the Image API."""

from __future__ import annotations

from nova_lite.api.image import caching, data, images, imports, info, members, patch, stores, tasks
from nova_lite.api.image.routes_of_metadefs import METADEFS
from nova_lite.api.image.schemas import images as schemas
from nova_lite.api.image.schemas import imports as import_schemas
from nova_lite.api.image.schemas import members as member_schemas
from nova_lite.api.image.schemas import tasks as task_schemas
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
    Route("PUT", _IMAGE + "/stage", data.stage_data, rule="upload_image", raw=True, media=(data.BYTES,)),
)
IMPORTS = (
    Route("POST", _IMAGE + "/import", imports.import_image, rule="modify_image", body=import_schemas.IMPORT),
    Route("GET", _IMAGE + "/tasks", tasks.list_tasks_of_image, rule="get_image"),
    Route("GET", "/tasks", tasks.list_tasks, rule="get_tasks"),
    Route("POST", "/tasks", tasks.create_task, rule="add_task", body=task_schemas.NEW_TASK),
    Route("GET", "/tasks/{task_id}", tasks.show_task, rule="get_task"),
)
STORES = (
    Route("DELETE", "/stores/{store_id}/{image_id}", stores.delete_from_store, rule="delete_image_location"),
    Route("GET", _IMAGE + "/locations", stores.list_locations, rule="fetch_image_location"),
    Route("POST", _IMAGE + "/locations", stores.add_location, rule="add_image_location", body=import_schemas.LOCATION),
)
MEMBERS = (
    Route("GET", _MEMBERS, members.list_members, rule="get_members"),
    Route("POST", _MEMBERS, members.add_member, rule="add_member", body=member_schemas.CREATE),
    Route("GET", _MEMBER, members.show_member, rule="get_member"),
    Route("PUT", _MEMBER, members.update_member, body=member_schemas.UPDATE),  # the rule needs to know the member
    Route("DELETE", _MEMBER, members.remove_member, rule="delete_member"),
)
CACHE = (
    Route("GET", "/cache", caching.refuse, rule="cache_list"),
    Route("DELETE", "/cache", caching.refuse, rule="cache_delete"),
    Route("POST", "/cache/clean", caching.refuse, rule="cache_clean"),
    Route("POST", "/cache/prune", caching.refuse, rule="cache_prune"),
    Route("GET", "/cache/nodes/{image_id}", caching.refuse_for_image, rule="cache_list"),
    Route("PUT", "/cache/{image_id}", caching.refuse_for_image, rule="cache_image"),
    Route("DELETE", "/cache/{image_id}", caching.refuse_for_image, rule="cache_delete"),
)
INFO = (
    Route("GET", "/schemas/image", info.show_image_schema),
    Route("GET", "/schemas/images", info.show_images_schema),
    Route("GET", "/schemas/member", info.show_member_schema),
    Route("GET", "/schemas/members", info.show_members_schema),
    Route("GET", "/info/import", info.show_import),
    Route("GET", "/schemas/task", info.show_task_schema),
    Route("GET", "/schemas/tasks", info.show_tasks_schema),
    Route("GET", "/info/usage", info.show_usage),
    Route("GET", "/info/stores/detail", stores.show_stores_in_detail, rule="stores_info_detail"),
    Route("GET", "/info/stores", stores.show_stores),
)

ROUTES: tuple[Route, ...] = (*IMAGES, *DATA, *IMPORTS, *STORES, *MEMBERS, *CACHE, *INFO, *METADEFS)

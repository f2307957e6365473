"""The cache that Glance may have in front of its store: there is none here.

Every API node reads the store itself, so that a copy beside it would save nothing; what saves is the hosts' cache, which
Compute's `os-cache` of aggregates fills. Answered is what Glance answers where no cache is configured.
"""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.image.lookup import target_of
from nova_lite.api.route import Answer, Request
from nova_lite.image import records
from nova_lite.image.access import viewer_of


def refuse(_request: Request) -> Answer:
    """GET and DELETE /cache, POST /cache/clean and /cache/prune. Raises: NotFound."""
    raise _no_cache()


def refuse_for_image(request: Request) -> Answer:
    """PUT and DELETE /cache/{image_id}, GET /cache/nodes/{image_id}. Raises: NotFound; Forbidden."""
    with request.parts.database.read() as tx:
        image = records.get(tx, request.params["image_id"], viewer_of(request.context), tags=False)
    request.enforce(target=target_of(image, request))
    raise _no_cache()


def _no_cache() -> errors.NotFound:
    return errors.NotFound("This site has no image cache to be managed: its API nodes read the store themselves.")

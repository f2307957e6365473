"""Rules on the cache in front of the store."""

from __future__ import annotations

from nova_lite.identity.policies.image.rules import ADMIN, rule

_CACHE = "/v2/cache"
_CACHED = _CACHE + "/{image_id}"

RULES = (
    rule("cache_list", ADMIN, "See what is cached, and where.", f"GET {_CACHE}", f"GET {_CACHE}/nodes/{{image_id}}"),
    rule("cache_image", ADMIN, "Queue an image for the cache.", f"PUT {_CACHED}"),
    rule("cache_delete", ADMIN, "Take an image out of the cache, or all.", f"DELETE {_CACHED}", f"DELETE {_CACHE}"),
    rule("cache_clean", ADMIN, "Remove what is broken in the cache.", f"POST {_CACHE}/clean"),
    rule("cache_prune", ADMIN, "Make the cache as small as it is to be.", f"POST {_CACHE}/prune"),
)

"""Links from a resource to itself: with the version in the path, and without (`bookmark`)."""

from __future__ import annotations

from nova_lite.api.route import Request

Link = dict[str, str]


def both(request: Request, collection: str, name: str) -> list[Link]:
    """Give a resource's two links."""
    return [
        {"rel": "self", "href": f"{request.service_url}/{collection}/{name}"},
        {"rel": "bookmark", "href": f"{request.url_root}/compute/{collection}/{name}"},
    ]


def bookmark(url_root: str, collection: str, name: str) -> list[Link]:
    """Give only the link without version."""
    return [{"rel": "bookmark", "href": f"{url_root}/compute/{collection}/{name}"}]

"""What hangs on a server: metadata, tags, addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.compute.schemas.servers import MAX_TAGS
from nova_lite.api.compute.views.servers import short_addresses
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.server import Server
from nova_lite.quota import usage
from nova_lite.quota.limits import UNLIMITED
from nova_lite.servers import records, rules


def _server(request: Request) -> Server:
    with request.parts.database.read() as tx:
        return server_of(request, tx)


# -- metadata --------------------------------------------------------------------------------------------------------


def list_metadata(request: Request) -> Answer:
    """Show all metadata."""
    return Answer(body={"metadata": _server(request).metadata})


def show_metadata_item(request: Request) -> Answer:
    """Show one item."""
    metadata, key = _server(request).metadata, request.params["key"]
    return Answer(body={"meta": {key: _item(metadata, key)}})


def _item(metadata: Mapping[str, str], key: str) -> str:
    if key not in metadata:
        raise errors.NotFound("Metadata item was not found")
    return metadata[key]


def add_metadata(request: Request) -> Answer:
    """Add or change some items."""
    asked = request.body["metadata"]
    return Answer(body={"metadata": _change_metadata(request, lambda old: {**old, **asked})})


def replace_metadata(request: Request) -> Answer:
    """Replace all items."""
    return Answer(body={"metadata": _change_metadata(request, lambda _old: dict(request.body["metadata"]))})


def set_metadata_item(request: Request) -> Answer:
    """Add or change one item; path and body must name the same."""
    asked, key = request.body["meta"], request.params["key"]
    if key not in asked:
        raise errors.BadRequest("Request body and URI mismatch")
    _change_metadata(request, lambda old: {**old, **asked})
    return Answer(body={"meta": asked})


def remove_metadata_item(request: Request) -> Answer:
    """Remove one item."""
    key = request.params["key"]

    def change(old: Mapping[str, str]) -> dict[str, str]:
        _item(old, key)
        return {name: value for name, value in old.items() if name != key}

    _change_metadata(request, change)
    return Answer(status=204)


def _change_metadata(request: Request, change: Callable[[Mapping[str, str]], dict[str, str]]) -> dict[str, str]:
    def work(tx: Tx) -> dict[str, str]:
        server = server_of(request, tx)
        rules.require_unlocked(server, request.context)
        changed = change(server.metadata)
        limit = usage.limits_of(tx, server.project_id)["metadata_items"]
        if limit != UNLIMITED and len(changed) > limit:
            raise errors.OverQuota(f"Maximum number of metadata items exceeds {limit}")
        rules.require(server, "metadata")
        records.update(tx, server.id, metadata=changed)
        return changed

    return request.parts.database.transact(work)


# -- tags ------------------------------------------------------------------------------------------------------------


def list_tags(request: Request) -> Answer:
    """Show all tags."""
    return Answer(body={"tags": _server(request).tags})


def check_tag(request: Request) -> Answer:
    """Tell whether the server has a tag."""
    if request.params["tag"] not in _server(request).tags:
        raise errors.NotFound(f"Server {request.params['server_id']} has no tag '{request.params['tag']}'")
    return Answer(status=204)


def replace_tags(request: Request) -> Answer:
    """Replace all tags."""
    tags = tuple(dict.fromkeys(request.body["tags"]))
    _change_tags(request, lambda _old: tags)
    return Answer(body={"tags": tags})


def add_tag(request: Request) -> Answer:
    """Add one tag: 201, or 204 when the server has it already."""
    tag = request.params["tag"]
    if not 0 < len(tag) <= 60 or "," in tag or "/" in tag:
        raise errors.BadRequest("A tag has 1 to 60 characters, without comma and slash.")
    old, new = _change_tags(request, lambda old: old if tag in old else (*old, tag))
    if old == new:
        return Answer(status=204)
    place = f"{request.service_url}/servers/{request.params['server_id']}/tags/{tag}"
    return Answer(status=201, headers={"Location": place} if place.isascii() and place.isprintable() else {})


def remove_tag(request: Request) -> Answer:
    """Remove one tag."""
    tag = request.params["tag"]

    def change(old: tuple[str, ...]) -> tuple[str, ...]:
        if tag not in old:
            raise errors.NotFound(f"Server {request.params['server_id']} has no tag '{tag}'")
        return tuple(one for one in old if one != tag)

    _change_tags(request, change)
    return Answer(status=204)


def remove_tags(request: Request) -> Answer:
    """Remove all tags."""
    _change_tags(request, lambda _old: ())
    return Answer(status=204)


def _change_tags(
    request: Request, change: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Change the tags; give the old and the new ones. A lock does not keep from it."""

    def work(tx: Tx) -> tuple[tuple[str, ...], tuple[str, ...]]:
        server = server_of(request, tx)
        rules.require(server, "tags")
        changed = change(server.tags)
        if len(changed) > MAX_TAGS:
            raise errors.BadRequest(f"A server has at most {MAX_TAGS} tags.")
        if changed != server.tags:
            records.update(tx, server.id, tags=changed)
        return server.tags, changed

    return request.parts.database.transact(work)


# -- addresses -------------------------------------------------------------------------------------------------------


def list_addresses(request: Request) -> Answer:
    """Show all addresses by network."""
    return Answer(body={"addresses": short_addresses(_server(request))})


def show_addresses(request: Request) -> Answer:
    """Show the addresses in one network."""
    found, network = short_addresses(_server(request)), request.params["network"]
    if network not in found:
        raise errors.NotFound("Instance is not a member of specified network")
    return Answer(body={network: found[network]})

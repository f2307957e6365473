"""Flavors, their extra specs and the projects that may use private ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import extra_specs, flags
from nova_lite.api.compute.views import flavors as views
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId
from nova_lite.servers import flavors
from nova_lite.servers.flavors import FlavorQuery

PUBLIC_HAS_NO_ACCESS_LIST = ByVersion({"2.1": False, "2.7": True})
NAME_IS_A_FILTER = ByVersion({"2.1": False, "2.102": True})
SPECS_ARE_CHECKED = ByVersion({"2.1": False, "2.86": True})


def _seen_by(request: Request) -> str | None:
    """Give the project whose flavors the caller may know of; None for all."""
    return None if request.context.sees_all_projects else request.context.project_id or ""


def _flavor(request: Request, tx: Tx) -> Flavor:
    return flavors.get(tx, request.params["flavor_id"], seen_by=_seen_by(request))


def list_flavors(request: Request) -> Answer:
    """List names and ids."""
    return _listed(request, "/flavors", views.short)


def list_details(request: Request) -> Answer:
    """List flavors whole."""
    return _listed(request, "/flavors/detail", views.full)


def _listed(request: Request, path: str, view: Callable[[Request, Flavor], views.View]) -> Answer:
    page = pages.read_page(request, zero_is_all=False)
    public, seen_by = _public(request)
    wanted = FlavorQuery(
        seen_by=seen_by,
        is_public=public,
        min_ram_mib=_least(request, "minRam"),
        min_disk_gib=_least(request, "minDisk"),
        name=request.first("name") if NAME_IS_A_FILTER.at(request.version) else None,
        sort=(request.first("sort_key") or "flavorid", request.first("sort_dir") == "desc"),
        marker=page.marker,
        limit=page.fetch,
    )
    with request.parts.database.read() as tx:
        try:
            found = flavors.list_page(tx, wanted)
        except errors.NotFound as error:
            raise errors.BadRequest(f"marker [{page.marker}] not found") from error
    shown, more = pages.cut(page, found)
    body: dict[str, Any] = {"flavors": [view(request, flavor) for flavor in shown]}
    if more and shown:
        body["flavors_links"] = pages.next_links(request, path, shown[-1].id)
    return Answer(body=body)


def _public(request: Request) -> tuple[bool | None, str | None]:
    """Read `is_public`, which only those who see all may use: by default they see the public ones and their own."""
    own = request.context.project_id or ""
    text = request.first("is_public")
    if not request.context.sees_all_projects or text is None:
        return None, own
    if text.lower() == "none":
        return None, None
    return flags.read(text, "is_public"), None


def _least(request: Request, name: str) -> int | None:
    text = request.first(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise errors.BadRequest(f"Invalid {name} filter [{text[:64]}]")
    return int(text)


def show_flavor(request: Request) -> Answer:
    """Show one flavor."""
    with request.parts.database.read() as tx:
        flavor = _flavor(request, tx)
    return Answer(body={"flavor": views.full(request, flavor)})


def create_flavor(request: Request) -> Answer:
    """Add a flavor."""
    asked = request.body["flavor"]
    rxtx_factor = float(asked.get("rxtx_factor", 1.0))
    if rxtx_factor <= 0:
        raise errors.BadRequest("rxtx_factor must be greater than 0.")
    flavor = Flavor(
        id=_new_id(asked.get("id")),
        name=asked["name"],
        vcpus=_amount(asked, "vcpus", least=1),
        ram_mib=_amount(asked, "ram", least=1),
        disk_gib=_amount(asked, "disk"),
        ephemeral_gib=_amount(asked, "OS-FLV-EXT-DATA:ephemeral"),
        swap_mib=_amount(asked, "swap"),
        rxtx_factor=rxtx_factor,
        is_public=flags.read(asked.get("os-flavor-access:is_public", True), "is_public"),
        description=asked.get("description"),
    )
    request.parts.database.transact(lambda tx: flavors.create(tx, flavor))
    return Answer(body={"flavor": views.full(request, flavor)})


def _new_id(asked: object) -> FlavorId:
    if asked is None or asked == "auto":
        return flavors.new_id()
    text = str(asked)
    if text != text.strip():
        raise errors.BadRequest("A flavor's id neither begins nor ends with a space.")
    return FlavorId(text)


def _amount(asked: Mapping[str, Any], name: str, *, least: int = 0) -> int:
    value = int(asked.get(name, 0))
    if not least <= value < 2**31:
        raise errors.BadRequest(f"Invalid input for field/attribute {name}: {least} to {2**31 - 1} are possible.")
    return value


def update_flavor(request: Request) -> Answer:
    """Change the description, the only thing that may change."""

    def work(tx: Tx) -> Flavor:
        flavors.describe(tx, request.params["flavor_id"], request.body["flavor"]["description"])
        return _flavor(request, tx)

    return Answer(body={"flavor": views.full(request, request.parts.database.transact(work))})


def delete_flavor(request: Request) -> Answer:
    """Remove a flavor; servers keep their copies."""
    request.parts.database.transact(lambda tx: flavors.delete(tx, request.params["flavor_id"]))
    return Answer(status=202)


# -- extra specs -----------------------------------------------------------------------------------------------------


def list_extra_specs(request: Request) -> Answer:
    """Show all extra specs."""
    with request.parts.database.read() as tx:
        return Answer(body={"extra_specs": _flavor(request, tx).extra_specs})


def show_extra_spec(request: Request) -> Answer:
    """Show one."""
    with request.parts.database.read() as tx:
        specs = _flavor(request, tx).extra_specs
    return Answer(body=_spec(request, specs))


def _spec(request: Request, specs: Mapping[str, str]) -> dict[str, str]:
    key = request.params["key"]
    if key not in specs:
        raise errors.NotFound(f"Flavor {request.params['flavor_id']} has no extra specs with key {key}.")
    return {key: specs[key]}


def add_extra_specs(request: Request) -> Answer:
    """Add or change some."""
    added = _checked(request, request.body["extra_specs"])
    _change_specs(request, lambda old: {**old, **added})
    return Answer(body={"extra_specs": added})


def update_extra_spec(request: Request) -> Answer:
    """Change one; path and body must name the same."""
    if request.params["key"] not in request.body:
        raise errors.BadRequest("Request body and URI mismatch")
    changed = _checked(request, request.body)
    _change_specs(request, lambda old: {**old, **changed})
    return Answer(body=changed)


def remove_extra_spec(request: Request) -> Answer:
    """Remove one."""

    def change(old: Mapping[str, str]) -> dict[str, str]:
        gone = _spec(request, old)
        return {key: value for key, value in old.items() if key not in gone}

    _change_specs(request, change)
    return Answer(status=200)


def _checked(request: Request, specs: Mapping[str, Any]) -> dict[str, str]:
    texts = {key: str(value) for key, value in specs.items()}
    if SPECS_ARE_CHECKED.at(request.version):
        extra_specs.check(texts)
    return texts


def _change_specs(request: Request, change: Callable[[Mapping[str, str]], dict[str, str]]) -> None:
    def work(tx: Tx) -> None:
        flavor = _flavor(request, tx)
        flavors.set_extra_specs(tx, flavor.id, change(flavor.extra_specs))

    request.parts.database.transact(work)


# -- access ----------------------------------------------------------------------------------------------------------


def list_access(request: Request) -> Answer:
    """List the projects that may use a private flavor."""
    with request.parts.database.read() as tx:
        flavor = _flavor(request, tx)
        if flavor.is_public:
            raise errors.NotFound("Access list not available for public flavors.")
        return Answer(body=views.access(flavor.id, flavors.list_access(tx, flavor)))


def add_access(request: Request) -> Answer:
    """Let a project use a flavor."""
    project_id = request.body["addTenantAccess"]["tenant"]

    def work(tx: Tx) -> Answer:
        flavor = _flavor(request, tx)
        if flavor.is_public and PUBLIC_HAS_NO_ACCESS_LIST.at(request.version):
            raise errors.Conflict("Can not add access to a public flavor.")
        flavors.add_access(tx, flavor, project_id)
        return Answer(body=views.access(flavor.id, flavors.list_access(tx, flavor)))

    return request.parts.database.transact(work)


def remove_access(request: Request) -> Answer:
    """Take the use of a flavor away."""
    project_id = request.body["removeTenantAccess"]["tenant"]

    def work(tx: Tx) -> Answer:
        flavor = _flavor(request, tx)
        flavors.remove_access(tx, flavor, project_id)
        return Answer(body=views.access(flavor.id, flavors.list_access(tx, flavor)))

    return request.parts.database.transact(work)

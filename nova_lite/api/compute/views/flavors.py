"""What flavors look like, by microversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova_lite.api.compute import links
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Request
from nova_lite.model.flavor import Flavor

View = dict[str, Any]
EXTRA_SPECS = "os_compute_api:os-flavor-extra-specs:index"
UNUSED = frozenset({"rxtx_factor", "OS-FLV-DISABLED:disabled"})
NO_SWAP = ByVersion[Any]({"2.1": "", "2.75": 0})


def _short(request: Request, flavor: Flavor) -> View:
    return {"id": flavor.id, "name": flavor.name, "links": links.both(request, "flavors", flavor.id)}


def _short_described(request: Request, flavor: Flavor) -> View:
    return _short(request, flavor) | {"description": flavor.description}


def _full(request: Request, flavor: Flavor) -> View:
    return _short(request, flavor) | {
        "ram": flavor.ram_mib,
        "disk": flavor.disk_gib,
        "swap": flavor.swap_mib or NO_SWAP.at(request.version),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
    }


def _full_described(request: Request, flavor: Flavor) -> View:
    return _full(request, flavor) | {"description": flavor.description}


def _full_with_specs(request: Request, flavor: Flavor) -> View:
    view = _full_described(request, flavor)
    if request.may(EXTRA_SPECS):
        view["extra_specs"] = flavor.extra_specs
    return view


def _full_without_unused(request: Request, flavor: Flavor) -> View:
    view = _full_with_specs(request, flavor)
    return {name: value for name, value in view.items() if name not in UNUSED}


Maker = Callable[[Request, Flavor], View]
SHORT: ByVersion[Maker] = ByVersion({"2.1": _short, "2.55": _short_described})
FULL: ByVersion[Maker] = ByVersion(
    {"2.1": _full, "2.55": _full_described, "2.61": _full_with_specs, "2.102": _full_without_unused}
)


def short(request: Request, flavor: Flavor) -> View:
    """Show a flavor in a short list."""
    return SHORT.at(request.version)(request, flavor)


def full(request: Request, flavor: Flavor) -> View:
    """Show all of a flavor."""
    return FULL.at(request.version)(request, flavor)


def access(flavor_id: str, projects: list[str]) -> View:
    """Show who may use a private flavor."""
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}

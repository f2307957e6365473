"""Which public APIs there are; each is imported only where it is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nova_lite import errors
from nova_lite.api import documents
from nova_lite.api.microversion import VersionRange, parse, show
from nova_lite.api.service import Service
from nova_lite.conf.api import SERVICES

DOCUMENTS_SERVICE = Service(name="identity", prefix="", root="", routes=())


def _identity() -> Service:
    from nova_lite.api.identity.routes import ROUTES

    return Service(
        name="identity", prefix="/identity", root="/identity/v3", routes=ROUTES, documents=documents.identity_routes()
    )


def _compute() -> Service:
    from nova_lite.api.compute import versions
    from nova_lite.api.compute.routes import ROUTES

    kept = VersionRange(
        service="compute",
        least=_version(versions.MIN),
        most=_version(versions.MAX),
        old_header="X-OpenStack-Nova-API-Version",
    )
    return Service(
        name="compute",
        prefix="/compute",
        root="/compute/v2.1",
        routes=ROUTES,
        documents=documents.compute_routes(show(kept.least), show(kept.most)),
        versions=kept,
        request_id_header="X-Compute-Request-Id",
        old_root="/compute/v2",
    )


def _image() -> Service:
    from nova_lite.api.image.routes import ROUTES
    from nova_lite.api.image.versions import MINORS

    return Service(
        name="image",
        prefix="/image",
        root="/image/v2",
        routes=ROUTES,
        documents=documents.image_routes(MINORS),
        open_ended=False,
    )


def _network() -> Service:
    from nova_lite.api.network.routes import ROUTES

    return Service(name="network", prefix="/network", root="/network/v2.0", routes=ROUTES, documents=documents.network_routes())


def _version(value: str | tuple[int, int]) -> tuple[int, int]:
    return parse(value) if isinstance(value, str) else value


MAKERS: dict[str, Callable[[], Service]] = {
    "identity": _identity,
    "compute": _compute,
    "image": _image,
    "network": _network,
}


def load(names: Iterable[str] | None = None) -> list[Service]:
    """Give the services by name, all by default. Raises: ConfigError for an unknown name."""
    chosen = list(SERVICES if names is None else names)
    unknown = sorted(set(chosen) - set(MAKERS))
    if unknown:
        raise errors.ConfigError(f"There is no API named {', '.join(unknown)}; there are {', '.join(MAKERS)}.")
    return [MAKERS[name]() for name in dict.fromkeys(chosen)]

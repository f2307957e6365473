"""One public API as the frame sees it: a name, a path, routes, and perhaps microversions."""

from __future__ import annotations

import dataclasses

from nova_lite.api.microversion import VersionRange
from nova_lite.api.route import Route


@dataclasses.dataclass(frozen=True, kw_only=True)
class Service:
    """A public API. `prefix` is its unversioned path (`/compute`), `root` its versioned one (`/compute/v2.1`).

    documents: routes of the version documents, with whole paths
    old_root: the path of an older version that has the same routes, without microversions
    open_ended: whether a path may end with a slash
    lenient: whether fields of bodies that nobody knows are dropped, instead of refused
    """

    name: str
    prefix: str
    root: str
    routes: tuple[Route, ...]
    documents: tuple[Route, ...] = ()
    versions: VersionRange | None = None
    request_id_header: str | None = None  # an older name of X-Openstack-Request-Id
    old_root: str | None = None
    open_ended: bool = True
    lenient: bool = False

    def roots(self) -> tuple[Service, ...]:
        """Give the service as it is under each of its versioned paths, the newest first."""
        if self.old_root is None:
            return (self,)
        versions = None if self.versions is None else self.versions.frozen()
        return (self, dataclasses.replace(self, root=self.old_root, documents=(), versions=versions, lenient=True))

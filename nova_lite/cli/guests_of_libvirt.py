"""Guests in this machine's libvirt, seen from outside the compute daemon: for `down` and `doctor`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import libvirt

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.cli.machine_services import libvirt_runs
from nova_lite.compute.virt.libvirt import domains
from nova_lite.conf import compute as compute_conf


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[libvirt.virConnect]:
    """Open libvirt. Raises: Unavailable when it does not answer or refuses."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would print to standard error
    try:
        connection = libvirt.open(uri)
        try:
            yield connection
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise errors.Unavailable(f"libvirt: {error.get_error_message()}") from error


def remove(installation: Installation, host: str, server_id: str) -> bool:
    """Destroy and forget one of our guests; give whether it was there."""
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        if domains.find(connection, host, server_id) is None:
            return False
        domains.remove(connection, host, server_id)
        return True


def list_ours(installation: Installation, host: str) -> list[str]:
    """List the servers that have a guest here."""
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        return [server_id for server_id, domain in domains.list_all(connection) if domains.host_of(domain) == host]


def others_run(installation: Installation) -> bool:
    """Whether guests run that are not ours."""
    if not libvirt_runs():
        return False
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        return any(domains.host_of(domain) is None for domain in connection.listAllDomains() if domain.isActive())

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
from nova_lite.model.ids import ServerId


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


def remove_all(installation: Installation) -> list[ServerId]:
    """Destroy and forget this installation's guests; give their servers. Disks stay."""
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        found = _ours(installation, connection)
        for server_id, host in found:
            domains.remove(connection, host, server_id)
        return [server_id for server_id, _ in found]


def list_ours(installation: Installation) -> list[ServerId]:
    """List the servers that have a guest here."""
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        return [server_id for server_id, _ in _ours(installation, connection)]


def _ours(installation: Installation, connection: libvirt.virConnect) -> list[tuple[ServerId, str]]:
    """List server and host of each guest whose disks are in our folders: another cloud may run on this machine too."""
    folder = f"{installation.daemon.state_dir}/compute/"
    named = [(server_id, domains.host_of(domain), domain) for server_id, domain in domains.list_all(connection)]
    return [(ServerId(server_id), host) for server_id, host, domain in named if host and folder in domain.XMLDesc()]


def others_run(installation: Installation) -> bool:
    """Whether guests run that are not ours."""
    if not libvirt_runs():
        return False
    with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
        return any(domains.host_of(domain) is None for domain in connection.listAllDomains() if domain.isActive())

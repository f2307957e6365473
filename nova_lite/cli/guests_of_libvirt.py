"""Guests in this machine's libvirt, seen from outside the compute daemon: for `down` and `doctor`."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import libvirt

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.cli.machine_services import libvirt_runs
from nova_lite.compute.virt.libvirt import domains
from nova_lite.conf import compute as compute_conf
from nova_lite.model.ids import ServerId

T = TypeVar("T")
ANSWER_S = 10.0


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
    """List the servers that have a guest here. Raises: Unavailable, also when libvirt hangs."""

    def look() -> list[ServerId]:
        with _connected(compute_conf.read(installation.conf).libvirt_uri) as connection:
            return [server_id for server_id, _ in _ours(installation, connection)]

    return within(ANSWER_S, look)


def within(timeout_s: float, look: Callable[[], T]) -> T:
    """Do what may hang in libvirt's library, where it cannot be interrupted; its thread is left behind then.

    Raises: Unavailable.
    """
    results: queue.SimpleQueue[T | errors.Unavailable] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(look())
        except errors.Unavailable as error:
            results.put(error)

    threading.Thread(target=work, name="libvirt-look", daemon=True).start()
    try:
        found = results.get(timeout=timeout_s)
    except queue.Empty:
        raise errors.Unavailable(
            f"libvirt on this machine does not answer within {timeout_s:.0f} s; its host takes no new servers meanwhile"
        ) from None
    if isinstance(found, errors.Unavailable):
        raise found
    return found


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
